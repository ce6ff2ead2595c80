"""The front door: every name is bound, and nothing heavy comes in through it."""

import subprocess
import sys

import pytest

import isthmus

HEAVY = ("torch", "sklearn", "pyarrow", "scipy", "faiss", "matplotlib", "pandas")


def imported(code):
    probe = f"{code}\nimport sys\nprint(*[m for m in {HEAVY!r} if m in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", probe], check=True, capture_output=True, text=True
    )
    return answer.stdout.split()


@pytest.mark.parametrize("name", isthmus.__all__)
def test_every_public_name_is_bound(name):
    assert getattr(isthmus, name) is not None


def test_all_and_home_agree():
    assert set(isthmus.__all__) == set(isthmus._HOME)
    with pytest.raises(AttributeError, match="no attribute 'dataset'"):
        _ = isthmus.dataset


def test_import_and_help_bring_nothing_heavy():
    assert imported("import isthmus") == []
    assert imported("import isthmus.cli.main") == []


def test_the_probe_would_notice():
    assert imported("import isthmus; isthmus.bridges.Orthogonal") != []
