import math

import numpy as np
import pytest
from samples import load_mnist

from mlp_cli.data.warps import MARGIN, Strengths, Warp

SHAPE = (28, 28)
ALL = Strengths(rotation=10, scale=0.1, shear=0.15, shift=1.5, elastic=1.0, smoothness=4)


@pytest.fixture(scope="module")
def images():
    return load_mnist("test").images[:50]


def warped(images, strengths, groups=1, seed=0, shape=SHAPE, strength=1.0):
    """The images (m, p) after one random warp per group."""
    warp = Warp(shape, strengths)
    maps = warp.maps(warp.draw(np.random.default_rng(seed), groups), np.full(groups, strength))
    bounds = [len(images) * group // groups for group in range(groups + 1)]
    apart = [(one, start, stop) for one, start, stop in zip(maps, bounds, bounds[1:], strict=False) if start < stop]
    return warp.apply(apart, images, np.empty(images.T.shape, np.float32)).T


@pytest.mark.parametrize("groups", [1, 3, 64])
def test_a_warp_of_zero_strength_is_the_identity_to_the_bit(images, groups):
    np.testing.assert_array_equal(warped(images, Strengths(), groups), images)
    np.testing.assert_array_equal(warped(images, ALL, groups, strength=0.0), images)


def test_pixels_stay_within_0_and_255(images):
    for seed in range(20):
        out = warped(images, ALL._replace(elastic=5), seed=seed)
        assert out.min() >= 0
        assert out.max() <= 255


def reference(image, coordinates):
    """Bilinear interpolation of an image (h, w) on a black ground at coordinates (2, h, w), pixel by pixel."""
    h, w = image.shape

    def pixel(y, x):
        return float(image[y, x]) if 0 <= y < h and 0 <= x < w else 0.0

    out = np.empty(image.shape)
    for row, column in np.ndindex(h, w):
        y, x = coordinates[:, row, column]
        y0, x0 = math.floor(y), math.floor(x)
        fy, fx = y - y0, x - x0
        top = (1 - fx) * pixel(y0, x0) + fx * pixel(y0, x0 + 1)
        bottom = (1 - fx) * pixel(y0 + 1, x0) + fx * pixel(y0 + 1, x0 + 1)
        out[row, column] = (1 - fy) * top + fy * bottom
    return out


@pytest.mark.parametrize("name", ["rotation", "scale", "shear", "shift", "elastic"])
def test_a_warp_is_bilinear_interpolation_where_its_map_says(images, name):
    """Each kind of warp alone, against plain loops; the map is read from the indices and weights that were drawn."""
    strengths = Strengths(**{name: {"rotation": 30, "shear": 0.4, "scale": 0.3}.get(name, 3.0)})
    warp = Warp(SHAPE, strengths)
    (drawn,) = warp.maps(warp.draw(np.random.default_rng(1), 1), np.ones(1))
    neighbours, weights = drawn.neighbours, drawn.weights[:, 0]
    padded_width = SHAPE[1] + 2 * MARGIN
    y = neighbours[:, 0] // padded_width - MARGIN + weights[:, 2] + weights[:, 3]
    x = neighbours[:, 0] % padded_width - MARGIN + weights[:, 1] + weights[:, 3]
    coordinates = np.stack([y, x]).reshape(2, *SHAPE)
    assert (coordinates != np.indices(SHAPE)).any()
    out = warp.apply([(drawn, 0, 3)], images[:3], np.empty((784, 3), np.float32)).T
    for image, result in zip(images[:3], out, strict=True):
        np.testing.assert_allclose(result.reshape(SHAPE), reference(image.reshape(SHAPE), coordinates), atol=1e-3)


def mean_map(name, strength, shape=SHAPE):
    """The source coordinates of 500 maps of one kind, relative to the centre: (500, 2, h, w)."""
    warp = Warp(shape, Strengths(**{name: strength}))
    draws, full = warp.draw(np.random.default_rng(2), 500), np.ones(500)
    coordinates = warp._affine(draws.affine, full) + (
        warp._elastic(draws.noise, full) if name == "elastic" and strength else 0
    )
    centre = np.array([(shape[0] - 1) / 2, (shape[1] - 1) / 2])
    return coordinates.reshape(500, 2, *shape) - centre[:, None, None]


def test_rotation_turns_about_the_centre_by_up_to_its_degrees():
    maps = mean_map("rotation", 20.0)
    y, x = maps[:, :, 0, -1].T  # where the upper right corner comes from
    np.testing.assert_allclose(np.hypot(y, x), np.hypot(13.5, 13.5), rtol=1e-5)
    angles = np.degrees(np.arctan2(y, x)) + 45
    assert 19 < np.abs(angles).max() <= 20.001
    assert abs(angles.mean()) < 4 * 20 / math.sqrt(3 * 500)  # of a uniform distribution


def test_scale_stretches_height_and_width_apart_by_up_to_its_share():
    maps = mean_map("scale", 0.2)
    height, width = maps[:, 0, -1, 0] / 13.5, maps[:, 1, 0, -1] / 13.5
    for factor in (height, width):
        assert 0.8 <= factor.min() < 0.81
        assert 1.19 < factor.max() <= 1.2
    assert abs(np.corrcoef(height, width)[0, 1]) < 0.2


def test_shift_moves_by_up_to_its_pixels_and_shear_slants_by_up_to_its_share():
    shifts = mean_map("shift", 2.0)[:, :, 0, 0] + 13.5
    assert 1.95 < np.abs(shifts).max() <= 2.0
    slants = mean_map("shear", 0.3)[:, 0, 0, -1] + 13.5  # y of the upper right corner moves by shear · x
    assert 0.29 * 13.5 < np.abs(slants).max() <= 0.3 * 13.5 + 1e-4


def test_an_elastic_field_has_its_standard_deviation_everywhere_and_is_smooth():
    maps = mean_map("elastic", 1.5) - mean_map("elastic", 0.0)
    deviation = maps.std(axis=(0, 1))
    np.testing.assert_allclose(deviation, 1.5, rtol=0.1)  # the edges included
    neighbours = (maps[:, :, :, 1:] * maps[:, :, :, :-1]).mean() / 1.5**2
    assert neighbours > 0.95  # a Gaussian of σ = 4 correlates neighbours by e^(−1/64)


def test_each_group_of_a_batch_has_a_warp_of_its_own():
    same = np.repeat(load_mnist("test").images[:1], 7, axis=0)
    out = warped(same, ALL, groups=3)
    kinds = [{row.tobytes() for row in out[start:stop]} for start, stop in ((0, 2), (2, 4), (4, 7))]
    assert [len(kind) for kind in kinds] == [1, 1, 1]
    assert len(set.union(*kinds)) == 3


def test_any_image_shape_can_be_warped():
    images = np.random.default_rng(0).integers(0, 256, (5, 6 * 9)).astype(np.uint8)
    np.testing.assert_array_equal(warped(images, Strengths(), shape=(6, 9)), images)
    assert (warped(images, ALL, shape=(6, 9)) != images).any()


def test_outputs_in_another_order_are_the_same_pixels(images):
    order = np.random.default_rng(0).permutation(784)
    plain, ordered = Warp(SHAPE, ALL), Warp(SHAPE, ALL, order=order)
    draws = plain.draw(np.random.default_rng(1), 2)
    made = [
        warp.apply([(warp.maps(draws, np.ones(2))[1], 0, 50)], images, np.empty((784, 50), np.float32))
        for warp in (plain, ordered)
    ]
    np.testing.assert_array_equal(made[1], made[0][order])


def test_only_pixels_that_are_reached_can_be_lit(images):
    warp = Warp(SHAPE, ALL)
    for one in warp.maps(warp.draw(np.random.default_rng(1), 20), np.ones(20)):
        maps = [(one, 0, 50)]
        reached = warp.reached(maps, images.any(axis=0))
        lit = warp.apply(maps, images, np.empty((784, 50), np.float32)).any(axis=1)
        assert not (lit & ~reached).any()
        assert reached.sum() < lit.sum() + 80  # and not many more


def test_a_draw_at_half_the_strength_moves_half_as_far():
    warp = Warp(SHAPE, Strengths(shift=2, elastic=1))
    draws = warp.draw(np.random.default_rng(1), 1)
    whole, half = (warp._affine(draws.affine, s) + warp._elastic(draws.noise, s) for s in (np.ones(1), np.full(1, 0.5)))
    still = warp._affine(draws.affine, np.zeros(1))
    np.testing.assert_allclose(half - still, (whole - still) / 2, atol=1e-5)
