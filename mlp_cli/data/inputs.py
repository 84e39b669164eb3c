"""What a network takes: the limits of a data set, and pixels as float32. Imported by all that reads a checkpoint."""

import numpy as np
from numpy.typing import NDArray

# What a checkpoint may hold, and so what may be trained on.
MOST_CLASSES = 256  # labels are bytes
LONGEST_NAME = 100  # letters of a class name
LONGEST_SIDE = 65535  # pixels of an image

PIXEL_SCALE = np.float32(1 / 255)
ROWS = 64  # that are converted at a time: they are in the cache still when they are multiplied


def to_inputs(images: NDArray[np.generic], out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Pixels 0…255 as float32 in [0, 1], the inputs of the network: (m, pixels) -> (m, pixels)."""
    inputs: NDArray[np.float32] = np.empty(images.shape, np.float32) if out is None else out
    for start in range(0, len(images), ROWS):
        rows = inputs[start : start + ROWS]
        np.copyto(rows, images[start : start + ROWS])  # first: to multiply bytes by floats takes numpy twice as long
        rows *= PIXEL_SCALE
    return inputs
