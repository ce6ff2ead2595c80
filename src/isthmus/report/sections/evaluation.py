"""Evaluation: every way to serve after the encoder changed, against what is served today."""

import math
from typing import Any

import numpy as np

from isthmus.report import plots
from isthmus.report.page import (
    Cell,
    Picture,
    Section,
    Table,
    Verdict,
    count,
    interval,
    number,
    score_cell,
    section,
    sentence,
)

_DO = {
    "status quo": "Short of re-embedding, keep the old encoder.",
    "corpus side": "Translate the corpus with the {bridge} bridge.",
    "query side": "Translate the queries with the {bridge} bridge and leave the corpus alone.",
    "fused": "Search the old corpus with old and translated queries together.",
    "full re-embedding": "Re-embed everything.",
}
_JUDGED_BY = {
    "human": "human judgements",
    "known item": "known items (each query has one right document)",
    "provisional": "the new encoder's own nearest neighbours, so all figures are provisional",
}
_CEILING = "full re-embedding"


@section("Evaluation", step="evaluate")
def build(evaluations: list[Any]) -> Section:
    """The section on one or more evaluations; the first one is the verdict's."""
    first = evaluations[0]
    return Section(
        title="What retrieval gains or loses",
        lead="Every way to serve after the encoder changed answered the same queries over the same "
        "documents; what counts is the difference to what is served today.",
        findings=tuple(_ground(evaluation) for evaluation in evaluations),
        warnings=tuple(warning for e in evaluations for warning in e.warnings),
        tables=tuple(t for e in evaluations for t in (_strategies(e), _fits(e)) if t.rows),
        pictures=tuple(
            picture
            for i, e in enumerate(evaluations)
            for picture in (*(_forest(e, f"forest-{i}") if i else ()), *_ranks(e, f"ranks-{i}"))
        ),
        verdict=Verdict(
            headline=_headline(first),
            reason=sentence(first.reason),
            sure=sentence(_sure(first)),
            picture=next(iter(_forest(first, "forest-0")), None),
        ),
    )


def _ground(e: Any) -> str:
    return (
        f"{count(e.n_queries, 'queries')} over {count(e.n_documents, 'documents')}, the first "
        f"{e.k} looked at; relevance by {_JUDGED_BY.get(e.relevance, e.relevance)}."
    )


def _headline(e: Any) -> str:
    row = _row_of(e, e.recommended)
    words = _DO.get(row.kind, "") if row else ""
    return words.format(bridge=row.bridge) if row and words else f"Recommended: {e.recommended}."


def _sure(e: Any) -> str:
    row = _row_of(e, e.recommended)
    found = _difference(row) if row else None
    if e.recommended == e.reference or found is None:
        rivals = [(r, _difference(r)) for r in e.rows if r.kind != _CEILING]
        better = [r.strategy for r, d in rivals if d is not None and d.ci[0] > 0]
        told = f"better beyond doubt: {', '.join(better)}" if better else "none better beyond doubt"
        return f"of the alternatives measured on {count(e.n_queries, 'queries')}, {told}."
    low, high = found.ci
    where = {1: "lies above zero", 0: "holds zero", -1: "lies below zero"}[(low > 0) - (high < 0)]
    told = {1: "beyond doubt", 0: "not beyond doubt", -1: "worse beyond doubt"}[
        (low > 0) - (high < 0)
    ]
    like = "as to likeness to the new encoder, " if e.relevance == "provisional" else ""
    rest = " Whether users gain is not measured: that takes queries." if like else ""
    return (
        f"{like}{told}: on the same {count(found.n, 'queries')}, the 95 % interval of its "
        f"difference to {_the(e.reference)}, {interval(found.ci, sign=True)}, {where}.{rest}"
    )


def _forest(e: Any, key: str) -> tuple[Picture, ...]:
    marks, lines, said = [], [plots.Line(0.0, e.reference)], []
    for row in e.rows:
        strong = row.strategy == e.recommended
        found = _difference(row)
        if row.ndcg is None:
            mark = plots.Mark(label=row.strategy, value=None, notes=("not possible",))
        elif row.strategy == e.reference or found is None:
            notes = (number(row.ndcg.value), "reference")
            mark = plots.Mark(
                label=row.strategy, value=0.0, notes=notes, tone="reference", strong=strong
            )
        else:
            tone = "better" if found.ci[0] > 0 else "worse" if found.ci[1] < 0 else "unclear"
            if row.kind == _CEILING:
                tone = "reference"
                lines.append(plots.Line(found.mean, "ceiling", dashed=True))
            notes = (number(row.ndcg.value), plots.figures(found.mean, found.ci, sign=True))
            mark = plots.Mark(
                label=row.strategy,
                value=found.mean,
                ci=found.ci,
                notes=notes,
                tone=tone,
                strong=strong,
            )
        marks.append(mark)
        said.append(f"{row.strategy}: {', '.join(mark.notes)}")
    if not any(mark.value is not None for mark in marks):
        return ()
    svg = plots.intervals(
        marks,
        key=key,
        axis=f"difference in nDCG@{e.k} to {_the(e.reference)}",
        lines=lines,
        heads=(f"nDCG@{e.k}", "difference [95 %]"),
    )
    dashed = "; the dashed line is the ceiling, re-embedding everything" if len(lines) > 1 else ""
    return (
        Picture(
            svg=svg,
            caption=f"Each way to serve against {_the(e.reference)} (solid line), with the paired "
            f"95 % interval of the difference{dashed}. Filled circles are better beyond doubt, "
            "squares worse, hollow circles cannot be told apart; the recommended one is in bold.",
            alt=f"nDCG@{e.k} and its difference to {_the(e.reference)}. " + "; ".join(said) + ".",
        ),
    )


