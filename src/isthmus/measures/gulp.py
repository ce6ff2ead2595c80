r"""GULP: how differently the best ridge predictors on two spaces can predict anything."""

import math

import numpy as np

from isthmus.core.arrays import Array, paired, row_blocks
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.canonical import check_room, overlap_test, span
from isthmus.measures.rows import BLOCK, along, root_interval

CARD = Card(
    name="gulp",
    summary="Largest gap between the ridge predictions of two spaces over all targets; a metric.",
    paper=Paper(
        "GULP: a prediction-based metric between representations", "Boix-Adserà et al.", 2022
    ),
    cost="n d^2",
    memory="n d",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    symmetric=True,
    metric=True,
    identical=0.0,
    min_rows=4,
    caveat="With a small lambda and few rows all spaces differ: compare with chance; the interval "
    "is around that biased value. Simulated: the interval hardly ever covers at 50 rows of 20 "
    "dims; the interval covers too seldom at 500 rows and at 500 dims.",
    rough=(0, 125),
)  # fmt: skip


#: Penalties of the curve.
_LAMS = 10.0 ** np.arange(-4, 2)


@register(CARD)
def gulp(x: Array, y: Array | None = None, *, lam: float = 0.01) -> Score:
    r"""Root of the mean squared gap between ridge predictions, averaged over targets.

    .. math:: d_\lambda = \|K_x - K_y\|_F, \quad
              K_x = X (X^\top X + n\lambda)^{-1} X^\top

    with X and Y centred and scaled to a mean squared row norm of 1, so that λ has no unit. K_x y is
    the ridge prediction of a target y from x, so d is the root mean square gap between the two
    predictions over targets of white noise, and bounds it for any target. It equals the paper's
    d² = tr(Σ_x^{-λ}Σ_x)² + tr(Σ_y^{-λ}Σ_y)² - 2 tr(Σ_x^{-λ}Σ_xy Σ_y^{-λ}Σ_yx), but without the
    difference that loses half of the digits near identity. d is the metric; its square breaks the
    triangle. λ = 0 compares spans like ``cca``, λ → ∞ covariances: λ d tends to the distance of the
    centred Gram matrices over n. ``chance`` is the root mean square over all shuffles of the pairs;
    z compares with the exact mean and standard deviation of the overlap (positive: closer than
    chance), p is the tail of the Beta with those moments. The interval comes from the influence of
    each row. ``parts``: ``curve`` (6,), the distance at each penalty of ``lams`` (6,), 1e-4 to 10,
    from the same factorisation: a distance that falls early lies in small directions.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row
    lam : ridge penalty λ >= 0, in units of the total variance of a side

    Raises
    ------
    InputError
        On fewer than 4 rows, unequal row counts, non-finite values, a side whose rows are all
        equal, a negative λ, or λ = 0 with n - 1 at or below the rank of a side.

    References
    ----------
    Boix-Adserà et al. 2022, "GULP: a prediction-based metric between representations"; Kazi-Aoual
    et al. 1995 for the moments over shuffles.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(80, 3))
    >>> float(gulp(x, 5 * x[:, ::-1] + 2)) < 1e-12
    True
    """
    x, y = paired(x, y, operation="gulp", min_rows=4)
    if lam < 0:
        raise InputError("gulp", f"lam={lam}", "a penalty of 0 or more")
    sides = []
    for name, side in (("x", x), ("y", y)):
        u, s = span(name, side, operation="gulp")
        if lam == 0:
            check_room(name, side, u.shape[1], operation="gulp")
        share = (s**2 / float(s @ s)).astype(u.dtype)  # of the total variance, by axis
        sides.append((u, share / (share + lam), share))
    (u, h, _), (v, g, _) = sides
    n = len(u)
    cross = u.T @ v
    outside = _outside(u, v, cross), _outside(v, u, cross.T)
    value = _apart(h, g, cross, outside)
    s, t = (share for _, _, share in sides)
    curve = np.array([_apart(s / (s + one), t / (t + one), cross, outside) for one in _LAMS])
    # K = U h Uᵀ, so that sqrt(h) makes each the projector that the moments are written for.
    a, b = np.sqrt(h), np.sqrt(g)
    mean, z, p = overlap_test(u, v, a[:, None] * cross * b, (h, g))
    sizes = float(h @ h), float(g @ g)
    chance = math.sqrt(max(sum(sizes) - 2 * mean, 0.0))
    ci = root_interval(value, _influence(sides[0], sides[1], cross))
    warnings: tuple[str, ...] = ()
    if mean > 0.1 * math.sqrt(sizes[0] * sizes[1]):
        warnings = (
            f"{n} rows are few for these spaces at lam={lam}: the predictors "
            "of unrelated spaces would overlap, so the value says little",
        )
    return Score(
        value=value,
        method="gulp",
        n=n,
        ci=ci,
        chance=chance,
        z=z,
        p=p,
        length=value,
        warnings=warnings,
        parts={"lams": _LAMS.copy(), "curve": curve},
    )


def _outside(u: np.ndarray, v: np.ndarray, cross: np.ndarray) -> np.ndarray:
    """|u_i - V Vᵀu_i|² of each column of u, (p,): what of it lies outside the span of V."""
    total = np.zeros(u.shape[1])
    for rows in row_blocks(len(u), BLOCK):
        total += np.sum((u[rows] - v[rows] @ cross.T) ** 2, axis=0)
    return total


def _apart(
    h: np.ndarray, g: np.ndarray, cross: np.ndarray, outside: tuple[np.ndarray, np.ndarray]
) -> float:
    """|U h Uᵀ - V g Vᵀ| from M = Uᵀ V = ``cross``, by terms that are small where the two are equal.

    It is, squared, Σ h² + Σ g² - 2 Σ h_i M_ij² g_j. A row of M² sums to what of u_i lies inside the
    span of V and a column likewise, hence Σ M_ij² (h_i - g_j)² and what lies ``outside`` of either.
    """
    gap = np.subtract.outer(h, g) * cross
    return math.sqrt(float(np.vdot(gap, gap) + outside[0] @ h**2 + outside[1] @ g**2))


def _influence(
    one: tuple[np.ndarray, np.ndarray, np.ndarray],
    two: tuple[np.ndarray, np.ndarray, np.ndarray],
    cross: np.ndarray,
) -> np.ndarray:
    """Influence (n,) of each row on d² = |h|² + |g|² - 2 tr(h M g Mᵀ), M = Uᵀ V.

    With a = √n u_i: Σ h² moves by 2 Σ a² h²(1-h), the overlap by 2 (ah)ᵀM(bg) - |g^½ Mᵀ(ah)|² -
    |h^½ M(bg)|², and the scaling to a total variance of 1 moves each h by -h(1-h) per unit.
    """
    n = len(one[0])
    total = np.zeros(n)
    for (u, h, share), (v, g, _), m in ((one, two, cross), (two, one, cross.T)):
        damped, forth = h * (1 - h), h[:, None] * m
        # Of the excess of the row's squared norm over the mean, by n as all else here.
        pull = float(damped @ m**2 @ g) - float(h @ damped)
        own = 2 * (h * damped + pull * share)
        for rows in row_blocks(n, BLOCK):
            through = u[rows] @ forth
            total[rows] += n * along(u[rows] ** 2, own) - 2 * pull
            if m is cross:
                total[rows] -= 4 * n * np.einsum("ij,ij,j->i", through, v[rows], g)
            through *= through
            total[rows] += 2 * n * along(through, g)
    return total
