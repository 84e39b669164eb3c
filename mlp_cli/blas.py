"""The threads of the matrix products. Why one is the default, docs/training.md says."""

import threadpoolctl

DEFAULT_THREADS = 1


def limit_threads(threads=None):
    """Let BLAS use so many threads, DEFAULT_THREADS if None; returns their number."""
    threads = DEFAULT_THREADS if threads is None else threads
    threadpoolctl.threadpool_limits(threads, user_api="blas")
    return threads
