"""Our figures against trec_eval's own code, on random judgements with every awkward case."""

import numpy as np
import pytest

from isthmus.retrieval.average_precision import per_query as average_precision
from isthmus.retrieval.mrr import per_query as mrr
from isthmus.retrieval.ndcg import per_query as ndcg
from isthmus.retrieval.qrels import read_run, write_qrels, write_run
from isthmus.retrieval.recall import per_query as recall

pytrec_eval = pytest.importorskip(
    "pytrec_eval", reason="parity with trec_eval needs the package pytrec-eval-terrier"
)
OURS = {
    "recall_5": lambda r, q: recall(r, q, k=5),
    "recall_100": lambda r, q: recall(r, q, k=100),
    "ndcg_cut_5": lambda r, q: ndcg(r, q, k=5),
    "ndcg_cut_100": lambda r, q: ndcg(r, q, k=100),
    "recip_rank": mrr,
    "map": average_precision,
    "map_cut_5": lambda r, q: average_precision(r, q, k=5),
}


@pytest.fixture(scope="module")
def trec():
    """Judgements, scored runs with many ties, and trec_eval's figures per query."""
    rng = np.random.default_rng(0)
    documents = [f"d{i}" for i in range(60)]
    qrels, run = {}, {}
    for number in range(80):
        judged = rng.choice(documents, int(rng.integers(1, 25)), replace=False)
        qrels[f"q{number}"] = {d: int(rng.integers(-1, 4)) for d in judged}
        found = rng.choice(documents, int(rng.integers(1, 50)), replace=False)
        run[f"q{number}"] = {d: float(rng.integers(0, 15)) for d in found}
    wanted = {"recall.5,100", "ndcg_cut.5,100", "recip_rank", "map", "map_cut.5"}
    return qrels, run, pytrec_eval.RelevanceEvaluator(qrels, wanted).evaluate(run)


@pytest.fixture(scope="module")
def ranked(trec, tmp_path_factory):
    """The run as our reader orders it, ties included."""
    _, run, _ = trec
    path = tmp_path_factory.mktemp("parity") / "run.txt"
    lines = [f"{q} Q0 {d} 0 {s} t" for q, found in run.items() for d, s in found.items()]
    path.write_text("\n".join(lines))
    return read_run(path)


def differs(values, trec, name):
    qrels, _, theirs = trec
    compared = 0
    for value, query in zip(values, qrels, strict=True):
        if np.isnan(value):
            # trec_eval counts a query without relevant documents as zero; we leave it out.
            assert theirs[query][name] == 0.0
            continue
        compared += 1
        if abs(value - theirs[query][name]) > 1e-12:
            return True
    assert compared > 60
    return False


@pytest.mark.parametrize("name", OURS)
def test_equals_trec_eval_on_every_query(name, trec, ranked):
    assert not differs(OURS[name](ranked, trec[0]), trec, name)


@pytest.mark.parametrize("name", OURS)
def test_the_comparison_notices_a_swapped_pair_of_ranks(name, trec, ranked):
    worse = {q: [*found[1:], found[0]] for q, found in ranked.items()}
    if name == "recall_100":  # blind to order: take a document away instead
        worse = {q: found[1:] for q, found in ranked.items()}
    assert differs(OURS[name](worse, trec[0]), trec, name)


def test_trec_eval_reads_the_files_we_write(trec, ranked, tmp_path):
    write_qrels(tmp_path / "qrels", trec[0])
    write_run(tmp_path / "run", ranked)
    with (tmp_path / "qrels").open() as file:
        qrels = pytrec_eval.parse_qrel(file)
    with (tmp_path / "run").open() as file:
        run = pytrec_eval.parse_run(file)
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg"}).evaluate(run)
    ours = ndcg(ranked, trec[0], k=1000)
    for value, query in zip(ours, trec[0], strict=True):
        if not np.isnan(value):
            assert value == pytest.approx(theirs[query]["ndcg"], abs=1e-12)
