import numpy as np
import pytest

from mlp_cli.images.decode import Page
from mlp_cli.images.ink import find_ink, grey, is_dark_ink, otsu_threshold, thumbnail
from mlp_cli.images.sheet import whole


def test_otsu_threshold_has_the_largest_variance_between_the_sides():
    bins = np.floor(np.random.default_rng(0).beta(0.4, 0.9, 500) * 256)

    def between(level):
        below, above = bins[bins <= level], bins[bins > level]
        return len(below) * len(above) * (below.mean() - above.mean()) ** 2 if len(below) and len(above) else 0

    counts = np.bincount(bins.astype(int), minlength=256).astype(np.float32)
    assert round(otsu_threshold(counts) * 256) == max(range(255), key=between)


SIDE = 120
Y, X = np.mgrid[:SIDE, :SIDE]


def page(paper, ink, thickness=10):
    """A ring of ink, with an outer radius of 40, on paper: levels or fields of levels."""
    radius = np.hypot(Y - SIDE / 2, X - SIDE / 2)
    is_ink = (radius < 40) & (radius >= 40 - thickness)
    return np.uint8(np.where(is_ink, ink, paper)), is_ink


SHADOW = np.where(X + 0.3 * Y > 80, 110.0, 220.0)  # with a hard edge
GRADIENT = np.linspace(240.0, 90.0, SIDE)[None].repeat(SIDE, 0)
VIGNETTE = 230 - 0.02 * ((Y - SIDE / 2) ** 2 + (X - SIDE / 2) ** 2)
LIGHTS = {"flat": 230.0, "shadow": SHADOW, "gradient": GRADIENT, "vignette": VIGNETTE}
LIGHTS["leaning"] = np.where(2 * X + Y > 160, 115.0, 230.0)  # a shadow over half of the page
LIGHTS["band"] = np.where((X >= 30) & (X < 70), 160.0, 230.0)  # over a third


