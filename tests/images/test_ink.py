import numpy as np

from mlp_cli.images.ink import otsu_threshold


def test_otsu_threshold_parts_two_groups():
    levels = np.array([10, 12, 11, 200, 210, 205, 10, 11]) / 255
    assert 12 <= round(otsu_threshold(levels) * 255) < 200
