import contextlib
import itertools

import cv2
import numpy as np
import pytest
from pages import page as drawn
from PIL import Image

from mlp_cli.data.datasets import load_dataset
from mlp_cli.errors import ImageError
from mlp_cli.images.decode import Page
from mlp_cli.images.digits import prepare
from mlp_cli.images.mnist import tight_box
from mlp_cli.images.rows import find_rows
from mlp_cli.images.single import drawn as prepared


@pytest.fixture(scope="module")
def mnist():
    return load_dataset("test").images.reshape(-1, 28, 28)


def test_every_mnist_image_passes_through_bit_for_bit(mnist):
    for image in mnist:
        np.testing.assert_array_equal(prepare(Page(image)).image, image)


def test_black_on_white_mnist_comes_out_as_mnist(mnist):
    for image in mnist[:200]:
        digit = prepare(Page(255 - image))
        np.testing.assert_array_equal(digit.image, image)
        assert digit.inverted


def test_a_page_with_a_digit_somewhere_becomes_that_digit(mnist):
    """The rule undoes what a scan does: a digit enlarged four times, off-centre on a large grey-white page."""
    unchanged = 0
    for image in mnist[:50]:
        large = np.asarray(Image.fromarray(image).resize((112, 112), Image.Resampling.BICUBIC)).astype(int)
        page = np.full((300, 400), 230)
        page[150:262, 20:132] -= large * 200 // 255
        digit = prepare(Page(page.astype(np.uint8)))
        assert digit.inverted
        if "strokes thickened" in digit.actions:
            continue
        unchanged += 1
        # the two resamplings blur it a little, and can move its centre of mass over the edge of a pixel
        shifted = (np.roll(digit.image.astype(int), (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1))
        assert min(np.abs(candidate - image).mean() for candidate in shifted) < 8
        assert 20 <= digit.box[0] < digit.box[2] <= 132
        assert 150 <= digit.box[1] < digit.box[3] <= 262
    assert unchanged >= 10


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("shape", [(1, 1), (28, 28), (300, 200)])
def test_a_blank_page_is_an_error(level, shape):
    with pytest.raises(ImageError, match=r"^.*blank"):
        prepare(Page(np.full(shape, level, np.uint8)))


def test_a_page_of_faint_noise_is_blank():
    page = np.random.default_rng(0).normal(220, 4, (200, 200)).clip(0, 255).astype(np.uint8)
    with pytest.raises(ImageError, match="blank"):
        prepare(Page(page))


def test_polarity_can_be_forced():
    page = np.zeros((40, 40), np.uint8)
    page[:, 10:30] = 255  # a white bar that touches the border: as light ink 20 wide, else two dark ones
    assert not prepare(Page(page), inverted=False).inverted
    forced = prepare(Page(page), inverted=True)
    assert forced.inverted


def test_a_long_thin_line_takes_no_more_memory_than_its_page():
    page = np.full((60_000, 6), 255, np.uint8)
    page[10:-10, 3] = 0
    image = prepare(Page(page)).image  # its square would have 3.6 billion pixels
    assert image.any(axis=1).sum() == 20


def test_two_digits_are_not_read_as_one(mnist):
    rng = np.random.default_rng(0)
    for first, second in mnist[:20].reshape(10, 2, 28, 28):
        with pytest.raises(ImageError, match=r"^[2-5] possible digits found; use --split to read several"):
            prepare(Page(drawn([[first, second]], rng)))


def test_print_outside_the_frame_is_not_another_digit(mnist):
    page = np.pad(drawn(mnist[0], np.random.default_rng(0), frame=True), ((150, 0), (0, 0)), constant_values=235)
    for left in (30, 80, 130):
        page[20:140, left : left + 30] = 40
    digit = prepare(Page(page))
    assert "a frame erased" in digit.actions
    assert digit.box[1] > 150


@pytest.mark.parametrize("tiles", [False, True])
def test_none_of_several_digits_in_frames_or_on_tiles_is_read_alone(mnist, tiles):
    """Three of them, dark on paper with a line around, or light on black."""
    page = np.full((140, 420), 235, np.uint8)
    for left, image in zip((20, 155, 290), mnist[:3], strict=True):
        digit = np.kron(image[2:26, 2:26], np.ones((4, 4), np.uint8))
        page[20:120, left : left + 110] = 0 if tiles else 40
        page[23:117, left + 3 : left + 107] = 0 if tiles else 235
        page[22:118, left + 7 : left + 103] = digit if tiles else 235 - np.uint8(digit * 0.8)
    with pytest.raises(ImageError, match=r"^3 possible digits found; use --split to read several"):
        prepare(Page(page))
    writing = find_rows(Page(page))
    assert writing.found.ink.inverted != tiles
    ((*pieces,),) = writing.rows
    assert len(pieces) == 3
    for piece, image in zip(pieces, mnist[:3], strict=True):
        left, top, right, bottom = tight_box(image > 0)
        assert piece.levels.mean() * 255 == pytest.approx(image[top:bottom, left:right].mean(), abs=25)


@pytest.mark.parametrize("deviation", [3, 6, 12, 30, 80])
def test_a_page_of_noise_is_refused(deviation):
    noise = np.random.default_rng(0).normal(160, deviation, (200, 200)).clip(0, 255).astype(np.uint8)
    with pytest.raises(ImageError, match=r"^no .* found|possible digits found"):
        prepare(Page(noise))


def test_boxes_are_around_the_ink():
    page = np.full((200, 300), 240, np.uint8)
    page[40:160, 100:112] = 20
    page[40:160, 200:212] = 20
    assert prepare(Page(page[:, :150])).box == (100, 40, 112, 160)


@pytest.mark.parametrize("read", [prepare, find_rows])
@pytest.mark.parametrize("turned", [False, True])
def test_pages_of_a_few_pixels_are_read_or_refused(read, turned):
    rng = np.random.default_rng(0)
    sizes = [(h, w) for h in (1, 2, 4, 5, 8, 14) for w in (1, 2, 4)]
    pages = [rng.integers(0, 256, size, np.uint8) for size in sizes for _ in range(6)]
    for levels in [np.uint8([[206], [20], [190], [193], [192]]), *pages]:
        with contextlib.suppress(ImageError):
            read(Page(levels.T if turned else levels))


def underlined(top, left, right, height=6):
    """A bar like a 1 from (100, 40) to (112, 160) with a line below."""
    page = np.full((240, 220), 240, np.uint8)
    page[40:160, 100:112] = 20
    page[top : top + height, left:right] = 20
    return prepare(Page(page)).box


def test_an_underline_is_not_part_of_a_digit():
    alone = (100, 40, 112, 160)
    assert underlined(172, 80, 132) == alone  # 10% of the digit's height below it
    assert underlined(172, 80, 132, height=11) == alone  # a fifth as thick as it is long
    assert underlined(164, 80, 132) == alone  # so near that it might be the foot of a 1, which is a 1 without it
    assert underlined(172, 104, 150) == (100, 40, 150, 178)  # not to both sides
    assert underlined(172, 80, 132, height=16) == (80, 40, 132, 188)  # as thick as that is a stroke


def test_fragments_are_near_and_large_enough():
    def box(distance, size):
        page = np.full((240, 260), 240, np.uint8)
        page[40:160, 100:112] = 20
        page[60 : 60 + size, 112 + distance : 112 + distance + size] = 20
        return prepare(Page(page)).box[2]

    assert box(22, 12) == 112 + 22 + 12  # NEAR is 24 pixels, and DUST 9.6
    assert box(26, 12) == 112
    assert box(22, 8) == 112


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((145, 110, 157, 190), (0, 15, 14, 285)),
        ((40, 10, 52, 130), (144, 125, 156, 175)),
        ((0, 70, 14, 230), (170, 130, 182, 170)),
    ],
    ids=["a stripe along the border", "a speck in the middle", "a speck, and a digit at the border"],
)
def test_the_digit_is_large_and_near_the_middle(one, other):
    page = np.full((300, 300), 240, np.uint8)
    for left, top, right, bottom in (one, other):
        page[top:bottom, left:right] = 20
    assert prepare(Page(page)).box == one


