from itertools import pairwise

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from mlp_cli.data.datasets import load_dataset
from mlp_cli.images.marks import Marks, around, gaps, without_frames, without_ruling, without_underlines

SIDE = 300


def drawn(*strokes, width=3):
    """A mask with lines drawn on it, each from (x, y) to the next."""
    picture = Image.new("1", (SIDE, SIDE))
    for points in strokes:
        ImageDraw.Draw(picture).line(list(points), fill=1, width=width)
    return np.array(picture)


def ring(box=(100, 80, 200, 230), width=12):
    picture = Image.new("1", (SIDE, SIDE))
    ImageDraw.Draw(picture).ellipse(box, outline=1, width=width)
    return np.array(picture)


def frame(left, top, right, bottom, width=4):
    """The outline of a box, whose last pixels are right − 1 and bottom − 1."""
    mask = np.zeros((SIDE, SIDE), bool)
    mask[top:bottom, left:right] = True
    mask[top + width : bottom - width, left + width : right - width] = False
    return mask


def erased(mask):
    marks, frames, _ = without_frames(Marks.of(mask))
    return marks.labels > 0, frames


def test_pieces_are_connected_by_edges_and_corners():
    mask = np.array(
        [
            [1, 0, 0, 0, 1],
            [0, 1, 0, 0, 1],
            [0, 0, 0, 0, 0],
            [0, 1, 1, 1, 0],
        ],
        bool,
    )
    marks = Marks.of(mask)
    pieces = sorted(zip(marks.box.tolist(), marks.area.tolist(), marks.at_border().tolist(), strict=True))
    assert pieces == [([0, 0, 2, 2], 2, True), ([1, 3, 4, 4], 3, True), ([4, 0, 5, 2], 2, True)]
    assert sorted(marks.side) == [2, 2, 3]
    for i in range(3):
        chosen = np.arange(3) == i
        left, top, right, bottom = marks.box[i]
        assert marks.pixels(chosen).sum() == marks.pixels(chosen, marks.box[i]).sum() == marks.area[i]
        assert marks.pixels(chosen)[top:bottom, left:right].sum() == marks.area[i]


def test_an_empty_page_has_no_pieces():
    marks = Marks.of(np.zeros((5, 5), bool))
    assert len(marks) == 0
    assert marks.box.shape == (0, 4)
    assert marks.side.shape == marks.at_border().shape == (0,)


def test_a_piece_is_at_the_border_only_if_it_touches_it():
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = mask[8, 1] = True
    marks = Marks.of(mask)
    assert dict(zip(map(tuple, marks.box.tolist()), marks.at_border().tolist(), strict=True)) == {
        (4, 4, 5, 5): False,
        (1, 8, 2, 9): True,
    }


def test_gaps_are_the_pixels_between_boxes():
    boxes = np.array([[0, 0, 10, 10], [15, 0, 20, 5], [5, 30, 6, 31], [12, 13, 14, 15]])
    assert gaps(boxes[0], boxes).tolist() == [[0, 0], [5, 0], [0, 20], [2, 3]]
    assert around(boxes).tolist() == [0, 0, 20, 31]


def test_ruled_lines_go_and_the_digit_stays():
    digit = ring()
    lines = drawn(*((0, y, SIDE, y + 4) for y in range(20, SIDE, 40)))
    rest, count = without_ruling(digit | lines)
    assert count == 7
    assert (rest & ~digit).sum() < 0.05 * lines.sum()
    assert (rest & digit).sum() > 0.9 * digit.sum()
    assert len(Marks.of(digit)) == np.sum(Marks.of(rest).side > 20) == 1


def test_squared_paper_goes_in_both_directions():
    digit = ring()
    lines = drawn(*((0, y, SIDE, y) for y in range(45, 260, 60)), *((x, 0, x, SIDE) for x in range(45, 260, 60)))
    rest, count = without_ruling(digit | lines)
    assert count == 4 + 4
    assert (rest & ~digit).sum() < 0.05 * lines.sum()
    assert (rest & digit).sum() > 0.8 * digit.sum()