def noisy(levels, deviation):
    noise = np.random.default_rng(0).normal(0, deviation, levels.shape)
    return np.clip(levels + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("thickness", [3, 10, 18])
@pytest.mark.parametrize("light", ["flat", "shadow", "gradient", "vignette"])
def test_polarity_is_seen_whatever_the_pen_and_the_light(light, thickness, negative):
    paper = LIGHTS[light]
    levels, _ = page(paper, paper * 0.3 + np.zeros((SIDE, SIDE)), thickness)
    assert is_dark_ink(255 - levels if negative else levels) == (not negative)


@pytest.mark.parametrize("negative", [False, True])
def test_a_deep_shadow_does_not_hide_the_polarity_of_small_writing(negative):
    """It lies on three quarters of the page, so that the rest looks like ink; strokes are 3 pixels wide of 480."""
    y, x = np.mgrid[:360, :480]
    levels = 110 + 110 / (1 + np.exp((490 - x - y / 2) / 30))
    for left in range(40, 328, 24):
        levels[160:190, left : left + 3] *= 0.3
        levels[187:190, left : left + 14] *= 0.3
    assert is_dark_ink(np.uint8(255 - levels if negative else levels)) == (not negative)


@pytest.mark.parametrize("light", ["flat", "shadow", "gradient", "vignette"])
@pytest.mark.parametrize("thickness", [6, 24])
def test_the_ink_is_found_and_nothing_else_in_any_light(light, thickness):
    paper = LIGHTS[light]
    levels, is_ink = page(paper, paper * 0.3 + np.zeros((SIDE, SIDE)), thickness)
    ink = find_ink(noisy(levels, 2), inverted=True)
    assert (ink.mask != is_ink).mean() < 0.005
    assert ink.levels[is_ink].mean() > 0.9
    assert ink.levels[~is_ink].mean() < 0.1


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("left", [4, 50])
def test_ink_is_found_near_the_border_and_up_to_it(left, negative):
    levels = np.full((SIDE, SIDE), 230, np.uint8)
    stroke = np.s_[left : left + 12]
    levels[:, stroke] = 40
    levels = noisy(levels, 3)
    ink = find_ink(255 - levels if negative else levels)
    assert ink.inverted == (not negative)
    assert ink.mask[:, stroke].mean() > 0.99
    assert np.delete(ink.mask, stroke, axis=1).mean() < 0.01


@pytest.mark.parametrize("paper", [0, 128, 255, GRADIENT], ids=["black", "grey", "white", "gradient"])
def test_a_page_without_ink_is_blank(paper):
    assert find_ink(np.uint8(paper + np.zeros((SIDE, SIDE)))) is None


def test_noise_is_not_ink():
    assert find_ink(noisy(np.full((SIDE, SIDE), 200), 3), inverted=True) is None


def test_little_of_a_strong_noise_is_ink():
    assert find_ink(noisy(np.full((SIDE, SIDE), 160), 15)).mask.mean() < 0.1


@pytest.mark.parametrize("deviation", [5, 7])
def test_faint_ink_is_found_in_noise_that_is_weaker(deviation):
    levels, is_ink = page(200.0, 150.0)
    assert (find_ink(noisy(levels, deviation)).mask != is_ink).mean() < 0.01


def test_the_grain_of_paper_is_not_taken_for_faint_ink():
    levels, is_ink = page(200.0, 60.0)
    assert find_ink(noisy(levels, 15)).levels[~is_ink].mean() < 0.1


@pytest.mark.parametrize(("light", "ink", "thickness"), [("leaning", 0.2, 3), ("band", 0.2, 3), ("band", 0.5, 12)])
def test_a_shadow_with_a_hard_edge_is_paper(light, ink, thickness):
    paper = LIGHTS[light]
    levels, is_ink = page(paper, paper * ink, thickness)
    assert (find_ink(noisy(levels, 2), inverted=True).mask != is_ink).mean() < 0.005


@pytest.mark.parametrize(("level", "thin"), [(115, np.s_[104:108, 20:100]), (50, np.s_[20:100, 20:25])])
def test_a_broad_stroke_is_ink_beside_a_thin_one(level, thin):
    levels = np.full((SIDE, SIDE), 230.0)
    levels[20:100, 70:94] = level
    levels[thin] = 20
    assert (find_ink(noisy(levels, 2), inverted=True).mask != (levels < 200)).mean() < 0.01


def test_the_paper_of_a_drawing_is_its_most_common_level_though_its_border_is_ink():
    levels, is_ink = page(235.0, 30.0)
    inside = np.zeros(levels.shape, bool)
    inside[8:-8, 8:-8] = True
    levels[~inside] = 30
    np.testing.assert_array_equal(find_ink(levels).mask, is_ink | ~inside)


def test_the_light_of_a_photo_may_be_white_over_a_third_of_it():
    light = np.minimum(255, np.linspace(375, 120, SIDE))[None].repeat(SIDE, 0)
    levels, is_ink = page(light, 0.3 * light)
    assert 1 / 3 < (levels == 255).mean() < 1 / 2
    assert (find_ink(levels, inverted=True).mask != is_ink).mean() < 0.005


def test_black_specks_do_not_make_the_ink_of_a_pencil_faint():
    levels, is_ink = page(230.0, 150.0, 8)
    levels[8:14, 8:14] = levels[100:106, 8:14] = 10
    assert find_ink(noisy(levels, 2)).levels[is_ink].mean() > 0.9


def test_ink_in_a_deep_shadow_is_as_full_as_any_and_the_noise_of_darkness_is_none():
    deep = 2 * X + Y > 200
    levels, is_ink = page(np.where(deep, 36.0, 230.0), np.where(deep, 7.0, 46.0), 8)
    assert find_ink(noisy(levels, 2), inverted=True).levels[is_ink & deep].mean() > 0.9
    levels[:, 85:] = 8
    dark = noisy(levels, 2)
    dark[:, 85:] = noisy(levels, 4)[:, 85:]
    assert find_ink(dark, inverted=True).mask[:, 90:].mean() < 0.02


def test_a_large_page_is_reduced_and_its_scale_kept():
    levels, _ = page(230.0, 40.0)
    sheet = whole(Page(np.kron(levels, np.ones((20, 20), np.uint8))))  # 2400 × 2400
    assert sheet.levels.shape == (1200, 1200)
    assert sheet.box_in_picture(np.array([100, 0, 200, 50])) == (200, 0, 400, 100)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (2, 3)])
