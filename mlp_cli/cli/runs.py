"""mlp runs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from mlp_cli.cli.console import note, tell
from mlp_cli.printable import to_json

if TYPE_CHECKING:
    from mlp_cli.runs.summary import Summary

ORDERS = ["name", "started", "validation", "epochs", "seconds"]


@click.command("runs")
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path())
@click.option(
    "--sort",
    "order",
    type=click.Choice(ORDERS),
    default="name",
    show_default=True,
    help="By name, or newest, most accurate, most epochs or fewest seconds first.",
)
@click.option("--test", is_flag=True, help="Also measure each run on its test set, as mlp eval does.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per run.")
def command(directory: str | None, order: str, test: bool, as_json: bool) -> None:
    """List the runs in a directory.

    The default DIR is runs/. Accuracies are those of the epoch with the best validation accuracy. The test set is
    opened only with --test, and never used for sorting: if you choose a run by test accuracy, that figure no longer
    predicts performance on new images.

    \b
    mlp runs
    mlp runs --sort validation --json
    """
    from mlp_cli.blas import limit_threads
    from mlp_cli.model.find import RUNS
    from mlp_cli.runs.summary import list_runs

    limit_threads()
    missing = directory is None and not RUNS.exists()
    summaries = [] if missing else list_runs(RUNS if directory is None else directory, order, test)
    if as_json:
        for summary in summaries:
            tell(_json(summary))
    elif summaries:
        tell(*_table(summaries, test))
    if not summaries:
        note(f"no runs in {RUNS if directory is None else directory}; mlp train makes one")


def _json(summary: "Summary") -> str:
    from dataclasses import asdict

    return to_json(asdict(summary) | {"run": str(summary.run)})


def _table(summaries: Sequence["Summary"], test: bool) -> list[str]:
    from mlp_cli.cli.table import table

    header, align = ["run", "state", "epochs", "validation", "test", "seconds", "configuration"], "<<>>>><"
    rows = [_row(summary) for summary in summaries]
    if not test:
        column = header.index("test")
        align = align[:column] + align[column + 1 :]
        for cells in (header, *rows):
            del cells[column]
    return table(header, rows, align)


def _row(summary: "Summary") -> list[str]:
    from mlp_cli.printable import printable

    epochs, seconds, notes = "-", "-", []
    if summary.preset is not None:
        epochs, seconds = f"{summary.epochs}/{summary.epochs_asked}", f"{summary.seconds:.1f}"
        notes.append(" ".join([summary.preset, *map(_change, summary.changes.items())]))
    if summary.problem:
        notes.append(f"({summary.problem})")
    accuracies = map(_percent, (summary.val_accuracy, summary.test_accuracy))
    return list(map(printable, (summary.run.name, summary.state, epochs, *accuracies, seconds, "  ".join(notes))))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"


def _change(change: tuple[str, Any]) -> str:
    """A key and its value, short: epochs=8."""
    from mlp_cli.config import as_text

    key, value = change
    return f"{key.rpartition('.')[2]}={as_text(value)}".replace(" ", "")
