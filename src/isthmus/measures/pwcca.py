r"""PWCCA: canonical correlations, weighted by how much of the first space each accounts for."""

import numpy as np

from isthmus.core.arrays import Array, paired
from isthmus.core.card import Card, Paper
from isthmus.core.linalg import symmetric_eigen
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.canonical import check_room, decomposed, overlap_test, span
from isthmus.measures.rows import Spread

CARD = Card(
    name="pwcca",
    summary="Canonical correlations weighted by how much each direction says about the first "
    "space.",
    paper=Paper(
        "Insights on representational similarity in neural networks with canonical correlation",
        "Morcos, Raghu & Bengio", 2018,
    ),
    cost="n d^2",
    memory="n d",
    invariant=("permutation", "isotropic_scale", "translation"),
    invariant_target=("affine",),
    identical=1.0,
    min_rows=4,
    caveat="No interval: the weights are sums of absolute values with no smooth influence. The "
    "chance level is an average over a few shuffles.",
)  # fmt: skip

#: Shuffles behind the chance level at widths up to 256, and beyond, where they hardly differ.
_SHUFFLES = 20, 2


@register(CARD)
def pwcca(x: Array, y: Array | None = None, *, rng: Seed = 0) -> Score:
    r"""Projection-weighted mean of the canonical correlations, 0 to 1; directed.

    .. math:: \frac{\sum_i \alpha_i \rho_i}{\sum_i \alpha_i}, \quad
              \alpha_i = \sum_j |\langle h_i, x_j \rangle|

    with h_i the canonical variates (n,) of x, unit vectors, and x_j its centred columns. Columns
    are summed by absolute value, so the value moves when x is rotated; y may undergo any affine
    map. Columns that are centred for ρ and not for α, as in some implementations, make it move
    with the mean. ``chance`` is the mean over 20 seeded shuffles of the pairs (2 beyond
    width 256); z and p test the sum of the squared correlations, exactly as ``cca`` does.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs; the space whose columns set the weights
    y : (n, dy) array of the same kind, paired with x by row
    rng : seed of the shuffles, which do not depend on the order of rows

    Raises
    ------
    InputError
        On unequal row counts, non-finite values, a side whose rows are all equal, or n - 1 at or
        below the rank of a side.

    References
    ----------
    Morcos, Raghu & Bengio 2018.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 4)) * [1, 1, 1, 0.01]
    >>> noise = np.random.default_rng(1).normal(size=60)
    >>> round(pwcca(x, np.column_stack([x[:, :3], noise])).value, 2)  # the last hardly counts
    1.0
    """
    x, y = paired(x, y, operation="pwcca", min_rows=4)
    u, s, axes = decomposed("x", x, operation="pwcca")
    v, _ = span("y", y, operation="pwcca")
    check_room("x", x, u.shape[1], operation="pwcca")
    check_room("y", y, v.shape[1], operation="pwcca")
    # The columns of x in the basis u: all that the weights need, (rank, dx).
    columns = s[:, None] * axes
    cross = u.T @ v
    value, rho = _weighted(cross, columns)
    order = Spread.of(x, y).shuffled(rng)
    draw = generator(rng)
    count = _SHUFFLES[max(u.shape[1], v.shape[1]) > 256]
    found, partner = [], np.empty_like(order)
    for _ in range(count):
        partner[order] = order[draw.permutation(len(u))]
        found.append(_weighted(u.T @ v[partner], columns)[0])
    chance = float(np.mean(found))
    _, z, p = overlap_test(u, v, cross)
    warnings: tuple[str, ...] = ()
    if chance > 0.3:
        warnings = (f"unrelated spaces of these widths and {len(u)} rows read {chance:.2f}",)
    return Score(
        value=value,
        method="pwcca",
        n=len(u),
        chance=chance,
        z=z,
        p=p,
        warnings=warnings,
        parts={"rho": rho},
    )


def _weighted(cross: np.ndarray, columns: np.ndarray) -> tuple[float, np.ndarray]:
    left, rho = _axes(cross)
    weights = np.abs(left.T @ columns).sum(axis=1)
    return float(weights @ rho) / float(weights.sum()), rho


def _axes(cross: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Left singular vectors (rank x, r) and singular values (r,) of ``cross`` = Uᵀ V.

    Of float32 rows from its Gram matrix, at half the cost: squaring leaves float64 more digits
    than those rows had.
    """
    if cross.dtype == np.float64 or cross.shape[0] > cross.shape[1]:
        left, rho, _ = np.linalg.svd(cross, full_matrices=False)
        return left, np.minimum(rho, 1.0)
    wide = cross.astype(np.float64)
    values, left = symmetric_eigen(wide @ wide.T)
    return left, np.sqrt(np.minimum(values, 1.0))
