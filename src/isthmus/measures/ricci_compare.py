r"""Ricci compare: how differently two paired spaces curve, from their neighbour graphs."""

from typing import Any

import numpy as np

from isthmus.core.arrays import Array, paired, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError, MissingExtra
from isthmus.core.neighbors import neighbors
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.rows import Spread, check_varied

CARD = Card(
    name="ricci_compare",
    summary="How differently two paired spaces curve, edge by edge of their neighbour graphs.",
    paper=Paper(
        "Exploring Geometric Representational Alignment through Ollivier-Ricci Curvature and Ricci "
        "Flow",
        "Torbati et al.",
        2025,
    ),
    cost="n^3 + n^2 d",
    memory="n^2",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    symmetric=True,
    metric=True,
    identical=0.0,
    library="POT",
    caveat="Edges share nodes, so no interval and no test of the value are given.",
    min_rows=8,
)

#: Share of a node's mass that stays: the customary half.
_LAZY = 0.5
#: Beyond this an n x n matrix of path lengths is too much.
_MOST = 3000


@register(CARD)
def ricci_compare(x: Array, y: Array | None = None, *, k: int = 6, flow: int = 0) -> Score:
    r"""Distance between the distributions of Ollivier-Ricci curvature of two neighbour graphs.

    .. math:: \kappa(u, v) = 1 - W_1(m_u, m_v) / d(u, v)

    on every edge of the symmetric k-nearest-neighbour graph, with path lengths d and m_u half at u
    and half spread evenly over its neighbours. Positive inside clusters, negative on bridges. The
    value is the 1-Wasserstein distance between both lists of κ: a pseudo-metric, 0 also where equal
    curvature sits in different places. That is what the parts are for: ``x`` and ``y`` (n,) mean
    curvature of the edges at each row, ``gap`` (n,) its absolute difference, largest where the
    spaces disagree most; ``edges_x`` and ``edges_y`` (m, 2), ``curvature_x`` and ``curvature_y``
    (m,). With ``flow`` steps of Ricci flow, each of which shrinks edges of positive curvature and
    stretches those of negative, w ← (1 - κ) d, ``communities_x`` and ``communities_y`` (n,) are
    what remains connected after the longest edges are cut at the best modularity.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs; at most 3000 rows
    y : (n, dy) array of the same kind, paired with x by row
    k : neighbours per row, 1 to 15
    flow : steps of Ricci flow; 0 for none

    Raises
    ------
    InputError
        On fewer than k + 2 rows (8 at least) or more than 3000, unequal row counts, non-finite
        values, rows that are all equal, or k outside 1 to 15.
    MissingExtra
        Without POT, which solves the transport problems.

    References
    ----------
    Ollivier 2009 for κ; Ni et al. 2019 for communities by flow; Torbati et al. 2025.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(40, 3))
    >>> float(ricci_compare(x, 2 * x[:, ::-1] + 1))
    0.0
    """
    try:
        from ot.lp import emd2
    except ImportError as error:
        raise MissingExtra("ricci_compare", "POT", "transport") from error
    from scipy.stats import wasserstein_distance

    x, y = paired(x, y, operation="ricci_compare", min_rows=CARD.min_rows)
    n = x.shape[0]
    if not 1 <= k <= min(15, n - 2) or n > _MOST or flow < 0:
        raise InputError(
            "ricci_compare",
            f"k={k}, flow={flow} with {n} rows: x {tuple(x.shape)} and y {tuple(y.shape)}",
            f"k of 1 to 15 and below rows - 1, at most {_MOST} rows, flow of 0 or more",
            "Lower k, or draw fewer rows.",
        )
    spread = Spread.of(x, y)
    # Neighbours of equal rows would be the lowest row numbers: a graph of the order of rows.
    check_varied("x", x, np.diag([spread.variance_x]), spread.mean_x, operation="ricci_compare")
    check_varied("y", y, np.diag([spread.variance_y]), spread.mean_y, operation="ricci_compare")
    parts: dict[str, Any] = {}
    for name, side in (("x", x), ("y", y)):
        near = to_numpy(neighbors(side, side, k, exclude_self=True)[0])
        edges = _edges(near)
        weights = np.ones(len(edges))
        kappa = _curvature(edges, weights, n, emd2)[0]
        ends = np.bincount(edges.ravel(), minlength=n)
        parts[name] = np.bincount(edges.ravel(), np.repeat(kappa, 2), minlength=n) / ends
        parts[f"edges_{name}"], parts[f"curvature_{name}"] = edges, kappa
        for _ in range(flow):
            bent, lengths = _curvature(edges, weights, n, emd2)
            weights = np.maximum((1 - bent) * lengths, 1e-9)
            weights *= len(weights) / weights.sum()
        if flow:
            parts[f"communities_{name}"] = _communities(edges, weights, n)
    parts["gap"] = np.abs(parts["x"] - parts["y"])
    value = float(wasserstein_distance(parts["curvature_x"], parts["curvature_y"]))
    return Score(value=value, method="ricci_compare", n=n, length=value, parts=parts)


def _edges(near: np.ndarray) -> np.ndarray:
    """Undirected edges (m, 2) of the graph in which row i points at ``near[i]``."""
    n, k = near.shape
    ends = np.column_stack([np.repeat(np.arange(n), k), near.ravel()])
    return np.asarray(np.unique(np.sort(ends, axis=1), axis=0))


def _curvature(
    edges: np.ndarray, weights: np.ndarray, n: int, transport: Any
) -> tuple[np.ndarray, np.ndarray]:
    """κ and path length of every edge (m,)."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import shortest_path

    graph = csr_array((weights, edges.T), shape=(n, n))
    far = shortest_path(graph, directed=False)
    around: list[list[int]] = [[i] for i in range(n)]
    for u, v in edges.tolist():
        around[u].append(v)
        around[v].append(u)
    mass = [np.full(len(one), (1 - _LAZY) / (len(one) - 1)) for one in around]
    for one in mass:
        one[0] = _LAZY
    lengths = far[edges[:, 0], edges[:, 1]]
    sure = {"center_dual": False, "check_marginals": False}  # each mass sums to one
    moved = [
        transport(mass[u], mass[v], far[np.ix_(around[u], around[v])], **sure) for u, v in edges
    ]
    return 1 - np.array(moved) / lengths, lengths


def _communities(edges: np.ndarray, weights: np.ndarray, n: int) -> np.ndarray:
    """Components (n,) after cutting all edges above the length that gives the best modularity."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    degree = np.bincount(edges.ravel(), minlength=n)
    best, found = -np.inf, np.zeros(n, dtype=np.int64)
    for limit in np.unique(np.quantile(weights, np.linspace(0.5, 1.0, 51))):
        kept = edges[weights <= limit]
        _, label = connected_components(csr_array((np.ones(len(kept)), kept.T), shape=(n, n)))
        inside = np.mean(label[edges[:, 0]] == label[edges[:, 1]])
        expected = np.sum((np.bincount(label, degree) / degree.sum()) ** 2)
        if inside - expected > best:
            best, found = float(inside - expected), label.astype(np.int64)
    return found
