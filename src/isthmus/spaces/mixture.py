"""Mixtures: whether a collection secretly holds two spaces, told without a reference.

Rows of two spaces are hardly ever each other's neighbours, so the neighbour graph of a mixture has
a cheap cut. So has that of natural groups, such as classes of digits. What tells them apart are the
principal axes: groups of one space share directions, parts of two spaces share no more than chance
would; or either part is spread along the coordinate axes themselves, as only a whole collection is
under an encoder that orders its coordinates (LSA, PCA), and no group of one space.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.spaces.codebook import principal_axes, unit
from isthmus.spaces.coordinates import CORRELATED, mean_square_correlation
from isthmus.spaces.graph_cut import cuts, neighbour_graph
from isthmus.spaces.sampling import random_rows, take, with_rows

#: Upper bound on the share of single spaces called two, at 95 % confidence from real samples.
FALSE_ALARM = 0.01
_MAX_ROWS = 5000
_MIN_ROWS = 200
_MIN_DIM = 8
#: The smaller part must have this many rows and this share.
_MIN_PART = 30
_MIN_SHARE = 0.025
#: Conductance below which parts that share no directions are two spaces. Rotated halves of real
#: collections reach 0.001, boilerplate in a single one 0.003, classes of digits 0.004.
_CROSSED_CUT = 0.002
#: The same for parts spread along the coordinate axes. Halves reach 0.01, single spaces 0.003.
_AXIS_CUT = 0.04
#: Shared directions: 0 is chance, 1 the same axes. Rotated halves reach 0.05, digits 0.4.
_SHARED = 0.1
#: Two spaces are each this many times better connected than with one another; collections of
#: boilerplate fall apart further within the parts. Halves of 600 rows and more reach 20.
_BETTER_WITHIN = 10.0
#: Energy in the leading axes beyond chance without which a part has no directions to compare.
_SHAPE = 0.05
#: The parts must be spread over comparably many directions; boilerplate fills far fewer.
_SPREAD = 0.25
_VOTERS = 600
_BLOCK = 8192


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mixture:
    """Whether a collection holds two spaces, and which rows are in the smaller one.

    ``statistic`` is the conductance of the best cut (1 for a random one), two spaces below
    ``threshold``; ``false_alarm`` bounds the share of single spaces called two. ``rows`` (and
    ``ids`` where ids were given) are the rows of the smaller part, ``share`` its share; empty and
    0 when there is one space. ``decided`` is False where nothing can be told.
    """

    two_spaces: bool
    decided: bool
    share: float
    statistic: float
    threshold: float
    n: int
    reason: str
    rows: np.ndarray = field(repr=False)
    ids: np.ndarray | None = field(repr=False, default=None)
    false_alarm: float = FALSE_ALARM

    def __bool__(self) -> bool:
        return self.two_spaces


class _Finding(NamedTuple):
    """A cut, the threshold it was held against, and what followed."""

    two: bool
    decided: bool
    cut: float
    threshold: float
    part: np.ndarray
    reason: str


def mixture(vectors: Any, *, ids: Sequence[Any] | None = None, rng: Seed = 0) -> Mixture:
    """Tell from ``vectors`` (n, d) alone whether they come from two spaces.

    Looks at 5,000 random rows at most, with zero vectors and repeated rows left out; all rows are
    then assigned to the part that holds the nearest of 600 of its rows. A part of 10 % is seen in
    5,000 rows, one of 25 % in 1,500; smaller ones may go unseen, and so may two spaces of one kind
    and like topics (two LSA spaces) unless they are nearly halves.

    Raises
    ------
    InputError
        When ``vectors`` is not a finite, non-empty matrix, or ``ids`` has another length.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(1000, 32)) * np.geomspace(3, 0.1, 32) + np.eye(32)[0] * 9
    >>> mixture(x).two_spaces
    False
    >>> x[::4] = x[::4, ::-1]
    >>> found = mixture(x)
    >>> found.two_spaces, found.share
    (True, 0.25)
    """
    random = generator(rng)
    vectors, n = with_rows(vectors, operation="mixture")
    if ids is not None and len(ids) != n:
        raise InputError("mixture", f"{len(ids)} ids for {n} rows", "one id per row")
    x = take(vectors, random_rows(n, _MAX_ROWS, random), operation="mixture")
    mean = x.mean(axis=0)
    z, known = unit(x, mean)
    # Repeated rows link only to each other, which would be the cheapest cut of all.
    once = np.unique(np.round(z @ random.standard_normal(z.shape[1]), 9), return_index=True)[1]
    once.sort()
    # Rows at the mean itself have no direction from it; of equal rows that is the one there is.
    different = len(once) + bool(len(x) > len(z))
    x, z = x[known][once], z[once]
    found = _find(_scaled(x), z, random, different)
    rows = np.zeros(0, dtype=np.int64)
    if found.two:
        rows = _assign(vectors, mean, z, found.part, random)
    return Mixture(
        two_spaces=found.two,
        decided=found.decided,
        share=len(rows) / n if n else 0.0,
        statistic=found.cut,
        threshold=found.threshold,
        n=n,
        reason=found.reason,
        rows=rows,
        ids=None if ids is None else np.asarray(ids)[rows],
    )


def _find(x: np.ndarray, z: np.ndarray, rng: np.random.Generator, different: int) -> _Finding:
    n, d = x.shape
    if n < _MIN_ROWS or d < _MIN_DIM:
        few = f"{different} different vector{'s' if different != 1 else ''} of {d} dimensions"
        verb = "are" if different != 1 else "is"
        return _none(n, f"{few} {verb} too few to tell (needed: {_MIN_ROWS} of {_MIN_DIM}).")
    if _own_energy(x, rng)[1] < _SHAPE:
        return _none(n, "The vectors look the same from every side: two spaces could not be told.")
    least = max(_MIN_PART, int(_MIN_SHARE * n))
    found = [_judge(x, z, cut, part, rng) for cut, part in cuts(neighbour_graph(z), least, rng)]
    # Two spaces found by any cut; else a cut that leaves it open; else the cheapest.
    return min(found, key=lambda f: (not f.two, f.decided, f.cut))


def _judge(
    x: np.ndarray, z: np.ndarray, cut: float, part: np.ndarray, rng: np.random.Generator
) -> _Finding:
    """Whether the two sides of a cut are two spaces."""
    one = _Finding(
        False, True, cut, _CROSSED_CUT, part, f"The vectors hang together as one space does: the "
        f"best cut has a conductance of {cut:.4f} (two spaces: below {_CROSSED_CUT})."
    )  # fmt: skip
    if cut > _AXIS_CUT:
        return one
    a, b = x[part], x[~part]
    spread = _participation(a), _participation(b)
    if min(spread) < _SPREAD * max(spread):
        return one._replace(
            reason="A group of near-repeated vectors stands apart; no sign of a second space."
        )
    (axes_a, shape_a), (axes_b, shape_b) = _own_energy(a, rng), _own_energy(b, rng)
    if min(shape_a, shape_b) < _SHAPE:
        if cut > _CROSSED_CUT:
            return one
        return one._replace(
            decided=False,
            reason="Two groups stand apart that look the same from every side: whether they are "
            "two spaces cannot be told.",
        )
    share = f"{part.mean():.1%} of the vectors"
    shared = (_energy(b, axes_a) / shape_a + _energy(a, axes_b) / shape_b) / 2
    within = min(_cheapest(z[part], rng), _cheapest(z[~part], rng)) if cut <= _CROSSED_CUT else 0.0
    whole = cut <= _CROSSED_CUT and within >= _BETTER_WITHIN * cut
    if whole and shared < _SHARED:
        return one._replace(
            two=True,
            reason=f"{share} are hardly ever neighbours of the others (conductance {cut:.4f}) and "
            f"share no directions with them ({shared:.2f}; chance 0, one space 1): two spaces.",
        )
    if all(mean_square_correlation(side, rng) < CORRELATED for side in (a, b)):
        return one._replace(
            two=True,
            threshold=_AXIS_CUT,
            reason=f"{share} are seldom neighbours of the others (conductance {cut:.4f}), and both "
            "parts are spread along the coordinate axes as only a whole collection is: two spaces.",
        )
    if whole:
        return one._replace(
            reason=f"{share} stand apart (conductance {cut:.4f}) but share directions with the "
            f"others ({shared:.2f}; chance 0, one space 1): different content, one space."
        )
    if cut <= _CROSSED_CUT:
        return one._replace(
            decided=False,
            reason="The vectors fall apart into more than two groups: whether these are all of one "
            "space cannot be told.",
        )
    return one


def _cheapest(z: np.ndarray, rng: np.random.Generator) -> float:
    """Conductance of the best cut within a part that takes off a tenth of it or more."""
    return cuts(neighbour_graph(z), max(10, len(z) // 10), rng)[0][0]


def _none(n: int, reason: str) -> _Finding:
    return _Finding(False, False, 1.0, _CROSSED_CUT, np.zeros(n, dtype=bool), reason)


def _scaled(x: np.ndarray) -> np.ndarray:
    """``x`` over its largest entry about the mean, so that squares neither over- nor underflow."""
    y = x - x.mean(axis=0) if len(x) else x
    scale = float(np.abs(y).max(initial=0.0))
    return np.asarray(y / scale if scale > 0 else y)


def _own_energy(x: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Leading axes of one half of the rows, and the other half's energy in them beyond chance."""
    n, d = x.shape
    order = rng.permutation(n)
    fit, held = x[order[: n // 2]], x[order[n // 2 :]]
    axes = principal_axes(fit, fit.mean(axis=0), max(1, min(d // 6, n // 8)), rng)
    return axes, _energy(held, axes)


def _energy(x: np.ndarray, axes: np.ndarray) -> float:
    """Share of the variance of ``x`` along ``axes`` (d, r), less the chance level r / d."""
    y = x - x.mean(axis=0)
    total = float((y**2).sum())
    if total == 0:
        return 0.0
    return float(((y @ axes) ** 2).sum()) / total - axes.shape[1] / axes.shape[0]


def _participation(x: np.ndarray) -> float:
    """Effective number of directions, ``tr(C)^2 / tr(C^2)``."""
    y = x - x.mean(axis=0)
    scatter = y.T @ y if len(y) > y.shape[1] else y @ y.T
    square = float((scatter**2).sum())
    return float(np.trace(scatter)) ** 2 / square if square > 0 else 0.0


def _assign(
    vectors: Any, mean: np.ndarray, z: np.ndarray, part: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Row numbers of all ``vectors`` whose nearest voter about ``mean`` is in the smaller part."""
    voters = [z[side][random_rows(int(side.sum()), _VOTERS, rng)] for side in (part, ~part)]
    rows = []
    for start in range(0, vectors.shape[0], _BLOCK):
        block = np.arange(start, min(start + _BLOCK, vectors.shape[0]))
        here, known = unit(take(vectors, block, operation="mixture"), mean)
        inside = (here @ voters[0].T).max(axis=1) > (here @ voters[1].T).max(axis=1)
        rows.append(block[known][inside])
    return np.concatenate(rows)
