"""Many spaces on one map: pairwise distances, a plane, a tree, and who is near whom."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from textwrap import wrap
from typing import Any

import numpy as np

from isthmus.core.arrays import Array, matrix, take
from isthmus.core.card import Card
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.core.registry import method, methods
from isthmus.measures.debiased_cka import debiased_cka
from isthmus.measures.doubts import FEW, astray, doubts, listed, marked, tell
from isthmus.measures.inference import holm
from isthmus.measures.rows import compact, compacted

#: Beyond this the pairs are more than a person reads, and more than a coffee break computes.
_MOST = 200
#: Rows that the test of each pair sees: a debiased CKA of 0.01 stands 7 deviations from chance.
_TESTED = 1000
_LEVEL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceMap:
    """Distances between spaces, (s, s), a plane that keeps them as well as two axes can, a tree.

    ``positions`` (s, 2) come from metric multidimensional scaling; ``stress`` is Kruskal's
    normalised stress-1 of that plane, 0 for a perfect one. ``tree`` (s - 1, 4) is SciPy's linkage
    by average distance, ``order`` (s,) its leaves. ``p_any`` (s, s), 0 on the diagonal, tests each
    pair by debiased CKA on up to 1,000 items, corrected by Holm's bound: where it is 0.05 or more
    the two are not related beyond chance, whatever their distance. The first of the ``warnings``
    are ``doubts`` about the rows themselves, which are printed before any number.
    """

    method: str
    names: tuple[str, ...]
    distances: np.ndarray
    positions: np.ndarray
    stress: float
    tree: np.ndarray
    order: np.ndarray
    p_any: np.ndarray
    n: int
    warnings: tuple[str, ...]
    doubts: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "kind": "map", "method": self.method, "names": list(self.names), "n": self.n,
            "distances": self.distances.tolist(), "positions": self.positions.tolist(),
            "stress": self.stress, "tree": self.tree.tolist(), "order": self.order.tolist(),
            "p_any": self.p_any.tolist(), "warnings": list(self.warnings),
        }  # fmt: skip

    def sentences(self) -> list[str]:
        """What the map says, in words."""
        pairs = sorted(combinations(range(len(self.names)), 2), key=lambda ij: self.distances[ij])
        (a, b), (c, d) = pairs[0], pairs[-1]
        told = [
            f"Nearest: {self.names[a]} and {self.names[b]} ({self.distances[a, b]:.3f}); farthest: "
            f"{self.names[c]} and {self.names[d]} ({self.distances[c, d]:.3f})."
        ]
        apart = self.distances.sum(axis=1) / (len(self.names) - 1)
        middle = int(apart.argmin())
        told.append(f"In the middle: {self.names[middle]} (mean distance {apart[middle]:.3f}).")
        if self.stress > 0.15:
            told.append(
                f"A plane shows these distances badly (stress {self.stress:.2f}): trust the tree "
                "and the table."
            )
        return told + self._unrelated()

    def _unrelated(self) -> list[str]:
        """Which pairs are not told from chance; a space that has no other, once for all its own."""
        pairs = [(i, j) for i, j in combinations(range(len(self.names)), 2)
                 if self.p_any[i, j] >= _LEVEL]  # fmt: skip
        if not pairs:
            return []
        count = len(self.names) * (len(self.names) - 1) // 2
        by = f"debiased CKA of {min(self.n, _TESTED):,} items, Holm's bound over {count} pairs"
        if len(pairs) == count:
            return [f"No two of these spaces are related beyond chance ({by})."]
        alone = set(_alone(self.p_any))
        found = [f"{self.names[i]} and every other" for i in sorted(alone)]
        found += [
            f"{self.names[i]} and {self.names[j]}" for i, j in pairs if not {i, j} & alone
        ]  # fmt: skip
        return [f"Not related beyond chance ({by}): {listed(found, 6)}."]

    def __str__(self) -> str:
        s = len(self.names)
        label = min(max(map(len, self.names)), 20)
        shown = min(s, (80 - label - 4) // 6)
        lines = marked(self.doubts)
        lines += [""] * bool(lines)
        lines += [f"{self.method}, distances, n={self.n:,}; in the order of the tree", ""]
        lines.append(" " * (label + 4) + "".join(f"{k + 1:>6}" for k in range(shown)))
        for k, i in enumerate(self.order):
            cells = "".join(
                f"{self.distances[i, j]:>6.2f}" if i != j else "     ." for j in self.order[:shown]
            )
            lines.append(f"{k + 1:>3} {self.names[i][-label:]:{label}}{cells}")
        if shown < s:
            lines.append(f"({shown} of {s} columns; --json has all)")
        lines.append("")
        for sentence in self.sentences():
            lines += wrap(sentence, 80, initial_indent="* ", subsequent_indent="  ")
        lines += marked(self.warnings[len(self.doubts) :])
        return "\n".join(lines)


def compare_many(
    spaces: Mapping[str, Array] | Sequence[Array],
    *,
    measure: str = "procrustes_angular",
    rows: int = 10_000,
    rng: Seed = 0,
    told: Callable[[str], None] | None = None,
) -> SpaceMap:
    r"""Every pair of several spaces of the same items under a true distance, mapped and clustered.

    The plane minimises Σ (d_ij - |p_i - p_j|)² by majorisation (SMACOF, de Leeuw 1977), from the
    classical solution. Only measures whose card says ``metric`` are taken: a plane or a tree of
    numbers that break the triangle inequality would show what is not there. Unrelated spaces have
    distances too: each pair is tested by debiased CKA, corrected for the number of pairs.

    Parameters
    ----------
    spaces : three or more (n, d_s) arrays by name, rows paired by position
    measure : a measure of two paired spaces that is a metric
    rows : with more items, so many are drawn by ``rng``
    rng : seed or Generator
    told : called with every doubt about the rows before distances are computed

    Raises
    ------
    InputError
        On fewer than 3 or more than 200 spaces, unequal row counts, or a measure that is no metric.

    Examples
    --------
    >>> x, noise = np.random.default_rng(0).normal(size=(2, 100, 4))
    >>> drawn = compare_many({"a": x, "rotated": x[:, ::-1], "other": noise})
    >>> drawn.sentences()[0][:25]
    'Nearest: a and rotated (0'
    """
    one = method("measures", measure)
    if not _maps(one.card):
        known = [m.name for m in methods("measures") if _maps(m.card)]
        raise InputError(
            "compare many", f"measure {one.name!r}, which is no metric of two paired spaces",
            f"a true distance: {', '.join(known)}",
        )  # fmt: skip
    each = spaces.items() if isinstance(spaces, Mapping) else enumerate(spaces)
    named = {str(name): space for name, space in each}
    if not 3 <= len(named) <= _MOST:
        raise InputError(
            "compare many", f"{len(named)} spaces", f"3 to {_MOST} of them",
            "Two spaces are compared by isthmus.compare(a, b).",
        )  # fmt: skip
    sides = [matrix(name, space, operation="compare many") for name, space in named.items()]
    counts = {name: int(side.shape[0]) for name, side in zip(named, sides, strict=True)}
    if len(set(counts.values())) != 1:
        raise InputError(
            "compare many",
            f"rows {counts}",
            "the same items in every space",
            "Join them on their ids first: isthmus.pair(a, b).",
        )
    n = next(iter(counts.values()))
    warned = doubts(dict(zip(named, sides, strict=True)))
    draw = generator(rng)
    if n > rows:
        chosen = np.sort(draw.choice(n, rows, replace=False))
        sides = [take(side, chosen) for side in sides]
        n = rows
    z, p_any = _tested(sides, draw)
    alone = _alone(p_any)
    if alone and n >= FEW:
        largest = max(z[i].max() for i in alone)
        who = listed([list(named)[i] for i in alone])
        warned.append(astray(f"{who}: not related to any other", largest))
    tell(warned, told)
    distances = np.zeros((len(sides), len(sides)))
    call, sides, warnings = compacted(one, sides)
    for i, j in combinations(range(len(sides)), 2):
        score = call(sides[i], sides[j])
        if score.length is None:  # as a permutation of unequally many columns
            raise InputError(
                "compare many", f"{one.name} of {'; '.join(score.warnings)}",
                "spaces of equal width, or another measure",
            )  # fmt: skip
        distances[i, j] = distances[j, i] = score.distance()
        warnings.update(score.warnings)
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    tree = linkage(squareform(distances, checks=False), method="average", optimal_ordering=True)
    positions = _plane(distances)
    found = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    stress = float(np.sqrt(((found - distances) ** 2).sum() / max((distances**2).sum(), 1e-300)))
    return SpaceMap(
        method=one.name, names=tuple(named), distances=distances, positions=positions,
        stress=stress, tree=tree, order=leaves_list(tree), p_any=p_any, n=n,
        warnings=(*warned, *sorted(warnings)), doubts=tuple(warned),
    )  # fmt: skip


def _maps(card: Card) -> bool:
    return card.metric and card.spaces == 2 and card.paired and not card.given


def _tested(sides: list[Array], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Debiased CKA's z and its p by Holm's bound over all pairs, (s, s) each."""
    s, n = len(sides), int(sides[0].shape[0])
    if n > _TESTED:
        chosen = np.sort(rng.choice(n, _TESTED, replace=False))
        sides = [take(side, chosen) for side in sides]
    some = [compact(side) for side in sides]
    above = np.triu_indices(s, 1)
    found = [_chance(some[i], some[j]) for i, j in zip(*above, strict=True)]
    z, p = np.full((s, s), -np.inf), np.zeros((s, s))
    z[above], p[above] = [one[0] for one in found], holm(np.array([one[1] for one in found]))
    return np.maximum(z, z.T), p + p.T


