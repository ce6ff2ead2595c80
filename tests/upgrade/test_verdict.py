import numpy as np
import pytest

from isthmus.core.score import Score
from isthmus.upgrade.cost import Cost
from isthmus.upgrade.planned import Outcome
from isthmus.upgrade.verdict import verdict

Q = 200
RNG = np.random.default_rng(0)
HARD = RNG.normal(size=Q) * 0.2
NEEDS = {
    "status quo": ("old encoder",), "interpolated": ("old encoder",), "query side": (),
    "reranked": ("texts", "old encoder"), "partial": ("texts",), "full re-embedding": ("texts",),
    "naive swap": (), "reduced": ("texts",), "both": ("texts", "old encoder", "both indexes"),
}  # fmt: skip


def outcomes(means, n=Q, noise=0.05, partly=False):
    found, ndcg = [], {}
    for i, (kind, mean) in enumerate(means.items()):
        values = mean + HARD[:n] + np.random.default_rng(i).normal(size=n) * noise
        ndcg[kind] = values
        cost = Cost(
            needs=NEEDS[kind], embed=1000 * (kind in ("full re-embedding", "partial", "reduced")),
            embed_per_query=4.0 * (kind == "reranked"), partly=partly,
            bytes={"full re-embedding": 4000, "both": 4000, "reduced": 1000}.get(kind, 0),
        )  # fmt: skip
        found.append(
            Outcome(name=kind, kind=kind, summary=f"what {kind} is", bridge="affine",
                    setting="0.5", cost=cost,
                    ndcg=Score(value=float(values.mean()), method="nDCG", n=n))
        )  # fmt: skip
    return found, ndcg


def decided(means, *, provisional=False, **world):
    found, ndcg = outcomes(means, **world)
    return verdict(found, ndcg, k=10, collection=1000, provisional=provisional, rng=0)


def test_what_beats_both_ends_is_recommended_with_its_conditions():
    found = decided(
        {"status quo": 0.4, "query side": 0.3, "interpolated": 0.5, "full re-embedding": 0.42}
    )
    assert found.recommended == "interpolated"
    assert "0.5 of the way" in found.reason
    assert "over the status quo" in found.reason
    assert "against full re-embedding +0.0" in found.reason
    assert found.lacking == ""
    told = " ".join(found.changes)
    assert "If the old encoder cannot be asked any more: full re-embedding" in told
    assert "Full re-embedding, if it gained more than" in told


def test_re_embedding_is_recommended_where_it_pays_and_says_what_else_there_is():
    found = decided({"status quo": 0.3, "query side": 0.28, "full re-embedding": 0.6})
    assert found.recommended == "full re-embedding"
    told = " ".join(found.changes)
    assert "If embedding 1,000 documents beforehand is too much: status quo" in told
    assert "If the documents' texts are gone: status quo" in told


def test_the_status_quo_stays_where_nothing_is_gained():
    same = {"status quo": 0.4, "query side": 0.399, "full re-embedding": 0.4}
    found = decided(same, noise=0.005)
    assert found.recommended == "status quo"
    assert "keep the old encoder" in found.reason


def test_reranking_says_when_the_collection_would_be_embedded_anyway():
    found = decided({"status quo": 0.3, "query side": 0.28, "reranked": 0.5})
    assert found.recommended == "reranked"
    assert "it takes 250 queries or more" in " ".join(found.changes)
    counted_in_part = decided({"status quo": 0.3, "query side": 0.28, "reranked": 0.5}, partly=True)
    assert "queries or more" not in " ".join(counted_in_part.changes)


@pytest.mark.parametrize("taken", ["full re-embedding", "both"])
def test_a_smaller_form_is_named_where_it_serves_as_well(taken):
    means = {"status quo": 0.3, "reduced": 0.5, "full re-embedding": 0.5, taken: 0.6}
    means["reduced"] = means["full re-embedding"]
    same = decided(means, noise=0.005)
    (told,) = [line for line in same.changes if "memory" in line]
    assert told.startswith("If memory matters: reduced (nDCG@10 ")
    assert told.endswith("against full re-embedding), 25% of the bytes.")
    for worse in (means["full re-embedding"] - 0.02, 0.2):
        found = decided(means | {"reduced": worse}, noise=0.005)
        assert found.recommended == taken
        assert "memory" not in " ".join(found.changes)
    # As good on the mean, but the queries do not say so.
    assert "memory" not in " ".join(decided(means, noise=0.3).changes)


@pytest.mark.parametrize("kind", ["naive swap", "reduced"])
def test_some_are_shown_and_never_recommended(kind):
    assert decided({"status quo": 0.3, kind: 0.9, "full re-embedding": 0.4}).recommended != kind


def test_without_queries_new_vectors_cannot_judge_themselves():
    means = {"status quo": 0.3, "query side": 0.5, "partial": 0.9, "full re-embedding": 1.0}
    found = decided(means, provisional=True)
    assert found.recommended == "query side"
    assert found.reason.startswith("provisional")
    assert "Bring queries" in found.lacking


def test_too_few_queries_and_too_wide_an_interval_are_not_enough():
    assert "20 queries are too few" in decided({"status quo": 0.3, "query side": 0.5}, n=20).lacking
    wide = decided({"status quo": 0.3, "query side": 0.33}, n=60, noise=0.3)
    assert wide.recommended == "status quo"
    assert wide.sure < 0.8
    assert "others may be better by more than 1%" in wide.lacking


def test_a_best_guess_is_told_from_a_decision():
    found, ndcg = outcomes({"status quo": 0.3, "query side": 0.3}, n=60)
    ndcg["query side"] = ndcg["status quo"] + 0.03 + 0.3 * (-1.0) ** np.arange(60)
    guess = verdict(found, ndcg, k=10, collection=1000, provisional=False, rng=0)
    assert guess.recommended == "query side"
    assert "holds zero; about" in guess.lacking
    assert "more queries would settle it" in guess.lacking


def test_more_queries_wanted_are_those_that_would_leave_zero_out():
    from isthmus.retrieval.bootstrap import Difference
    from isthmus.upgrade.verdict import _more

    # Half width 0.04 at 100 queries: 0.02 apart takes four times as many.
    assert _more(Difference(mean=0.02, ci=(-0.02, 0.06), p=0.3, n=100)) == 300
    assert _more(Difference(mean=-0.02, ci=(-0.06, 0.02), p=0.3, n=100)) == 0
