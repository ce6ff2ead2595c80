"""Can a plan's recommendation be trusted: planned on half of the queries, judged on the other half.

python benchmarks/plan.py [--folder CACHE] [--translations FILE] [--only CORPUS ...] [--splits 20]

Every corpus of ``plan_spaces.py`` under several changes of encoder. Per seed the queries are halved
at random: on one half settings are cross-fitted and a strategy recommended as ``isthmus.plan`` does
it; on the other half it is served with the setting chosen, beside every other strategy with its
own. Nothing of the judged half is seen before. Where there are thousands of queries, plans are also
made on 112 of them, as many as half of Cranfield's, and judged on all others, which is as good as
the truth. Figures, shares of the splits:

reached          the recommended strategy reaches 0.99 of the best one there, found in hindsight
reached_ends     ... of the better one of status quo and full re-embedding
beats_both       ... is better than both of them
ceiling          what ``reached`` would be if the strategy that is best on all queries were always
                 taken: below 1, because the judged half is a sample too
enough           of the splits whose plan says that the data decide: their share, and the first two
                 figures among them
sure             the mean probability that the plans gave themselves, of the truth
shown            the mean probability that they would have given what the judged half shows, which
                 is a sample with noise of its own

Bridges are fitted in folds of the documents, once for all splits. Figures are kept cell by cell in
benchmarks/results/plan.json, and shown between two marks of docs/plan.md.
"""

import argparse
import itertools
import json
import os
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from plan_page import page  # noqa: E402
from plan_spaces import corpus  # noqa: E402
from record import RESULTS  # noqa: E402

import isthmus  # noqa: E402
from isthmus.evidence.corpora import MissingData  # noqa: E402
from isthmus.retrieval.bootstrap import paired  # noqa: E402
from isthmus.retrieval.ndcg import per_query as ndcg_per_query  # noqa: E402
from isthmus.upgrade.crossfit import crossfit, folds  # noqa: E402
from isthmus.upgrade.crossing import Crossing, crossed  # noqa: E402
from isthmus.upgrade.decide import believed, reaching  # noqa: E402
from isthmus.upgrade.plan import tried  # noqa: E402
from isthmus.upgrade.question import question  # noqa: E402
from isthmus.upgrade.verdict import competes, lacking, race  # noqa: E402

FILE = RESULTS / "plan.json"
CHANGES = (
    ("lsa256", "minilm"), ("lsa256", "static256"), ("static256", "minilm"), ("minilm", "static256"),
)  # fmt: skip
CORPORA = ("cranfield", "docstrings", "debian")
K, GOAL = 10, 0.99
#: Queries planned on where the truth is known, and how many times as many there must be.
FEW, MANY = 112, 10
#: Edges of the bins of probabilities.
BINS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
#: Seed of the orders of re-embedding, none of the splits'.
ORDERS = 1_000_003


def carried(name, old, new, pairs, truth, folder):
    """Queries and documents carried across, fitted once in folds and kept in ``folder``."""
    path = folder / f"{name}.{old}.{new}.npz"
    if not path.exists():
        here, there = crossed(
            pairs, truth.vectors.new_queries, truth.relevance, asked_by=None, budget=None, seed=0
        )
        np.savez(
            path, queries=here.queries, documents=there.documents, names=[here.name, there.name]
        )
    with np.load(path) as kept:
        here, there = kept["names"].tolist()
        return (
            Crossing(name=here, documents=None, queries=kept["queries"], to_old=np.copy),
            Crossing(name=there, documents=kept["documents"], queries=None, to_old=None),
        )  # fmt: skip


def measured(texts, old, new, folder):
    """Trials of one change, with nDCG of every query under every setting, (q, settings)."""
    sides = {
        (encoder, side): isthmus.open(getattr(texts, side)[encoder], ids=ids)
        for encoder in (old, new)
        for side, ids in (("documents", texts.ids), ("queries", texts.query_ids))
    }
    pairs = isthmus.pair(sides[old, "documents"], sides[new, "documents"])
    truth = question(
        pairs, np.ones(len(pairs), bool), sides[new, "queries"], sides[old, "queries"],
        texts.relevant, k=K, rng=0, operation="plan", old_name="old_queries",
    )  # fmt: skip
    crossings = carried(texts.name, old, new, pairs, truth, folder)
    # Queries stand in the order of their documents: an order of re-embedding drawn with the seed of
    # a split would re-embed the very answers of one half.
    trials, curves = tried(pairs, truth, crossings, k=K, candidates=(20, 100), rng=ORDERS)
    trials = [trial for trial in trials if not trial.impossible]
    grids = {
        t.name: np.stack([ndcg_per_query(f, truth.relevance, k=K) for f in t.found], axis=1)
        for t in trials
    }
    return trials, grids, curves, [c.name for c in crossings]