def _chance(x: Array, y: Array) -> tuple[float, float]:
    try:
        score = debiased_cka(x, y, ci=False)
    except InputError:  # too few rows, or none of them different: nothing is told from chance
        return 0.0, 1.0
    return score.z or 0.0, 1.0 if score.p is None else score.p


def _alone(p: np.ndarray) -> list[int]:
    """Spaces that are told from chance with no other."""
    off = ~np.eye(len(p), dtype=bool)
    return [i for i in range(len(p)) if (p[i][off[i]] >= _LEVEL).all()]


def _plane(distances: np.ndarray) -> np.ndarray:
    """Two coordinates per space: SMACOF from the classical solution, turned to principal axes."""
    from sklearn.manifold import smacof

    s = len(distances)
    centre = np.eye(s) - 1 / s
    values, vectors = np.linalg.eigh(-0.5 * centre @ distances**2 @ centre)
    start = vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 0.0))
    plane = smacof(distances, n_components=2, init=start, n_init=1, max_iter=1000, eps=1e-9,
                   normalized_stress=False)[0]  # fmt: skip
    plane = plane - plane.mean(axis=0)
    axes = np.linalg.svd(plane, full_matrices=False)[2]
    plane = plane @ axes.T
    # A picture should not flip from one machine to the next.
    return np.asarray(plane * _signs(plane))


def _signs(plane: np.ndarray) -> np.ndarray:
    peaks = plane[np.abs(plane).argmax(axis=0), [0, 1]]
    return np.where(peaks < 0, -1.0, 1.0)
