"""Coverage of every measure's 95 % interval and the size of its test at 5 %, by simulation.

python benchmarks/calibration.py [--only NAME ...] [--missing [FEWER]] [--sims 4000] [--seconds 60]

Four regimes: n = 50 and 500 rows, d = 20 and 500 dimensions. Two related spaces share most of
ten hidden directions, under noise with a decaying spectrum; unrelated ones share nothing.

What an interval is asked to cover is the value of the whole population, whatever bias the value
has at n: a reader takes the interval for where the truth lies. Only what is defined by its n rows
(neighbours among n, maps trained on n) is asked to cover its own mean over the simulations. Both
coverages are kept: where only that of the mean is right, the value is biased and the interval is
not at fault. A test is asked for its size on unrelated spaces; a two-sample test on two samples of
one population.

Every cell runs until ``--sims`` or ``--seconds``, never under 200 simulations; the page says how
many. The seeds are fixed by measure and regime. Results are kept cell by cell in
benchmarks/results/calibration.json, so a run can be continued (``--missing``), cells of fewer than
1,000 simulations be run again (``--missing 1000``), or any be repeated (``--only``).
A simulation error of 0.7 points at 1,000 puts one right cell in seven outside 4 to 6 %, one of 0.3
at 4,000 almost none: hence the 4,000.
"""

import argparse
import inspect
import json
import math
import os
import time
import zlib

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402
from calibration_page import (  # noqa: E402
    AT_N,
    FILE,
    HIDDEN,
    LEAST,
    NEITHER,
    PAGE,
    REGIMES,
    page,
    simulated_rows,
)

from isthmus.core.errors import InputError  # noqa: E402
from isthmus.core.registry import method, methods  # noqa: E402

#: Rows and repeats that stand for the population: of one pass over rows, and of all pairs of rows.
LINEAR, PAIRWISE = (20_000, 6), (2_000, 24)
#: Seconds a population may take.
PATIENCE = 60.0


def _probabilities(sides):
    """A source model of five classes: the softmax of five columns of the first space."""
    odds = np.exp(sides[0][:, :5])
    return (odds / odds.sum(axis=1, keepdims=True),)


def _attribute(sides):
    """Rows of the first space, and a number of each that the second one knows."""
    return sides[0], sides[1][:, 0]


#: What measures of other things than spaces are given, from the two spaces.
ADAPTED = {
    "leep": _probabilities,
    "input_feature_debiased_cka": tuple,
    "rank_axis": _attribute,
    "curation_fit": _attribute,
}
#: Measures for which columns are a sample of features, drawn with the rows, and the value over all
#: features and rows: there what each feature adds on its own has vanished, and the hidden
#: directions of both sides are left, which correlate by 0.8.
FEATURES = {"input_feature_debiased_cka": 0.8**2}


def draw(n, d, rng, *, related, paired=True, features=False):
    """Two spaces (n, d) over shared or separate hidden directions, labels, factors, a confound.

    With ``paired=False`` the rows are of two independent samples: of two populations where
    ``related``, of the same one where not, which is what a two-sample test takes for chance.
    ``features``: the columns are drawn anew too.
    """
    # The population: the same for every draw.
    world = rng if features else np.random.default_rng(d)
    scales = np.geomspace(2.0, 0.5, HIDDEN)
    maps = [world.normal(size=(HIDDEN, d)) / np.sqrt(d) * scales[:, None] for _ in range(2)]
    noise = 0.5 / np.sqrt(np.arange(1, d + 1))
    hidden = rng.normal(size=(n, HIDDEN))
    other = rng.normal(size=(n, HIDDEN))
    if related and paired:  # part of what the second space holds is its own
        other = 0.8 * hidden + 0.6 * other
    if not related and not paired:
        maps[1] = maps[0]
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
    paired = one.card.paired or one.card.spaces == 1
    features = one.name in FEATURES
    sides, given = draw(n, d, rng, related=related, paired=paired, features=features)
    given = {key: given[key] for key in one.card.given}
    if "rng" in inspect.signature(one.call).parameters:
        # The level of a test by random draws is over those draws too, not over one seed's.
        given["rng"] = int(rng.integers(2**31))
    shown = ADAPTED[one.name](sides) if one.name in ADAPTED else sides[: one.card.spaces]
    return one.call(*shown, **given)


def seeded(*parts):
    return np.random.default_rng([zlib.crc32(str(part).encode()) for part in parts])


