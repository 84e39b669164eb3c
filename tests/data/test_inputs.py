import numpy as np

from mlp_cli.data.inputs import to_inputs


def test_pixels_0_and_255_are_exactly_0_and_1():
    assert to_inputs(np.array([[0, 255]], np.uint8)).tolist() == [[0.0, 1.0]]
