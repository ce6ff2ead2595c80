"""Choice: the bridges that were fitted, judged on pairs none of them had seen."""

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


@section("Choice", step="fit")
def build(choices: list[Any]) -> Section:
    """The section on one or more choices of a bridge; the first one is the verdict's."""
    first = choices[0]
    return Section(
        title="Choosing the bridge",
        lead="A bridge is a learned map from one space into the other; several kinds were fitted, "
        "and each was asked to find the true partners of items it had never seen.",
        findings=tuple(sentence(choice.reason) for choice in choices if choice.reason),
        tables=tuple(_table(choice) for choice in choices),
        pictures=tuple(_picture(choice, f"choice-{i}") for i, choice in enumerate(choices)),
        verdict=Verdict(
            headline=f"Use the {first.chosen} bridge.",
            reason=sentence(first.reason),
            sure=_sure(first),
        ),
    )


def _sure(choice: Any) -> str:
    row = next((row for row in choice.rows if row.chosen), None)
    if row is None or row.score.chance is None:
        return ""
    return (
        f"Held-out MRR {number(row.score.value)} {interval(row.score.ci)} over "
        f"{count(row.score.n, 'pairs')}, where random partners give {number(row.score.chance)}."
    )


def _table(choice: Any) -> Table:
    return Table(
        caption="Performance on held-out pairs, simplest bridge first. MRR: one over the rank of "
        "the true partner, averaged (1 = always first). First: how often it came first.",
        columns=("bridge", "MRR", "by chance", "first", "difference to the best", "n", "fitted in"),
        rows=tuple(
            (
                Cell(row.name, "chosen" if row.chosen else ""),
                score_cell(row.score),
                Cell(number(row.score.chance)),
                Cell(number(row.top1)),
                Cell("best") if row.lead.ci is None else score_cell(row.lead, sign=True),
                Cell(count(row.score.n)),
                Cell(f"{number(row.seconds, digits=2)} s"),
            )
            for row in choice.rows
        ),
        marked=frozenset(i for i, row in enumerate(choice.rows) if row.chosen),
    )


def _picture(choice: Any, key: str) -> Picture:
    best = max(row.score.value for row in choice.rows)
    chance = max((row.score.chance or 0.0) for row in choice.rows)
    svg = plots.intervals(
        [
            plots.Mark(
                label=row.name,
                value=row.score.value,
                ci=row.score.ci,
                notes=(plots.figures(row.score.value, row.score.ci),),
                strong=row.chosen,
            )
            for row in choice.rows
        ],
        key=key,
        axis="held-out mean reciprocal rank",
        lines=(plots.Line(chance, "chance"), plots.Line(best, "best", dashed=True)),
        heads=("MRR [95 % interval]",),
    )
    said = ", ".join(f"{row.name} {number(row.score.value)}" for row in choice.rows)
    return Picture(
        svg=svg,
        caption="Held-out performance of each bridge; further right is better, the chosen one is "
        "set in bold. The simplest that cannot be told from the best is preferred.",
        alt=f"Held-out mean reciprocal rank: {said}. Chosen: {choice.chosen}.",
    )
