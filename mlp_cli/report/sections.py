"""The sections of a report: each function returns the content under one heading."""

import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from mlp_cli.config import as_text, flat, to_table
from mlp_cli.model.measure import Measurement
from mlp_cli.report import figures, pictures
from mlp_cli.report.html import Child, E, scrolling, table
from mlp_cli.report.subject import Subject

MISTAKES, UNITS, PAIRS = 50, 128, 10
SHA256 = 16  # digits of a hash that are shown
LIMITS = {"rotation": "°", "scale": "", "shear": "", "shift": " pixels"}  # of a warp, with their units
MOST_CLASSES = 50  # of a confusion matrix that is shown whole
FACTS = {  # of run.json
    "started": "Started", "ended": "Ended", "command": "Command", "threads": "Threads", "data": "Data",
    "cpu": "Processor", "platform": "System", "python": "Python", "packages": "Packages", "blas": "BLAS",
    "resumed": "Resumed",
}  # fmt: skip
# In place of keys within these facts
NAMES = {"name": "", "internal_api": "", "num_threads": "threads ", "at": ""}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")


def results(subject: Subject) -> Child:
    """The numbers of a run, large."""
    summary, measurement, numbers = subject.summary, subject.measurement, []
    if measurement:
        low, high = measurement.interval
        error, _ = measurement.calibration
        wrong = f"{len(measurement.mistakes):,} of {len(measurement):,} wrong"
        numbers += [
            ("Test accuracy", f"{measurement.accuracy:.2%}", f"95% interval {low:.2%} to {high:.2%}; {wrong}"),
            ("Cross-entropy", f"{measurement.loss:.4f}", "nats per image; 0 is perfect"),
            ("Brier score", f"{measurement.brier:.4f}", "0 is perfect, 2 the worst"),
            ("Calibration error", f"{error:.2%}", f"at temperature {measurement.temperature:.3f}"),
        ]
    if summary.val_accuracy is not None:
        numbers.append(
            ("Validation accuracy", f"{summary.val_accuracy:.2%}", f"the best, of epoch {summary.best_epoch}")
        )
    progress = f"{summary.epochs} of {summary.epochs_asked} epochs; {summary.state}"
    numbers.append(("Training", _duration(summary.seconds or 0), progress))
    divs = [E("div", E("dt", name), E("dd", value, E("small", note))) for name, value, note in numbers]
    nothing = "No epoch of this run has finished yet, so there is no network to measure."
    return [E("dl", divs, class_="numbers"), None if measurement else E("p", nothing)]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def comparison(subjects: Sequence[Subject]) -> Child:
    """A table of the results of several runs."""
    header = [
        "Run", "Test accuracy", "95% interval", "Cross-entropy", "Brier score", "Calibration error",
        "Validation accuracy", "Epochs", "Seconds", "State",
    ]  # fmt: skip
    rows: list[list[Child]] = []
    for number, subject in enumerate(subjects):
        name = [figures.line_key(number), E("a", str(subject.directory), href=f"#run-{number + 1}")]
        measurement, summary = subject.measurement, subject.summary
        measured = ["–"] * 5
        if measurement:
            low, high = measurement.interval
            measured = [f"{measurement.accuracy:.2%}", f"{low:.2%} to {high:.2%}"]
            measured += [f"{measurement.loss:.4f}", f"{measurement.brier:.4f}", f"{measurement.calibration[0]:.2%}"]
        validation = "–" if summary.val_accuracy is None else f"{summary.val_accuracy:.2%}"
        epochs = f"{summary.epochs} of {summary.epochs_asked}"
        rows.append([name, *measured, validation, epochs, f"{summary.seconds:.1f}", summary.state])
    choice = (
        "If you choose a run by its test accuracy, that figure no longer predicts performance on new images. "
        "Choose by validation accuracy."
    )
    return [
        table("The best checkpoint of each run, measured on the test set", header, rows, is_wide=True, class_="runs"),
        E("p", choice),
    ]


