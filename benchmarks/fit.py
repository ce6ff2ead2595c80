"""Fitting from pairs, against the bare products X'X, X'Y, Y'Y and against latentis.

    python benchmarks/fit.py

latentis 0.0.8 is measured when it is installed (pip install latentis==0.0.8).
"""

import time
from importlib.util import find_spec

import numpy as np
from record import memory_peak_mb, record

from isthmus.bridges import Affine, Orthogonal


def seconds(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def pairs(n, d):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, d)).astype(np.float32)
    y = rng.normal(size=(n, d)).astype(np.float32)
    y += x[:, ::-1]
    return x, y


def against_products(n=1_000_000, d=384, repeats=5):
    x, y = pairs(n, d)

    def bare():
        return x.T @ x, x.T @ y, y.T @ y

    bare()
    times = {"bare": [], "orthogonal": [], "affine": []}
    for _ in range(repeats):
        times["bare"].append(seconds(bare))
        times["orthogonal"].append(seconds(lambda: Orthogonal().fit(x, y)))
        times["affine"].append(seconds(lambda: Affine().fit(x, y)))
    figures = {"rows": n, "dim": d, "repeats": repeats}
    for name in ("orthogonal", "affine"):
        pairs_of = zip(times["bare"], times[name], strict=True)
        figures[f"{name}_rate_of_bare"] = [bare / ours for bare, ours in pairs_of]
    figures |= {f"{name}_s": value for name, value in times.items()}
    for name in ("Orthogonal", "Affine"):
        figures[f"{name.lower()}_peak_mb_above_input"] = memory_peak_mb(
            _FIT.format(n=n, d=d, fit=f"isthmus.bridges.{name}().fit(x, y)")
        )
    record("fit", figures)


_FIT = (
    "import numpy as np, isthmus\n"
    "isthmus.bridges.Orthogonal\n"
    "rng = np.random.default_rng(0)\n"
    "x = rng.standard_normal(({n}, {d}), dtype=np.float32)\n"
    "y = rng.standard_normal(({n}, {d}), dtype=np.float32)\n"
    "small = isthmus.bridges.Affine().fit(x[:2000], y[:2000])\n"
    "mark()\n"
    "{fit}"
)
_LATENTIS = (
    "import numpy as np, torch\n"
    "from latentis.transform.translate.aligner import Procrustes\n"
    "from latentis.transform.translate.functional import sgd_affine_align_state\n"
    "rng = np.random.default_rng(0)\n"
    "x = torch.asarray(rng.standard_normal(({n}, {d}), dtype=np.float32))\n"
    "y = torch.asarray(rng.standard_normal(({n}, {d}), dtype=np.float32))\n"
    "Procrustes().fit(x[:2000], y[:2000])\n"
    "mark()\n"
    "{fit}"
)


def against_latentis(n=50_000, d=768, repeats=7):
    import torch
    from latentis.transform.translate.aligner import Procrustes
    from latentis.transform.translate.functional import lstsq_align_state, sgd_affine_align_state

    x, y = pairs(n, d)
    tx, ty = torch.asarray(x), torch.asarray(y)
    runs = {
        "orthogonal": (lambda: Orthogonal().fit(x, y), lambda: Procrustes().fit(tx, ty)),
        "affine": (
            lambda: Affine().fit(x, y),
            lambda: sgd_affine_align_state(tx, ty, num_steps=30, random_seed=0),
        ),
        "affine_against_lstsq": (
            lambda: Affine().fit(x, y),
            lambda: lstsq_align_state(tx, ty),
        ),
    }
    figures = {"rows": n, "dim": d, "repeats": repeats}
    figures["bare_xty_s"] = [seconds(lambda: x.T @ y) for _ in range(repeats)]
    for name, (ours, theirs) in runs.items():
        # A tenth of latentis's default steps, once: all 300 take five minutes.
        times = [
            (seconds(ours), seconds(theirs)) for _ in range(1 if name == "affine" else repeats)
        ]
        figures[f"{name}_times_faster"] = [b / a for a, b in times]
        figures[f"{name}_s"] = [a for a, _ in times]
        figures[f"{name}_latentis_s"] = [b for _, b in times]
    peaks = {
        "orthogonal": ("isthmus.bridges.Orthogonal().fit(x, y)", "Procrustes().fit(x, y)"),
        "affine": (
            "isthmus.bridges.Affine().fit(x, y)",
            "sgd_affine_align_state(x, y, num_steps=3, random_seed=0)",
        ),
    }
    for name, (ours, theirs) in peaks.items():
        mine = memory_peak_mb(_FIT.format(n=n, d=d, fit=ours))
        other = memory_peak_mb(_LATENTIS.format(n=n, d=d, fit=theirs))
        figures[f"{name}_peak_mb_above_input"] = mine
        figures[f"{name}_latentis_peak_mb_above_input"] = other
    record("fit-latentis", figures)


if __name__ == "__main__":
    against_products()
    if find_spec("latentis"):
        against_latentis()
    else:
        print("latentis is not installed: its comparison is skipped")
