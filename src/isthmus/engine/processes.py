"""Processes: a pool on this machine that outlives its workers and never outlives its driver."""

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from isthmus.core.engine import worker_count
from isthmus.core.errors import StorageError

T = TypeVar("T")
R = TypeVar("R")

#: Workers that may die in a row, with no task finished in between, before the work is given up.
LOSSES = 3
#: Tasks in the works for each worker: one to run and one to take up next.
AHEAD = 2
#: On Linux a server imports once and forks the workers; a fork of the driver itself would copy the
#: locks of its threads, and on macOS system libraries do not survive a fork.
_start = get_context("forkserver" if sys.platform == "linux" else "spawn")
if sys.platform == "linux":
    # What every bridge imports, for longer than a worker takes to start.
    _start.set_forkserver_preload(["sklearn.base"])


def _forked() -> None:
    """A server that was started before a fork is no child of ours and cannot be asked."""
    global _start
    if Processes.started:
        _start = get_context("spawn")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class Processes:
    """Worker processes of this machine, one a core unless ``workers`` says otherwise.

    Each has one BLAS thread: with more, two workers run several times slower than one. A worker
    that is killed is replaced and its tasks are run again. Workers end with the process that
    started them, however that ends. In a script, call from under
    ``if __name__ == "__main__":``, as for every pool of processes. On Linux a server that starts
    with the first pool forks them: what is set in ``os.environ`` later does not reach them.

    >>> Processes(workers=2)
    Processes(workers=2)
    """

    separate = True
    #: Whether a pool was ever made in this process.
    started = False

    def __init__(self, workers: int | None = None) -> None:
        self.workers = worker_count(workers)

    def __repr__(self) -> str:
        return f"Processes(workers={self.workers})"

    def map(self, function: Callable[[T], R], tasks: Iterable[T]) -> Generator[R, None, None]:
        """``function(task)`` of every task, in order.

        Both must survive pickling, and a task may run more than once.

        Raises
        ------
        StorageError
            When workers keep dying, as they do when memory runs out.
        """
        # Nothing is ever sent: workers leave when the driver's end is closed, by itself or by us.
        theirs, ours = _start.Pipe(duplex=False)
        waiting: deque[tuple[T, Future[R]]] = deque()
        rest, lost = iter(tasks), 0
        pool = self._pool(theirs)
        try:
            while True:
                try:
                    while len(waiting) < AHEAD * self.workers:
                        task = next(rest)
                        waiting.append((task, _submit(pool, function, task)))
                except StopIteration:
                    if not waiting:
                        return
                try:
                    result = waiting[0][1].result()
                except BrokenProcessPool as error:
                    lost += 1
                    if lost == LOSSES:
                        raise died(lost) from error
                    pool.shutdown()
                    pool = self._pool(theirs)
                    waiting = deque(
                        (task, future if _done(future) else _submit(pool, function, task))
                        for task, future in waiting
                    )
                    continue
                lost = 0
                waiting.popleft()
                yield result
        finally:
            ours.close()
            pool.shutdown(cancel_futures=True)
            theirs.close()

    def _pool(self, lifeline: Connection) -> ProcessPoolExecutor:
        Processes.started = True
        return ProcessPoolExecutor(
            self.workers, mp_context=_start, initializer=_begin, initargs=(lifeline,)
        )


def died(times: int) -> StorageError:
    """The error for workers that keep dying."""
    return StorageError(
        "run workers",
        f"{times} worker processes that died one after the other",
        "workers that live; they are killed when memory runs out",
        "Take fewer workers, and run again to go on. In a script, call from under "
        "`if __name__ == '__main__':`.",
    )


def one_blas_thread() -> None:
    """Hold this process to one BLAS thread, in libraries loaded already and later."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    import numpy  # noqa: F401
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def _submit(pool: ProcessPoolExecutor, function: Callable[[T], R], task: T) -> Future[R]:
    try:
        return pool.submit(function, task)
    except BrokenProcessPool as error:
        broken: Future[R] = Future()
        broken.set_exception(error)
        return broken


def _done(future: Future[Any]) -> bool:
    return future.done() and not isinstance(future.exception(), BrokenProcessPool)


def _begin(lifeline: Connection) -> None:
    # Ctrl-C reaches the whole group; the driver alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(lifeline,), daemon=True).start()
    one_blas_thread()


def _follow(lifeline: Connection) -> None:
    try:
        lifeline.recv()
    except EOFError:
        os._exit(1)