def differences(subjects: Sequence[Subject]) -> Child:
    """A table of the keys in which the configurations of the runs differ."""
    tables = [flat(subject.config) for subject in subjects]
    rows = [
        [key, *(as_text(values[key]) for values in tables)]
        for key in tables[0]
        if any(values[key] != tables[0][key] for values in tables)
    ]
    if not rows:
        return E("p", "There are none.")
    header = ["Key", *(str(subject.directory) for subject in subjects)]
    return table("The keys in which the runs differ", header, rows, is_wide=True, class_="words")


def curves(subjects: Sequence[Subject]) -> Child:
    """Loss and accuracy by epoch and the learning rate by step, of all runs in the same axes."""
    several = len(subjects) > 1
    numbered = [(number, subject) for number, subject in enumerate(subjects) if subject.records]
    if not numbered:
        return E("p", "No epoch has ended yet.")
    runs = {number: subject.records for number, subject in numbered}
    rates = {number: subject.learning_rates() for number, subject in numbered}
    if several:
        key = [E("li", figures.line_key(number), str(subject.directory)) for number, subject in numbered]
        key += [E("li", "thick: validation"), E("li", "thin: training")]
    else:
        key = [E("li", figures.line_key(0), "validation"), E("li", figures.line_key(0, is_thin=True), "training")]
    charts: list[tuple[str, str, Element, tuple[str, ...], Callable[[list[float]], float], str]] = [
        ("Loss", "on a logarithmic scale", figures.loss_curves(runs), ("val_loss", "train_loss"), min, "{:.4f}"),
        (
            "Accuracy",
            "on a scale that stretches towards 100%",
            figures.accuracy_curves(runs),
            ("val_accuracy", "train_accuracy"),
            max,
            "{:.2%}",
        ),
    ]
    drawn = []
    for title, note, svg, columns, best, form in charts:
        told = "; ".join(_told(subject, columns, best, form, several) for _, subject in numbered)
        drawn.append(figure(svg, f"{title} by epoch: {told}.", E("figcaption", E("b", title), f", {note}")))
    told = "; ".join(_told_rates(subject, several) for _, subject in numbered)
    caption = E("figcaption", E("b", "Learning rate"), ", at every step")
    drawn.append(figure(figures.rate_curves(rates), f"Learning rate by step: {told}.", caption))
    return [E("p", _how_measured([s for _, s in numbered])), E("ul", key, class_="key"), E("div", drawn, class_="row")]


def _how_measured(subjects: Sequence[Subject]) -> str:
    """How the training and validation figures of these runs are measured."""
    applied = ["augmented"] * any(subject.warps is not None for subject in subjects)
    applied += ["with dropout"] * any(subject.config.training.dropout for subject in subjects)
    training = "Training figures are means over the epoch, taken before each step"
    if applied:
        training += f", on the images as trained on ({', '.join(applied)})"
    return f"{training}. Validation is measured at the end of each epoch."


def _told_rates(subject: Subject, with_name: bool) -> str:
    """The learning rates of a run in words and numbers."""
    x, rates = subject.learning_rates()
    highest = max(rates)
    told = f"from {rates[0]:.3g} to {rates[-1]:.3g}, highest {highest:.3g} after {x[rates.index(highest)]:.3g} epochs"
    return f"{subject.directory}, {told}" if with_name else told


def _told(
    subject: Subject, columns: Sequence[str], best: Callable[[list[float]], float], form: str, with_name: bool
) -> str:
    """What a curve shows, in words and numbers."""
    sentences = []
    for column in columns:
        values = [getattr(record, column) for record in subject.records]
        name = {"val": "validation", "train": "training"}[column.partition("_")[0]]
        extreme = best(values)
        where = f"{'lowest' if best is min else 'highest'} {form.format(extreme)} in epoch {1 + values.index(extreme)}"
        sentences.append(f"{name} from {form.format(values[0])} to {form.format(values[-1])}, {where}")
    told = f"{len(subject.records)} epoch{'s' * (len(subject.records) != 1)}, " + ", ".join(sentences)
    return f"{subject.directory}, {told}" if with_name else told


