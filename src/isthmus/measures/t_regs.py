r"""T-REGS: length of the minimum spanning tree and a sphere term, with the gradient in the rows."""

import numpy as np

from isthmus.core.arrays import Array, check_rows, matrix, namespace, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.spanning_tree import spanning_tree

CARD = Card(
    name="t_regs",
    summary="Minus the length of the minimum spanning tree, plus a pull to the unit sphere.",
    paper=Paper(
        "T-REGS: Minimum Spanning Tree Regularization for Self-Supervised Learning",
        "Mordacq et al.", 2025,
    ),
    cost="n^2 d",
    memory="n d",
    invariant=("orthogonal",),
    spaces=1,
    paired=False,
    caveat="No interval and no chance level: the tree is one number of one set of rows.",
)  # fmt: skip


@register(CARD)
def t_regs(x: Array, *, sphere: float = 1.0) -> Score:
    r"""The T-REGS loss of a set of rows; lower is more spread out.

    .. math:: -\frac1n \sum_{(i,j) \in \mathrm{MST}} |x_i - x_j|
              + \frac{\beta}{n} \sum_i (|x_i| - 1)^2

    MST is the Euclidean minimum spanning tree, exactly (``spanning_tree``). Its length alone grows
    with scale, which the second term (β is ``sphere``) holds near the unit sphere: there it is
    longest where rows spread evenly.
    ``t_regs_gradient`` in this module gives the derivative. Values compare sets of equally many
    rows only.

    Parts: ``length`` of the tree, ``sphere``, the mean of (|x_i| - 1)², ``edges`` (n - 1, 2), the
    rows each edge joins, the lower first, and ``edge_lengths`` (n - 1,); shortest edges first, ties
    by rows.

    Parameters
    ----------
    x : (n, d) array
    sphere : weight of the sphere term, 0 or more

    Raises
    ------
    InputError
        On fewer than 2 rows, non-finite values, or a negative weight.

    References
    ----------
    Mordacq et al. 2025, "T-REGS"; Borůvka 1926 for the tree.

    Examples
    --------
    >>> import numpy as np
    >>> round(float(t_regs(np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]))), 9)
    -1.060660172
    """
    x = _checked(x, sphere, operation="t_regs")
    xp = namespace(x)
    n = int(x.shape[0])
    edges, lengths = spanning_tree(x)
    off = to_numpy(xp.sqrt(xp.sum(x * x, axis=1))) - 1
    away = float(off @ off) / n
    return Score(
        value=sphere * away - float(lengths.sum()) / n,
        method="t_regs",
        n=n,
        parts={
            "length": float(lengths.sum()),
            "sphere": away,
            "edges": edges,
            "edge_lengths": lengths,
        },
    )


def t_regs_gradient(x: np.ndarray, *, sphere: float = 1.0) -> tuple[float, np.ndarray]:
    r"""``t_regs`` and its derivative in every entry of x, (n, d); lower it to spread a space.

    .. math:: \frac{\partial}{\partial x_i} = -\frac1n \sum_{j \sim i} \frac{x_i - x_j}{|x_i - x_j|}
              + \frac{2\beta}{n} (|x_i| - 1) \frac{x_i}{|x_i|}

    over the tree's edges i ~ j: which edges make the tree does not change under a small step, where
    no two lengths are equal. Edges of length 0 and rows at the origin pull nowhere. Raises
    InputError as ``t_regs`` does.

    >>> value, gradient = t_regs_gradient(np.array([[1.0, 0.0], [-1.0, 0.0]]))
    >>> value, gradient.tolist()
    (-1.0, [[-0.5, 0.0], [0.5, 0.0]])
    """
    x = to_numpy(_checked(x, sphere, operation="t_regs_gradient"))
    n = len(x)
    edges, lengths = spanning_tree(x)
    pulls = (x[edges[:, 1]] - x[edges[:, 0]]) / np.where(lengths > 0, lengths, 1.0)[:, None]
    size = np.linalg.norm(x, axis=1)
    off = size - 1
    gradient = 2 * sphere * (off / np.where(size > 0, size, 1.0))[:, None] * x
    np.add.at(gradient, edges[:, 0], pulls)
    np.subtract.at(gradient, edges[:, 1], pulls)
    return (sphere * float(off @ off) - float(lengths.sum())) / n, gradient / n


def _checked(x: Array, sphere: float, *, operation: str) -> Array:
    x = matrix("x", x, operation=operation)
    check_rows(2, operation=operation, x=x.shape)
    if not 0 <= sphere < np.inf:
        raise InputError(operation, f"sphere={sphere}", "a weight of 0 or more")
    xp = namespace(x)
    return xp.astype(x, xp.float64)
