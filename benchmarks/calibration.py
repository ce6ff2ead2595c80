"""Coverage of every measure's 95 % interval and the size of its test at 5 %, by simulation.

python benchmarks/calibration.py [--only NAME ...] [--sims 1000]

Four regimes: n = 50 and 500 rows, d = 20 and 500 dimensions. Two related spaces share most of
ten hidden directions, under noise with a decaying spectrum; unrelated ones are drawn apart. The
interval is asked to cover the value of the whole population, taken at 40,000 rows, where the
measure has a limit (its cost knows no n²); neighbour and kernel statistics are defined at their n,
and there the interval is asked to cover the mean of the simulations. Results are kept one measure
at a time, so a run can be continued or repeated in part; docs/calibration.md is written from them.
"""

import argparse
import json
import os
import time
import zlib
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402
from record import RESULTS  # noqa: E402

from isthmus.core.errors import InputError  # noqa: E402
from isthmus.core.registry import method, methods  # noqa: E402

REGIMES = tuple((n, d) for n in (50, 500) for d in (20, 500))
HIDDEN = 10
POPULATION = 40_000
#: Seconds one measure may take in one regime; what does not fit is said in its count.
BUDGET = 900.0
FILE = RESULTS / "calibration.json"
PAGE = Path(__file__).parents[1] / "docs" / "calibration.md"
INTERVAL_BAND, SIZE_BAND = (0.93, 0.97), (0.04, 0.06)


def draw(n, d, rng, *, related):
    """Two spaces (n, d) over shared or separate hidden directions, labels, factors, a confound."""
    world = np.random.default_rng(d)  # the population: the same for every draw
    scales = np.geomspace(2.0, 0.5, HIDDEN)
    maps = [world.normal(size=(HIDDEN, d)) / np.sqrt(d) * scales[:, None] for _ in range(2)]
    noise = 0.5 / np.sqrt(np.arange(1, d + 1))
    hidden = rng.normal(size=(n, HIDDEN))
    other = rng.normal(size=(n, HIDDEN))
    if related:  # part of what the second space holds is its own
        other = 0.8 * hidden + 0.6 * other
    sides = [
        h @ m * np.sqrt(d / 20) + 0.3 + rng.normal(size=(n, d)) * noise
        for h, m in zip((hidden, other), maps, strict=True)
    ]
    high = (other[:, :3] > 0).astype(np.int64)
    given = {
        "labels": high[:, 0] + 2 * high[:, 1], "factors": high,
        "groups": np.arange(n) // 5, "confound": hidden[:, :1] + rng.normal(size=(n, 2)),
    }  # fmt: skip
    return sides, given


def score(one, n, d, rng, *, related):
    sides, given = draw(n, d, rng, related=related)
    return one.call(*sides[: one.card.spaces], **{key: given[key] for key in one.card.given})


def seeded(*parts):
    return np.random.default_rng([zlib.crc32(str(part).encode()) for part in parts])


def study(task):
    """Coverage and size of one measure in one regime."""
    name, n, d, sims = task
    one = method("measures", name)
    row = {"method": name, "n": n, "d": d}
    try:
        start = time.perf_counter()
        first = score(one, n, d, seeded("first", name), related=True)
        each = time.perf_counter() - start
    except InputError as error:
        return row | {"refused": str(error)[:160]}
    row["seconds"] = round(each, 4)
    row["warns"] = bool(first.warnings)
    count = max(20, min(sims, int(BUDGET / 2 / max(each, 1e-6))))
    if first.ci is not None:
        values, lows, highs = [], [], []
        rng = seeded("coverage", name, n, d)
        for _ in range(count):
            found = score(one, n, d, rng, related=True)
            if found.ci is not None:
                values.append(found.value)
                lows.append(found.ci[0])
                highs.append(found.ci[1])
        centre = float(np.mean(values))
        truth = centre if "n^2" in one.card.cost else limit(one, d, each * POPULATION / n)
        if truth is None:
            truth, row["target"] = centre, "mean at n"
        else:
            row["target"] = "mean at n" if "n^2" in one.card.cost else "population"
        lows, highs = np.array(lows), np.array(highs)
        row |= {
            "coverage": float(np.mean((lows <= truth) & (truth <= highs))),
            "coverage_of_mean": float(np.mean((lows <= centre) & (centre <= highs))),
            "mean": centre, "truth": truth, "width": float(np.mean(highs - lows)),
            "intervals": len(values),
        }  # fmt: skip
    null = score(one, n, d, seeded("null", name), related=False) if one.card.spaces else first
    if null.p is not None:
        rng = seeded("size", name, n, d)
        ps = [score(one, n, d, rng, related=False).p for _ in range(count)]
        ps = np.array([p for p in ps if p is not None])
        row |= {"size": float(np.mean(ps <= 0.05)), "tests": len(ps)}
    return row


