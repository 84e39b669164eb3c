"""The curves of a run and the calibration plot, as SVG elements in the colours and the font of the page."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element

import numpy as np

from mlp_cli.nn.metrics import Bins, wilson_interval
from mlp_cli.report.html import E
from mlp_cli.training.loop import Record

COLOURS = 8  # that the page has for runs, as --run-0 …
DASHES = ("", "10 4", "3 3", "12 4 3 4")
WIDTH, HEIGHT = 360, 240  # in pixels of a phone, where text must not shrink
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 10, 42  # the margins around the axes
PADDING = 0.04  # of the height, between the curves and the frame
MOST_TICKS = 7
ACCURACIES = (0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999)


class Axis(NamedTuple):
    """An axis from `low` to `high`, with its `ticks` and their labels."""

    title: str
    low: float
    high: float
    ticks: dict[float, str]


class Line(NamedTuple):
    """The points (x, y) of a curve, in units of the axes. The number of its run gives colour and dashes."""

    run: int
    x: Sequence[float]
    y: Sequence[float]
    is_thin: bool = False


def loss_curves(runs: Mapping[int, Sequence[Record]]) -> Element:
    """Losses by epoch on a logarithmic scale, for {number of the run: its records}; validation thick, training thin."""
    lines = _by_epoch(runs, ("train_loss", "val_loss"), lambda loss: math.log10(max(loss, 1e-6)))
    low, high = _padded(lines)
    return _plot(_epochs(lines), Axis("cross-entropy", low, high, _loss_ticks(low, high)), lines)


def accuracy_curves(runs: Mapping[int, Sequence[Record]]) -> Element:
    """Accuracies by epoch, on a scale where 90 to 99% is as far as 99 to 99.9%."""
    lines = _by_epoch(runs, ("train_accuracy", "val_accuracy"), _nines)
    low, high = _padded(lines)
    return _plot(_epochs(lines), Axis("accuracy, %", low, high, _accuracy_ticks(low, high)), lines)


def rate_curves(rates: Mapping[int, tuple[Sequence[float], Sequence[float]]]) -> Element:
    """Learning rates, for {number of the run: (epochs done, rates)}."""
    lines = [Line(number, x, y) for number, (x, y) in rates.items()]
    _, high = _padded(lines)
    last = max(max(line.x) for line in lines)
    epochs = Axis("epoch", 0, last, {tick: f"{tick:g}" for tick in _round_ticks(0, last, is_whole=True)})
    return _plot(epochs, Axis("learning rate", 0, high, {tick: f"{tick:g}" for tick in _round_ticks(0, high)}), lines)


def spread_curves(settings: Mapping[int, Sequence[Sequence[Record]]]) -> Element:
    """Validation accuracies by epoch, for {number of the setting: the records of its runs}: the mean over the runs
    that have reached each epoch, and a band from the lowest to the highest of them."""
    lines, bands = [], []
    for number, runs in settings.items():
        epochs = range(1, max(map(len, runs)) + 1)
        scaled = [[_nines(run[epoch - 1].val_accuracy) for run in runs if len(run) >= epoch] for epoch in epochs]
        lines.append(Line(number, epochs, [sum(values) / len(values) for values in scaled]))
        bands.append((Line(number, epochs, list(map(min, scaled))), Line(number, epochs, list(map(max, scaled)))))
    x_axis, y_axis = _epochs(lines), _accuracy_axis([end for band in bands for end in band])
    across, down = _scales(x_axis, y_axis)
    marks = []
    for lowest, highest in bands:
        there = [f"{across(x)},{down(y)}" for x, y in zip(lowest.x, lowest.y, strict=True)]
        back = [f"{across(x)},{down(y)}" for x, y in zip(highest.x, highest.y, strict=True)][::-1]
        marks.append(E("polygon", points=" ".join(there + back), fill=_colour(lowest.run), fill_opacity=0.15))
    return _plot(x_axis, y_axis, lines, marks)


def by_value(key: str, values: Mapping[str, Sequence[float]]) -> Element:
    """A dot for the accuracy of each run, for {value of a key: accuracies}, and a line through their means."""
    places = {float(place): value for place, value in enumerate(values)}
    scaled = {place: list(map(_nines, some)) for place, some in zip(places, values.values(), strict=True) if some}
    dots = [(place, y) for place, some in scaled.items() for y in some]
    x_axis = Axis(key, -0.5, len(values) - 0.5, places)
    y_axis = _accuracy_axis([Line(0, list(scaled), some) for some in scaled.values()])
    across, down = _scales(x_axis, y_axis)
    marks = [E("circle", cx=across(x), cy=down(y), r=3, fill=_colour(0), fill_opacity=0.5) for x, y in dots]
    means = Line(0, list(scaled), [sum(some) / len(some) for some in scaled.values()])
    return _plot(x_axis, y_axis, [means], marks)


def _accuracy_axis(lines: Sequence[Line]) -> Axis:
    low, high = _padded(lines)
    return Axis("validation accuracy, %", low, high, _accuracy_ticks(low, high))


def reliability(bins: Bins) -> Element:
    """Accuracy over confidence: a point for each non-empty bin with its 95% interval, and the diagonal of perfect
    calibration."""
    some = bins.images > 0
    percent = {float(tick): f"{tick}" for tick in range(0, 101, 20)}
    x_axis, y_axis = Axis("confidence, %", 0, 100, percent), Axis("correct, %", 0, 100, percent)
    across, down = _scales(x_axis, y_axis)
    colour = _colour(0)
    ends = {"x1": across(0), "y1": down(0), "x2": across(100), "y2": down(100)}
    marks = [E("line", **ends, stroke="currentColor", stroke_dasharray="2 3")]
    for n, confidence, accuracy in zip(bins.images[some], bins.confidence[some], bins.accuracy[some], strict=True):
        low, high = wilson_interval(round(accuracy * n), int(n))
        x = across(100 * confidence)
        interval = {"x1": x, "x2": x, "y1": down(100 * low), "y2": down(100 * high)}
        marks.append(E("line", **interval, stroke=colour, stroke_width=1.5, stroke_opacity=0.6))
        marks.append(E("circle", cx=x, cy=down(100 * accuracy), r=3.5, fill=colour))
    return _frame(x_axis, y_axis, marks)


def line_key(run: int, is_thin: bool = False) -> Element:
    """A short piece of the line of a run, for the key to the curves."""
    line = E("line", x1=1, y1=5, x2=35, y2=5, **_stroke(run, is_thin))
    return E("svg", line, viewBox="0 0 36 10", class_="key", aria_hidden="true")


def _by_epoch(
    runs: Mapping[int, Sequence[Record]], columns: Sequence[str], scale: Callable[[float], float]
) -> list[Line]:
    """A line per run and column; training lines are thin."""
    return [
        Line(
            number,
            [record.epoch for record in records],
            [scale(getattr(record, column)) for record in records],
            column.startswith("train"),
        )
        for number, records in runs.items()
        for column in columns
    ]


def _epochs(lines: Sequence[Line]) -> Axis:
    """An axis from the first epoch to the last, with some room on both sides."""
    last = max(max(line.x) for line in lines)
    if last == 1:
        return Axis("epoch", 0, 2, {1: "1"})
    margin = PADDING * (last - 1)
    ticks = [tick for tick in _round_ticks(0, last, is_whole=True) if tick]
    return Axis("epoch", 1 - margin, last + margin, {tick: f"{tick:g}" for tick in ticks})


def _padded(lines: Sequence[Line]) -> tuple[float, float]:
    """The lowest and the highest y, with some room around them."""
    low, high = min(min(line.y) for line in lines), max(max(line.y) for line in lines)
    padding = PADDING * (high - low) or 0.1
    return low - padding, high + padding


def _round_ticks(low: float, high: float, is_whole: bool = False) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten from `low` to `high`, as close as MOST_TICKS allow."""
    least = (high - low) / (MOST_TICKS - 1)
    power = 10.0 ** math.floor(math.log10(least))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))
    if is_whole:
        step = max(1.0, step)
    return [step * i for i in range(math.ceil(low / step), math.floor(high / step + 1e-9) + 1)]


