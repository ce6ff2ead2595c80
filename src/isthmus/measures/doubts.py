"""Doubts: what makes figures of paired rows mean less, told from the rows themselves.

Few rows, more dimensions than rows, copies, and rows that may be out of order; one look for two
spaces, grids of layers and maps. Holds no method of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from textwrap import wrap

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
_LEVEL = 0.01
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


def shuffled(sources: Sequence[Array], targets: Sequence[Array]) -> list[str]:
    """The doubt, if there is one, that sources and targets, (n, d_s) each, differ in row order.

    Raised where debiased CKA, whose z is free, tells no source and target from chance although the
    spectra Σ_i min(λ_i / Σλ, μ_i / Σμ) of two overlap, which no order of rows changes. It shows
    what may be: unrelated spaces of one kind look the same.
    """
    n = int(sources[0].shape[0])
    if n < FEW:
        return []
    level, largest = _LEVEL / (len(sources) * len(targets)), -np.inf
    try:
        for one, other in product(sources, targets):  # of related ones mostly the first will do
            score = debiased_cka(one, other, ci=False)
            if score.p is None or score.z is None or score.p < level:
                return []
            largest = max(largest, score.z)
    except InputError:  # the measure asked for says it better
        return []
    left, right = ([_spectrum(side) for side in sides] for sides in (sources, targets))
    alike = max(_overlap(one, other) for one, other in product(left, right))
    if alike < _ALIKE:
        return []
    return [astray("source and target: not related", largest, f"spectra overlap by {alike:.0%}")]


def astray(who: str, z: float, but: str = "") -> str:
    """The doubt that ``who`` is beyond chance, of which ``z`` is the largest debiased CKA's.

    >>> astray("a: not related to any other", 0.31)[:75]
    'a: not related to any other beyond chance (largest z of debiased CKA 0.3); '
    """
    return (
        f"{who} beyond chance (largest z of debiased CKA {z:.1f}){but and f', though {but}'}; rows "
        "may be shuffled, or the ids may not mean the same items"
    )


def tell(found: Sequence[str], told: Callable[[str], None] | None) -> None:
    """Every doubt found to ``told``, if somebody listens: before anything is computed on them."""
    if told is not None:
        for doubt in found:
            told(doubt)


def marked(warnings: Sequence[str]) -> list[str]:
    """Lines of at most 80 columns, in which every warning begins with an exclamation mark."""
    return [
        line for one in warnings
        for line in wrap(one, 80, initial_indent="! ", subsequent_indent="  ")
    ]  # fmt: skip


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


def _spectrum(x: Array) -> np.ndarray:
    """Shares of variance along the principal axes, falling."""
    values = np.maximum(np.linalg.eigvalsh(Moments.of(compact(x)).scatter_xx)[::-1], 0.0)
    return np.asarray(values / values.sum())


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Shared part of two spectra: 1 if equal."""
    common = min(len(a), len(b))
    return float(np.minimum(a[:common], b[:common]).sum())


def _repeated(x: Array) -> float:
    """Share of rows that equal an earlier one, told by their projection on a random direction."""
    xp = namespace(x)
    direction = np.random.default_rng(0).normal(size=int(x.shape[1]))
    place = to_numpy(xp.astype(x, xp.float64)) @ direction
    place = np.sort(place)
    room = 1e-13 * max(float(np.abs(place).max()), np.finfo(float).tiny)
    return float(np.sum(np.diff(place) <= room)) / len(place)
