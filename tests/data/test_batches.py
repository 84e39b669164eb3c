import itertools

import numpy as np
import pytest

from mlp_cli.data.batches import COLUMNS, PART, Minibatches, most_lit_first, parts_of
from mlp_cli.data.datasets import Dataset, load_dataset
from mlp_cli.data.examples import POOL, Examples
from mlp_cli.data.inputs import to_inputs
from mlp_cli.data.warps import Strengths, Warp


@pytest.fixture
def dataset():
    """50 images of 3 pixels: image i is [i, i + 100, 255] and has the label i, so that a batch shows what is in it."""
    i = np.arange(50)
    images = np.stack([i, i + 100, np.full(50, 255)], axis=1).astype(np.uint8)
    return Dataset("test", images, i, (1, 3), tuple(map(str, i)), {})


INDICES = np.arange(10, 50)
ORDER = np.arange(3)


def examples(dataset, indices=INDICES):
    return Examples(dataset.images, dataset.labels, indices)


def joined(batches, parts):
    """The inputs, with the zeros that were left out, and the labels of a batch in parts."""
    room = batches.room()
    inputs = []
    for part in parts:
        made = batches.inputs(part, room)
        inputs.append(np.zeros((len(made), batches.images.shape[1]), made.dtype))
        inputs[-1][:, : made.shape[1]] = made
    return np.concatenate(inputs), np.concatenate([part.labels for part in parts])


def epoch(dataset, seed=0, warp=None, order=ORDER, size=16, **options):
    """The epoch as a list of (inputs, labels)."""
    batches = Minibatches(examples(dataset), size, order, warp)
    return [joined(batches, parts) for parts in batches.epoch(np.random.default_rng(seed), **options)]


def test_an_epoch_has_every_example_once_in_full_batches_and_a_last_smaller_one(dataset):
    batches = epoch(dataset)
    assert [len(y) for _, y in batches] == [16, 16, 8]
    assert sorted(np.concatenate([y for _, y in batches])) == list(INDICES)


def test_images_stay_with_their_labels_and_become_float32_from_0_to_1(dataset):
    for x, y in epoch(dataset):
        assert x.dtype == np.float32
        np.testing.assert_allclose(x, np.stack([y, y + 100, np.full(len(y), 255)], axis=1) / 255, rtol=1e-6)


def test_examples_are_shuffled_not_only_batches(dataset):
    rng = np.random.default_rng(0)
    batches = Minibatches(examples(dataset), 16, ORDER)
    first, second = ([set(joined(batches, parts)[1]) for parts in batches.epoch(rng)] for _ in range(2))
    assert not any(batch in second for batch in first)  # in other batches in the next epoch
    assert first[0] != set(range(10, 26))


def test_the_order_of_examples_comes_from_the_generator(dataset):
    for (_, one), (_, same) in zip(epoch(dataset), epoch(dataset), strict=True):
        assert (one == same).all()
    assert (epoch(dataset, seed=1)[0][1] != epoch(dataset, seed=2)[0][1]).any()


def test_skipped_batches_are_left_out_and_the_rest_stays_as_it_was(dataset):
    whole, rest = epoch(dataset), epoch(dataset, skip=2)
    assert len(rest) == 1
    np.testing.assert_array_equal(rest[0][0], whole[2][0])
    np.testing.assert_array_equal(rest[0][1], whole[2][1])


def test_only_chosen_examples_are_in_an_epoch_and_each_part_says_which_they_are(dataset):
    chosen = INDICES % 3 == 0
    batches = Minibatches(examples(dataset), 4, ORDER)
    parts = [part for batch in batches.epoch(np.random.default_rng(0), chosen=chosen) for part in batch]
    assert sorted(np.concatenate([part.labels for part in parts])) == [*range(12, 50, 3)]
    for part in parts:
        assert (INDICES[part.which] == part.rows).all()
        assert (part.rows == part.labels).all()


def test_nondigits_have_index_minus_one_and_are_never_left_out():
    images, n = np.arange(40_000, dtype=np.uint8)[:, None], 30_000
    pool = Examples(images, np.where(np.arange(40_000) < 10_000, 1, 2), np.arange(500), nondigits=100)
    assert n == POOL
    chosen = np.arange(500) < 50
    batches = Minibatches(pool, 30, np.arange(1))
    parts = [part for batch in batches.epoch(np.random.default_rng(0), chosen=chosen) for part in batch]
    which, labels = (np.concatenate([getattr(part, name) for part in parts]) for name in ("which", "labels"))
    assert (np.sort(which) == [-1] * 100 + list(range(50))).all()
    assert ((labels == 2) == (which < 0)).all()


def test_pixels_come_in_their_order_and_blank_ones_at_its_end_are_left_out():
    rng = np.random.default_rng(0)
    images = np.zeros((40, 64), np.uint8)
    images[:, [50, 7, 21]] = rng.integers(1, 256, (40, 3))
    images[::2, 3] = 9
    order = most_lit_first(images)
    assert order[:4].tolist() == [7, 21, 50, 3]  # lit equally often: in their own order
    data = Dataset("test", images, np.arange(40), (8, 8), tuple(map(str, range(40))), {})
    batches = Minibatches(examples(data, np.arange(40)), 10, order)
    for parts in batches.epoch(rng):
        for part in parts:
            x = batches.inputs(part, batches.room())
            assert x.shape[1] == COLUMNS  # 4 pixels are lit, rounded up
            np.testing.assert_array_equal(x, to_inputs(images[part.rows][:, order[:COLUMNS]]))


