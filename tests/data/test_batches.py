import numpy as np
import pytest

from mlp_cli.data.batches import minibatches, to_inputs
from mlp_cli.data.datasets import Dataset


@pytest.fixture
def dataset():
    """50 images of 3 pixels: image i is [i, i + 100, 255], its label is i, so that a batch tells what it holds."""
    i = np.arange(50)
    images = np.stack([i, i + 100, np.full(50, 255)], axis=1).astype(np.uint8)
    return Dataset("test", images, i, (1, 3), tuple(map(str, i)), {})


INDICES = np.arange(10, 50)


def epoch(dataset, seed=0, **options):
    """The epoch as a list of (inputs, labels), copied out of the buffer."""
    rng = np.random.default_rng(seed)
    return [(x.copy(), y.copy()) for x, y in minibatches(dataset, INDICES, 16, rng, **options)]


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
    first, second = ([set(y) for _, y in minibatches(dataset, INDICES, 16, rng)] for _ in range(2))
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
