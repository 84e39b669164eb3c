"""mlp gradcheck."""

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from mlp_cli.cli.console import note, tell
from mlp_cli.cli.table import table
from mlp_cli.cli.terminal import coloured
from mlp_cli.printable import to_json

if TYPE_CHECKING:
    from mlp_cli.proof.gradcheck import Agreement, FormulaCheck, NetworkCheck

PIXELS, CLASSES = 784, 10  # of MNIST: a configuration leaves them to the data


@click.command("gradcheck")
@click.argument("config", required=False)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a key, such as network.hidden=[300]. Repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def command(config: str | None, assignments: tuple[str, ...], as_json: bool) -> None:
    """Check every formula of the derivation by central differences.

    Each formula of docs/derivation.md is checked alone, then how they are joined, then whole networks: a small one
    entry by entry, and the network of CONFIG along random directions, with every activation, with and without label
    smoothing and dropout. CONFIG is a preset, a TOML file or a run directory, as for mlp train. The exit code is 1 if
    anything is wrong.

    \b
    mlp gradcheck
    mlp gradcheck runs/001
    """
    from mlp_cli.blas import limit_threads
    from mlp_cli.config import load_config
    from mlp_cli.proof import gradcheck

    settings = load_config("default" if config is None else config, assignments)
    sizes = (PIXELS, *settings.network.hidden, CLASSES)
    smoothing, dropout = settings.training.label_smoothing, settings.training.dropout
    limit_threads()

    formulas = list(gradcheck.check_formulas())
    small = list(gradcheck.check_networks(gradcheck.SMALL))
    whole = list(gradcheck.check_networks(sizes, smoothing, dropout, gradcheck.DIRECTIONS))
    _note_files({formula.file for formula in formulas})
    if as_json:
        tell(_json(formulas, small + whole, gradcheck.TOLERANCE))
    else:
        settled = (settings.network.activation, smoothing, dropout)
        lines = [
            f"float64; right means a relative error of at most {gradcheck.TOLERANCE:.0e}",
            "",
            *_formula_table(formulas),
            f"whole networks, {_name(gradcheck.SMALL)}, every entry against its central difference:",
            *_network_table(small),
            "",
            f"whole networks, {_name(sizes)}, along {gradcheck.DIRECTIONS} random directions:",
            *_network_table(whole, settled),
        ]
        tell(*lines, styled=True)
    if _say_what_is_wrong(formulas, small + whole):
        sys.exit(1)
    if not as_json:
        tell("", f"All {len(formulas)} formulas and {len(small + whole)} networks are right.")


def _note_files(files: Iterable[str]) -> None:
    """Say which files were checked, and whether the working directory has other files of these names."""
    from pathlib import Path

    from mlp_cli.proof import gradcheck

    place = Path(gradcheck.__file__).resolve().parents[2]
    names = sorted(files)
    note(f"checked in {place}: {', '.join(names)}")
    others = [name for name in names if Path(name).exists() and not Path(name).resolve().samefile(place / name)]
    if others:
        note(f"note: not checked: {', '.join(others)} in this directory; to check these: pip install -e .")


def _say_what_is_wrong(formulas: Sequence["FormulaCheck"], networks: Sequence["NetworkCheck"]) -> bool:
    """Print a line on stderr for each wrong formula, or else for each wrong network. Returns whether there are any."""
    from mlp_cli.proof.gradcheck import WHOLE

    wrong = [formula for formula in formulas if not formula.result.passed]
    # A wrong formula makes everything that uses it wrong: name the formula only.
    wrong = [formula for formula in wrong if formula.witness != WHOLE] or wrong
    wrong_networks = [network for network in networks if not network.passed]
    for formula in wrong:
        note(f"mlp: wrong: {formula.formula} in {formula.code}: {_what(formula.result)}")
    if wrong:
        note(f"mlp: {len(wrong_networks)} of {len(networks)} whole networks are wrong because of it")
    else:
        for network in wrong_networks:
            name, result = _worst(network)
            note(f"mlp: wrong: {_title(network)}: {_symbol(name)}: {_what(result)}")
    return bool(wrong or wrong_networks)


