import itertools
import threading
import time

import numpy as np
import pytest

from mlp_cli.data.batches import AHEAD, Minibatches, ahead, to_inputs
from mlp_cli.data.datasets import Dataset
from mlp_cli.data.examples import Examples
from mlp_cli.data.warps import Strengths, Warp


@pytest.fixture
def dataset():
    """50 images of 3 pixels: image i is [i, i + 100, 255], its label is i, so that a batch tells what it holds."""
    i = np.arange(50)
    images = np.stack([i, i + 100, np.full(50, 255)], axis=1).astype(np.uint8)
    return Dataset("test", images, i, (1, 3), tuple(map(str, i)), {})


INDICES = np.arange(10, 50)


def examples(dataset):
    return Examples(dataset.images, dataset.labels, INDICES)


def epoch(dataset, seed=0, **options):
    """The epoch as a list of (inputs, labels), copied out of the buffer."""
    rng = np.random.default_rng(seed)
    return [(x.copy(), y.copy()) for x, y in Minibatches(examples(dataset), 16).epoch(rng, **options)]


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
    first, second = ([set(y) for _, y in Minibatches(examples(dataset), 16).epoch(rng)] for _ in range(2))
    assert not any(batch in second for batch in first)  # other company in the next epoch
    assert first[0] != set(range(10, 26))


def test_the_order_is_the_generator_s(dataset):
    for (_, one), (_, same) in zip(epoch(dataset), epoch(dataset), strict=True):
        assert (one == same).all()
    assert (epoch(dataset, seed=1)[0][1] != epoch(dataset, seed=2)[0][1]).any()


def test_skipped_batches_are_left_out_and_the_rest_stays_as_it_was(dataset):
    whole, rest = epoch(dataset), epoch(dataset, skip=2)
    assert len(rest) == 1
    np.testing.assert_array_equal(rest[0][0], whole[2][0])
    np.testing.assert_array_equal(rest[0][1], whole[2][1])


def test_pixels_0_and_255_are_exactly_0_and_1():
    assert to_inputs(np.array([[0, 255]], np.uint8)).tolist() == [[0.0, 1.0]]


WARP = Strengths(rotation=20, scale=0.2, shear=0.2, shift=1, elastic=1, smoothness=2)


def warped_epoch(dataset, in_background, skip=0):
    rng = np.random.default_rng(3)
    keep = AHEAD + 2 if in_background else 0
    batches = Minibatches(examples(dataset), 16, Warp((1, 3), WARP, groups=2), keep=keep).epoch(rng, skip=skip)
    if not in_background:
        return [(x.copy(), y.copy()) for x, y in batches], rng
    with ahead(batches) as made:
        taken = []
        for x, y in made:
            time.sleep(0.01)  # the thread runs ahead as far as it may
            taken.append((x.copy(), y.copy()))
    return taken, rng


def test_batches_made_in_the_background_are_the_same_to_the_bit(dataset):
    (here, one), (there, other) = warped_epoch(dataset, False), warped_epoch(dataset, True)
    for (x, y), (a, b) in zip(here, there, strict=True):
        np.testing.assert_array_equal(x, a)
        np.testing.assert_array_equal(y, b)
    assert one.bit_generator.state == other.bit_generator.state


def test_warps_are_drawn_for_skipped_batches_too(dataset):
    whole, rest = warped_epoch(dataset, False)[0], warped_epoch(dataset, False, skip=2)[0]
    np.testing.assert_array_equal(rest[0][0], whole[2][0])


def test_warped_batches_keep_labels_and_range(dataset):
    batches, _ = warped_epoch(dataset, False)
    assert sorted(np.concatenate([y for _, y in batches])) == list(INDICES)
    assert all(x.dtype == np.float32 and 0 <= x.min() <= x.max() <= 1 for x, _ in batches)


def test_no_more_than_so_many_batches_are_made_ahead():
    made = []

    def items():
        for i in range(100):
            made.append(i)
            yield i

    with ahead(items()) as taken:
        assert next(taken) == 0
        time.sleep(0.3)
        assert len(made) == AHEAD + 2  # taken, waiting, and one in the hands of the thread


def test_an_exception_in_the_background_surfaces_in_the_loop_with_its_cause():
    def items():
        yield 1
        raise ValueError("broken") from KeyError("cause")

    taken = []
    with pytest.raises(ValueError, match="broken") as caught, ahead(items()) as made:
        taken.extend(made)
    assert taken == [1]
    assert isinstance(caught.value.__cause__, KeyError)


def test_leaving_early_ends_the_thread_at_once():
    def interrupted():
        with ahead(itertools.count()) as taken:
            next(taken)
            raise KeyboardInterrupt

    before = threading.active_count()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - started < 1
    assert threading.active_count() == before
