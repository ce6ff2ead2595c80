"""Compare: the default panel of measures on two spaces, and what it means in words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from textwrap import wrap
from typing import Any

import numpy as np

from isthmus.core.arrays import Array, namespace, paired, to_numpy
from isthmus.core.card import Card
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.core.registry import Method, method
from isthmus.core.score import Score

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

#: Two tests decide on "related"; at this level each, shuffled rows pass one in a hundred times.
_LEVEL = 0.005

FORWARD, BACKWARD = "source->target", "target->source"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two spaces relate: labelled scores, plain sentences, and whether they relate at all.

    ``scores`` holds (label, Score) pairs, the label being the method's name followed by the
    direction or side where it has one; ``n`` the paired rows, ``sampled`` how many of them the
    neighbour measures saw. ``verdict`` follows from intervals and z alone, never from bare values.
    """

    scores: tuple[tuple[str, Score], ...]
    verdict: tuple[str, ...]
    related: bool
    warnings: tuple[str, ...]
    n: int
    sampled: int

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
            "warnings": list(self.warnings),
        }

    def __str__(self) -> str:
        lines = [f"{'':37}{'value':>9}{'95 % interval':>20}{'chance':>7}{'z':>7}"]
        for label, score in self.scores:
            ci = "" if score.ci is None else f"[{_short(score.ci[0])}, {_short(score.ci[1])}]"
            chance = "" if score.chance is None else _short(score.chance)
            z = "" if score.z is None else f"{score.z:.1f}"
            row = f"{label:37}{_short(score.value):>9}{ci:>20}{chance:>7}{z:>7}"
            lines.append(row.rstrip())
        seen = f"{self.n:,} pairs" + (
            f"; neighbour measures on {self.sampled:,} drawn at random"
            if self.sampled < self.n
            else ""
        )
        lines += ["", *wrap(seen, 80), ""]
        for sentence in self.verdict:
            lines += wrap(sentence, 80, initial_indent="* ", subsequent_indent="  ")
        for warning in self.warnings:
            lines += wrap(warning, 80, initial_indent="! ", subsequent_indent="  ")
        return "\n".join(lines)


