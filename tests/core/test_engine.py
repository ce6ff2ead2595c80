"""Threads: every task once and in order, few in the works, errors where they happened."""

import os
import threading
import time

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from isthmus.core.engine import _AHEAD, Threads, map_on_cores, worker_count
from isthmus.core.errors import InputError

WORKERS = [1, 2, 5]


def blas():
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("n", [0, 1, 2, 100])
def test_results_come_in_the_order_of_tasks_however_long_each_takes(workers, n):
    waits = np.random.default_rng(0).permutation(n) * 1e-5

    def work(i):
        time.sleep(waits[i])
        return i, i * i

    assert list(Threads(workers).map(work, range(n))) == [(i, i * i) for i in range(n)]


@pytest.mark.parametrize("workers", WORKERS)
def test_a_few_tasks_a_worker_are_drawn_ahead_and_nothing_before_it_is_asked(workers):
    drawn = []
    tasks = (drawn.append(i) or i for i in range(1000))
    running = Threads(workers).map(abs, tasks)
    assert drawn == []
    ahead = 1 if workers == 1 else _AHEAD * workers
    for taken in range(3):
        assert next(running) == taken
        assert len(drawn) == ahead + taken
    running.close()
    assert len(drawn) == ahead + 2


@pytest.mark.parametrize("workers", WORKERS)
def test_an_error_comes_after_the_results_before_it(workers):
    results = Threads(workers).map(lambda x: 1 // x, [1, 1, 0, 1])
    assert [next(results), next(results)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(results) == []


@pytest.mark.parametrize("workers", WORKERS)
def test_a_task_that_ends_an_iterator_does_not_end_the_others(workers):
    """A StopIteration of a task must not pass for the end of all tasks."""
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(Threads(workers).map(next, [iter([1]), iter([]), iter([2])]))


@pytest.mark.parametrize("workers", WORKERS)
def test_an_error_of_the_source_of_tasks_is_raised(workers):
    def tasks():
        yield 1
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        list(Threads(workers).map(abs, tasks()))


def test_what_waits_when_the_work_is_closed_is_never_begun():
    begun, gate = [], threading.Event()

    def work(i):
        begun.append(i)
        if i:
            gate.wait(5)
        return i

    running = Threads(2).map(work, range(100))
    assert next(running) == 0
    threading.Timer(0.05, gate.set).start()
    running.close()
    assert len(begun) <= 4
    time.sleep(0.02)
    assert len(begun) <= 4
    assert not [one for one in threading.enumerate() if "ThreadPoolExecutor" in one.name]


def test_one_worker_is_the_caller_s_thread_and_more_are_others():
    here = threading.get_ident()
    assert set(Threads(1).map(lambda _: threading.get_ident(), range(5))) == {here}
    assert here not in set(Threads(2).map(lambda _: threading.get_ident(), range(5)))


def test_no_more_tasks_run_at_once_than_there_are_workers():
    lock, now, most = threading.Lock(), 0, 0

    def work(_):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.002)
        with lock:
            now -= 1

    list(Threads(3).map(work, range(30)))
    assert most == 3


@pytest.mark.parametrize("workers", WORKERS)
def test_blas_has_one_thread_a_worker_and_its_own_number_afterwards(workers):
    np.eye(3) @ np.eye(3)
    before = blas()
    assert list(Threads(workers).map(lambda _: blas(), range(3))) == [{1}] * 3
    assert blas() == before
    running = Threads(workers).map(abs, range(30))
    next(running)
    running.close()
    assert blas() == before
    with pytest.raises(TypeError):
        list(Threads(workers).map(len, [1]))
    assert blas() == before


def test_an_engine_may_be_used_again_and_inside_itself():
    engine = Threads(2)
    assert list(engine.map(lambda n: sum(engine.map(abs, range(n))), range(5))) == [0, 0, 1, 3, 6]
    assert list(engine.map(abs, [-1])) == [1]


def test_workers_are_counted(monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 7)
    assert worker_count(None) == Threads().workers == 7
    monkeypatch.undo()
    assert 1 <= worker_count(None) <= os.cpu_count()
    assert repr(Threads(3)) == "Threads(workers=3)"
    assert not Threads.separate


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_cores_that_this_process_may_not_use_do_not_count():
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert worker_count(None) == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize("kind", [int, np.int64, np.uint8])
def test_integers_of_numpy_are_integers(kind):
    assert type(worker_count(kind(3))) is int
    assert repr(Threads(kind(3))) == "Threads(workers=3)"


@pytest.mark.parametrize("wrong", [0, -1, 2.0, np.float64(2), True, np.True_, "2", [2], np.int8(0)])
def test_what_is_no_number_of_workers_is_refused(wrong):
    with pytest.raises(InputError, match="an integer of at least 1"):
        worker_count(wrong)


@pytest.mark.parametrize("workers", WORKERS)
def test_what_the_caller_set_for_arithmetic_holds_in_the_tasks(workers):
    def work(number):
        return np.float64(number) * np.float64(1e300)

    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        list(Threads(workers).map(work, [1.0, 1e10]))


def test_blocks_go_to_as_many_threads_as_a_product_may_take():
    def who(_):
        time.sleep(0.01)
        return threading.get_ident()

    kind, here = np.empty(0), threading.get_ident()
    for limit in (1, 2):
        with threadpool_limits(limit, user_api="blas"):
            seen = set(map_on_cores(who, range(8), kind))
            # A platform's BLAS may know no threads; then there is one.
            assert len(seen) == max(blas(), default=1)
            assert (here in seen) == (len(seen) == 1)
            assert set(map_on_cores(who, range(1), kind)) == {here}
            assert set(map_on_cores(who, range(8), torch.empty(0))) == {here}
