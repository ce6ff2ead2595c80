r"""Cosine audit: how far cosines of a dot-product model hang on a scale that predictions ignore."""

import numpy as np

from isthmus.core.arrays import Array, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.neighbors import unit
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.mutual_knn import mutual_knn
from isthmus.measures.rows import Z95

CARD = Card(
    name="cosine_audit",
    summary="How much cosines of a dot-product model change while its predictions do not.",
    paper=Paper(
        "Is Cosine-Similarity of Embeddings Really About Similarity?", "Steck et al.", 2024
    ),
    cost="n d^2 + n^2 d",
    memory="n d",
    invariant=("orthogonal", "isotropic_scale"),
    jointly=True,
    spaces=0,
    paired=False,
    min_rows=12,
    caveat="The interval is of drawing pairs of rows at random; there is none where all are taken.",
)

#: Powers t of the singular values given to the rows judged, the rest going to the other factor.
POWERS = tuple(np.linspace(0, 1, 9))
_PAIRS = 2000
_ZERO = 1e-12


@register(CARD)
def cosine_audit(a: Array, b: Array, *, k: int = 10, rng: Seed = 0) -> Score:
    r"""Mean width of the range of cos(b_i, b_j) over models that predict the same; 0 to 2.

    Scores a_u · b_i stay the same under a → a D, b → b D⁻¹ for any positive diagonal D, cosines of
    the rows of b do not. With the singular value decomposition a bᵀ = U S Vᵀ the models

    .. math:: A_t = U S^{1-t}, \quad B_t = V S^t, \qquad 0 \le t \le 1

    all predict what the given one does; the value is the mean over pairs of rows of b of the
    largest minus the smallest cosine over nine t. It depends on the predictions alone, so not on
    the basis that a and b came in. t = 1/2 is the one model that an L2 penalty on both factors
    leaves; ``rescaled`` of this module gives it.

    Parts, one value a pair: ``pairs`` (m, 2) row numbers, ``low`` and ``high`` over t, ``given``
    (the cosine as it is), ``lowest`` and ``highest``: the bounds over *every* D, in closed form. A
    product of both signs anywhere leaves nothing fixed, -1 to 1; with products of one sign the
    least |cos| is 2 √(pq) / (p + q), p and q the least and largest of b_jk / b_ik (Kantorovich).
    ``neighbours_lost`` is the share of the k nearest rows that differ between t = 0 and t = 1.

    Parameters
    ----------
    a : (n, d) array, one factor: users, queries, contexts
    b : (m, d) array of the same width whose cosines are in question: items, documents, words
    k : neighbours compared, at most m - 2
    rng : seed of the choice of 2000 pairs, where there are more

    Raises
    ------
    InputError
        On unequal widths, non-finite values, predictions that are all zero, fewer than k + 2 rows
        of b.

    References
    ----------
    Steck et al. 2024, "Is Cosine-Similarity of Embeddings Really About Similarity?".

    Examples
    --------
    >>> import numpy as np
    >>> a, b = np.random.default_rng(0).normal(size=(2, 40, 5)) * [9, 3, 1, 0.3, 0.1]
    >>> score = cosine_audit(a, b)
    >>> score.value > 0.5, len(score.warnings)
    (True, 1)
    """
    _, right, values = _axes(a, b)
    rows = to_numpy(matrix("b", b, operation="cosine_audit")).astype(np.float64)
    m = len(rows)
    if not 1 <= k <= m - 2:
        raise InputError(
            "cosine_audit",
            f"k={k} with b {rows.shape}",
            "1 <= k <= rows - 2",
            "Lower k, or bring more rows of b.",
        )
    pairs = _pairs(m, rng)
    cosines = np.stack([_cosines(right * values**t, pairs) for t in POWERS])
    low, high = cosines.min(axis=0), cosines.max(axis=0)
    width = high - low
    value = float(width.mean())
    lowest, highest = _bounds(right, pairs)
    lost = 1.0 - float(mutual_knn(right, right * values, k=k))
    half = Z95 * float(width.std(ddof=1)) / np.sqrt(len(pairs))
    warnings: tuple[str, ...] = ()
    if value > 0.1 or lost > 0.1:
        warnings = (
            f"predictions leave cosines open by {value:.2g} on average and {lost:.0%} of the "
            f"{k} nearest rows: rank by a·b, or by the cosines of rescaled(a, b, power=0.5)",
        )
    if len(values) == 1:
        warnings += ("predictions of rank 1 leave each row of b one axis: every cosine is 1 or -1",)
    empty = int((~rows.any(axis=1)).sum())
    if empty:
        warnings += (f"{empty} zero rows of b have no direction; their cosine counts as 0",)
    return Score(
        value=value,
        method="cosine_audit",
        n=m,
        ci=(max(value - half, 0.0), min(value + half, 2.0)) if len(pairs) == _PAIRS else None,
        warnings=warnings,
        parts={
            "pairs": pairs,
            "low": low,
            "high": high,
            "given": _cosines(rows, pairs),
            "lowest": lowest,
            "highest": highest,
            "neighbours_lost": lost,
            "singular_values": values,
        },
    )


