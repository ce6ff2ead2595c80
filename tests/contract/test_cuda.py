"""Measures and bridges give the CPU's answer on CUDA tensors; skipped without such a device."""

import pytest

from isthmus.core.registry import methods
from isthmus.testing import bridges as bridge_suite
from isthmus.testing import measures as suite

torch = pytest.importorskip("torch", reason="torch is not installed")

MEASURES = [m for m in methods("measures") if m.card.spaces]
BRIDGES = [m for m in methods("bridges") if m.card.spaces]


def cuda():
    return {"CUDA": lambda array: torch.asarray(array, device="cuda")}


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize(
    ("room", "check"),
    [(MEASURES, suite.check_array_kinds), (BRIDGES, bridge_suite.check_array_kinds)],
    ids=["measures", "bridges"],
)
def test_the_answer_is_that_of_the_cpu(room, check):
    # One test a room, so that a machine without a device counts two skips and not hundreds.
    wrong = []
    for method in room:
        try:
            check(method, cuda)
        except Exception as error:
            wrong.append(f"{method.name}: {type(error).__name__}: {error}")
    assert not wrong, "\n".join(wrong)


def test_the_check_notices_another_answer():
    """What the skipped test relies on: a converter that changes a number is caught."""
    method = next(m for m in MEASURES if m.name == "debiased_cka")
    with pytest.raises(AssertionError, match="differs on wrong"):
        suite.check_array_kinds(method, lambda: {"wrong": lambda a: torch.asarray(a) ** 3})
