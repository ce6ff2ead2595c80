"""Functor map: one matrix that carries objects and the relations between them across."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.map import Map
from isthmus.bridges.rows import Pairing, known_pairs, to_translate
from isthmus.bridges.stored import Stored
from isthmus.core.arrays import Array, like, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register

CARD = Card(
    name="functor_map",
    summary="Matrix that carries objects onto their partners and relations onto their namesakes.",
    paper=Paper(
        "Categorical Representation Learning: Morphism is All You Need", "Sheshmani & You", 2021
    ),
    spaces=0,  # besides the objects it takes a stack of relation matrices of each space
    cost="k d^3",
    memory="k d^2",
    min_rows=1,
)


@register(CARD)
class FunctorMap(Stored, Map, TransformerMixin, BaseEstimator):
    r"""The matrix M under which x ↦ x M commutes with every relation and meets the known pairs.

    Objects are row vectors and a relation acts on them as x ↦ x R (king R_female is queen). A
    structure-preserving map then satisfies R_A M = M R_B for every relation known on both sides, a
    linear condition that needs no pair of objects at all. M minimises

    .. math:: \frac1{p\,s_b^2} \sum_{(i,j)} |a_i M - b_j|^2 + \frac{w\,s_a^2}{k\,s_b^2}
              \sum_{r=1}^k \sqrt{d_x d_y} \, \frac{|R_A^{(r)} M - M R_B^{(r)}|^2}
              {|R_A^{(r)}| \, |R_B^{(r)}|}

    with s_a, s_b the root mean square entries of the paired objects, so no term has a unit.
    Generic relations (two suffice) leave M one degree of freedom, its scale, which a single pair
    fixes; relations that commute leave more, which further pairs must fix. Least squares by LSQR,
    exact to about ten digits. Vectors are not centred: a relation acts about the origin.

    Parameters
    ----------
    weight : w, how much a relation counts beside the pairs

    Attributes
    ----------
    coef_ : (dx, dy) float64, M
    relation_misfit_ : |R_A M - M R_B| / (|R_A M| + |M R_B|) over all relations, 0 when M commutes
        with them and at most 1
    pair_misfit_ : |a M - b| / |b| over the known pairs

    Raises
    ------
    InputError
        On no pair or no relation, relations that are not square or unequal in number, weight not
        positive, or values that are not finite.

    References
    ----------
    Sheshmani & You 2021; Paige & Saunders 1982 for LSQR.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> objects, turn = rng.normal(size=(50, 6)), np.linalg.qr(rng.normal(size=(6, 6)))[0]
    >>> relations = rng.normal(size=(2, 6, 6))
    >>> one = ([0], [0])
    >>> there = FunctorMap().fit(objects, relations, objects @ turn, turn.T @ relations @ turn, one)
    >>> bool(np.allclose(there.transform(objects), objects @ turn))
    True
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        "coef_": ("dx", "dy"), "relation_misfit_": (), "pair_misfit_": (),
    }  # fmt: skip

    coef_: np.ndarray
    relation_misfit_: float
    pair_misfit_: float
    n_features_in_: int

    def __init__(self, *, weight: float = 1.0) -> None:
        self.weight = weight

    def fit(
        self, objs_A: Array, rels_A: Any, objs_B: Array, rels_B: Any, pairs: Pairing = None
    ) -> Self:
        """Fit on objects (n, dx), (m, dy), relations (k, dx, dx), (k, dy, dy) and known pairs.

        Relation r of A is relation r of B; ``pairs=(i, j)`` says which objects are partners, None
        that all are, by position.
        """
        if not self.weight > 0:
            raise InputError("FunctorMap", f"weight={self.weight}", "a positive number")
        a, b = (
            to_numpy(matrix(name, side, operation="FunctorMap.fit")).astype(np.float64)
            for name, side in (("objs_A", objs_A), ("objs_B", objs_B))
        )
        ra, rb = _relations("rels_A", rels_A, a.shape[1]), _relations("rels_B", rels_B, b.shape[1])
        if len(ra) != len(rb):
            raise InputError(
                "FunctorMap.fit", f"{len(ra)} relations of A and {len(rb)} of B",
                "one of B for each of A, in the same order",
            )  # fmt: skip
        i, j = known_pairs(pairs, len(a), len(b), operation="FunctorMap.fit")
        a, b = a[i], b[j]
        if not (a.any() and b.any()):
            raise InputError(
                "FunctorMap.fit", f"{len(i)} known pairs with a direction",
                "at least 1: relations alone leave the map's scale open",
            )  # fmt: skip
        self.n_features_in_ = a.shape[1]
        self.coef_ = _solve(a, b, ra, rb, self.weight)
        there, back = ra @ self.coef_, self.coef_ @ rb
        size = float(np.linalg.norm(there) + np.linalg.norm(back)) or 1.0
        self.relation_misfit_ = float(np.linalg.norm(there - back)) / size
        self.pair_misfit_ = float(np.linalg.norm(a @ self.coef_ - b) / np.linalg.norm(b))
        return self

    def transform(self, X: Array) -> Array:
        """Carry objects X (n, dx) of A over into B, (n, dy), of X's own kind and precision."""
        x = to_translate(self, X)
        return x @ like(self.coef_, x)

    def _try(self) -> None:
        self.n_features_in_ = len(self.coef_)
        self.transform(np.ones((1, self.n_features_in_)))

    @property
    def _n_features_out(self) -> int:
        return int(self.coef_.shape[1])


