"""The best reading of a row: signs stay signs, digits that touch are cut, halves are joined."""

import cv2
import numpy as np
import pytest
from samples import load_mnist
from strings import beside, digit, line, sign, word

import mlp_cli
from mlp_cli.images.decode import Page
from mlp_cli.images.rows import cut, find_rows
from mlp_cli.model.rows import RowReader

DIGITS = tuple("0123456789")


@pytest.fixture(scope="module")
def mnist():
    """(images (n, 28, 28), labels) of training digits in one piece, without specks."""
    dataset = load_mnist("train")
    images, labels = dataset.images[:4000].reshape(-1, 28, 28), dataset.labels[:4000]
    large = (cv2.resize(image, (112, 112), interpolation=cv2.INTER_CUBIC) for image in images)
    whole = [cv2.connectedComponents((image > 60).astype(np.uint8))[0] == 2 for image in large]
    return images[whole], labels[whole]


@pytest.fixture(scope="module")
def reader():
    return mlp_cli.load()


def text(rows):
    return "|".join("".join("?" if answer.digit is None else str(answer.digit) for answer in row) for row in rows)


def strings(mnist, rng, number, least=2, most=6):
    """(parts, digits as text) of each of some strings."""
    images, labels = mnist
    for _ in range(number):
        chosen = rng.integers(0, len(images), rng.integers(least, most + 1))
        yield [digit(images[i]) for i in chosen], "".join(str(labels[i]) for i in chosen)


def test_strings_are_read(reader, mnist):
    rng = np.random.default_rng(0)
    read = [text(reader.read_rows(line(parts, rng))) == truth for parts, truth in strings(mnist, rng, 20)]
    assert sum(read) >= 18


@pytest.mark.parametrize("which", list(".,-:/"))
def test_a_string_with_a_sign_is_never_read_as_digits_alone(reader, mnist, which):
    rng = np.random.default_rng(1)
    right = 0
    for parts, truth in strings(mnist, rng, 10):
        at = int(rng.integers(0 if which == "-" else 1, len(parts)))
        answer = text(reader.read_rows(line([*parts[:at], sign(which, rng), *parts[at:]], rng, gap=(1.2, 4))))
        assert "?" in answer, (truth, at, answer)
        right += answer == f"{truth[:at]}?{truth[at:]}"
    assert right >= 8


class Oracle:
    """Stands in for a network that knows what is no digit: it recognises these images and nothing else.

    Known are (image, label) or (image, label, confidence)."""

    def __init__(self, *known):
        self.known = [
            (image.astype(float).ravel() / np.linalg.norm(image.astype(float)), label, *(rest or [0.99]))
            for image, label, *rest in known
        ]
        self.asked = 0

    def __call__(self, images):
        self.asked += len(images)
        probabilities = np.full((len(images), 10), 0.1)
        for image, y in zip(images, probabilities, strict=True):
            near = [max(self.likeness(image, dx) @ one for dx in (-1, 0, 1)) for one, _, _ in self.known]
            if max(near) > 0.9:
                _, label, confidence = self.known[int(np.argmax(near))]
                y[:] = (1 - confidence) / 9
                y[label] = confidence
        return probabilities

    @staticmethod
    def likeness(image, dx):
        flat = np.roll(image, dx, axis=1).astype(float).ravel()
        return flat / np.linalg.norm(flat)


def seen_alone(image, label):
    """A digit as it is prepared from a page of its own."""
    writing = find_rows(Page(line([digit(image)], np.random.default_rng(0), noise=0)))
    return writing.digit(writing.rows[0]).image, label


def read(writing, oracle, threshold=0.5):
    rows = RowReader(writing, oracle, DIGITS).rows()
    return "|".join(
        "".join(
            "?" if one.sign or max(one.probabilities) < threshold else str(int(np.argmax(one.probabilities)))
            for one in row
        )
        for row in rows
    )


def test_touching_digits_are_cut_where_both_parts_are_digits(mnist):
    images, labels = mnist
    rng = np.random.default_rng(2)
    right = 0
    for _ in range(16):
        a, b = rng.integers(0, len(images), 2)
        known = [seen_alone(images[i], labels[i]) for i in (a, b)]
        writing = find_rows(Page(line([digit(images[a]), digit(images[b])], rng, gap=(-1, -0.4), noise=0)))
        assert len(writing.rows) == 1
        right += read(writing, Oracle(*known)) == f"{labels[a]}{labels[b]}"
    assert right >= 12


