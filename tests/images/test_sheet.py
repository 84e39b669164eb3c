"""Sheets, cards and screens in a larger scene: where they are found, and where nothing is one."""

import contextlib
from itertools import product

import cv2
import numpy as np
import pytest
from pages import PAPER, on_desk, page
from samples import load_mnist

from mlp_cli.errors import ImageError
from mlp_cli.images.decode import Page
from mlp_cli.images.sheet import _is_open, _own_sides, _turn, sheets, whole
from mlp_cli.images.single import find_marks, find_one


def scene(corners, inside=230.0, outside=90.0, ink=None):
    """A picture (300, 400) of a polygon, and on it a bar of `ink` from (190, 110) to (205, 190)."""
    picture = np.full((300, 400), float(outside))
    cv2.fillPoly(picture, [np.array(corners, np.int32)], float(inside))
    if ink is not None:
        picture[110:190, 190:205] = ink
    return np.uint8(np.clip(picture + np.random.default_rng(0).normal(0, 2, picture.shape), 0, 255))


SQUARE = [(110, 60), (290, 60), (290, 240), (110, 240)]
TILTED = [(120, 50), (300, 70), (280, 250), (100, 230)]


def found(picture):
    return list(sheets(whole(Page(picture))))


@pytest.mark.parametrize("corners", [SQUARE, TILTED])
@pytest.mark.parametrize(("inside", "outside"), [(230, 90), (90, 230), (230, 210)])
def test_the_corners_of_a_sheet_are_found(corners, inside, outside):
    (sheet,) = found(scene(corners, inside, outside))
    height, width = sheet.levels.shape
    ends = np.array([[[0, 0], [width, 0], [width, height], [0, height]]], float)
    mapped = cv2.perspectiveTransform(ends, sheet.to_picture)[0]
    # 3% of its sides are cut off
    middle = np.mean(corners, axis=0)
    expected = middle + (np.array(corners) - middle) / 1.06
    assert np.abs(mapped - expected).max() < 5


def test_a_tilted_sheet_is_made_level():
    (sheet,) = found(scene(TILTED, ink=30))
    height, width = sheet.levels.shape
    assert abs(width / height - 1) < 0.05  # its sides are √(180² + 20²) both
    digit = find_one(Page(scene(TILTED, ink=30)))
    assert "sheet found" in digit.actions
    assert digit.inverted
    # the box in the picture is around the bar, and its corners lean by 6.3°, so it is 9 wider and 2 higher
    assert np.abs(np.subtract(digit.box, (186, 109, 209, 191))).max() <= 8


def test_polarity_comes_from_the_sheet_not_its_surroundings():
    for inside, outside, ink, inverted in [(230, 90, 30, True), (90, 230, 200, False), (60, 20, 180, False)]:
        digit = find_one(Page(scene(SQUARE, inside, outside, ink)))
        assert digit.inverted == inverted
        assert np.abs(np.subtract(digit.box, (190, 110, 205, 190))).max() <= 3


@pytest.mark.parametrize("step", [6, 12, 30])
def test_a_clear_step_in_level_makes_a_sheet_and_a_small_one_does_not(step):
    assert len(found(scene(SQUARE, 200, 200 - step))) == (step > 8)


def test_a_line_around_a_digit_is_not_a_sheet():
    picture = np.full((300, 400), 230, np.uint8)
    cv2.rectangle(picture, (110, 60), (290, 240), 60, 3)
    assert found(picture) == []


def button(dent=0, ink=None):
    """A round dark thing on light ground with a dent, and on it a 7 of `ink` from (165, 100) to (235, 200)."""
    picture = np.full((300, 400), 230, np.uint8)
    cv2.ellipse(picture, (200, 150), (130, 110), 0, 0, 360, 60, -1)
    cv2.circle(picture, (200, 40), dent, 230, -1)
    if ink is not None:
        cv2.polylines(picture, [np.int32([(170, 105), (230, 105), (195, 195)])], False, ink, 10)
    return picture


def test_a_digit_on_a_round_thing_is_read_there():
    digit = find_one(Page(button(ink=240)))
    assert not digit.inverted
    assert np.abs(np.subtract(digit.box, (165, 100, 235, 200))).max() <= 3


