"""Functional-map bridge: not points but smooth functions on both spaces are matched."""

from typing import ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.map import Map
from isthmus.bridges.rows import Pairing, all_rows, to_translate
from isthmus.core.arrays import Array, like, namespace, row_blocks
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.linalg import RidgePath
from isthmus.core.moments import Moments
from isthmus.core.neighbors import neighbors
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="functional_map",
    summary="Matches the eigenfunctions of both spaces' neighbour graphs; learns from all rows.",
    paper=Paper(
        "Latent Functional Maps: a spectral framework for representation alignment",
        "Fumero et al.",
        2024,
    ),
    invariant=("orthogonal", "isotropic_scale", "translation"),
    equivariant=("orthogonal", "isotropic_scale", "translation"),
    pairs="some",
    library="SciPy",
    cost="n^2 d + n k^2 + k^4",
    memory="n k + n d",
    min_rows=2,
)

#: Anchors whose distance functions are matched, at most, beside the pairs themselves.
_ANCHORS = 200
_BLOCK = 4096


@register(CARD)
class FunctionalMap(Map, TransformerMixin, BaseEstimator):
    r"""The map x ↦ φ_X(x) Cᵀ R + b through the spectra of two neighbour graphs.

    Each space is a graph: its rows are joined to their nearest ones with weights
    exp(-|u - v|²/(s_u s_v)), s the distance to the furthest of these. φ are the eigenfunctions of
    the random walk on it with the largest eigenvalues 1 - λ, the smoothest functions. C carries
    functions on X to functions on Y:

        min_C |C A - B|² + α Σ_ij (λ_i^Y - λ_j^X)² C_ij²

    A and B hold the coefficients of functions known to correspond: for every pair the function that
    is one there, for some also the distance to it, which reaches the rows without partner. The
    second term is the commutator with both Laplacians. Each row of C has a closed form. R, b is the
    ridge regression of the target's rows on their own φ_Y. A vector that is no node gets its φ by
    the Nystrom extension: the weighted mean over its nearest nodes, divided by 1 - λ.

    Smooth functions say little about single rows: a bridge for few pairs and coarse structure.
    Graphs in several parts are joined at their nearest rows.

    Parameters
    ----------
    basis : eigenfunctions on either side, at most a third of the nodes
    neighbors : nearest rows each row is joined to
    alpha : weight of the commutator relative to the mean square of A
    nodes : rows of either side that make its graph, pairs first, then any
    rng : seed or Generator of the choice of nodes

    Attributes
    ----------
    nodes_ : (n, dx) float64 source rows of the graph;  scales_ : (n,), s
    basis_ : (n, k) source eigenfunctions over 1 - λ
    functional_map_ : (ky, k), C
    weights_ : (k, dy), Cᵀ R;  constant_ : (dy,), b

    Raises
    ------
    InputError
        On parameters below 1, no pair, or rows that are not finite or fewer than 2.

    References
    ----------
    Fumero et al. 2024; Ovsjanikov et al. 2012, Functional maps; Zelnik-Manor & Perona 2004 (local
    scales); Bengio et al. 2003, Out-of-sample extensions (Nystrom).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = x[:, ::-1] * [1.0, -1.0]
    >>> bridge = FunctionalMap().fit(x, y, pairs=(np.arange(30), np.arange(30)))
    >>> bridge.score(x[30:], y[30:]) > 0.3
    True
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        "nodes_": ("n", "dx"), "scales_": ("n",), "basis_": ("n", "k"),
        "functional_map_": ("ky", "k"), "weights_": ("k", "dy"), "constant_": ("dy",),
    }  # fmt: skip

    nodes_: np.ndarray
    scales_: np.ndarray
    basis_: np.ndarray
    functional_map_: np.ndarray
    weights_: np.ndarray
    constant_: np.ndarray
    n_features_in_: int

    def __init__(
        self, *, basis: int = 60, neighbors: int = 15, alpha: float = 1.0, nodes: int = 3000,
        rng: Seed = 0,
    ) -> None:  # fmt: skip
        self.basis = basis
        self.neighbors = neighbors
        self.alpha = alpha
        self.nodes = nodes
        self.rng = rng

    def fit(self, X: Array, y: Array, *, pairs: Pairing = None) -> Self:
        """Fit on all rows of X (n, dx) and y (m, dy), of which ``pairs`` are partners."""
        if min(self.basis, self.neighbors, self.nodes) < 1 or not self.alpha >= 0:
            raise InputError(
                "FunctionalMap",
                f"basis={self.basis}, neighbors={self.neighbors}, nodes={self.nodes}, "
                f"alpha={self.alpha}",
                "at least 1, alpha at least 0",
            )
        x, target, i, j = all_rows(self, X, y, pairs, least=1)
        rng = generator(self.rng)
        keep = rng.permutation(len(i))[: self.nodes]
        keep.sort()
        rows_x, rows_y = (
            np.concatenate([known[keep], self._others(len(side), known, rng, len(keep))])
            for side, known in ((x, i), (target, j))
        )
        source = _Graph(x[rows_x], self.neighbors, self.basis)
        echo = _Graph(target[rows_y], self.neighbors, self.basis)
        self.nodes_, self.scales_ = source.rows, source.scales
        self.basis_ = source.basis
        phi_x, phi_y = source.embed(source.rows), echo.embed(echo.rows)
        count = len(keep)
        few = np.linspace(0, count - 1, min(count, _ANCHORS)).astype(int)
        a, b = (
            np.concatenate([phi[:count], _coefficients(phi, graph.rows, few)])
            for phi, graph in ((phi_x, source), (phi_y, echo))
        )
        self.functional_map_ = _solve(a, b, source.frequencies, echo.frequencies, self.alpha)
        path = RidgePath(Moments.of(phi_y, echo.rows, keeps="source"))
        decoder = path.coef(path.best_alpha_gcv())
        self.weights_ = self.functional_map_.T @ decoder
        self.constant_ = path.mean_y - path.mean_x @ decoder
        return self

    def transform(self, X: Array) -> Array:
        """Translate X (n, dx) into the target space, (n, dy), of X's own kind and precision."""
        x = to_translate(self, X)
        phi = _extended(x, self.nodes_, self.scales_, self.basis_, self.neighbors)
        return phi @ like(self.weights_, x) + like(self.constant_, x)

    def _others(
        self, rows: int, known: np.ndarray, rng: np.random.Generator, used: int
    ) -> np.ndarray:
        rest = np.setdiff1d(np.arange(rows), known)
        return np.sort(rng.permutation(rest)[: max(self.nodes - used, 0)])

    @property
    def _n_features_out(self) -> int:
        return int(self.constant_.shape[0])