def _relations(name: str, given: Any, dim: int) -> np.ndarray:
    """The relations as (k, dim, dim), all finite."""
    # One at a time: a list of tensors is not an array.
    parts: Sequence[Any] = list(given)
    if not parts:
        raise InputError(
            "FunctorMap.fit", f"no relation in {name}", "at least 1",
            "With objects alone take isthmus.bridges.Affine.",
        )  # fmt: skip
    stack = [
        to_numpy(matrix(f"{name}[{r}]", part, operation="FunctorMap.fit")).astype(np.float64)
        for r, part in enumerate(parts)
    ]
    for r, part in enumerate(stack):
        if part.shape != (dim, dim):
            raise InputError(
                "FunctorMap.fit", f"{name}[{r}] {part.shape}", f"({dim}, {dim}), as its objects"
            )
        if not part.any():
            raise InputError("FunctorMap.fit", f"{name}[{r}] all zero", "a relation")
    return np.stack(stack)


def _solve(
    a: np.ndarray, b: np.ndarray, ra: np.ndarray, rb: np.ndarray, weight: float
) -> np.ndarray:
    """M by least squares, without ever building the (dx dy)² system."""
    from scipy.sparse.linalg import LinearOperator, lsqr

    dx, dy = a.shape[1], b.shape[1]
    sa, sb = np.sqrt(np.mean(a**2)), np.sqrt(np.mean(b**2))
    # With objects and relations at unit size M is of unit size too, whatever the units were.
    pull = 1 / np.sqrt(len(a))
    a, b = a / sa, b / sb
    size = np.sqrt(np.linalg.norm(ra, axis=(1, 2)) * np.linalg.norm(rb, axis=(1, 2)))
    share = np.sqrt(weight / len(ra)) * (dx * dy) ** 0.25 / size
    ra, rb = ra * share[:, None, None], rb * share[:, None, None]
    rat, rbt = ra.transpose(0, 2, 1), rb.transpose(0, 2, 1)
    split = len(a) * dy

    def forward(m: np.ndarray) -> np.ndarray:
        m = m.reshape(dx, dy)
        return np.concatenate([(pull * (a @ m)).ravel(), (ra @ m - m @ rb).ravel()])

    def backward(rest: np.ndarray) -> np.ndarray:
        pairs, relations = rest[:split].reshape(-1, dy), rest[split:].reshape(-1, dx, dy)
        both = pull * (a.T @ pairs) + (rat @ relations - relations @ rbt).sum(axis=0)
        found: np.ndarray = both.ravel()
        return found

    shape = (split + len(ra) * dx * dy, dx * dy)
    system = LinearOperator(shape, matvec=forward, rmatvec=backward, dtype=np.float64)
    truth = np.concatenate([(pull * b).ravel(), np.zeros(shape[0] - split)])
    m = lsqr(system, truth, atol=1e-12, btol=1e-12, conlim=0, iter_lim=20 * dx * dy)[0]
    return np.asarray(m.reshape(dx, dy) * (sb / sa))
