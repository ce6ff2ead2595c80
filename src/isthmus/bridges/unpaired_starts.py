"""First guesses without a pair: ways to match rows of two spaces by what needs no common axes."""

from collections.abc import Callable

import numpy as np

from isthmus.bridges.assignment import quadratic_assignment
from isthmus.bridges.clusters import k_means
from isthmus.bridges.matching import mutual_matches
from isthmus.bridges.self_training import Side, unit_rows
from isthmus.core.linalg import symmetric_eigen

#: Rows i of the source and j of the target that may be partners.
Guess = tuple[np.ndarray, np.ndarray]
#: Points at which a row's sorted similarities are read.
_QUANTILES = 400
#: Rows clustered, clusterings and descents of an assignment.
_CLUSTERED, _RUNS, _DESCENTS = 4000, 6, 20


def sorted_similarities(x: Side, y: Side, rng: np.random.Generator, *, power: float = 0.5) -> Guess:
    """Rows whose similarities to all rows of their own side, sorted, are most alike.

    The similarities are taken with the square root of the spectrum, which lies between those of the
    rows and of whitened rows (Artetxe et al. 2018, section 3.2).
    """
    return mutual_matches(_profile(x.rows, power), _profile(y.rows, power))[:2]


def assigned_clusters(x: Side, y: Side, rng: np.random.Generator, *, clusters: int = 20) -> Guess:
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
    return mutual_matches(next(codes), next(codes))[:2]


def many_clusters(x: Side, y: Side, rng: np.random.Generator) -> Guess:
    """``assigned_clusters`` with 50 clusters."""
    return assigned_clusters(x, y, rng, clusters=50)


def signed_axes(x: Side, y: Side, rng: np.random.Generator) -> Guess:
    """Principal axes in the order of their variances, signs by the third moments along them."""
    count = min(x.rows.shape[1], y.rows.shape[1])
    scores = []
    for side in (x, y):
        _, axes = symmetric_eigen((side.rows.T @ side.rows).astype(np.float64))
        along = side.rows @ axes[:, :count].astype(np.float32)
        scores.append(unit_rows(along * np.where(np.mean(along**3, axis=0) < 0, -1, 1)))
    return mutual_matches(*scores)[:2]


def same_axes(x: Side, y: Side, rng: np.random.Generator) -> Guess:
    """Column k of one side is column k of the other, as it is between fine-tuned copies."""
    count = min(x.rows.shape[1], y.rows.shape[1])
    return mutual_matches(unit_rows(x.rows[:, :count]), unit_rows(y.rows[:, :count]))[:2]


STARTS: dict[str, Callable[[Side, Side, np.random.Generator], Guess]] = {
    "sorted_similarities": sorted_similarities,
    "assigned_clusters": assigned_clusters,
    "many_clusters": many_clusters,
    "signed_axes": signed_axes,
    "same_axes": same_axes,
}


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
