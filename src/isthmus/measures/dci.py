r"""DCI: disentanglement, completeness and informativeness from what predicts each factor."""

import math
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from isthmus.core.arrays import Array, matrix, row_blocks, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.factors import SHUFFLES, levels, table
from isthmus.measures.rows import squares

CARD = Card(
    name="dci",
    summary="Whether each column matters to one factor alone, and whether the factors are found.",
    paper=Paper(
        "A Framework for the Quantitative Evaluation of Disentangled Representations",
        "Eastwood & Williams", 2018,
    ),
    cost="n d^2",
    memory="n d + d k",
    spaces=1,
    given=("factors",),
    invariant=("permutation", "axis_scale", "translation"),
    min_rows=20,
    library="scikit-learn",
    caveat="Depends on the learner behind the weights; no interval. Boosted trees are too slow to "
    "shuffle, so they have no chance level.",
)  # fmt: skip

_FOLDS = 5
#: Rounds of descent, and coordinates that are settled before the others see them.
_ROUNDS, _STRIP = 8, 32
#: Shuffles that are multiplied with the columns at once.
_AT_ONCE = 50


@register(CARD)
def dci(
    x: Array,
    factors: Any,
    *,
    model: Literal["lasso", "boosting"] = "lasso",
    alpha: float = 0.01,
    rng: Seed = 0,
) -> Score:
    r"""Disentanglement, 0 to 1, with completeness and held-out informativeness as parts.

    .. math:: D = \sum_j \rho_j \Big(1 + \sum_k P_{jk} \log_g P_{jk}\Big), \quad
              P_{jk} = \frac{R_{jk}}{\sum_k R_{jk}}, \quad
              \rho_j = \frac{\sum_k R_{jk}}{\sum_{jk} R_{jk}}

    with R_jk >= 0 the weight of column j in the prediction of factor k. Completeness is the same
    with columns and factors exchanged, base d. ``lasso`` takes the absolute coefficients of the
    lasso of penalty ``alpha`` on standardised columns and factors, so factors must be numbers;
    informativeness is then R² over five folds. ``boosting`` takes the importances of gradient
    boosted trees that classify the factor (of more than 20 values, its twentieths), and
    informativeness is held-out accuracy. ``chance``, z and p of D are from 199 seeded shuffles of
    the factors' rows (lasso only): it is not 0, for weights of chance are never quite even.
    ``parts``: ``disentanglement``, ``completeness``, ``informativeness``, and by factor (g,) or
    column (d,) ``completenesses``, ``informativenesses``, ``disentanglements``; ``weights`` (d, g).

    Parameters
    ----------
    x : (n, d) array, d at least 2
    factors : (n, g) numbers (or names, for ``boosting``), g at least 2
    model : ``lasso`` or ``boosting``
    alpha : penalty of the lasso, above 0 and below 1, where all coefficients vanish
    rng : seed of the folds and shuffles

    Raises
    ------
    InputError
        On fewer than 20 rows, 2 columns or 2 factors, non-finite values, factors of other length,
        that never vary or are no numbers, or options out of range.

    References
    ----------
    Eastwood & Williams 2018; boosted trees as in Locatello et al. 2019.

    Examples
    --------
    >>> import numpy as np
    >>> factors = np.random.default_rng(0).normal(size=(200, 2))
    >>> turned = factors @ np.array([[1, 1], [1, -1]])
    >>> [round(dci(x, factors).value, 1) for x in (factors, turned)]
    [1.0, 0.0]
    """
    if model not in ("lasso", "boosting") or not 0 < alpha < 1:
        raise InputError("dci", f"{model=}, {alpha=}", "'lasso' or 'boosting', 0 < alpha < 1")
    x = to_numpy(matrix("x", x, operation="dci")).astype(np.float64)
    known = table(factors, len(x), operation="dci")
    if len(x) < CARD.min_rows or min(x.shape[1], known.shape[1]) < 2:
        raise InputError(
            "dci",
            f"x {x.shape}, factors {known.shape}",
            "20 rows, 2 columns of both",
            "Bring more rows, columns or factors.",
        )
    draw = generator(rng)
    a = _standard(x)
    # Folds and shuffles start from an order that no change of the columns' units alters.
    own = np.column_stack([levels(column, len(x)) for column in known.T])
    order = np.lexsort([*own.T, np.round(squares(a), 9)])
    folds = np.array_split(order[draw.permutation(len(x))], _FOLDS)
    chance = z = p = None
    warnings: tuple[str, ...] = ()
    if model == "lasso":
        if known.dtype.kind not in "iubf":
            raise InputError("dci", "names as factors", "numbers", "Ask for model='boosting'.")
        b = _standard(known.astype(np.float64))
        still = np.flatnonzero(~b.any(axis=0))
        if len(still):
            raise InputError(
                "dci", f"a factor that varies less than rounding: column {still[0]}",
                "factors that vary by more than 1e-12 of their size",
                "Take a constant off it first.",
            )  # fmt: skip
        weights, informed, gram = _lassos(a, b, folds, alpha)
        null = np.array(list(_null(a, b, gram, alpha, order, draw)))
        value, spread = _purity(weights)[0], float(null.std(ddof=1))
        chance = float(null.mean())
        z = (value - chance) / spread if spread > 1e-12 else 0.0
        # Shuffles that reach the value, 1 say, differ by rounding.
        p = (1 + int(np.sum(null >= value - 1e-9))) / (1 + len(null))
    else:
        weights, informed = _boosted(x, known, folds)
        warnings = ("no chance level: boosted trees are too slow to be shuffled",)
    if not weights.any():
        warnings += (f"no column matters to any factor (alpha={alpha})",)
    d_value, columns = _purity(weights)
    c_value, each = _purity(weights.T)
    return Score(
        value=d_value, method=f"dci ({model})" if model != "lasso" else "dci", n=len(x),
        chance=chance, z=z, p=p, warnings=warnings,
        parts={
            "disentanglement": d_value, "completeness": c_value,
            "informativeness": float(informed.mean()), "disentanglements": columns,
            "completenesses": each, "informativenesses": informed, "weights": weights,
        },
    )  # fmt: skip


