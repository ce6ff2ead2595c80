"""What all tests share: one verdict of property tests anywhere, one Ray a process, fault counts."""

import gc
import os
from collections import Counter
from pathlib import Path
from shutil import disk_usage

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "isthmus",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("isthmus")


def pytest_configure(config):
    """Temporary files lie in memory, where there is room: tests open a hundred thousand."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and disk_usage(memory).free > 4 << 30
    if roomy and config.option.basetemp is None:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Look for garbage neither among tests being collected nor ever after: they all stay.

    There are twelve thousand of them; each look costs a second.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def ray_address():
    """One Ray for all tests of a process: it takes seconds to start."""
    ray = pytest.importorskip("ray", reason="the extra ray is not installed")
    from isthmus.engine import Ray

    outer = os.environ.pop("RAY_ADDRESS", None)
    list(Ray(workers=2).map(abs, [1]))
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()
    if outer is not None:
        os.environ["RAY_ADDRESS"] = outer


@pytest.fixture
def faults(record_property):
    """Count faults that a test survived, for the summary: ``faults("full disks", 2)``."""

    def count(kind, number=1):
        record_property("faults", [kind, number])

    return count


def pytest_terminal_summary(terminalreporter):
    """One line: how many faults of each kind were survived. Workers of xdist send theirs along."""
    survived = Counter()
    for report in terminalreporter.stats.get("passed", ()):
        for name, value in report.user_properties:
            if name == "faults" and report.when == "call":
                survived[value[0]] += value[1]
    if survived:
        told = ", ".join(f"{n:,} {kind}" for kind, n in sorted(survived.items()))
        terminalreporter.write_line(f"faults survived: {told}")
