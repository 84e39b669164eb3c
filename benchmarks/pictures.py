"""What share of people's own pictures `mlp predict` reads, from a folder labelled in a CSV file or simulated.

    python benchmarks/pictures.py singles.csv --sheet mistakes.png
    python benchmarks/pictures.py multi.csv --split
    python benchmarks/pictures.py --simulate 1000

The CSV has the columns file (relative to it) and label (rows of digits joined by |), and may have kind, group (pictures
of one hand and tool) and notes. Rows without a label, and those with SIDEWAYS or MNIST-COPY in their notes, are left
out. --simulate makes N pages of each kind from the last N of MNIST's test digits, with tests/pages.py: scans, and all
that people's pictures have beside the digit; with --split, scans of 1 to 12 digits in 1 to 3 rows, from the last 1,000
or N. --sheet draws the mistakes: the picture, what the network saw, and truth > answer.
"""

import argparse
import csv
import functools
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import numpy as np
from common import print_table
from PIL import Image, ImageDraw, ImageFont

from mlp_cli.blas import limit_threads
from mlp_cli.data.datasets import load_dataset
from mlp_cli.model.checkpoint import load_checkpoint
from mlp_cli.model.find import BUNDLED, find_model
from mlp_cli.model.reader import Reader, Reading

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from pages import PHENOMENA, page

NUISANCES = {
    "clean": {},
    "negative": {"negative": True},
    "dust": {"dust": 6},
    "shadow": {"shadow": True},
    "thin": {"thicker": -1.0},
    "thick": {"thicker": 1.2},
    "ruled": {"ruled": True},
    "frame": {"frame": True},
    "tilt ±15°": {"tilt": 15},
}
LEFT_OUT = ("SIDEWAYS", "MNIST-COPY")
TILE = 112  # pixels of a picture on the contact sheet
ACROSS = 6  # pictures of a row of it


class Result(NamedTuple):
    """What was read of a picture that a person reads as `label`."""

    label: str
    kind: str
    group: str
    path: Path
    reading: Reading

    @property
    def text(self):
        rows = [["?" if answer.digit is None else str(answer.digit) for answer in row] for row in self.reading.rows]
        return "|".join(map("".join, rows)) or "-"

    @property
    def right(self):
        return self.text == self.label


def labelled(path):
    """(file, label, kind, group) of each row of a CSV file that counts."""
    with open(path, newline="") as stream:
        for row in csv.DictReader(stream):
            if row["label"] and not any(tag in row.get("notes", "") for tag in LEFT_OUT):
                yield path.parent / row["file"], row["label"], row.get("kind", "-"), row.get("group", row["file"])


def simulated(n, split, folder):
    """Like `labelled`, of n pages of each kind, drawn into a folder one after the other."""
    dataset = load_dataset("test")
    pool = max(n, 1000) if split else n
    images, labels = dataset.images[-pool:].reshape(-1, 28, 28), dataset.labels[-pool:]
    file = folder / "page.png"
    kinds = {name: functools.partial(page, **nuisance) for name, nuisance in NUISANCES.items()}
    for kind, draw in (kinds if split else kinds | PHENOMENA).items():
        rng = np.random.default_rng(0)
        for i in range(n):
            rows = [[i]]
            if split:
                digits = rng.integers(0, pool, rng.integers(1, 13))
                breaks = rng.permutation(np.arange(1, len(digits)))[: rng.integers(3)]
                rows = np.split(digits, np.sort(breaks))
            drawn = draw([[images[j] for j in row] for row in rows] if split else images[i], rng)
            Image.fromarray(np.ascontiguousarray(drawn)).save(file, compress_level=1)
            yield file, "|".join("".join(str(labels[j]) for j in row) for row in rows), kind, "MNIST"


def read(reader, split, file, *facts):
    """The Result for a picture; of a file with several pages the first counts."""
    result = Result(*facts, file, next(reader.readings(file, split)))
    if result.right:
        result.reading.page = None  # only mistakes are looked at, and thousands of pages do not fit into memory
    return result


