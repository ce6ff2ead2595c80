r"""Reconstruction mAP: how well vectors of a graph's nodes rebuild its neighbourhoods."""

from typing import Any

import numpy as np

from isthmus.core.arrays import Array, matrix, row_blocks, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.neighbors import METRICS, Metric, unit
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.rows import Z95

CARD = Card(
    name="reconstruction_map",
    summary="Mean average precision of rebuilding a graph's neighbourhoods from vectors alone.",
    paper=Paper("RESTORE: Graph Embedding Assessment Through Reconstruction", "Yip et al.", 2023),
    cost="n^2 d",
    memory="n d",
    invariant=("orthogonal", "row_scale"),
    spaces=0,
    paired=False,
    library="SciPy",
    caveat="The interval treats nodes as independent, which neighbours are not.",
    min_rows=3,
)

#: Entries of one block of distances: 16 MiB of float64.
_CELLS = 1 << 21


@register(CARD)
def reconstruction_map(
    vectors: Array, graph: Any, *, hops: int = 1, metric: Metric = "cosine"
) -> Score:
    r"""Mean over nodes of the average precision at which the nearest vectors are near nodes.

    .. math:: \mathrm{AP}(i) = \frac{1}{|R_i|} \sum_{j \in R_i}
              \frac{|\{k \in R_i : r_{ik} \le r_{ij}\}|}{r_{ij}}

    R_i are the nodes 1 to ``hops`` links away from i, r_ij the rank of j among all other nodes by
    the distance of their vectors from that of i. Equal distances are ranked worst first, so that
    vectors which are all equal gain nothing, and a warning says so. Nodes without neighbours are
    left out; ``n`` counts the others. Chance is exact: with N - 1 others and R of them near, the
    mean over all orders is (H + (R - 1)(N - 1 - H) / (N - 2)) / (N - 1), H the harmonic number of
    N - 1. Part ``precision`` is AP(i), NaN-free: -1 for nodes left out.

    Parameters
    ----------
    vectors : (N, d) array
    graph : (N, N) sparse or dense adjacency, or (m, 2) pairs of linked node numbers; direction and
        weights are ignored
    hops : how many links count as near
    metric : ``cosine``, ``euclidean`` or ``inner``

    Raises
    ------
    InputError
        On fewer than 3 nodes, non-finite values, a graph that does not fit or has no links, hops
        below 1, or an unknown metric.

    References
    ----------
    Yip et al. 2023, "RESTORE".

    Examples
    --------
    >>> import numpy as np
    >>> angle = 2 * np.pi * np.arange(12) / 12
    >>> ring = np.column_stack([np.arange(12), np.roll(np.arange(12), 1)])
    >>> float(reconstruction_map(np.column_stack([np.cos(angle), np.sin(angle)]), ring))
    1.0
    """
    vectors = matrix("vectors", vectors, operation="reconstruction_map")
    rows = to_numpy(vectors).astype(np.float64)
    n = len(rows)
    if n < 3 or hops < 1 or metric not in METRICS:
        raise InputError(
            "reconstruction_map",
            f"{n} nodes, hops={hops}, metric {metric!r}: vectors {rows.shape}",
            f"3 nodes, 1 hop or more, one of {', '.join(METRICS)}",
            "Bring more nodes, or choose among these options.",
        )
    near = _reach(_adjacency(graph, n), hops)
    rows = unit(rows) if metric == "cosine" else rows
    precision = np.concatenate(
        [
            _precision(_costs(rows, part, metric), near[part].toarray())
            for part in row_blocks(n, max(1, _CELLS // n))
        ]
    )
    asked = precision >= 0
    found, relevant = precision[asked], np.asarray(near.sum(axis=1))[asked]
    harmonic = float(np.sum(1 / np.arange(1, n)))
    chance = (harmonic + (relevant - 1) * (n - 1 - harmonic) / (n - 2)) / (n - 1)
    value = float(found.mean())
    half = Z95 * float(found.std(ddof=1)) / np.sqrt(len(found))
    left = n - len(found)
    warnings: tuple[str, ...] = ()
    if left:
        warnings = (f"{left} of {n} nodes have no neighbour and are left out",)
    eps = np.finfo(to_numpy(vectors).dtype).eps
    if not np.ptp(rows, axis=0).max() > 16 * eps * np.abs(rows).max():
        alike = "point one way" if metric == "cosine" else "are equal"
        warnings += (f"all {n} vectors {alike}: a collapsed space, whose order says nothing",)
    return Score(
        value=value,
        method="reconstruction_map",
        n=len(found),
        ci=(max(value - half, 0.0), min(value + half, 1.0)),
        chance=float(chance.mean()),
        parts={"precision": precision},
        warnings=warnings,
    )


def _adjacency(graph: Any, n: int) -> Any:
    """The graph as a symmetric boolean CSR array without loops."""
    from scipy.sparse import coo_array, issparse

    if not issparse(graph):
        graph = np.asarray(graph)
        if graph.ndim == 2 and graph.shape[1] == 2 and graph.dtype.kind in "iu" and n != 2:
            if graph.size and not (graph.min() >= 0 and graph.max() < n):
                raise InputError(
                    "reconstruction_map",
                    f"links up to node {graph.max()} of {n} vectors",
                    f"nodes of 0..{n - 1}",
                    "Bring their vectors, or leave these links out.",
                )
            graph = coo_array((np.ones(len(graph)), graph.T), shape=(n, n))
    if graph.shape != (n, n):
        raise InputError(
            "reconstruction_map",
            f"a graph {graph.shape}",
            f"({n}, {n}) like the vectors, or pairs",
            "Pass one vector for each node, in the order of the graph.",
        )
    one, two = coo_array(graph).coords
    keep = (np.asarray(coo_array(graph).data) != 0) & (one != two)
    one, two = one[keep], two[keep]
    if not len(one):
        raise InputError(
            "reconstruction_map",
            f"a graph {graph.shape} without links",
            "links between nodes",
            "Look at how this graph was made.",
        )
    ends = np.concatenate([one, two]), np.concatenate([two, one])
    return coo_array((np.ones(2 * len(one), dtype=bool), ends), shape=(n, n)).tocsr()


def _reach(graph: Any, hops: int) -> Any:
    """Which nodes are 1 to ``hops`` links away, as a boolean CSR array."""
    reach = step = graph.astype(np.float64)
    for _ in range(hops - 1):
        step = ((step @ graph) > 0).astype(np.float64)
        reach = ((reach + step) > 0).astype(np.float64)
    reach = reach.tolil()
    reach.setdiag(0)
    return reach.tocsr() > 0


def _costs(rows: np.ndarray, part: slice, metric: str) -> np.ndarray:
    """What to rank the nodes by, least first, for a block of nodes; their own is infinite."""
    if metric == "inner":
        costs = -(rows[part] @ rows.T)
    else:
        from scipy.spatial.distance import cdist

        costs = cdist(rows[part], rows)
    costs[np.arange(len(costs)), np.arange(part.start, part.start + len(costs))] = np.inf
    return np.asarray(costs)


def _precision(costs: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Average precision of each row of a block (b, n); -1 where nothing is near."""
    # Rounding must not break ties, and where there is one, what is near comes last.
    order = np.lexsort((near, costs.round(12)), axis=1)
    hits = np.take_along_axis(near, order, axis=1)
    ranks = np.arange(1, near.shape[1] + 1)
    count = near.sum(axis=1)
    total = np.sum(np.cumsum(hits, axis=1) / ranks * hits, axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), -1.0)
