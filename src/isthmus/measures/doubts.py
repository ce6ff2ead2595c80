"""Doubts: what makes figures of paired rows mean less, told from the rows themselves.

Few rows, more dimensions than rows, copies, and rows that may be out of order; one look for two
spaces, grids of layers and maps. Holds no method of its own.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from isthmus.core.arrays import Array, namespace, to_numpy
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments
from isthmus.measures.debiased_cka import debiased_cka
from isthmus.measures.rows import compact

#: Fewer rows than this leave every interval wide and every test weak.
FEW = 30
#: A larger share of rows that stand twice makes neighbours and intervals wrong.
_TWICE = 0.01
#: At this level rows are told from shuffled ones, as in the verdict.
_LEVEL = 0.005
#: Spectra that share so much of their variance may be of the same rows in another order.
_ALIKE = 0.8


def doubts(spaces: Mapping[str, Array]) -> list[str]:
    """What makes figures of ``spaces``, (n, d_s) each, mean less; a finding names its spaces.

    >>> doubts({"a": np.arange(80.0).reshape(40, 2) % 8, "b": np.eye(40)[:, :3]})[0][:43]
    'a, b: 90.0% of the rows are copies of other'
    """
    n = next(int(side.shape[0]) for side in spaces.values())
    said = []
    if n < FEW:
        said.append(f"only {n} pairs: every interval is wide and every test weak; find more")
    wide = {name: int(side.shape[1]) for name, side in spaces.items() if FEW <= n <= side.shape[1]}
    if wide:
        said.append(
            f"{listed(list(wide))}: {n} pairs in {_span(wide, 'd')} dimensions; a linear map could "
            "fit them exactly, so only held-out and debiased figures mean anything"
        )
    twice = {name: _repeated(side) for name, side in spaces.items()}
    twice = {name: share for name, share in twice.items() if share > _TWICE}
    if twice:
        said.append(
            f"{listed(list(twice))}: {_span(twice, '.1%')} of the rows are copies of "
            "others; copies are each other's neighbours and count twice, so intervals are too "
            "narrow and tests too sure: keep one of each"
        )
    return said


def shuffled(x: Array, y: Array) -> list[str]:
    """The doubt, if there is one, that rows of x (n, dx) and y (n, dy) are out of order.

    Raised where debiased CKA, whose z is free, does not tell the pairs from chance although the
    spectra Σ_i min(λ_i / Σλ, μ_i / Σμ) overlap, which no order of rows changes. It shows what may
    be: unrelated spaces of one kind look the same.
    """
    n = int(x.shape[0])
    if n < FEW:
        return []
    try:
        score = debiased_cka(x, y, ci=False)
    except InputError:  # the measure asked for says it better
        return []
    if score.p is None or score.p < _LEVEL:
        return []
    moments = Moments.of(compact(x), compact(y))
    alike = _overlap(moments.scatter_xx, moments.scatter_yy)
    if alike < _ALIKE:
        return []
    return [
        f"debiased CKA does not tell these {n:,} pairs from chance (z {score.z:.1f}), though the "
        f"spectra of source and target overlap by {alike:.0%}: the rows of one side may be "
        "shuffled, or the ids may not mean the same items"
    ]


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first of the names, and how many more there are.

    >>> listed(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _span(found: Mapping[str, float], form: str) -> str:
    low, high = (format(end(found.values()), form) for end in (min, max))
    return low if low == high else f"{low} to {high}"


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Shared part of the spectra of two scatters, each in shares of its variance: 1 if equal."""
    parts = [np.maximum(np.linalg.eigvalsh(scatter)[::-1], 0.0) for scatter in (a, b)]
    one, two = (part / part.sum() for part in parts)
    common = min(len(one), len(two))
    return float(np.minimum(one[:common], two[:common]).sum())


def _repeated(x: Array) -> float:
    """Share of rows that equal an earlier one, told by their projection on a random direction."""
    xp = namespace(x)
    direction = np.random.default_rng(0).normal(size=int(x.shape[1]))
    place = to_numpy(xp.astype(x, xp.float64)) @ direction
    place = np.sort(place)
    room = 1e-13 * max(float(np.abs(place).max()), np.finfo(float).tiny)
    return float(np.sum(np.diff(place) <= room)) / len(place)