def study(task):
    """Coverage and size of one measure in one regime."""
    name, n, d, sims, seconds = task
    one = method("measures", name)
    row = {"method": name, "n": n, "d": d}
    try:
        start = time.perf_counter()
        first = score(one, n, d, seeded("first", name), related=True)
        each = time.perf_counter() - start
        null = score(one, n, d, seeded("null", name), related=False) if tested(one) else None
    except InputError as error:
        return row | {"refused": str(error)[:160]}
    row["seconds"] = round(each, 4)
    if first.ci is not None:
        row |= coverage(one, n, d, sims, seconds)
    if null is not None and null.p is not None:
        rng = seeded("size", name, n, d)
        ps, warned = [], 0
        for found in _simulated(one, n, d, rng, sims, seconds, related=False):
            if found.p is not None:
                ps.append(found.p)
                warned += bool(found.warnings)
        row |= {"size": float(np.mean(np.array(ps) <= 0.05)), "tests": len(ps),
                "tests_warned": warned / len(ps)}  # fmt: skip
    return row


def simulated(row):
    """The simulations of a cell, of its interval or its test, whichever has fewer."""
    counts = [row["intervals"] + row["withheld"]] if "intervals" in row else []
    return min([*counts, *([row["tests"]] if "tests" in row else [])], default=math.inf)


def tested(one):
    """Whether there is something to be unrelated to."""
    return one.card.spaces == 2 or bool(one.card.given) or one.name in ADAPTED


def _simulated(one, n, d, rng, sims, seconds, *, related):
    start, done = time.process_time(), 0
    for _ in range(2 * sims):
        if done == sims or (done >= LEAST and time.process_time() - start > seconds):
            return
        try:
            yield score(one, n, d, rng, related=related)
        except InputError:  # a draw that the measure refuses, a class too small for one
            continue
        done += 1


def coverage(one, n, d, sims, seconds):
    """The share of intervals that hold the truth, and that hold the mean."""
    values, ends, warned, withheld = [], [], 0, 0
    rng = seeded("coverage", one.name, n, d)
    for found in _simulated(one, n, d, rng, sims, seconds, related=True):
        if found.ci is None:
            withheld += 1
            continue
        values.append(found.value)
        ends.append(found.ci)
        warned += bool(found.warnings)
    values, (lows, highs) = np.array(values), np.array(ends).T
    centre = float(values.mean())
    truth = None if one.name in AT_N else population(one, d)
    row = {"target": "mean at n" if truth is None else "population"}
    truth = centre if truth is None else truth
    return row | {
        "coverage": float(np.mean((lows <= truth) & (truth <= highs))),
        "coverage_of_mean": float(np.mean((lows <= centre) & (centre <= highs))),
        "above": float(np.mean(lows > truth)), "below": float(np.mean(highs < truth)),
        "mean": centre, "truth": truth, "sd": float(values.std(ddof=1)),
        "width": float(np.mean(highs - lows)),
        "intervals": len(values), "withheld": withheld, "warned": warned / len(values),
    }  # fmt: skip


_POPULATIONS = {}


def population(one, d):
    """The value of the population: a mean over large samples. None where that takes too long."""
    if one.name in FEATURES:
        return FEATURES[one.name]
    key = one.name, d
    if key not in _POPULATIONS:
        rows, repeats = PAIRWISE if "n^2" in one.card.cost or "n^3" in one.card.cost else LINEAR
        rng = seeded("population", one.name, d)
        start = time.process_time()
        values = []
        for _ in range(repeats):
            try:
                values.append(float(score(one, rows, d, rng, related=True)))
            except InputError:
                values = []
                break
            if (time.process_time() - start) / len(values) * repeats > PATIENCE:
                values = []
                break
        _POPULATIONS[key] = float(np.mean(values)) if values else None
    return _POPULATIONS[key]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", nargs="*", default=(), help="these measures")
    parser.add_argument(
        "--missing", type=int, nargs="?", const=1, metavar="FEWER",
        help="only cells without figures yet, or of fewer simulations than that",
    )  # fmt: skip
    parser.add_argument("--page", action="store_true", help="write the page, simulate nothing")
    parser.add_argument("--dims", type=int, nargs="*", default=(20, 500))
    parser.add_argument("--sims", type=int, default=4000)
    parser.add_argument("--seconds", type=float, default=60.0, help="of one half of one cell")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    known = simulated_rows()
    if options.page:
        PAGE.write_text(page(known), encoding="utf-8")
        return
    # Cheap regimes first: what stops the run costs the least then.
    fewest = options.missing
    done = {(r["method"], r["n"], r["d"]) for r in known if fewest and simulated(r) >= fewest}
    names = [
        m.name
        for m in methods("measures")
        if (m.card.spaces or m.name in ADAPTED) and m.name not in NEITHER
    ]
    tasks = [
        (name, n, d, options.sims, options.seconds)
        for n, d in REGIMES
        for name in names
        if d in options.dims
        and (not options.only or name in options.only)
        and (name, n, d) not in done
    ]
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
    PAGE.write_text(page(known), encoding="utf-8")


if __name__ == "__main__":
    main()
