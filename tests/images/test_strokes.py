import numpy as np
import pytest

from mlp_cli.images.strokes import UNIT, distances, stroke_width, weigh


def test_distances_are_those_to_the_nearest_pixel_that_is_false():
    rng = np.random.default_rng(0)
    for share in (0.5, 0.9, 0.99):
        mask = rng.random((17, 23)) < share
        false = np.argwhere(~mask)
        y, x = np.indices(mask.shape)
        brute = np.sqrt(((np.stack([y, x], -1)[:, :, None] - false) ** 2).sum(-1)).min(-1)
        np.testing.assert_allclose(distances(mask), brute, rtol=1e-6)


@pytest.mark.parametrize("width", [2, 6, 10, 20])
def test_the_stroke_width_of_a_long_bar_is_its_shorter_side(width):
    """Across a bar of even width w the distances are 1, 2, … w/2, w/2, … 1, in the mean w/4 + 1/2."""
    mask = np.zeros((width + 2, 400), bool)
    mask[1:-1] = True
    assert stroke_width(mask) == pytest.approx(width)
    assert stroke_width(mask.T) == pytest.approx(width)


def plus(side, width):
    """The tightly cropped ink of a plus: two bars of this width across a square."""
    ink = np.zeros((side, side), np.float32)
    at = (side - width) // 2
    ink[at : at + width] = 1
    ink[:, at : at + width] = 1
    return ink


@pytest.mark.parametrize("side", [60, 400, 1000])
@pytest.mark.parametrize("units", [0.5, 1.0, 2.0])
def test_thin_strokes_are_thickened_to_the_target(side, units):
    levels, done = weigh(plus(side, round(side * units / 20)))
    assert done == "strokes thickened"
    assert levels[len(levels) // 3].sum() / UNIT == pytest.approx(2.5, abs=0.5)


@pytest.mark.parametrize("units", [6, 7, 8])
def test_thick_strokes_are_thinned_to_the_target(units):
    levels, done = weigh(plus(400, 20 * units))
    assert done == "strokes thinned"
    # what is lost across a stroke is lost at each of its ends
    assert levels[len(levels) // 5].sum() / UNIT == pytest.approx(4, abs=0.8)


@pytest.mark.parametrize("units", [2.7, 3.0, 4.5])
def test_strokes_of_the_right_width_are_unchanged(units):
    ink = plus(400, round(20 * units))
    levels, done = weigh(ink)
    assert done is None
    assert levels is ink


def test_a_hairline_on_a_large_canvas_becomes_a_stroke_without_holes():
    ink = np.eye(1200, dtype=np.float32)
    levels, done = weigh(ink)
    assert done == "strokes thickened"
    columns = (levels > 0.5).sum(axis=1)[10:-10]
    assert columns.min() >= 2 * UNIT  # a diagonal of 2 units across has 2 √2 along a row
    assert len(np.unique(columns)) <= 2


@pytest.mark.parametrize(("units", "done"), [(2.0, "strokes thickened"), (4.0, None)])
def test_the_width_of_a_blurred_stroke_is_where_its_ink_is_half_as_strong(units, done):
    far = np.arange(-100, 101) / (20 * units / 2.355)  # in standard deviations; half of the height is 2.355 wide
    profile = np.exp(-(far**2) / 2)
    assert weigh(np.tile(np.float32(profile[profile > 0.02]), (400, 1)))[1] == done


def test_a_dot_is_not_thinned_away():
    levels, done = weigh(np.ones((30, 30), np.float32))
    assert done == "strokes thinned"
    assert levels.max() == 1
