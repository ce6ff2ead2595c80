r"""Riemannian distance of two covariance matrices: how far apart two spaces spread their rows."""

from typing import Literal

import numpy as np

from isthmus.core.arrays import Array, check_rows, matrix, namespace, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.linalg import triangular_inverse
from isthmus.core.moments import Moments
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.rows import check_varied, in_range

CARD = Card(
    name="riemannian_spd",
    summary="Affine-invariant Riemannian distance of the two spaces' covariance matrices.",
    paper=Paper(
        "Using distance on the Riemannian manifold to compare representations in brain and in "
        "models",
        "Shahbazi et al.",
        2021,
    ),
    cost="n d^2 + d^3",
    memory="d^2",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    jointly=True,
    paired=False,
    symmetric=True,
    metric=True,
    identical=0.0,
    min_rows=3,
)

Shrinkage = Literal["ledoit_wolf", "none"]


@register(CARD)
def riemannian_spd(
    x: Array, y: Array | None = None, *, shrinkage: Shrinkage = "ledoit_wolf"
) -> Score:
    r"""Length of the shortest path between two covariances among positive definite matrices.

    .. math:: d(A, B) = \|\log A^{-1/2} B A^{-1/2}\|_F
              = \Big(\sum_i \log^2 \lambda_i(A^{-1} B)\Big)^{1/2}

    It compares how two spaces of one set of coordinates spread (one layer before and after
    training, one model on two corpora); rows need no partners. With ``none`` an invertible linear
    map of both spaces changes nothing, and more rows than columns are needed on both sides. With
    ``ledoit_wolf`` each covariance is first drawn towards a multiple of the identity by the amount
    that its own noise calls for; that works for any number of rows, and leaves rotations, scales
    and shifts of both. Shifts of either side alone change nothing in any case. The axioms are those
    of the matrices: spaces with equal covariances are at distance 0.

    Noise in either covariance adds distance: two samples of one population do not reach 0. So there
    is no interval here; split a side in halves to see the level.

    Parameters
    ----------
    x : (n, d) array, or a Pairs
    y : (m, d) array of the same kind
    shrinkage : ``ledoit_wolf`` or ``none``

    Raises
    ------
    InputError
        On unequal widths, fewer than 3 rows, non-finite values, rows all equal, or, without
        shrinkage, a covariance that has no inverse.

    References
    ----------
    Shahbazi et al. 2021; Ledoit & Wolf 2004 for the shrinkage.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 3))
    >>> d = float(riemannian_spd(x, 2 * x, shrinkage="none"))  # A⁻¹B is 4 times the identity
    >>> round(float(d / (3**0.5 * np.log(4))), 9)
    1.0
    """
    if shrinkage not in ("ledoit_wolf", "none"):
        raise InputError("riemannian_spd", f"shrinkage {shrinkage!r}", "'ledoit_wolf' or 'none'")
    if y is None:
        if not (hasattr(x, "x") and hasattr(x, "y")):
            raise InputError(
                "riemannian_spd",
                "one matrix",
                "two matrices, or a Pairs",
                "Pass the other side too.",
            )
        x, y = x.x, x.y
    x, y = (matrix(name, side, operation="riemannian_spd") for name, side in (("x", x), ("y", y)))
    namespace(x, y)
    if x.shape[1] != y.shape[1]:
        raise InputError(
            "riemannian_spd",
            f"x {tuple(x.shape)} and y {tuple(y.shape)}",
            "both in one space, of equal width",
            "Translate one side with a bridge first.",
        )
    x, y = in_range(x, y)
    a, b = (_covariance(name, side, shrinkage) for name, side in (("x", x), ("y", y)))
    # A⁻¹B from factors, La⁻¹ Lb of A = La Laᵀ: its singular values squared are the eigenvalues.
    left, right = np.linalg.cholesky(a), np.linalg.cholesky(b)
    between = triangular_inverse(left) @ right
    eps = max(float(np.finfo(to_numpy(side[:1, :]).dtype).eps) for side in (x, y))
    ratios = np.linalg.eigvalsh(between @ between.T)
    # Where the least would lose more digits than its rows have, the slower way keeps them.
    if not float(ratios[0]) * eps > 1e-14 * float(ratios[-1]):
        ratios = np.linalg.svd(between, compute_uv=False) ** 2
    value = float(np.sqrt(np.sum(np.log(ratios) ** 2)))
    return Score(
        value=value,
        method=f"riemannian_spd ({shrinkage})",
        n=min(x.shape[0], y.shape[0]),
        length=value,
    )


def _covariance(name: str, x: Array, shrinkage: Shrinkage) -> np.ndarray:
    n, d = x.shape
    # Two rows always agree on their covariance, so nothing would be shrunk.
    check_rows(3, operation="riemannian_spd", **{name: x.shape})
    moments = Moments.of(x)
    check_varied(name, x, moments.scatter_xx, moments.mean_x, operation="riemannian_spd")
    sample = moments.scatter_xx / n
    if shrinkage == "none":
        if n <= d or not _invertible(sample):
            raise InputError(
                "riemannian_spd",
                f"{name} {tuple(x.shape)} whose covariance has no inverse",
                f"more than {d} rows and columns that do not depend on each other",
                "Use shrinkage='ledoit_wolf'.",
            )
        return sample * (n / (n - 1))
    mean = float(np.trace(sample)) / d
    gap = sample.copy()
    gap.flat[:: d + 1] -= mean
    apart = float(np.vdot(gap, gap))
    # Σ |x_i x_iᵀ - S|² / n² estimates the noise in S; it may not exceed what there is to explain.
    noise = (float(moments.norm_sums()[0, -3]) / n - float(np.vdot(sample, sample))) / n
    share = 1.0 if apart == 0 else min(max(noise, 0.0) / apart, 1.0)
    # Eigenvalues are not negative, so that more than a trace of shrinkage is always enough.
    if not (
        share > 1e-9 or (1 - share) * np.linalg.eigvalsh(sample)[0] + share * mean > 1e-12 * mean
    ):
        raise InputError(
            "riemannian_spd",
            f"{name} {tuple(x.shape)} that calls for too little shrinkage to have an inverse",
            "more rows, or columns that do not depend on each other",
            "Drop columns that repeat others (PCA), or bring more rows.",
        )
    sample *= 1 - share
    sample.flat[:: d + 1] += share * mean
    return sample


def _invertible(covariance: np.ndarray) -> bool:
    """Whether the least eigenvalue is above 1e-12 of the largest."""
    try:
        inverse = triangular_inverse(np.linalg.cholesky(covariance))
        # tr A tr A⁻¹ bounds their ratio, and a factor costs less than they do.
        if float(np.trace(covariance)) * float(np.vdot(inverse, inverse)) < 1e12:
            return True
    except np.linalg.LinAlgError:
        return False
    values = np.linalg.eigvalsh(covariance)
    return bool(values[0] > 1e-12 * values[-1])