def _purity(weights: np.ndarray) -> tuple[float, np.ndarray]:
    """Weighted mean over rows of one minus the entropy of their shares, and each row's own."""
    total = weights.sum(axis=1)
    share = np.divide(weights, total[:, None], out=np.zeros_like(weights), where=total[:, None] > 0)
    logs = np.log(share, out=np.zeros_like(share), where=share > 0)
    pure = np.where(total > 0, 1 + (share * logs).sum(axis=1) / math.log(weights.shape[1]), 0.0)
    whole = float(total.sum())
    return (min(float(total @ pure) / whole, 1.0) if whole > 0 else 0.0), pure


def _standard(a: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and variance 1; those that do not vary, up to rounding, become 0."""
    # By powers of two, so that squares stay within range and no digit changes.
    a = np.ldexp(a, -np.frexp(np.abs(a).max(axis=0))[1])
    rest = a - a.mean(axis=0)
    spread = np.sqrt(np.einsum("ij,ij->j", rest, rest) / len(a))
    still = spread <= 1e-12 * np.abs(a).max(axis=0)
    rest /= np.where(still, 1.0, spread)
    rest[:, still] = 0.0
    return rest


def _lassos(
    a: np.ndarray, b: np.ndarray, folds: list[np.ndarray], alpha: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights (d, g) of all rows, held-out R² (g,) by those without each fold, and aᵀa / n.

    Each lasso minimises |b - a w|² / 2n + alpha |w|₁ over columns and factors that are standard
    within its own rows. Moments of the folds are those of all, and of all but one.
    """
    parts = [Moments.of(a[rows], b[rows]) for rows in folds]
    seen = [Moments().merge(*(p for p in parts if p is not out)) for out in (None, *parts)]
    units = [[_scales(scatter, m.n) for scatter in (m.scatter_xx, m.scatter_yy)] for m in seen]
    grams, crosses = zip(
        *(
            (m.scatter_xx / np.outer(ux, ux) / m.n, m.scatter_xy / np.outer(ux, uy) / m.n)
            for m, (ux, uy) in zip(seen, units, strict=True)
        ),
        strict=True,
    )
    w = [_solve(g, c, alpha, m.n) for g, c, m in zip(grams, crosses, seen, strict=True)]
    missed = np.empty_like(b)
    for rows, m, (ux, uy), one in zip(folds, seen[1:], units[1:], w[1:], strict=True):
        back = np.where(np.isfinite(uy), uy, 0.0) / ux[:, None]
        missed[rows] = b[rows] - m.mean_y - (a[rows] - m.mean_x) @ (one * back)
    return np.abs(w[0]), np.asarray(1 - squares(missed.T) / squares(b.T)), grams[0]


def _scales(scatter: np.ndarray, n: int) -> np.ndarray:
    """Standard deviations (d,) of columns, infinite for those that only vary in rows left out."""
    variance = np.diag(scatter) / n
    return np.sqrt(np.where(variance > 1e-10, variance, np.inf))


def _solve(gram: np.ndarray, cross: np.ndarray, alpha: float, n: int) -> np.ndarray:
    """Weights (d, m) of the m lassos of n rows with moments ``gram`` (d, d) and ``cross`` (d, m).

    Of columns that are the same up to sign the first stands for all: no moment tells their weights
    apart. Descent is a start where rows are more than columns; where fewer, it creeps.
    """
    again = np.triu(np.abs(gram) > 1 - 1e-12, 1).any(axis=0)
    kept = np.flatnonzero(~again & (np.diag(gram) > 0))
    inner, right, w = gram[np.ix_(kept, kept)], cross[kept], np.zeros_like(cross)
    near = _descend(inner, right, alpha) if n > len(gram) else np.zeros_like(right)
    for j in range(right.shape[1]):
        w[kept, j] = _minimum(inner, right[:, j], alpha, near[:, j])
    return w


def _descend(gram: np.ndarray, cross: np.ndarray, alpha: float) -> np.ndarray:
    """Weights (d, m) near the minimum, by a few rounds of coordinate descent on all m at once.

    What the coordinates outside a strip pull at it is one product; within, they are settled one
    after the other.
    """
    w = np.zeros_like(cross)
    for _ in range(_ROUNDS):
        for strip in row_blocks(len(gram), _STRIP):
            inner, own, bend = gram[strip, strip], w[strip], np.diag(gram)[strip]
            outer = cross[strip] - gram[strip] @ w + inner @ own
            for j in range(len(own)):
                pull = outer[j] - inner[j] @ own + bend[j] * own[j]
                own[j] = (pull - np.clip(pull, -alpha, alpha)) / bend[j]
    return w


def _minimum(gram: np.ndarray, right: np.ndarray, alpha: float, near: np.ndarray) -> np.ndarray:
    """Weights (d,) of one lasso by feature-sign search (Lee et al. 2007) from ``near``.

    While signs are held the minimum is a linear system; on the way there the first weight that
    would change its sign is left out. Then the column with the strongest pull comes in.
    """
    w, signs = near.copy(), np.sign(near)
    active = [int(j) for j in np.flatnonzero(w)]
    for _ in range(20 * len(w)):
        while active:
            inner = gram[np.ix_(active, active)]
            # More columns than rows leave no inverse: with this much more the way leads far off
            # along what has no curve, and a weight is left out there.
            inner.flat[:: len(active) + 1] += 1e-13
            aim = np.linalg.solve(inner, right[active] - alpha * signs[active])
            now = w[active]
            turned = aim * signs[active] < 0
            if not turned.any():
                w[active] = aim
                break
            steps = np.where(turned, now / np.where(turned, now - aim, 1.0), np.inf)
            first = int(steps.argmin())
            w[active] = now + steps[first] * (aim - now)
            w[active.pop(first)] = 0.0
        pull = right - w[active] @ gram[active]
        rest = np.abs(pull)
        rest[active] = 0.0
        strongest = int(rest.argmax())
        if rest[strongest] <= alpha + 1e-12:
            break
        signs[strongest] = np.sign(pull[strongest])
        active.append(strongest)
    return w


def _null(
    a: np.ndarray,
    b: np.ndarray,
    gram: np.ndarray,
    alpha: float,
    order: np.ndarray,
    draw: np.random.Generator,
) -> Iterator[float]:
    """Disentanglement with the rows of the factors shuffled, ``SHUFFLES`` times."""
    cross, place, factors = [], np.empty_like(order), np.ascontiguousarray(b.T)
    for part in row_blocks(SHUFFLES, _AT_ONCE):
        shuffled = np.empty((part.stop - part.start, *factors.shape))
        for one in shuffled:
            place[order] = draw.permutation(order)
            np.take(factors, place, axis=1, out=one)
        cross.append(shuffled.reshape(-1, len(a)) @ a / len(a))
    found = np.abs(_solve(gram, np.vstack(cross).T, alpha, len(a)))
    for i in range(SHUFFLES):
        yield _purity(found[:, i * b.shape[1] : (i + 1) * b.shape[1]])[0]


def _boosted(
    x: np.ndarray, known: np.ndarray, folds: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Importances (d, g) of trees fitted to all rows but a fold, and accuracy (g,) on that fold."""
    from sklearn.ensemble import GradientBoostingClassifier

    weights, right = [], []
    test = folds[0]
    train = np.concatenate(folds[1:])
    for column in known.T:
        target = levels(column, 20)
        if len(np.unique(target[train])) < 2:
            weights.append(np.zeros(x.shape[1]))
            right.append(0.0)
            continue
        fitted = GradientBoostingClassifier(random_state=0).fit(x[train], target[train])
        weights.append(fitted.feature_importances_)
        right.append(float(np.mean(fitted.predict(x[test]) == target[test])))
    return np.column_stack(weights), np.array(right)