@pytest.mark.parametrize("slope", [0.02, 0.06, 0.09])
@pytest.mark.parametrize("narrowing", [0, 0.04])
def test_lines_of_tilted_squared_paper_are_erased_around_its_corners_too(slope, narrowing):
    """Tilted by up to 5°, and if the lines converge because the camera leans."""
    y, x = np.mgrid[-150:150, -150:150]
    down, across = (slope + narrowing * y / SIDE) * x, (slope + narrowing * x / SIDE) * y
    digit = drawn([(150, 100), (150, 200)], width=12)
    rest, _ = without_ruling(digit | ((y + down + 5) % 20 < 2) | ((x - across + 5) % 20 < 2))
    pieces = Marks.of(rest)
    large = pieces.side >= 9  # nothing but specks stays in the corners
    assert large.sum() == 1
    assert not pieces.at_border()[large].any()


def test_a_ruled_line_goes_even_if_a_digit_is_written_near_its_end():
    digit = drawn((15, 60, 15, 240), width=10)  # leaves 9 pixels of the line to its left
    lines = drawn((0, 150, SIDE, 150))
    rest, count = without_ruling(digit | lines)
    assert count == 1
    assert (rest & ~digit).sum() == 0
    assert (rest & digit).sum() == digit.sum()


def test_a_line_that_does_not_cross_the_page_stays():
    mask = drawn((20, 150, 280, 150))
    rest, count = without_ruling(mask)
    assert (count, rest.sum()) == (0, mask.sum())


def test_a_stroke_from_border_to_border_alone_may_be_a_one():
    mask = drawn((150, 0, 152, SIDE))
    rest, count = without_ruling(mask)
    assert count == 0
    np.testing.assert_array_equal(rest, mask)


def test_a_broad_digit_that_touches_the_borders_is_not_a_ruled_line():
    mask = drawn((0, 100, SIDE, 100), (150, 100, 100, 280), width=30)
    rest, count = without_ruling(mask)
    assert count == 0
    np.testing.assert_array_equal(rest, mask)


def test_a_frame_goes_and_the_digit_in_it_stays():
    digit = ring()
    rest, frames = erased(digit | frame(20, 30, 280, 290))
    assert frames.tolist() == [[20, 30, 280, 290]]
    np.testing.assert_array_equal(rest, digit)


def test_a_frame_that_is_tilted_a_little_goes():
    digit = ring()
    box = drawn((30, 20, 285, 32, 272, 288, 16, 275, 30, 20), width=4)
    rest, frames = erased(digit | box)
    assert len(frames) == 1
    assert (rest & ~digit).sum() < 0.02 * box.sum()
    assert (rest & digit).sum() == digit.sum()


def test_a_digit_that_touches_its_frame_stays():
    digit = drawn((150, 20, 150, 240), width=14)  # from the upper wall on
    rest, frames = erased(digit | frame(20, 20, 280, 280))
    assert len(frames) == 1
    (box,) = Marks.of(rest).box
    assert abs(box - [143, 24, 158, 241]).max() <= 4


def test_walls_between_the_cells_of_a_row_are_removed():
    digits = ring((40, 90, 80, 200), 8) | ring((130, 90, 170, 200), 8) | ring((220, 90, 260, 200), 8)
    cells = frame(15, 60, 285, 230) | drawn((105, 60, 105, 230), (195, 60, 195, 230), width=4)
    rest, frames = erased(digits | cells)
    assert len(frames) == 1
    np.testing.assert_array_equal(rest, digits)


def test_the_size_of_a_digit_in_a_grid_is_that_of_a_cell():
    """Digits of a fifteenth of the frame, some of them in its outermost cells."""
    digits = np.any([ring((x, y, x + 12, y + 18), 3) for x in (24, 144, 264) for y in (21, 141, 261)], axis=0)
    lines = [((x, 15, x, 284), (15, x, 284, x)) for x in range(45, 285, 30)]
    rest, frames = erased(digits | frame(15, 15, 285, 285) | drawn(*sum(lines, ()), width=1))
    assert len(frames) == 1
    np.testing.assert_array_equal(rest, digits)


