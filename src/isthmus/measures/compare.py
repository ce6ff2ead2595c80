"""Compare: the default panel of measures on two spaces, and what it means in words."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from textwrap import wrap
from typing import Any

import numpy as np

from isthmus.core.arrays import Array, paired, take
from isthmus.core.card import Card
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.core.registry import ROUGH, method
from isthmus.core.score import Score
from isthmus.measures.blocks import by_groups
from isthmus.measures.choice import blind_to as blind_measures
from isthmus.measures.disagreement import Disagreement, disagreement
from isthmus.measures.doubts import doubts, marked, shuffled, tell
from isthmus.measures.inference import row_orders
from isthmus.measures.verdict import BACKWARD, FORWARD, verdict

PANEL = (
    "debiased_cka",
    "mutual_knn",
    "procrustes_angular",
    "ridge_r2",
    "information_imbalance",
    "participation_ratio",
    "two_nn",
    "alignment",
    "uniformity",
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two spaces relate: labelled scores, plain sentences, and whether they relate at all.

    ``scores`` holds (label, Score) pairs, the label being the method's name followed by the
    direction or side where it has one; ``n`` the paired rows, ``sampled`` how many of them the
    neighbour measures saw. ``verdict`` follows from intervals and z alone, never from bare values.
    ``parting`` says around which items and in which directions the spaces differ. The first of the
    ``warnings`` are ``doubts`` about the rows themselves, which are printed before any number.
    """

    scores: tuple[tuple[str, Score], ...]
    verdict: tuple[str, ...]
    related: bool
    warnings: tuple[str, ...]
    n: int
    sampled: int
    parting: Disagreement | None = None
    doubts: tuple[str, ...] = ()

    def __getitem__(self, label: str) -> Score:
        for known, score in self.scores:
            if known == label:
                return score
        raise InputError(
            "comparison", f"label {label!r}", f"one of {', '.join(k for k, _ in self.scores)}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "related": self.related,
            "verdict": list(self.verdict),
            "n": self.n,
            "sampled": self.sampled,
            "scores": {label: score.as_dict() for label, score in self.scores},
            "parting": None if self.parting is None else self.parting.as_dict(),
            "warnings": list(self.warnings),
        }

    def __str__(self) -> str:
        lines = marked(self.doubts)
        lines += [""] * bool(lines)
        # Where rows come in groups there is no z, only a p.
        tested = "p" if all(score.z is None for _, score in self.scores) else "z"
        lines.append(f"{'':37}{'value':>9}{'95 % interval':>20}{'chance':>7}{tested:>7}")
        for label, score in self.scores:
            ci = "" if score.ci is None else f"[{_short(score.ci[0])}, {_short(score.ci[1])}]"
            chance = "" if score.chance is None else _short(score.chance)
            level = score.z if tested == "z" else score.p
            test = "" if level is None else f"{level:.1f}" if tested == "z" else f"{level:.3f}"
            row = f"{label:37}{_short(score.value):>9}{ci:>20}{chance:>7}{test:>7}"
            lines.append(row.rstrip())
        seen = f"{self.n:,} pairs" + (
            f"; neighbour measures on {self.sampled:,} drawn at random"
            if self.sampled < self.n
            else ""
        )
        lines += ["", *wrap(seen, 80), ""]
        for sentence in self.verdict:
            lines += wrap(sentence, 80, initial_indent="* ", subsequent_indent="  ")
        lines += marked(self.warnings[len(self.doubts) :])
        return "\n".join(lines)


