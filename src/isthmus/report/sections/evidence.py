"""Evidence: papers' claims, what was measured, and whether they hold."""

from typing import Any

from isthmus.report.page import Cell, Section, Table, count, interval, number, section


@section("Evidence", step="evidence")
def build(found: list[Any]) -> Section:
    """The section on one or more papers' claims."""
    failed = [evidence for evidence in found if not evidence.holds]
    return Section(
        title="Papers' claims, run",
        lead="Every method comes from a paper; here the paper's central claim was run as an "
        "experiment, with a bound that the measured interval has to keep.",
        findings=tuple(
            f"{e.title}: {'holds' if e.holds else 'does not hold as stated'}. {e.what_holds}"
            for e in found
        ),
        warnings=tuple(f"{e.title}: the claim does not hold as stated. {e.claim}" for e in failed),
        tables=tuple(t for e in found for t in (_paper_table(e), _figures(e)) if t.rows),
    )


def _figures(evidence: Any) -> Table:
    figures = list(evidence.figures.values())
    return Table(
        caption=f"{evidence.title}. Claim: {evidence.claim} "
        f"({evidence.command}, {evidence.seconds:.0f} s)",
        columns=("measured", "value", "must be", "met", "n", "seeds"),
        rows=tuple(
            (
                Cell(f.what),
                Cell(number(f.value), interval(f.ci)),
                Cell(_bound(f)),
                Cell(("yes" if f.met else "no") if f.claimed else "\N{EN DASH}"),
                Cell(count(f.n)),
                Cell(count(len(f.seeds))),
            )
            for f in figures
        ),
        marked=frozenset(i for i, f in enumerate(figures) if f.claimed and not f.met),
    )


def _paper_table(evidence: Any) -> Table:
    head, *rows = evidence.table or ((),)
    return Table(
        caption=f"{evidence.title}: the figures, laid out as in the paper.",
        columns=tuple(head),
        rows=tuple(tuple(Cell(cell) for cell in row) for row in rows),
    )


def _bound(figure: Any) -> str:
    said = []
    if figure.at_least is not None:
        said.append(f"\N{GREATER-THAN OR EQUAL TO} {figure.at_least:g}")
    if figure.at_most is not None:
        said.append(f"\N{LESS-THAN OR EQUAL TO} {figure.at_most:g}")
    return ", ".join(said) or "\N{EN DASH}"