def test_walls_between_cells_go_though_they_are_tilted_broken_hairlines():
    """Each goes down by 5 pixels, and is seen in 25 pixels of 33."""
    digits = np.any([ring((x, y, x + 24, y + 40), 5) for x in (40, 240) for y in (40, 230)], axis=0)
    lines = [
        dash
        for at in (70, 120, 170, 220)
        for x in range(20, 275, 33)
        for dash in [(x, at + x // 54, x + 25, at + (x + 25) // 54), (at - x // 54, x, at - (x + 25) // 54, x + 25)]
    ]
    box = drawn((20, 15, 285, 20, 280, 285, 15, 280, 20, 15), width=5)
    rest, frames = erased(digits | box | drawn(*lines, width=1))
    assert len(frames) == 1
    assert (rest & ~digits).sum() < 20


def test_a_rectangular_zero_is_not_a_frame():
    mask = frame(80, 50, 220, 260, width=8)
    rest, frames = erased(mask)
    assert len(frames) == 0
    np.testing.assert_array_equal(rest, mask)


def test_a_dot_in_a_rectangular_zero_does_not_make_it_a_frame():
    mask = frame(80, 50, 220, 260, width=8)
    mask[150:160, 145:155] = True
    assert len(erased(mask)[1]) == 0


def test_round_digits_are_not_frames_even_with_ink_inside():
    mask = ring((20, 20, 280, 280)) | ring((120, 100, 180, 200))
    rest, frames = erased(mask)
    assert len(frames) == 0
    np.testing.assert_array_equal(rest, mask)


def test_the_search_for_nested_frames_is_limited():
    mask = np.zeros((SIDE, SIDE), bool)
    for i in range(0, SIDE // 2 - 30, 3):
        mask[i : SIDE - i, i : SIDE - i] = True
        mask[i + 1 : SIDE - 1 - i, i + 1 : SIDE - 1 - i] = False
    assert len(erased(mask)[1]) == 30


def test_a_ring_around_a_mark_is_told_from_a_digit_with_something_in_it():
    digit = ring((110, 90, 190, 210))  # 120 of 260 pixels
    rings = Marks.of(ring((40, 20, 260, 280)) | digit).rings()
    assert sorted(rings) == [False, True]
    small = ring((140, 110, 160, 190), 6)  # 80 of 260 pixels: the bar or dot in a zero
    assert not Marks.of(ring((40, 20, 260, 280)) | small).rings().any()


@pytest.mark.parametrize(("side", "is_ring"), [(90, True), (30, False)])
def test_a_ring_may_hold_several_digits_but_two_specks_are_in_a_zero(side, is_ring):
    two = [ring((x - side // 2, 150 - side // 2, x + side // 2, 150 + side // 2), 6) for x in (95, 205)]
    rings = Marks.of(ring((20, 20, 280, 280)) | two[0] | two[1]).rings()
    assert sorted(rings) == [False, False, is_ring]


def test_beside_a_ring_another_may_hold_a_smaller_mark():
    """120 and 70 of 260 pixels; alone, the second would be a zero with a bar in it."""
    first, second = ring((10, 20, 140, 280), 6), ring((155, 20, 285, 280), 6)
    digit, bar = ring((50, 90, 100, 210), 6), drawn([(220, 115), (220, 185)], width=6)
    assert Marks.of(first | digit | second | bar).rings().sum() == 2
    assert not Marks.of(second | bar).rings().any()


def test_a_ring_may_be_open_but_not_as_wide_as_a_c():
    digit = ring((110, 90, 190, 210))
    for gap, is_ring in [(20, True), (200, False)]:  # of 260 pixels, seen from 110 away
        circle = ring((40, 20, 260, 280), 6)
        circle[150 - gap // 2 : 150 + gap // 2, 200:] = False
        assert Marks.of(circle | digit).rings().any() == is_ring


def test_a_choice_of_pieces_keeps_their_properties():
    marks = Marks.of(np.array([[1, 0, 0], [0, 0, 0], [1, 0, 1]], bool))
    only = marks.only(np.array([True, False, True]))
    assert only.box.tolist() == [marks.box[0].tolist(), marks.box[2].tolist()]
    assert [int((only.labels == i).sum()) for i in (1, 2, 3)] == [1, 1, 0]
    assert only.pixels(np.array([False, True])).sum() == 1


def test_a_ruled_line_so_faint_that_it_comes_and_goes_is_erased():
    """Three quarters of it are there; of what is no line, half."""
    ink = np.zeros((200, 200), bool)
    ink[40:170, 95:105] = True  # a 1
    faint = ink.copy()
    for x in range(0, 200, 8):
        faint[100, x : x + 6] = True
    faint[100, 196:] = True
    rest, lines = without_ruling(faint)
    assert lines == 1
    np.testing.assert_array_equal(rest, ink)
    loose = ink.copy()
    for x in range(0, 200, 8):
        loose[100, x : x + 4] = True
    loose[100, 196:] = True
    assert without_ruling(loose)[1] == 0


def test_a_row_of_digits_and_points_is_not_a_ruled_line():
    ink = np.zeros((200, 200), bool)
    for x in range(2, 200, 14):
        ink[90:110, x : x + 8] = True
        ink[92:108, x + 2 : x + 6] = False  # a 0
        ink[108:110, x + 10 : x + 12] = True  # a point
    rest, lines = without_ruling(ink)
    assert lines == 0
    np.testing.assert_array_equal(rest, ink)


def test_an_underline_goes_whether_the_digits_touch_it_or_not():
    digits = ring((40, 90, 80, 200), 8) | ring((120, 90, 160, 200), 8) | ring((200, 90, 240, 200), 8)
    for y in (206, 196):  # below the rings, and through their feet
        line = drawn((20, y, 275, y + 4), width=6)
        rest, count = without_underlines(Marks.of(digits | line), 110)
        assert count == 1
        assert ((rest.labels > 0) & ~digits).sum() < 0.1 * line.sum()
        assert len(rest.only(rest.side > 50)) == 3


@pytest.mark.parametrize(
    ("height", "width", "at", "goes"),
    [
        (60, 10, (20, 100, 180, 260), True),
        (110, 10, (20, 100, 180, 260), False),
        (60, 20, (20, 100, 180, 260), False),
        (60, 10, (100, 180, 260), False),
    ],
    ids=[
        "thin and lower than the digits",
        "as tall as the digits: a 1",
        "thicker than the line",
        "at one of its ends: a small 1",
    ],
)
def test_ticks_on_a_line_go_with_it(height, width, at, goes):
    digits = ring((40, 90, 80, 196), 8) | ring((120, 90, 160, 196), 8) | ring((200, 90, 240, 196), 8)
    ticks = drawn(*[(x, 206 - height, x, 206) for x in at], width=width)
    line = drawn((20, 206, 260, 206), width=6)
    marks, count = without_underlines(Marks.of(digits | line | ticks), 110)
    assert count == 1
    assert len(marks) == (3 if goes else 3 + len(at))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ((60, 206, 240, 206, 6), "short: 180 of 220 pixels"),
        ((20, 40, 275, 40, 6), "above the digits"),
        ((20, 212, 275, 212, 34), "thick"),
        ((20, 206, 275, 236, 6), "slanted"),
    ],
)
def test_what_is_no_underline_stays(line, why):
    digits = ring((40, 90, 80, 200), 8) | ring((120, 90, 160, 200), 8)
    *ends, width = line
    mask = digits | drawn(ends, width=width)
    marks, count = without_underlines(Marks.of(mask), 110)
    assert count == 0, why
    np.testing.assert_array_equal(marks.labels > 0, mask)


def test_digits_whose_feet_stand_in_a_line_are_not_underlined():
    """Touching digits with gaps between them: the lowest ink is straight along two thirds of the piece."""
    mask = np.zeros((SIDE, SIDE), bool)
    for x in range(20, 250, 46):
        mask[100:200, x : x + 30] = True
        mask[108:192, x + 8 : x + 22] = False
    mask[150:155, 20:250] = True
    assert without_underlines(Marks.of(mask), 100)[1] == 0


def test_a_wall_goes_even_where_a_digit_touches_it():
    digits = ring((40, 90, 80, 200), 8) | ring((220, 90, 260, 200), 8) | drawn((150, 90, 150, 200, 197, 200), width=8)
    cells = frame(15, 60, 285, 230) | drawn((105, 60, 105, 230), (195, 60, 195, 230), width=4)
    rest, frames = erased(digits | cells)
    assert len(frames) == 1
    assert (rest & ~digits).sum() <= 8 * 4


def test_a_frame_may_hold_several_rows_of_small_digits():
    digits = [ring((x, y, x + 30, y + 45), 5) for y in (60, 130, 200) for x in (60, 130, 200)]
    rest, frames = erased(np.any(digits, axis=0) | frame(20, 30, 280, 290))
    assert len(frames) == 1
    np.testing.assert_array_equal(rest, np.any(digits, axis=0))


def test_the_stem_of_a_digit_that_nearly_fills_its_frame_is_not_a_wall():
    four = drawn((80, 60, 80, 170, 278, 170), (200, 68, 200, 276), width=6)
    rest, frames = erased(four | frame(20, 20, 280, 280, 6))
    assert len(frames) == 1
    assert (rest & four)[80:160, 196:204].any(axis=1).all()
    assert (rest & four)[185:260, 196:204].any(axis=1).all()


@pytest.mark.parametrize(
    ("line", "width", "number"),
    [
        ((0, 150, SIDE, 150), 5, 1),
        ((0, 150, SIDE, 150), 10, 0),
        ((0, 138, SIDE, 162), 2, 1),
        ((2, 150, 297, 150), 3, 1),
        ((4, 150, 295, 150), 3, 0),
    ],
    ids=["as thin as 2% of the page", "as thick as 3%", "as steep as 8%", "0.7% from the border", "1.3% from it"],
)
def test_a_ruled_line_is_thin_and_nearly_level_and_goes_nearly_to_the_border(line, width, number):
    rest, count = without_ruling(drawn(line, width=width) | ring((100, 30, 160, 120), 20))
    assert count == number
    assert rest[150].sum() == 0 if number else rest[150].sum() > 250


@pytest.mark.parametrize(
    ("side", "width", "is_frame"),
    [(45, 4, False), (100, 4, True), (260, 20, True), (260, 36, False)],
    ids=["15% of the page", "a third", "with walls of 8% of its side", "with walls of 14%"],
)
def test_a_frame_has_a_least_size_and_no_thick_walls(side, width, is_frame):
    box = frame(20, 20, 20 + side, 20 + side, width)
    digit = drawn((20 + side // 2, 20 + side // 4, 20 + side // 2, 20 + 3 * side // 4), width=max(5, side // 20))
    assert len(erased(box | digit)[1]) == is_frame


def test_an_angular_zero_with_a_stroke_in_it_is_not_a_frame():
    """Its sides are straight for 69% of their length; those of a frame are for 85%."""
    zero = drawn((60, 20, 240, 20, 280, 60, 280, 240, 240, 280, 60, 280, 20, 240, 20, 60, 60, 20), width=6)
    assert len(erased(zero | drawn((120, 200, 180, 100), width=6))[1]) == 0


@pytest.mark.parametrize(("side", "is_ring"), [(24, False), (50, True)])
def test_a_ring_around_a_mark_is_a_tenth_of_the_page(side, is_ring):
    """30 pixels; what is smaller may be a 0 with a dot in it."""
    circle = ring((100, 100, 100 + side, 100 + side), 2)
    dot = drawn((100 + side // 2, 100 + side // 4, 100 + side // 2, 100 + 3 * side // 4), width=3)
    assert Marks.of(circle | dot).rings().any() == is_ring


@pytest.mark.parametrize(("x", "width", "stays"), [(36, 4, False), (55, 4, True), (50, 20, False), (70, 20, True)])
def test_what_is_within_a_tenth_of_a_cell_or_near_a_thick_wall_is_a_remain_of_it(x, width, stays):
    """A stroke, 6 and 13% of the frame from its edge: a double line, and a 1; and so near to walls of 8%."""
    digit = ring((110, 80, 190, 220), 8)
    rest, frames = erased(frame(20, 20, 280, 280, width) | digit | drawn((x, 100, x, 200), width=8))
    assert len(frames) == 1
    assert len(Marks.of(rest)) == 1 + stays


@pytest.mark.parametrize(("side", "stays"), [(18, False), (36, True)])
def test_what_is_shorter_than_a_tenth_of_a_cell_is_a_speck_in_it(side, stays):
    speck = np.zeros((SIDE, SIDE), bool)
    speck[150 : 150 + side, 200 : 200 + side] = True
    rest, _ = erased(frame(20, 20, 280, 280) | ring((60, 80, 120, 220), 8) | speck)
    assert len(Marks.of(rest)) == 1 + stays


@pytest.mark.parametrize(("length", "is_frame"), [(24, False), (45, True)])
def test_what_a_frame_holds_is_longer_than_the_stroke_in_a_rectangular_zero(length, is_frame):
    """17 and 32% of a frame of 140 pixels."""
    stroke = drawn((150, 155 - length // 2, 150, 155 + length // 2), width=8)
    assert len(erased(frame(80, 50, 220, 260, 8) | stroke)[1]) == is_frame


@pytest.mark.parametrize(("width", "number"), [(20, 1), (34, 0)])
def test_an_underline_is_not_thicker_than_a_quarter_of_a_digit(width, number):
    digits = ring((40, 90, 80, 200), 8) | ring((120, 90, 160, 200), 8)
    line = drawn((20, 206 + width // 2, 275, 206 + width // 2), width=width)
    assert without_underlines(Marks.of(digits | line), 110)[1] == number


def test_cells_of_tilted_hairlines_go():
    """One pixel thick; each goes down by 5."""
    digits = np.any([ring((x, y, x + 24, y + 40), 5) for x in (40, 240) for y in (40, 230)], axis=0)
    lines = [line for at in (70, 120, 170, 220) for line in [(15, at, 285, at + 5), (at, 15, at - 5, 285)]]
    rest, frames = erased(digits | drawn((20, 15, 285, 20, 280, 285, 15, 280, 20, 15), *lines, width=1))
    assert len(frames) == 1
    assert (rest & ~digits).sum() < 20


def test_the_bars_of_sevens_are_not_a_wall():
    """They are as thin as the frame, and as long as two thirds of it."""
    digits = drawn(*((x, 130, x + 32, 130, x + 29, 130, x + 8, 200) for x in range(30, 280, 52)), width=5)
    rest, frames = erased(digits | frame(15, 60, 285, 230, 5))
    assert len(frames) == 1
    np.testing.assert_array_equal(rest, digits)


@pytest.mark.parametrize(("width", "wobble"), [(3, 1.5), (12, 3)])
def test_the_walls_of_a_frame_may_be_drawn_by_hand(width, wobble):
    rng = np.random.default_rng(0)
    corners = [(20, 20), (280, 20), (280, 280), (20, 280), (20, 20)]
    points = np.concatenate([np.linspace(a, b, 65, endpoint=False) for a, b in pairwise(corners)])
    points = np.rint(points + rng.normal(0, wobble, points.shape)).astype(int)
    digit = ring((110, 80, 190, 220), 8)
    rest, frames = erased(digit | drawn([*points.ravel().tolist(), *points[0].tolist()], width=width))
    assert len(frames) == 1
    np.testing.assert_array_equal(rest, digit)


@pytest.mark.parametrize(("height", "number"), [(60, 1), (40, 0)])
def test_what_is_underlined_is_half_as_high_as_a_digit(height, number):
    """A 0 that is a little smaller than others; a point over a dash."""
    digits = [ring((x, 200 - height, x + 40, 200), 8) for x in (40, 120, 200)]
    assert without_underlines(Marks.of(np.any(digits, axis=0) | drawn((20, 206, 275, 206), width=6)), 110)[1] == number


@pytest.mark.parametrize(("gap", "number"), [(80, 1), (150, 0)])
def test_an_underline_belongs_to_the_row_right_above_it(gap, number):
    digits = ring((40, 20, 80, 80), 8) | ring((120, 20, 160, 80), 8)
    line = drawn((20, 80 + gap, 275, 80 + gap), width=6)
    assert without_underlines(Marks.of(digits | line), 60)[1] == number


def test_walls_between_cells_may_be_thicker_than_the_outer_ones():
    digits = ring((40, 90, 80, 200), 8) | ring((130, 90, 170, 200), 8) | ring((220, 90, 260, 200), 8)
    rest, _ = erased(digits | frame(15, 60, 285, 230) | drawn((105, 60, 105, 230), (195, 60, 195, 230), width=6))
    np.testing.assert_array_equal(rest, digits)


@pytest.mark.parametrize(("rise", "number"), [(28, 1), (44, 0)])
def test_a_stroke_across_the_page_that_leans_by_more_than_a_tenth_is_no_ruled_line(rise, number):
    mask = drawn((0, 150 - rise // 2, SIDE, 150 + rise // 2), width=2) | ring((100, 20, 160, 110), 20)
    assert without_ruling(mask)[1] == number


def test_a_ruled_line_goes_though_digits_stand_on_most_of_it():
    """Four of 49 pixels each, on 300."""
    digits = [frame(10 + 70 * i, 120, 59 + 70 * i, 200, 8) for i in range(4)]
    assert without_ruling(np.any(digits, axis=0) | drawn((0, 200, SIDE, 200)))[1] == 1


def test_the_foot_of_a_2_on_a_ruled_line_stays():
    """It is three times as thick as the line."""
    foot = drawn((100, 200, 200, 200), (190, 90, 100, 200), width=9)
    rest, count = without_ruling(foot | drawn((0, 200, SIDE, 200)))
    assert count == 1
    assert (foot & ~rest).sum() < 10


def test_a_line_that_ends_a_pixel_before_the_border_of_a_small_picture_is_ruled():
    mask = np.zeros((120, 120), bool)
    mask[60:62, 1:119] = True
    mask[20:50, 50:60] = True
    assert without_ruling(mask)[1] == 1


@pytest.mark.parametrize("stroke", [[(70, 60), (220, 60), (120, 250)], [(180, 260), (180, 50), (60, 190), (240, 190)]])
def test_an_outline_is_filled_between_its_lines_and_not_in_the_counter_of_a_4(stroke):
    digit = cv2.polylines(np.zeros((300, 300), np.uint8), [np.array(stroke)], False, 1, 30)
    inside = cv2.erode(digit, np.ones((7, 7), np.uint8)) > 0
    np.testing.assert_array_equal(Marks.of((digit > 0) & ~inside).hollows(), inside)


@pytest.mark.parametrize(
    "stroke",
    [
        [(60, 150), (150, 40), (240, 150), (150, 260), (60, 150)],  # a square 0
        [(200, 280), (200, 40), (60, 40), (60, 90), (150, 90), (150, 160), (200, 160)],  # a bent loop on a long stem
    ],
)
def test_a_hole_without_bays_or_one_much_shorter_than_the_digit_stays(stroke):
    digit = cv2.polylines(np.zeros((300, 300), np.uint8), [np.array(stroke)], False, 1, 6)
    assert not Marks.of(digit > 0).hollows().any()


def test_no_zero_of_mnist_is_an_outline():
    train = load_dataset("train")
    for image in train.images[train.labels == 0][:1000].reshape(-1, 28, 28):
        zero = cv2.resize(image, (168, 168), interpolation=cv2.INTER_CUBIC) > 100
        assert not Marks.of(zero).hollows().any()


def solid(shape):
    """A solid thing (100 × 100 pixels or about so) with a 7 left blank, 40 pixels high."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    height = 16 if "speck" in shape else 40
    if shape == "a round one":
        cv2.circle(mask, (150, 150), 60, 1, -1)
    else:
        angle = np.deg2rad(10 if shape == "tilted" else 0)
        along = np.array([(-50, -50), (50, -50), (50, 50), (-50, 50)])
        turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
        cv2.fillPoly(mask, [np.rint(150 + along @ turn).astype(np.int32)], 1)
    if shape != "blank":
        seven = np.array([(-0.25, -0.5), (0.25, -0.5), (0, 0.5)])
        if shape == "as a frame":
            mask[110:190, 110:190] = 0
        cv2.polylines(mask, [np.rint(150 + height * seven).astype(np.int32)], False, 0, 5)
    return mask.astype(bool)


@pytest.mark.parametrize("shape", ["upright", "tilted", "a round one", "with a speck", "as a frame", "blank"])
def test_on_a_solid_rectangle_what_is_blank_is_written(shape):
    mask = solid(shape)
    tiles = Marks.of(mask).tiles()
    assert tiles.any() == (shape in ("upright", "tilted"))
    if tiles.any():
        written = Marks.of(tiles & ~mask)
        assert len(written) == 1
        assert abs(written.side[0] - 45) <= 2


@pytest.mark.parametrize(("width", "is_rim"), [(4, True), (6, False)])
def test_the_rim_of_a_tile_is_not_written(width, is_rim):
    """A blank line along its left side, from 0 or from 4 pixels on."""
    mask = solid("upright")
    mask[100:201, 100 : 100 + width] = False
    written = Marks.of(Marks.of(mask | solid("upright")).tiles() & ~mask)
    assert (len(written) == 1) == is_rim