def split(trials, grids, seed, some):
    """Plan on ``some`` of the queries, at random, and judge on the others."""
    q = len(next(iter(grids.values())))
    order = np.random.default_rng(seed).permutation(q)
    mine, theirs = order[:some], order[some:]
    fold = folds(len(mine), rng=seed)
    planned, judged = {}, {}
    for trial in trials:
        grid = grids[trial.name]
        chosen, best = crossfit(grid[mine], fold, trial.settings)
        planned[trial.name] = grid[mine][np.arange(len(mine)), chosen]
        judged[trial.name] = float(grid[theirs, best].mean())
    took, sure = race(trials, planned, provisional=False, rng=seed)
    quo = planned["status quo"]
    over = None if took.kind == "status quo" else paired(planned[took.name], quo, rng=seed)
    missing = lacking(took.kind, over, sure, len(mine), provisional=False, unknown=False)
    names = racing(trials)
    values = np.stack([planned[name] for name in names], axis=1)
    again = believed(values, rng=np.random.default_rng([seed, 1])) - values.mean(axis=0)
    seen = believed(values, rng=seed) + again * (len(mine) / len(theirs)) ** 0.5
    shown = float(reaching(seen)[names.index(took.name)])
    best = max(judged[name] for name in names)
    ends = max(judged["status quo"], judged["full re-embedding"])
    star = max(names, key=lambda name: grids[name].mean(axis=0).max())
    return {
        "seed": seed, "took": took.name, "sure": round(sure, 3), "shown": round(shown, 3),
        "enough": not missing, "of_best": round(judged[took.name] / best, 4),
        "of_ends": round(judged[took.name] / ends, 4),
        "star_of_best": round(judged[star] / best, 4),
    }  # fmt: skip


def racing(trials):
    return [t.name for t in trials if competes(t.kind, provisional=False)]


def share(rows, key, least):
    return round(float(np.mean([row[key] >= least for row in rows])), 3) if rows else None


def reliability(rows, key):
    """By probability said: how many plans, the mean said, and the share that was true."""
    said = np.array([row[key] for row in rows])
    true = np.array([row["of_best"] >= GOAL for row in rows], dtype=float)
    bins = []
    for low, high in itertools.pairwise(BINS):
        mine = (said >= low) & ((said < high) | (high == BINS[-1]))
        if mine.any():
            bins.append({
                "from": low, "to": high, "plans": int(mine.sum()),
                "said": round(float(said[mine].mean()), 3),
                "true": round(float(true[mine].mean()), 3),
            })  # fmt: skip
    return {"brier": round(float(((said - true) ** 2).mean()), 4), "bins": bins}


def shares(rows):
    decided = [row for row in rows if row["enough"]]
    return {
        "reached": share(rows, "of_best", GOAL), "reached_ends": share(rows, "of_ends", GOAL),
        "beats_both": share(rows, "of_ends", 1 + 1e-9),
        "ceiling": share(rows, "star_of_best", GOAL),
        "sure": round(float(np.mean([row["sure"] for row in rows])), 3),
        "shown": round(float(np.mean([row["shown"] for row in rows])), 3),
        "enough": {
            "share": round(len(decided) / len(rows), 3), "reached": share(decided, "of_best", GOAL),
            "reached_ends": share(decided, "of_ends", GOAL),
        },
    }  # fmt: skip


def cell(texts, old, new, splits, folder):
    trials, grids, curves, bridges = measured(texts, old, new, folder)
    means = {name: float(grid.mean(axis=0).max()) for name, grid in grids.items()}
    queries = len(next(iter(grids.values())))
    rows = [split(trials, grids, seed, queries // 2) for seed in range(splits)]
    few = []
    if queries >= MANY * FEW:
        few = [split(trials, grids, splits + seed, FEW) for seed in range(splits)]
    return {
        "corpus": texts.name, "old": old, "new": new, "documents": len(texts.ids),
        "queries": queries, "bridges": bridges, **shares(rows),
        **({"few": shares(few)} if few else {}),
        "best_on_all": max(racing(trials), key=means.get),
        "took": {name: sum(r["took"] == name for r in rows) for name in {r["took"] for r in rows}},
        "ndcg_best_setting": {name: round(value, 4) for name, value in means.items()},
        "areas": {curve.order: round(curve.area, 4) for curve in curves},
        "splits": rows, "few_splits": few,
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path.home() / ".cache/isthmus/plan")
    parser.add_argument("--translations", type=Path)
    parser.add_argument("--only", nargs="*", default=CORPORA)
    parser.add_argument("--splits", type=int, default=20)
    options = parser.parse_args()
    for name in options.only:
        try:
            texts = corpus(name, options.folder, translations=options.translations)
        except MissingData as error:
            print(f"{name} left out: {error}")
            continue
        for old, new in CHANGES:
            found = cell(texts, old, new, options.splits, options.folder)
            # Read again for each cell: another run may have added its own.
            cells = json.loads(FILE.read_text())["cells"] if FILE.exists() else {}
            cells = {name: one for name, one in cells.items() if "few_splits" in one}
            cells[f"{name}, {old} -> {new}"] = found
            told = ("reached", "reached_ends", "ceiling", "enough", "sure", "took")
            print(f"{name}, {old} -> {new}:", {key: found[key] for key in told}, flush=True)
            rows = [row for one in cells.values() for row in one["splits"]]
            few = [row for one in cells.values() for row in one["few_splits"]]
            figures = {
                "command": "python benchmarks/plan.py --translations FILE",
                "splits": len(rows), "goal": GOAL, "k": K, **shares(rows),
                "reliability": reliability(rows, "shown"),
                **({"few": {"queries": FEW, "splits": len(few), **shares(few),
                            "reliability": reliability(few, "sure")}} if few else {}),
                "cells": cells,
            }  # fmt: skip
            FILE.write_text(json.dumps(figures, indent=1) + "\n")
            page(figures)


if __name__ == "__main__":
    main()
