"""Plan: every strategy with what it gains and costs, and the one recommended."""

from typing import Any

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

_JUDGED_BY = {
    "human": "human judgements",
    "known item": "known items (each query has one right document)",
    "provisional": "the new encoder's own nearest neighbours, so all figures are provisional",
}
_DASH = "\N{EN DASH}"
_STYLES = (
    ("blue", "-"), ("vermilion", (0, (5, 2))), ("green", (0, (1, 1.5))), ("muted", "-."),
)  # fmt: skip


@section("Plan", step="plan")
def build(plans: list[Any]) -> Section:
    """The section on one or more plans; the first one is the verdict's."""
    first = plans[0]
    return Section(
        title="Which way to serve",
        lead="Every strategy after a change of encoder answered the same queries; what each costs "
        "is counted for the whole collection.",
        findings=tuple(text for plan in plans for text in _findings(plan)),
        warnings=tuple(text for plan in plans for text in _warned(plan)),
        tables=tuple(table for plan in plans for table in (_quality(plan), _costs(plan))),
        pictures=tuple(
            picture
            for i, plan in enumerate(plans)
            for picture in (
                *(_dots(plan, f"plan-{i}") if i else ()),
                *_curves(plan, f"part-{i}"),
                *_pairs(plan, f"pairs-{i}"),
            )
        ),
        verdict=Verdict(
            headline=f"Recommended: {first.recommended}.",
            reason=sentence(first.reason),
            sure=sentence(_sure(first)),
            picture=next(iter(_dots(first, "plan-0")), None),
        ),
    )


def _pairs(plan: Any, key: str) -> tuple[Picture, ...]:
    curve = plan.pairs
    if curve is None:
        return ()
    with plots.Drawing(9.0, 2.8) as drawing:
        ax = drawing.figure.add_axes((0.07, 0.27, 0.68, 0.66))
        ax.semilogx(curve.sizes, curve.mrr, color=plots.PALETTE["blue"], lw=1.8, marker="o", ms=4)
        if curve.enough:
            ax.axvline(curve.enough, color=plots.PALETTE["ink"], lw=1.0, ls=(0, (4, 3)))
        ax.set_xticks(curve.sizes, [f"{size:,}" for size in curve.sizes], rotation=30, ha="right")
        ax.minorticks_off()
        ax.set_xlabel("pairs")
        ax.set_ylabel("MRR")
        ax.grid(color=plots.PALETTE["rule"], lw=0.6)
        svg = drawing.svg(key)
    told = ", ".join(f"{n:,} {number(v)}" for n, v in zip(curve.sizes, curve.mrr, strict=True))
    return (
        Picture(
            svg=svg,
            caption=f"How well the {curve.bridge} bridge finds the partners of "
            f"{count(curve.held_out)} held-out pairs among each other, by the number of pairs that "
            + (
                "it learns from; the broken line is where more no longer help."
                if curve.enough
                else "it learns from."
            ),
            alt=f"Held-out MRR by pairs. {told}.",
        ),
    )


def _sure(plan: Any) -> str:
    told = f"the probability that nothing here is better by more than 1 % is {plan.sure:.2f}"
    return f"not enough data: {plan.lacking}" if plan.lacking else told + "."


def _findings(plan: Any) -> list[str]:
    sample = "" if plan.n_documents == plan.collection else f" of {plan.collection:,}"
    told = [
        f"{count(plan.n_queries, 'queries')} over {plan.n_documents:,}{sample} documents, the "
        f"first {plan.k} looked at; relevance by {_JUDGED_BY.get(plan.relevance, plan.relevance)}.",
        *plan.changes,
    ]
    if plan.pairs is not None:
        tail = (
            f"{count(plan.pairs.enough)} pairs are enough"
            if plan.pairs.enough
            else f"more than {count(plan.pairs.sizes[-1])} pairs would still help"
        )
        told.append(f"For the {plan.pairs.bridge} bridge {tail}.")
    return told


def _warned(plan: Any) -> list[str]:
    lacking = [sentence(f"not enough data: {plan.lacking}")] if plan.lacking else []
    return [*lacking, *plan.warnings]


def _reference(plan: Any) -> tuple[str, str]:
    """What differences are drawn to: its name and the field that holds them."""
    measured = any(o.kind == "status quo" and o.ndcg is not None for o in plan.outcomes)
    return (
        ("status quo", "against_status_quo") if measured else ("full re-embedding", "against_full")
    )


def _dots(plan: Any, key: str) -> tuple[Picture, ...]:
    reference, field = _reference(plan)
    marks, said = [], []
    for o in plan.outcomes:
        strong = o.name == plan.recommended
        found = (getattr(o, field) or {}).get("ndcg")
        if o.ndcg is None:
            mark = plots.Mark(label=o.name, value=None, notes=("not possible",))
        elif o.name == reference or found is None:
            mark = plots.Mark(
                label=o.name, value=0.0, notes=(number(o.ndcg.value), "reference"),
                tone="reference", strong=strong,
            )  # fmt: skip
        else:
            tone = "better" if found.ci[0] > 0 else "worse" if found.ci[1] < 0 else "unclear"
            mark = plots.Mark(
                label=o.name, value=found.mean, ci=found.ci, tone=tone, strong=strong,
                notes=(number(o.ndcg.value), plots.figures(found.mean, found.ci, sign=True)),
            )  # fmt: skip
        marks.append(mark)
        said.append(f"{o.name}: {', '.join(mark.notes)}")
    if not any(mark.value is not None for mark in marks):
        return ()
    the = f"the {reference}" if reference == "status quo" else reference
    svg = plots.intervals(
        marks, key=key, axis=f"difference in nDCG@{plan.k} to {the}",
        lines=[plots.Line(0.0, reference)], heads=(f"nDCG@{plan.k}", "difference [95 %]"),
    )  # fmt: skip
    return (
        Picture(
            svg=svg,
            caption=f"Each strategy against {the}, with the paired 95 % interval of the "
            "difference. Filled circles are better beyond doubt, squares worse, hollow circles "
            "cannot be told apart; the recommended one is in bold.",
            alt=f"nDCG@{plan.k} and its difference to {the}. " + "; ".join(said) + ".",
        ),
    )


