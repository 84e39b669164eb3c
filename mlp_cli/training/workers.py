"""Threads that share the work of a step."""

import os
import queue
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

Item = TypeVar("Item")
Result = TypeVar("Result")


def available_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """`threads` threads, of which the caller is one; the others wait for work as long as the context lasts.

    numpy lets other threads run while it computes, so large arrays are worked on by as many cores. Who works on what is
    left to chance: what is computed must not depend on it.
    """

    def __init__(self, threads: int) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._errors: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._helpers = [threading.Thread(target=self._help, name="worker", daemon=True) for _ in range(threads - 1)]

    def __enter__(self) -> "Workers":
        for helper in self._helpers:
            helper.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for _ in self._helpers:
            self._tasks.put(None)
        for helper in self._helpers:
            helper.join()

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """[function(item) for item in items], each on whatever thread is free. Raises an exception of theirs, if there
        is one, when all have ended."""
        if not self._helpers or len(items) < 2:
            return [function(item) for item in items]
        results: list[Any] = [None] * len(items)

        def task(number: int, item: Item) -> Callable[[], object]:
            return lambda: results.__setitem__(number, function(item))

        for number, item in enumerate(items):
            self._tasks.put(task(number, item))
        for _ in items:  # as many as nobody has begun, then as many answers as there are items
            try:
                mine = self._tasks.get_nowait()
            except queue.Empty:
                break
            self._do(mine)
        errors = [self._errors.get() for _ in items]
        for error in errors:
            if error is not None:
                raise error
        return results

    def _help(self) -> None:
        with np.errstate(all="ignore"):  # which each thread has for itself
            while (task := self._tasks.get()) is not None:
                self._do(task)

    def _do(self, task: Callable[[], object] | None) -> None:
        try:
            if task is not None:
                task()
        except BaseException as error:  # to be raised by `map`, whatever it is
            self._errors.put(error)
        else:
            self._errors.put(None)
