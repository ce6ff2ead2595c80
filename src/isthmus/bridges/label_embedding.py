"""Label embedding: carry item vectors to class vectors so that the right class ranks first."""

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.all_or_nothing import all_or_nothing
from isthmus.bridges.rows import to_translate
from isthmus.bridges.stored import Stored
from isthmus.core.arrays import Array, like, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.neighbors import directions, unit
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="label_embedding",
    summary="Bilinear ranking of classes by their vectors; predicts classes without examples.",
    paper=Paper("Label-Embedding for Image Classification", "Akata et al.", 2016),
    spaces=0,  # items, their labels, and one vector a class
    cost="k n d m",  # m: dims of a class vector and number of classes, k: epochs
    memory="n d",
)

#: Rows per step: the mean over a few dozen is steady enough for a step of unit size.
_BATCH = 64


@register(CARD)
class LabelEmbedding(Stored, TransformerMixin, BaseEstimator):
    r"""The map x ↦ x W + b under which F(x, c) = (x W + b) · φ(c)/|φ(c)| ranks x's class first.

    Every class c has a vector φ(c): its attributes, its place in a hierarchy, its name's embedding.
    For each example the classes that come within a margin of the true one are counted, r of them,
    and the weighted approximate ranking loss

    .. math:: \frac{\ell_r}{r} \sum_{c \ne y} \bigl[1 + F(x, c) - F(x, y)\bigr]_+
              + \frac{\lambda}{2} |W|^2, \quad \ell_r = \sum_{i=1}^r \frac1i

    is lowered by stochastic subgradient steps, the weights averaged over the second half of them.
    Items are centred and brought to unit mean square length first, which is folded into W and b.
    Only classes with an example take part in training; the others are predicted from their vectors.

    Parameters
    ----------
    epochs : passes over the examples
    rate : length of a step, divided by √(1 + epoch)
    penalty : λ
    rng : seed or Generator of the order of examples

    Attributes
    ----------
    coef_ : (dx, e) float64;  intercept_ : (e,) float64
    class_vectors_ : (C, e) float64, unit rows

    Raises
    ------
    InputError
        On labels that are no row numbers of the class vectors, fewer than two classes with
        examples, class vectors that are zero, or values that are not finite.

    References
    ----------
    Akata et al. 2016; Usunier et al. 2009 and Weston et al. 2010 for the ranking loss.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> animals = np.array([[1.0, 1, -1], [1, -1, 1], [-1, 1, 1], [-1, -1, -1]])
    >>> y = rng.integers(3, size=90)  # no example of the last class
    >>> x = animals[y] @ rng.normal(size=(3, 8)) + 0.1 * rng.normal(size=(90, 8))
    >>> fitted = LabelEmbedding().fit(x, y, animals)
    >>> bool((fitted.predict(x) == y).mean() > 0.95)
    True
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        "coef_": ("dx", "dy"), "intercept_": ("dy",), "class_vectors_": ("c", "dy"),
    }  # fmt: skip

    coef_: np.ndarray
    intercept_: np.ndarray
    class_vectors_: np.ndarray
    n_features_in_: int

    def __init__(
        self, *, epochs: int = 30, rate: float = 4.0, penalty: float = 1e-3, rng: Seed = 0
    ) -> None:
        self.epochs = epochs
        self.rate = rate
        self.penalty = penalty
        self.rng = rng

    @all_or_nothing
    def fit(self, X: Array, y: Any, class_vecs: Array) -> Self:
        """Fit on items X (n, dx) and labels y (n,), row numbers of the class vectors (C, e)."""
        x = to_numpy(matrix("X", X, operation="LabelEmbedding.fit")).astype(np.float64)
        phi = unit(to_numpy(matrix("class_vecs", class_vecs, operation="LabelEmbedding.fit")))
        labels = _checked(y, len(x), phi)
        seen, numbers = np.unique(labels, return_inverse=True)
        if len(seen) < 2:
            raise InputError(
                "LabelEmbedding.fit", f"{len(seen)} class with examples", "at least 2 to rank"
            )
        self.n_features_in_ = x.shape[1]
        mean = x.mean(axis=0)
        length = float(np.sqrt(np.mean(np.sum((x - mean) ** 2, axis=1)))) or 1.0
        # The constant column learns the intercept at the rate of everything else.
        scaled = np.column_stack([(x - mean) / length, np.ones(len(x))])
        w = self._descend(scaled, numbers, phi[seen], generator(self.rng))
        self.coef_ = w[:-1] / length
        self.intercept_ = w[-1] - mean @ self.coef_
        self.class_vectors_ = phi
        return self

    def transform(self, X: Array) -> Array:
        """Carry items X (n, dx) into the space of class vectors, (n, e), of X's own kind."""
        x = to_translate(self, X)
        return x @ like(self.coef_, x) + like(self.intercept_, x)

    def decision_function(self, X: Array, class_vecs: Array | None = None) -> Array:
        """F(x, c) of items X (n, dx) with every class, (n, C); the fitted ones unless others come.

        InputError when ``class_vecs`` (C, e) has another dim than those fitted.
        """
        moved = self.transform(X)
        if class_vecs is None:
            return moved @ like(self.class_vectors_, moved).T
        given = matrix("class_vecs", class_vecs, operation="LabelEmbedding")
        if given.shape[1] != self.class_vectors_.shape[1]:
            raise InputError(
                "LabelEmbedding", f"class_vecs {tuple(given.shape)}",
                f"{self.class_vectors_.shape[1]} columns as fitted",
            )  # fmt: skip
        return moved @ like(to_numpy(directions(given)), moved).T

    def predict(self, X: Array, class_vecs: Array | None = None) -> np.ndarray:
        """Row number of the best class for each item, (n,) int64; any class may be new."""
        found: np.ndarray = to_numpy(self.decision_function(X, class_vecs)).argmax(axis=1)
        return found

    def score(self, X: Array, y: Any) -> float:
        """Share of items whose class comes first among all fitted class vectors."""
        return float(np.mean(self.predict(X) == np.asarray(y)))

    def _try(self) -> None:
        self.n_features_in_ = len(self.coef_)
        self.transform(np.ones((1, self.n_features_in_)))

    def _descend(
        self, x: np.ndarray, y: np.ndarray, phi: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        w = np.zeros((x.shape[1], phi.shape[1]))
        average, steps = np.zeros_like(w), 0
        for epoch in range(self.epochs):
            order = rng.permutation(len(x))
            rate = self.rate / np.sqrt(1 + epoch)
            for start in range(0, len(x), _BATCH):
                rows = order[start : start + _BATCH]
                pull = ranking_gradient(x[rows] @ w @ phi.T, y[rows])
                w -= rate * (x[rows].T @ (pull @ phi) / len(rows) + self.penalty * w)
                if epoch >= self.epochs // 2:
                    average += w
                    steps += 1
        return average / max(steps, 1)

    @property
    def _n_features_out(self) -> int:
        return int(self.coef_.shape[1])


def ranking_gradient(scores: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Subgradient (n, C) of each row's ranking loss by its scores (n, C), the true class y (n,).

    >>> ranking_gradient(np.array([[0.0, 0.5, -2.0]]), np.array([0]))
    array([[-1.,  1.,  0.]])
    """
    rows = np.arange(len(y))
    close = 1 + scores - scores[rows, y][:, None] > 0
    close[rows, y] = False
    count = close.sum(axis=1)
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, scores.shape[1] + 1))])
    pull = close * (harmonic[count] / np.maximum(count, 1))[:, None]
    pull[rows, y] = -pull.sum(axis=1)
    return np.asarray(pull)


def _checked(y: Any, n: int, phi: np.ndarray) -> np.ndarray:
    labels = to_numpy(y) if hasattr(y, "shape") else np.asarray(y)
    sound = labels.shape == (n,) and labels.dtype.kind in "iu"
    if not sound or labels.min() < 0 or labels.max() >= len(phi):
        raise InputError(
            "LabelEmbedding.fit", f"labels of shape {labels.shape} and dtype {labels.dtype}",
            f"{n} row numbers 0..{len(phi) - 1} of the class vectors",
        )  # fmt: skip
    empty = np.flatnonzero(~phi.any(axis=1))
    if len(empty):
        raise InputError(
            "LabelEmbedding.fit", f"zero class vectors {empty[:5].tolist()}",
            "a direction for every class", "Code absent attributes as -1 or centre them.",
        )  # fmt: skip
    return labels.astype(np.int64)
