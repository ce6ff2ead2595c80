"""What all tests share: property tests that give the same verdict on every run and machine."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "isthmus",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("isthmus")