def _quality(plan: Any) -> Table:
    return Table(
        caption=f"Quality with 95 % intervals, n = {count(plan.n_queries, 'queries')}; differences "
        f"are of nDCG@{plan.k}, paired by query. Settings are cross-fitted: never chosen on the "
        "queries they are judged by. Lost: queries that the status quo answers and this does not. "
        "Moved: share of the results that the status quo does not show.",
        columns=("strategy", f"recall@{plan.k}", f"nDCG@{plan.k}", f"MRR@{plan.k}",
                 "against status quo", "against full re-embedding", "lost", "moved"),
        rows=tuple(_measured(o) for o in plan.outcomes),
        marked=frozenset(i for i, o in enumerate(plan.outcomes) if o.name == plan.recommended),
    )  # fmt: skip


def _measured(o: Any) -> tuple[Cell, ...]:
    if o.ndcg is None:
        return (Cell(o.name, f"not possible: {o.impossible}"), *[Cell(_DASH)] * 7)
    quo = o.kind == "status quo"
    lost = _DASH if o.negative_flips is None or quo else number(o.negative_flips)
    return (
        Cell(o.name), *map(score_cell, (o.recall, o.ndcg, o.mrr)),
        _difference(None if quo else o.against_status_quo),
        _difference(None if o.kind == "full re-embedding" else o.against_full),
        Cell(lost), Cell(_DASH if quo or o.churn is None else number(o.churn.value)),
    )  # fmt: skip


def _difference(sides: Any) -> Cell:
    found = (sides or {}).get("ndcg")
    if found is None:
        return Cell(_DASH)
    return Cell(number(found.mean, sign=True), interval(found.ci, sign=True))


def _costs(plan: Any) -> Table:
    shown = [o for o in plan.outcomes if not o.impossible and o.kind != "naive swap"]
    return Table(
        caption=f"Cost for the whole collection of {count(plan.collection, 'documents')}. While "
        "answering: documents embedded per query, those that earlier queries asked for not again. "
        "Added time: maps one at a time, further searches and rescoring by the batch, measured on "
        "this machine; no encoder is counted, nor that the new index is wider or narrower than the "
        "old one.",
        columns=("strategy", "embed first", "vectors to write", "index", "embed while answering",
                 "added ms", "setting", "needs"),
        rows=tuple(_paid(o) for o in shown),
        marked=frozenset(i for i, o in enumerate(shown) if o.name == plan.recommended),
        wordy=frozenset({7}),
    )  # fmt: skip


def _paid(o: Any) -> tuple[Cell, ...]:
    cost = o.cost
    cells = (
        count(cost.embed) if cost.embed else "",
        f"{number(cost.bytes / 1e6)} MB" if cost.bytes else "",
        "rebuild" if cost.rebuild else "",
        "more than " * cost.partly + number(cost.embed_per_query, digits=1)
        if cost.embed_per_query
        else "",
        number(1000 * cost.seconds, digits=2) if cost.seconds else "",
        o.setting,
        ", ".join(cost.needs),
    )
    return (Cell(o.name, o.summary), *(Cell(cell or _DASH) for cell in cells))


def _curves(plan: Any, key: str) -> tuple[Picture, ...]:
    if not plan.curves:
        return ()
    with plots.Drawing(9.0, 3.1) as drawing:
        ax = drawing.figure.add_axes((0.07, 0.17, 0.68, 0.76))
        for i, curve in enumerate(plan.curves):
            color, style = _STYLES[i % len(_STYLES)]
            ax.plot(
                [100 * f for f in curve.fractions], curve.ndcg, color=plots.PALETTE[color],
                ls=style, lw=1.8, marker="o", ms=4,
                label=f"{curve.order} (mean {number(curve.area)})",
            )  # fmt: skip
        for o in plan.outcomes:
            if o.kind == "status quo" and o.ndcg is not None:
                ax.axhline(
                    o.ndcg.value, color=plots.PALETTE["ink"], lw=1.0, ls=(0, (4, 3)),
                    label=f"status quo ({number(o.ndcg.value)})",
                )  # fmt: skip
        ax.set_xlim(0, 100)
        ax.set_xlabel("documents re-embedded, %")
        ax.set_ylabel(f"nDCG@{plan.k}")
        ax.grid(color=plots.PALETTE["rule"], lw=0.6)
        ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.02, 0.6))
        svg = drawing.svg(key)
    told = "; ".join(
        f"{c.order}: " + ", ".join(f"{f:.0%} {number(v)}" for f, v in
                                   zip(c.fractions, c.ndcg, strict=True))
        for c in plan.curves
    )  # fmt: skip
    return (
        Picture(
            svg=svg,
            caption="Quality while the collection is re-embedded, the rest translated by "
            f"{plan.curves[0].bridge}, for each order of going about it; the mean is the area "
            "under the curve. New and translated vectors in one index can be worse than either.",
            alt=f"nDCG@{plan.k} by share re-embedded. {told}.",
        ),
    )
