"""Processes: what survives a pool that breaks, what is refused in words, what is left behind."""

import multiprocessing
import operator
import os
import signal
import subprocess
import sys
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress

import numpy as np
import psutil
import pytest
from threadpoolctl import threadpool_info

from isthmus.core.errors import InputError, StorageError
from isthmus.engine import processes
from isthmus.engine.processes import AHEAD, LOSSES, Processes, died, one_blas_thread

PID = "__import__('os').getpid()"


def workers():
    """Those of pools of this process: children of the server that forks them, or spawned by us.

    Databases and clusters of other tests have children too, which come and go.
    """
    found = set()
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            told = " ".join(child.cmdline())
            forked = "multiprocessing.forkserver" in told and child.ppid() != os.getpid()
            if forked or "multiprocessing.spawn" in told:
                found.add(child)
    return found


class Pools:
    """Pools in this process: each breaks when it meets the next of the losses it is to have."""

    def __init__(self, losses):
        self.losses, self.made, self.ended, self.ran = list(losses), 0, 0, []

    def __call__(self, engine, lifeline):
        self.made += 1
        return Pool(self)


class Pool:
    def __init__(self, pools):
        self.pools, self.broken = pools, False

    def submit(self, function, task):
        if self.broken:
            raise BrokenProcessPool("gone")
        future = Future()
        if self.pools.losses and self.pools.losses[0] == task:
            self.pools.losses.pop(0)
            self.broken = True
            future.set_exception(BrokenProcessPool("gone"))
        else:
            self.pools.ran.append(task)
            try:
                future.set_result(function(task))
            except ValueError as error:
                future.set_exception(error)
        return future

    def shutdown(self, cancel_futures=False):
        self.pools.ended += 1


@pytest.fixture
def pools(monkeypatch):
    def of(*losses):
        made = Pools(losses)
        monkeypatch.setattr(Processes, "_pool", lambda self, lifeline: made(self, lifeline))
        return made

    return of


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("losses", [(), (0,), (9,), (4, 4), (3, 4, 5, 6, 7), (0, 0, 9, 9)])
def test_every_task_comes_once_and_in_order_whichever_pools_break(pools, workers, losses):
    made = pools(*losses)
    assert list(Processes(workers).map(operator.neg, range(10))) == [-i for i in range(10)]
    assert made.losses == []
    assert made.made == made.ended == len(losses) + 1
    # What was done when a pool broke is not done again.
    assert sorted(made.ran) == list(range(10))


def test_losses_are_counted_in_a_row_and_not_in_all(pools):
    """Two, a result, two: that is no third."""
    pools(3, 3, 4, 4, 5, 5)
    assert list(Processes(1).map(abs, range(8))) == list(range(8))
    assert LOSSES == 3
    made = pools(3, 3, 3)
    results = Processes(1).map(abs, range(8))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(StorageError, match="3 worker processes that died") as error:
        next(results)
    assert isinstance(error.value.__cause__, BrokenProcessPool)
    assert made.made == made.ended == 3


@pytest.mark.parametrize("workers", [1, 3])
def test_two_tasks_a_worker_are_drawn_ahead(pools, workers):
    pools()
    drawn = []
    running = Processes(workers).map(abs, (drawn.append(i) or i for i in range(100)))
    assert drawn == []
    for taken in range(3):
        assert next(running) == taken
        assert len(drawn) == AHEAD * workers + taken
    running.close()


def test_every_pool_is_ended_when_the_work_is_closed_or_fails(pools):
    made = pools()
    running = Processes(2).map(abs, range(10))
    next(running)
    running.close()
    assert made.ended == 1
    results = Processes(2).map(int, ["1", "x", "3"])
    assert next(results) == 1
    with pytest.raises(ValueError, match="invalid literal"):
        next(results)
    assert made.ended == 2

    def tasks():
        yield 1
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        list(Processes(2).map(abs, tasks()))
    assert made.made == made.ended == 3


def test_nothing_is_started_before_the_first_result_is_asked(pools):
    made = pools()
    Processes(2).map(abs, range(3)).close()
    assert made.made == 0
    assert list(Processes(2).map(abs, [])) == []


def test_workers_are_other_processes_that_end_and_ignore_the_keyboard():
    code = (
        f"({PID}, __import__('signal').getsignal(2).name, "
        "__import__('os').environ['OMP_NUM_THREADS'])"
    )
    results = Processes(np.int64(1)).map(eval, [code, code, "__import__('no such')"])
    first, second = next(results), next(results)
    assert first == second
    assert first[0] in {worker.pid for worker in workers()}
    assert first[1:] == ("SIG_IGN", "1")
    with pytest.raises(ModuleNotFoundError, match="no such"):
        next(results)
    assert not workers()


def test_what_does_not_pickle_is_an_error_and_not_a_dead_worker():
    here = lambda task: task  # noqa: E731
    with pytest.raises((AttributeError, TypeError, ValueError), match=r"(?i)pickle|local object"):
        list(Processes(1).map(here, [1]))


def test_errors_of_four_words_come_back_whole():
    code = "from isthmus.core.errors import InputError\nraise InputError('a', 'b', 'c', 'd')"
    with pytest.raises(InputError, match="a: got b; expected c. d"):
        list(Processes(1).map(exec, [code]))


def test_a_worker_leaves_when_the_end_of_its_driver_closes(monkeypatch):
    left = []
    monkeypatch.setattr(os, "_exit", left.append)
    theirs, ours = multiprocessing.get_context("spawn").Pipe(duplex=False)
    ours.close()
    processes._follow(theirs)
    assert left == [1]


def test_a_pool_s_own_threads_are_held_to_one_blas_thread(monkeypatch):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "3")
    from threadpoolctl import threadpool_limits

    with threadpool_limits(2, user_api="blas"):
        one_blas_thread()
        assert {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"} == {1}
    assert [os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")] == ["1", "1"]


def test_a_worker_begins_deaf_to_the_keyboard(monkeypatch):
    monkeypatch.setattr(processes, "one_blas_thread", lambda: None)
    theirs, ours = multiprocessing.get_context("spawn").Pipe(duplex=False)
    monkeypatch.setattr(processes, "_follow", lambda lifeline: None)
    old = signal.getsignal(signal.SIGINT)
    try:
        processes._begin(theirs)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, old)
        ours.close()
        theirs.close()


def test_the_error_says_what_to_do():
    assert "7 worker processes" in str(died(7))
    assert "if __name__ == '__main__':" in str(died(7))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_fork_of_a_process_that_had_a_pool_can_have_one(tmp_path):
    """The server of its parent is no child of the fork."""
    (tmp_path / "script.py").write_text(
        "import os\n"
        "from isthmus.engine import Processes\n"
        "if __name__ == '__main__':\n"
        "    assert list(Processes(1).map(abs, [-1])) == [1]\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        os._exit(list(Processes(1).map(abs, [-2]))[0])\n"
        "    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2\n"
        "    assert list(Processes(1).map(abs, [-3])) == [3]\n"
    )
    done = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked from no server here")
def test_a_killed_server_costs_nothing():
    results = Processes(2).map(eval, [f"__import__('time').sleep(0.01) or {k}" for k in range(60)])
    assert next(results) == 0
    orphans = workers()
    (server,) = {worker.parent() for worker in orphans}
    server.kill()
    assert list(results) == list(range(1, 60))
    assert not workers()
    assert not psutil.wait_procs(orphans, timeout=10)[1]
