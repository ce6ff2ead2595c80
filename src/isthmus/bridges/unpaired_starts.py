"""First guesses: rows of two spaces described by what needs no common axes, and matched."""

from collections.abc import Callable

import numpy as np

from isthmus.bridges.assignment import quadratic_assignment
from isthmus.bridges.clusters import k_means
from isthmus.bridges.matching import mutual_matches
from isthmus.bridges.self_training import Side, unit_rows
from isthmus.core.linalg import symmetric_eigen

#: Unit rows (n, f) and (m, f) that say of either side's rows what both sides can say.
Features = tuple[np.ndarray, np.ndarray]
#: Points at which a row's sorted similarities are read.
_QUANTILES = 400
#: Rows clustered, clusterings and descents of an assignment.
_CLUSTERED, _RUNS, _DESCENTS = 4000, 6, 20
#: Length of all cosines to known pairs beside features of length one: little enough that starts
#: which share them still differ where the pairs say nothing.
_KNOWN = 0.3


def guess(
    name: str, x: Side, y: Side, i: np.ndarray, j: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rows that a start finds each other's best, with their cosines to known pairs i, j.

    A known pair says how near every row is to it, and no rotation changes that: beside what a start
    sees by itself, one or two are often enough for self-training to end at the right map.
    """
    a, b = (
        _beside_known(features, side.rows, side.rows[known])
        for features, side, known in zip(STARTS[name](x, y, rng), (x, y), (i, j), strict=True)
    )
    return mutual_matches(a, b)[:2]


def sorted_similarities(
    x: Side, y: Side, rng: np.random.Generator, *, power: float = 0.5
) -> Features:
    """Rows whose similarities to all rows of their own side, sorted, are most alike.

    The similarities are taken with the square root of the spectrum, which lies between those of the
    rows and of whitened rows (Artetxe et al. 2018, section 3.2).
    """
    return _profile(x.rows, power), _profile(y.rows, power)


def assigned_clusters(
    x: Side, y: Side, rng: np.random.Generator, *, clusters: int = 20
) -> Features:
    """Rows with like cosines to cluster centres numbered alike by quadratic assignment."""
    k = max(2, min(clusters, len(x.rows) // 4, len(y.rows) // 4))
    centres = [
        np.stack([k_means(_some(side.rows, rng), k, rng=rng) for _ in range(_RUNS)]).astype(float)
        for side in (x, y)
    ]
    grams = []
    for side in centres:
        centred = side - side.mean(axis=1, keepdims=True)
        grams.append(centred @ centred.swapaxes(1, 2))
        grams[-1] /= np.linalg.norm(grams[-1], axis=(1, 2), keepdims=True) + 1e-300
    starts = rng.permuted(np.tile(np.arange(k), (_RUNS, _DESCENTS, 1)), axis=2)
    found, scores = quadratic_assignment(grams[0][:, None], grams[1][:, None], starts)
    best = found[np.arange(_RUNS), scores.argmax(axis=1)]
    theirs = np.concatenate([c[p] for c, p in zip(centres[1], best, strict=True)])
    ours = centres[0].reshape(-1, centres[0].shape[2])
    codes = (unit_rows(side.rows @ unit_rows(a).T) for side, a in ((x, ours), (y, theirs)))
    return next(codes), next(codes)


def many_clusters(x: Side, y: Side, rng: np.random.Generator) -> Features:
    """``assigned_clusters`` with 50 clusters."""
    return assigned_clusters(x, y, rng, clusters=50)


def signed_axes(x: Side, y: Side, rng: np.random.Generator) -> Features:
    """Principal axes in the order of their variances, signs by the third moments along them."""
    count = min(x.rows.shape[1], y.rows.shape[1])
    scores = []
    for side in (x, y):
        _, axes = symmetric_eigen((side.rows.T @ side.rows).astype(np.float64))
        along = side.rows @ axes[:, :count].astype(np.float32)
        scores.append(unit_rows(along * np.where(np.mean(along**3, axis=0) < 0, -1, 1)))
    return scores[0], scores[1]


def same_axes(x: Side, y: Side, rng: np.random.Generator) -> Features:
    """Column k of one side is column k of the other, as it is between fine-tuned copies."""
    count = min(x.rows.shape[1], y.rows.shape[1])
    return unit_rows(x.rows[:, :count]), unit_rows(y.rows[:, :count])


STARTS: dict[str, Callable[[Side, Side, np.random.Generator], Features]] = {
    "sorted_similarities": sorted_similarities,
    "assigned_clusters": assigned_clusters,
    "many_clusters": many_clusters,
    "signed_axes": signed_axes,
    "same_axes": same_axes,
}


def _beside_known(features: np.ndarray, rows: np.ndarray, known: np.ndarray) -> np.ndarray:
    if not len(known):
        return features
    near = rows @ known.T
    length = np.sqrt(np.mean(np.sum(near**2, axis=1)))
    return unit_rows(np.c_[features, _KNOWN / (length + 1e-30) * near])


def _profile(rows: np.ndarray, power: float) -> np.ndarray:
    values, vectors = symmetric_eigen((rows.T @ rows / len(rows)).astype(np.float64))
    bend = (vectors * np.maximum(values, 1e-12) ** ((power - 1) / 2)).astype(np.float32)
    bent = unit_rows(rows @ bend)
    # The near end of the list, which says most, is read more densely than the rest.
    points = np.unique(np.r_[np.linspace(0, 1, _QUANTILES), 1 - np.geomspace(1e-4, 1, 200)])
    places = np.rint(points * (len(rows) - 1)).astype(int)
    out = np.empty((len(rows), len(places)), np.float32)
    for start in range(0, len(rows), 1024):
        similar = bent[start : start + 1024] @ bent.T
        similar.sort(axis=1)
        out[start : start + 1024] = similar[:, places]
    return unit_rows(out - out.mean(axis=0))


def _some(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if len(rows) <= _CLUSTERED:
        return rows
    return rows[rng.choice(len(rows), _CLUSTERED, replace=False)]