def rescaled(a: Array, b: Array, *, power: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """The factors U S^(1 - power) (n, r) and V S^power (m, r), which predict what a and b do.

    Raises InputError on unequal widths, non-finite values, or predictions that are all zero.

    >>> import numpy as np
    >>> a, b = np.random.default_rng(0).normal(size=(2, 6, 3))
    >>> u, v = rescaled(a, b)
    >>> bool(np.allclose(u @ v.T, a @ b.T)), bool(np.allclose(u.T @ u, v.T @ v))
    (True, True)
    """
    left, right, values = _axes(a, b)
    return left * values ** (1 - power), right * values**power


def _axes(a: Array, b: Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """U (n, r), V (m, r) and the singular values (r,) of a bᵀ, which itself is never formed."""
    one, two = (
        to_numpy(matrix(name, side, operation="cosine_audit")).astype(np.float64)
        for name, side in (("a", a), ("b", b))
    )
    if one.shape[1] != two.shape[1]:
        raise InputError(
            "cosine_audit",
            f"a {one.shape} and b {two.shape}",
            "factors of one model, of equal width",
            "Pass both factors as the model multiplies them.",
        )
    (q, r), (p, s) = np.linalg.qr(one), np.linalg.qr(two)
    u, values, vt = np.linalg.svd(r @ s.T, full_matrices=False)
    kept = values > values[0] * max(len(one), len(two)) * np.finfo(np.float64).eps
    if not kept.any():
        raise InputError(
            "cosine_audit",
            f"predictions a·b that are all zero: a {one.shape}, b {two.shape}",
            "a model that predicts",
            "Look at how these factors were made: one may be zero.",
        )
    return q @ u[:, kept], p @ vt[kept].T, values[kept]


def _pairs(m: int, rng: Seed) -> np.ndarray:
    """All pairs of m rows where these are few, else as many random ones, repeats allowed."""
    if m * (m - 1) // 2 <= _PAIRS:
        return np.column_stack(np.triu_indices(m, 1))
    draw = generator(rng)
    first = draw.integers(m, size=_PAIRS)
    second = (first + draw.integers(1, m, size=_PAIRS)) % m
    return np.column_stack([first, second])


def _cosines(rows: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    rows = unit(rows)
    return np.einsum("ij,ij->i", rows[pairs[:, 0]], rows[pairs[:, 1]])


def _bounds(rows: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The infimum and supremum of each pair's cosine over positive scales of the columns."""
    rows = unit(rows)
    rows = np.where(np.abs(rows) < _ZERO, 0.0, rows)
    u, v = rows[pairs[:, 0]], rows[pairs[:, 1]]
    agree, differ = (u * v > 0).any(axis=1), (u * v < 0).any(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.abs(v) / np.abs(u)  # NaN where both are zero: that column says nothing
    p = np.nan_to_num(np.where(np.isnan(ratio), np.inf, ratio).min(axis=1), posinf=0.0)
    q = np.where(np.isnan(ratio), 0.0, ratio).max(axis=1)
    least = np.zeros(len(pairs))
    fine = (p > 0) & np.isfinite(q)
    least[fine] = 2 * np.sqrt(p[fine] * q[fine]) / (p[fine] + q[fine])
    low = np.where(differ, -1.0, np.where(agree, least, 0.0))
    high = np.where(agree, 1.0, np.where(differ, -least, 0.0))
    return low, high
