"""Doctor: what is wrong with one space, at which ids, and what helps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from textwrap import fill
from typing import Any

import numpy as np

from isthmus.core.errors import InputError
from isthmus.core.linalg import symmetric_eigen
from isthmus.core.moments import Moments
from isthmus.core.neighbors import METRICS, unit
from isthmus.core.random import Seed, generator
from isthmus.core.score import Score
from isthmus.measures.anisotropy import anisotropy
from isthmus.measures.effective_rank import effective_rank
from isthmus.measures.findings import SEVERITIES, Finding, row_faults
from isthmus.measures.hubness import hubness
from isthmus.measures.mle_dimension import mle_dimension
from isthmus.measures.participation_ratio import participation_ratio
from isthmus.measures.survey import survey
from isthmus.measures.symptoms import (
    IDS,
    K,
    clumps,
    common,
    dimensions,
    hubs,
    lengths,
    repeats,
    spectrum,
)
from isthmus.measures.two_nn import two_nn
from isthmus.spaces.fingerprint import Fingerprint
from isthmus.spaces.open import open
from isthmus.spaces.sampling import random_rows
from isthmus.spaces.space import Space


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a space is: measured facts, and findings from worst to least.

    ``facts`` are Scores on ``sampled`` rows, ``norms`` the 1 %, 50 % and 99 % quantile over all
    finite rows; ``metric`` is the declared one, ``compared`` that of neighbours. ``parts`` are
    arrays to draw: ``norms``, ``eigenvalues``, ``occurrences`` and ``local_dimension``, where they
    could be measured.
    """

    name: str
    rows: int
    dim: int
    sampled: int
    metric: str | None
    compared: str
    norms: tuple[float, float, float] | None
    facts: Mapping[str, Score]
    findings: tuple[Finding, ...]
    mixture: str
    parts: Mapping[str, np.ndarray] = field(repr=False, compare=False)

    @property
    def healthy(self) -> bool:
        """Whether nothing is broken or harmful."""
        return all(finding.severity == "notable" for finding in self.findings)

    def finding(self, name: str) -> Finding | None:
        """The finding of that name, or None."""
        return next((found for found in self.findings if found.name == name), None)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON, without the arrays."""
        facts = {name: score.as_dict() for name, score in self.facts.items()}
        for fact in facts.values():
            fact["parts"] = {k: v for k, v in fact["parts"].items() if not isinstance(v, list)}
        return {
            "kind": "health", "name": self.name, "rows": self.rows, "dim": self.dim,
            "healthy": self.healthy, "sampled": self.sampled, "metric": self.metric,
            "compared": self.compared,
            "norms": self.norms, "facts": facts, "mixture": self.mixture,
            "findings": [found.as_dict() for found in self.findings],
        }  # fmt: skip

    def verdict(self) -> str:
        """How many findings of which severity."""
        if not self.findings:
            return "nothing found wrong"
        counts = [
            (sum(found.severity == severity for found in self.findings), severity)
            for severity in SEVERITIES
        ]
        return ", ".join(f"{count} {severity}" for count, severity in counts if count)

    def __str__(self) -> str:
        lines = [("rows", f"{self.rows:,} x {self.dim}: repeats, norms, dimensions on all")]
        lines.append(("", f"the rest on {self.sampled:,} of them"))
        how = "" if self.metric == self.compared else ", as no other metric is stated"
        lines.append(("neighbours by", self.compared + how))
        if self.norms is not None:
            low, middle, high = self.norms
            lines.append(("norms", f"{low:.4g} (1 %) .. {middle:.4g} .. {high:.4g} (99 %)"))
        lines += [(name, str(score)) for name, score in self.facts.items()]
        if self.mixture:
            lines.append(("one space or two", self.mixture))
        text = [f"{self.name}: {self.verdict()}"]
        text += [_row(f"  {name:<22}", words) for name, words in lines]
        for found in self.findings:
            text += ["", _row(f"  {found.severity.upper():<10}", found.says + ".")]
            if found.where:
                text.append(_row(f"  {'at':<10}", found.where))
            text.append(_row(f"  {'helps':<10}", found.remedy))
            # A recipe is to be pasted: only long lists of ids break its lines.
            text += [_row(" " * 14, one) for one in found.recipe.splitlines()]
        return "\n".join(text)


def doctor(source: Any, *, rows: int = 5000, rng: Seed = 0) -> Health:
    """What is wrong with ``source`` (a Space, a path or an array), at which ids, and what helps.

    Two passes over all rows, in blocks: broken rows, repeated ids and vectors (exact, and nearer
    than a tenth of the typical nearest distance), norms, and dimensions that are dead, rogue or far
    from zero. On ``rows`` random rows: mean cosine, hubs, effective rank, intrinsic dimension,
    local dimension, and whether two encoders are mixed. Neighbours are by the declared metric, by
    cosine where there is none.

    Raises
    ------
    InputError
        On fewer than 100 ``rows`` asked for, or what ``isthmus.open`` cannot open.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(400, 8)) + 1
    >>> doctor(x).findings
    ()
    >>> x[7] = x[3]
    >>> print(doctor(x).findings[0])
    1 row repeating an earlier vector (first ids: 7 like 3)
    """
    if rows < 100:
        raise InputError("doctor", f"rows={rows}", "a sample of 100 rows or more")
    space = source if isinstance(source, Space) else open(source)
    compared = space.metric if space.metric in METRICS else "cosine"
    draw = generator(rng)
    found = survey(space, unit_rows=compared == "cosine", rng=draw)
    usable = np.flatnonzero(found.usable)
    picked = usable[random_rows(len(usable), rows, draw)]
    x = np.asarray(space.take(picked), dtype=np.float64)
    ids = space.take_ids(picked)
    # No figure here has a scale, and at this one no square leaves float64.
    scale = float(np.abs(x).max(initial=0.0)) or 1.0
    x = x / scale
    z = unit(x) if compared == "cosine" else x
    facts = _facts(x, z, compared)
    parts = {"norms": found.norms[picked]}
    findings = row_faults(space.defects(limit=IDS))
    findings += repeats(space, found, z, facts, 1.0 if found.unit_rows else scale)
    width = dimensions(found)
    findings += width
    findings += common(facts)
    if "hubness" in facts:
        parts["occurrences"] = facts["hubness"].parts["counts"]
        findings += hubs(facts["hubness"], ids)
    if "local dimension" in facts:
        parts["local_dimension"] = facts["local dimension"].parts["local_dimension"]
        findings += clumps(parts["local_dimension"], ids)
    if len(x) > 1:
        scatter = Moments.of(x).scatter_xx
        parts["eigenvalues"] = symmetric_eigen(scatter)[0]
        findings += spectrum(scatter, len(x), found, facts)
    findings += lengths(found, space, compared)
    mixture = ""
    if len(x):
        # One loud dimension has two sides, which are no two spaces.
        loud = next((one.dims for one in width if one.name == "rogue_dimensions"), ())
        quiet = np.delete(x, loud, axis=1)
        seen = Fingerprint.mixture(quiet, ids=ids.tolist(), rng=draw)
        mixture = seen.reason
        if seen.two_spaces:
            findings.append(
                Finding(
                    name="two_spaces", severity="broken", count=len(seen.rows),
                    says=f"{seen.share:.1%} of {len(x):,} sampled rows come from another encoder",
                    ids=tuple(seen.ids.tolist()) if seen.ids is not None else (),
                    figures={"share": seen.share, "conductance": seen.statistic},
                )
            )  # fmt: skip
    norms = found.norms[np.isfinite(found.norms)]
    quantiles = np.quantile(norms, [0.01, 0.5, 0.99]).tolist() if len(norms) else None
    return Health(
        name=space.name, rows=len(space), dim=space.dim, sampled=len(x),
        metric=space.metric, compared=compared,
        norms=None if quantiles is None else tuple(quantiles), facts=facts,
        mixture=mixture, parts=parts,
        findings=tuple(sorted(findings, key=lambda one: SEVERITIES.index(one.severity))),
    )  # fmt: skip


def _facts(x: np.ndarray, z: np.ndarray, compared: str) -> dict[str, Score]:
    measures: dict[str, Callable[[], Score]] = {
        "mean cosine": lambda: anisotropy(x),
        "hubness": lambda: hubness(x, k=K, metric=compared),  # type: ignore[arg-type]
        "effective rank": lambda: effective_rank(x - x.mean(axis=0)),
        "participation ratio": lambda: participation_ratio(x),
        "TwoNN dimension": lambda: two_nn(z),
        "local dimension": lambda: mle_dimension(z, k=2 * K),
    }
    facts: dict[str, Score] = {}
    for name, measure in measures.items() if len(x) else ():
        try:
            facts[name] = measure()
        except InputError:  # too few or too degenerate rows to say
            continue
    return facts


def _row(head: str, words: str) -> str:
    return fill(
        words, 80, initial_indent=head, subsequent_indent=" " * len(head),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
