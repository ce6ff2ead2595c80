r"""Local PCA dimension: how many directions the neighbourhood of a row spreads in."""

import numpy as np

from isthmus.core.arrays import Array, matrix, row_blocks
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.engine import map_on_cores
from isthmus.core.errors import InputError
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.local_distances import nearest, overlap_sum
from isthmus.measures.rows import Z95

CARD = Card(
    name="local_pca_dimension",
    summary="Directions that the neighbourhoods of rows spread in, by local principal components.",
    paper=Paper(
        "An Algorithm for Finding Intrinsic Dimensionality of Data", "Fukunaga & Olsen", 1971
    ),
    cost="n^2 d + n k d^2",
    memory="n d + n k",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    spaces=1,
    paired=False,
    min_rows=32,
    caveat="Simulated: the interval covers too seldom at 50 rows and at 500 dims.",
    rough=ALWAYS,
)

#: Entries of one block of neighbourhoods.
_ENTRIES = 1 << 20


@register(CARD)
def local_pca_dimension(x: Array, *, k: int = 30, share: float = 0.05) -> Score:
    r"""Mean over rows of the number of local principal components that count.

    .. math:: \hat d_i = |\{ j : \lambda_j(i) > \alpha \lambda_1(i) \}|

    λ(i) are the eigenvalues of the covariance of row i and its k nearest neighbours, and α is
    ``share``: the criterion of Fukunaga & Olsen. Noise weaker than α of the widest direction is
    not counted, which distances cannot tell from dimensions; but k rows span at most k directions,
    and a dimension near k or above cannot be seen (a warning says so). Part ``local_dimension``
    (n,) is the count at each row that came. Exact duplicates are removed first and counted in a
    warning. The interval adds up what overlapping neighbourhoods err in common.

    Parameters
    ----------
    x : (n, d) array
    k : neighbours, 2 or more
    share : of the largest local eigenvalue, above which another counts, between 0 and 1

    Raises
    ------
    InputError
        On fewer than k + 2 distinct rows, non-finite values, or k or share out of range.

    References
    ----------
    Fukunaga & Olsen 1971, "An Algorithm for Finding Intrinsic Dimensionality of Data".

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(300, 2)) @ np.array([[1.0, 2, 3], [0, 1, 5]])
    >>> 1.8 < float(local_pca_dimension(x)) <= 2
    True
    """
    if k < 2 or not 0 < share < 1:
        raise InputError("local_pca_dimension", f"k={k}, share={share}", "k >= 2, 0 < share < 1")
    x = matrix("x", x, operation="local_pca_dimension")
    near = nearest(x, k, operation="local_pca_dimension", least=k + 2)
    n, d = near.rows.shape
    rows = near.rows - near.rows.mean(axis=0)
    rows /= float(np.abs(rows).max())

    def work(part: slice) -> np.ndarray:
        clouds = np.concatenate([rows[part, None], rows[near.indices[part]]], axis=1)
        clouds -= clouds.mean(axis=1, keepdims=True)
        # Those of the inner products: fewer than of the covariance, and the same but for zeros.
        widths = np.linalg.eigvalsh(clouds @ clouds.transpose(0, 2, 1))
        return np.sum(widths > share * widths[:, -1:], axis=1)

    parts = list(row_blocks(n, max(1, _ENTRIES // ((k + 1) * d))))
    counts = np.concatenate(list(map_on_cores(work, parts, rows))).astype(np.float64)
    value = float(counts.mean())
    half = Z95 * np.sqrt(overlap_sum(counts - value, near.indices)) / n
    warnings = near.warnings
    if value > k / 2:
        warnings += (f"reads low here: {k} neighbours cannot show dimensions near {k} or above",)
    return Score(
        value=value,
        method="local_pca_dimension",
        n=n,
        ci=(max(value - half, 1.0), min(value + half, float(min(d, k)))),
        warnings=warnings,
        parts={"local_dimension": counts[near.inverse]},
    )
