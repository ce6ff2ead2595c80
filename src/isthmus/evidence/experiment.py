"""What every piece of evidence is made of, and how the papers' files are found and run.

A paper has one file here, named like its slug with underscores. It holds ``SLUG``, ``PAPER``,
``CLAIM`` (the claim in one sentence of ours) and ``run(*, seed=0)``, which returns an ``Evidence``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pkgutil import iter_modules
from time import perf_counter
from types import ModuleType
from typing import Any

import numpy as np

from isthmus.core.card import Paper
from isthmus.core.errors import InputError

#: Files of this room that are no paper's evidence.
INFRASTRUCTURE = frozenset(
    {"corpora", "experiment", "networks", "pretrained", "transformers", "wordnet", "words", "zoo"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number: what it is, its 95 % interval, what it rests on, what it must reach.

    ``n`` counts the observations inside one repetition (rows, words, encoders) and ``seeds`` names
    the repetitions. ``at_least`` and ``at_most`` are the claim's bounds. They are met when the
    whole interval lies on the right side, not just the value, so that fresh seeds meet them too.
    """

    what: str
    value: float
    n: int
    seeds: tuple[int, ...]
    ci: tuple[float, float] | None = None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def claimed(self) -> bool:
        """Whether the claim puts a bound on this number."""
        return self.at_least is not None or self.at_most is not None

    @property
    def met(self) -> bool:
        """Whether the interval, or else the value, keeps both bounds; NaN keeps none."""
        low, high = self.ci or (self.value, self.value)
        above = self.at_least is None or low >= self.at_least
        below = self.at_most is None or high <= self.at_most
        return above and below

    def __str__(self) -> str:
        text = f"{self.what}: {self.value:.4g}"
        if self.ci is not None:
            text += f" [{self.ci[0]:.4g}, {self.ci[1]:.4g}]"
        if self.at_least is not None:
            text += f", must be at least {self.at_least:g}"
        if self.at_most is not None:
            text += f", must be at most {self.at_most:g}"
        if self.claimed:
            text += ": met" if self.met else ": NOT MET"
        return f"{text}  (n={self.n}, {len(self.seeds)} seeds)"


def over_seeds(
    what: str,
    values: Sequence[float],
    *,
    n: int,
    seeds: Sequence[int],
    at_least: float | None = None,
    at_most: float | None = None,
) -> Figure:
    """The mean of one value per seed with its 95 % Student interval.

    ``mean +- t_{0.975, s-1} sd / sqrt(s)`` over ``s`` seeds.

    Raises
    ------
    InputError
        When there are fewer than two seeds, or not one value per seed.

    Examples
    --------
    >>> str(over_seeds("accuracy", [0.9, 0.8], n=10, seeds=(0, 1)))
    'accuracy: 0.85 [0.2147, 1.485]  (n=10, 2 seeds)'
    """
    if len(values) != len(seeds) or len(values) < 2:
        raise InputError(
            f"figure {what!r}",
            f"{len(values)} values and {len(seeds)} seeds",
            "one value per seed, at least two seeds",
        )
    from scipy.stats import t

    sample = np.asarray(values, dtype=np.float64)
    mean = float(sample.mean())
    half = float(t.ppf(0.975, len(sample) - 1) * sample.std(ddof=1) / np.sqrt(len(sample)))
    return Figure(
        what=what,
        value=mean,
        n=n,
        seeds=tuple(seeds),
        ci=(mean - half, mean + half),
        at_least=at_least,
        at_most=at_most,
    )


def seeds_from(seed: int, count: int) -> tuple[int, ...]:
    """``count`` independent seeds below 2^32 drawn from one, the same ones every time."""
    return tuple(int(s) for s in np.random.SeedSequence(seed).generate_state(count))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A paper's claim, run: what was measured, whether it holds, and what holds if it does not.

    ``table`` lays the figures out as the paper does, header first; empty where there is none.
    """

    slug: str
    title: str
    claim: str
    figures: Mapping[str, Figure]
    what_holds: str
    seconds: float
    command: str
    table: tuple[tuple[str, ...], ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every bound the claim states is met, and it states at least one."""
        claimed = [figure for figure in self.figures.values() if figure.claimed]
        return bool(claimed) and all(figure.met for figure in claimed)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON, verdicts included; non-finite numbers become None."""
        figures = {
            name: {**asdict(figure), "met": figure.met if figure.claimed else None}
            for name, figure in self.figures.items()
        }
        data: dict[str, Any] = {
            "slug": self.slug,
            "title": self.title,
            "claim": self.claim,
            "holds": self.holds,
            "what_holds": self.what_holds,
            "figures": figures,
            "table": self.table,
            "seconds": round(self.seconds, 2),
            "command": self.command,
        }
        found: dict[str, Any] = _plain(data)
        return found

    def __str__(self) -> str:
        lines = [f"{self.slug}: {'HOLDS' if self.holds else 'DOES NOT HOLD'}", f"  {self.claim}"]
        if self.table:
            widths = [max(map(len, column)) for column in zip(*self.table, strict=True)]
            lines += [
                "  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
                for row in self.table
            ]
            claimed = [figure for figure in self.figures.values() if figure.claimed]
            failed = [figure for figure in claimed if not figure.met]
            lines += [f"  {len(claimed) - len(failed)} of {len(claimed)} bounds met."]
            # A long list of bounds that are all met says no more than their number.
            lines += [f"  {figure}" for figure in (claimed if len(claimed) < 12 else failed)]
        else:
            lines += [f"  {figure}" for figure in self.figures.values()]
        lines += [f"  What holds: {self.what_holds}", f"  {self.seconds:.1f} s, {self.command}"]
        return "\n".join(lines)


def recorded(
    slug: str,
    paper: Paper,
    claim: str,
    *,
    seed: int,
    started: float,
    figures: Mapping[str, Figure],
    what_holds: str,
    table: Sequence[Sequence[str]] = (),
) -> Evidence:
    """The Evidence of one run that began at ``started`` (seconds of ``time.perf_counter``)."""
    command = f"isthmus reproduce {slug}" + (f" --seed {seed}" if seed else "")
    return Evidence(
        slug=slug,
        title=paper.title,
        claim=claim,
        figures=dict(figures),
        what_holds=what_holds,
        seconds=perf_counter() - started,
        command=command,
        table=tuple(tuple(row) for row in table),
    )


def slugs() -> tuple[str, ...]:
    """The slugs of every paper with evidence here, sorted; imports none of them.

    Examples
    --------
    >>> "relrep" in slugs()
    True
    """
    package = import_module("isthmus.evidence")
    files = {module.name for module in iter_modules(package.__path__)} - INFRASTRUCTURE
    return tuple(sorted(file.replace("_", "-") for file in files))


def paper_file(slug: str) -> ModuleType:
    """The module behind ``slug``; raises InputError naming the valid choices.

    Examples
    --------
    >>> paper_file("relrep").PAPER.year
    2023
    """
    if slug not in slugs():
        raise InputError("reproduce", repr(slug), f"one of {', '.join(slugs())}")
    return import_module(f"isthmus.evidence.{slug.replace('-', '_')}")


def reproduce(slug: str, *, seed: int = 0) -> Evidence:
    """Run the evidence of ``slug``: its claim on seeds drawn from ``seed``.

    Raises
    ------
    InputError
        On an unknown slug, naming the known ones.
    MissingExtra
        When the evidence needs an optional package that is not installed.
    MissingData
        When it needs a data set that is not on this machine.
    """
    evidence: Evidence = paper_file(slug).run(seed=seed)
    return evidence


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value