class _Graph:
    """A neighbour graph with its smoothest eigenfunctions, and their extension to any vector."""

    def __init__(self, rows: np.ndarray, count: int, basis: int) -> None:
        from scipy.sparse import coo_array, diags_array

        self.rows, self.count = rows, count
        n = len(rows)
        found, gaps = neighbors(rows, rows, min(count + 1, n))
        self.scales = _scales(gaps)
        weights = np.exp(-(gaps**2) / (self.scales[:, None] * self.scales[found]))
        own = np.repeat(np.arange(n), found.shape[1])
        graph = coo_array((weights.ravel(), (own, found.ravel())), shape=(n, n)).tocsr()
        graph = graph.maximum(graph.T)
        graph = _joined(graph, rows)
        root = 1 / np.sqrt(graph.sum(axis=1))
        walk = (diags_array(root) @ graph @ diags_array(root)).tocsr()
        values, vectors = _leading(walk, max(1, min(basis, n // 3)))
        kept = values > 0.05
        self.frequencies = 1 - values[kept]
        # Eigenfunctions of the walk itself, of mean square one, ready for the extension.
        self.basis = vectors[:, kept] * root[:, None] / values[kept]
        self.basis *= np.sqrt(n) / np.linalg.norm(self.basis * values[kept], axis=0)

    def embed(self, vectors: np.ndarray) -> np.ndarray:
        return np.asarray(_extended(vectors, self.rows, self.scales, self.basis, self.count))


def _scales(gaps: np.ndarray) -> np.ndarray:
    """Distance to the furthest neighbour; where all are duplicates, that of a usual row."""
    far = gaps[:, -1]
    usual = float(np.median(far[far > 0])) if (far > 0).any() else 1.0
    return np.where(far > 0, far, usual)


def _extended(
    x: Array, nodes: np.ndarray, scales: np.ndarray, basis: np.ndarray, count: int
) -> Array:
    """Eigenfunctions at any vectors x (n, d): the walk's weighted mean over their neighbours."""
    xp = namespace(x)
    base, scale, functions = (like(side, x) for side in (nodes, scales, basis))
    parts = []
    for block in row_blocks(x.shape[0], _BLOCK):
        found, gaps = neighbors(x[block, :], base, min(count + 1, len(nodes)))
        gaps = xp.astype(gaps, x.dtype)
        flat = xp.reshape(found, (-1,))
        theirs = xp.reshape(xp.take(scale, flat, axis=0), tuple(found.shape))
        own = gaps[:, -1:]
        own = xp.where(own > 0, own, xp.ones_like(own) * float(np.median(scales)))
        # Shifted so that a vector far from every node still has a nearest one.
        powers = gaps * gaps / (own * theirs)
        weights = xp.exp(xp.min(powers, axis=1, keepdims=True) - powers)
        weights = weights / xp.sum(weights, axis=1, keepdims=True)
        near = xp.reshape(xp.take(functions, flat, axis=0), (*tuple(found.shape), basis.shape[1]))
        parts.append(xp.sum(weights[:, :, None] * near, axis=1))
    return xp.concat(parts, axis=0)


def _joined(graph, rows: np.ndarray):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """The graph with its parts connected: each to the row nearest to it outside, and again."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    while True:
        count, label = connected_components(graph, directed=False)
        if count == 1:
            return graph
        edges = []
        for part in range(count):
            inside, outside = np.flatnonzero(label == part), np.flatnonzero(label != part)
            found, gaps = neighbors(rows[inside], rows[outside], 1)
            best = int(np.argmin(gaps[:, 0]))
            edges.append((inside[best], outside[found[best, 0]]))
        left, right = np.array(edges).T
        weak = np.full(len(left), 1e-3)
        extra = coo_array((weak, (left, right)), shape=graph.shape).tocsr()
        graph = graph.maximum(extra).maximum(extra.T)


def _leading(walk, count: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """The largest eigenvalues, descending, and their eigenvectors."""
    n = walk.shape[0]
    if n <= 600 or count >= n - 1:
        values, vectors = np.linalg.eigh(walk.toarray())
        return values[::-1][:count], vectors[:, ::-1][:, :count]
    from scipy.sparse.linalg import eigsh

    values, vectors = eigsh(walk, k=count, which="LA", v0=np.ones(n))
    order = np.argsort(-values)
    return values[order], vectors[:, order]


def _coefficients(phi: np.ndarray, rows: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Coefficients (anchors, k) of the distances to some rows, scaled alike on both sides."""
    gaps = np.stack([np.linalg.norm(rows - rows[a], axis=1) for a in anchors])
    gaps /= float(gaps.mean()) or 1.0
    return np.asarray(gaps @ phi / len(rows))


def _solve(
    a: np.ndarray, b: np.ndarray, slow_x: np.ndarray, slow_y: np.ndarray, alpha: float
) -> np.ndarray:
    """C (ky, k) for functions as rows of a and b: c_i (AAᵀ + α diag (λ_i - λ_j)²) = b_i Aᵀ."""
    gram, cross = a.T @ a, b.T @ a
    unit = float(np.trace(gram)) / len(gram) or 1.0
    apart = (slow_y[:, None] - slow_x[None, :]) ** 2
    rows = [
        np.linalg.solve(gram + unit * np.diag(alpha * gaps + 1e-8), one)
        for gaps, one in zip(apart, cross, strict=True)
    ]
    return np.stack(rows)
