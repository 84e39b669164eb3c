"""What people's pictures have that scans have not, drawn around MNIST's training digits: a floor for each phenomenon.

benchmarks/pictures.py --simulate measures more of each.
"""

import numpy as np
import pytest
from pages import PHENOMENA
from samples import load_mnist

from mlp_cli import load
from mlp_cli.errors import ImageError

N = 20
# Of 20: at least so many right, at most so many wrong. What is left is refused.
FLOORS = {
    "part of a desk": (18, 1),
    "glare": (18, 2),
    "touches the border": (17, 3),
    "underlined": (17, 3),
    "on its side": (0, 5),  # refused, mostly: a turn may not make an answer of a refusal
    "tilted 20° to 40°": (15, 2),
}


@pytest.fixture(scope="module")
def reader():
    return load()


def answer(reader, picture):
    try:
        return reader.read(np.ascontiguousarray(picture)).digit
    except ImageError:
        return None


@pytest.mark.parametrize("phenomenon", PHENOMENA)
def test_a_digit_is_read_in_spite_of(reader, phenomenon):
    dataset = load_mnist("train")
    rng = np.random.default_rng(7)
    chosen = rng.integers(0, 50_000, N)
    answers = [answer(reader, PHENOMENA[phenomenon](dataset.images[i].reshape(28, 28), rng)) for i in chosen]
    right = sum(a == label for a, label in zip(answers, dataset.labels[chosen], strict=True))
    refused = sum(a is None for a in answers)
    least, most_wrong = FLOORS.get(phenomenon, (19, 1))
    assert right >= least
    assert N - right - refused <= most_wrong


def gradient(rng):
    y, x = np.mgrid[:200, :260]
    return 128 + rng.uniform(-0.4, 0.4) * (x - 130) + rng.uniform(-0.4, 0.4) * (y - 100) + rng.normal(0, 2, x.shape)


def wood(rng):
    y, x = np.mgrid[:200, :260]
    return 120 + 25 * np.sin(x / rng.uniform(3, 9) + 2 * np.sin(y / 40)) + rng.normal(0, 6, x.shape)


NOTHING = {
    "blank": lambda rng: rng.integers(0, 256) + rng.normal(0, rng.uniform(0, 5), (200, 260)),
    "noise": lambda rng: rng.normal(128, rng.uniform(5, 80), (200, 260)),
    "gradient": gradient,
    "wood": wood,
    "stripes": lambda rng: 128 + 80 * np.sign(np.sin(np.mgrid[:200, :260][rng.integers(2)] / rng.uniform(2, 8))),
}


@pytest.mark.parametrize("kind", NOTHING)
def test_a_page_of_nothing_has_no_digit(reader, kind):
    rng = np.random.default_rng(0)
    pages = [np.uint8(np.clip(NOTHING[kind](rng), 0, 255)) for _ in range(N)]
    assert [answer(reader, page) for page in pages] == [None] * N
