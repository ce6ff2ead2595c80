"""Stores that are one file (FAISS, usearch) against plain files of the same rows, in one run.

    python benchmarks/index_files.py benchmarks/results/index_files.json

Reading is a whole ``scan`` against ``numpy.load``; gathering is every batch written durably to a
shadow against ``numpy.save`` with one fsync; finishing is ``finish`` against what the library
itself takes to build and write the same index.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np
import usearch.index

from isthmus.spaces.stores import connect
from isthmus.spaces.stores.store import Rows

DIM, BATCH, REPEATS = 256, 4096, 3


def best(call, repeats=REPEATS):
    """Seconds of the fastest of a few runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def durable(path, vectors):
    np.save(path, vectors)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def flat(path, x, ids):
    index = faiss.IndexIDMap2(faiss.IndexFlatIP(DIM))
    index.add_with_ids(x, ids)
    faiss.write_index(index, str(path))


def graph(path, x, ids):
    index = usearch.index.Index(ndim=DIM, metric="ip", dtype="f32")
    index.add(ids.astype(np.uint64), x)
    index.save(str(path))


def measured(scheme, build, folder, x, ids):
    build(folder / "docs", x, ids)
    np.save(folder / "x.npy", x)
    store = connect(f"{scheme}://{folder}/docs")

    def gather():
        store.drop("j")
        shadow = store.shadow("j", dim=DIM, metric=None)
        for start in range(0, len(x), BATCH):
            shadow.upsert(Rows(ids[start : start + BATCH], x[start : start + BATCH]))

    scan = best(lambda: sum(len(rows) for rows in store.scan(BATCH)))
    load = best(lambda: np.load(folder / "x.npy"))
    gathered, save = best(gather), best(lambda: durable(folder / "y.npy", x))
    start = time.perf_counter()
    store.finish("j")
    finished, own = time.perf_counter() - start, best(lambda: build(folder / "own", x, ids), 1)
    return {
        "scan_over_numpy_load": scan / load, "gather_over_numpy_save": gathered / save,
        "finish_over_library": finished / own, "seconds_scan": scan, "seconds_gather": gathered,
        "seconds_finish": finished,
    }  # fmt: skip


def main():
    rng = np.random.default_rng(0)
    found = {"dim": DIM, "command": f"python {' '.join(sys.argv)}"}
    # usearch builds some thousand rows a second, so it gets fewer.
    for scheme, build, rows in (("faiss", flat, 60_000), ("usearch", graph, 4_000)):
        x, ids = rng.normal(size=(rows, DIM)).astype(np.float32), rng.permutation(rows)
        with tempfile.TemporaryDirectory() as folder:
            found[scheme] = {"rows": rows} | measured(scheme, build, Path(folder), x, ids)
    Path(sys.argv[1]).write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
