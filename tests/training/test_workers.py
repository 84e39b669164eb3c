import threading
import time

import numpy as np
import pytest

from mlp_cli.training.workers import PIECE, PIECES, Workers, pieces_of


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


def test_large_products_are_cut_into_pieces_that_depend_on_their_shapes_alone():
    assert pieces_of((128, 600), (600, 128)) == [slice(128)]  # 9.8 million multiplications
    first, second = pieces_of((256, 784), (784, 128))
    assert (first.start, second.stop) == (0, 256)
    assert first.stop == second.start == 160  # 1.6 to 1, in whole lines of the cache
    sizes = [piece.stop - piece.start for piece in pieces_of((1024, 784), (784, 128))]
    assert len(sizes) == PIECES
    assert sum(sizes) == 1024
    assert len(pieces_of((3 * PIECE, 1), (1, 1))) == 3


@pytest.mark.parametrize("threads", [2, 3])
def test_products_have_the_same_bytes_with_any_number_of_threads(threads):
    rng = np.random.default_rng(0)
    x, W = rng.standard_normal((500, 700), np.float32), rng.standard_normal((700, 128), np.float32)
    dz, room = rng.standard_normal((500, 128), np.float32), np.empty((700, 128), np.float32)
    with Workers(1) as alone, Workers(threads) as workers:
        for _ in range(20):
            assert (workers.matmul(x, W) == alone.matmul(x, W)).all()
            assert workers.matmul(x.T, dz, out=room) is room
            assert (room == alone.matmul(x.T, dz)).all()
    np.testing.assert_allclose(room, x.T @ dz, atol=1e-3)


def test_a_product_may_be_made_later_and_is_there_when_it_is_waited_for():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((1024, 128), np.float32), rng.standard_normal((128, 64), np.float32)
    begun, go_on = threading.Event(), threading.Event()
    with Workers(2) as workers:
        hinder = workers.later(lambda: (begun.set(), go_on.wait(10)))
        assert begun.wait(10)  # the other thread is at something else
        outs = [np.zeros((1024, 64), np.float32) for _ in range(2)]
        for out in outs:
            assert workers.matmul_later(a, b, out=out) is out
        assert not any(out.any() for out in outs)
        workers.finish()
        go_on.set()
        hinder()
    assert all((out == a @ b).all() for out in outs)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_deferred_value_is_computed_once_by_the_first_thread_that_needs_it(threads):
    made = []

    def make():
        made.append(threading.current_thread())
        return 7

    with Workers(threads) as workers:
        result = workers.later(make)
        assert result() == 7
        assert len(made) == 1
        begun = threading.Event()
        result = workers.later(lambda: (begun.set(), make()))
        workers.map(lambda _: time.sleep(0.02), range(2))  # wakes the other thread, which has time afterwards
        if threads == 2:
            assert begun.wait(10)
        assert result() == (None, 7)
    assert len(made) == 2
    assert (made[1] is threading.current_thread()) == (threads == 1)


def test_an_error_in_a_deferred_value_is_raised_where_it_is_needed():
    with Workers(2) as workers:
        result = workers.later(lambda: 1 / 0)
        workers.map(lambda _: time.sleep(0.01), range(2))
        with pytest.raises(ZeroDivisionError):
            result()
        assert workers.map(lambda item: item, range(3)) == [0, 1, 2]