def compare(
    source: Any,
    target: Any = None,
    *,
    measures: Sequence[str] | None = None,
    rows: int = 10_000,
    rng: Seed = 0,
) -> Comparison:
    """Measure how two spaces relate, with intervals and chance levels, and say what it means.

    Parameters
    ----------
    source : a Pairs; or a Space or path, with ``target`` another; or an (n, dx) array
    target : (n, dy) array paired by row, a Space or path; nothing when ``source`` is a Pairs
    measures : names from ``isthmus methods --room measures``; None for the default panel
    rows : with more pairs, measures whose cost grows with n² run on this many, drawn by ``rng``
    rng : seed or Generator

    Raises
    ------
    InputError
        On sides that cannot be paired, an unknown measure, non-finite values, fewer than 4 pairs
        or a side whose rows are all equal.

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
    if hasattr(x, "check_finite"):  # pairs know their ids, which arrays do not
        x.check_finite()
    x, y = paired(x, y, operation="compare", min_rows=4)
    n = int(x.shape[0])
    if rows < 4:
        raise InputError("compare", f"rows={rows}", "at least 4")
    part = (x, y)
    if n > rows:
        chosen = np.sort(generator(rng).choice(n, rows, replace=False))
        part = (_take(x, chosen), _take(y, chosen))
    scores: list[tuple[str, Score]] = []
    warnings: list[str] = []
    for one in [method("measures", name) for name in (PANEL if measures is None else measures)]:
        card = one.card
        a, b = part if "n^2" in card.cost else (x, y)
        if a.shape[0] < card.min_rows:
            warnings.append(f"{card.name}: left out, it needs {card.min_rows} rows")
            continue
        if measures is None and card.jointly and x.shape[1] != y.shape[1]:
            continue
        for label, sides in _calls(card, a, b):
            _measure(one, label, sides, scores, warnings)
    known = dict(scores)
    related, verdict = _verdict(known, x, y)
    return Comparison(
        tuple(scores), tuple(verdict), related, tuple(warnings), n, int(part[0].shape[0])
    )


def _sides(source: Any, target: Any) -> tuple[Any, Any]:
    if target is None:
        return source, None
    if any(
        isinstance(side, str | PathLike) or hasattr(side, "vectors") for side in (source, target)
    ):
        from isthmus.spaces.pairs import pair

        return pair(source, target), None
    return source, target


def _take(x: Array, rows: np.ndarray) -> Array:
    xp = namespace(x)
    return xp.take(x, xp.asarray(rows, device=getattr(x, "device", None)), axis=0)


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


def _measure(
    one: Method,
    label: str,
    sides: tuple[Array, ...],
    scores: list[tuple[str, Score]],
    warnings: list[str],
) -> None:
    try:
        score = one.call(*sides)
    except InputError as error:
        # A side that one measure cannot describe is still a side to compare.
        if one.card.spaces > 1 and not one.card.jointly:
            raise
        warnings.append(f"{label}: left out. {error}")
        return
    scores.append((label, score))
    warnings.extend(f"{label}: {text}" for text in score.warnings)


def _verdict(known: dict[str, Score], x: Array, y: Array) -> tuple[bool, list[str]]:
    if x.shape == y.shape and bool(np.array_equal(to_numpy(x), to_numpy(y))):
        return True, ["The same space, bit for bit."]
    tests = [known[name] for name in ("debiased_cka", "mutual_knn") if name in known]
    tests = [score for score in tests if score.p is not None]
    related = any(score.p is not None and score.p < _LEVEL for score in tests)
    said = []
    angle = known.get("procrustes_angular")
    if angle is not None and angle.value < _rounding(x, y):
        related = True
        said.append("The same space up to rotation, shift and scale.")
    elif not tests:
        said.append("Nothing measured here tests for a relation: no verdict on that.")
    elif not related:
        figures = ", ".join(f"{score.method} z {score.z:.1f}" for score in tests)
        said.append(
            f"NO RELATION FOUND: these rows look shuffled or unrelated ({figures}; chance is 0). "
            "Check that the ids pair the right rows."
        )
        return False, said + [text for text in _ridge(known) if "predicts at least" in text]
    else:
        strongest = max(tests, key=lambda score: score.z or 0.0)
        said.append(f"The spaces are related ({strongest.method} z {strongest.z:.1f}).")
    said += [*_geometry(known), *_ridge(known), *_direction(known), *_sizes(known)]
    return related, said


def _rounding(x: Array, y: Array) -> float:
    eps = max(float(np.finfo(to_numpy(side[:1, :]).dtype).eps) for side in (x, y))
    return max(1e-6, 1e3 * eps)


def _geometry(known: dict[str, Score]) -> Iterator[str]:
    cka, knn = known.get("debiased_cka"), known.get("mutual_knn")
    if cka is not None and cka.ci is not None:
        low, high = cka.ci
        if low > 0.9:
            word = "Overall geometry is nearly the same"
        elif low > 0.5:
            word = "Overall geometry is largely shared"
        elif high < 0.5:
            word = "Overall geometry differs for the greater part"
        else:
            word = "Overall geometry is shared in part"
        yield f"{word}: debiased CKA between {low:.2f} and {high:.2f}."
    if knn is not None and knn.ci is not None and knn.chance is not None:
        low, high = knn.ci
        beyond = "more than" if low > knn.chance else "no more, within error, than"
        yield (
            f"Rows keep {low:.0%} to {high:.0%} of their nearest neighbours, {beyond} the "
            f"{knn.chance:.1%} of chance."
        )
    both = known.get("alignment")
    if both is not None and both.p is not None and both.p >= _LEVEL:
        yield "Equal width, but not the same axes: without a bridge their vectors cannot be mixed."


def _ridge(known: dict[str, Score]) -> Iterator[str]:
    there, back = (known.get(f"ridge_r2 {way}") for way in (FORWARD, BACKWARD))
    for score, names in ((there, ("source", "target")), (back, ("target", "source"))):
        if score is not None and score.ci is not None and score.ci[0] > 0:
            share = int(100 * score.ci[0])  # rounded down: the sentence says "at least"
            yield (
                f"A linear map of the {names[0]} predicts at least {share} % of the "
                f"{names[1]}'s variance."
            )
    order = _apart(there, back)
    if order:
        better, other = ("source", "target") if order > 0 else ("target", "source")
        yield f"The {better} predicts the {other} better than the other way round."


def _direction(known: dict[str, Score]) -> Iterator[str]:
    there, back = (known.get(f"information_imbalance {way}") for way in (FORWARD, BACKWARD))
    order = _apart(back, there)
    if order:
        better, other = ("source", "target") if order > 0 else ("target", "source")
        yield (
            f"The {better}'s neighbourhoods contain more of the {other}'s than the other way round."
        )


def _sizes(known: dict[str, Score]) -> Iterator[str]:
    for name, text in (
        ("participation_ratio", "spreads its variance over more directions"),
        ("two_nn", "is of higher intrinsic dimension"),
        ("uniformity", "crowds more in direction"),
    ):
        order = _apart(known.get(f"{name} source"), known.get(f"{name} target"))
        if order:
            yield f"The {'source' if order > 0 else 'target'} {text} than the other."


def _apart(a: Score | None, b: Score | None) -> int:
    """1 when the interval of a lies above that of b, -1 when below, 0 when they touch."""
    if a is None or b is None or a.ci is None or b.ci is None:
        return 0
    return int(a.ci[0] > b.ci[1]) - int(b.ci[0] > a.ci[1])


def _short(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.3g}"
