"""What an epoch contains: images in one form or the other, and non-digits; it depends on the seed alone."""

import numpy as np
import pytest
from samples import load_mnist

from mlp_cli.data import examples as module
from mlp_cli.data.datasets import Dataset
from mlp_cli.data.examples import Examples

INDICES = np.arange(10, 310)
POOL = 90


@pytest.fixture(scope="module")
def dataset():
    return load_mnist("train").subset(np.arange(400))


@pytest.fixture(autouse=True)
def small_pool(monkeypatch):
    monkeypatch.setattr(module, "POOL", POOL)


def made(dataset, strokes=0.0, nondigits=0.0, seed=1):
    return Examples.made(dataset, INDICES, strokes, nondigits, np.random.default_rng(seed))


def test_without_strokes_and_nondigits_examples_are_the_data_set_itself(dataset):
    examples = made(dataset)
    assert examples.images is dataset.images
    assert sorted(examples.order(np.random.default_rng(0))[0]) == list(INDICES)


def test_an_epoch_takes_the_share_of_second_forms_each_of_the_digit_it_stands_for(dataset):
    examples = made(dataset, strokes=0.25)
    order = examples.order(np.random.default_rng(0))[0]
    is_second = order >= len(dataset)
    assert 0.15 < is_second.mean() < 0.35
    # The second forms follow the data set, in the order of the indices.
    original = np.where(is_second, INDICES[np.where(is_second, order - len(dataset), 0)], order)
    assert sorted(original) == list(INDICES)
    assert (examples.labels[order] == dataset.labels[original]).all()
    assert not (examples.images[order[is_second]] == dataset.images[original[is_second]]).all(axis=1).any()


@pytest.mark.parametrize("strokes", [0.0, 1.0])
def test_an_epoch_has_its_share_of_nondigits_with_the_label_minus_one(dataset, strokes):
    examples = made(dataset, strokes, nondigits=0.2)
    order = examples.order(np.random.default_rng(0))[0]
    assert len(order) == len(examples) == 300 + 60
    assert (examples.labels[order] == 10).sum() == 60
    assert (order >= len(examples.images) - POOL).sum() == 60
    assert (order < len(dataset)).sum() == (0 if strokes else 300)
    others = examples.order(np.random.default_rng(1))[0]
    assert set(order[examples.labels[order] == 10]) != set(others[examples.labels[others] == 10])


def test_equal_seeds_give_equal_examples(dataset):
    first, again, other = (made(dataset, 0.5, 0.2, seed) for seed in (1, 1, 2))
    assert (first.images == again.images).all()
    assert not (first.images == other.images).all()


def test_pieces_of_digits_are_of_images_to_train_on(dataset):
    """Otherwise training would see validation images. Here all images to train on are blank, so no piece has ink."""
    blank = dataset.images.copy()
    blank[INDICES] = dataset.images[0]
    only = Examples.made(Dataset("d", blank, dataset.labels, (28, 28), dataset.classes, {}), INDICES, 0.0, 0.2, rng())
    of_all = Examples.made(dataset, INDICES, 0.0, 0.2, rng())
    blank[:10] = blank[310:] = 77  # what is held out makes no difference
    again = Examples.made(Dataset("d", blank, dataset.labels, (28, 28), dataset.classes, {}), INDICES, 0.0, 0.2, rng())
    assert (only.images[-POOL:] == again.images[-POOL:]).all()
    assert not (only.images[-POOL:] == of_all.images[-POOL:]).all()


def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize(("shape", "classes"), [((28, 28), tuple("abcdefghij")), ((14, 56), tuple("0123456789"))])
def test_data_other_than_digits_in_mnist_form_get_neither_strokes_nor_nondigits(dataset, shape, classes):
    other = Dataset("clothes", dataset.images, dataset.labels, shape, classes, {})
    assert made(other, strokes=0.5, nondigits=0.5).images is dataset.images
    assert len(made(other, strokes=0.5, nondigits=0.5)) == 300