def test_every_lit_pixel_is_among_the_inputs():
    """The pixel lit least often comes last, at a round number, so that no other is made beside it."""
    images = np.zeros((20, 64), np.uint8)
    for pixel in range(COLUMNS + 1):
        images[: 20 - pixel, pixel] = 100
    data = Dataset("test", images, np.zeros(20, np.int64), (8, 8), ("0",), {})
    batches = Minibatches(examples(data, np.arange(20)), 20, most_lit_first(images))
    ((part,),) = batches.epoch(np.random.default_rng(0))
    assert batches.inputs(part, batches.room())[:, COLUMNS].any()


def test_blank_images_have_inputs_too():
    data = Dataset("blank", np.zeros((20, 64), np.uint8), np.zeros(20, np.int64), (8, 8), ("0",), {})
    for warp in (None, Warp((8, 8), WARP)):
        batches = Minibatches(examples(data, np.arange(20)), 8, np.arange(64), warp)
        assert not any(joined(batches, parts)[0].any() for parts in batches.epoch(np.random.default_rng(0)))


@pytest.mark.parametrize("m", [1, PART, PART + 1, 2 * PART, 2 * PART + 1, 5000])
def test_parts_are_nearly_equal_none_too_large_and_together_the_batch(m):
    parts = parts_of(m)
    assert [i for part in parts for i in range(m)[part]] == list(range(m))
    sizes = [part.stop - part.start for part in parts]
    assert max(sizes) <= PART
    assert max(sizes) - min(sizes) <= 1
    assert len(parts) == -(-m // PART)


WARP = Strengths(rotation=20, scale=0.2, shear=0.2, shift=1, elastic=1, smoothness=2)


def warped_epoch(dataset, **options):
    return epoch(dataset, 3, Warp((1, 3), WARP, groups=2, order=ORDER), **options)


@pytest.mark.parametrize("skip", [1, 2, 9])
def test_warps_are_drawn_for_skipped_batches_too(dataset, skip):
    whole, rest = warped_epoch(dataset, size=4), warped_epoch(dataset, size=4, skip=skip)
    assert len(rest) == 10 - skip  # maps are drawn for eight batches at a time
    for (x, y), (a, b) in zip(whole[skip:], rest, strict=True):
        np.testing.assert_array_equal(x, a)
        np.testing.assert_array_equal(y, b)


def test_an_epoch_that_is_skipped_draws_as_much_as_one_that_is_taken(dataset):
    """As when a run was stopped after the last step of an epoch, but before the epoch was validated."""
    states = []
    for skip in (0, 2, 3):
        rng = np.random.default_rng(0)
        batches = Minibatches(examples(dataset), 16, ORDER, Warp((1, 3), WARP, groups=2, order=ORDER))
        assert len(list(batches.epoch(rng, skip=skip))) == 3 - skip
        states.append(rng.bit_generator.state)
    assert states[0] == states[1] == states[2]


def test_warped_batches_keep_labels_and_range(dataset):
    batches = warped_epoch(dataset)
    assert sorted(np.concatenate([y for _, y in batches])) == list(INDICES)
    assert all(x.dtype == np.float32 and 0 <= x.min() <= x.max() <= 1 for x, _ in batches)


def test_each_batch_is_warped_at_the_strength_of_its_number(dataset):
    still, moved = epoch(dataset, 3), warped_epoch(dataset, strength=lambda number: float(number == 1))
    assert [(x == a).all() for (x, _), (a, _) in zip(still, moved, strict=True)] == [True, False, True]


@pytest.mark.parametrize("groups", [1, 2, 3, 5])
def test_the_groups_of_a_batch_are_warped_alike_however_it_is_cut_and_only_lit_pixels_are_made(groups, monkeypatch):
    monkeypatch.setattr("mlp_cli.data.batches.PART", 150)
    mnist = load_dataset("test")
    order = most_lit_first(mnist.images)
    warp = Warp((28, 28), Strengths(rotation=3, shift=0.5), groups, order)
    ones = np.flatnonzero(mnist.labels == 1)[:600]
    batches = Minibatches(examples(mnist, ones), 300, order, warp)
    for parts in batches.epoch(np.random.default_rng(1)):
        assert len(parts) == 2
        x, _ = joined(batches, parts)
        rows = np.concatenate([part.rows for part in parts])
        maps = {id(one.weights): one for part in parts for one, _, _ in part.maps}
        assert len(maps) == groups
        bounds = [300 * group // groups for group in range(groups + 1)]
        whole = [(one, *bound) for one, bound in zip(maps.values(), itertools.pairwise(bounds), strict=True)]
        out = warp.apply(
            whole,
            mnist.images[rows],
            np.empty((784, 300), np.float32),
        )
        np.testing.assert_array_equal(x, to_inputs(out).T)
        assert any(batches.inputs(part, batches.room()).shape[1] < 784 for part in parts)