def _loss_ticks(low: float, high: float) -> dict[float, str]:
    """Round losses to label on the axis between two logarithms: 1, 2 and 5 times powers of ten, only the powers, or
    round numbers if the range is small."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    for factors in ((1, 2, 5), (1,)):
        losses = [factor * 10.0**power for power in powers for factor in factors]
        within = [loss for loss in losses if low <= math.log10(loss) <= high]
        if len(within) <= MOST_TICKS:
            break
    if len(within) < 3:
        within = [loss for loss in _round_ticks(10**low, 10**high) if loss > 0]
    return {math.log10(loss): f"{loss:.6g}" for loss in within}


def _accuracy_ticks(low: float, high: float) -> dict[float, str]:
    """Round accuracies to label on the axis between two `_nines`, all with as many decimals as one of them needs."""
    within: list[float] = []
    for shares in (ACCURACIES, *(np.arange(0, 1, 0.1**decimals).tolist() for decimals in (1, 2, 3, 4))):
        within = [share for share in shares if low <= _nines(share) <= high]
        if len(within) > 2:
            break
    within = within[:: 1 + len(within) // 10]
    decimals = max((len(f"{100 * share:.6g}".partition(".")[2]) for share in within), default=0)
    return {_nines(share): f"{100 * share:.{decimals}f}" for share in within}


def _nines(share: float) -> float:
    """0.9 -> 1, 0.99 -> 2, 0.999 -> 3; an accuracy of 1, which would be infinite, counts as 0.99999."""
    return -math.log10(max(1 - share, 1e-5))


def _plot(x_axis: Axis, y_axis: Axis, lines: Sequence[Line], below: Sequence[Element] = ()) -> Element:
    """The axes with these lines in them, over other marks; a line of a single point is a dot."""
    across, down = _scales(x_axis, y_axis)
    marks = list(below)
    for line in lines:
        points = [(across(x), down(y)) for x, y in zip(line.x, line.y, strict=True)]
        if len(points) == 1:
            ((x, y),) = points
            marks.append(E("circle", cx=x, cy=y, r=2.5 if line.is_thin else 3.5, fill=_colour(line.run)))
        else:
            path = " ".join(f"{x},{y}" for x, y in points)
            marks.append(E("polyline", points=path, fill="none", **_stroke(line.run, line.is_thin)))
    return _frame(x_axis, y_axis, marks)


def _scales(x_axis: Axis, y_axis: Axis) -> tuple[Callable[[float], str], Callable[[float], str]]:
    """Two functions from a number on the axis to its coordinate in the picture, as text."""

    def across(x: float) -> str:
        share = (x - x_axis.low) / (x_axis.high - x_axis.low)
        return f"{LEFT + share * (WIDTH - LEFT - RIGHT):.2f}"

    def down(y: float) -> str:
        share = (y - y_axis.low) / (y_axis.high - y_axis.low)
        return f"{HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM):.2f}"

    return across, down


def _frame(x_axis: Axis, y_axis: Axis, marks: Sequence[Element]) -> Element:
    """The picture: a grid, the axes with their ticks and titles, and the marks on top."""
    across, down = _scales(x_axis, y_axis)
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    grid = [E("line", x1=across(x), x2=across(x), y1=TOP, y2=bottom) for x in x_axis.ticks]
    grid += [E("line", x1=LEFT, x2=right, y1=down(y), y2=down(y)) for y in y_axis.ticks]
    texts = [E("text", text, x=across(x), y=bottom + 16, text_anchor="middle") for x, text in x_axis.ticks.items()]
    texts += [
        E("text", text, x=LEFT - 6, y=down(y), dy="0.35em", text_anchor="end") for y, text in y_axis.ticks.items()
    ]
    texts.append(E("text", x_axis.title, x=(LEFT + right) / 2, y=HEIGHT - 6, text_anchor="middle"))
    middle = (TOP + bottom) / 2
    turned = f"rotate(-90 12 {middle})"
    texts.append(E("text", y_axis.title, x=12, y=middle, text_anchor="middle", transform=turned))
    return E(
        "svg",
        E("g", grid, stroke="var(--faint)"),
        E("path", d=f"M{LEFT},{TOP}V{bottom}H{right}", fill="none", stroke="var(--soft)"),
        E("g", marks),
        E("g", texts, fill="currentColor", font_size=12),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
    )


def _stroke(run: int, is_thin: bool) -> dict[str, str]:
    stroke = {"stroke": _colour(run), "stroke_width": "1.2" if is_thin else "2.2", "stroke_linejoin": "round"}
    if is_thin:
        stroke["stroke_opacity"] = "0.7"
    dashes = DASHES[run % len(DASHES)]
    return stroke | {"stroke_dasharray": dashes} if dashes else stroke


def _colour(run: int) -> str:
    return f"var(--run-{run % COLOURS})"
