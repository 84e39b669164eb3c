"""What pages of several digits have that scans have not: a floor for each phenomenon, on pages of training digits."""

import cv2
import numpy as np
import pytest
from pages import INK, PAPER, UNIT, deep_shadow, page, show_through, squared, turned
from samples import load_mnist
from strings import digit, line

import mlp_cli

N = 10


class Pages:
    """Draws pages of MNIST's training digits, and says what is written on them."""

    def __init__(self):
        dataset, self.rng = load_mnist("train"), np.random.default_rng(11)
        self.images, self.labels = dataset.images[:50_000].reshape(-1, 28, 28), dataset.labels[:50_000]

    def digits(self, number=3):
        """(images, text) of a row."""
        chosen = self.rng.integers(0, len(self.images), number)
        return self.images[chosen], "".join(map(str, self.labels[chosen]))

    def drawn(self, rows=1, **nuisances):
        """A page (h, w) of rows of digits, and its text."""
        images, texts = zip(*(self.digits() for _ in range(rows)), strict=True)
        return page([list(row) for row in images], self.rng, **nuisances), "|".join(texts)

    def changed(self, change):
        """Such a page after a `change` (sheet, rng), and its text."""
        sheet, text = self.drawn()
        return change(sheet, self.rng), text

    def row(self, change=lambda ink, rng: ink, after=lambda sheet: sheet):
        """A page of one row of digits, `after` their ink and the page are changed, and its text."""
        images, text = self.digits()
        return after(line([change(digit(image), self.rng) for image in images], self.rng)), text

    def touching(self):
        """A page of two digits that touch, and its text."""
        images, text = self.digits(2)
        return line([digit(image) for image in images], self.rng, gap=(-1, -0.4)), text

    def ragged(self):
        """A page of two rows of digits of other sizes that stand higher and lower, and its text."""
        ink, texts = np.zeros((88 * UNIT, 120 * UNIT)), []
        for middle in (22, 62):
            images, text = self.digits()
            texts.append(text)
            left = self.rng.uniform(4, 12) * UNIT
            for image in images:
                one = cv2.resize(digit(image), None, fx=(f := self.rng.uniform(0.8, 1.2)), fy=f)
                top = int((middle + self.rng.uniform(-3, 3)) * UNIT - len(one) / 2)
                part = ink[top : top + len(one), int(left) : int(left) + one.shape[1]]
                np.maximum(part, one, out=part)
                left += one.shape[1] + self.rng.uniform(3, 8) * UNIT
        return np.uint8(PAPER - (PAPER - INK) * ink + self.rng.normal(0, 3, ink.shape)), "|".join(texts)


def broken(ink, rng):
    """Ink with a gap through one stroke, every other time."""
    if rng.random() < 0.5:
        return ink
    y, x = np.nonzero(ink > 0.5)
    at, angle, width = rng.integers(len(y)), rng.uniform(0, np.pi), rng.uniform(0.3, 0.7) * UNIT
    y, x = np.indices(ink.shape) - np.array([y[at], x[at]])[:, None, None]
    gap = (np.abs(x * np.cos(angle) + y * np.sin(angle)) < width) & (np.hypot(x, y) < 4 * UNIT)
    return np.where(gap, 0, ink)


# How a page is drawn, and of N pages at least so many are read, at most so many read wrong; the rest have a ?.
PHENOMENA = {
    "a deep sharp shadow": (lambda pages: pages.changed(deep_shadow), 5, 2),
    "broken strokes": (lambda pages: pages.row(broken), 6, 1),
    "ragged rows": (Pages.ragged, 9, 1),
    "thin strokes": (lambda pages: pages.drawn(thicker=-1.0), 8, 1),
    "a page on its side": (lambda pages: pages.row(after=lambda sheet: np.rot90(sheet, -1)), 7, 2),
    "rows that climb": (lambda pages: pages.changed(lambda sheet, rng: turned(sheet, rng.uniform(8, 14))), 6, 2),
    "squared paper": (lambda pages: pages.changed(lambda sheet, rng: squared(sheet, rng, 48, 100)), 8, 1),
    "narrow squared paper": (lambda pages: pages.changed(lambda sheet, rng: squared(sheet, rng, 28, 100)), 8, 1),
    "tilted squared paper": (
        lambda pages: pages.changed(lambda sheet, rng: squared(sheet, rng, 28, 100, 2, rng.choice([-0.08, 0.08]))),
        9,
        0,
    ),
    "a frame": (lambda pages: pages.drawn(rows=2, frame=True), 8, 2),
    "print that shows through": (lambda pages: pages.changed(show_through), 9, 1),
    "touching digits": (Pages.touching, 7, 3),
}


@pytest.fixture(scope="module")
def reader():
    return mlp_cli.load()


@pytest.mark.parametrize(("draw", "least", "most_wrong"), PHENOMENA.values(), ids=PHENOMENA)
def test_a_page_is_read_in_spite_of(reader, draw, least, most_wrong):
    pages = Pages()
    right = wrong = 0
    for _ in range(N):
        sheet, text = draw(pages)
        reading = next(reader.readings(np.ascontiguousarray(sheet[::2, ::2]), split=True))
        answers = ["".join("?" if a.digit is None else str(a.digit) for a in row) for row in reading.rows]
        right += "|".join(answers) == text
        wrong += bool(answers) and "|".join(answers) != text and "?" not in "".join(answers)
    assert right >= least
    assert wrong <= most_wrong
