"""Functional-map bridge: smooth functions on both spaces are matched, rows by them, then spaces."""

from typing import ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.linear import LinearMap
from isthmus.bridges.map import Map
from isthmus.bridges.orthogonal import Orthogonal
from isthmus.bridges.rows import Pairing, all_rows
from isthmus.core.arrays import Array
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.moments import Moments
from isthmus.core.neighbors import neighbors, partner_ranks, unit
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="functional_map",
    summary="A rotation from pairs and from rows that both neighbour graphs' functions match.",
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
#: Functions that the first map is solved for; twice as many after each matching of rows.
_FIRST = 20
#: A known pair counts as much as this many matched rows.
_TRUST = 3.0
#: Weights of pairs against matched rows that are tried for the rotation; 0: pairs alone.
_WEIGHTS = (0, 10, 1)
#: Parts of the pairs that are held out to choose among them; of this many pairs, but one part.
_FOLDS, _MANY = 5, 200

#: What the source and the target have of the same items.
Sides = tuple[np.ndarray, np.ndarray]


@register(CARD)
class FunctionalMap(LinearMap, Map, TransformerMixin, BaseEstimator):
    r"""The map x ↦ s (x - mean_x) W + mean_y, W orthogonal, through the spectra of two graphs.

    Each space is a graph: its rows are joined to their nearest ones with weights
    exp(-|u - v|²/(s_u s_v)), s the distance to the furthest of these. φ are the eigenfunctions of
    the random walk on it with the largest eigenvalues 1 - λ, the smoothest functions. C carries
    functions on X to functions on Y:

        min_C |C A - B|² + α Σ_ij (λ_i^Y - λ_j^X)² C_ij²

    A and B hold the coefficients of functions known to correspond: for every pair the function that
    is one there, for some also the distance to it, which reaches the rows without partner. The
    second term is the commutator with both Laplacians. Each row of C has a closed form.

    C is solved for the 20 smoothest functions, and refined by ZoomOut: rows that are each other's
    nearest in φ_X Cᵀ and φ_Y join the pairs in A and B, and C is solved for twice as many. The last
    rows so matched and all known pairs give the rotation, s being the ratio of both spreads; how
    much the matched ones count, if at all, is what finds held-out pairs best.

    The functions alone are coarse: eigenfunctions of two encoders' graphs differ, and no C makes up
    for it, so most rows find a neighbour of their partner and not the partner. The rotation
    averages that out. It gains over one from the pairs alone where these are fewer than the dims,
    and not by much. Graphs in several parts are joined at their nearest rows. The paper's further
    term, that C commutes with multiplication by the descriptors, is left out.

    Parameters
    ----------
    basis : eigenfunctions on either side in the end, at most a third of the nodes
    neighbors : nearest rows each row is joined to
    alpha : weight of the commutator relative to the mean square of A
    nodes : rows of either side that make its graph, pairs first, then any
    rng : seed or Generator of the choice of nodes

    Attributes
    ----------
    coef_ : (dx, dy), s W;  intercept_ : (dy,);  origin_ : (dx,)
    functional_map_ : (ky, kx), C
    matched_ : how many matched rows without a known partner the rotation rests on

    Raises
    ------
    InputError
        On parameters below 1, no pair, or rows that are not finite or fewer than 2.

    References
    ----------
    Fumero et al. 2024; Ovsjanikov et al. 2012, Functional maps; Melzi et al. 2019, ZoomOut;
    Zelnik-Manor & Perona 2004 (local scales).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = x[:, ::-1] * [1.0, -1.0]
    >>> bridge = FunctionalMap().fit(x, y, pairs=(np.arange(30), np.arange(30)))
    >>> bridge.score(x[30:], y[30:]) > 0.9
    True
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        **LinearMap.STATE, "functional_map_": ("ky", "kx"), "matched_": (),
    }  # fmt: skip

    functional_map_: np.ndarray
    matched_: int

    def __init__(
        self, *, basis: int = 160, neighbors: int = 15, alpha: float = 1.0, nodes: int = 3000,
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
        order = rng.permutation(len(i))
        i, j = i[order], j[order]
        count = min(len(i), self.nodes)
        source, echo = (
            _Graph(
                side[np.concatenate([known[:count], self._others(len(side), known, rng, count)])],
                self.neighbors,
                self.basis,
            )
            for side, known in ((x, i), (target, j))
        )
        told = x[i], target[j]
        trust = _trust(source, echo, told, count, self.alpha)
        self.functional_map_, found = _matched(source, echo, np.arange(count), self.alpha)
        self.matched_ = len(found[0]) if trust else 0
        turned = _turned(told, (source.rows[found[0]], echo.rows[found[1]]), trust)
        self.coef_, self.intercept_, self.origin_ = turned.coef_, turned.intercept_, turned.origin_
        return self

    def _others(
        self, rows: int, known: np.ndarray, rng: np.random.Generator, used: int
    ) -> np.ndarray:
        rest = np.setdiff1d(np.arange(rows), known)
        return np.sort(rng.permutation(rest)[: max(self.nodes - used, 0)])


class _Graph:
    """A neighbour graph and its smoothest functions (n, k), of mean square one."""

    def __init__(self, rows: np.ndarray, count: int, basis: int) -> None:
        from scipy.sparse import coo_array, diags_array

        self.rows = rows
        n = len(rows)
        found, gaps = neighbors(rows, rows, min(count + 1, n))
        scales = _scales(gaps)
        weights = np.exp(-(gaps**2) / (scales[:, None] * scales[found]))
        own = np.repeat(np.arange(n), found.shape[1])
        graph = coo_array((weights.ravel(), (own, found.ravel())), shape=(n, n)).tocsr()
        graph = graph.maximum(graph.T)
        graph = _joined(graph, rows)
        root = 1 / np.sqrt(graph.sum(axis=1))
        walk = (diags_array(root) @ graph @ diags_array(root)).tocsr()
        values, vectors = _leading(walk, max(1, min(basis, n // 3)))
        kept = values > 0.05
        self.frequencies = 1 - values[kept]
        # Eigenfunctions of the walk itself.
        self.functions = vectors[:, kept] * root[:, None]
        self.functions *= np.sqrt(n) / np.linalg.norm(self.functions, axis=0)


def _matched(
    source: _Graph, echo: _Graph, known: np.ndarray, alpha: float
) -> tuple[np.ndarray, Sides]:
    """C after ZoomOut, and the nodes (m,) of either graph beside the ``known`` ones it matches.

    Node k of the one is the partner of node k of the other for each k in ``known``.
    """
    anchors = known[np.linspace(0, len(known) - 1, min(len(known), _ANCHORS)).astype(int)]
    told = _coefficients(source, anchors), _coefficients(echo, anchors)
    free = [np.setdiff1d(np.arange(len(graph.rows)), known) for graph in (source, echo)]
    here = there = np.empty(0, dtype=int)
    size = _FIRST
    while True:
        phi, psi = source.functions[:, :size], echo.functions[:, :size]
        found = _solve(
            np.concatenate([_TRUST * phi[known], phi[here], told[0][:, :size]]),
            np.concatenate([_TRUST * psi[known], psi[there], told[1][:, :size]]),
            source.frequencies[:size], echo.frequencies[:size], alpha,
        )  # fmt: skip
        to, back = _mutual(phi[free[0]] @ found.T, psi[free[1]])
        here, there = free[0][to], free[1][back]
        if size >= max(len(source.frequencies), len(echo.frequencies)):
            return found, (here, there)
        size *= 2


def _trust(source: _Graph, echo: _Graph, told: Sides, count: int, alpha: float) -> int:
    """The weight of pairs against matched rows that finds held-out pairs best; 0: pairs alone.

    The first ``count`` pairs are nodes. Those held out are so from the matching too: rows around
    them would else be matched by what they tell.
    """
    if count < 3 or count == max(len(source.rows), len(echo.rows)):
        return 1
    parts = np.array_split(np.arange(count), min(_FOLDS, count))
    ranks: dict[int, list[np.ndarray]] = {trust: [] for trust in _WEIGHTS}
    # Few pairs are all held out in turn, of many one part decides.
    for part in parts if count < _MANY else parts[:1]:
        _, (here, there) = _matched(source, echo, np.setdiff1d(np.arange(count), part), alpha)
        rest = [np.delete(side, part, axis=0) for side in told]
        for trust, found in ranks.items():
            fitted = _turned((rest[0], rest[1]), (source.rows[here], echo.rows[there]), trust)
            moved = fitted.transform(told[0][part])
            found.append(1 / partner_ranks(moved, told[1][:count], own=part))
    return max(ranks, key=lambda trust: float(np.concatenate(ranks[trust]).mean()))


def _turned(told: Sides, found: Sides, trust: int) -> Orthogonal:
    """The rotation by pairs that count ``trust`` times as much as matched rows, or alone if 0."""
    moments = Moments.of(*told, keeps="cross")
    if trust and len(found[0]):
        moments = sum([moments] * (trust - 1), moments) + Moments.of(*found, keeps="cross")
    turned = Orthogonal().fit_moments(moments)
    # Spread to spread. The scale of least squares shrinks where pairs are noisy, and rows then all
    # point the way of the mean.
    turned.coef_ *= np.sqrt(moments.variance_y / (moments.variance_x or 1.0)) or 1.0
    turned.intercept_ = moments.mean_y - (moments.mean_x - turned.origin_) @ turned.coef_
    return turned


def _mutual(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a (n, k) and of b (m, k) that are each other's nearest, by cosine."""
    if not len(a) or not len(b):
        return np.empty(0, dtype=int), np.empty(0, dtype=int)
    a, b = unit(a), unit(b)
    to, back = neighbors(a, b, 1)[0][:, 0], neighbors(b, a, 1)[0][:, 0]
    here = np.flatnonzero(back[to] == np.arange(len(a)))
    return here, to[here]


def _scales(gaps: np.ndarray) -> np.ndarray:
    """Distance to the furthest neighbour; where all are duplicates, that of a usual row."""
    far = gaps[:, -1]
    usual = float(np.median(far[far > 0])) if (far > 0).any() else 1.0
    return np.where(far > 0, far, usual)


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


def _coefficients(graph: _Graph, anchors: np.ndarray) -> np.ndarray:
    """Coefficients (anchors, k) of the distances to some rows, scaled alike on both sides."""
    rows = graph.rows
    gaps = np.stack([np.linalg.norm(rows - rows[a], axis=1) for a in anchors])
    gaps /= float(gaps.mean()) or 1.0
    return np.asarray(gaps @ graph.functions / len(rows))


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
