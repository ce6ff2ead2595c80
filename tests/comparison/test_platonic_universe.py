"""platonic-universe: neighbours by cosine, shared and united."""

import importlib
import sys
import types

import pytest

from isthmus.measures import jaccard_knn, mutual_knn


@pytest.fixture
def metrics(hollow, monkeypatch):
    """One file of it: the package brings telescopes' pictures along, and this file polars."""
    hollow("pu")
    if "pu.metrics" not in sys.modules and importlib.util.find_spec("polars") is None:
        # Only while it is imported, for scikit-learn looks whether tables of that kind came.
        monkeypatch.setitem(sys.modules, "polars", types.ModuleType("polars"))
    return importlib.import_module("pu.metrics")


def test_neighbours(compare, oracle, spaces, metrics, monkeypatch):
    monkeypatch.undo()
    compare.same(
        "mutual_knn", "mknn", theirs=metrics.mknn(*spaces), ours=mutual_knn(*spaces),
        oracle=oracle.mutual_knn(*spaces, 10, "cosine"), equation="overlap over k",
    )  # fmt: skip
    compare.same(
        "jaccard_knn", "jaccard_index", theirs=metrics.jaccard_index(*spaces),
        ours=jaccard_knn(*spaces), oracle=oracle.jaccard(*spaces, 10, "cosine"),
        equation="intersection over union",
    )  # fmt: skip
