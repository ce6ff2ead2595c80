"""What all fault tests share: one Ray a process, and what they counted in the run's summary."""

import os
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


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


def pytest_terminal_summary(terminalreporter):
    """One line a kind of fault: what was killed, and how hostile files ended."""
    fuzzed = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") != "call":
                continue
            for name, value in report.user_properties:
                if name == "faults":
                    terminalreporter.write_line(f"faults: {value}")
                elif name == "fuzz":
                    fuzzed.setdefault(value[0], Counter()).update(value[1])
    for what, outcomes in fuzzed.items():
        told = ", ".join(f"{n:,} {outcome}" for outcome, n in outcomes.most_common())
        terminalreporter.write_line(f"fuzzed {what}: {told}")
