"""The threads of the matrix products; docs/training.md says why one is the default."""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import threadpoolctl

DEFAULT_THREADS = 1
MOST_THREADS = 4096  # that a run may ask for, and run.json may name


def limit_threads(threads: int | None = None) -> int:
    """Limit BLAS to `threads` threads, DEFAULT_THREADS if None. Returns their number."""
    threads = DEFAULT_THREADS if threads is None else threads
    _controller().limit(limits=threads, user_api="blas")
    return threads


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """A context in which BLAS uses one thread, so that equal inputs give equal bits in any process."""
    with _controller().limit(limits=1, user_api="blas"):
        yield


def libraries() -> list[dict[str, Any]]:
    """What threadpoolctl says about each BLAS library, with its present number of threads."""
    return [info for info in _controller().info() if info["user_api"] == "blas"]


@functools.cache
def _controller() -> threadpoolctl.ThreadpoolController:
    """Made once: looking for the libraries takes a millisecond, setting their threads six microseconds."""
    import numpy  # noqa: F401  # first, so that its library is there to be found

    return threadpoolctl.ThreadpoolController()
