"""Ray: the same tasks on a cluster, or on this machine when none is named."""

import logging
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeVar

from isthmus.core.engine import worker_count
from isthmus.core.errors import MissingExtra, StorageError
from isthmus.engine.processes import AHEAD, LOSSES, died, one_blas_thread

T = TypeVar("T")
R = TypeVar("R")

#: What passes through Ray is tasks, and moments at most; vectors go from disk to disk.
_OBJECT_STORE_BYTES = 256 << 20
_STOP_SECONDS = 10


class Ray:
    """Ray tasks, on the cluster at ``address`` (or ``RAY_ADDRESS``) or else on this machine.

    ``workers`` is how many tasks run at once: all cores of the cluster, or of this machine, when
    None. Source, bridge and target must lie where every node sees them under one path, and Isthmus
    must be installed there. Started on this machine, Ray ends with this process; it has no
    dashboard, sends no usage statistics and needs no network.

    Raises
    ------
    MissingExtra
        When ``ray`` is not installed.
    """

    separate = True

    def __init__(self, address: str | None = None, *, workers: int | None = None) -> None:
        _ray()
        self.address = address or os.environ.get("RAY_ADDRESS")
        self.workers = None if workers is None else worker_count(workers)
        self._connected = False  # by this engine, not by others before it

    def __repr__(self) -> str:
        return f"Ray(address={self.address!r}, workers={self.workers})"

    def map(self, function: Callable[[T], R], tasks: Iterable[T]) -> Generator[R, None, None]:
        """``function(task)`` of every task, in order; Ray runs a task again whose worker died.

        Raises
        ------
        StorageError
            When Ray cannot be reached, or workers keep dying.
        """
        ray = _ray()
        self._connect(ray)
        run = ray.remote(num_cpus=1, max_retries=LOSSES)(_run)
        room = AHEAD * (self.workers or max(1, int(ray.cluster_resources().get("CPU", 1))))
        waiting: deque[Any] = deque()
        try:
            for task in tasks:
                waiting.append(run.remote(function, task))
                if len(waiting) == room:
                    yield _result(ray, waiting)
            while waiting:
                yield _result(ray, waiting)
        finally:
            if waiting:
                self._stop(ray, waiting)

    def _stop(self, ray: Any, waiting: deque[Any]) -> None:
        """End what runs: by leaving the cluster, which ends its tasks, or else by waiting."""
        # Not ray.cancel: it aborts this whole process when a task ends at that moment (ray 2.60).
        if self._connected:
            ray.shutdown()
            self._connected = False
        else:
            ray.wait(list(waiting), num_returns=len(waiting), timeout=_STOP_SECONDS)

    def _connect(self, ray: Any) -> None:
        if ray.is_initialized():
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_enable_metrics_collection", "0")
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            if self.address is not None:
                ray.init(address=self.address, **quiet)
            else:
                ray.init(
                    num_cpus=worker_count(self.workers), include_dashboard=False,
                    object_store_memory=_OBJECT_STORE_BYTES, **quiet,
                )  # fmt: skip
            self._connected = True
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise StorageError(
                "start ray", f"{type(error).__name__}: {error}"[:300], "a cluster that answers",
                "Check the address, or name none to start Ray on this machine.",
            ) from error  # fmt: skip


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingExtra("engine ray", "ray", "ray") from error
    return ray


def _run(function: Callable[[T], R], task: T) -> R:
    one_blas_thread()
    return function(task)


def _result(ray: Any, waiting: deque[Any]) -> Any:
    """The first result; it leaves the queue only when it is there, so that the rest is stopped."""
    try:
        result = ray.get(waiting[0])
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise died(LOSSES + 1) from error
    waiting.popleft()
    return result
