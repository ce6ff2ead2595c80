"""Plan: every strategy measured on the same queries, what each costs, and one recommended."""

import textwrap
from dataclasses import dataclass
from typing import Any

from isthmus.core.errors import InputError
from isthmus.core.score import Score
from isthmus.retrieval.bootstrap import Difference
from isthmus.upgrade.backfill import FractionCurve
from isthmus.upgrade.cost import Cost
from isthmus.upgrade.evaluation import JUDGED_BY, Relevance
from isthmus.upgrade.lines import WIDTH, change, line, short, shortened, signed, wrapped
from isthmus.upgrade.pair_curve import PairCurve

_TITLES = ("nDCG", "vs status quo", "vs full", "lost", "moved")
#: Needs in the words of the table.
_NEEDS = {"old encoder": "old", "texts": "text", "both indexes": "both"}
_COSTS = ("embed", "write", "index", "embed/q", "+ms", "needs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One strategy, measured; when ``impossible`` says why it cannot be, the figures are None.

    ``recall``, ``ndcg`` and ``mrr`` are means over queries within the first k;
    ``against_status_quo`` and ``against_full`` the paired differences of each, by these names, to
    the status quo and to full re-embedding. ``negative_flips`` is the share of queries that the
    status quo answers among its first k and this does not; ``churn`` the share of the first k
    documents that the status quo does not show. ``setting`` is what a deployment would use, chosen
    on all queries; the figures are cross-fitted.
    """

    name: str
    kind: str
    summary: str
    bridge: str | None = None
    setting: str = ""
    impossible: str = ""
    recall: Score | None = None
    ndcg: Score | None = None
    mrr: Score | None = None
    against_status_quo: dict[str, Difference] | None = None
    against_full: dict[str, Difference] | None = None
    negative_flips: float | None = None
    churn: Score | None = None
    cost: Cost

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        scores = {name: getattr(self, name) for name in ("recall", "ndcg", "mrr", "churn")}
        sides = {name: getattr(self, name) for name in ("against_status_quo", "against_full")}
        return {
            "name": self.name, "kind": self.kind, "summary": self.summary,
            "bridge": self.bridge, "setting": self.setting, "impossible": self.impossible,
            **{name: score and score.as_dict() for name, score in scores.items()},
            **{name: d and {m: one.as_dict() for m, one in d.items()} for name, d in sides.items()},
            "negative_flips": self.negative_flips, "cost": self.cost.as_dict(),
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All strategies on one table, the one recommended and why; printing it shows the table.

    ``sure`` is the believed probability that the recommended one reaches 99 % of the best;
    ``enough`` whether the data decide, and ``lacking`` what they leave open where they do not.
    ``changes`` says what would change the recommendation, and in which smaller form or by which
    hops it could be had. ``curves`` hold quality against the fraction re-embedded and ``pairs`` the
    quality of a bridge against the number of its pairs. ``collection`` is the size of the old
    collection, for which costs are counted.
    """

    outcomes: tuple[Outcome, ...]
    relevance: Relevance
    n_queries: int
    n_documents: int
    collection: int
    k: int
    recommended: str
    reason: str
    sure: float
    enough: bool
    lacking: str
    changes: tuple[str, ...]
    curves: tuple[FractionCurve, ...]
    pairs: PairCurve | None
    warnings: tuple[str, ...] = ()

    def outcome(self, strategy: str) -> Outcome:
        """The outcome of ``strategy``; raises InputError naming the others."""
        for outcome in self.outcomes:
            if outcome.name == strategy:
                return outcome
        known = ", ".join(outcome.name for outcome in self.outcomes)
        raise InputError("Plan.outcome", repr(strategy), f"one of: {known}")

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "kind": "plan", "relevance": self.relevance, "n_queries": self.n_queries,
            "n_documents": self.n_documents, "collection": self.collection, "k": self.k,
            "recommended": self.recommended, "reason": self.reason, "sure": self.sure,
            "enough": self.enough, "lacking": self.lacking, "changes": list(self.changes),
            "strategies": [outcome.as_dict() for outcome in self.outcomes],
            "curves": [curve.as_dict() for curve in self.curves],
            "pairs": None if self.pairs is None else self.pairs.as_dict(),
            "warnings": list(self.warnings),
        }  # fmt: skip

    def __str__(self) -> str:
        sample = "" if self.n_documents == self.collection else f" of {self.collection:,}"
        lines = [
            f"{self.n_queries:,} queries over {self.n_documents:,}{sample} documents, first "
            f"{self.k} looked at",
            f"Relevance by {JUDGED_BY[self.relevance]}",
            "",
            *self._quality(),
            "",
            *self._costs(),
            "",
            *wrapped("Recommended: ", self.reason),
            *(wrapped("Not enough data: ", self.lacking) if self.lacking else ()),
            *(text for told in self.changes for text in wrapped("- ", told)),
            "",
            *self._curves(),
            *(text for warning in self.warnings for text in wrapped("Warning: ", warning)),
            "",
            *textwrap.wrap(_LEGEND.format(k=self.k), WIDTH),
        ]
        return "\n".join(lines)

    def _quality(self) -> list[str]:
        cells = {o.name: self._cells(o) for o in self.outcomes}
        lines = _table(_TITLES, cells, self.recommended)
        impossible = [f" {o.name}: {o.impossible}" for o in self.outcomes if o.impossible]
        return [*lines, *(["Not possible:", *impossible] if impossible else [])]

    def _cells(self, o: Outcome) -> tuple[str, ...] | None:
        if o.ndcg is None:
            return None
        quo = "" if o.kind == "status quo" else _against(o.against_status_quo)
        full = "" if o.kind == "full re-embedding" else _against(o.against_full, short_form=True)
        flips = "" if o.negative_flips is None or not quo else f"{o.negative_flips:.0%}"
        return (short(o.ndcg.value), quo, full, flips,
                "" if o.churn is None or not quo else f"{o.churn.value:.0%}")  # fmt: skip

    def _costs(self) -> list[str]:
        return _table(_COSTS, {o.name: _paid(o) for o in self.outcomes}, self.recommended)

    def _curves(self) -> list[str]:
        lines = []
        if self.curves:
            first = self.curves[0]
            head = " ".join(f"{fraction:>5.0%}" for fraction in first.fractions)
            lines.append(f"{'Re-embedded, the rest translated':<34}{head}  mean")
            for curve in self.curves:
                told = " ".join(f"{short(value):>5}" for value in curve.ndcg)
                lines.append(f"{'  by ' + curve.order:<34}{told}  {short(curve.area)}")
        if self.pairs is not None:
            lines += wrapped("", _pairs_said(self.pairs))
        return [*lines, ""] if lines else []


