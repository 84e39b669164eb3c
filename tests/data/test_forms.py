"""Forms of digits that MNIST hardly has."""

import cv2
import numpy as np
import pytest

from mlp_cli.data.forms import FORMS, write
from mlp_cli.images.mnist import is_mnist_like

LOOPS = {1: 0, 2: 0, 3: 0, 5: 0, 6: 1, 7: 0, 8: 2, 9: 1}  # of a digit; a 4 may be open, a slash adds one to a 0
WRITTEN = [(form, digit) for form in FORMS for digit in form.shares]


def name(value):
    return str(value) if isinstance(value, int) else value.strokes.__name__.strip("_")


@pytest.mark.parametrize(("form", "digit"), WRITTEN, ids=name)
def test_digits_are_in_mnists_form_and_never_alike(form, digit):
    first, again, other = ([write(digit, form, np.random.default_rng(seed)) for _ in range(20)] for seed in (1, 1, 2))
    assert all(is_mnist_like(image) for image in first)
    assert (np.array(first) == np.array(again)).all()
    assert not (np.array(first) == np.array(other)).all(axis=(1, 2)).any()


@pytest.mark.parametrize(("form", "digit"), [pair for pair in WRITTEN if pair[1] in LOOPS], ids=name)
def test_digits_have_their_loops(form, digit):
    form = form._replace(broadest=1.5)
    rng, loops = np.random.default_rng(0), []
    for _ in range(40):
        image = cv2.resize(write(digit, form, rng), None, fx=4, fy=4)
        _, tree = cv2.findContours(np.uint8(image > 100), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        loops.append((tree[0, :, 3] >= 0).sum())
    assert np.median(loops) == LOOPS[digit]