def test_the_light_on_a_round_thing_goes_on_around_it():
    """From 140 levels on its left to 20 on its right, so that little but the 7 is ink."""
    plain, written = button(), button(ink=240)
    light = np.where(plain < 230, 140 - 120 * (np.arange(400) - 70) / 260, 230) + 30 * (written == 240)
    found = find_marks(Page(np.uint8(np.clip(light + np.random.default_rng(0).normal(0, 2, light.shape), 0, 255))))
    assert "sheet found" in found.actions
    assert len(found.marks) == 1


@pytest.mark.parametrize(("x", "y", "is_ink"), [(308, 150, True), (312, 150, False), (276, 214, False)])
def test_what_is_for_the_most_part_at_the_edge_of_a_round_thing_is_not_ink_on_it(x, y, is_ink):
    """Its right end is at 330; 7 pixels of it are cut off, and 9 more are its edge."""
    picture = button(ink=240)
    picture[y : y + 9, x : x + 9] = 240
    assert len(find_marks(Page(picture)).marks) == 1 + is_ink


@pytest.mark.parametrize(("dent", "is_sheet"), [(0, True), (40, False)])
def test_a_round_thing_is_even(dent, is_sheet):
    assert bool(found(button(dent))) == is_sheet


def test_the_counter_of_a_round_digit_is_not_the_digit():
    picture = button()
    cv2.ellipse(picture, (200, 150), (20, 45), 0, 0, 360, 230, -1)
    assert np.abs(np.subtract(find_one(Page(picture)).box, (70, 40, 331, 261))).max() <= 3


def test_a_small_patch_is_not_a_sheet():
    """6% of the picture would be 85 × 85 pixels."""
    for inside, outside in ((230, 90), (90, 230)):
        assert found(scene([(150, 100), (222, 100), (222, 172), (150, 172)], inside, outside)) == []
    assert len(found(scene([(150, 100), (250, 100), (250, 200), (150, 200)]))) == 1


def test_an_empty_sheet_is_ink():
    digit = find_one(Page(scene([(160, 40), (230, 40), (230, 260), (160, 260)])))
    assert "sheet found" not in digit.actions
    assert not digit.inverted


def test_ink_across_an_edge_means_that_it_is_not_a_sheet():
    """Half of the page lies in a shadow; the bar goes on from the light into it."""
    picture = np.full((300, 400), 230.0)
    picture[140:200, 120:280] = 70
    picture[:, 200:] *= 0.4
    assert "sheet found" not in find_marks(Page(np.uint8(picture))).actions


def test_an_edge_with_digits_beyond_it_is_a_shadow():
    picture = np.full((300, 400), 230.0)
    for left in (60, 130, 260, 330):
        picture[110:190, left : left + 14] = 60
    picture[:, 200:] *= 0.4
    found = find_marks(Page(np.uint8(picture)))
    assert "sheet found" not in found.actions
    assert len(found.marks) >= 4
    picture[:, 240:] = 90  # the same without: a sheet
    assert "sheet found" in find_marks(Page(np.uint8(picture))).actions


def test_a_sheet_that_is_cut_by_the_border_is_turned_level():
    """A card turned by 20°, of which three corners lie beyond the picture."""
    card = np.full((700, 700), 230.0)
    card[290:410, 340:360] = 40
    matrix = cv2.getRotationMatrix2D((350, 350), 20, 1)
    matrix[:, 2] += (-70, -130)
    picture = cv2.warpAffine(card, matrix, (400, 420), borderValue=90)
    assert (picture < 100).any()
    digit = find_one(Page(np.uint8(picture)))
    if "sheet found" in digit.actions:
        rows = np.flatnonzero((digit.image > 128).any(axis=1))
        columns = np.flatnonzero((digit.image > 128).any(axis=0))
        assert len(rows) >= 18
        assert len(columns) <= 6  # an upright bar; at 20° it would be 9 wide