def test_what_is_thicker_than_the_digit_is_no_fragment_of_it():
    """A button near a 1 that is 12 pixels wide; THICKER is 1.5."""

    def box(side):
        page = np.full((240, 260), 240, np.uint8)
        page[40:160, 100:112] = 20
        page[80 : 80 + side, 122 : 122 + side] = 20
        return prepare(Page(page)).box

    assert box(15) == (100, 40, 137, 160)
    assert box(22) == (100, 40, 112, 160)


def test_an_underline_longer_than_the_digit_is_not_taken_for_it():
    page = np.full((240, 300), 240, np.uint8)
    page[50:150, 140:160] = 20
    page[170:178, 60:240] = 20
    assert prepare(Page(page)).box == (140, 50, 160, 150)


def garment(*corners):
    """A silhouette from the upper border to the lower one of 28×28 pixels, of cloth, light on black."""
    page = cv2.fillPoly(np.zeros((28, 28), np.uint8), [np.int32(corners)], 1)
    return page * np.random.default_rng(0).integers(150, 240, page.shape, np.uint8)


@pytest.mark.parametrize(
    "corners",
    [
        [(8, 0), (19, 0), (22, 27), (15, 27), (13, 6), (11, 27), (5, 27)],  # trousers
        [(9, 0), (18, 0), (27, 6), (24, 10), (21, 8), (21, 27), (6, 27), (6, 8), (3, 10), (0, 6)],  # a shirt
        [(4, 0), (23, 0), (23, 27), (4, 27)],  # more than half of the picture
    ],
)
def test_a_thing_that_fills_a_small_picture_is_seen_as_a_whole(corners):
    """Neither its inside nor the black around it is paper in a shadow, or a sheet."""
    page = garment(*corners)
    digit = prepare(Page(page))
    assert not {"inverted", "sheet found"} & set(digit.actions)
    assert digit.box == tight_box(page > 0)
    assert ((digit.levels > 0.4) == (page[:, digit.box[0] : digit.box[2]] > 0)).mean() > 0.97


