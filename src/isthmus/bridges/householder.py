"""Householder bridge: a few mirrors, d numbers each, instead of a full rotation."""

from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.linear import LinearMap
from isthmus.bridges.map import Map
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.linalg import procrustes
from isthmus.core.moments import Keeps, Moments
from isthmus.core.registry import register

CARD = Card(
    name="householder",
    summary="A product of few Householder reflections; optionally their relaxed form (ETHER+).",
    paper=Paper(
        "ETHER: Efficient Finetuning of Large-Scale Models with Hyperplane Reflections",
        "Bini et al.",
        2024,
    ),
    invariant=("translation",),
    equivariant=("translation",),
    cost="n d^2 + d^3",
    memory="d^2",
    streams=True,
    min_rows=2,
    # At six dims the default would be a full rotation, which orthogonal is already.
    quick=(("reflections", 5),),
)

#: Beyond this width an extreme eigenvector comes from Lanczos steps, not a whole decomposition.
_WIDE = 64
_SWEEPS = 12


@register(CARD)
class Householder(LinearMap, Map, TransformerMixin, BaseEstimator):
    r"""The map x ↦ (x - mean_x) H_1 ⋯ H_k + mean_y, a product of k mirrors H = 1 - 2 u uᵀ.

    The mirrors maximise tr(Wᵀ S_xy), hence miss the target least among products of at most k. They
    start as the planes of the Procrustes rotation in which it gains most per mirror (a plane takes
    two, a reversed axis one). Then each in turn becomes the best one given the others: u is the
    eigenvector of the least eigenvalue of the symmetric part of H_(j-1) ⋯ H_1 S_xy H_k ⋯ H_(j+1).
    No step can lose. With k = d this is the Procrustes rotation; with few mirrors all else stays
    where it is, which suits two spaces that differ in few directions: an encoder that drifted, not
    one trained apart.

    With ``relaxed``, H = 1 - u uᵀ + v vᵀ (ETHER+): the identity where v = u, at most at distance 2
    from it, not a rotation. Its u and v minimise Σ|x W - y|² by L-BFGS from the mirrors with v = u.

    Mirrors live in the wider of both spaces, the narrower one padded by zeros. With ``blocks`` each
    is split into that many mirrors on consecutive coordinates.

    Parameters
    ----------
    reflections : k, the most that are used; no more than the width of a block has an effect
    blocks : number of diagonal blocks
    relaxed : fit ETHER+ factors instead of mirrors
    steps : of L-BFGS at most, with ``relaxed``

    Attributes
    ----------
    coef_ : (dx, dy) float64
    intercept_ : (dy,) float64
    vectors_ : (k, width) unit vectors u in order, zero outside their blocks; with ``relaxed``
        (2 k, width), each u followed by its v

    Raises
    ------
    InputError
        On fewer than one reflection, more blocks than coordinates, or on rows that are not finite,
        not paired, or fewer than 2.

    References
    ----------
    Bini et al. 2024; Householder 1958, Unitary triangularization of a nonsymmetric matrix.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(100, 20))
    >>> u = np.ones(20) / 20**0.5
    >>> bridge = Householder(reflections=1).fit(x, x - 2 * np.outer(x @ u, u))
    >>> bool(np.allclose(np.abs(bridge.vectors_ @ u), 1))
    True
    """

    BEYOND = "kept and turned, on the assumption that the map is a rotation"
    STATE: ClassVar[dict[str, tuple[str, ...]]] = {**LinearMap.STATE, "vectors_": ("k", "width")}
    keeps: ClassVar[Keeps] = "source"

    vectors_: np.ndarray

    def __init__(
        self, *, reflections: int = 32, blocks: int = 1, relaxed: bool = False, steps: int = 200
    ) -> None:
        self.reflections = reflections
        self.blocks = blocks
        self.relaxed = relaxed
        self.steps = steps

    def solve(
        self, moments: Moments, x: np.ndarray | None, y: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """W and b; rows are not needed."""
        dx, dy = moments.dims
        width = max(dx, dy)
        if self.reflections < 1 or not 1 <= self.blocks <= width:
            raise InputError(
                "Householder", f"reflections={self.reflections}, blocks={self.blocks}",
                f"at least one reflection, 1 to {width} blocks",
            )  # fmt: skip
        cross = np.zeros((width, width))
        cross[:dx, :dy] = moments.scatter_xy
        parts = []
        for block in np.array_split(np.arange(width), self.blocks):
            found = _mirrors(cross[np.ix_(block, block)], min(self.reflections, len(block)))
            parts.append(np.zeros((len(found), width)))
            parts[-1][:, block] = found
        vectors = np.concatenate(parts)
        if self.relaxed:
            own = np.zeros((width, width))
            own[:dx, :dx] = moments.scatter_xx
            vectors = _relaxed(own, cross, vectors, self.steps)
        self.vectors_ = vectors
        coef = product(vectors, relaxed=self.relaxed)[:dx, :dy]
        return coef, moments.mean_y - moments.mean_x @ coef


def product(vectors: np.ndarray, *, relaxed: bool = False) -> np.ndarray:
    """The matrix H_1 ⋯ H_k (width, width) of unit ``vectors`` as ``Householder`` holds them.

    >>> product(np.array([[1.0, 0.0]])).tolist()
    [[-1.0, 0.0], [0.0, 1.0]]
    """
    matrix = np.eye(vectors.shape[1])
    if not relaxed:
        for u in vectors:
            matrix -= np.outer(2 * (matrix @ u), u)
        return matrix
    for u, v in zip(vectors[::2], vectors[1::2], strict=True):
        matrix += np.outer(matrix @ v, v) - np.outer(matrix @ u, u)
    return matrix


def _mirrors(cross: np.ndarray, most: int) -> np.ndarray:
    """Unit vectors (k, d) of at most ``most`` mirrors, at least one, that maximise tr(Wᵀ C)."""
    if not cross.any():
        return np.eye(1, len(cross))
    vectors = _planes(cross, most)
    if len(vectors) == 0:  # the rotation is the identity, and one mirror has been asked for
        vectors = _least(cross, np.eye(1, len(cross))[0])[None]
    best = -np.inf
    for _ in range(_SWEEPS):
        rest = cross
        for u in vectors[:0:-1]:
            rest = _mirrored(rest, u, left=False)
        for j in range(len(vectors)):
            vectors[j] = _least(rest, vectors[j])
            value = np.trace(rest) - 2 * vectors[j] @ rest @ vectors[j]
            rest = _mirrored(rest, vectors[j], left=True)
            if j + 1 < len(vectors):
                rest = _mirrored(rest, vectors[j + 1], left=False)
        if value <= best + 1e-6 * abs(value):
            break
        best = value
    return vectors


def _planes(cross: np.ndarray, most: int) -> np.ndarray:
    """Mirrors of the planes and axes in which the Procrustes rotation gains most per mirror."""
    from scipy.linalg import schur

    turn, basis = schur(procrustes(cross)[0], output="real")
    share = basis.T @ cross @ basis
    found: list[tuple[float, list[np.ndarray]]] = []
    j = 0
    while j < len(turn):
        if j + 1 < len(turn) and abs(turn[j + 1, j]) > 1e-12:
            block = slice(j, j + 2)
            gain = float(np.sum((turn[block, block] - np.eye(2)) * share[block, block]))
            # Any axis of the plane may be the first mirror; the best one makes the start defined.
            a, b = np.linalg.eigh(share[block, block] + share[block, block].T)[1][:, 0]
            axis = basis[:, block] @ np.array([a, b])
            across = basis[:, block] @ np.array([-b, a])
            half = np.arctan2(turn[j + 1, j], turn[j, j]) / 2
            tilted = np.cos(half) * axis + np.sin(half) * across
            found.append((gain / 2, [tilted, axis]))
            j += 2
        else:
            if turn[j, j] < 0:
                found.append((-2 * float(share[j, j]), [basis[:, j]]))
            j += 1
    chosen: list[np.ndarray] = []
    for _, mirrors in sorted(found, key=lambda one: -one[0]):
        if len(chosen) + len(mirrors) <= most:
            chosen += mirrors
    return np.array(chosen).reshape(-1, len(cross))


def _least(matrix: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The unit u that minimises uᵀ M u, or ``start`` where that is as good."""
    if len(matrix) <= _WIDE:
        u = np.linalg.eigh(matrix + matrix.T)[1][:, 0]
    else:
        from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

        both = LinearOperator(matrix.shape, lambda v: matrix @ v + matrix.T @ v, dtype=float)
        try:
            u = eigsh(both, k=1, which="SA", v0=start, tol=1e-4)[1][:, 0]
        except ArpackNoConvergence:
            return start
    return np.asarray(u) if u @ matrix @ u < start @ matrix @ start else start


def _mirrored(matrix: np.ndarray, u: np.ndarray, *, left: bool) -> np.ndarray:
    if left:
        return matrix - np.outer(2 * u, u @ matrix)
    return matrix - np.outer(2 * (matrix @ u), u)


def _relaxed(own: np.ndarray, cross: np.ndarray, start: np.ndarray, steps: int) -> np.ndarray:
    """Unit vectors u, v, u, v, ... (2 k, d) of the relaxed factors of least squared error."""
    from scipy.optimize import minimize

    free = np.repeat(start, 2, axis=0)
    inside = free != 0
    unit = float(np.trace(own)) or 1.0
    own, cross = own / unit, cross / unit

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        rows = flat.reshape(free.shape)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        vectors = rows / lengths
        whole = product(vectors, relaxed=True)
        slope = own @ whole - cross
        slopes = _factor_slopes(slope, vectors)
        slopes -= np.sum(slopes * vectors, axis=1, keepdims=True) * vectors
        value = 0.5 * float(np.sum((slope - cross) * whole))
        return value, (slopes / lengths * inside).ravel()

    found = minimize(loss, free.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": steps})
    rows = found.x.reshape(free.shape)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _factor_slopes(slope: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Slopes (2 k, d) at each u and v, from the slope S at the product W = L H R.

    At H it is D = Lᵀ S Rᵀ, hence -(D + Dᵀ) u at u and (D + Dᵀ) v at v.
    """
    factors = vectors.reshape(len(vectors) // 2, 2, -1)
    after = [np.eye(vectors.shape[1])]  # R of the last factor, of the one before, ...
    for u, v in factors[:0:-1]:
        after.append(after[-1] + np.outer(v, v @ after[-1]) - np.outer(u, u @ after[-1]))
    slopes = np.empty_like(factors)
    for (u, v), right, found in zip(factors, after[::-1], slopes, strict=True):
        pair = np.stack([-u, v], axis=1)  # slope is Lᵀ S here
        found[:] = (slope @ (right.T @ pair) + right @ (slope.T @ pair)).T
        slope = slope + np.outer(v, v @ slope) - np.outer(u, u @ slope)
    return slopes.reshape(vectors.shape)
