"""Health: what is wrong with a space, at which ids, and what helps, with the pictures of it."""

from dataclasses import replace
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
    section,
    sentence,
)

_WORDS = {
    "broken": "cannot be used as it is",
    "harmful": "costs answers",
    "notable": "good to know",
}


@section("Health", step="info")
def build(found: list[Any]) -> Section:
    """The section on one or more spaces that a doctor has seen."""
    names = [f"{one.name} ({i})" if len(found) > 1 else one.name for i, one in enumerate(found, 1)]
    return Section(
        title="The health of the space" if len(found) == 1 else "The health of the spaces",
        lead="What is wrong with the collection by itself, whatever it is compared with: rows that "
        "repeat, dimensions that do nothing or too much, rows that are everyone's neighbour.",
        findings=tuple(
            f"{name}: norms, repeats and dimensions on all {count(one.rows)} rows, the rest on "
            f"{count(one.sampled)} of them; neighbours by {one.compared}. {one.mixture}".strip()
            for name, one in zip(names, found, strict=True)
        ),
        warnings=tuple(
            f"{name}: {finding.says}."
            for name, one in zip(names, found, strict=True)
            for finding in one.findings
            if finding.severity != "notable"
        ),
        tables=tuple(
            table
            for name, one in zip(names, found, strict=True)
            for table in (*_findings(name, one), _facts(name, one))
        ),
        pictures=tuple(
            picture
            for i, (name, one) in enumerate(zip(names, found, strict=True))
            for picture in _pictures(name, one, f"health-{i}")
        ),
        verdict=Verdict(
            headline="; ".join(
                f"{name}: {one.verdict()}" for name, one in zip(names, found, strict=True)
            ),
            reason=" ".join(one.findings[0].remedy for one in found if one.findings),
        ),
    )


@section("StoreHealth", step="info")
def build_stores(found: list[Any]) -> Section:
    """The section on one or more stores that a doctor has seen: theirs, then their vectors'."""
    vectors = build([one.health for one in found])
    return replace(
        vectors,
        title="The health of the store" if len(found) == 1 else "The health of the stores",
        warnings=tuple(
            f"{one.name}: {finding.says}."
            for one in found
            for finding in one.findings
            if finding.severity != "notable"
        )
        + vectors.warnings,
        tables=tuple(table for one in found for table in _store(one)) + vectors.tables,
        verdict=Verdict(
            headline="; ".join(f"{one.name}: {one.verdict()}" for one in found),
            reason=" ".join(
                every[0].remedy for one in found if (every := (*one.findings, *one.health.findings))
            ),
        ),
    )


def _store(store: Any) -> tuple[Table, ...]:
    measured = Table(
        caption=f"How the store {store.name} is, apart from its vectors.",
        columns=("", "found"),
        rows=tuple((Cell(name), Cell(words)) for name, words in store.lines()),
        wordy=frozenset({1}),
    )
    if not store.findings:
        return (measured,)
    wrong = Table(
        caption=f"What is wrong with the store {store.name}, from worst to least.",
        columns=("severity", "finding", "what helps"),
        rows=tuple(
            (Cell(sentence(one.severity), _WORDS[one.severity]), Cell(one.says), Cell(one.remedy))
            for one in store.findings
        ),
        wordy=frozenset({1, 2}),
        marked=frozenset(i for i, one in enumerate(store.findings) if one.severity == "broken"),
    )
    return wrong, measured


def _findings(name: str, health: Any) -> tuple[Table, ...]:
    if not health.findings:
        return ()
    return (
        Table(
            caption=f"What is wrong with {name}, from worst to least.",
            columns=("severity", "finding", "at", "what helps"),
            rows=tuple(
                (
                    Cell(sentence(found.severity), _WORDS[found.severity]),
                    Cell(found.says),
                    Cell(found.where),
                    Cell(found.remedy, found.recipe.replace("\n", "; ")),
                )
                for found in health.findings
            ),
            wordy=frozenset({1, 2, 3}),
            marked=frozenset(
                i for i, found in enumerate(health.findings) if found.severity == "broken"
            ),
        ),
    )


