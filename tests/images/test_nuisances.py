"""Simulated scans and photos of MNIST's test digits: what share of them the trained model in the package reads.

The floors are those of 30 pages each, drawn by a seed; benchmarks/pictures.py measures more.
"""

import numpy as np
import pytest
from pages import page
from samples import load_mnist

from mlp_cli.images.decode import Page
from mlp_cli.images.digits import prepare
from mlp_cli.model.answers import log_probabilities
from mlp_cli.model.checkpoint import load_checkpoint
from mlp_cli.model.find import BUNDLED

N = 30


@pytest.fixture(scope="module")
def network():
    return load_checkpoint(BUNDLED["mnist"]).network


@pytest.fixture(scope="module")
def mnist():
    return load_mnist("test")


def read(network, digits):
    return log_probabilities(network, np.stack([digit.image.ravel() for digit in digits])).argmax(axis=1)


@pytest.mark.parametrize(
    ("nuisance", "most_wrong"),
    [
        ({}, 1),
        ({"negative": True}, 1),
        ({"dust": 6}, 1),
        ({"shadow": True}, 1),
        ({"thicker": -1.0}, 2),
        ({"thicker": 1.2}, 3),
        ({"ruled": True}, 3),
        ({"frame": True}, 3),
        ({"tilt": 15}, 2),
        ({"thicker": -1.0, "shadow": True, "dust": 3}, 3),
    ],
    ids=str,
)
def test_a_page_with_a_nuisance_is_read(network, mnist, nuisance, most_wrong):
    rng = np.random.default_rng(0)
    images = mnist.images[:N].reshape(-1, 28, 28)
    digits = [prepare(Page(page(image, rng, **nuisance))) for image in images]
    assert np.sum(read(network, digits) != mnist.labels[:N]) <= most_wrong
    assert all(digit.inverted != nuisance.get("negative", False) for digit in digits)


def test_actions_say_what_was_done(mnist):
    rng = np.random.default_rng(0)
    digit = prepare(Page(page(mnist.images[0].reshape(28, 28), rng, frame=True, ruled=True, dust=3, thicker=-1)))
    assert digit.actions[0] == "inverted"
    assert any("ruled lines erased" in action for action in digit.actions)
    assert "a frame erased" in digit.actions
    assert any("specks removed" in action for action in digit.actions)
    assert digit.actions[-1] == "strokes thickened"
