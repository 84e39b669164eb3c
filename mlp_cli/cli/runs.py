"""mlp runs."""

import click

ORDERS = ["name", "started", "validation", "epochs", "seconds"]


@click.command("runs")
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path())
@click.option(
    "--sort",
    "order",
    type=click.Choice(ORDERS),
    default="name",
    show_default=True,
    help="Newest, most accurate, most epochs or fewest seconds come first.",
)
@click.option("--test", is_flag=True, help="Measure each run on its test set, too, as mlp eval does.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per run.")
def command(directory, order, test, as_json):
    """List the runs in a directory.

    DIR is runs/ if it is not given. Accuracies are those of the best epoch by validation. The test set is not opened
    without --test, and nothing is ordered by it: who chooses a run by it no longer knows how good it is on new images.

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
            click.echo(_json(summary))
    elif summaries:
        click.echo("\n".join(_table(summaries, test)))
    if not summaries:
        click.echo(f"no runs in {RUNS if directory is None else directory}; mlp train makes one", err=True)


def _json(summary):
    import json
    from dataclasses import asdict

    return json.dumps(asdict(summary) | {"run": str(summary.run)})


def _table(summaries, test):
    from mlp_cli.cli.table import table
    from mlp_cli.printable import printable

    header, align = ["run", "state", "epochs", "validation", "test", "seconds", "configuration"], "<<>>>><"
    rows = []
    for summary in summaries:
        known = summary.epochs is not None
        rows.append(
            [
                printable(summary.run.name),
                printable(summary.state),
                f"{summary.epochs}/{summary.epochs_asked}" if known else "-",
                _percent(summary.val_accuracy),
                _percent(summary.test_accuracy),
                f"{summary.seconds:.1f}" if known else "-",
                printable(" ".join([summary.preset, *map(_change, summary.changes.items())]) if known else ""),
            ]
        )
        if summary.problem:
            rows[-1][-1] = f"{rows[-1][-1]}  ({printable(summary.problem)})".lstrip()
    if not test:
        header, align, rows = _without(header), _without(align), [_without(row) for row in rows]
    return table(header, rows, align)


def _without(cells, column=4):
    return [*cells[:column], *cells[column + 1 :]]


def _percent(share):
    return "-" if share is None else f"{share:.2%}"


def _change(change):
    """A key and its value, short: epochs=8."""
    from mlp_cli.config import as_text

    key, value = change
    return f"{key.rpartition('.')[2]}={as_text(value)}".replace(" ", "")
