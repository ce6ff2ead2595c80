"""Evaluation: every strategy measured on the same queries and documents, and what it means."""

import math
import textwrap
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from isthmus.core.errors import InputError
from isthmus.core.score import Score
from isthmus.retrieval.bootstrap import Difference
from isthmus.upgrade.lines import WIDTH, change, line, short, shortened, wrapped

Relevance = Literal["human", "known item", "provisional"]
JUDGED_BY = {
    "human": "human judgements",
    "known item": "known items: each query has one right document",
    "provisional": "PROVISIONAL: the new encoder's own nearest neighbours",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One strategy, measured; when ``impossible`` says why it cannot be, the numbers are None.

    ``recall``, ``ndcg`` and ``mrr`` are means over queries within the first k;
    ``differences`` holds the paired difference of each (by the same names) to the reference row;
    ``negative_flips`` is the share of queries for which the status quo has a relevant document
    among the first k and this strategy has none; ``overlap`` the share of the first k documents in
    common with full re-embedding (1 - overlap is the churn).
    """

    strategy: str
    kind: str
    summary: str
    bridge: str | None = None
    impossible: str = ""
    recall: Score | None = None
    ndcg: Score | None = None
    mrr: Score | None = None
    differences: dict[str, Difference] | None = None
    negative_flips: float | None = None
    overlap: Score | None = None

    @property
    def churn(self) -> float | None:
        """Share of the first k documents that full re-embedding would not show."""
        return None if self.overlap is None else 1.0 - self.overlap.value

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "strategy": self.strategy,
            "kind": self.kind,
            "summary": self.summary,
            "bridge": self.bridge,
            "impossible": self.impossible,
            **{name: _plain(getattr(self, name)) for name in ("recall", "ndcg", "mrr")},
            "differences": {n: d.as_dict() for n, d in (self.differences or {}).items()} or None,
            "negative_flips": self.negative_flips,
            "overlap": _plain(self.overlap),
            "churn": self.churn,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How well a bridge translates pairs it was not fitted on, all searched among themselves.

    ``cosine`` to the true partner, and ``fitted_cosine`` the same on rows it was fitted on (None
    when that is not known): a gap between them is overfitting; ``rank`` of the true partner (mean)
    and ``median_rank``; ``top1`` the share ranked first, with its chance level 1 / n; ``ranks``
    (n,) each row's own.
    """

    bridge: str
    direction: str
    cosine: Score
    fitted_cosine: float | None
    rank: Score
    median_rank: float
    top1: Score
    n: int
    ranks: np.ndarray | None = field(default=None, compare=False, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "bridge": self.bridge,
            "direction": self.direction,
            "cosine": _plain(self.cosine),
            "fitted_cosine": self.fitted_cosine,
            "rank": _plain(self.rank),
            "median_rank": self.median_rank,
            "top1": _plain(self.top1),
            "n": self.n,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All strategies on one table, with the one recommended and why; printing it shows the table.

    ``relevance`` says who judged: ``"human"``, ``"known item"`` or ``"provisional"``.
    ``reference`` names the row that differences are taken to.
    """

    rows: tuple[Row, ...]
    relevance: Relevance
    n_queries: int
    n_documents: int
    k: int
    reference: str
    recommended: str
    reason: str
    fits: tuple[Fit, ...]
    warnings: tuple[str, ...] = ()

    def row(self, strategy: str) -> Row:
        """The row of ``strategy``; raises InputError naming the others."""
        for row in self.rows:
            if row.strategy == strategy:
                return row
        known = ", ".join(row.strategy for row in self.rows)
        raise InputError("Evaluation.row", repr(strategy), f"one of: {known}")

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "kind": "evaluation",
            "relevance": self.relevance,
            "n_queries": self.n_queries,
            "n_documents": self.n_documents,
            "k": self.k,
            "reference": self.reference,
            "recommended": self.recommended,
            "reason": self.reason,
            "rows": [row.as_dict() for row in self.rows],
            "fits": [fit.as_dict() for fit in self.fits],
            "warnings": list(self.warnings),
        }

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.n_queries:,} queries over {self.n_documents:,} documents, "
                f"first {self.k} looked at",
                f"Relevance by {JUDGED_BY[self.relevance]}",
                "",
                *self._table(),
                "",
                *wrapped("Recommended: ", self.reason),
                *self._fitted(),
                *(text for warning in self.warnings for text in wrapped("Warning: ", warning)),
                *self._legend(),
            ]
        )

    def _table(self) -> list[str]:
        against = "vs re-embedding" if "full" in self.reference else f"vs {self.reference}"
        titles = (f"R@{self.k}", f"nDCG@{self.k}", "MRR", against, "lost", "same")
        cells = [self._cells(row) for row in self.rows]
        # A column nobody fills (lost, without a status quo) is not shown.
        filled = [any(row and row[i] for row in cells) for i in range(len(titles))]
        head, *body = (_picked(row, filled) for row in (titles, *cells))
        widths = [max(map(len, column)) for column in zip(head, *filter(None, body), strict=True)]
        name = WIDTH - sum(widths) - 2 * len(widths)
        lines = [line("", head, widths, name), "-" * WIDTH]
        for row, shown in zip(self.rows, body, strict=True):
            mark = "*" if row.strategy == self.recommended else " "
            label = mark + shortened(row.strategy.removesuffix(" side"), name - 1)
            if shown:
                lines.append(line(label, shown, widths, name))
            else:
                lines.append(f"{label:<{name}}  not possible: {row.impossible}"[:WIDTH])
        return lines

    def _cells(self, row: Row) -> tuple[str, ...] | None:
        if row.recall is None or row.ndcg is None or row.mrr is None:
            return None
        against = "" if row.strategy == self.reference else change((row.differences or {})["ndcg"])
        return (
            short(row.recall.value),
            f"{short(row.ndcg.value)} ±{short(_half(row.ndcg))}",
            short(row.mrr.value),
            against,
            ""
            if row.negative_flips is None or row.kind == "status quo"
            else f"{row.negative_flips:.0%}",
            "" if row.overlap is None else f"{row.overlap.value:.0%}",
        )

    def _fitted(self) -> list[str]:
        titles = ("cosine", "on fitted", "first", "median rank")
        lines = [
            "",
            f"Do held-out rows land on their true partners? Chance: first {self._chance():.2%}",
        ]
        lines.append(line("", titles, [len(title) for title in titles], 35))
        for fit in self.fits:
            cells = (
                f"{fit.cosine.value:.3f}",
                "" if fit.fitted_cosine is None else f"{fit.fitted_cosine:.3f}",
                f"{fit.top1.value:.1%}",
                f"{fit.median_rank:g}",
            )
            label = shortened(f" {fit.bridge}, {fit.direction}", 35)
            lines.append(line(label, cells, [len(title) for title in titles], 35))
        return [*lines, ""]

    def _chance(self) -> float:
        return self.fits[0].top1.chance or 0.0

    def _legend(self) -> list[str]:
        shown = (
            f"R: share of relevant documents among the first {self.k}; nDCG: the same, earlier "
            "places counting more; MRR: one over the rank of the first relevant one. ± and "
            "brackets: 95% intervals over queries; the difference is of nDCG, paired by query. "
            "same: share of the results that full re-embedding would show."
        )
        if any(row.negative_flips is not None for row in self.rows):
            shown += " lost: queries that the status quo answers and this does not."
        return ["", *textwrap.wrap(shown, WIDTH)]


def _plain(score: Score | None) -> dict[str, Any] | None:
    return None if score is None else score.as_dict()


def _half(score: Score) -> float:
    low, high = score.ci or (math.nan, math.nan)
    return (high - low) / 2


def _picked(cells: tuple[str, ...] | None, which: list[bool]) -> tuple[str, ...]:
    return tuple(cell for cell, wanted in zip(cells or (), which, strict=False) if wanted)