_LEGEND = (
    "nDCG: relevant documents among the first {k}, earlier places counting more. Brackets: paired "
    "95% intervals over queries; + better, - worse, ~ neither beyond doubt. lost: queries that the "
    "status quo answers and this does not; moved: share of the results that the status quo does "
    "not show. embed: documents to embed before serving; embed/q: while answering a query, those "
    "met before not again (>: counted in part of the collection); write: vectors written; index: "
    "built anew; +ms: added to a query here by maps (one at a time), further searches and "
    "rescoring (by the batch); no encoder is counted, nor that a new index is wider or narrower. "
    "needs: the old encoder per query, the documents' texts, both indexes."
)


def _paid(o: Outcome) -> tuple[str, ...] | None:
    if o.impossible or o.kind == "naive swap":
        return None
    c = o.cost
    return (
        f"{c.embed:,}" if c.embed else "", _size(c.bytes) if c.bytes else "",
        "new" if c.rebuild else "",
        f"{'>' * c.partly}{c.embed_per_query:.1f}" if c.embed_per_query else "",
        f"{1000 * c.seconds:.1f}" if c.seconds else "",
        " ".join(_NEEDS[need] for need in c.needs),
    )  # fmt: skip


def _pairs_said(curve: PairCurve) -> str:
    told = ", ".join(f"{n:,}: {short(v)}" for n, v in zip(curve.sizes, curve.mrr, strict=True))
    enough = (
        f"{curve.enough:,} are enough"
        if curve.enough
        else f"more than {curve.sizes[-1]:,} would still help"
    )
    return f"Pairs for the {curve.bridge} bridge: {enough} (held-out MRR by pairs {told})."


def _table(
    titles: tuple[str, ...], cells: dict[str, tuple[str, ...] | None], recommended: str
) -> list[str]:
    rows = {name: row for name, row in cells.items() if row}
    filled = [i for i in range(len(titles)) if any(row[i] for row in rows.values())]
    shown = {name: [row[i] for i in filled] for name, row in rows.items()}
    head = [titles[i] for i in filled]
    widths = [max(map(len, column)) for column in zip(head, *shown.values(), strict=True)]
    name_width = WIDTH - sum(widths) - 2 * len(widths)
    lines = [line("", head, widths, name_width), "-" * WIDTH]
    for name, row in shown.items():
        mark = "*" if name == recommended else " "
        label = mark + shortened(name, name_width - 1)
        lines.append(line(label, row, widths, name_width))
    return lines


def _against(differences: dict[str, Difference] | None, *, short_form: bool = False) -> str:
    if differences is None:
        return ""
    found = differences["ndcg"]
    if not short_form:
        return change(found)
    # A sign says whether the interval lies on one side: + better, - worse, ~ neither.
    sure = "+" if found.ci[0] > 0 else "-" if found.ci[1] < 0 else "~"
    return f"{signed(found.mean)}{sure}"


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
