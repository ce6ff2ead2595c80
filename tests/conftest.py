"""What all tests share: property tests with one verdict on every machine, and one Ray a process."""

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "isthmus",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("isthmus")


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
