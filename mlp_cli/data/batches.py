"""Shuffled minibatches: uint8 images in, float32 inputs of the network out, made ahead of the loop by a thread."""

import contextlib
import queue
import sys
import threading

import numpy as np

PIXEL_SCALE = np.float32(1 / 255)
AHEAD = 4  # minibatches that may wait for the loop
# Seconds after which a thread that computes in Python lets the other one go on. With Python's own 5 ms, several steps
# long, the loop and the making of warped batches hold each other up: an epoch takes a fifth longer.
SWITCH_INTERVAL = 0.0005


def to_inputs(images, out=None):
    """Pixels 0…255 as float32 in [0, 1], the inputs of the network: (m, pixels) -> (m, pixels)."""
    return np.multiply(images, PIXEL_SCALE, out=out, dtype=np.float32)


def minibatches(dataset, indices, batch_size, rng, warp=None, strengths=None, mean=None, skip=0, keep=0):
    """One epoch over the examples at `indices`, in an order drawn by `rng`; the last batch may be smaller.

    Yields (inputs (m, pixels), labels (m,)). With `warp`, images are warped, batch by batch with a strength from the
    iterator `strengths`; `mean` (pixels,), if there is one, is taken from the inputs. These live in a ring of
    `keep` + 1 buffers: each is overwritten `keep` batches later. The first `skip` batches are passed over, as if they
    had been taken.
    """
    order = rng.permutation(indices)
    labels = dataset.labels[order]
    pixels = np.empty((batch_size, dataset.images.shape[1]), np.uint8)
    ring = [np.empty(pixels.shape, np.float32) for _ in range(keep + 1)]
    for number, start in enumerate(range(0, len(order), batch_size)):
        maps = warp.draw(rng, next(strengths)) if warp else None
        if number < skip:
            continue
        batch = slice(start, start + batch_size)
        m = len(labels[batch])
        # mode="clip": with the default, "raise", take() would go through a buffer of its own
        images = np.take(dataset.images, order[batch], axis=0, out=pixels[:m], mode="clip")
        inputs = ring[number % len(ring)][:m]
        if warp:
            # Warps are made transposed. The network takes a transposed view as it is, so nothing is turned back.
            images = inputs = warp.apply(maps, images, inputs.reshape(-1, m)).T
        to_inputs(images, out=inputs)
        if mean is not None:
            inputs -= mean
        yield inputs, labels[batch]


@contextlib.contextmanager
def ahead(iterator):
    """Take items from `iterator` in a thread of its own, up to AHEAD of them before they are asked for.

    numpy lets other threads run while it computes, so the next minibatches are made on a second core. An exception
    of the iterator is raised where its item would have come. Leaving the context ends the thread. A buffer of an item
    may be used again by the iterator AHEAD + 2 items later: one more is in the loop's hands, and one in the making.
    """
    items = queue.Queue(AHEAD)
    over = threading.Event()
    end = object()

    def put(item):
        while not over.is_set():
            with contextlib.suppress(queue.Full):
                items.put(item, timeout=0.1)
                return True
        return False

    def work():
        try:
            for item in iterator:
                if not put((item, None)):
                    return
            put((end, None))
        except BaseException as error:  # to be raised in the loop, whatever it is
            put((end, error))

    def taken():
        while True:
            item, error = items.get()
            if error:
                raise error
            if item is end:
                return
            yield item

    thread = threading.Thread(target=work, name="minibatches", daemon=True)
    switch_interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL)
    thread.start()
    try:
        yield taken()
    finally:
        over.set()
        thread.join()
        sys.setswitchinterval(switch_interval)
