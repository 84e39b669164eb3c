"""BLAS threads."""

import pytest
import threadpoolctl

from mlp_cli.blas import DEFAULT_THREADS, limit_threads


@pytest.mark.parametrize(("threads", "expected"), [(2, 2), (1, 1), (None, DEFAULT_THREADS)])
def test_blas_gets_the_threads_that_are_asked_for(threads, expected):
    with threadpoolctl.threadpool_limits(3, user_api="blas"):
        assert limit_threads(threads) == expected
        # Other packages bring their own BLAS, sometimes built for a single thread.
        pools = [pool for pool in threadpoolctl.threadpool_info() if "numpy" in pool["filepath"]]
        assert [pool["num_threads"] for pool in pools] == [expected]
