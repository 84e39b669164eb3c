"""Shuffled minibatches: uint8 images in, float32 inputs of the network out, made ahead of the loop by a thread."""

import contextlib
import queue
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mlp_cli.data.examples import Examples
from mlp_cli.data.warps import Warp

PIXEL_SCALE = np.float32(1 / 255)
AHEAD = 4  # minibatches that may wait for the loop
# Seconds after which a thread that computes in Python lets the other one go on. With Python's own 5 ms, several steps
# long, the loop and the making of warped batches hold each other up: an epoch takes a fifth longer.
SWITCH_INTERVAL = 0.0005

Batch = tuple[NDArray[np.float32], NDArray[np.int64]]  # inputs (m, pixels), labels (m,)
Item = TypeVar("Item")


def to_inputs(images: NDArray[np.generic], out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Pixels 0…255 as float32 in [0, 1], the inputs of the network: (m, pixels) -> (m, pixels)."""
    inputs: NDArray[np.float32] = np.multiply(images, PIXEL_SCALE, out=out, dtype=np.float32)
    return inputs


class Minibatches:
    """The minibatches of Examples, epoch by epoch, in buffers made once.

    With `warp`, images are warped; `mean` (pixels,), if there is one, is taken from the inputs. These live in a ring of
    `keep` + 1 buffers: each is overwritten `keep` batches later.
    """

    def __init__(
        self,
        examples: Examples,
        batch_size: int,
        warp: Warp | None = None,
        mean: NDArray[np.float32] | None = None,
        keep: int = 0,
    ) -> None:
        self.examples, self.batch_size = examples, batch_size
        self.warp, self.mean = warp, mean
        size = min(batch_size, len(examples))
        self._pixels = np.empty((size, examples.images.shape[1]), np.uint8)
        self._ring = [np.empty(self._pixels.shape, np.float32) for _ in range(keep + 1)]

    def epoch(
        self, rng: np.random.Generator, strength: Callable[[int], float] = lambda number: 1.0, skip: int = 0
    ) -> Iterator[Batch]:
        """One epoch in an order drawn by `rng`; the last batch may be smaller.

        Batch `number`, from 0, is warped with strength(number). The first `skip` batches are passed over, as if they
        had been taken.
        """
        order = self.examples.order(rng)
        labels = self.examples.labels[order]
        for number, start in enumerate(range(0, len(order), self.batch_size)):
            maps = self.warp.draw(rng, strength(number)) if self.warp else None
            if number < skip:
                continue
            batch = slice(start, start + self.batch_size)
            m = len(labels[batch])
            # mode="clip": with the default, "raise", take() would go through a buffer of its own
            images = np.take(self.examples.images, order[batch], axis=0, out=self._pixels[:m], mode="clip")
            inputs = self._ring[number % len(self._ring)][:m]
            if self.warp and maps:
                # Warps are made transposed. The network takes a transposed view as it is, so nothing is turned back.
                inputs = self.warp.apply(maps, images, inputs.reshape(-1, m)).T
                to_inputs(inputs, out=inputs)
            else:
                to_inputs(images, out=inputs)
            if self.mean is not None:
                inputs -= self.mean
            yield inputs, labels[batch]


@contextlib.contextmanager
def ahead(iterator: Iterable[Item]) -> Iterator[Iterator[Item]]:
    """Take items from `iterator` in a thread of its own, up to AHEAD of them before they are asked for.

    numpy lets other threads run while it computes, so the next minibatches are made on a second core. An exception
    of the iterator is raised where its item would have come. Leaving the context ends the thread. A buffer of an item
    may be used again by the iterator AHEAD + 2 items later: one more is in the loop's hands, and one in the making.
    """
    # A list of one item, or of none at the end, and an exception or None
    items: queue.Queue[tuple[list[Item], BaseException | None]] = queue.Queue(AHEAD)
    over = threading.Event()

    def put(item: list[Item], error: BaseException | None = None) -> bool:
        while not over.is_set():
            with contextlib.suppress(queue.Full):
                items.put((item, error), timeout=0.1)
                return True
        return False

    def work() -> None:
        try:
            for item in iterator:
                if not put([item]):
                    return
            put([])
        except BaseException as error:  # to be raised in the loop, whatever it is
            put([], error)

    def taken() -> Iterator[Item]:
        while True:
            item, error = items.get()
            if error:
                raise error
            if not item:
                return
            yield item[0]

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
