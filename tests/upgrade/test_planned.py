import json

import pytest

from isthmus.core.errors import InputError
from isthmus.core.score import Score
from isthmus.retrieval.bootstrap import Difference
from isthmus.upgrade.backfill import FractionCurve
from isthmus.upgrade.cost import Cost
from isthmus.upgrade.pair_curve import PairCurve
from isthmus.upgrade.planned import Outcome, Plan


def score(value):
    return Score(value=value, method="m", n=50, ci=(value - 0.02, value + 0.02))


def apart(mean):
    return {"ndcg": Difference(mean=mean, ci=(mean - 0.01, mean + 0.01), p=0.01, n=50)}


def outcome(name, kind, value, **more):
    return Outcome(
        name=name, kind=kind, summary=kind, recall=score(value), ndcg=score(value),
        mrr=score(value), churn=score(0.3), negative_flips=0.04, cost=more.pop("cost", Cost()),
        **more,
    )  # fmt: skip


def made(**more):
    quo = outcome("status quo", "status quo", 0.4, against_full=apart(-0.1))
    other = outcome(
        "a bridge with a name as long as some people make them, rerank 100", "reranked", 0.45,
        against_status_quo=apart(0.05), against_full=apart(-0.05),
        cost=Cost(
            embed_per_query=6.2, partly=True, needs=("texts", "old encoder"), seconds=0.0012
        ),
    )  # fmt: skip
    full = outcome(
        "full re-embedding", "full re-embedding", 0.5, against_status_quo=apart(0.1),
        cost=Cost(embed=1_234_567_890, bytes=3_792_592_558_080, rebuild=True, needs=("texts",)),
    )  # fmt: skip
    lost = Outcome(
        name="naive swap", kind="naive swap", summary="", cost=Cost(),
        impossible="3 against 4 dimensions",
    )  # fmt: skip
    given = {
        "outcomes": (quo, lost, other, full), "relevance": "human", "n_queries": 50,
        "n_documents": 900, "collection": 1_234_567_890, "k": 10,
        "recommended": "full re-embedding", "reason": "re-embed everything.", "sure": 0.97,
        "enough": True, "lacking": "", "changes": ("If texts are gone: nothing.",),
        "curves": (FractionCurve(order="random", bridge="b", fractions=(0.0, 1.0),
                                 ndcg=(0.2, 0.5)),),
        "pairs": PairCurve(bridge="affine", sizes=(50, 100), mrr=(0.5, 0.6), enough=None,
                           held_out=20),
    } | more  # fmt: skip
    return Plan(**given)


def test_the_text_fits_a_terminal_whatever_the_size_of_the_collection():
    text = str(made())
    assert max(map(len, text.splitlines())) <= 80
    for part in ("1,234,567,890", "3.79 TB", "*full re-embedding", "a bri~, rerank 100"[-12:],
                 "naive swap: 3 against 4", "- If texts are gone", "+.050 [+.040, +.060]", "-.050-",
                 "more than 100 would still help", " >6.2", "1.2"):  # fmt: skip
        assert part in text, part


def test_what_is_lacking_is_said():
    text = str(made(lacking="three queries are too few.", enough=False, warnings=("beware",)))
    assert "Not enough data: three queries" in text
    assert "Warning: beware" in text


def test_plain_data_and_looking_up():
    plan = made()
    data = json.loads(json.dumps(plan.as_dict(), allow_nan=False))
    assert data["kind"] == "plan"
    assert data["strategies"][1]["ndcg"] is None
    assert data["strategies"][2]["against_status_quo"]["ndcg"]["mean"] == 0.05
    assert data["strategies"][3]["cost"]["rebuild"] is True
    assert plan.outcome("naive swap").impossible
    with pytest.raises(InputError, match="one of: status quo, naive swap"):
        plan.outcome("else")


def test_no_bridge_no_curves():
    text = str(made(curves=(), pairs=None))
    assert "Re-embedded" not in text
    assert "Pairs for" not in text
