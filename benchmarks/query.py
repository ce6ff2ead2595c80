"""One query vector through a loaded bridge, against the bare matrix-vector product.

python benchmarks/query.py
"""

import tempfile
import timeit
from pathlib import Path

import numpy as np
from record import record

import isthmus


def main(d=768, repeats=15, number=3000):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(4000, d)) * np.geomspace(1, 0.1, d)).astype(np.float32)
    y = x @ np.linalg.qr(rng.normal(size=(d, d)))[0].astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = isthmus.fit(x, y, method="orthogonal").save(Path(folder) / "b.isthmus")
        bridge = isthmus.load(path)
    query, weights = x[0], np.ascontiguousarray(bridge.map.coef_, dtype=np.float32)
    beyond, bare, ours = [], [], []
    for _ in range(repeats):
        a = timeit.timeit(lambda: query @ weights, number=number) / number
        b = timeit.timeit(lambda: bridge(query), number=number) / number
        bare.append(a * 1e6)
        ours.append(b * 1e6)
        beyond.append((b - a) * 1e6)
    record("query", {
        "dim": d, "dtype": "float32", "repeats": repeats, "beyond_bare_us": beyond,
        "bare_us": bare, "bridge_us": ours,
    })  # fmt: skip


if __name__ == "__main__":
    main()
