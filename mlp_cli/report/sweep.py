"""The page of a sweep: its ranked settings, the effect of each key, and curves by setting."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from xml.etree.ElementTree import Element

from mlp_cli.config import as_text
from mlp_cli.report import figures
from mlp_cli.report.html import Child, E, table
from mlp_cli.report.page import document, section
from mlp_cli.report.sections import figure
from mlp_cli.runs.folder import read_metrics
from mlp_cli.runs.ranking import Difference, Spread
from mlp_cli.runs.settings import told
from mlp_cli.runs.sweep import BEST_CONFIG, Standing, Sweep
from mlp_cli.training.loop import Record

CURVES = figures.COLOURS  # settings with curves of their own: more colours cannot be told apart


def page_of_sweep(directory: str | Path) -> bytes:
    """The bytes of report.html about the sweep in a directory. Raises an MlpError for what is missing or damaged."""
    sweep = Sweep.read(directory)
    standings = sweep.standings()
    missing = len(sweep.missing())
    lead = f"{told(len(sweep.settings), len(sweep.seeds))}; {missing or 'none'} missing."
    return document(f"Sweep {sweep}", E("p", lead, class_="lead"), list(_parts(sweep, standings)))


def _parts(sweep: Sweep, standings: list[Standing]) -> Iterator[Element]:
    yield section("Results", "results", _results(sweep, standings))
    accuracies = sweep.accuracies()
    if any(accuracies.values()):
        yield section("Effect of each key", "keys", _keys(sweep))
        yield section("Curves", "curves", _curves(sweep, standings))


def _results(sweep: Sweep, standings: list[Standing]) -> Child:
    has_test = any(standing.test for standing in standings)
    header = ["Setting", "Runs", "Validation accuracy, %", *["Test accuracy, %"] * has_test, "Seconds"]
    header += ["Behind the best, points", "Interval", "More than noise"]
    rows: list[list[Child]] = []
    for place, standing in enumerate(standings):
        key = figures.line_key(place) if place < CURVES and standing.validation else None
        states = ", ".join(f"{n} {state}" for state, n in standing.states.items())
        row: list[Child] = [[key, standing.setting.label], states, _spread(standing.validation, 100, 2)]
        row += [_spread(standing.test, 100, 2)] * has_test
        rows.append([*row, _spread(standing.seconds, 1, 1), *_behind(standing.behind)])
    how = (
        "Settings are ranked by mean validation accuracy, ± its standard deviation over seeds. Differences are paired "
        "over seeds; the 95% intervals hold for all pairs of settings together (Student’s t, Bonferroni)."
    )
    best = sweep.best()
    choice = (
        f"The best setting is {best.label}; {BEST_CONFIG} has its configuration." if best else "No run has finished."
    )
    return [E("p", choice), table("The settings, best first", header, rows, is_wide=True, class_="runs"), E("p", how)]


def _spread(spread: Spread | None, factor: float, digits: int) -> str:
    if spread is None:
        return "–"
    mean = f"{factor * spread.mean:.{digits}f}"
    return mean if spread.deviation is None else f"{mean} ± {factor * spread.deviation:.{digits}f}"


def _behind(difference: Difference | None) -> list[Child]:
    if difference is None:
        return ["–", "–", "–"]
    mean = f"{100 * difference.mean:.2f}"
    if difference.low is None or difference.high is None:
        return [mean, "–", "–"]
    interval = f"{100 * difference.low:.2f} to {100 * difference.high:.2f}".replace("-", "−")
    return [mean, interval, "yes" if difference.is_larger_than_noise else "no"]


def _keys(sweep: Sweep) -> Child:
    """For each key that varies, the accuracies of all runs by its value."""
    drawn = []
    for key in sweep.settings[0].values:
        values: dict[str, list[float]] = {as_text(setting.values[key]): [] for setting in sweep.settings}
        for row in sweep.rows.values():
            if row.outcome and row.state == "finished" and row.outcome.val_accuracy is not None:
                values[as_text(row.setting.values[key])].append(row.outcome.val_accuracy)
        means = [
            f"{value}: {sum(some) / len(some):.2%} over {len(some)} runs" for value, some in values.items() if some
        ]
        short = key.rpartition(".")[2]
        caption = E("figcaption", E("b", key), "; each dot is a run")
        drawn.append(
            figure(figures.by_value(short, values), f"Validation accuracy by {key}: {'; '.join(means)}.", caption)
        )
    return E("div", drawn, class_="row")


def _curves(sweep: Sweep, standings: list[Standing]) -> Child:
    """The accuracy by epoch of the best settings, with the spread of their seeds."""
    runs: dict[int, list[list[Record]]] = {}
    key, sentences = [], []
    ranked = [standing for standing in standings if standing.validation]
    for place, standing in enumerate(islice(ranked, CURVES)):
        rows = [row for row in sweep.rows.values() if row.setting is standing.setting and row.state == "finished"]
        records = [found for row in rows if (found := read_metrics(sweep.directory / row.name))]
        if records:
            runs[place] = records
            key.append(E("li", figures.line_key(place), standing.setting.label))
            sentences.append(f"{standing.setting.label} reaches {_spread(standing.validation, 100, 2)}%")
    if not runs:
        return E("p", "No epoch has ended yet.")
    some = "" if len(ranked) <= CURVES else f" of the {CURVES} best settings"
    caption = E(
        "figcaption",
        E("b", "Validation accuracy"),
        f"{some}, mean over seeds; the bands reach from the lowest "
        "seed to the highest, on a scale that stretches towards 100%",
    )
    told_in_words = f"Validation accuracy by epoch: {'; '.join(sentences)}."
    return [
        E("ul", key, class_="key"),
        E("div", figure(figures.spread_curves(runs), told_in_words, caption), class_="row"),
    ]
