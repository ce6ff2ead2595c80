"""isthmus.runtime: loading a bridge file and mapping one query, against the bare product.

    python benchmarks/runtime.py

Wall times and, for a machine that others use too, processor times. Everything runs in one process
that has loaded NumPy and the runtime alone; ``import_ms`` is what a fresh process pays for it.
"""

import subprocess
import sys
import tempfile
import time
import timeit
from pathlib import Path

import numpy as np
from record import record

DIM, LOADS, REPEATS, NUMBER = 768, 30, 15, 2000

FIT = """
import sys
import numpy as np
import isthmus
rng = np.random.default_rng(0)
x = (rng.normal(size=(4000, {d})) * np.geomspace(1, 0.1, {d})).astype(np.float32)
turn = np.linalg.qr(rng.normal(size=({d}, {d})))[0].astype(np.float32)
isthmus.fit(x, x @ turn, method="orthogonal").save(sys.argv[1])
"""
IMPORT = """
import time, numpy
start = time.perf_counter()
import isthmus.runtime
print(1e3 * (time.perf_counter() - start))
"""


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "b.isthmus"
        subprocess.run([sys.executable, "-c", FIT.format(d=DIM), path], check=True)
        from isthmus import runtime

        wall, used = [], []
        for _ in range(LOADS):
            start, busy = time.perf_counter(), time.process_time()
            bridge = runtime.load(path)
            wall.append(1e3 * (time.perf_counter() - start))
            used.append(1e3 * (time.process_time() - busy))
        size = path.stat().st_size
    imports = [
        float(
            subprocess.run([sys.executable, "-c", IMPORT], check=True, capture_output=True).stdout
        )
        for _ in range(5)
    ]
    rng = np.random.default_rng(0)
    query = rng.normal(size=DIM).astype(np.float32)
    # The bare product at its best: W column by column is nearly twice as fast on two threads.
    w = np.asfortranarray(rng.normal(size=(DIM, DIM)).astype(np.float32))
    b = rng.normal(size=DIM).astype(np.float32)
    ours, bare, ratio = [], [], []
    for _ in range(REPEATS):
        base = timeit.timeit(lambda: query @ w + b, number=NUMBER) / NUMBER
        mine = timeit.timeit(lambda: bridge(query), number=NUMBER) / NUMBER
        bare.append(base * 1e6)
        ours.append(mine * 1e6)
        ratio.append(mine / base)
    record("runtime", {
        "dim": DIM, "dtype": "float32", "file_bytes": size, "import_ms": imports,
        "load_ms": wall, "load_processor_ms": used, "query_us": ours, "bare_us": bare,
        "query_to_bare": ratio,
    })  # fmt: skip


if __name__ == "__main__":
    main()
