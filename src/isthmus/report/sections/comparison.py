"""Comparison: how two spaces relate, every measure against what chance would give."""

from collections.abc import Callable
from typing import Any

from isthmus.core.errors import InputError
from isthmus.core.registry import method
from isthmus.report import plots
from isthmus.report.page import (
    Cell,
    Picture,
    Section,
    Table,
    Verdict,
    count,
    number,
    score_cell,
    section,
    sentence,
)

#: What identical spaces give where it depends on n, so that no card can declare it.
_IDENTICAL: dict[str, Callable[[int], float]] = {"information_imbalance": lambda n: 2 / n}
_SPELT = {"cka": "CKA", "knn": "k-NN", "r2": "R²", "two nn": "TwoNN", "procrustes": "Procrustes"}


@section("Comparison", step="compare")
def build(comparisons: list[Any]) -> Section:
    """The section on one or more comparisons."""
    first = comparisons[0]
    return Section(
        title="How the spaces relate",
        lead="Two encoders number their dimensions differently, so vectors cannot be compared one "
        "by one; these measures compare the arrangement of the same items in both spaces.",
        findings=tuple(words for c in comparisons for words in (_ground(c), *c.verdict)),
        warnings=tuple(warning for c in comparisons for warning in c.warnings),
        tables=tuple(
            table
            for c in comparisons
            for table in (
                _panel_table(c),
                *([_parting(c)] if c.parting and c.parting.items else []),
            )
        ),
        pictures=tuple(
            picture for i, c in enumerate(comparisons) for picture in _panel(c, f"comparison-{i}")
        ),
        verdict=_verdict(first),
    )


def _ground(comparison: Any) -> str:
    n, sampled = comparison.n, comparison.sampled
    drawn = f"; neighbour measures on {count(sampled)} of them, drawn at random"
    return f"{count(n, 'pairs')}{drawn if sampled < n else ''}."


def _verdict(comparison: Any) -> Verdict:
    first, *rest = comparison.verdict or ("Nothing was measured that a verdict could rest on.",)
    return Verdict(headline=first, reason=" ".join(rest[:2]), sure=_sure(comparison))


def _sure(comparison: Any) -> str:
    strongest = max(
        (score for _, score in comparison.scores if score.z is not None),
        key=lambda score: score.z,
        default=None,
    )
    if strongest is None:
        return ""
    return (
        f"{sentence(_spoken(strongest.method))} stands {number(strongest.z, digits=1)} standard "
        f"deviations from what {count(strongest.n)} unrelated pairs would give."
    )


def _panel_table(comparison: Any) -> Table:
    return Table(
        caption="Every measure with its 95 % interval, what unrelated spaces would give, and its "
        "distance from that in standard deviations (z).",
        columns=("measure", "value", "chance", "z", "p", "n"),
        rows=tuple(
            (
                Cell(_spoken(label)),
                score_cell(score),
                Cell(number(score.chance)),
                Cell(number(score.z, digits=1)),
                Cell(_probability(score.p)),
                Cell(count(score.n)),
            )
            for label, score in comparison.scores
        ),
    )


def _parting(comparison: Any) -> Table:
    parts = comparison.parting
    return Table(
        caption=f"The items around which the spaces disagree most: how many of their {parts.k} "
        f"nearest neighbours they keep, where the mean is {number(parts.kept.mean())}.",
        columns=("item", "neighbours kept"),
        rows=tuple(
            (Cell(str(item)), Cell(number(share, digits=2)))
            for item, share in zip(parts.items, parts.shares, strict=True)
        ),
    )


def _panel(comparison: Any, key: str) -> tuple[Picture, ...]:
    marks, said = [], []
    for label, score in comparison.scores:
        ends = _ends(score)
        if ends is None:
            continue
        chance, same = ends
        placed = [(v - chance) / (same - chance) for v in (score.value, *(score.ci or ()))]
        ci = (min(placed[1:]), max(placed[1:])) if score.ci else None
        tone = "unclear" if ci is None or ci[0] <= 0 <= ci[1] else "plain" if ci[0] > 0 else "worse"
        notes = (plots.figures(score.value, score.ci), number(chance))
        marks.append(
            plots.Mark(label=_spoken(label), value=placed[0], ci=ci, notes=notes, tone=tone)
        )
        said.append(f"{_spoken(label)} {number(placed[0], digits=2)}")
    if not marks:
        return ()
    svg = plots.intervals(
        marks,
        key=key,
        axis="how far from chance towards identical",
        lines=(plots.Line(0.0, "chance"), plots.Line(1.0, "identical", dashed=True)),
        heads=("value [95 % interval]", "chance"),
        limits=(-0.35, 1.12),
    )
    return (
        Picture(
            svg=svg,
            caption="All measures on one axis: 0 is what unrelated spaces of this size would give, "
            "1 is what identical spaces give. Hollow marks cannot be told from chance, or have "
            "no interval; an arrow points to a value beyond the axis.",
            alt="Each measure between chance (0) and identical (1): " + ", ".join(said) + ".",
        ),
    )


def _ends(score: Any) -> tuple[float, float] | None:
    # Measures of a single space, and those without a chance level, have no place on the axis.
    name = str(score.method).partition(" ")[0]
    try:
        card = method("measures", name).card
    except InputError:
        return None
    chance = score.chance if score.chance is not None else card.chance
    same = _IDENTICAL[name](score.n) if name in _IDENTICAL else card.identical
    if chance is None or same is None or chance == same:
        return None
    return float(chance), float(same)


def _probability(p: float | None) -> str:
    if p is None:
        return "\N{EN DASH}"
    return "< 0.001" if p < 0.001 else number(p)


def _spoken(label: str) -> str:
    """A method's label as words.

    >>> _spoken("ridge_r2 source->target")
    'ridge R², source to target'
    """
    method_name, _, side = label.replace("->", " to ").partition(" ")
    words = method_name.replace("_", " ")
    for plain, proper in _SPELT.items():
        words = words.replace(plain, proper)
    return f"{words}, {side}" if side else words