def confusion(measurement: Measurement) -> Child:
    """The confusion matrix, each class, and the most confused pairs."""
    confusion, classes = measurement.confusion, measurement.classes
    tables: list[Element] = []
    if len(classes) <= MOST_CLASSES:
        mistakes = confusion - np.diag(np.diag(confusion))
        head = [E("td", class_="corner")] + [
            E("th", E("span", name), scope="col", **({"class_": "long"} if len(name) > 2 else {})) for name in classes
        ]
        rows = []
        for truth, row in enumerate(confusion.tolist()):
            shares = [
                count / max(1, sum(row)) if truth == answer else count / max(1, mistakes.max())
                for answer, count in enumerate(row)
            ]
            cells = [
                E("td", count, class_="hit" if truth == answer else "miss", style=f"--share:{share:.3f}")
                if count
                else E("td", 0, class_="zero")
                for answer, (count, share) in enumerate(zip(row, shares, strict=True))
            ]
            rows.append(E("tr", E("th", classes[truth], scope="row"), cells))
        caption = E("caption", "Rows are the truth, columns the answer")
        matrix = E("table", caption, E("thead", E("tr", head)), E("tbody", rows), class_="confusion")
        tables.append(scrolling(matrix, "Confusion matrix"))
    per_class = [
        [
            row["class"],
            *(f"{row[key]:.2%}" if row["images"] else "–" for key in ("precision", "recall", "f1")),
            row["images"],
        ]
        for row in measurement.per_class()
    ]
    pairs = [[row["truth"], row["answer"], row["images"]] for row in measurement.confused()[:PAIRS]]
    tables.append(table("Each class", ["Class", "Precision", "Recall", "F1", "Images"], per_class))
    if pairs:
        tables.append(table("Most often confused", ["Truth", "Answer", "Images"], pairs))
    return E("div", tables, class_="tables")


def calibration(measurement: Measurement) -> Child:
    """How often answers are right, over their confidence."""
    error, bins = measurement.calibration
    listed = measurement.calibration_bins()
    top, others = listed[-1], sum(row["images"] for row in listed[:-1])
    told = (
        f"{top['images']:,} answers have a confidence above {top['above']:.1%}, on average {top['confidence']:.2%}; "
        f"{top['accuracy']:.2%} of them are correct. {others:,} answers are less confident. "
        f"The expected calibration error is {error:.2%}."
    )
    caption = E(
        "figcaption",
        "Each point is a bin of answers, with its 95% interval. On the dotted line, confidence equals accuracy.",
    )
    rows = [
        [
            f"{100 * row['above']:.1f}–{row['to']:.1%}",
            row["images"],
            f"{row['confidence']:.2%}",
            f"{row['accuracy']:.2%}",
        ]
        for row in listed
    ]
    listing = table("Answers by confidence", ["Confidence", "Images", "On average", "Correct"], rows)
    plot = figure(figures.reliability(bins), told, caption)
    return [E("p", told), E("div", plot, listing, class_="row")]


def mistakes(measurement: Measurement) -> Child:
    """The most confident mistakes as pictures."""
    if not len(measurement.mistakes):
        return E("p", "There are none.")
    images, shape = measurement.dataset.images, measurement.dataset.image_shape
    items = []
    for i, row in zip(measurement.mistakes, measurement.worst(MISTAKES), strict=False):
        picture = E("img", src=pictures.ink(images[i].reshape(shape)), alt=f"Image {row['index']}", class_="ink")
        answer: list[Child] = [E("b", row["truth"]), " read as ", E("b", row["answer"]), E("br")]
        items.append(E("li", picture, answer, E("small", f"{row['confidence']:.2%}", E("br"), f"image {row['index']}")))
    told = (
        f"{_some(len(items), len(measurement.mistakes))} mistakes, with the confidence of the wrong answer and the "
        "index of the image in the test files, counted from 0."
    )
    return [E("p", told), E("ol", items, class_="digits")]


