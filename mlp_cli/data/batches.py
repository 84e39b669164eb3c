"""Shuffled minibatches: uint8 images in, float32 inputs of the network out."""

import numpy as np

PIXEL_SCALE = np.float32(1 / 255)


def to_inputs(images, out=None):
    """Pixels 0…255 as float32 in [0, 1], the inputs of the network: (m, pixels) uint8 -> (m, pixels)."""
    return np.multiply(images, PIXEL_SCALE, out=out, dtype=np.float32)


def minibatches(dataset, indices, batch_size, rng, skip=0):
    """One epoch over the examples at `indices`, in an order drawn by `rng`; the last batch may be smaller.

    Yields (inputs (m, pixels), labels (m,)). The inputs live in one buffer that the next batch overwrites.
    The first `skip` batches are passed over, as if they had been taken.
    """
    order = rng.permutation(indices)
    pixels = np.empty((batch_size, dataset.images.shape[1]), np.uint8)
    inputs = np.empty(pixels.shape, np.float32)
    for start in range(skip * batch_size, len(order), batch_size):
        batch = order[start : start + batch_size]
        m = len(batch)
        # mode="clip": with the default, "raise", take() would go through a buffer of its own
        np.take(dataset.images, batch, axis=0, out=pixels[:m], mode="clip")
        yield to_inputs(pixels[:m], out=inputs[:m]), dataset.labels[batch]
