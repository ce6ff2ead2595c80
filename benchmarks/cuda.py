"""What a CUDA device gains: the same call on NumPy and on CUDA tensors, and the bare product there.

    python benchmarks/cuda.py [--out benchmarks/results/cuda.json] [--rows 20000] [--dims 768]

Each row: seconds on NumPy (all cores), seconds on CUDA tensors (float32, synchronised, best of
five after a warm-up), and the CUDA seconds over those of the bare product x'y on the device.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isthmus.core.registry import method

MEASURES = ("debiased_cka", "cka", "procrustes_distance", "cca", "effective_rank", "mutual_knn")
BRIDGES = ("orthogonal", "affine", "relative")


def best(call: Callable[[], Any], times: int = 5) -> float:
    """The least seconds of ``times`` calls, each waited for on the device."""
    call()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return min(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/cuda.json"))
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--dims", type=int, default=768)
    given = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("no CUDA device on this machine: nothing to measure")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(given.rows, given.dims)).astype(np.float32)
    mix = rng.normal(size=(given.dims, given.dims)) / np.sqrt(given.dims)
    y = (x @ mix + 0.5 * rng.normal(size=x.shape)).astype(np.float32)
    on_device = [torch.asarray(side, device="cuda") for side in (x, y)]
    bare = best(lambda: on_device[0].T @ on_device[1])
    rows = {}
    for name in MEASURES:
        one = method("measures", name)
        sides = one.card.spaces
        few = slice(0, min(given.rows, 10_000 if "knn" in name else given.rows))
        calls = [
            lambda one=one, few=few, sides=sides, both=both: one.call(
                *(side[few] for side in both[:sides])
            )
            for both in ((x, y), on_device)
        ]
        rows[name] = measured(calls, bare, [float(call()) for call in calls])
    for name in BRIDGES:
        made = method("bridges", name).call
        rows[f"{name}, fit"] = measured(
            [lambda made=made, both=both: made().fit(*both) for both in ((x, y), on_device)], bare
        )
        fitted = made().fit(x, y)
        rows[f"{name}, transform"] = measured(
            [lambda fitted=fitted, side=side: fitted.transform(side) for side in (x, on_device[0])],
            bare,
        )
    found = {
        "command": "python benchmarks/cuda.py",
        "device": torch.cuda.get_device_name(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "rows": given.rows,
        "dims": given.dims,
        "bare_product_seconds": bare,
        "results": rows,
    }
    given.out.write_text(json.dumps(found, indent=1) + "\n")
    for name, row in rows.items():
        print(f"{name:24} " + "  ".join(f"{key} {value:.4g}" for key, value in row.items()))


def measured(
    calls: list[Callable[[], Any]], bare: float, values: list[float] | None = None
) -> dict[str, float]:
    """Seconds on either, their ratio, and (of measures) how far the two values are apart."""
    cpu, cuda = best(calls[0], 2), best(calls[1])
    row = {"numpy": cpu, "cuda": cuda, "times_faster": cpu / cuda, "of_bare": cuda / bare}
    if values is not None:
        row["apart"] = abs(values[0] - values[1])
    return row


if __name__ == "__main__":
    main()
