"""Threads that share the work of a step."""

import functools
import itertools
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Generic, TypeVar

import numpy as np

from mlp_cli.nn.arrays import Floats

PIECE = 10_000_000  # multiplications of a piece of a product, at least: 0.1 ms, where it takes 0.03 to wake a thread
PIECES = 4  # of a product, at most
AHEAD = 5_000_000  # multiplications more in the first piece: its thread is at work already, while others must wake

Item = TypeVar("Item")
Result = TypeVar("Result")


def available_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.lru_cache(64)
def pieces_of(a: tuple[int, int], b: tuple[int, int]) -> list[slice]:
    """The pieces of rows in which a product of two matrices of these shapes is computed. They depend on nothing else,
    and so do the bytes of the product."""
    (n, inner), columns = a, b[1]
    count = max(1, min(PIECES, n * inner * columns // PIECE))
    if count == 1:
        return [slice(n)]
    ahead = AHEAD / (inner * columns)  # rows
    ends = [ahead + piece * (n - ahead) / count for piece in range(1, count)]
    bounds = [0, *(round(end / 16) * 16 for end in ends), n]  # whole cache lines
    return [slice(*pair) for pair in itertools.pairwise(bounds)]


class Task(Generic[Result]):
    """A call that one of several threads makes."""

    def __init__(self, function: Callable[[], Result]) -> None:
        self._function = function
        self._unclaimed, self._running = threading.Lock(), threading.Lock()
        self._running.acquire()  # until the call has ended
        self._result: Result
        self.error: BaseException | None = None

    def run(self) -> None:
        """Make the call, unless a thread has begun it already."""
        if self._unclaimed.acquire(blocking=False):
            try:
                self._result = self._function()
            except BaseException as error:  # of any kind: `result` raises it
                self.error = error
            finally:
                self._running.release()

    def end(self) -> None:
        """Wait until the call has ended, or make it, if no thread has begun."""
        self.run()
        with self._running:
            pass

    def result(self) -> Result:
        """The result of the finished call, or its exception, raised."""
        self.end()
        if self.error is not None:
            raise self.error
        return self._result


_NOTHING = Task(lambda: None)


class Workers:
    """`threads` threads, the caller included; the others wait for work while the context lasts.

    numpy lets other threads run while it computes, so large arrays are worked on by as many cores. Which thread works
    on what is left to chance: no result may depend on it. A thread never waits for a call that has not begun: the
    thread that needs a result computes it, so that a core busy with something else delays a step by one piece at most.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._tasks: queue.SimpleQueue[Task[Any] | None] = queue.SimpleQueue()
        self._later: deque[Task[Any]] = deque()
        self._products: list[Task[Floats]] = []  # of matmul_later
        self._helpers = [threading.Thread(target=self._help, name="worker", daemon=True) for _ in range(threads - 1)]

    def __enter__(self) -> "Workers":
        for helper in self._helpers:
            helper.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._later.clear()
        for _ in self._helpers:
            self._tasks.put(None)
        for helper in self._helpers:
            helper.join()

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """[function(item) for item in items], each on a free thread. Raises the first of their exceptions, if
        there is one, when all have ended."""
        if not self._helpers or len(items) < 2:
            return [function(item) for item in items]
        tasks = [Task(functools.partial(function, item)) for item in items]
        for task in tasks[1:]:
            self._tasks.put(task)
        for task in tasks:
            task.run()
        for task in tasks:
            task.end()
        return [task.result() for task in tasks]

    def later(self, function: Callable[[], Result]) -> Callable[[], Result]:
        """Let a waiting thread make a call; returns a function that gives its result."""
        if not self._helpers:
            return function
        task = Task(function)
        self._later.append(task)
        self._tasks.put(_NOTHING)  # wakes a thread
        return task.result

    def matmul(self, a: Floats, b: Floats, out: Floats | None = None) -> Floats:
        """a @ b; large products in pieces, on all free threads. The bytes do not depend on the number of threads."""
        pieces = pieces_of(a.shape, b.shape)
        if len(pieces) == 1:
            return np.matmul(a, b, out=out)
        product = np.empty((len(a), b.shape[1]), a.dtype) if out is None else out
        self.map(lambda rows: np.matmul(a[rows], b, out=product[rows]), pieces)
        return product

    def matmul_later(self, a: Floats, b: Floats, out: Floats) -> Floats:
        """a @ b as from `matmul`, but in a waiting thread if that pays: `out` is complete after `finish` only."""
        if not self._helpers or not PIECE <= 2 * a.size * b.shape[1] < 4 * PIECE:
            return self.matmul(a, b, out)
        self._products.append(Task(functools.partial(np.matmul, a, b, out=out)))
        self._tasks.put(self._products[-1])
        return out

    def finish(self) -> None:
        """Wait for the products of `matmul_later`, or make them."""
        while self._products:
            self._products.pop().result()

    def _help(self) -> None:
        with np.errstate(all="ignore"):  # numpy keeps it per thread
            while (task := self._tasks.get()) is not None:
                task.run()
                while self._tasks.empty():
                    try:
                        self._later.popleft().run()
                    except IndexError:
                        break
