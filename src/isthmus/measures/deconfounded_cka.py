r"""Deconfounded CKA: what two spaces share beyond what the input already gives them both."""

import numpy as np

from isthmus.core.arrays import Array, matrix, namespace, paired
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.moments import Keeps, Moments
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.debiased_cka import ALL, Between, hsics_left_out
from isthmus.measures.rows import Z95, check_varied, jackknife, upper_tail

CARD = Card(
    name="deconfounded_cka",
    summary="Debiased CKA after the input's own similarities are regressed out of both spaces.",
    paper=Paper(
        "Deconfounded Representation Similarity for Comparison of Neural Networks", "Cui et al.",
        2022,
    ),
    cost="n d^2",
    memory="d^2 + n",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    symmetric=True,
    given=("confound",),
    chance=0.0,
    identical=1.0,
    min_rows=4,
    caveat="Where the confound's debiased CKA with both sides is above 0.7, what is left is "
    "mostly how they stretch or bend it, and that counts as shared. Simulated: the test is "
    "conservative at every size.",
    rough=ALWAYS,
)  # fmt: skip

#: Which sides go through their rows together, what their moments keep, and which HSICs come of it:
#: each product of a side with itself is made once.
_STEPS: tuple[tuple[str, str, Keeps, Between], ...] = (
    ("x", "y", "all", ALL),
    ("confound", "x", "source", ((0, 0), (0, 1))),
    ("confound", "y", "cross", ((0, 1),)),
)
#: Share of a space that the confound must leave for the rest to be more than rounding; more where
#: products in float32 round.
_LEFT = 1e-9
#: Correlation with the confound above which what is left of a side is mostly a bent confound.
_MOST = 0.7


@register(CARD)
def deconfounded_cka(x: Array, y: Array | None = None, *, confound: Array) -> Score:
    r"""Debiased CKA of the similarities that a confound does not explain; 1 the same, 0 unrelated.

    Two random networks look alike because they see the same input. So the input's Gram matrix
    (``confound``) is regressed out of both: K ← K - βC with β from least squares, the matrices
    U-centred first so that few rows do not bias the fit. The CKA of the residuals then is the
    partial correlation of the three debiased CKAs r:

    .. math:: \frac{r_{xy} - r_{xc} r_{yc}}{\sqrt{(1 - r_{xc}^2)(1 - r_{yc}^2)}}

    This is the linear kernel's form of partial distance correlation. The interval is the exact
    leave-one-out jackknife, and z the value over its standard error, p the normal tail: the
    permutation test of the residual matrices, which is usual, takes them as exchangeable and
    rejects two spaces that share only the confound up to 40 % of the time at the 5 % level. Only a
    multiple of the confound's similarities is removed: a stretched or bent confound leaves a rest.
    ``parts``: the debiased CKA without adjustment, and of each side with the confound.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row
    confound : (n, dc) array of the same kind and rows, usually the input of both encoders

    Raises
    ------
    InputError
        On fewer than 4 rows, unequal row counts, non-finite values, an array whose rows are all
        equal or equally far apart, or a side whose geometry is the confound's own.

    References
    ----------
    Cui et al. 2022, "Deconfounded Representation Similarity for Comparison of Neural Networks";
    Székely & Rizzo 2014, "Partial distance correlation with methods for dissimilarities".

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> seen = rng.normal(size=(200, 5))
    >>> x, y = (seen + rng.normal(size=seen.shape) for _ in range(2))
    >>> score = deconfounded_cka(x, y, confound=seen)
    >>> score.parts["unadjusted"] > 0.2 > abs(float(score))
    True
    """
    x, y = paired(x, y, operation="deconfounded_cka", min_rows=4)
    c = matrix("confound", confound, operation="deconfounded_cka")
    namespace(x, y, c)
    if c.shape[0] != x.shape[0]:
        raise InputError(
            "deconfounded_cka",
            f"confound {tuple(c.shape)} beside x {tuple(x.shape)}",
            "equally many rows, paired by position",
            "Join them on their ids first: isthmus.pair(a, b).",
        )
    n = x.shape[0]
    found, left = _hsics({"x": x, "y": y, "confound": c})
    r = _correlations(found)
    # Each correlation has no more digits than the coarser of its two sides.
    eps = max(float(namespace(side).finfo(side.dtype).eps) for side in (x, y, c))
    for name, shared in (("x", r[1]), ("y", r[2])):
        if not 1.0 - shared**2 > max(_LEFT, 8 * eps):
            raise InputError(
                "deconfounded_cka",
                f"{name} whose geometry is the confound's own, over {n} rows",
                "a space that differs from the confound",
                "Bring rows that the confound does not settle, or leave it out.",
            )
    value = float(partial_correlation(r))
    ci = None if left is None else jackknife(value, [partial_correlation(_correlations(left))])
    error = 0.0 if ci is None else (ci[1] - value) / Z95
    z = value / error if error > 0 else None
    return Score(
        value=value,
        method="deconfounded_cka",
        n=n,
        ci=ci,
        chance=0.0,
        z=z,
        p=None if z is None else upper_tail(z),
        warnings=bent_warnings(r, "debiased CKA"),
        parts={
            "unadjusted": float(r[0]),
            "x_with_confound": float(r[1]),
            "y_with_confound": float(r[2]),
        },
    )