def distance(a, b):
    """How many insertions, deletions and replacements lead from one text to another (Levenshtein)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        previous, row = row, [i + 1]
        for j, y in enumerate(b):
            row.append(min(row[j] + 1, previous[j + 1] + 1, previous[j] + (x != y)))
    return row[-1]


def by(results, key):
    """The results by what `key` says of them."""
    groups = defaultdict(list)
    for result in results:
        groups[key(result)].append(result)
    return groups


def share(values):
    values = list(values)
    return f"{100 * mean(values):.2f}%" if values else "-"


def row(name, results, split):
    """A row of the table by kind."""
    refused = sum(result.text in ("?", "-") for result in results)
    cells = [name, len(results), share(r.right for r in results), sum(not r.right for r in results), refused]
    if split:
        digits = sum(len(result.label.replace("|", "")) for result in results)
        wrong = sum(min(len(r.label), distance(r.label, r.text)) for r in results)
        found = (list(map(len, r.label.split("|"))) == list(map(len, r.text.split("|"))) for r in results)
        cells += [share(found), f"{100 * (1 - wrong / digits):.2f}%"]
    return cells


def report(results, split):
    header = ["kind", "pictures", "right", "wrong", "of these refused"]
    header += ["rows and digits found", "digits right"] if split else []
    rows = [row(kind, some, split) for kind, some in by(results, lambda r: r.kind).items()]
    print_table("By kind", header, [*rows, row("all", results, split)])
    groups = by(results, lambda r: r.group)
    if len(groups) > 1:
        print(f"Mean over {len(groups)} groups: {share(mean(r.right for r in some) for some in groups.values())}\n")
    wrong = [result for result in results if not result.right]
    if not split:
        confusions = Counter((r.label, r.text) for r in wrong if r.text not in ("?", "-")).most_common()
        rows = [[f"{truth} > {answer}", n] for (truth, answer), n in confusions]
        print_table("Taken for others", ["truth > answer", "pictures"], rows)
    if len(groups) > 1 and wrong:
        rows = [[r.path.name, r.label, r.text, r.reading.reason or ""] for r in wrong]
        print_table("Mistakes", ["mistake", "truth", "answer", "reason"], rows)
    return wrong


def sheet(wrong):
    """The contact sheet of the mistakes."""
    width, height = 2 * TILE + 8, TILE + 28
    whole = Image.new("L", (ACROSS * width, -(-len(wrong) // ACROSS) * height), 255)
    pencil, font = ImageDraw.Draw(whole), ImageFont.load_default(12)
    for i, result in enumerate(wrong):
        x, y = i % ACROSS * width, i // ACROSS * height
        parts = [result.reading.page.levels] if result.reading.page else []
        marks = [answer.image for answer in result.reading.answers]
        if marks:
            side = int(np.ceil(np.sqrt(len(marks))))
            blank = [np.zeros_like(marks[0])] * (-len(marks) % side)
            parts.append(np.block([(marks + blank)[k : k + side] for k in range(0, len(marks), side)]))
        for k, part in enumerate(parts):
            factor = TILE / max(part.shape)
            size = [max(1, round(length * factor)) for length in part.shape[::-1]]
            whole.paste(Image.fromarray(part).resize(size), (x + k * TILE, y))
        pencil.text((x, y + TILE), f"{result.label} > {result.text}", font=font)
        pencil.text((x, y + TILE + 13), result.path.name[-36:], font=font)
    return whole


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path, nargs="?")
    parser.add_argument("--simulate", type=int, metavar="N")
    parser.add_argument("--split", action="store_true")
    parser.add_argument("--model", default=BUNDLED["mnist"])
    parser.add_argument("--threshold", type=float, metavar="P", help="the model's own unless given")
    parser.add_argument("--sheet", type=Path, metavar="FILE")
    options = parser.parse_args()
    if (options.csv is None) == (options.simulate is None):
        parser.error("give a CSV file or --simulate N")
    limit_threads()
    checkpoint = load_checkpoint(find_model(options.model))
    print(f"model: {checkpoint}\n")
    reader = Reader(checkpoint, options.threshold)
    with tempfile.TemporaryDirectory() as folder:
        rows = labelled(options.csv) if options.csv else simulated(options.simulate, options.split, Path(folder))
        results = [read(reader, options.split, *each) for each in rows]
    wrong = report(results, options.split)
    if options.sheet and wrong:
        sheet(wrong).save(options.sheet)


if __name__ == "__main__":
    main()
