import threading
import time

import pytest

from mlp_cli.training.workers import Workers


def slowest_first(item):
    time.sleep(0.02 * (3 - item))
    return item * item


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(threads):
    with Workers(threads) as workers:
        for _ in range(2):
            assert workers.map(slowest_first, range(4)) == [0, 1, 4, 9]
        assert workers.map(slowest_first, []) == []


def test_items_are_worked_on_at_the_same_time():
    barrier = threading.Barrier(3, timeout=10)
    with Workers(3) as workers:
        assert sorted(workers.map(lambda _: barrier.wait(), range(3))) == [0, 1, 2]


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_is_raised_when_all_have_ended_and_the_threads_go_on(threads):
    done = []

    def half(item):
        time.sleep(0.01)
        done.append(item)
        if item == 1:
            raise ValueError("odd") from KeyError("cause")
        return item // 2

    with Workers(threads) as workers:
        with pytest.raises(ValueError, match="odd") as caught:
            workers.map(half, range(4))
        assert isinstance(caught.value.__cause__, KeyError)
        assert len(done) == (4 if threads > 1 else 2)
        assert workers.map(half, [4, 8]) == [2, 4]


def test_the_threads_end_with_the_context():
    before = threading.active_count()

    def interrupted():
        with Workers(4) as workers:
            workers.map(slowest_first, range(2))
            assert threading.active_count() == before + 3
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert threading.active_count() == before