def _hsics(sides: dict[str, Array]) -> tuple[np.ndarray, np.ndarray | None]:
    """HSICs of ``_STEPS``, (6,), and with each row left out, (n, 6), of 5 rows or more."""
    found, left = [], []
    for one, two, keeps, between in _STEPS:
        x, y = sides[one], sides[two]
        moments = Moments.of(x, y, keeps=keeps)
        for i, j in between:
            if i != j:
                found.append(moments.hsic_xy())
            elif i:
                found.append(moments.hsic_yy())
                _check(two, y, moments.scatter_yy, moments.mean_y, found[-1])
            else:
                found.append(moments.hsic_xx())
                _check(one, x, moments.scatter_xx, moments.mean_x, found[-1])
        if moments.n > 4:
            blocks = [np.stack(block) for block in hsics_left_out(x, y, moments, between)]
            left.append(np.concatenate(blocks, axis=1))
    return np.array(found), np.concatenate(left).T if left else None


def _check(name: str, x: Array, scatter: np.ndarray, mean: np.ndarray, own: float) -> None:
    """Raise InputError on rows that are all equal, or equally far apart: ``own`` is their HSIC."""
    check_varied(name, x, scatter, mean, operation=CARD.name)
    n = x.shape[0]
    # What rounding leaves of a Gram matrix that centring empties.
    if not own > 64 * np.finfo(float).eps * float(np.vdot(scatter, scatter)) / (n * (n - 3)):
        raise InputError(
            CARD.name,
            f"{name} whose rows are all equally far apart, of shape {tuple(x.shape)}",
            "varied distances",
            "Bring more rows than dimensions, or other ones.",
        )


def _correlations(hsics: np.ndarray) -> np.ndarray:
    """Debiased CKAs (..., 3) of xy, xc and yc from HSICs (..., 6)."""
    xx, xy, yy, cc, cx, cy = np.moveaxis(hsics, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack(
            [xy / np.sqrt(xx) / np.sqrt(yy), cx / np.sqrt(xx) / np.sqrt(cc),
             cy / np.sqrt(yy) / np.sqrt(cc)], axis=-1
        )  # fmt: skip


def partial_correlation(r: np.ndarray) -> np.ndarray:
    """Correlation of x and y given the confound c, from those (..., 3) of xy, xc and yc."""
    xy, xc, yc = r[..., 0], r[..., 1], r[..., 2]
    with np.errstate(invalid="ignore", divide="ignore"):
        result: np.ndarray = (xy - xc * yc) / np.sqrt((1 - xc**2) * (1 - yc**2))
    return result


def bent_warnings(r: np.ndarray, unit: str) -> tuple[str, ...]:
    """The warning where the confound explains most of both sides, from r (3,) of xy, xc and yc."""
    if min(r[1], r[2]) <= _MOST:
        return ()
    return (
        f"the confound explains most of both sides ({unit} {r[1]:.2f} and {r[2]:.2f}): what is "
        "left may be how they stretch or bend it",
    )
