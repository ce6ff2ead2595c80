"""Translate n x 384 float32 into a space directory, against a raw copy and the bare product.

    python benchmarks/translate.py [--rows 1000000]

One process per measurement for the peak memory, one run side by side for the times.
"""

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from record import memory_peak_mb, record

DIM = 384


def make(path: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    turn = rng.normal(size=(DIM, DIM)).astype(np.float32) * np.geomspace(1, 0.05, DIM, dtype="f4")
    out = np.lib.format.open_memmap(path, "w+", np.float32, (rows, DIM))
    for start in range(0, rows, 50_000):
        stop = min(start + 50_000, rows)
        out[start:stop] = rng.normal(size=(stop - start, DIM)).astype(np.float32) @ turn
    out.flush()


def raw_copy(source: Path, folder: Path) -> float:
    start = time.perf_counter()
    with source.open("rb", buffering=0) as reader, (folder / "copy").open("wb", buffering=0) as to:
        buffer = bytearray(8 << 20)
        view = memoryview(buffer)
        while count := reader.readinto(buffer):
            to.write(view[:count])
        os.fsync(to.fileno())
    seconds = time.perf_counter() - start
    (folder / "copy").unlink()
    return seconds


def product(source: Path) -> float:
    x = np.load(source, mmap_mode="r")
    w = np.random.default_rng(1).normal(size=(DIM, DIM)).astype(np.float32)
    total = 0.0
    out = np.empty((4096, DIM), np.float32)
    for start in range(0, len(x), 4096):
        block = np.array(x[start : start + 4096])
        begin = time.perf_counter()
        np.matmul(block, w, out=out[: len(block)])
        total += time.perf_counter() - begin
    return total


def translated(source: Path, folder: Path) -> float:
    import isthmus

    bridge = isthmus.load(folder / "bridge.isthmus")
    start = time.perf_counter()
    isthmus.translate(source, bridge, folder / "out")
    seconds = time.perf_counter() - start
    shutil.rmtree(folder / "out")
    return seconds


def peak(source: Path, folder: Path) -> float:
    code = "import isthmus\nisthmus.translate(sys.argv[1], sys.argv[2], sys.argv[3])"
    result = memory_peak_mb(code, source, folder / "bridge.isthmus", folder / "out")
    shutil.rmtree(folder / "out")
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    import isthmus

    with tempfile.TemporaryDirectory(dir=".", prefix="bench-tmp-") as name:
        folder = Path(name)
        source = folder / "source.npy"
        make(source, options.rows)
        head = np.load(source, mmap_mode="r")[:20_000]
        w = np.linalg.qr(np.random.default_rng(2).normal(size=(DIM, DIM)))[0].astype(np.float32)
        isthmus.fit(head, head @ w, method="orthogonal").save(folder / "bridge.isthmus")
        ratios, parts = [], []
        for _ in range(options.repeats):
            copy, multiply = raw_copy(source, folder), product(source)
            ours = translated(source, folder)
            parts.append((copy, multiply, ours))
            ratios.append(ours / max(copy, multiply))
        record("translate" if options.rows == 1_000_000 else f"translate-{options.rows}", {
            "rows": options.rows, "dim": DIM, "repeats": options.repeats,
            "ratio_to_limit": ratios,
            "copy_s": [p[0] for p in parts], "product_s": [p[1] for p in parts],
            "translate_s": [p[2] for p in parts],
            "peak_mb": peak(source, folder),
        })  # fmt: skip


if __name__ == "__main__":
    main()
