"""Comparison with public implementations: `make compare`, in a virtual environment of its own.

A file is collected only where its peer is installed, so `make test` runs the few that need nothing
more than Isthmus does. Each comparison states three numbers: the peer's, ours, and an oracle's
(``oracles*.py``); with ISTHMUS_DISAGREEMENTS set to a path, all of them are written there, and
docs/disagreements.md is made of that file.
"""

import importlib
import importlib.util
import json
import math
import os
import sys
import types
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent

#: Test file -> (module, distribution) of its peer.
PEERS = {
    "cca_zoo": ("cca_zoo", "cca-zoo"),
    "ckatorch": ("ckatorch", "ckatorch"),
    "dadapy": ("dadapy", "dadapy"),
    "dcor": ("dcor", "dcor"),
    "deep_reps": ("deep_reps", "deep-reps"),
    "dimensionality": ("dimensionality", "dimensionality"),
    "disent": ("disent", "disent"),
    "graph_ricci": ("GraphRicciCurvature", "GraphRicciCurvature"),
    "harness": ("isthmus", "isthmus"),
    "hyppo": ("hyppo", "hyppo"),
    "isoscore": ("IsoScore", "IsoScore"),
    "kiez": ("kiez", "kiez"),
    "latentis": ("latentis", "latentis"),
    "platonic_universe": ("pu", "platonic-universe"),
    "pot": ("ot", "POT"),
    "pydrmetrics": ("pyDRMetrics", "pydrmetrics"),
    "pyriemann": ("pyriemann", "pyriemann"),
    "pytorch_cka": ("cka", "pytorch-cka"),
    "qc_procrustes": ("procrustes", "qc-procrustes"),
    "rbo": ("rbo", "rbo"),
    "repsim": ("repsim", "repsim"),
    "ripser": ("ripser", "ripser"),
    "rsatoolbox": ("rsatoolbox", "rsatoolbox"),
    "scipy": ("scipy", "scipy"),
    "similarity": ("similarity", "similarity-repository"),
    "skdim": ("skdim", "scikit-dimension"),
    "sklearn": ("sklearn", "scikit-learn"),
    "torch_cka": ("torch_cka", "torch-cka"),
    "torchdr": ("torchdr", "torchdr"),
    "vecscope": ("vecscope", "vecscope"),
}
MISSING = [name for name, (module, _) in PEERS.items() if importlib.util.find_spec(module) is None]
#: Peers that cannot be imported whole here: each one's test says why, and loads what it compares.
IN_PARTS = ("deep_reps", "disent", "kiez", "platonic_universe")
RECORD = os.environ.get("ISTHMUS_DISAGREEMENTS")

collect_ignore = [f"test_{name}.py" for name in MISSING]


def _stand_in(name: str, **holds: object) -> None:
    module = types.ModuleType(name)
    module.__dict__.update(holds)
    sys.modules[name] = module


def _import_peers() -> None:
    """Import once, with warnings let through: what peers do on import is not under test."""
    if "dadapy" not in MISSING:
        # Its compiled parts (clustering, densities) need NumPy 1, its gradients jax. What is
        # compared here is plain NumPy, so empty modules take their place.
        class Empty(types.ModuleType):
            def __getattr__(self, name):
                if name.startswith("__"):
                    raise AttributeError(name)

        for path in (Path(importlib.util.find_spec("dadapy").origin).parent / "_cython").glob("*"):
            name = f"dadapy._cython.{path.name.split('.')[0]}"
            sys.modules.setdefault(name, Empty(name))
        if importlib.util.find_spec("jax") is None:
            _stand_in("dadapy.diff_imbalance", DiffImbalance=None)
            _stand_in("dadapy.causal_graph", CausalGraph=None)
    for name, (module, _) in PEERS.items():
        if name not in MISSING and name not in IN_PARTS:
            importlib.import_module(module)