def _facts(name: str, health: Any) -> Table:
    rows = [
        (Cell(fact), Cell(number(score.value), interval(score.ci)), Cell(number(score.chance)))
        for fact, score in health.facts.items()
    ]
    if health.norms is not None:
        low, middle, high = health.norms
        span = f"{number(low)} to {number(high)}"
        rows.insert(0, (Cell("norm, median"), Cell(number(middle), span), Cell("")))
    return Table(
        caption=f"How {name} is: below a norm, where 98 % of them lie; below a measure, its 95 % "
        "interval; chance where unrelated rows would give a known value.",
        columns=("", "value", "chance"),
        rows=tuple(rows),
    )


def _pictures(name: str, health: Any, key: str) -> list[Picture]:
    drawn = []
    parts = health.parts
    norms = parts["norms"]
    if len(norms) and np.isfinite(norms).all():
        drawn.append(
            Picture(
                svg=plots.norms({name: norms}, key=f"{key}-norms"),
                caption="Lengths of the sampled vectors. Bars far off the others are rows to look "
                "at.",
                alt=f"Histogram of lengths, from {number(norms.min())} to {number(norms.max())}.",
                half=True,
            )
        )
    values = parts.get("eigenvalues", np.zeros(1))
    if values.sum() > 0:
        drawn.append(
            Picture(
                svg=plots.spectrum({name: values}, key=f"{key}-spectrum"),
                caption="Spectrum: how much of the variance the strongest directions carry. A "
                "curve that is full after few directions is a collapsed space.",
                alt="Cumulative variance by number of directions.",
                half=True,
            )
        )
    if "occurrences" in parts:
        counts = parts["occurrences"]
        drawn.append(
            Picture(
                svg=_histogram(
                    counts, key=f"{key}-hubs", axis="rows that have it among their 10 nearest",
                    tall="rows", log=True,
                ),
                caption="How often a row is among the 10 nearest of others: 10 on average. A long "
                "tail to the right is hubs, which come up whatever is asked for.",
                alt=f"Histogram of occurrences; most {number(float(counts.max()), digits=0)}.",
                half=True,
            )
        )  # fmt: skip
    if "local_dimension" in parts:
        local = parts["local_dimension"]
        local = local[local > 0]
        drawn.append(
            Picture(
                svg=_histogram(
                    local, key=f"{key}-local", axis="dimension of the neighbourhood", tall="rows"
                ),
                caption="Local dimension: how many directions a row's neighbours fill. Rows far to "
                "the left sit in clumps. One row's own estimate is only good to a quarter.",
                alt=f"Histogram of local dimension; median {number(float(np.median(local)))}.",
                half=True,
            )
        )
    return drawn


def _histogram(values: np.ndarray, *, key: str, axis: str, tall: str, log: bool = False) -> str:
    """One histogram (n,), with a logarithmic count where a few rows far out matter."""
    with plots.Drawing(4.4, 2.9) as drawing:
        ax = drawing.figure.add_axes((0.17, 0.17, 0.79, 0.76))
        high = float(values.max())
        ax.hist(
            values, bins=np.linspace(0, high if high > 0 else 1.0, 41).tolist(), log=log,
            color=plots.PALETTE["blue"], alpha=0.85,
        )  # fmt: skip
        ax.set_xlabel(axis)
        ax.set_ylabel(tall)
        if log:  # powers of ten as words: the page's fonts draw no formulas
            top = ax.get_ylim()[1]
            ticks = [t for t in (1, 10, 100, 1000, 10_000, 100_000) if t <= top]
            ax.set_yticks(ticks, [f"{t:,}" for t in ticks])
        ax.minorticks_off()
        ax.locator_params(axis="x", nbins=6)
        return drawing.svg(key)