def test_the_smallest_of_stacked_sheets_that_holds_the_digit_is_read():
    """A screen on a wall, a window on the screen, and a title bar with something in it, too."""
    picture = np.full((600, 800), 150, np.uint8)
    picture[60:540, 80:720] = 40
    picture[90:120, 100:700] = 200
    picture[98:112, 120:126] = 20
    picture[160:500, 140:660] = 235
    picture[240:420, 380:410] = 20
    digit = find_one(Page(picture))
    assert digit.box == pytest.approx((380, 240, 410, 420), abs=4)
    assert digit.inverted


@pytest.mark.parametrize("desk", [40, 80, 120, 160, 200])
@pytest.mark.parametrize("share", [0.4, 0.55, 0.75, 0.92])
def test_a_page_on_a_desk_gives_the_box_of_the_page_alone(desk, share):
    sheet = page(load_mnist("test").images[1].reshape(28, 28), np.random.default_rng(0))
    digit = find_one(Page(on_desk(sheet, np.random.default_rng(1), desk, share, 10)))
    assert "sheet found" in digit.actions
    own = find_one(Page(sheet))
    assert np.abs(digit.image.astype(int) - own.image).mean() < 22  # a tilt that is left over moves the edges
    assert PAPER == 235


def test_a_sheet_whose_corner_touches_the_border_is_whole():
    """All four of its sides are on the picture, so it is seen from above; one whose side is cut off is not."""
    photo = np.full((480, 640), 80, np.uint8)
    cv2.fillPoly(photo, [np.int32([(2, 240), (260, 60), (440, 300), (190, 460)])], 235)
    (sheet,) = sheets(whole(Page(photo)))
    assert sheet.inside is None
    photo[:, :100] = 235  # now the left side lies beyond
    assert all(sheet.inside is not None for sheet in sheets(whole(Page(photo))))


@pytest.mark.parametrize(("deep", "is_sheet"), [(60, True), (160, False)])
def test_a_sheet_may_have_a_dent_but_is_not_a_horseshoe(deep, is_sheet):
    """7 and 20% of its hull; 12% may be lost."""
    photo = scene(SQUARE)
    photo[60 : 60 + deep, 180:220] = 90
    assert bool(found(photo)) == is_sheet


def test_a_step_on_three_sides_makes_no_sheet():
    """Beyond a line at its fourth side the same paper goes on."""
    photo = scene(SQUARE)
    photo[60:240, 296:330] = 230
    assert found(photo) == []


