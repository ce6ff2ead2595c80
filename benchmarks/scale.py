"""Engines and scale: workers, Ray, memory, low precision; and what a billion vectors would cost.

    python benchmarks/scale.py [--rows 4000000] [--compute-rows 1000000] [--repeats 2]

Every figure is a ratio of runs side by side in this one command, which takes some six minutes and
20 GB of disk. Interrupted, it goes on after the last piece that was finished. In the end it writes
docs/scale.md from its figures (scale_page.py), so that no number there was typed.
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import statistics
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
from record import RESULTS
from scale_page import write_page
from threadpoolctl import threadpool_limits

PARTIAL = RESULTS / "scale.partial.json"
FOLDER = Path("bench-tmp-scale")
BLOCK = 50_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--compute-rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    settings = vars(options)
    pieces = json.loads(PARTIAL.read_text()) if PARTIAL.exists() else {}
    if pieces.get("settings") != settings:
        # Other work on the machine shows here, and makes every figure worthless.
        pieces = {"settings": settings, "load_before": os.getloadavg()[0]}
    FOLDER.mkdir(exist_ok=True)
    threadpool_limits(1, user_api="blas")
    for piece in (precision, compute, wide, fit_moments, ids_in_the_driver):
        if piece.__name__ in pieces:
            continue
        print(f"== {piece.__name__}", flush=True)
        pieces[piece.__name__] = found = piece(options)
        print(json.dumps(found, indent=1), flush=True)
        PARTIAL.write_text(json.dumps(pieces))
    shutil.rmtree(FOLDER)
    data = {
        "command": " ".join(["python", "benchmarks/scale.py", *sys.argv[1:]]),
        "cores": os.cpu_count(), "python": platform.python_version(), "numpy": np.__version__,
        "figures": pieces,
    }  # fmt: skip
    (RESULTS / "scale.json").write_text(json.dumps(data, indent=1) + "\n")
    write_page(data)
    PARTIAL.unlink()


# -- pieces ---------------------------------------------------------------------------------------


def compute(options: argparse.Namespace) -> dict:
    """Workers on a map bound by arithmetic, 768 -> 1024 written as float16."""
    source, bridge = collection(options.compute_rows, 768, 1024)
    # A few rows in two shards: what two workers cost before they work.
    few, _ = collection(2000, 768, 1024, name="few")
    start = min(translated(few, bridge, "processes-2", rows=1000)[0] for _ in range(2))
    rate, seconds = product_rate(768, 1024), {1: [], 2: []}
    for _ in range(options.repeats):
        for workers, times in seconds.items():
            times.append(translated(source, bridge, f"processes-{workers}", dtype="float16")[0])
    source.unlink()
    return {
        "start_of_two_s": start, "rows": options.compute_rows,
        "dims": [768, 1024], "written": "float16",
        "product_gflops_per_core": rate, "one_worker_s": spread(seconds[1]),
        "two_workers_s": spread(seconds[2]),
        "two_workers_times_one": spread(ratios(seconds[1], seconds[2])),
    }  # fmt: skip


def wide(options: argparse.Namespace) -> dict:
    """A map bound by the disk, 384 -> 384: a raw copy, threads, two processes, two of Ray's."""
    source, bridge = collection(options.rows, 384, 384)
    small, _ = collection(options.rows // 4, 384, 384, name="small")
    started = time.perf_counter()
    start_ray()
    ray_start = time.perf_counter() - started
    kinds = ("copy", "threads-2", "processes-2", "ray-2")
    seconds, peaks = {kind: [] for kind in kinds}, {kind: [] for kind in kinds}
    for _ in range(options.repeats):
        for kind in kinds:
            if kind == "copy":
                seconds[kind].append(raw_copy(source))
                continue
            took, peak = translated(source, bridge, kind)
            seconds[kind].append(took)
            peaks[kind].append(peak)
    quarter = {kind: translated(small, bridge, kind)[1] for kind in kinds[2:]}
    source.unlink()
    small.unlink()
    pool = seconds["processes-2"]
    return {
        "rows": options.rows, "dims": [384, 384], "written": "float32",
        **{f"{kind}_s": spread(values) for kind, values in seconds.items()},
        "processes_rate_of_copy": spread(ratios(seconds["copy"], pool)),
        "ray_time_of_processes": spread(ratios(seconds["ray-2"], pool)),
        "ray_start_s": ray_start,
        "worker_peak_mb": {kind: max(peaks[kind]) for kind in kinds[2:]},
        "worker_peak_mb_at_a_quarter_of_the_rows": quarter,
    }  # fmt: skip


def fit_moments(options: argparse.Namespace) -> dict:
    """Moments of 384-d pairs: one pass against two workers, and how far the results differ."""
    import isthmus
    from isthmus.bridges.fit_shards import shard_moments
    from isthmus.engine import Processes

    ends = [collection(options.rows // 2, 384, 384, name=name)[0] for name in ("x", "y")]
    pairs = isthmus.pair(*ends)
    seconds, found = {None: [], Processes(2): []}, []
    for _ in range(options.repeats):
        for engine, times in seconds.items():
            start = time.perf_counter()
            found.append(shard_moments(pairs, keeps="source", engine=engine))
            times.append(time.perf_counter() - start)
    for end in ends:
        end.unlink()
    one, two = seconds.values()
    a, b = (m.scatter_xy for m in found[:2])
    return {
        "rows": options.rows // 2, "dims": [384, 384],
        "one_pass_s": spread(one), "two_workers_s": spread(two),
        "two_workers_times_one_pass": spread(ratios(one, two)),
        "largest_difference_of_largest_entry": float(np.abs(a - b).max() / np.abs(a).max()),
    }  # fmt: skip


def precision(options: argparse.Namespace) -> dict:
    """One core's map 768 -> 1024 in float32, bfloat16 and int8, each with its error."""
    flags = processor_flags()
    has = {name: bool(flags & wanted) for name, wanted in {
        "bfloat16": {"avx512_bf16", "amx_bf16"}, "int8": {"avx512_vnni", "avx_vnni", "amx_int8"},
    }.items()}  # fmt: skip
    try:
        import torch
    except ImportError:
        return {"processor_has": has, "measured": "torch is not installed"}
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((512, 768), dtype=np.float32) * np.geomspace(3, 0.1, 768, dtype="f4")
    w = np.linalg.qr(rng.normal(size=(1024, 768)))[0].T.astype(np.float32)
    tx, half = torch.asarray(x), torch.asarray(w).bfloat16()
    step = torch.asarray(w).abs().amax(0) / 127
    steps = (torch.asarray(w) / step).round().to(torch.int8)

    def int8():
        scale = tx.abs().amax(1, keepdim=True) / 127
        whole = (tx / scale).round_().to(torch.int8)
        return torch._int_mm(whole, steps).float().mul_(scale).mul_(step).numpy()

    maps = {"float32": lambda: x @ w, "bfloat16": lambda: (tx.bfloat16() @ half).float().numpy(),
            "int8": int8}  # fmt: skip
    times = {name: [] for name in maps}
    for _ in range(30):
        for name, run in maps.items():
            times[name].append(timed(run))
    exact = x.astype(np.float64) @ w.astype(np.float64)
    return {
        "processor_has": has, "dims": [768, 1024],
        **{f"{name}_times_float32": statistics.median(times["float32"]) / statistics.median(values)
           for name, values in times.items() if name != "float32"},
        **{f"{name}_relative_error": float(np.linalg.norm(run() - exact) / np.linalg.norm(exact))
           for name, run in maps.items()},
    }  # fmt: skip


def ids_in_the_driver(options: argparse.Namespace) -> dict:
    """What the check for duplicate ids holds in the driver, per id; virtual ids cost nothing."""
    import tracemalloc

    from isthmus.spaces.columns import ArrayColumn
    from isthmus.spaces.ids import IdColumn, duplicates

    ids = IdColumn(ArrayColumn(np.arange(2_000_000)), "ids")
    tracemalloc.start()
    duplicates(ids)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {"ids": 2_000_000, "bytes_per_id": peak / 2_000_000}


# -- how they are measured ------------------------------------------------------------------------


def translated(
    source: Path, bridge: Path, kind: str, dtype: str = "float32", rows: int | None = None
) -> tuple:
    """Seconds of one translation, its workers' start included, and the most MB a worker held."""
    import isthmus
    from isthmus.engine import named

    name, workers = kind.split("-")
    target = FOLDER / "out"
    with watched() as peak:
        start = time.perf_counter()
        isthmus.translate(
            source, bridge, target, dtype=dtype, rows_per_shard=rows,
            engine=named(name, workers=int(workers)),
        )  # fmt: skip
        seconds = time.perf_counter() - start
    shutil.rmtree(target)
    return seconds, peak[0]


@contextlib.contextmanager
def watched():
    """The largest resident memory of any child of this process, looked at 20 times a second."""
    peak, over = [0.0], threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    peak[0] = max(peak[0], child.memory_info().rss / 1e6)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def start_ray() -> None:
    from isthmus.engine import Ray

    list(Ray(workers=2).map(abs, [1]))


def raw_copy(source: Path) -> float:
    start = time.perf_counter()
    with source.open("rb", buffering=0) as reader, (FOLDER / "copy").open("wb", buffering=0) as to:
        view = memoryview(bytearray(8 << 20))
        while count := reader.readinto(view):
            to.write(view[:count])
        os.fsync(to.fileno())
    seconds = time.perf_counter() - start
    (FOLDER / "copy").unlink()
    return seconds


def product_rate(dx: int, dy: int) -> float:
    x, w = (np.ones(shape, np.float32) for shape in ((512, dx), (dx, dy)))
    return 2 * 512 * dx * dy / min(timed(lambda: x @ w) for _ in range(200)) / 1e9


def collection(rows: int, dx: int, dy: int, *, name: str = "source") -> tuple[Path, Path]:
    """Vectors in one file, a block over and over, and a bridge for them."""
    import isthmus

    rng = np.random.default_rng(len(name))
    block = rng.standard_normal((BLOCK, dx), dtype=np.float32)
    block *= np.geomspace(3, 0.1, dx, dtype="f4")
    path, bridge = FOLDER / f"{name}.npy", FOLDER / f"{dx}-{dy}.isthmus"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": (rows, dx)}
        )
        for start in range(0, rows, BLOCK):
            file.write(block[: rows - start].data)
        os.fsync(file.fileno())
    if not bridge.exists():
        turn = np.linalg.qr(rng.normal(size=(max(dx, dy), dx)))[0].T[:, :dy].astype(np.float32)
        isthmus.fit(block[:20_000], block[:20_000] @ turn, method="affine").save(bridge)
    return path, bridge


def processor_flags() -> set[str]:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("flags"):
                return set(line.split())
    return set()


def timed(run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def ratios(above: list[float], below: list[float]) -> list[float]:
    return [a / b for a, b in zip(above, below, strict=True)]


def spread(values: list[float]) -> dict:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


if __name__ == "__main__":
    main()