@pytest.mark.parametrize(("distance", "size", "bottom"), [(50, 40, 250), (90, 40, 160), (50, 24, 160)])
def test_a_large_fragment_may_lie_farther_below(distance, size, bottom):
    """FAR is 72 pixels of a digit of 120, and what is shorter than 36 is not large."""
    page = np.full((340, 220), 240, np.uint8)
    page[40:160, 100:112] = 20
    page[160 + distance : 160 + distance + size, 100:112] = 20
    assert prepare(Page(page)).box[3] == bottom


@pytest.mark.parametrize(("length", "is_digit"), [(50, False), (70, True)])
def test_a_mark_half_as_long_beside_a_digit_is_another_digit(length, is_digit):
    page = np.full((240, 300), 240, np.uint8)
    page[60:180, 140:152] = 20
    page[60 : 60 + length, 200:212] = 20
    with pytest.raises(ImageError, match="2") if is_digit else contextlib.nullcontext():
        prepare(Page(page))


@pytest.mark.parametrize(("top", "is_sign"), [(20, False), (210, False), (120, True)])
def test_a_line_above_or_below_a_digit_is_none_and_one_beside_it_is_a_sign(top, is_sign):
    page = np.full((240, 300), 240, np.uint8)
    page[60:180, 200:212] = 20
    page[top : top + 8, 20:150] = 20
    with pytest.raises(ImageError, match="2") if is_sign else contextlib.nullcontext():
        prepare(Page(page))


@pytest.mark.parametrize(("crumbs", "is_digit"), [(8, True), (20, False)])
def test_a_broken_digit_has_a_limited_number_of_pieces(crumbs, is_digit):
    page = np.full((400, 300), 240, np.uint8)
    page[20:380, 100:130] = 20
    for i in range(crumbs):
        top, left = 20 + i % 8 * 40, 140 + i // 8 * 40
        page[top : top + 32, left : left + 20] = 20
    with contextlib.nullcontext() if is_digit else pytest.raises(ImageError):
        assert not any("dots" in action for action in prepare(Page(page)).actions)


@pytest.mark.parametrize(("number", "advice"), [(40, "40 possible digits found; use --split"), (90, "no single digit")])
def test_splitting_is_advised_for_as_many_marks_as_people_write(number, advice):
    page = np.full((300, 900), 240, np.uint8)
    for i in range(number):
        x, y = 20 + i % 40 * 22, 20 + i // 40 * 100
        page[y : y + 60, x : x + 6] = 20
    with pytest.raises(ImageError, match=advice):
        prepare(Page(page))


@pytest.mark.parametrize(("level", "height"), [(0.08, 20), (0.15, 10)])
def test_a_smear_fainter_than_a_tenth_of_the_ink_is_no_part_of_a_digit(level, height):
    """A line to the right of a stroke makes the digit twice as wide as it is high."""
    ink = np.zeros((100, 200), np.float32)
    ink[:, :35] = 1
    ink[48:52, 35:] = level
    image, _ = prepared(ink)
    assert np.count_nonzero((image > 50).any(axis=1)) == height


@pytest.mark.parametrize(("gap", "is_digit"), [(6, True), (9, True), (20, False)])
def test_a_digit_of_dots_is_read_as_strokes_if_the_gaps_are_shorter_than_the_dots(gap, is_digit):
    page = np.full((400, 300), 240, np.uint8)
    stroke = page.copy()
    corners = [(80, 80), (220, 80), (120, 320)]  # of a 7
    cv2.polylines(stroke, [np.array(corners)], False, 20, 12)
    for (x, y), (u, v) in itertools.pairwise(corners):
        number = int(np.hypot(u - x, v - y) / (12 + gap))
        for i in range(number + 1):
            cv2.circle(page, (x + (u - x) * i // number, y + (v - y) * i // number), 6, 20, -1)
    with contextlib.nullcontext() if is_digit else pytest.raises(ImageError):
        digit, same = prepare(Page(page)), prepare(Page(stroke))
        assert any(action.endswith("dots joined") for action in digit.actions)
        assert np.corrcoef(digit.image.ravel(), same.image.ravel())[0, 1] > 0.9


def test_a_hollow_digit_is_the_stroke_that_it_is_the_outline_of():
    stroke = np.full((300, 300), 240, np.uint8)
    cv2.polylines(stroke, [np.array([(70, 60), (220, 60), (120, 250)])], False, 20, 30)
    outline = np.where(cv2.dilate(stroke, np.ones((7, 7), np.uint8)) == 20, 240, stroke)
    hollow, filled = prepare(Page(outline)), prepare(Page(stroke))
    assert "an outline filled" in hollow.actions
    assert np.corrcoef(hollow.image.ravel(), filled.image.ravel())[0, 1] > 0.98
