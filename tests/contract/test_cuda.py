"""Every measure gives the CPU's answer on CUDA tensors; skipped where there is no such device."""

import pytest

from isthmus.core.registry import methods
from isthmus.testing import measures as suite

torch = pytest.importorskip("torch", reason="torch is not installed")

MEASURES = [m for m in methods("measures") if m.card.spaces]


def cuda():
    return {"CUDA": lambda array: torch.asarray(array, device="cuda")}


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_measures_give_the_answer_of_the_cpu():
    # One test for all, so that a machine without a device counts one skip and not a hundred.
    wrong = []
    for method in MEASURES:
        try:
            suite.check_array_kinds(method, cuda)
        except Exception as error:
            wrong.append(f"{method.name}: {error}")
    assert not wrong, "\n".join(wrong)


def test_the_check_notices_another_answer():
    """What the skipped test relies on: a converter that changes a number is caught."""
    method = next(m for m in MEASURES if m.name == "debiased_cka")
    with pytest.raises(AssertionError, match="differs on wrong"):
        suite.check_array_kinds(method, lambda: {"wrong": lambda a: torch.asarray(a) ** 3})
