"""Engine: where work runs. What it must offer, and the default, the threads of this process.

Work is a function of one task whose result depends on nothing else, so that a task may run
anywhere, and again. Engines of other processes and machines are in the room ``isthmus.engine``.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from numbers import Integral
from typing import Protocol, TypeVar

from threadpoolctl import threadpool_info, threadpool_limits

from isthmus.core.arrays import Array, is_numpy
from isthmus.core.errors import InputError

T = TypeVar("T")
R = TypeVar("R")

#: Tasks in the works for each thread, so that a slow reader or writer leaves none of them idle.
_AHEAD = 8


class Engine(Protocol):
    """A place where tasks run; ``separate`` when it shares no memory with this process."""

    @property
    def separate(self) -> bool:
        """Whether tasks and results must cross to another process."""

    def map(self, function: Callable[[T], R], tasks: Iterable[T]) -> Generator[R, None, None]:
        """``function(task)`` of every task, in order, few at a time; closing it stops the work."""


class Threads:
    """The threads of this process, one a core unless ``workers`` says otherwise.

    Tasks are drawn in the caller's thread, so a generator that reads may feed them. BLAS gets one
    thread a worker: its own would wait for one another whenever the caller takes a core. One worker
    alone is the caller's thread itself, and takes no more than one core.

    >>> list(Threads(workers=2).map(abs, range(-3, 0)))
    [3, 2, 1]
    """

    separate = False

    def __init__(self, workers: int | None = None) -> None:
        self.workers = worker_count(workers)

    def __repr__(self) -> str:
        return f"Threads(workers={self.workers})"

    def map(self, function: Callable[[T], R], tasks: Iterable[T]) -> Generator[R, None, None]:
        """``function(task)`` of every task, in order; a few tasks a thread are in the works."""
        with threadpool_limits(1, user_api="blas"):
            if self.workers > 1:
                yield from self._on_pool(function, tasks)
            else:  # not map(): it would take a StopIteration of a task for the end of all
                yield from (function(task) for task in tasks)

    def _on_pool(self, function: Callable[[T], R], tasks: Iterable[T]) -> Generator[R, None, None]:
        with ThreadPoolExecutor(self.workers) as pool:
            pending: deque[Future[R]] = deque()
            try:
                for task in tasks:
                    # In the caller's context: who lets NumPy raise on overflow means here too.
                    pending.append(pool.submit(copy_context().run, function, task))
                    if len(pending) == _AHEAD * self.workers:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:
                pool.shutdown(cancel_futures=True)


def map_on_cores(function: Callable[[T], R], tasks: Sequence[T], kind: Array) -> Iterator[R]:
    """``function(task)`` of every task, in order, in as many threads as a product may take.

    A product alone uses all cores and what comes between products only one; side by side, the other
    passes of one task run beside the product of the next. One task, BLAS held to one thread (as it
    is within ``Threads`` and worker processes), or arrays of another ``kind`` than NumPy's, whose
    library has threads or a device of its own, stay in the caller's thread.

    >>> import numpy as np
    >>> list(map_on_cores(abs, [-2, -1], np.empty(0)))
    [2, 1]
    """
    workers = 1
    if len(tasks) > 1 and is_numpy(kind):
        pools = [p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"]
        workers = max(pools, default=1)
    return Threads(workers).map(function, tasks) if workers > 1 else map(function, tasks)


def worker_count(workers: int | None) -> int:
    """``workers``, or as many as this process may use cores (affinity, a container's quota too).

    InputError below 1.
    """
    if workers is None:
        from joblib import cpu_count

        return int(cpu_count())
    if isinstance(workers, bool) or not isinstance(workers, Integral) or workers < 1:
        raise InputError("engine", f"workers={workers!r}", "an integer of at least 1")
    return int(workers)
