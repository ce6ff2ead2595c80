"""Ray: how it is started, waited for and left, on a stand-in; and once on Ray itself."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from isthmus.core.errors import InputError, MissingExtra, StorageError
from isthmus.engine import Ray
from isthmus.engine import ray as module
from isthmus.engine.processes import AHEAD, LOSSES


class TaskError(Exception):
    """What Ray wraps around the error of a task."""

    def __init__(self, cause):
        super().__init__("wrapped")
        self.cause = cause


class LostError(Exception):
    """What Ray raises when workers keep dying."""


class Cluster:
    """A stand-in for the module ray, which notes what is asked of it."""

    def __init__(self, *, there=False, cpus=4.0, refuses=None):
        self.there, self.cpus, self.refuses = there, cpus, refuses
        self.begun, self.options, self.started, self.calls = [], {}, None, []
        self.exceptions = SimpleNamespace(RayTaskError=TaskError, RayError=LostError)

    def is_initialized(self):
        return self.there

    def init(self, **options):
        if self.refuses:
            raise self.refuses
        self.there, self.started = True, options

    def shutdown(self):
        self.there = False
        self.calls.append("shutdown")

    def cluster_resources(self):
        return {} if self.cpus is None else {"CPU": self.cpus}

    def remote(self, **options):
        self.options = options

        def wrapped(run):
            def submit(function, task):
                self.begun.append(task)
                return run, function, task

            return SimpleNamespace(remote=submit)

        return wrapped

    def get(self, reference):
        run, function, task = reference
        if task == "lost":
            raise LostError("three workers")
        try:
            return run(function, task)
        except (TypeError, ValueError) as error:
            raise TaskError(error) from error

    def wait(self, references, *, num_returns, timeout):
        self.calls.append(("wait", len(references), num_returns, timeout))


@pytest.fixture
def cluster(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_enable_metrics_collection"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(module, "one_blas_thread", lambda: None)

    def of(**options):
        made = Cluster(**options)
        monkeypatch.setattr(module, "_ray", lambda: made)
        return made

    return of


@pytest.mark.parametrize("n", [0, 1, 7, 100])
@pytest.mark.parametrize("workers", [None, 1, 3])
def test_results_come_once_and_in_order(cluster, workers, n):
    made = cluster()
    assert list(Ray(workers=workers).map(abs, range(-n, 0))) == list(range(n, 0, -1))
    assert made.begun == list(range(-n, 0))
    assert made.options == {"num_cpus": 1, "max_retries": LOSSES}
    assert made.calls == []  # what has ended of itself is not stopped


@pytest.mark.parametrize(
    ("workers", "cpus", "at_once"), [(3, 8.0, 3), (None, 8.0, 8), (None, 0.5, 1), (None, None, 1)]
)
def test_two_tasks_a_worker_are_begun_ahead(cluster, workers, cpus, at_once):
    made = cluster(cpus=cpus)
    running = Ray(workers=workers).map(abs, iter(range(1000)))
    assert made.begun == []
    for taken in range(3):
        assert next(running) == taken
        assert len(made.begun) == AHEAD * at_once + taken
    running.close()


def test_started_here_it_takes_what_it_needs_and_tells_nobody(cluster, monkeypatch):
    made = cluster()
    list(Ray(workers=3).map(abs, [1]))
    assert made.started["num_cpus"] == 3
    assert made.started["include_dashboard"] is False
    assert made.started["object_store_memory"] == 256 * 2**20
    assert made.started["log_to_driver"] is False
    assert "address" not in made.started
    assert module.os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    monkeypatch.setattr("joblib.cpu_count", lambda: 5)
    made = cluster()
    list(Ray().map(abs, [1]))
    assert made.started["num_cpus"] == 5


def test_what_the_user_said_of_statistics_stands(cluster, monkeypatch):
    cluster()
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    list(Ray(workers=1).map(abs, [1]))
    assert module.os.environ["RAY_USAGE_STATS_ENABLED"] == "1"


def test_an_address_is_taken_before_that_of_the_environment(cluster, monkeypatch):
    made = cluster()
    monkeypatch.setenv("RAY_ADDRESS", "there:1")
    assert repr(Ray(workers=2)) == "Ray(address='there:1', workers=2)"
    list(Ray("here:2").map(abs, [1]))
    assert made.started["address"] == "here:2"
    assert "num_cpus" not in made.started  # a cluster has those it has
    made = cluster()
    list(Ray().map(abs, [1]))
    assert made.started["address"] == "there:1"


@pytest.mark.parametrize("refuses", [ConnectionError, RuntimeError, ValueError])
def test_a_cluster_that_does_not_answer_is_told_in_a_few_lines(cluster, refuses):
    cluster(refuses=refuses("no\x00where" * 10_000))
    with pytest.raises(StorageError, match="start ray: got .*a cluster that answers") as error:
        list(Ray("there:1").map(abs, [1]))
    assert len(str(error.value)) < 500
    assert isinstance(error.value.__cause__, refuses)


def test_the_error_of_a_task_is_raised_as_it_was_and_after_the_results_before_it(cluster):
    made = cluster()
    results = Ray(workers=1).map(int, ["1", "x", "3"])
    assert next(results) == 1
    with pytest.raises(ValueError, match="invalid literal") as error:
        next(results)
    assert isinstance(error.value.__cause__, TaskError)
    assert made.calls == ["shutdown"]


def test_workers_that_keep_dying_are_an_error(cluster):
    cluster()
    results = Ray(workers=1).map(str, [1, "lost", 2])
    assert next(results) == "1"
    with pytest.raises(StorageError, match=f"{LOSSES + 1} worker processes that died") as error:
        next(results)
    assert isinstance(error.value.__cause__, LostError)


def test_closed_it_leaves_a_cluster_it_joined_and_waits_in_one_it_found(cluster):
    made = cluster()
    engine = Ray(workers=2)
    running = engine.map(abs, range(9))
    next(running)
    running.close()
    assert made.calls == ["shutdown"]
    # It may be used again, and joins again.
    assert list(engine.map(abs, [-1])) == [1]
    assert made.there
    # But once it has left, one that others start is theirs.
    engine.map(abs, []).close()
    running = engine.map(abs, range(9))
    next(running)
    running.close()
    made.there = True
    made.calls.clear()
    running = engine.map(abs, range(9))
    next(running)
    running.close()
    assert made.calls == [("wait", 3, 3, 10)]

    found = cluster(there=True)
    running = Ray(workers=2).map(abs, range(9))
    next(running)
    running.close()
    assert found.started is None
    assert found.calls == [("wait", 3, 3, 10)]
    assert found.there


def test_an_error_of_the_source_of_tasks_stops_what_was_begun(cluster):
    def tasks():
        yield 1
        raise KeyError("gone")

    found = cluster(there=True)
    with pytest.raises(KeyError, match="gone"):
        list(Ray(workers=2).map(abs, tasks()))
    assert found.calls == [("wait", 1, 1, 10)]


def test_every_task_runs_on_one_blas_thread(cluster, monkeypatch):
    cluster()
    held = []
    monkeypatch.setattr(module, "one_blas_thread", lambda: held.append(1))
    list(Ray(workers=1).map(abs, range(3)))
    assert held == [1] * 3


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "2"])
def test_a_number_of_workers_that_is_none(cluster, wrong):
    cluster()
    with pytest.raises(InputError, match="at least 1"):
        Ray(workers=wrong)
    assert Ray(workers=np.int64(2)).workers == 2
    assert Ray.separate


def test_without_ray_the_extra_is_named_before_any_work(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"engine ray.*isthmus\[ray\]"):
        Ray("there:1", workers=0)


def test_ray_itself_runs_tasks_in_order_and_raises_their_errors(ray_address):
    engine = Ray(ray_address, workers=np.int64(2))
    assert list(engine.map(abs, range(-9, 0))) == list(range(9, 0, -1))
    code = "from isthmus.core.errors import InputError\nraise InputError('a', 'b', 'c', 'd')"
    with pytest.raises(InputError, match="a: got b; expected c. d"):
        list(engine.map(exec, ["", code, ""]))