@pytest.mark.parametrize(("length", "is_sheet"), [(80, False), (30, True)])
def test_of_sheets_beside_each_other_with_digits_as_large_none_is_the_page(length, is_sheet):
    """Two squares on a desk, with a bar of 80 pixels on the first."""
    photo = np.full((300, 500), 90, np.uint8)
    for left, size in ((40, 80), (280, length)):
        photo[60:240, left : left + 180] = 230
        photo[150 - size // 2 : 150 + size // 2, left + 80 : left + 95] = 30
    marks = find_marks(Page(photo))
    assert ("sheet found" in marks.actions) == is_sheet
    assert len(marks.marks) == 2 - is_sheet


@pytest.mark.parametrize(("beside", "is_sheet"), [(False, True), (True, False)])
def test_a_ring_around_one_of_several_digits_is_no_sheet(beside, is_sheet):
    photo = np.full((300, 500), 230, np.uint8)
    cv2.ellipse(photo, (150, 150), (110, 120), 0, 0, 360, 60, 24)
    for left in (120, 350)[: 1 + beside]:
        cv2.polylines(photo, [np.int32([(left, 110), (left + 60, 110), (left + 25, 190)])], False, 60, 10)
    found = find_marks(Page(photo))
    assert ("sheet found" in found.actions) == is_sheet
    assert sum(found.marks.side < 100) == 2 - is_sheet


BLANK = "only lines or the edge of a sheet"


def longest(photo):
    """The longer side of the largest mark on a photo, in pixels; 0 if there is none."""
    try:
        return find_marks(Page(photo)).marks.side.max()
    except ImageError:
        return 0


@pytest.mark.parametrize(("desk", "share", "tilt"), [(40, 0.75, 9), (80, 0.92, 9), (120, 0.55, 3), (200, 0.75, -9)])
def test_the_edge_of_a_blank_sheet_on_a_desk_is_no_digit(desk, share, tilt):
    """The noise of light paper makes thousands of specks, which are none either."""
    blank = page(np.zeros((28, 28), np.uint8), np.random.default_rng(0))
    photo = on_desk(blank, np.random.default_rng(1), desk, share, tilt)
    assert longest(photo) < 20


@pytest.mark.parametrize(("inside", "outside"), [(230, 60), (60, 230)])
def test_what_is_left_of_the_edge_of_a_sheet_that_is_cut_off_makes_it_no_less_blank(inside, outside):
    photo = scene([(260, 98), (487, 156), (419, 421), (192, 363)], inside, outside)
    assert longest(cv2.GaussianBlur(photo, (0, 0), 1)) < 20


def test_the_light_on_a_blank_sheet_is_no_digit():
    """It counts as ink on nearly half of the sheet."""
    photo = scene(TILTED, 0, 60).astype(float)
    photo += (scene(TILTED, 230, 0) / 230) * np.linspace(230, 110, 300)[:, None]
    assert longest(np.uint8(photo)) < 20


@pytest.mark.parametrize(("beyond", "is_edge"), [(8, True), (34, False)])
def test_what_lies_for_the_most_part_on_a_blank_sheet_is_its_edge(beyond, is_edge):
    """A nick of 14 pixels, which goes on `beyond`."""
    photo = scene(SQUARE, 235, 140)
    photo[140:155, 277 : 291 + beyond] = 20
    with pytest.raises(ImageError, match=BLANK) if is_edge else contextlib.nullcontext():
        assert find_one(Page(photo), inverted=True).box == (277, 140, 291 + beyond, 155)


@pytest.mark.parametrize("shape", ["bar", "ring"])
def test_a_digit_is_no_blank_sheet(shape):
    photo = np.full((300, 400), 230.0)
    if shape == "bar":
        cv2.rectangle(photo, (170, 50), (230, 250), 40, cv2.FILLED)
    else:
        cv2.ellipse(photo, (200, 150), (70, 90), 0, 0, 360, 40, 14)
    digit = find_one(Page(np.uint8(photo + np.random.default_rng(0).normal(0, 2, photo.shape))))
    assert digit.box[3] - digit.box[1] >= 190


SEVEN, ONE = [(-8, -12), (8, -12), (-2, 13)], [(0, -14), (0, 14)]


@pytest.mark.parametrize(
    ("cells", "size", "thin", "written", "digit"),
    [(9, 44, 80, 150, SEVEN), (9, 44, 60, 150, ONE), (6, 60, 150, 205, SEVEN)],
)
def test_all_that_is_written_in_a_grid_of_thick_and_thin_lines_is_found(cells, size, thin, written, digit):
    """Not in one block of its cells alone; and pencil, though thin lines are darker, and thick ones darker still."""
    end, lines = 40 + cells * size, [40 + i * size for i in range(cells + 1)]
    page = np.full((end + 40, end + 40), 235.0)
    for level, width, some in ((thin, 2, lines), (20, 8, lines[::3])):
        for at in some:
            cv2.line(page, (40, at), (end, at), level, width)
            cv2.line(page, (at, 40), (at, end), level, width)
    middles = [at + size // 2 for at in lines[:-1:2]]
    for x, y in product(middles, middles):
        cv2.polylines(page, [np.add(digit, (x, y), dtype=np.int32)], False, written, 3)
    page += np.random.default_rng(0).normal(0, 2, page.shape)
    sides = find_marks(Page(np.uint8(page.clip(0, 255)))).marks.side
    assert sum((sides > 20) & (sides < 40)) == len(middles) ** 2


@pytest.mark.parametrize(("inset", "is_sheet"), [(8, False), (12, True)])
def test_what_goes_from_one_end_of_a_sheet_to_the_other_is_no_digit_on_it(inset, is_sheet):
    photo = scene(SQUARE)
    photo[60 + inset : 241 - inset, 190:204] = 30
    assert ("sheet found" in find_marks(Page(photo)).actions) == is_sheet


def test_a_digit_across_the_edge_of_a_shadow_is_not_read_on_one_side():
    y, x = np.mgrid[:300, :400]
    photo = np.full((300, 400), 230.0)
    cv2.polylines(photo, [np.int32([(170, 100), (230, 100), (195, 220)])], False, 40, 12)
    photo[y < 130 + 0.05 * x] *= 0.5
    assert find_one(Page(np.uint8(cv2.GaussianBlur(photo, (0, 0), 2)))).box[1] < 110


@pytest.mark.parametrize("far", [12, -20])
def test_digits_near_the_edge_of_a_shadow_or_across_it_are_not_lost(far):
    """Four bars, of which three end 40 pixels above it, and one so `far` above."""
    y, x = np.mgrid[:290, :780]
    photo = np.full((290, 780), 230.0)
    for left, above in ((200, 40), (300, 40), (400, 40), (500, far)):
        bottom = int(170 + 0.03 * left) - above
        photo[bottom - 60 : bottom, left : left + 14] = 60
    photo[y < 170 + 0.03 * x] *= 0.6
    found = find_marks(Page(np.uint8(cv2.GaussianBlur(photo, (0, 0), 2))))
    assert len(found.marks) == 4


@pytest.mark.parametrize(("left", "own"), [(6, 1), (12, 2)])
def test_a_side_near_the_border_is_not_of_the_sheet(left, own):
    """2% of the picture are 8 pixels."""
    corners = np.array([(left, 0), (200, 0), (200, 299), (left, 299)], float)
    assert len(_own_sides(corners, (300, 400))) == own


@pytest.mark.parametrize(("lean", "turn"), [(0, 20), (20, 0)])
def test_sides_at_right_angles_say_how_a_sheet_that_is_cut_off_lies(lean, turn):
    """Its upper side rises by 20°, and the other is upright to it, or leans by 20° more."""
    up, along = np.deg2rad([110 + lean, 20])
    right, bottom = 200 + 199 * np.tan(along), 200 + 219 / np.tan(up)
    corners = np.array([(200, 200), (399, right), (399, 419), (bottom, 419)])
    matrix = _turn(corners, (420, 400))
    found = np.rad2deg(np.arctan2(matrix[1, 0], matrix[0, 0]))
    assert abs(found) == pytest.approx(turn, abs=3)


@pytest.mark.parametrize(("share", "is_open"), [(0.03, False), (0.06, True)])
def test_a_sheet_is_cut_off_where_enough_of_its_outline_is_the_border(share, is_open):
    """A square with one corner cut off by the left border: its legs are 300 long, so that of 1,200 about a share is."""
    half = share * 1200 / 2
    corners = np.array([(0, 240 - half), (0, 240 + half), (212, 452), (424, 240), (212, 28)], float)
    assert _is_open(corners, (480, 640)) == is_open


@pytest.mark.parametrize(("top", "bottom", "is_open"), [(2, 2, True), (2, 4, False), (4, 2, False)])
def test_a_side_within_two_pixels_of_the_border_is_the_border(top, bottom, is_open):
    """The thumbnail is smoothed by as much. From the left, and from the right."""
    corners = np.array([(top, 40), (300, 60), (300, 200), (bottom, 240)], float)
    assert _is_open(corners, (300, 400)) == is_open
    assert _is_open(np.array([399, 0]) - corners * [1, -1], (300, 400)) == is_open


@pytest.mark.parametrize(("side", "is_sheet"), [(60, False), (100, True)])
def test_in_a_picture_of_a_few_pixels_there_are_no_sheets(side, is_sheet):
    photo = np.full((side, side), 90, np.uint8)
    photo[side // 6 : -side // 6, side // 6 : -side // 6] = 230
    assert bool(found(photo)) == is_sheet


@pytest.mark.parametrize(("length", "is_sheet"), [(12, False), (26, True)])
def test_a_sheet_is_looked_at_for_a_digit_of_a_tenth_of_its_side(length, is_sheet):
    photo = scene(SQUARE)
    photo[150 : 150 + length, 196:201] = 30
    assert ("sheet found" in find_marks(Page(photo)).actions) == is_sheet


def test_light_that_fades_towards_the_corners_makes_no_sheet():
    y, x = np.mgrid[-1:1:300j, -1:1:400j]
    light = 1 - 0.6 * np.clip((x**2 + y**2) / 2, 0, 1) ** 1.3
    assert not found(np.uint8(230 * light + np.random.default_rng(0).normal(0, 2, light.shape)))


def test_the_four_sharpest_of_many_sheets_are_looked_at():
    photo = np.full((300, 400), 60, np.uint8)
    for n, level in enumerate((235, 215, 195, 175, 155)):
        top, left = 20 + n // 3 * 140, 15 + n % 3 * 130
        photo[top : top + 110, left : left + 110] = level
    assert sorted(int(np.median(sheet.levels)) for sheet in found(photo)) == [175, 195, 215, 235]


@pytest.mark.parametrize(("level", "is_sheet"), [(170, True), (195, False)])
def test_the_step_at_one_side_of_a_sheet_may_be_smaller_but_is_there(level, is_sheet):
    """The others are 140 grey levels high."""
    photo = scene(SQUARE)
    photo[:, 291:] = level
    assert bool(found(photo)) == is_sheet


def test_a_sheet_may_have_a_bent_corner():
    """12 pixels of each side, 180 long, are missing at one."""
    (sheet,) = found(scene([(110, 60), (278, 60), (290, 72), (290, 240), (110, 240)]))
    assert not sheet.is_round


@pytest.mark.parametrize(("leg", "is_sheet"), [(140, False), (200, True)])
def test_a_sheet_that_shows_little_but_borders_is_none(leg, is_sheet):
    """The desk is seen in a corner of the picture; a side is 15 or 22% of the outline."""
    photo = scene([(leg, 0), (399, 0), (399, 299), (0, 299), (0, leg)])
    assert bool(found(photo)) == is_sheet


def test_a_round_thing_that_is_cut_off_is_no_sheet_and_one_with_round_corners_is():
    plate = np.full((300, 400), 90, np.uint8)
    cv2.ellipse(plate, (0, 0), (250, 220), 0, 0, 360, 230, -1)
    assert found(plate) == []
    phone = np.full((300, 400), 90, np.uint8)
    cv2.fillPoly(phone, [cv2.ellipse2Poly((x, 188), (48, 48), 0, 0, 360, 5) for x in (98, 302)], 230)
    phone[188:, 50:350] = phone[140:, 98:302] = 230
    assert len(found(phone)) == 1


@pytest.mark.parametrize(("rim", "number"), [(6, 1), (11, 2)])
def test_a_screen_and_a_broad_rim_are_two_outlines(rim, number):
    """Of 180 pixels; two that are nearly the same are one."""
    photo = scene(SQUARE, 30, 200)
    photo[60 + rim : 240 - rim, 110 + rim : 290 - rim] = 230
    assert len(found(photo)) == number


def test_a_sheet_may_be_out_of_focus():
    assert len(found(cv2.GaussianBlur(scene(SQUARE), (0, 0), 10))) == 1


def test_a_sheet_is_found_though_there_is_more_paper_near_it():
    """Beyond a gap of 12 pixels, on all sides."""
    photo = np.full((300, 400), 230, np.uint8)
    photo[48:252, 98:302] = 90
    photo[60:240, 110:290] = 230
    assert any(sheet.levels.mean() > 220 for sheet in found(photo))


def test_the_rim_of_a_sheet_is_cut_off():
    """The shadow along its edge, 4 pixels of 180."""
    photo = scene(SQUARE)
    cv2.rectangle(photo, (112, 62), (288, 238), 195, 3)
    assert [sheet.levels.min() > 210 for sheet in found(photo)] == [True]


def test_a_large_page_is_reduced_to_1200_pixels_and_keeps_its_detail():
    page = np.full((900, 2400), 230, np.uint8)
    for left in range(1000, 1120, 10):
        page[400:500, left : left + 4] = 40
    found = find_marks(Page(page))
    assert len(found.marks) == 12
    assert found.sheet.levels.shape == (450, 1200)