def weights(subject: Subject) -> Child:
    """The weights into each unit of the first layer as a picture of the size of the images."""
    assert subject.checkpoint is not None
    W = subject.checkpoint.network.parameters.W[0]
    shape = subject.checkpoint.metadata.image_shape
    norms = np.linalg.norm(W, axis=0)
    order = np.argsort(-norms, kind="stable")[:UNITS]
    tiles = [
        E(
            "img",
            src=pictures.signed(W[:, unit].reshape(shape)),
            alt="",
            title=f"unit {unit + 1}, norm {norms[unit]:.2f}",
        )
        for unit in order
    ]
    which = "units" if len(order) == W.shape[1] else f"{len(order)} strongest of {W.shape[1]:,} units"
    told = (
        f"The weights into the {which} of the first layer, each as a picture of {shape[0]} by {shape[1]} pixels, the "
        f"strongest first. Their norms go from {norms[order[0]]:.2f} down to {norms[order[-1]]:.2f}; all weights lie "
        f"between {W.min():.2f} and {W.max():.2f}."
    ).replace(" -", " −")
    caption = E(
        "figcaption",
        f"{told} Ink on orange excites the unit, ink on blue inhibits it; each has a scale of its own.",
    )
    return E("figure", E("div", tiles, class_="tiles weights", role="img", aria_label=told), caption)


def warps(subject: Subject) -> Child:
    """Some training images, and random warps of them as in training."""
    assert subject.warps is not None
    columns = subject.warps.shape[1]
    tiles = [E("img", src=pictures.ink(image), alt="", class_="ink") for row in subject.warps for image in row]
    grids = [
        E("div", part, class_="tiles warps", style=f"--columns:{columns}")
        for part in (tiles[:columns], tiles[columns:])
    ]
    warps = to_table(subject.config)["augmentation"]
    strengths = ", ".join(f"{key} ±{warps[key]:g}{unit}" for key, unit in LIMITS.items() if warps[key])
    elastic = f"elastic {warps['elastic']:g} pixels (standard deviation)" if warps["elastic"] else ""
    told = (
        f"The first row shows {columns} training images, the rows below show how training distorts them. The images of "
        f"a row share one random warp, within these limits: {', '.join(filter(None, (strengths, elastic)))}."
    )
    grid = E("div", grids, role="img", aria_label=told)
    return E("figure", grid, E("figcaption", told))


def configuration(subject: Subject) -> Child:
    """Every key of the configuration, and what else the result may depend on."""
    summary, facts = subject.summary, subject.facts
    changes = ", ".join(f"{key} = {as_text(value)}" for key, value in summary.changes.items())
    told = f"The preset {summary.preset}" + (f", with {changes}." if changes else ".")
    keys = [[key, as_text(value) or "–"] for key, value in flat(subject.config).items()]
    about = [[name, _fact(facts[key], key)] for key, name in FACTS.items() if facts.get(key) not in (None, [], "")]
    tables = [
        table("All keys", ["Key", "Value"], keys, class_="words"),
        table("How it was trained", ["What", "Value"], about, class_="words long"),
    ]
    return [E("p", told), E("div", tables, class_="tables")]


def _fact(value: Any, name: str) -> list[Child]:
    """A value of run.json as text; a long hash is cut, and shown whole as a tooltip."""
    if isinstance(value, dict):
        pairs = [(key, item) for key, item in value.items() if item is not None]
        return _joined(", ", [[NAMES.get(key, f"{key} "), _fact(item, key)] for key, item in pairs])
    if isinstance(value, list) and name == "command":
        return [shlex.join(map(str, value))]
    if isinstance(value, list):
        return _joined("; ", [_fact(item, name) for item in value])
    text = str(value)
    if TIME.fullmatch(text):
        text = text.replace("T", " ").replace("+00:00", " UTC")
    if len(text) == 64 and text.isalnum():
        return [E("code", f"{text[:SHA256]}…", title=text)]
    return [text]


def _joined(separator: str, parts: Sequence[Child]) -> list[Child]:
    return [piece for part in parts for piece in (separator, part)][1:]


def _some(shown: int, total: int) -> str:
    """The beginning of "All 12 mistakes" or "50 of the 132 mistakes"."""
    return f"All {total:,}" if shown == total else f"{shown} of the {total:,}"


def figure(svg: Element, told: str, caption: Element) -> Element:
    svg.set("role", "img")
    svg.set("aria-label", told)
    return E("figure", svg, caption)