def compare(
    source: Any,
    target: Any = None,
    *,
    measures: Sequence[str] | None = None,
    blind_to: str | Sequence[str] = (),
    groups: Any = None,
    rows: int = 10_000,
    rng: Seed = 0,
    told: Callable[[str], None] | None = None,
) -> Comparison:
    """Measure how two spaces relate, with intervals and chance levels, and say what it means.

    Parameters
    ----------
    source : a Pairs; or a Space or path, with ``target`` another; or an (n, dx) array
    target : (n, dy) array paired by row, a Space or path; nothing when ``source`` is a Pairs
    measures : names from ``isthmus methods --room measures``; None for the default panel
    blind_to : changes that must not matter, like ``"rotation,scale"``: the panel is then of
        measures that no such change of either side moves
    groups : (n,) group ids of the pairs, where rows are not exchangeable but groups of them are
        (chunks of a document, frames of a film): every p is then by orders that exchange whole
        groups, and a measure that has none loses its own; z is left out
    rows : with more pairs, measures whose cost grows with n² run on this many, drawn by ``rng``
    rng : seed or Generator
    told : called with every doubt about the rows before anything is computed on them

    Raises
    ------
    InputError
        On sides that cannot be paired, an unknown measure or word, non-finite values, fewer than 4
        pairs, a side whose rows are all equal, or ``groups`` of which fewer than 10 can change
        places.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(200, 5))
    >>> compare(x, x[:, ::-1]).verdict[0]
    'The same space up to rotation, shift and scale.'
    >>> compare(x, np.random.default_rng(1).permutation(x)).related
    False
    """
    x, y = _sides(source, target)
    ids = getattr(x, "ids", None)
    if hasattr(x, "check_finite"):  # pairs know their ids, which arrays do not
        x.check_finite()
    x, y = paired(x, y, operation="compare", min_rows=4)
    n = int(x.shape[0])
    if rows < 4:
        raise InputError("compare", f"rows={rows}", "at least 4")
    if measures is not None and blind_to:
        raise InputError("compare", "both measures and blind_to", "one of the two")
    chosen = np.arange(n)
    part = (x, y)
    if n > rows:
        chosen = np.sort(generator(rng).choice(n, rows, replace=False))
        part = (take(x, chosen), take(y, chosen))
    if groups is not None:
        next(row_orders(n, 1, groups=groups))  # refuses what cannot be exchanged
    about = doubts({"source": x, "target": y}) + shuffled([part[0]], [part[1]])
    tell(about, told)
    warnings: list[str] = []
    names = blind_measures(blind_to) if blind_to else PANEL if measures is None else measures
    scores: list[tuple[str, Score]] = []
    refused: list[InputError] = []
    for one in [method("measures", name) for name in names]:
        card = one.card
        a, b = part if "n^2" in card.cost else (x, y)
        if a.shape[0] < card.min_rows:
            warnings.append(f"{card.name}: left out, it needs {card.min_rows} rows")
            continue
        if measures is None and card.jointly and x.shape[1] != y.shape[1]:
            continue
        for label, sides in _calls(card, a, b):
            try:
                score = one.call(*sides)
            except InputError as error:
                # A side that one measure cannot describe is still a side to compare; what those of
                # the default panel refuse is none.
                spare = card.spaces == 1 or card.jointly or (blind_to and card.name not in PANEL)
                if not spare:
                    raise
                warnings.append(f"{label}: left out. {error}")
                refused.append(error)
                continue
            if groups is not None:
                whole = (y, x) if label.endswith(BACKWARD) else (x, y)
                score = by_groups(one, score, *whole, groups, rng)
            scores.append((label, score))
            # What many measures say alike is said once, for all of them.
            warnings += [f"{label}: {t}" for t in score.warnings if not t.endswith(ROUGH)]
    if refused and not scores:
        raise refused[0]
    warnings += _rough(scores)
    if groups is not None:
        warnings.append(
            "groups: each p is by orders of whole groups, without z; intervals still take rows for "
            "independent and may be too narrow"
        )
    known = dict(scores)
    names_of = np.arange(n) if ids is None else np.asarray(ids)
    # Without the default panel nobody asked where the spaces part.
    wanted = measures is None and part[0].shape[0] >= 12
    parting = disagreement(*part, names_of[chosen]) if wanted else None
    related, said = verdict(known, x, y, parting)
    return Comparison(
        tuple(scores), tuple(said), related, (*about, *warnings), n, int(part[0].shape[0]),
        parting, tuple(about),
    )  # fmt: skip


def _rough(scores: list[tuple[str, Score]]) -> list[str]:
    """Which of the intervals and tests are off their levels at this size, in one sentence."""
    named = {s.method: 0 for _, s in scores if any(text.endswith(ROUGH) for text in s.warnings)}
    if not named:
        return []
    return [
        f"{', '.join(named)}: intervals or tests are off their nominal level at this size; "
        "see docs/results/calibration.md"
    ]


def _sides(source: Any, target: Any) -> tuple[Any, Any]:
    if target is None:
        return source, None
    if any(
        isinstance(side, str | PathLike) or hasattr(side, "vectors") for side in (source, target)
    ):
        from isthmus.spaces.pairs import pair

        return pair(source, target), None
    return source, target


def _calls(card: Card, x: Array, y: Array) -> Iterator[tuple[str, tuple[Array, ...]]]:
    """Label and arguments of every call that covers a method: once, both ways, or each side."""
    if card.spaces == 1:
        yield f"{card.name} source", (x,)
        yield f"{card.name} target", (y,)
    elif card.symmetric:
        yield card.name, (x, y)
    else:
        yield f"{card.name} {FORWARD}", (x, y)
        yield f"{card.name} {BACKWARD}", (y, x)


def _short(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.3g}"
