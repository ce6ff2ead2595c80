import json
from dataclasses import replace

import pytest

from isthmus.core.errors import InputError
from isthmus.core.score import Score
from isthmus.retrieval.bootstrap import Difference
from isthmus.upgrade.evaluation import Evaluation, Fit, Row


def score(value):
    return Score(value=value, method="m", n=50, ci=(max(value - 0.02, 0), value + 0.03))


def measured(strategy, kind, value, *, change=None, flips=None):
    same = Difference(
        mean=change or 0.0, ci=((change or 0) - 0.01, (change or 0) + 0.01), p=0.5, n=50
    )
    return Row(
        strategy=strategy,
        kind=kind,
        summary="s",
        recall=score(value),
        ndcg=score(value),
        mrr=score(value),
        differences=dict.fromkeys(("recall", "ndcg", "mrr"), same),
        negative_flips=flips,
        overlap=score(0.5),
    )


@pytest.fixture
def shown():
    fit = Fit(
        bridge="a, b",
        direction="old to new",
        cosine=score(0.5),
        fitted_cosine=0.9,
        rank=score(3.0),
        median_rank=1.5,
        top1=Score(value=0.6, method="m", n=50, chance=0.02),
        n=50,
    )
    return Evaluation(
        rows=(
            measured("status quo", "status quo", 0.4, flips=0.0),
            Row(strategy="naive swap", kind="naive swap", summary="s", impossible="12 against 10"),
            measured("a, b, corpus side", "corpus side", 0.45, change=0.05, flips=0.031),
            measured("full re-embedding", "full re-embedding", 1.0, change=0.6, flips=0.0),
        ),
        relevance="human",
        n_queries=50,
        n_documents=12345,
        k=10,
        reference="status quo",
        recommended="a, b, corpus side",
        reason="translate the corpus.",
        fits=(fit,),
        warnings=("a warning " * 20,),
    )


def line(shown, start):
    return next(text for text in str(shown).splitlines() if text.startswith(start))


def test_the_table_says_what_the_rows_say(shown):
    assert line(shown, "*a, b, corpus").split()[3:] == [
        ".450", ".450", "±.025", ".450", "+.050", "[+.040,", "+.060]", "3%", "50%",
    ]  # fmt: skip
    assert "vs status quo" in str(shown)
    assert "not possible: 12 against 10" in line(shown, " naive swap")
    assert "50 queries over 12,345 documents" in str(shown)
    assert "human judgements" in str(shown)
    assert "0.900" in line(shown, " a, b, old to new").split()
    assert max(map(len, str(shown).splitlines())) <= 80


def test_a_column_that_nobody_fills_is_not_shown(shown):
    bare = replace(shown, rows=tuple(replace(row, negative_flips=None) for row in shown.rows))
    assert "lost" in str(shown)
    assert "lost" not in str(bare)
    assert max(map(len, str(bare).splitlines())) <= 80


@pytest.mark.parametrize("name", ["x" * 200, "x" * 200 + ", corpus side", "ünïcode, query side"])
@pytest.mark.parametrize("k", [1, 1000])
def test_long_names_give_way(shown, name, k):
    row = replace(shown.rows[2], strategy=name)
    wide = replace(shown, rows=(*shown.rows, row), k=k)
    assert max(map(len, str(wide).splitlines())) <= 80


def test_json_and_lookup(shown):
    data = json.loads(json.dumps(shown.as_dict(), allow_nan=False))
    assert data["rows"][1]["ndcg"] is None
    assert data["rows"][2]["differences"]["ndcg"]["mean"] == 0.05
    assert data["rows"][2]["churn"] == 0.5
    assert data["fits"][0]["top1"]["chance"] == 0.02
    assert shown.row("naive swap").churn is None
    with pytest.raises(InputError, match="one of: status quo, naive swap"):
        shown.row("x")
