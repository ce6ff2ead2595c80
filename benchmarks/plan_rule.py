"""Which rule recommends best where the truth is known: invented worlds, no corpus.

python benchmarks/plan_rule.py

In each world the true means of 14 strategies are drawn: status quo and full re-embedding some way
apart, some mixtures near the better one, some near the status quo, some bad. Queries differ in
difficulty, which all share, and in three further ways that strategies share in parts. Per number of
queries and rule: how often the strategy taken truly reaches 0.99 of the best, and of the better one
of both ends, and what it loses against the best on average; for ours also how sure it was, and the
Brier score of that.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from record import record  # noqa: E402

from isthmus.upgrade.decide import decide  # noqa: E402

WORLDS, QUERIES = 200, (50, 112, 250, 1250)


def world(rng):
    """True means in the order of price: the status quo first, full re-embedding last."""
    quo = 0.4
    full = quo + 0.06 * rng.normal()
    good = max(quo, full)
    return np.array([
        quo, *quo + 0.015 * rng.normal(size=3), *good - 0.005 + 0.015 * abs(rng.normal(size=3)),
        *rng.uniform(quo, good + 1e-9, 2), *rng.uniform(0.2, 0.38, 4), full,
    ])  # fmt: skip


def answers(means, queries, rng):
    """Scores of every query under every strategy."""
    s = len(means)
    shared = 0.3 * rng.normal(size=(queries, 1))
    parts = rng.normal(size=(queries, 3)) @ (0.08 * rng.normal(size=(3, s)))
    return means + shared + parts + 0.08 * rng.normal(size=(queries, s))


def taken(values):
    """How sure ours is, and what each rule takes."""
    means, price = values.mean(axis=0), np.arange(values.shape[1])
    top = int(means.argmax())
    behind = values[:, [top]] - values
    error = behind.std(axis=0, ddof=1) / len(values) ** 0.5
    gap = behind.mean(axis=0)
    ours = decide(values, price)
    return ours.sure, {
        "ours": ours.chosen,
        "highest mean": top,
        "one standard error": int(np.flatnonzero(gap <= error).min()),
        "cheapest within half a percent": int(np.flatnonzero(means >= 0.995 * means[top]).min()),
    }


def main():
    figures = {"worlds": WORLDS}
    for queries in QUERIES:
        rows, told = {}, []
        for seed in range(WORLDS):
            rng = np.random.default_rng(seed)
            means = world(rng)
            sure, took = taken(answers(means, queries, rng))
            told.append(sure)
            for rule, i in took.items():
                of_best = means[i] / means.max()
                of_ends = means[i] / max(means[0], means[-1])
                rows.setdefault(rule, []).append((of_best >= 0.99, of_ends >= 0.99, 1 - of_best))
        for rule, row in rows.items():
            reached, ends, lost = np.mean(row, axis=0)
            figures[f"{queries} queries, {rule}"] = {
                "reached": round(float(reached), 3), "reached_ends": round(float(ends), 3),
                "lost": round(float(lost), 4),
            }  # fmt: skip
        true = [row[0] for row in rows["ours"]]
        figures[f"{queries} queries, ours"] |= {
            "sure": round(float(np.mean(told)), 3),
            "brier": round(float(np.mean(np.subtract(told, true, dtype=float) ** 2)), 4),
        }
    record("plan-rule", figures)


if __name__ == "__main__":
    main()
