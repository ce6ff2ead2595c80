r"""Rank axis: does one direction of a space put its rows in the order of a continuous attribute?"""

import math
from typing import Any

import numpy as np

from isthmus.core.arrays import Array, like, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments
from isthmus.core.random import Seed
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.held_out import predictions, rounding_of
from isthmus.measures.ridge_r2 import ridge_map
from isthmus.measures.rows import Z95, upper_tail

CARD = Card(
    name="rank_axis",
    summary="Rank correlation of a continuous attribute with projections on one direction.",
    paper=Paper("On the rankability of visual embeddings", "Sonthalia et al.", 2025),
    cost="n d^2 + d^3",
    memory="n d + d^2",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    spaces=0,
    chance=0.0,
    min_rows=10,
    caveat="The interval takes rows as independent and the axis as given. Simulated: it covers too "
    "seldom at 50 rows, with the axis of a ridge regression.",
    rough=(500, 0),
)


@register(CARD)
def rank_axis(
    vecs: Array,
    values: Any,
    *,
    extremes: int = 0,
    axis: Any = None,
    folds: int = 5,
    rng: Seed = 0,
) -> Score:
    r"""Spearman's ρ of the values with the rows' projections x_i · w, on rows w was not fitted on.

    .. math:: \rho = \mathrm{corr}(\mathrm{rank}(x_i \cdot w), \mathrm{rank}(v_i)), \quad
              w_{ridge} = (X_c^\top X_c + \lambda I)^{-1} X_c^\top v_c, \quad
              w_{extremes} = \bar x_{top} - \bar x_{bottom}

    Three ways to the axis w: ridge regression of the values (held out by folds, penalties chosen
    inside each training set); with ``extremes`` = m the mean of the m rows with the largest values
    minus that of the m with the smallest, judged on the other rows; or an ``axis`` that is known,
    judged on all rows. The last tells whether an axis survives a bridge: fit it on one side, score
    it on the translated rows.

    z = ρ √(n - 1) is exact over permutations, ties included. The interval is Fisher's, with the
    variance (1 + ρ²/2) / (n - 3) of Bonett and Wright. Parts: ``axis`` (d,) fitted on all rows (or
    as given), to sort a whole collection by, and ``projections`` (n,) on it; those of ridge are of
    rows it was fitted on, unlike the value's.

    Parameters
    ----------
    vecs : (n, d) array
    values : (n,) numbers
    extremes : rows taken at either end; 0 for ridge regression on all rows
    axis : (d,) direction that is known already
    folds : number of folds of the ridge regression
    rng : seed of the assignment to folds

    Raises
    ------
    InputError
        On non-finite or constant values, rows that are all equal, too few rows, an axis of other
        length or zero, or an axis given along with extremes.

    References
    ----------
    Sonthalia et al. 2025, "On the rankability of visual embeddings"; Bonett & Wright 2000.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(200, 5))
    >>> float(rank_axis(x, np.exp(x[:, 0] - x[:, 1]))) > 0.9
    True
    >>> float(rank_axis(x, x[:, 0], axis=[1, 0, 0, 0, 0]))
    1.0
    """
    vecs = matrix("vecs", vecs, operation="rank_axis")
    rows = to_numpy(vecs).astype(np.float64)
    y = _values(values, len(rows))
    if axis is not None:
        if extremes:
            raise InputError("rank_axis", "an axis and extremes", "one of the two")
        w = _direction(axis, rows.shape[1])
        judged, shown = np.arange(len(y)), rows @ w
        score = shown
    elif extremes:
        judged, w = _ends(rows, y, extremes)
        shown = rows @ w
        score = shown[judged]
    else:
        judged, score = np.arange(len(y)), np.empty(len(y))
        column = like(y[:, None], vecs)
        for held, v, rest in predictions(
            vecs, column, folds, rng, ridge_map, operation="rank_axis"
        ):
            # Without the training mean, which leans away from the held-out rows.
            score[held] = (v - rest)[:, 0]
        whole = Moments.of(rows, y[:, None])
        w = ridge_map(whole, rounding_of(vecs, whole))[:, 0]
        shown = rows @ w
    rho = _spearman(score, y[judged])
    n = len(judged)
    at = math.atanh(max(-1 + 1e-12, min(rho, 1 - 1e-12)))
    half = Z95 * math.sqrt((1 + rho**2 / 2) / (n - 3))
    z = rho * math.sqrt(n - 1)
    return Score(
        value=rho,
        method="rank_axis",
        n=n,
        ci=(min(math.tanh(at - half), rho), max(math.tanh(at + half), rho)),
        chance=0.0,
        z=z,
        p=upper_tail(z),
        parts={"axis": w, "projections": shown},
    )


def _values(values: Any, n: int) -> np.ndarray:
    host = np.asarray(to_numpy(values) if hasattr(values, "shape") else values)
    if host.dtype.kind not in "iuf" or host.shape != (n,) or not np.isfinite(host).all():
        raise InputError(
            "rank_axis",
            f"values {host.dtype} of shape {host.shape} for {n} rows",
            f"{n} finite numbers",
            "Give one finite value a row.",
        )
    if n < 10 or host.min() == host.max():
        raise InputError(
            "rank_axis", f"values {host.shape} from {host.min():.3g} to {host.max():.3g}",
            "at least 10 rows whose values differ", "Bring more rows, of other values too.",
        )  # fmt: skip
    return host.astype(np.float64)


def _direction(axis: Any, width: int) -> np.ndarray:
    w = np.asarray(to_numpy(axis) if hasattr(axis, "shape") else axis, dtype=np.float64)
    if w.shape != (width,) or not np.isfinite(w).all() or not w.any():
        raise InputError(
            "rank_axis",
            f"an axis of shape {w.shape}",
            f"({width},), not zero",
            "Pass one number for each column of the vectors.",
        )
    return w


def _ends(rows: np.ndarray, y: np.ndarray, extremes: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows between the ends, and the difference of the means of the two ends."""
    n = len(y)
    if not 1 <= extremes <= (n - 8) // 2:
        raise InputError(
            "rank_axis",
            f"extremes={extremes} of {n} rows",
            "1 or more, with 8 rows left to judge",
            "Lower extremes, or bring more rows.",
        )
    order = np.argsort(y, kind="stable")
    w = rows[order[-extremes:]].mean(axis=0) - rows[order[:extremes]].mean(axis=0)
    if not w.any():
        raise InputError(
            "rank_axis",
            f"two ends of {extremes} rows with the same mean: vecs {rows.shape}",
            "ends that differ",
            "Raise extremes, or fit the axis without them.",
        )
    between = np.sort(order[extremes:-extremes])
    if y[between].min() == y[between].max():
        raise InputError(
            "rank_axis",
            f"{len(between)} equal values between the ends",
            "fewer extremes",
            "Lower extremes, or bring rows of other values.",
        )
    return between, w


def _spearman(score: np.ndarray, y: np.ndarray) -> float:
    from scipy.stats import rankdata

    a, b = (rankdata(one) - (len(one) + 1) / 2 for one in (score, y))
    size = math.sqrt(float(a @ a) * float(b @ b))
    if not size > 0:
        raise InputError(
            "rank_axis",
            f"{len(y)} projections that are all equal",
            "rows that vary",
            "Look at how these vectors were made: the encoder may have collapsed.",
        )
    return max(-1.0, min(float(a @ b) / size, 1.0))
