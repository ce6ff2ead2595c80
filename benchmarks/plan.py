"""Can a plan's recommendation be trusted: planned on half of the queries, judged on the other half.

python benchmarks/plan.py [--folder CACHE] [--translations FILE] [--only CORPUS ...] [--splits 20]

Every corpus of ``plan_spaces.py`` under several changes of encoder. Per seed the queries are halved
at random: on one half settings are cross-fitted and a strategy recommended as ``isthmus.plan`` does
it; on the other half it is served with the setting chosen, beside every other strategy with its
own. Nothing of the judged half is seen before. Figures, shares of the splits:

reached          the recommended strategy reaches 0.99 of the best one there, found in hindsight
reached_ends     ... of the better one of status quo and full re-embedding
beats_both       ... is better than both of them
ceiling          what ``reached`` would be if the strategy that is best on all queries were always
                 taken: below 1, because the judged half is a sample too
enough           of the splits whose plan says that the data decide: their share, and the first two
                 figures among them
sure             the mean probability that the plans gave themselves

Bridges are fitted in folds of the documents, once for all splits. Figures are kept cell by cell in
benchmarks/results/plan.json, and shown between two marks of docs/plan.md.
"""

import argparse
import json
import os
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from plan_spaces import corpus  # noqa: E402
from record import RESULTS  # noqa: E402

import isthmus  # noqa: E402
from isthmus.evidence.corpora import MissingData  # noqa: E402
from isthmus.retrieval.bootstrap import paired  # noqa: E402
from isthmus.retrieval.ndcg import per_query as ndcg_per_query  # noqa: E402
from isthmus.upgrade.crossfit import crossfit, folds  # noqa: E402
from isthmus.upgrade.crossing import crossed  # noqa: E402
from isthmus.upgrade.plan import tried  # noqa: E402
from isthmus.upgrade.question import question  # noqa: E402
from isthmus.upgrade.verdict import competes, lacking, race  # noqa: E402

FILE = RESULTS / "plan.json"
PAGE = Path(__file__).parents[1] / "docs" / "plan.md"
MARKS = "<!-- figures of benchmarks/plan.py -->", "<!-- end of figures -->"
CHANGES = (
    ("lsa256", "minilm"), ("lsa256", "static256"), ("static256", "minilm"), ("minilm", "static256"),
)  # fmt: skip
CORPORA = ("cranfield", "docstrings", "debian")
K, GOAL = 10, 0.99
#: Seed of the orders of re-embedding, none of the splits'.
ORDERS = 1_000_003


def measured(texts, old, new):
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
    crossings = crossed(
        pairs, truth.vectors.new_queries, truth.relevance, asked_by=None, budget=None, seed=0
    )
    # Queries stand in the order of their documents: an order of re-embedding drawn with the seed of
    # a split would re-embed the very answers of one half.
    trials, curves = tried(pairs, truth, crossings, k=K, candidates=(20, 100), rng=ORDERS)
    trials = [trial for trial in trials if not trial.impossible]
    grids = {
        t.name: np.stack([ndcg_per_query(f, truth.relevance, k=K) for f in t.found], axis=1)
        for t in trials
    }
    return trials, grids, curves, [c.name for c in crossings]


