"""The curves and the calibration plot, drawn by matplotlib as SVG elements that take their colours from the page."""

import io
import re
import warnings
from xml.etree import ElementTree

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator

from mlp_cli.nn.metrics import wilson_interval

COLOURS = 8  # that the page has for runs, as --run-0 …
SIZE = (
    4.6,
    3.1,
)  # inches, of 72 units: no wider than the screen of a phone, so that letters are not made smaller there
# Colours that stand for those of the page, which knows whether it is dark.
INK, FAINT = "#010101", "#020202"
PAGE_COLOURS = {INK: "currentColor", FAINT: "var(--faint)"} | {
    f"#03030{number}": f"var(--run-{number})" for number in range(COLOURS)
}
STYLE = {
    "svg.fonttype": "none",  # text stays text, in the font of the page
    "svg.hashsalt": "mlp",  # and equal figures are equal bytes
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "lines.solid_capstyle": "round",
    **dict.fromkeys(["text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"], INK),
}
DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
ACCURACIES = (0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999)


def loss_curves(runs):
    """An SVG element: losses by epoch, on a logarithmic scale, of runs: {number: its Records}. Validation is thicker;
    each number has its colour and its dashes."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _axes("epoch", "cross-entropy")
        _draw(axes, runs, ("train_loss", "val_loss"), lambda values: np.maximum(values, 1e-6))
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.minorticks_off()
        return _svg(figure, "loss")


def accuracy_curves(runs):
    """The same of the accuracies, on a scale on which from 90 to 99 % is as far as from 99 to 99.9 %."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _axes("epoch", "accuracy, %")
        _draw(axes, runs, ("train_accuracy", "val_accuracy"), _nines)
        low, high = axes.get_ylim()
        ticks = _accuracies(low, high)
        axes.yaxis.set_major_locator(FixedLocator([_nines(share) for share in ticks]))
        axes.set_yticklabels([f"{100 * share:g}" for share in ticks])
        return _svg(figure, "accuracy")


def rate_curves(runs):
    """The same of the learning rates."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _axes("epoch", "learning rate")
        _draw(axes, runs, ("learning_rate",), np.asarray)
        axes.set_ylim(bottom=0)
        return _svg(figure, "rate")


def reliability(bins, name):
    """An SVG element: how often the answers of each of the Bins were right, over how confident they were, with 95 %
    intervals. `name` tells it from other such figures of the page."""
    some = bins.images > 0
    confidence, accuracy = 100 * bins.confidence[some], 100 * bins.accuracy[some]
    counts = zip(np.rint(bins.accuracy * bins.images)[some].astype(int), bins.images[some], strict=True)
    low, high = 100 * np.array([wilson_interval(int(right), int(n)) for right, n in counts]).T
    with matplotlib.rc_context(STYLE):
        figure, axes = _axes("confidence, %", "answered rightly, %")
        axes.plot([0, 100], [0, 100], color=INK, linewidth=1, dashes=(2, 3))
        axes.vlines(confidence, low, high, color=_colour(0), linewidth=1.5, alpha=0.6)
        axes.plot(confidence, accuracy, "o", color=_colour(0), markersize=5, clip_on=False)
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 100)
        return _svg(figure, name)


def _axes(x, y):
    figure = Figure(SIZE)
    figure.subplots_adjust(left=0.18, right=0.96, bottom=0.17, top=0.97)
    axes = figure.add_subplot(xlabel=x, ylabel=y)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    return figure, axes


def _draw(axes, runs, columns, scale):
    for number, records in runs.items():
        epochs = [record.epoch for record in records]
        for column in columns:
            is_thin = column.startswith("train")
            axes.plot(
                epochs,
                scale([getattr(record, column) for record in records]),
                color=_colour(number),
                linestyle=DASHES[number % len(DASHES)],
                linewidth=1 if is_thin else 2,
                alpha=0.65 if is_thin else 1,
                marker="o" if len(epochs) == 1 else "",
            )


def _colour(number):
    return list(PAGE_COLOURS)[2 + number % COLOURS]


def _accuracies(low, high):
    """Round accuracies to write at the axis between two `_nines`: the usual ones, or as many decimals as it takes."""
    for shares in (ACCURACIES, *(np.arange(0, 1, 0.1**decimals) for decimals in (1, 2, 3, 4))):
        within = [share for share in shares if low <= _nines(share) <= high]
        if len(within) > 2:
            break
    return within[:: 1 + len(within) // 10]


def _nines(share):
    """0.9 -> 1, 0.99 -> 2, 0.999 -> 3; 1, which is infinitely far, like 0.99999."""
    return -np.log10(np.maximum(1 - np.asarray(share, float), 1e-5))


def _svg(figure, name):
    """The figure as an element for within the page: in its colours and its font, as wide as there is room, with ids
    that begin with `name`."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fonts, which are the page's business
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue().decode()
    for pattern, replacement in {
        r"^.*?(?=<svg)|<metadata>.*?</metadata>|<style.*?</style>": "",
        r' xmlns(:\w+)?="[^"]*"|xlink:(?=href)|font-family: [^;]*; ': "",
        r"font: (\S*) [^;]*;": r"font-size: \1;",  # of matplotlib before 3.10
        r"(\.\d\d)\d+(?=[^<>]*>)": r"\1",  # of coordinates, not of the text
        r'(href="|url\()#': rf"\1#{name}-",
    }.items():
        text = re.sub(pattern, replacement, text, flags=re.DOTALL)
    for placeholder, colour in PAGE_COLOURS.items():
        text = text.replace(placeholder, colour)
    svg = ElementTree.fromstring(text)
    for element in svg.iter():
        identity = f"{name}-{element.attrib.pop('id', None)}"
        if f"#{identity}" in text:
            element.set("id", identity)
    for attribute in ("width", "height", "version"):
        svg.attrib.pop(attribute, None)
    return svg
