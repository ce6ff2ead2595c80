"""The evaluation's section: words and marks follow the intervals, never the point values alone."""

import dataclasses
from typing import Any

import pytest
from scipy.stats import binomtest

from isthmus.core.score import Score
from isthmus.report import plots
from isthmus.report.sections import evaluation as section
from isthmus.retrieval.bootstrap import Difference
from isthmus.upgrade.evaluation import Row


def with_row(e: Any, kind: str, ci: tuple[float, float], **changes: Any) -> Any:
    """``e`` with a status quo and one row of ``kind``, which is recommended."""
    score = Score(value=0.5, ci=(0.4, 0.6), method="ndcg", n=400)
    gap = Difference(mean=sum(ci) / 2, ci=ci, p=0.5, n=400)
    base = {"summary": "", "recall": score, "ndcg": score, "mrr": score}
    rows = (
        Row(strategy="status quo", kind="status quo", **base),
        Row(strategy="it", kind=kind, bridge="affine", differences={"ndcg": gap}, **base),
    )
    return dataclasses.replace(e, rows=rows, **{"recommended": "it"} | changes)


@pytest.mark.parametrize(
    ("ci", "words"),
    [
        ((0.01, 0.1), "Beyond doubt: on the same 400 queries"),
        ((-0.01, 0.1), "Not beyond doubt: "),
        ((-0.1, -0.01), "Worse beyond doubt: "),
    ],
)
def test_how_sure_is_told_from_the_interval(
    ci: tuple[float, float], words: str, rich: dict[str, Any]
) -> None:
    verdict = section.build([with_row(rich["evaluation"], "corpus side", ci)]).verdict
    assert verdict is not None
    assert verdict.sure.startswith(words)
    assert "likeness" not in verdict.sure


def test_provisional_relevance_is_said(rich: dict[str, Any]) -> None:
    e = with_row(rich["evaluation"], "fused", (0.1, 0.2), relevance="provisional")
    built = section.build([e])
    assert built.verdict is not None
    assert built.verdict.sure.startswith("As to likeness to the new encoder, beyond doubt")
    assert "not measured" in built.verdict.sure
    assert "provisional" in built.findings[0]


@pytest.mark.parametrize(
    ("kind", "headline"),
    [
        ("status quo", "Short of re-embedding, keep the old encoder."),
        ("corpus side", "Translate the corpus with the affine bridge."),
        ("query side", "Translate the queries with the affine bridge and leave the corpus alone."),
        ("full re-embedding", "Re-embed everything."),
        ("something new", "Recommended: it."),
    ],
)
def test_headline_says_what_to_do(kind: str, headline: str, rich: dict[str, Any]) -> None:
    verdict = section.build([with_row(rich["evaluation"], kind, (0.1, 0.2))]).verdict
    assert verdict is not None
    assert verdict.headline == headline


def test_keeping_the_old_names_what_else_was_better(rich: dict[str, Any]) -> None:
    worse = with_row(rich["evaluation"], "query side", (-0.2, -0.1), recommended="status quo")
    better = with_row(rich["evaluation"], "query side", (0.1, 0.2), recommended="status quo")
    sure = [section.build([e]).verdict.sure for e in (worse, better)]  # type: ignore[union-attr]
    assert "none better beyond doubt" in sure[0]
    assert "better beyond doubt: it" in sure[1]


def test_marks_and_lines_of_the_forest(
    rich: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def drawn(marks: list[plots.Mark], **options: Any) -> str:
        seen.update(options, marks={mark.label: mark for mark in marks})
        return "<svg></svg>"

    monkeypatch.setattr(plots, "intervals", drawn)
    section.build([dataclasses.replace(rich["evaluation"], fits=())])
    tones = {name: mark.tone for name, mark in seen["marks"].items() if mark.value is not None}
    assert tones == {
        "status quo": "reference", "affine, corpus side": "better", "affine, query side": "unclear",
        "affine, fused": "better", "orthogonal, corpus side": "worse",
        "full re-embedding": "reference",
    }  # fmt: skip
    assert [name for name, mark in seen["marks"].items() if mark.strong] == ["affine, corpus side"]
    assert [line.label for line in seen["lines"]] == ["status quo", "ceiling"]
    assert seen["lines"][1].at == pytest.approx(0.12)


@pytest.mark.parametrize(("lost", "n"), [(0, 400), (12, 400), (399, 400), (1, 7)])
def test_share_has_wilson_s_interval(lost: int, n: int) -> None:
    low, high = binomtest(lost, n).proportion_ci(method="wilson")
    cell = section._share(lost / n, n)
    shown = [float(end) for end in cell.detail.strip("[]").replace("e\u2212", "e-").split(", ")]
    assert shown == pytest.approx([low, high], abs=6e-4)


def test_impossible_strategies_say_why(rich: dict[str, Any]) -> None:
    table = section.build([rich["evaluation"]]).tables[0]
    row = next(row for row in table.rows if row[0].text == "naive swap")
    assert row[0].detail == "not possible: 96 against 64 dimensions"
    assert {cell.text for cell in row[1:]} == {"\u2013"}
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_rank_histogram_only_where_ranks_are_known(rich: dict[str, Any]) -> None:
    e = rich["evaluation"]
    assert len(section.build([e]).pictures) == 1
    bare = dataclasses.replace(e, fits=tuple(fit.fit for fit in e.fits))
    assert section.build([bare]).pictures == ()
