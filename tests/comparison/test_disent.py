"""disent: disentanglement as in disentanglement_lib; columns are cut at equal widths."""

import importlib
import sys
import types

import numpy as np
import pytest
from sklearn.linear_model import Lasso

from isthmus.measures import dci, mig


@pytest.fixture
def part(hollow):
    """Files of it: the package brings data sets of pictures and torchvision along."""
    hollow("disent", "disent.metrics")
    for name, holds in (
        ("disent.dataset", {"DisentDataset": None}), ("disent.util", {"to_numpy": None}),
        ("disent.util.function", {"wrapped_partial": lambda run, **_: run}),
    ):  # fmt: skip
        if name not in sys.modules:
            sys.modules[name] = types.ModuleType(name)
            vars(sys.modules[name]).update(holds)
    return lambda name: importlib.import_module(f"disent.metrics.{name}")


@pytest.fixture
def drawn():
    """Codes of three columns that mix two factors of four values each."""
    rng = np.random.default_rng(0)
    factors = rng.integers(4, size=(400, 2))
    codes = np.hstack([factors @ [[1, 0.3], [0.2, 1]], rng.normal(size=(400, 1))])
    return codes + 0.3 * rng.normal(size=codes.shape), factors


def test_mig(compare, oracle, part, drawn):
    codes, factors = drawn
    compute = part("_mig")._compute_mig
    whole = np.hstack([factors, factors.sum(axis=1, keepdims=True)])
    compare.same(
        "mig, few values", "metric_mig", ours=mig(whole, factors),
        theirs=compute(whole.T.astype(float), factors.T)["mig.discrete_score"],
        oracle=oracle.mig(whole, factors),
        equation="Chen 2018, plug-in",
    )  # fmt: skip
    edges = [np.linspace(c.min(), c.max(), 21)[1:-1] for c in codes.T]
    wide = np.column_stack([np.digitize(c, e) for c, e in zip(codes.T, edges, strict=True)])
    even = codes.argsort(axis=0).argsort(axis=0) * 20 // 400
    compare.differs(
        "mig", "metric_mig", theirs=compute(codes.T, factors.T)["mig.discrete_score"],
        ours=mig(codes, factors), oracle=oracle.mig(even, factors), right="both",
        explained=oracle.mig(wide, factors), equation="Chen 2018, bins of equal counts",
        why="Columns are cut into 20 bins of equal width, which one outlier empties, and which "
        "move with any bend of a column; ours hold equally many rows.",
    )  # fmt: skip


def test_dci(compare, oracle, part, drawn):
    codes, factors = drawn
    standard = [(a - a.mean(axis=0)) / a.std(axis=0) for a in (codes, factors)]
    fitted = Lasso(alpha=0.01, tol=1e-14, max_iter=100_000).fit(*standard)
    weights = np.abs(fitted.coef_.T)
    score = dci(codes, factors)
    for name, value, right in (
        ("disentanglement", score, oracle.disentanglement(weights)),
        ("completeness", score.parts["completeness"], oracle.disentanglement(weights.T)),
    ):
        compare.same(
            "dci" if name == "disentanglement" else f"dci, {name}", f"_{name} of lasso weights",
            theirs=getattr(part("_dci"), f"_{name}")(weights), ours=value, oracle=right,
            equation="Eastwood & Williams 2018",
        )  # fmt: skip
