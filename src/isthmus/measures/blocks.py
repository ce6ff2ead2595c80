"""Blocks: the p of scores whose rows come in groups, by orders that exchange whole groups.

Holds no method of its own.
"""

from dataclasses import replace
from time import monotonic

import numpy as np

from isthmus.core.arrays import Array, take
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.core.registry import Method
from isthmus.core.score import Score
from isthmus.measures.grid import FORMS, compare_layers
from isthmus.measures.inference import row_orders

#: Rows and orders of a test that calls the measure again: the verdict's level of 0.005 is within
#: its reach, and the dearest measure of the panel takes seconds.
_ROWS, _ORDERS = 200, 249
#: A test ends after so long, if it has as many orders as a p of 0.05 needs.
_SECONDS, _FEWEST = 20.0, 19
#: Rows and orders where a matrix of each side is only reordered.
_FORM_ROWS, _FORM_ORDERS = 500, 999


def by_groups(
    one: Method, score: Score, x: Array, y: Array, groups: np.ndarray, rng: Seed
) -> Score:
    """``score`` with a p by orders of whole groups of y's rows; no z or p that takes rows alone.

    p = (1 + #{orders as far towards "related"}) / (1 + orders), on rows evenly drawn from all
    groups. The measure's own z is what orders are compared by: as a number it holds no more.

    Parameters
    ----------
    one, score : a measure and its score of the sides
    x, y : (n, dx) and (n, dy), paired by row, in the order the measure took them
    groups : (n,) group ids
    rng : seed or Generator
    """
    if score.z is None and score.p is None:
        return score
    if one.card.spaces != 2 or not one.card.paired or score.z is None:
        return _untested(score, "its test takes rows for exchangeable")
    draw = generator(rng)
    quick = one.name in FORMS
    rows = thinned(groups, _FORM_ROWS if quick else _ROWS, draw)
    kept, a, b = np.asarray(groups)[rows], take(x, rows), take(y, rows)
    if quick:
        grid = compare_layers([a], [b], measure=one.name, groups=kept,
                              permutations=_FORM_ORDERS, rng=draw)  # fmt: skip
        return replace(score, z=None, p=float(grid.p[0, 0]))
    ends = monotonic() + _SECONDS
    drawn: list[float] = []
    try:
        seen = _strength(one.call(a, b))
        for order in row_orders(len(rows), _ORDERS, groups=kept, rng=draw):
            drawn.append(_strength(one.call(a, take(b, order))))
            if monotonic() > ends:
                break
    except InputError as error:
        return _untested(score, f"under an order of groups it fails: {error}")
    if len(drawn) < _FEWEST:
        return _untested(score, f"it is too slow for {_FEWEST} orders of groups")
    # Equal orders differ by rounding.
    p = (1 + int(np.sum(np.array(drawn) >= seen - 1e-9 * abs(seen)))) / (1 + len(drawn))
    short = f"p of {len(drawn)} orders of groups only, for its time was up"
    more = () if len(drawn) == _ORDERS else (short,)
    return replace(score, z=None, p=p, warnings=score.warnings + more)


def thinned(groups: np.ndarray, most: int, rng: Seed) -> np.ndarray:
    """Row numbers, about ``most``, in equal parts from as many groups as can be.

    Fewer rows of every group rather than fewer groups: only groups are independent. The rows of
    a group are evenly spaced, so that a place in it keeps its meaning.

    >>> thinned(np.repeat(np.arange(4), 5), 8, 0).tolist()
    [0, 4, 5, 9, 10, 14, 15, 19]
    """
    _, place = np.unique(np.asarray(groups), return_inverse=True)
    if len(place) <= most:
        return np.arange(len(place))
    members = np.split(np.argsort(place, kind="stable"), np.cumsum(np.bincount(place))[:-1])
    taken = np.sort(generator(rng).permutation(len(members))[:most])
    each = most // len(taken)
    parts = [
        members[i][np.linspace(0, len(members[i]) - 1, min(each, len(members[i]))).astype(int)]
        for i in taken
    ]
    return np.sort(np.concatenate(parts))


def _strength(score: Score) -> float:
    # An order without a z counts against a finding.
    return np.inf if score.z is None else score.z


def _untested(score: Score, why: str) -> Score:
    return replace(score, z=None, p=None, warnings=(*score.warnings, f"no z or p by groups: {why}"))
