import numpy as np
import pytest

from isthmus.upgrade.evaluation import Row
from isthmus.upgrade.recommend import recommend

KINDS = {
    "status quo": "status quo",
    "naive swap": "naive swap",
    "b, corpus side": "corpus side",
    "b, query side": "query side",
    "full re-embedding": "full re-embedding",
}


def verdict(noise=0.05, n=200, *, provisional=False, **means):
    """The verdict on strategies of the given mean nDCG and a little noise of their own."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=n) * 0.1
    names = {"quo": "status quo", "naive": "naive swap", "corpus": "b, corpus side"}
    names |= {"query": "b, query side", "ceiling": "full re-embedding"}
    ndcg = {}
    for key, mean in means.items():
        own = rng.normal(size=n) * noise
        ndcg[names[key]] = mean + shared - shared.mean() + own - own.mean()
    rows = [
        Row(
            strategy=name,
            kind=kind,
            summary="",
            bridge="b" if name.startswith("b") else None,
            impossible="" if name in ndcg else "why",
        )
        for name, kind in KINDS.items()
    ]
    return recommend(rows, ndcg, k=10, provisional=provisional, rng=0)


def test_a_bridge_better_beyond_doubt_is_recommended_with_its_gain_and_the_ceiling():
    found = verdict(quo=0.5, corpus=0.6, query=0.55, ceiling=0.7)
    assert found.strategy == "b, corpus side"
    assert found.reason.startswith("translate the corpus with b")
    assert "nDCG@10 +0.1" in found.reason
    assert "over the status quo, keeps 86% of full re-embedding" in found.reason
    assert "full re-embedding would still gain +0.1" in found.reason


def test_the_query_side_is_named_as_what_one_does():
    found = verdict(quo=0.5, corpus=0.55, query=0.6, ceiling=0.7)
    assert found.strategy == "b, query side"
    assert "keep the old index and translate new queries" in found.reason


def test_nothing_better_beyond_doubt_keeps_the_old_encoder():
    found = verdict(quo=0.5, corpus=0.503, query=0.4, ceiling=0.6, noise=0.1)
    assert found.strategy == "status quo"
    assert "keep the old encoder" in found.reason
    assert "closest: b, corpus side" in found.reason
    assert "full re-embedding would still gain" in found.reason


def test_a_worse_new_encoder_is_called_so():
    found = verdict(quo=0.6, corpus=0.5, ceiling=0.5)
    assert found.strategy == "status quo"
    assert "full re-embedding would lose: -0.1" in found.reason


def test_many_strategies_need_more_evidence_than_one():
    rng = np.random.default_rng(3)
    quo, luck = rng.normal(size=(2, 60))
    # 2.4 standard errors above: beyond doubt alone, not among sixteen.
    lucky = quo + luck - luck.mean() + 2.4 * luck.std() / np.sqrt(60)
    rows = [
        Row(strategy=n, kind=k, summary="", bridge="b")
        for n, k in [
            ("status quo", "status quo"),
            ("lucky", "corpus side"),
            ("full re-embedding", "full re-embedding"),
        ]
    ]
    ndcg = {"status quo": quo, "lucky": lucky, "full re-embedding": quo + 1}
    alone = recommend(rows, ndcg, k=10, provisional=False, rng=0)
    assert alone.strategy == "lucky"
    others = [Row(strategy=f"o{i}", kind="fused", summary="", bridge="b") for i in range(15)]
    ndcg |= {row.strategy: quo - 1 for row in others}
    crowded = recommend([*rows, *others], ndcg, k=10, provisional=False, rng=0)
    assert crowded.strategy == "status quo"


@pytest.mark.parametrize("quo", [{"quo": 0.2}, {}])
def test_the_naive_swap_is_never_recommended(quo):
    assert verdict(**quo, naive=0.9, corpus=0.5, ceiling=0.6).strategy == "b, corpus side"


def test_without_status_quo_the_best_bridge_that_keeps_half():
    found = verdict(corpus=0.5, query=0.4, ceiling=0.7)
    assert found.strategy == "b, corpus side"
    assert "keeps 71% of full re-embedding" in found.reason
    assert "status quo was not measured" in found.reason
    lost = verdict(corpus=0.2, ceiling=0.7)
    assert lost.strategy == "full re-embedding"
    assert lost.reason.startswith("re-embed: no bridged strategy keeps half")


def test_a_provisional_verdict_says_so_first():
    found = verdict(quo=0.5, corpus=0.6, ceiling=1.0, provisional=True)
    assert found.reason.startswith("Provisional")