def _formula_table(formulas: Sequence["FormulaCheck"]) -> Iterator[str]:
    """A row per formula, grouped under a line that says what it was compared with."""
    rows = [
        [row.formula, row.code, row.shapes, f"{row.result.error:.0e}", _index(row.result.entry), _verdict(row.result)]
        for row in formulas
    ]
    head, *lines = table(["formula", "code", "shapes", "error", "at", ""], rows, "<<<<<<")
    yield head
    for witness, pairs in groupby(zip(formulas, lines, strict=True), key=lambda pair: pair[0].witness):
        yield from [f"against the {witness}:", *(line for _, line in pairs), ""]


def _network_table(networks: Sequence["NetworkCheck"], settled: tuple[str, float, float] | None = None) -> list[str]:
    names = list(networks[0].results)
    errors = ["error"] if len(names) == 1 else list(map(_symbol, names))
    header = ["activation", "smoothing", "dropout", *errors, "largest at", ""]
    rows = []
    for network in networks:
        shares = (network.smoothing, network.dropout)
        kind = [network.activation, *(f"{share:g}" if share else "-" for share in shares)]
        errors = [f"{result.error:.0e}" for result in network.results.values()]
        name, result = _worst(network)
        note = "  as configured" if (network.activation, *shares) == settled else ""
        rows.append([*kind, *errors, f"{_symbol(name)}{_index(result.entry)}", _verdict(network) + note])
    return table(header, rows, "<" * len(header))


def _json(formulas: Sequence["FormulaCheck"], networks: Sequence["NetworkCheck"], tolerance: float) -> str:
    def result(checked: "Agreement") -> dict[str, Any]:
        error = None if math.isnan(checked.error) else checked.error
        return {"error": error, "entry": checked.entry, "problem": checked.problem}

    results: list[Agreement | NetworkCheck] = [*(row.result for row in formulas), *networks]
    answer: dict[str, Any] = {"passed": all(checked.passed for checked in results), "tolerance": tolerance}
    answer["formulas"] = [
        {
            "formula": row.formula,
            "witness": row.witness,
            "code": row.code,
            "file": row.file,
            "line": row.line,
            "shapes": row.shapes,
            "passed": row.result.passed,
            **result(row.result),
        }
        for row in formulas
    ]
    answer["networks"] = [
        {
            "sizes": network.sizes,
            "activation": network.activation,
            "label_smoothing": network.smoothing,
            "dropout": network.dropout,
            "passed": network.passed,
            "gradients": {name: result(checked) for name, checked in network.results.items()},
        }
        for network in networks
    ]
    return to_json(answer)


def _worst(network: "NetworkCheck") -> tuple[str, "Agreement"]:
    """The name and the Agreement of the largest error; NaN counts as the largest."""
    return max(network.results.items(), key=lambda item: (math.isnan(item[1].error), item[1].error))


def _verdict(checked: "Agreement | NetworkCheck") -> str:
    return coloured("ok", fg="green") if checked.passed else coloured("WRONG", fg="red", bold=True)


def _what(result: "Agreement") -> str:
    return result.problem or f"relative error {result.error:.1e} at {_index(result.entry)}"


def _title(network: "NetworkCheck") -> str:
    parts = [_name(network.sizes), network.activation]
    parts += [f"label smoothing {network.smoothing:g}"] * (network.smoothing > 0)
    parts += [f"dropout {network.dropout:g}"] * (network.dropout > 0)
    return ", ".join(parts)


def _name(sizes: Sequence[int]) -> str:
    return "-".join(map(str, sizes))


def _index(entry: Sequence[int]) -> str:
    return f"[{','.join(map(str, entry))}]" if entry else ""


def _symbol(name: str) -> str:
    """dW⁽¹⁾ for W1."""
    from mlp_cli.proof.trace import SUPERSCRIPTS

    return "direction" if name == "directions" else f"d{name[0]}⁽{name[1:].translate(SUPERSCRIPTS)}⁾"
