"""What upgrades hop by hop lose against the direct one: LSA to static to MiniLM on Cranfield.

python benchmarks/plan_chain.py [--folder CACHE]

Documents are carried over by a rotation fitted in folds, once straight and once by way of the
static model, and asked by MiniLM's queries; with the paired difference of nDCG@10. The other two
pairs of encoders are the hops. Shown between two marks of docs/plan.md.
"""

import argparse
import os
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from plan_page import chain  # noqa: E402
from plan_spaces import corpus  # noqa: E402
from record import record  # noqa: E402

import isthmus  # noqa: E402
from isthmus.retrieval.bootstrap import paired  # noqa: E402
from isthmus.retrieval.ndcg import per_query  # noqa: E402
from isthmus.retrieval.search import search  # noqa: E402
from isthmus.upgrade.crossing import ROTATION, chained  # noqa: E402

K, STOPS = 10, ("lsa256", "static256", "minilm")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path.home() / ".cache/isthmus/plan")
    texts = corpus("cranfield", parser.parse_args().folder)
    answers = texts.answers()
    spaces = [isthmus.open(texts.documents[name], ids=texts.ids) for name in STOPS]
    old, between, new = spaces

    def ndcg(start, end, *by):
        pairs = isthmus.pair(start, end)
        moved = chained(pairs, by, method=ROTATION, seed=0).documents
        asked = texts.queries[STOPS[spaces.index(end)]]
        return per_query(search(asked, moved, K).rows, answers, k=K)

    ways = {
        "lsa256 -> minilm": ndcg(old, new),
        "lsa256 -> static256 -> minilm": ndcg(old, new, between),
        "lsa256 -> static256": ndcg(old, between), "static256 -> minilm": ndcg(between, new),
    }  # fmt: skip
    gap = paired(*(ways[way] for way in ("lsa256 -> static256 -> minilm", "lsa256 -> minilm")))
    found = {
        "queries": len(answers), "documents": len(texts.ids),
        "ndcg": {way: round(float(np.mean(values)), 4) for way, values in ways.items()},
        "chain_minus_direct": {
            "mean": round(gap.mean, 4), "ci_low": round(gap.ci[0], 4),
            "ci_high": round(gap.ci[1], 4),
        },
    }  # fmt: skip
    record("plan-chain", found, whole=True)
    chain(found)


if __name__ == "__main__":
    main()
