"""The quick look at Cranfield that the plan began with, made again: LSA of 256 to MiniLM, nDCG@10.

python benchmarks/plan_quick_look.py [--folder CACHE]

Five ways to serve, each judged twice: by yes or no, which is what the quick look counted, and by
the judges' grades, which is what ``isthmus.plan`` counts. Here as there the rotation is fitted on
all documents, the ones that queries ask for among them, and the interpolation is shown at its best
weight. What ``plan`` makes of the same, with bridges that never saw the answers, is read from
``plan.json``. Shown between two marks of docs/plan.md.
"""

import argparse
import os
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from plan_page import quick_look  # noqa: E402
from plan_spaces import corpus  # noqa: E402
from record import record  # noqa: E402

import isthmus  # noqa: E402
from isthmus.retrieval.ndcg import per_query  # noqa: E402
from isthmus.retrieval.search import search  # noqa: E402
from isthmus.upgrade.interpolate import slerp  # noqa: E402
from isthmus.upgrade.trials import ARCS  # noqa: E402

K, CANDIDATES = 10, 20
#: What the quick look gave.
THEIRS = {
    "old": 0.390, "new": 0.383, "bridged query": 0.384, "old, rerank 20": 0.401,
    "interpolated": 0.412,
}  # fmt: skip


def top(queries, documents, k=K):
    return np.asarray(search(queries, documents, k, metric="cosine").rows)


def reranked(first, queries, documents):
    """Candidates (q, n) in the order of their cosine with the query; rows have unit length."""
    scores = np.einsum("qnd,qd->qn", documents[first], queries)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    return np.take_along_axis(first, order, axis=1)


def ways(texts):
    """Documents shown (q, 10) by way to serve; several where a weight is to be chosen."""
    (old, new), (q_old, q_new) = (
        [side[encoder] for encoder in ("lsa256", "minilm")]
        for side in (texts.documents, texts.queries)
    )
    moved = np.asarray(isthmus.bridges.Orthogonal().fit(new, old).transform(q_new))
    return {
        "old": [top(q_old, old)],
        "new": [top(q_new, new)],
        "bridged query": [top(moved, old)],
        "old, rerank 20": [reranked(top(q_old, old, CANDIDATES), q_new, new)],
        "interpolated": [top(slerp(q_old, moved, weight), old) for weight in ARCS],
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path.home() / ".cache/isthmus/plan")
    texts = corpus("cranfield", parser.parse_args().folder)
    graded = texts.answers()
    binary = [dict.fromkeys(grades, 1) for grades in graded]
    found = {}
    for name, shown in ways(texts).items():
        yes, grades = (
            max(float(np.nanmean(per_query(rows, answers, k=K))) for rows in shown)
            for answers in (binary, graded)
        )
        found[name] = {
            "theirs": THEIRS[name], "yes_or_no": round(yes, 4), "graded": round(grades, 4)
        }  # fmt: skip
    record("plan-quick-look", found, whole=True)
    quick_look(found)


if __name__ == "__main__":
    main()