def limit(one, d, seconds):
    """The value of the population, at 40,000 rows; None where that takes too long."""
    if seconds > BUDGET:
        return None
    try:
        return float(score(one, POPULATION, d, seeded("population", one.name, d), related=True))
    except InputError:
        return None


def page(rows):
    """docs/calibration.md from the rows."""
    lines = [
        "# Calibration: do the intervals cover, do the tests keep their size?", "",
        "Written by `python benchmarks/calibration.py` from "
        "[its figures](../benchmarks/results/calibration.json). Coverage should lie within 93 and",
        "97 %, the size of the test at 5 % within 4 and 6 %; what lies outside is **bold**, and",
        "its card says so. `W` marks regimes where the score itself carries a warning. Neighbour",
        "and kernel statistics are asked to cover their mean at that n, the others the value of",
        "the population. The last columns give simulations per cell (fewest).", "",
        "| measure | " + " | ".join(f"n={n} d={d}" for n, d in REGIMES) + " | sims |",
        "|---|" + "---|" * (len(REGIMES) + 1),
    ]  # fmt: skip
    for kind, band, count in (
        ("coverage", INTERVAL_BAND, "intervals"), ("size", SIZE_BAND, "tests")
    ):  # fmt: skip
        lines.append(f"| *{kind}* |" + " |" * (len(REGIMES) + 1))
        for name in sorted({row["method"] for row in rows if kind in row}):
            mine = {(row["n"], row["d"]): row for row in rows if row["method"] == name}
            cells = [_cell(mine.get(regime, {}), kind, band) for regime in REGIMES]
            least = min(row[count] for row in mine.values() if count in row)
            lines.append(f"| {name} | " + " | ".join(cells) + f" | {least} |")
    return "\n".join(lines) + "\n"


def _cell(row, kind, band):
    if kind not in row:
        return "refused" if "refused" in row else "-"
    text = f"{100 * row[kind]:.1f}"
    text = text if band[0] <= row[kind] <= band[1] else f"**{text}**"
    return text + (" W" if row.get("warns") and kind == "coverage" else "")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=())
    parser.add_argument("--sims", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    names = [m.name for m in methods("measures") if m.card.spaces]
    names = [name for name in names if not options.only or name in options.only]
    known = json.loads(FILE.read_text())["rows"] if FILE.is_file() else []
    tasks = [(name, n, d, options.sims) for name in names for n, d in REGIMES]
    from multiprocessing import get_context

    with get_context("spawn").Pool(options.workers) as pool:
        for row in pool.imap_unordered(study, tasks, chunksize=1):
            key = (row["method"], row["n"], row["d"])
            known = [old for old in known if (old["method"], old["n"], old["d"]) != key]
            known = sorted([*known, row], key=lambda r: (r["method"], r["n"], r["d"]))
            print(json.dumps(row), flush=True)
            command = "python benchmarks/calibration.py"
            data = {"command": command, "hidden": HIDDEN, "rows": known}
            FILE.write_text(json.dumps(data, indent=1) + "\n")
    PAGE.write_text(page(known))


if __name__ == "__main__":
    main()
