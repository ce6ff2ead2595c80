"""The plan's section: marks follow the intervals, and what is lacking is not hidden."""

import dataclasses

import pytest

import isthmus
from isthmus.core.score import Score
from isthmus.report.sections import plan as section
from isthmus.retrieval.bootstrap import Difference
from isthmus.upgrade.backfill import FractionCurve
from isthmus.upgrade.cost import Cost
from isthmus.upgrade.pair_curve import PairCurve
from isthmus.upgrade.planned import Outcome, Plan


def outcome(name, kind, mean=None, ci=(0.0, 0.0), **more):
    score = Score(value=0.4 + (mean or 0.0), ci=(0.3, 0.6), method="ndcg", n=80)
    gap = None if mean is None else {"ndcg": Difference(mean=mean, ci=ci, p=0.1, n=80)}
    return Outcome(
        name=name, kind=kind, summary=f"what {name} is", recall=score, ndcg=score, mrr=score,
        churn=score, negative_flips=0.03, against_status_quo=gap, against_full=gap,
        cost=more.pop("cost", Cost()), **more,
    )  # fmt: skip


@pytest.fixture
def plan():
    rows = (
        outcome("status quo", "status quo"),
        Outcome(name="naive swap", kind="naive swap", summary="", cost=Cost(),
                impossible="3 against 4 dimensions"),
        outcome("better", "interpolated", 0.05, (0.01, 0.09), setting="0.7",
                cost=Cost(needs=("old encoder",), seconds=0.002)),
        outcome("worse", "query side", -0.05, (-0.09, -0.01),
                cost=Cost(embed_per_query=6.2, partly=True)),
        outcome("unclear", "corpus side", 0.01, (-0.03, 0.05),
                cost=Cost(bytes=10**9, rebuild=True)),
        outcome("full re-embedding", "full re-embedding", 0.02, (-0.01, 0.05),
                cost=Cost(embed=12345, bytes=10**9, rebuild=True, needs=("texts",))),
    )  # fmt: skip
    return Plan(
        outcomes=rows, relevance="human", n_queries=80, n_documents=500, collection=12345, k=10,
        recommended="better", reason="ask in between.", sure=0.87, enough=True, lacking="",
        changes=("If the old encoder is gone: unclear.",),
        curves=(FractionCurve(order="random", bridge="b", fractions=(0.0, 0.5, 1.0),
                              ndcg=(0.3, 0.2, 0.42)),),
        pairs=PairCurve(bridge="affine", sizes=(50, 100), mrr=(0.5, 0.6), enough=100, held_out=20),
    )  # fmt: skip


def test_marks_follow_the_intervals(plan, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        section.plots, "intervals", lambda marks, **_: drawn.extend(marks) or "<svg/>"
    )
    section.build([plan])
    tones = {mark.label: (mark.tone, mark.strong) for mark in drawn}
    assert tones["status quo"] == ("reference", False)
    assert tones["better"] == ("better", True)
    assert tones["worse"] == ("worse", False)
    assert tones["unclear"] == ("unclear", False)
    assert {m.label: m.value for m in drawn}["naive swap"] is None


def test_verdict_findings_and_tables(plan):
    built = section.build([plan])
    assert built.verdict.headline == "Recommended: better."
    assert "0.87" in built.verdict.sure
    assert "500 of 12,345 documents" in built.findings[0]
    assert "If the old encoder is gone: unclear." in built.findings
    assert "100 pairs are enough" in built.findings[-1]
    quality, costs = built.tables
    assert len(quality.rows) == 6
    assert len(costs.rows) == 5  # what is impossible costs nothing
    assert {len(row) for row in quality.rows} == {len(quality.columns)}
    assert {len(row) for row in costs.rows} == {len(costs.columns)}
    assert [cell.text for cell in costs.rows[-1][1:4]] == ["12,345", "1,000 MB", "rebuild"]
    assert costs.rows[2][4].text == "more than 6.2"
    assert quality.marked == frozenset({2})
    assert "random: 0% 0.300, 50% 0.200, 100% 0.420" in built.pictures[0].alt
    assert "50 0.500, 100 0.600" in built.pictures[1].alt


def test_not_enough_data_stands_in_the_verdict_and_among_the_warnings(plan):
    short = dataclasses.replace(plan, enough=False, lacking="80 queries are few.")
    built = section.build([short])
    assert built.verdict.sure.startswith("Not enough data: 80 queries")
    assert built.warnings[0].startswith("Not enough data")


def test_without_a_status_quo_full_re_embedding_is_the_reference(plan):
    quo = dataclasses.replace(plan.outcomes[0], recall=None, ndcg=None, mrr=None, impossible="none")
    built = section.build([dataclasses.replace(plan, outcomes=(quo, *plan.outcomes[1:]))])
    assert "against full re-embedding" in built.verdict.picture.caption.lower()


def test_on_a_page_and_a_name_that_is_no_markup(plan, tmp_path):
    rows = (*plan.outcomes, outcome("<script>alert(1)</script>", "fused", 0.01, (-0.1, 0.1)))
    hostile = dataclasses.replace(plan, outcomes=rows)
    page = isthmus.report(tmp_path / "plan.html", hostile, plan).read_text()
    assert "<script" not in page
    assert "Which way to serve" in page
    assert page.count("documents re-embedded, %") == 2


def test_neither_curves_nor_pairs(plan):
    built = section.build([dataclasses.replace(plan, curves=(), pairs=None)])
    assert built.pictures == ()


@pytest.mark.parametrize("enough", [100, None])
def test_the_picture_tells_of_a_broken_line_only_where_there_is_one(plan, enough):
    pairs = dataclasses.replace(plan.pairs, enough=enough)
    (told,) = [
        picture.caption
        for picture in section.build([dataclasses.replace(plan, pairs=pairs)]).pictures
        if "held-out pairs" in picture.caption
    ]
    assert ("broken line" in told) == bool(enough)