def test_confidently_read_ink_is_not_cut(mnist):
    images, labels = mnist
    writing = find_rows(Page(line([digit(images[0]), digit(images[1])], np.random.default_rng(0), noise=0)))
    oracle = Oracle(*[seen_alone(images[i], labels[i]) for i in (0, 1)])
    assert read(writing, oracle) == f"{labels[0]}{labels[1]}"
    assert oracle.asked == 2


def test_ink_without_digit_parts_is_not_cut(mnist):
    images, _ = mnist
    for image in images[:10]:
        writing = find_rows(Page(line([digit(image)], np.random.default_rng(0), noise=0)))
        assert read(writing, Oracle((images[50], 0))) == "?"


@pytest.mark.parametrize(("gap", "joined"), [(12, True), (32, True), (56, False)])
def test_halves_side_by_side_are_joined_where_together_they_are_a_digit(mnist, gap, joined):
    """A digit of 160 pixels; gaps of a fourth of that are too wide."""
    images, labels = mnist
    (zero,) = images[labels == 0][:1]
    ink = digit(zero)
    middle = ink.shape[1] // 2
    broken = ink.copy()
    broken[:, middle - gap // 2 : middle + gap // 2] = 0
    writing = find_rows(Page(line([broken], np.random.default_rng(0), noise=0)))
    assert len(writing.rows[0]) == 2
    known = writing.digit(writing.rows[0]).image, 0
    assert read(writing, Oracle(known)) == ("0" if joined else "??")
    # … but not where each of them is one
    halves = [(writing.digit([piece]).image, 1) for piece in writing.rows[0]]
    assert read(writing, Oracle(known, *halves)) == "11"


def broken_zero(gap):
    """What is written if a ring of 112 pixels beside three others has lost its middle, and its halves."""
    page = np.full((300, 700), 235, np.uint8)
    for x in (80, 200, 320, 440):
        cv2.ellipse(page, (x, 140), (35, 50), 0, 0, 360, 40, 12)
    page[:, 440 - gap // 2 : 440 + gap // 2] = 235
    writing = find_rows(Page(page))
    ((*rings, left, right),) = writing.rows
    known = [(writing.digit([piece]).image, 0) for piece in rings]
    return writing, left, right, [*known, (writing.digit([left, right]).image, 0)]


@pytest.mark.parametrize(("sure", "answer"), [(0.9, "00011"), (0.75, "0000")])
def test_a_join_is_worth_it_where_the_halves_are_not_sure(sure, answer):
    writing, left, right, known = broken_zero(8)
    halves = [(writing.digit([piece]).image, 1, sure) for piece in (left, right)]
    assert read(writing, Oracle(*known, *halves)) == answer


@pytest.mark.parametrize(
    ("gap", "sure", "answer"), [(8, 0.995, "0000"), (16, 0.995, "0001?"), (24, 0.4, "0000"), (36, 0.4, "000??")]
)
def test_halves_are_joined_if_they_are_near_and_nearer_if_one_is_clearly_a_digit(gap, sure, answer):
    """A fourth, and a tenth, of a digit's height are 28 and 11 pixels."""
    writing, left, _, known = broken_zero(gap)
    assert read(writing, Oracle(*known, (writing.digit([left]).image, 1, sure))) == answer


def written(*shapes):
    """What is written on a page of three rings, 112 pixels high, and then one piece of these shapes: left, top, right
    and bottom in pixels, 0 at the piece's left and at the rings' top."""
    page = np.full((300, 900), 235, np.uint8)
    for x in (80, 200, 320):
        cv2.ellipse(page, (x, 140), (35, 50), 0, 0, 360, 40, 12)
    for left, top, right, bottom in shapes:
        page[84 + top : 84 + bottom, 420 + left : 420 + right] = 40
    writing = find_rows(Page(page))
    assert [len(row) for row in writing.rows] == [4]
    return writing


def blocks(width, height=112, bridge=4):
    """Two blocks with a bridge between them, 4 pixels long and `bridge` thick."""
    side = (width - 4) // 2
    return (0, 0, side, height), (side, height // 2, side + 4, height // 2 + bridge), (side + 4, 0, width, height)


def oracle(writing, whole, parts, left_as=7):
    """One that knows the rings as 0, the last piece, with confidence `whole`, as 8, and its two blocks as 7."""
    *rings, piece = writing.rows[0]
    pieces = cut(piece)
    left = [part for part in pieces if part.box[2] < (piece.box[0] + piece.box[2]) / 2 + 4]
    halves = left, pieces[len(left) :]
    known = [(writing.digit([ring]).image, 0) for ring in rings]
    known += [(writing.digit(halves[0]).image, left_as, parts), (writing.digit(halves[1]).image, left_as, parts)]
    return Oracle((writing.digit([piece]).image, 8, whole), *known)


@pytest.mark.parametrize(("number", "answer"), [(3, "0008"), (4, "000????")])
def test_a_digit_may_be_broken_into_three_parts(number, answer):
    page = np.full((300, 900), 235, np.uint8)
    for x in (80, 200, 320):
        cv2.ellipse(page, (x, 140), (35, 50), 0, 0, 360, 40, 12)
    for left in range(420, 420 + 30 * number, 30):
        page[84:196, left : left + 20] = 40
    writing = find_rows(Page(page))
    rings, bars = writing.rows[0][:3], writing.rows[0][3:]
    known = [(writing.digit([ring]).image, 0) for ring in rings]
    assert read(writing, Oracle(*known, (writing.digit(bars).image, 8))) == answer


@pytest.mark.parametrize(
    ("whole", "parts", "answer"),
    [(0.8, 0.99, "00077"), (0.98, 0.99, "0008"), (0.7, 0.98, "00077"), (0.2, 0.95, "000?")],
)
def test_a_cut_is_worth_it_where_the_parts_are_sure_and_the_whole_is_not(whole, parts, answer):
    writing = written(*blocks(120))
    assert read(writing, oracle(writing, whole, parts)) == answer


@pytest.mark.parametrize(("whole", "answer"), [(0.75, "00077"), (0.85, "0008")])
def test_a_cut_through_much_ink_needs_less_confidence_in_the_whole(whole, answer):
    writing = written(*blocks(120, bridge=40))
    assert read(writing, oracle(writing, whole, 0.99)) == answer


@pytest.mark.parametrize(("width", "answer"), [(66, "0008"), (78, "00071")])
def test_a_slim_1_that_touches_another_digit_is_cut_off_where_the_whole_is_not_clear(width, answer):
    """A piece of 90 pixels, or of 102, that is 112 high: an n, cut, may look like 17."""
    writing = written((0, 0, width, 112), (width, 54, width + 4, 58), (width + 4, 0, width + 24, 112))
    *rings, piece = writing.rows[0]
    *seven, one = cut(piece)
    known = [([ring], 0, 0.99) for ring in rings] + [([piece], 8, 0.8), (seven, 7, 0.99), ([one], 1, 0.99)]
    assert read(writing, Oracle(*[(writing.digit(pieces).image, *rest) for pieces, *rest in known])) == answer


@pytest.mark.parametrize(("width", "answer"), [(120, "0008"), (150, "00077")])
def test_what_is_too_wide_for_a_digit_is_cut_however_sure_it_is(width, answer):
    writing = written(*blocks(width))
    assert read(writing, oracle(writing, 0.99, 0.99)) == answer


@pytest.mark.parametrize(("width", "answer"), [(108, "000?"), (124, "00077")])
def test_what_has_slim_halves_is_a_letter(width, answer):
    """Halves of 52 and 60 pixels, beside digits of 112: an e may look like 63."""
    writing = written(*blocks(width))
    assert read(writing, oracle(writing, 0.2, 0.99)) == answer


def test_what_is_made_of_nothing_but_1s_is_a_letter():
    """A U may look like 11."""
    writing = written(*blocks(120))
    assert read(writing, oracle(writing, 0.2, 0.99, left_as=1)) == "000?"


@pytest.mark.parametrize(("height", "answer"), [(60, "000?"), (90, "00077")])
def test_a_part_lower_than_a_digit_is_not_a_digit(height, answer):
    first, bridge, second = blocks(120)
    writing = written(first, bridge, (second[0], 112 - height, *second[2:]))
    assert read(writing, oracle(writing, 0.2, 0.99)) == answer


@pytest.mark.parametrize(("number", "tried"), [(30, True), (50, False)])
def test_a_page_of_nothing_but_doubtful_ink_is_not_cut(number, tried):
    """Two hundred such pieces took 8 s."""
    page = np.full((1200, 1200), 235, np.uint8)
    for i in range(number):
        x, y = 20 + i % 10 * 115, 100 + i // 10 * 200
        for left, top, right, bottom in blocks(80):
            page[y + top : y + bottom, x + left : x + right] = 40
    knows_nothing = Oracle((np.eye(28), 0))
    assert set(read(find_rows(Page(page)), knows_nothing)) == {"?", "|"}
    assert (knows_nothing.asked > number) == tried


def test_words_are_never_read_as_digits_alone(reader, mnist):
    """With a network that knows what is no digit; a colon after the word is one anyhow."""
    rng = np.random.default_rng(3)
    for name in ("Total", "Name", "Test", "Date", "Ref"):
        parts, _ = next(strings(mnist, rng, 1))
        assert "?" in text(reader.read_rows(line([word(name), sign(":", rng), *parts], rng)))


@pytest.mark.parametrize(
    ("top", "sure", "answer"), [(84, 0.99, "05"), (110, 0.99, "05"), (132, 0.99, "06?"), (132, 0.9, "05")]
)
def test_a_mark_near_the_top_may_be_the_arm_of_a_5(top, sure, answer):
    """And what is lower is a sign beside what is clearly a digit, however much it looks like a part of one."""
    page = np.full((300, 500), 235, np.uint8)
    cv2.ellipse(page, (80, 140), (35, 50), 0, 0, 360, 40, 12)
    cv2.polylines(page, [np.int32([(180, 90), (180, 130), (220, 150), (220, 180), (180, 190)])], False, 40, 12)
    page[top : top + 12, 236:270] = 40
    writing = find_rows(Page(page))
    ((zero, body, arm),) = writing.rows
    assert arm.sign
    assert not body.sign
    known = [([zero], 0), ([body, arm], 5), ([body], 6, sure)]
    assert read(writing, Oracle(*[(writing.digit(pieces).image, *rest) for pieces, *rest in known])) == answer


def test_the_halves_of_a_broken_1_are_one_digit_though_each_looks_like_a_1():
    page = np.full((300, 500), 235, np.uint8)
    for x in (80, 200):
        cv2.ellipse(page, (x, 140), (35, 50), 0, 0, 360, 40, 12)
    cv2.line(page, (290, 190), (310, 138), 40, 12)
    cv2.line(page, (324, 130), (344, 78), 40, 12)
    writing = find_rows(Page(page))
    ((*rings, lower, upper),) = writing.rows
    known = [([ring], 0) for ring in rings] + [([lower], 1), ([upper], 1), ([lower, upper], 1)]
    assert read(writing, Oracle(*[(writing.digit(pieces).image, label) for pieces, label in known])) == "001"


def test_touching_digits_within_a_string_are_cut(mnist):
    images, labels = mnist
    rng = np.random.default_rng(8)
    chosen = [int(i) for i in rng.integers(0, len(images), 4)]
    parts = [digit(images[i]) for i in chosen]
    both = beside(parts[1], parts[2], -6)
    writing = find_rows(Page(line([parts[0], both, parts[3]], rng, noise=0)))
    assert len(writing.rows[0]) == 3
    oracle = Oracle(*[seen_alone(images[i], labels[i]) for i in chosen])
    assert read(writing, oracle) == "".join(str(labels[i]) for i in chosen)


@pytest.mark.parametrize("name", ["M", "K", "ABC", "EUR"])
def test_letters_are_not_cut_into_digits(reader, name):
    for seed in range(2):
        assert "?" in text(reader.read_rows(line([word(name)], np.random.default_rng(seed))))
