r"""Bias audit: does a space represent one feature more strongly than others it computes as well?"""

from typing import Any

import numpy as np

from isthmus.core.arrays import Array, like, matrix, namespace, row_blocks, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.classes import class_sums, codes
from isthmus.measures.debiased_cka import debiased_cka
from isthmus.measures.linear_probe import guesses
from isthmus.measures.rows import BLOCK, check_varied, jackknife, squares

CARD = Card(
    name="bias_audit",
    summary="How unevenly features that are computed equally well share a space's variance.",
    paper=Paper(
        "Learned feature representations are biased by complexity, learning order, position, and "
        "more", "Lampinen et al.", 2024,
    ),
    cost="n d^2",
    memory="n d + d^2",
    spaces=1,
    given=("factors",),
    invariant=("orthogonal", "isotropic_scale", "translation"),
    min_rows=10,
    caveat="Shares add up only where features are independent of each other; those that are "
    "correlated claim the same variance. Simulated: the interval covers too often at 50 rows of "
    "500 dims.",
    rough=(0, 2),
)  # fmt: skip

#: How far below the best a feature's accuracy may lie to count as computed equally well.
_EQUAL = 0.02
#: A similarity reflects a feature when without that feature less than this share of it is left.
_LEFT = 0.5


@register(CARD)
def bias_audit(x: Array, factors: Any, *, other: Array | None = None, rng: Seed = 0) -> Score:
    r"""The largest share of variance that a feature explains, over the sum of all shares.

    .. math:: s_f = \frac{\sum_c n_c \|\bar x_c - \bar x\|^2}{\sum_i \|x_i - \bar x\|^2}, \quad
              \frac{\max_f s_f}{\sum_f s_f}

    1 / g with g features that weigh alike, 1 where one has everything. ``parts["shares"]`` (g,) are
    the s_f, ``chance_shares`` what a feature unrelated to the space would have, (c - 1) / (n - 1)
    with c classes, and ``accuracy`` (g,) the held-out accuracy of linear probes over the same
    folds: only features read equally well can be said to be represented unequally, and the score
    warns where they are not. The interval is the exact delete-one jackknife.

    With a second space ``other``, ``parts["cka"]`` is the debiased CKA of the two, and
    ``cka_without`` (g,) what is left of it once the class means of each feature are taken out of
    both; a warning says when a similarity merely reflects one feature.

    Parameters
    ----------
    x : (n, d) array
    factors : (n, g) integers or strings, the value of each of g >= 2 features for each row
    other : (n, e) array of the same kind and rows, or None
    rng : seed of the probes' folds, which do not depend on the order of rows

    Raises
    ------
    InputError
        On non-finite values, too few rows, rows that are all equal, one feature only, a feature
        of one value, or a space that no feature explains.

    References
    ----------
    Lampinen et al. 2024, "Learned feature representations are biased by complexity, learning order,
    position, and more".

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> easy, hard = rng.integers(2, size=(2, 200))
    >>> x = np.column_stack([3 * easy, hard]) + 0.1 * rng.normal(size=(200, 2))
    >>> score = bias_audit(x, np.column_stack([easy, hard]))
    >>> score.value > 0.85, score.parts["accuracy"].tolist()
    (True, [1.0, 1.0])
    """
    x = matrix("x", x, operation="bias_audit")
    features = _features(factors, x.shape[0])
    rows = to_numpy(x).astype(np.float64)
    mean = rows.mean(axis=0)
    rows -= mean
    each = squares(rows)
    check_varied("x", x, np.diag([each.sum()]), mean, operation="bias_audit")
    found = [_share(rows, each, numbers) for numbers in features]
    shares = np.array([share for share, _ in found])
    if not shares.sum() > 0:
        raise InputError(
            "bias_audit",
            f"x {tuple(x.shape)} in which no feature explains anything",
            "class means that differ",
            "Bring factors that the vectors hold, or more rows.",
        )
    value = float(shares.max() / shares.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        left_out = np.stack([left for _, left in found])
        left_out = left_out.max(axis=0) / left_out.sum(axis=0)
    guessed = guesses(x, features, rng=rng)
    right = np.array([np.mean(g == f) for g, f in zip(guessed, features, strict=True)])
    warnings: tuple[str, ...] = ()
    worse = np.flatnonzero(right < right.max() - _EQUAL)
    if len(worse):
        listed = ", ".join(f"{f} ({right[f]:.2f})" for f in worse)
        warnings = (
            f"not all features are computed equally well: {listed} against {right.max():.2f}; "
            "a smaller share may mean that",
        )
    parts: dict[str, Any] = {
        "shares": shares,
        "chance_shares": np.array([(f.max()) / (len(rows) - 1) for f in features]),
        "accuracy": right,
    }
    if other is not None:
        parts["cka"], parts["cka_without"], said = _reflected(x, other, features)
        warnings += said
    ci = jackknife(value, [left_out])
    return Score(
        value=value,
        method="bias_audit",
        n=len(rows),
        ci=None if ci is None else (max(ci[0], 0.0), min(ci[1], 1.0)),
        warnings=warnings,
        parts=parts,
    )


def _features(factors: Any, n: int) -> list[np.ndarray]:
    """Class numbers (n,) of each feature."""
    known = hasattr(factors, "__array_namespace__") or hasattr(factors, "detach")
    table = to_numpy(factors) if known else np.asarray(factors)
    if table.ndim != 2 or table.shape[0] != n or table.shape[1] < 2:
        raise InputError(
            "bias_audit",
            f"factors of shape {table.shape} for {n} rows",
            f"({n}, 2 or more)",
            "Give one column for each of 2 factors or more.",
        )
    return [codes(column, n, operation="bias_audit", min_rows=10)[0] for column in table.T]


def _share(rows: np.ndarray, each: np.ndarray, numbers: np.ndarray) -> tuple[float, np.ndarray]:
    """Share of the variance of centred rows between classes, and with each row left out.

    ``each`` holds the rows' squared lengths.
    """
    n, sizes = len(rows), np.bincount(numbers)
    sums = class_sums(rows, numbers, len(sizes))
    total = float(each.sum())
    size = squares(sums)
    between = float((size / sizes).sum())
    own = sizes[numbers]
    cross = np.concatenate(
        [np.vecdot(sums[numbers[part]], rows[part]) for part in row_blocks(n, BLOCK)]
    )
    # The sum of the class, and of all rows (zero), both lose the row.
    less = size[numbers] - 2 * cross + each
    rest = between - (size / sizes)[numbers] + np.where(own > 1, less / np.maximum(own - 1, 1), 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        left_out = (rest - each / (n - 1)) / (total - each - each / (n - 1))
    return between / total, left_out


def _reflected(
    x: Array, other: Array, features: list[np.ndarray]
) -> tuple[float, np.ndarray, tuple[str, ...]]:
    """CKA with the other space, without each feature in turn, and what that says."""
    y = matrix("other", other, operation="bias_audit")
    namespace(x, y)
    if y.shape[0] != x.shape[0]:
        raise InputError(
            "bias_audit",
            f"x {tuple(x.shape)} and other {tuple(y.shape)}",
            "equally many rows, paired by position",
            "Join them on their ids first: isthmus.pair(a, b).",
        )
    whole = float(debiased_cka(x, y))
    without = np.array(
        [float(debiased_cka(_without(x, numbers), _without(y, numbers))) for numbers in features]
    )
    feature = int(np.argmin(without))
    if whole > 0 and without[feature] < _LEFT * whole:
        return whole, without, (
            f"a debiased CKA of {whole:.2f} merely reflects feature {feature}: without it "
            f"{without[feature]:.2f} is left",
        )  # fmt: skip
    return whole, without, ()


def _without(x: Array, numbers: np.ndarray) -> Array:
    """Rows less the mean of their class."""
    rows = to_numpy(x).astype(np.float64)
    sums = class_sums(rows, numbers, int(numbers.max()) + 1)
    return like(rows - (sums / np.bincount(numbers)[:, None])[numbers], x)