def _strategies(e: Any) -> Table:
    return Table(
        caption=f"Every strategy with 95 % intervals, n = {count(e.n_queries, 'queries')}. The "
        f"difference is of nDCG@{e.k}, paired by query. Lost: queries that the status quo answers "
        "and this does not. Same: share of the results that full re-embedding would show.",
        columns=("strategy", f"recall@{e.k}", f"nDCG@{e.k}", f"MRR@{e.k}", f"against {e.reference}",
                 "lost", "same"),
        rows=tuple(_cells(row, e) for row in e.rows),
        marked=frozenset(i for i, row in enumerate(e.rows) if row.strategy == e.recommended),
    )  # fmt: skip


def _cells(row: Any, e: Any) -> tuple[Cell, ...]:
    name = Cell(row.strategy, row.summary)
    if row.ndcg is None:
        name = Cell(row.strategy, f"not possible: {row.impossible}")
        return (name, *[Cell("\N{EN DASH}")] * 6)
    found = _difference(row)
    if row.strategy == e.reference or found is None:
        change = Cell("reference")
    else:
        change = Cell(number(found.mean, sign=True), interval(found.ci, sign=True))
    lost = _share(None if row.strategy == e.reference else row.negative_flips, row.ndcg.n)
    return (name, *map(score_cell, (row.recall, row.ndcg, row.mrr)), change, lost,
            score_cell(row.overlap))  # fmt: skip


def _fits(e: Any) -> Table:
    return Table(
        caption="How well each bridge translates pairs it was not fitted on, searched among "
        "themselves. When fitted: the same cosine on pairs it was fitted on; a gap is overfitting. "
        "First: how often the true partner comes first.",
        columns=(
            "bridge",
            "cosine to the truth",
            "when fitted",
            "first",
            "by chance",
            "mean rank",
            "median",
            "n",
        ),
        rows=tuple(
            (
                Cell(fit.bridge, fit.direction),
                score_cell(fit.cosine),
                Cell(number(fit.fitted_cosine)),
                score_cell(fit.top1),
                Cell(number(fit.top1.chance, digits=4)),
                score_cell(fit.rank, digits=1),
                Cell(number(fit.median_rank, digits=1)),
                Cell(count(fit.n)),
            )
            for fit in e.fits
        ),
    )


def _ranks(e: Any, key: str) -> tuple[Picture, ...]:
    # One direction at a time: the other one's ranks tell the same story twice.
    shown = [fit for fit in e.fits if fit.direction == "old to new"] or list(e.fits)
    sides = {fit.bridge: np.asarray(fit.ranks) for fit in shown if fit.ranks is not None}
    if not sides:
        return ()
    candidates = max(fit.n for fit in e.fits)
    said = ", ".join(f"{name} {100 * np.mean(r == 1):.0f} %" for name, r in sides.items())
    return (
        Picture(
            svg=plots.ranks(sides, candidates, key=key),
            caption="Where the true partner of a translated, held-out vector was found. Tall bars "
            "at the left are good; the short lines show what ranking at random would give.",
            alt=f"Histogram of the rank of the true partner. Ranked first: {said}.",
        ),
    )


def _row_of(e: Any, strategy: str) -> Any:
    return next((row for row in e.rows if row.strategy == strategy), None)


def _the(reference: str) -> str:
    return f"the {reference}" if reference == "status quo" else reference


def _difference(row: Any) -> Any:
    return (row.differences or {}).get("ndcg")


def _share(share: float | None, n: int) -> Cell:
    # Wilson's interval: right for shares near 0, where lost queries usually are.
    if share is None:
        return Cell("\N{EN DASH}")
    z = 1.959964
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Cell(number(share), interval((max(centre - half, 0.0), min(centre + half, 1.0))))
