"""Every engine keeps the contract; wrong ones are told apart; workers die without losing work."""

import itertools
import sys
import threading
import time

import psutil
import pytest

from isthmus.core.errors import InputError, MissingExtra, StorageError
from isthmus.engine import Processes, Ray, Threads, named

#: Tasks are code for the built-in ``eval``: workers cannot import functions of a test file.
SUICIDE = "__import__('os').kill(__import__('os').getpid(), 9)"
ONE_BLAS = "{l['num_threads'] for l in __import__('threadpoolctl').threadpool_info()}"


def keeps_contract(engine):
    """Order, completeness, laziness, errors as they are, and an end when closed."""
    if list(engine.map(abs, range(-40, 0))) != [*range(40, 0, -1)]:
        return "order or completeness"
    drawn = itertools.count()
    running = engine.map(abs, (next(drawn) for _ in range(10_000)))
    first = [next(running) for _ in range(3)]
    running.close()
    if first != [0, 1, 2] or next(drawn) > 500:
        return "laziness"
    if list(engine.map(abs, [])):
        return "no task"
    try:
        list(engine.map(len, ["a", 3, "b"]))
    except TypeError:
        return None
    return "errors"


def unordered(function, tasks):
    yield from sorted(map(function, tasks))


def eager(function, tasks):
    yield from list(map(function, tasks))


def forgetful(function, tasks):
    for task in itertools.islice(tasks, 39):
        yield function(task)


def doubling(function, tasks):
    for task in tasks:
        yield function(task)
        yield function(task)


def swallowing(function, tasks):
    for task in tasks:
        try:
            yield function(task)
        except TypeError:
            yield None


WRONG = {
    unordered: "order or completeness", eager: "laziness", forgetful: "order or completeness",
    doubling: "order or completeness", swallowing: "errors",
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_the_contract_rejects(wrong):
    class Engine:
        map = staticmethod(wrong)

    assert keeps_contract(Engine()) == WRONG[wrong]


def test_threads_keep_the_contract():
    assert keeps_contract(Threads()) is None
    assert keeps_contract(Threads(3)) is None


def test_threads_draw_tasks_in_the_callers_thread_and_work_in_others():
    drawn, worked = set(), set()

    def tasks():
        for number in range(20):
            drawn.add(threading.get_ident())
            yield number

    list(Threads(2).map(lambda _: worked.add(threading.get_ident()), tasks()))
    assert drawn == {threading.get_ident()}
    assert not worked & drawn


def test_processes_keep_the_contract():
    assert keeps_contract(Processes(2)) is None
    for child in psutil.Process().children():
        told = " ".join(child.cmdline())
        assert "multiprocessing.spawn" not in told, "a worker outlived its pool"
        if "multiprocessing.forkserver" in told:  # the server stays for the next pool
            assert not child.children(), "a worker outlived its pool"


def test_ray_keeps_the_contract(ray_address):
    assert keeps_contract(Ray(ray_address, workers=2)) is None


def test_a_killed_worker_is_replaced_and_nothing_is_lost(tmp_path):
    once = f"open({str(tmp_path / 'dead')!r}, 'x') and {SUICIDE}"
    code = f"__import__('os').path.exists({str(tmp_path / 'dead')!r}) or {once} or True"
    tasks = [*map(str, range(5)), code, *map(str, range(5, 9))]
    assert list(Processes(2).map(eval, tasks)) == [0, 1, 2, 3, 4, True, 5, 6, 7, 8]
    assert (tmp_path / "dead").exists()


def test_workers_that_keep_dying_are_an_error():
    results = Processes(1).map(eval, ["1", SUICIDE, "2"])
    assert next(results) == 1
    with pytest.raises(StorageError, match="3 worker processes that died") as error:
        next(results)
    assert "__main__" in str(error.value)


def test_each_worker_has_one_blas_thread(ray_address):
    load = "__import__('scipy.linalg') and "
    for engine in (Processes(1), Ray(ray_address, workers=1)):
        assert list(engine.map(eval, [load + ONE_BLAS])) == [{1}]


def test_closing_stops_the_work_at_once(ray_address):
    """Where Ray was there before, what has begun is waited for, and nothing else is begun."""
    for engine, nap in ((Processes(2), 60), (Ray(ray_address, workers=2), 1)):
        running = engine.map(eval, ["1", *[f"__import__('time').sleep({nap})"] * 50])
        assert next(running) == 1
        began = time.monotonic()
        running.close()
        assert time.monotonic() - began < 30


def test_ray_says_what_it_cannot_do(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "ray", None)
        with pytest.raises(MissingExtra, match=r"isthmus\[ray\]"):
            Ray()


def test_names():
    assert isinstance(named("threads"), Threads)
    assert named("threads", workers=3).workers == 3
    assert repr(named("processes", workers=2)) == "Processes(workers=2)"
    with pytest.raises(InputError, match="one of threads, processes, ray"):
        named("spark")


@pytest.mark.parametrize("workers", [0, -1, 1.5, True, "2"])
def test_a_number_of_workers_that_is_none(workers):
    for kind in (Threads, Processes):
        with pytest.raises(InputError, match="at least 1"):
            kind(workers)
