"""Pages that lie on their side or upside down."""

import numpy as np
import pytest
from strings import digit, line

import mlp_cli
from mlp_cli.errors import ImageError
from mlp_cli.images.decode import Page
from mlp_cli.images.digits import Digit
from mlp_cli.model.rows import Stretch
from mlp_cli.model.turns import surest

PAGE = Page(np.zeros((30, 50), np.uint8), scale=2.0)  # (60, 100) pixels of the picture


def row(confidences, step, sign=None):
    """Marks of 4×4 pixels, each `step` (x, y) from the last."""
    marks = []
    for n, confidence in enumerate(confidences):
        x, y = 10 + n * np.array(step)
        digit = Digit(np.zeros((28, 28), np.uint8), (int(x), int(y), int(x) + 4, int(y) + 4), False)
        marks.append(Stretch(n, n + 1, digit, [confidence, 1 - confidence], 0.0, sign))
    return marks


def turned(by_quarters):
    """What is said of a page that is read as these rows, by quarters of a turn, and how often it is read."""
    seen = []

    def read(page):
        seen.append(page)
        rows = by_quarters[{1: 0, 2: 1, 3: 3, 4: 2}[len(seen)]]
        if rows is None:
            raise ImageError("no digits found")
        return rows

    rows = surest(PAGE, read)
    (said,) = {stretch.digit.actions[:1] for row in rows for stretch in row}
    return said[0] if said else None, len(seen)


LEVEL, UPRIGHT = (10, 0), (0, 10)


@pytest.mark.parametrize(
    ("as_it_is", "left", "right", "over", "said"),
    [
        ([0.5] * 3, [0.99] * 3, [0.4] * 3, None, "page turned by +90°"),
        ([0.5] * 3, [0.4] * 3, [0.99] * 3, None, "page turned by -90°"),
        ([0.5] * 3, [0.95] * 3, [0.99] * 3, None, "page turned by -90°"),
        ([0.75] * 3, [0.91] * 3, [0.4] * 3, None, "page turned by +90°"),
        ([0.5] * 3, [0.89] * 3, None, None, None),  # not sure enough
        ([0.89] * 3, [0.98] * 3, None, None, None),  # no surer by the margin
        ([0.5] * 5, None, None, [0.99] * 5, None),  # like Total, which is 10701 upside down
        ([0.5] * 9, None, None, [0.99] * 9, "page turned by 180°"),
    ],
)
def test_a_page_is_turned_if_the_network_is_more_confident_by_a_margin(as_it_is, left, right, over, said):
    rows = {0: [row(as_it_is, UPRIGHT)]}
    rows |= {n: c and [row(c, LEVEL)] for n, c in ((1, left), (3, right), (2, over))}
    assert turned(rows)[0] == said


def test_lines_that_are_level_already_are_not_turned():
    """Words on their side may look like digits."""
    assert turned({0: [row([0.4] * 3, LEVEL)], 1: [row([0.99] * 3, LEVEL)], 3: None, 2: None})[0] is None
    assert turned({0: [row([0.4] * 3, UPRIGHT)], 1: [row([0.99] * 3, UPRIGHT)], 3: None, 2: None})[0] is None


def test_lines_of_which_a_third_is_upright_are_level():
    rows = [row([0.4] * 4, LEVEL), row([0.4] * 3, UPRIGHT)]
    assert turned({0: rows, 1: [row([0.99] * 3, LEVEL)], 3: None, 2: None})[0] is None


def test_a_single_mark_makes_no_line():
    """A K on its side may look like 75."""
    assert turned({0: [row([0.1], UPRIGHT)], 1: [row([0.99] * 2, LEVEL)], 3: None, 2: None})[0] is None


def test_signs_do_not_count_as_evidence_for_turning():
    unsure_signs = row([0.2] * 9, LEVEL, sign="is too small for a digit")
    assert turned({0: [row([0.99] * 3, UPRIGHT) + unsure_signs]}) == (None, 1)


def test_a_confident_page_is_read_once():
    assert turned({0: [row([0.95] * 3, UPRIGHT)]}) == (None, 1)


@pytest.fixture(scope="module")
def form():
    """A page (h, w) of one line of ten digits, which the bundled model reads, and their number."""
    from mlp_cli.data.datasets import load_dataset

    dataset = load_dataset("train")
    chosen = [int(np.flatnonzero(dataset.labels == n)[0]) for n in (7, 3, 4, 7, 2, 4, 7, 3, 4, 7)]
    images = dataset.images.reshape(-1, 28, 28)[chosen]
    return line([digit(image) for image in images], np.random.default_rng(0), gap=(3, 5))[::2, ::2]


@pytest.mark.parametrize(
    ("quarters", "said"), [(1, "page turned by -90°"), (2, "page turned by 180°"), (3, "page turned by +90°")]
)
def test_boxes_of_a_turned_page_are_in_the_picture_as_it_is(form, quarters, said):
    reader = mlp_cli.load()
    (upright,) = reader.read_rows(form)
    height, width = form.shape
    picture = np.ascontiguousarray(np.rot90(form, quarters))
    (found,) = reader.read_rows(picture)
    assert [answer.digit for answer in found] == [answer.digit for answer in upright] == [7, 3, 4, 7, 2, 4, 7, 3, 4, 7]
    for one, other in zip(found, upright, strict=True):
        assert one.actions[0] == said
        left, top, right, bottom = other.box
        expected = {
            1: (top, width - right, bottom, width - left),
            2: (width - right, height - bottom, width - left, height - top),
            3: (height - bottom, left, height - top, right),
        }[quarters]
        np.testing.assert_allclose(one.box, expected, atol=2)
