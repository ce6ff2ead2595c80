r"""Anisotropy: how much the rows of a space point the same way."""

import math
from collections.abc import Iterator

import numpy as np

from isthmus.core.arrays import Array, matrix, namespace, row_blocks, to_numpy
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.rows import BLOCK, along, jackknife, unit_rows

CARD = Card(
    name="anisotropy",
    summary="Mean cosine between distinct rows: how much a space points one way.",
    paper=Paper(
        "How Contextual are Contextualized Word Representations?", "Ethayarajh", 2019
    ),
    cost="n d^2",
    memory="d^2",
    invariant=("orthogonal", "row_scale"),
    spaces=1,
    paired=False,
    chance=0.0,
    min_rows=3,
    caveat="The interval is a little wide: in simulations close to the upper edge of the 93 to 97 "
    "% that are asked for.",
    rough=ALWAYS,
)  # fmt: skip


@register(CARD)
def anisotropy(x: Array) -> Score:
    r"""Mean cosine over all pairs of distinct rows, exact in one pass.

    .. math:: \frac{1}{n(n-1)} \sum_{i \ne j} \cos(x_i, x_j)
              = \frac{|\sum_i u_i|^2 - n}{n (n - 1)}, \qquad u_i = x_i / |x_i|

    Unbiased, so it is below zero half of the time where directions are even, and exact where most
    code samples a few thousand pairs. Chance is 0; z and p test against directions spread evenly
    over the sphere (Rayleigh: d |Σu|² / n is χ² with d degrees of freedom). The interval is the
    exact delete-one jackknife. Zero rows are left out and counted in a warning.

    Parts: ``drift``, the length of the mean direction |Σu| / n, 0 to 1; ``top_share``, the share of
    the largest squared singular value of the directions, 1/d where they are even and 1 on a line,
    which also sees a common line whose two senses cancel in the mean.

    Parameters
    ----------
    x : (n, d) array

    Raises
    ------
    InputError
        On non-finite values or fewer than 3 nonzero rows.

    References
    ----------
    Ethayarajh 2019; Mardia & Jupp 2000, "Directional Statistics", for the test.

    Examples
    --------
    >>> import numpy as np
    >>> round(float(anisotropy(np.eye(3))), 9), round(float(anisotropy(np.eye(3) + 10)), 2)
    (0.0, 1.0)
    """
    x = matrix("x", x, operation="anisotropy")
    given, d = (int(size) for size in x.shape)
    n, total, gram = 0, np.zeros(d), np.zeros((d, d))
    for rows in row_blocks(given, BLOCK):
        u, kept = unit_rows(x[rows, :])
        n += int(kept.sum())
        total += to_numpy(namespace(u).sum(u, axis=0))
        gram += to_numpy(u.T @ u)
    if n < 3:
        raise InputError("anisotropy", f"{n} nonzero rows", "at least 3", "Bring more of them.")
    power = float(total @ total)
    value = (power - n) / (n * (n - 1))
    values = np.linalg.eigvalsh(gram)
    from scipy.stats import chi2

    return Score(
        value=value,
        method="anisotropy",
        n=n,
        ci=jackknife(value, _left_out(x, n, total)),
        chance=0.0,
        z=value * math.sqrt(n * (n - 1) * d / 2),
        p=float(chi2.sf(d * power / n, d)),
        warnings=(f"{given - n} zero rows left out",) if given > n else (),
        parts={"drift": math.sqrt(power) / n, "top_share": float(values[-1]) / n},
    )


def _left_out(x: Array, n: int, total: np.ndarray) -> Iterator[np.ndarray]:
    """The value without each of the n nonzero rows, block by block."""
    power = float(total @ total)
    for rows in row_blocks(x.shape[0], BLOCK):
        u, kept = unit_rows(x[rows, :])
        yield (power - 2 * along(to_numpy(u)[kept], total) + 2 - n) / ((n - 1) * (n - 2))