def _oracles() -> types.SimpleNamespace:
    found = {}
    for path in sorted(HERE.glob("oracles*.py")):
        spec = importlib.util.spec_from_file_location(f"comparison_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found |= vars(module)
    return types.SimpleNamespace(**found)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    _import_peers()

_FOUND = []


class Comparison:
    """One peer against Isthmus and an oracle; asserts, and keeps what was measured."""

    def __init__(self, distribution):
        self.distribution, self.version = distribution, version(distribution)

    def same(self, measure, function, *, theirs, ours, oracle, equation, tolerance=1e-6):
        """The peer is right."""
        self._ours(ours, oracle)
        gap = abs(float(theirs) - float(oracle))
        assert gap <= tolerance * max(1, abs(float(oracle))), f"{function} is off by {gap}"
        self._keep("same", measure, function, theirs, ours, oracle, equation, "")

    def differs(
        self, measure, function, *, theirs, ours, oracle, equation, why, explained=None,
        right="ours", tolerance=1e-6,
    ):  # fmt: skip
        """The peer computes something else; ``explained`` is what, from ``why``, in float64.

        ``right``: "ours" where the peer means the same equation and misses it, "both" where it
        means another one under the same name.
        """
        self._ours(ours, oracle)
        theirs = float(theirs)
        assert math.isfinite(theirs), f"{function} gives {theirs}: say that it fails"
        same = abs(theirs - float(oracle)) <= 1e-6 * max(1, abs(float(oracle)))
        assert not same, f"{function} now agrees: take it off the list of disagreements"
        if explained is not None:
            assert theirs == pytest.approx(float(explained), rel=tolerance, abs=tolerance)
        kind = {"ours": "defect", "both": "definition"}[right]
        self._keep(kind, measure, function, theirs, ours, oracle, equation, why)

    def fails(self, measure, function, call, error, *, ours, oracle, equation, why):
        """The peer raises (or returns NaN, with ``error`` None) where the measure has a value."""
        self._ours(ours, oracle)
        if error is None:
            assert math.isnan(float(call()))
            theirs = "NaN"
        else:
            with pytest.raises(error):
                call()
            theirs = error.__name__
        self._keep("defect", measure, function, theirs, ours, oracle, equation, why)

    def _ours(self, ours, oracle):
        assert float(ours) == pytest.approx(float(oracle), rel=1e-6, abs=1e-6)

    def _keep(self, kind, measure, function, theirs, ours, oracle, equation, why):
        gap = None if isinstance(theirs, str) else abs(float(theirs) - float(oracle))
        _FOUND.append({
            "measure": measure, "peer": self.distribution, "version": self.version,
            "function": function, "kind": kind,
            "theirs": theirs if gap is None else float(theirs),
            "ours": float(ours), "oracle": float(oracle), "difference": gap,
            "equation": equation, "why": why,
        })  # fmt: skip


@pytest.fixture
def compare(request):
    name = request.path.stem.removeprefix("test_")
    return Comparison(PEERS[name][1])


@pytest.fixture(scope="session")
def oracle():
    return _oracles()


@pytest.fixture
def hollow():
    """Packages whose own file is not run, so that one of their parts can be imported alone."""

    def make(*names):
        for name in names:
            if name not in sys.modules:
                module = types.ModuleType(name)
                module.__path__ = list(importlib.util.find_spec(name).submodule_search_locations)
                sys.modules[name] = module

    return make


@pytest.fixture
def spaces():
    """Two related spaces of 60 rows and 5 columns, off the origin, with uneven spectra."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5)) * [3, 2, 1, 0.7, 0.4] + 0.5
    y = np.tanh(x @ rng.normal(size=(5, 5))) + 0.3 * rng.normal(size=(60, 5))
    return x, y


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.filterwarnings("ignore"))


def pytest_sessionfinish(session, exitstatus):
    if not RECORD or exitstatus:
        return
    if MISSING:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
        return
    _FOUND.sort(key=lambda row: (row["measure"], row["kind"], row["peer"], row["function"]))
    text = json.dumps({"command": "make compare", "comparisons": _FOUND}, indent=1)
    Path(RECORD).write_text(text + "\n")


def pytest_terminal_summary(terminalreporter):
    if MISSING:
        terminalreporter.write_line(
            f"comparison: {len(MISSING)} peers are not installed here; `make compare` has them"
        )