def test_pages_of_any_shape_are_accepted(shape):
    find_ink(np.uint8(np.random.default_rng(0).integers(0, 256, shape)))


def test_a_thumbnail_is_the_mean_over_areas():
    """Of noise in black and white, to a level; of a page that is halved once more, to 1.6."""
    noise = np.random.default_rng(0).integers(0, 2, (480, 640), np.uint8) * np.uint8(255)
    columns = np.repeat(noise, 28, axis=1).reshape(480, 28, 640).mean(axis=2)
    mean = np.repeat(columns, 21, axis=0).reshape(21, 480, 28).mean(axis=1)
    assert np.std(thumbnail(noise, 28) - mean) < 1.2


def coloured(paper, ink):
    """A ring of one colour on paper of another, with noise of 2 levels, (120, 120, 3)."""
    _, is_ink = page(230.0, 40.0)
    levels = np.where(is_ink[..., None], ink, paper) + np.random.default_rng(0).normal(0, 2, (SIDE, SIDE, 3))
    return np.uint8(np.clip(levels, 0, 255)), is_ink


def test_colours_of_equal_luminance_are_told_apart():
    """0.299 · 230 + 0.587 · 90 + 0.114 · 90 = 131.9 = 0.299 · 70 + 0.587 · 166 + 0.114 · 118."""
    pixels, is_ink = coloured((230, 90, 90), (70, 166, 118))
    assert abs(float(thumbnail(np.asarray(Page(pixels).levels), 1)[0, 0]) - 132) < 2
    assert find_ink(Page(pixels).levels) is None
    found = find_ink(grey(pixels))
    assert (found.mask != is_ink).mean() < 0.01


def test_luminance_is_used_where_it_differs():
    pixels, _ = coloured((250, 240, 220), (30, 40, 90))
    np.testing.assert_allclose(grey(pixels).astype(int), Page(pixels).levels, atol=1)


def test_colour_noise_is_not_amplified():
    """The best direction is a unit vector: noise of 2 levels stays noise of 2 levels."""
    noise = np.uint8(np.random.default_rng(0).normal(128, 2, (SIDE, SIDE, 3)))
    assert grey(noise).std() < 3


@pytest.mark.parametrize(("contrast", "is_blank"), [(16, True), (34, False)])
def test_ink_needs_a_contrast(contrast, is_blank):
    """LEAST_CONTRAST is 24 of 255, as a share of the light that there is, here 235."""
    levels, _ = page(235.0, 235.0 - contrast)
    assert (find_ink(levels, inverted=True) is None) == is_blank


@pytest.mark.parametrize(("ink", "share"), [((220, 135, 120), 0.33), ((220, 160, 120), 0.55)])
def test_luminance_suffices_with_four_tenths_of_the_contrast_of_colour(ink, share):
    pixels, _ = coloured((120, 120, 120), ink)
    difference, weights = np.subtract(ink, 120), np.array([0.299, 0.587, 0.114])
    assert (difference @ weights) ** 2 / (difference @ difference) / (weights @ weights) == pytest.approx(
        share, abs=0.01
    )
    is_luminance = np.abs(grey(pixels).astype(int) - Page(pixels).levels).max() <= 1
    assert is_luminance == (share > 0.4)