def split(trials, grids, seed):
    """Plan on one half, judge on the other."""
    q = len(next(iter(grids.values())))
    order = np.random.default_rng(seed).permutation(q)
    mine, theirs = order[: q // 2], order[q // 2 :]
    fold = folds(len(mine), rng=seed)
    planned, judged = {}, {}
    for trial in trials:
        grid = grids[trial.name]
        chosen, best = crossfit(grid[mine], fold)
        planned[trial.name] = grid[mine][np.arange(len(mine)), chosen]
        judged[trial.name] = float(grid[theirs, best].mean())
    took, sure = race(trials, planned, provisional=False, rng=seed)
    quo = planned["status quo"]
    over = None if took.kind == "status quo" else paired(planned[took.name], quo, rng=seed)
    missing = lacking(took.kind, over, sure, len(mine), provisional=False, unknown=False)
    return took.name, sure, not missing, judged


def share(rows, key, least):
    return round(float(np.mean([row[key] >= least for row in rows])), 3) if rows else None


def shares(rows):
    decided = [row for row in rows if row["enough"]]
    return {
        "reached": share(rows, "of_best", GOAL), "reached_ends": share(rows, "of_ends", GOAL),
        "beats_both": share(rows, "of_ends", 1 + 1e-9),
        "ceiling": share(rows, "star_of_best", GOAL),
        "sure": round(float(np.mean([row["sure"] for row in rows])), 3),
        "enough": {
            "share": len(decided) / len(rows), "reached": share(decided, "of_best", GOAL),
            "reached_ends": share(decided, "of_ends", GOAL),
        },
    }  # fmt: skip


def cell(texts, old, new, splits):
    trials, grids, curves, bridges = measured(texts, old, new)
    racing = [t.name for t in trials if competes(t.kind, provisional=False)]
    means = {name: float(grid.mean(axis=0).max()) for name, grid in grids.items()}
    star = max(racing, key=means.get)
    rows = []
    for seed in range(splits):
        took, sure, enough, judged = split(trials, grids, seed)
        best = max(judged[name] for name in racing)
        ends = max(judged["status quo"], judged["full re-embedding"])
        rows.append({
            "seed": seed, "took": took, "sure": round(sure, 3), "enough": enough,
            "of_best": round(judged[took] / best, 4), "of_ends": round(judged[took] / ends, 4),
            "star_of_best": round(judged[star] / best, 4),
        })  # fmt: skip
    return {
        "corpus": texts.name, "old": old, "new": new, "documents": len(texts.ids),
        "queries": len(next(iter(grids.values()))), "bridges": bridges,
        **shares(rows), "best_on_all": star,
        "took": {name: sum(r["took"] == name for r in rows) for name in {r["took"] for r in rows}},
        "ndcg_best_setting": {name: round(value, 4) for name, value in means.items()},
        "areas": {curve.order: round(curve.area, 4) for curve in curves},
        "splits": rows,
    }  # fmt: skip


def page(found):
    """The figures as a table of the guide."""
    decided = found["enough"]
    lines = [
        MARKS[0], "",
        f"Planned on half of the queries, judged on the other half, {found['splits']} splits of "
        f"{len(found['cells'])} changes of encoder (`benchmarks/plan.py`). Shares of the splits:",
        "",
        "| corpus, change | queries | nDCG@10 old, new | reached | ceiling | of both ends | "
        "decided | sure | best on all queries |",
        "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name, one in found["cells"].items():
        means = one["ndcg_best_setting"]
        ends = f"{means['status quo']:.3f}, {means['full re-embedding']:.3f}"
        cells = [
            name, one["queries"], ends, one["reached"], one["ceiling"], one["reached_ends"],
            one["enough"]["share"], one["sure"], one["best_on_all"],
        ]  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += [
        "",
        "*reached*: the recommended strategy reaches 0.99 of the best of all strategies on the "
        "judged half, found in hindsight. *ceiling*: the same of the strategy that is best on all "
        "queries, had one known it: the judged half is a sample too, and of so many strategies one "
        "is always lucky there. *of both ends*: 0.99 of the better one of status quo and full "
        "re-embedding. *decided*: the plan said that the data are enough.",
        "",
        f"Over all: reached {found['reached']}, ceiling {found['ceiling']}, of both ends "
        f"{found['reached_ends']}; better than both ends {found['beats_both']}. Where the plan "
        f"said that the data decide ({decided['share']:.2f}): reached {decided['reached']}, of "
        f"both ends {decided['reached_ends']}.",
        "", MARKS[1],
    ]  # fmt: skip
    text = PAGE.read_text()
    start, rest = text.split(MARKS[0])
    PAGE.write_text(start + "\n".join(lines) + rest.split(MARKS[1])[1])


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
            found = cell(texts, old, new, options.splits)
            # Read again for each cell: another run may have added its own.
            cells = json.loads(FILE.read_text())["cells"] if FILE.exists() else {}
            cells[f"{name}, {old} -> {new}"] = found
            told = ("reached", "reached_ends", "ceiling", "enough", "sure", "took")
            print(f"{name}, {old} -> {new}:", {key: found[key] for key in told}, flush=True)
            rows = [row for one in cells.values() for row in one["splits"]]
            figures = {
                "command": "python benchmarks/plan.py --translations FILE",
                "splits": len(rows), "goal": GOAL, "k": K, **shares(rows), "cells": cells,
            }  # fmt: skip
            FILE.write_text(json.dumps(figures, indent=1) + "\n")
            page(figures)


if __name__ == "__main__":
    main()
