"""From pairs, some of them perhaps wrong, to a map whose cosines find partners."""

from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar, Self

import numpy as np

from isthmus.bridges.rows import to_translate
from isthmus.bridges.self_training import unit_rows
from isthmus.core.arrays import Array, like, namespace
from isthmus.core.linalg import procrustes, symmetric_eigen
from isthmus.core.neighbors import directions, partner_ranks

#: Ridge on a kernel whose diagonal is e - 1.
PENALTIES = (0.1, 1.0)
#: Shares of the mean eigenvalue under the target's whitening; None leaves predictions as they are.
_SHARPER = (None, 3.0, 1.0, 0.3)
#: Pairs that are fitted, and judged, when the form is chosen.
_FITTED, _JUDGED = 1000, 300


@dataclass(frozen=True, slots=True)
class Decoder:
    r"""x ↦ (x - mean) W + (exp cos(x - mean, c) - 1) B + b; all float64."""

    mean: np.ndarray
    coef: np.ndarray
    centres: np.ndarray
    weights: np.ndarray
    offset: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Translations (n, dy) of x (n, dx)."""
        moved = x - self.mean
        near = kernel(unit_rows(moved), self.centres.astype(np.float32))
        result: np.ndarray = moved @ self.coef + near @ self.weights + self.offset
        return result


class KernelMap:
    """Mixin, beside ``Map``, of an estimator whose fitted state is a ``Decoder``."""

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        "mean_": ("dx",), "linear_": ("dx", "dy"), "centres_": ("m", "dx"),
        "weights_": ("m", "dy"), "offset_": ("dy",), "matched_": (),
    }  # fmt: skip

    mean_: np.ndarray
    linear_: np.ndarray
    centres_: np.ndarray
    weights_: np.ndarray
    offset_: np.ndarray
    matched_: int
    n_features_in_: int

    def transform(self, X: Array) -> Array:
        """Translate X (n, dx) into the target space, (n, dy), of X's own kind and precision."""
        x = to_translate(self, X)  # type: ignore[arg-type]
        xp: Any = namespace(x)
        moved = x - like(self.mean_, x)
        near = xp.exp(directions(moved) @ like(self.centres_, x).T) - 1
        linear = moved @ like(self.linear_, x) + like(self.offset_, x)
        return linear + near @ like(self.weights_, x)

    def _keep(self, made: Decoder) -> Self:
        self.mean_, self.linear_, self.offset_ = made.mean, made.coef, made.offset
        self.centres_, self.weights_ = made.centres, made.weights
        return self

    @property
    def _n_features_out(self) -> int:
        return int(self.weights_.shape[1])


def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Exp cos - 1 of unit rows (n, d), (m, d), (n, m): all powers of the cosine, by 1/p!."""
    out = a @ b.T
    np.exp(out, out=out)
    out -= 1
    return out


def decode(
    x: np.ndarray,
    y: np.ndarray,
    i: np.ndarray,
    j: np.ndarray,
    *,
    sure: int,
    most: int,
    rng: np.random.Generator,
) -> Decoder:
    """Kernel ridge regression from rows i of x to rows j of y, in the form that retrieves best.

    The form is with or without a Procrustes map beneath, with or without the target's mean, more or
    less sharpened by the target's covariance: what ranks held-out ones of these pairs best.

    Parameters
    ----------
    x, y : (n, dx), (m, dy) float64, all rows
    i, j : (p,) numbers of the pairs, the first ``sure`` of them known
    most : centres kept, the known pairs first
    """
    if len(i) > most:
        rest = rng.choice(np.arange(min(sure, most), len(i)), most - min(sure, most), replace=False)
        kept = np.r_[np.arange(min(sure, most)), np.sort(rest)]
        i, j = i[kept], j[kept]
    sharper = _sharpeners(y)
    forms = list(product(PENALTIES, (False, True), (0.0, 1.0), range(len(_SHARPER))))
    best = forms[0]
    if len(i) >= 10:
        order = rng.permutation(len(i))
        judged = order[: min(_JUDGED, len(i) // 4)]
        fitted = order[len(judged) :][:_FITTED]
        solved = {key: _solve(x, y, i[fitted], j[fitted], *key) for key in _keys()}
        pool = np.unique(np.concatenate([j[judged], j[fitted]]))
        own = np.searchsorted(pool, j[judged])
        scores = [
            float(np.mean(1 / partner_ranks(
                _formed(solved[form[:2]], sharper, *form[2:])(x[i[judged]]), y[pool], own=own)))
            for form in forms
        ]  # fmt: skip
        best = forms[int(np.argmax(np.round(scores, 9)))]
    return _formed(_solve(x, y, i, j, *best[:2]), sharper, *best[2:])


def _keys() -> list[tuple[float, bool]]:
    return list(product(PENALTIES, (False, True)))


def _solve(
    x: np.ndarray, y: np.ndarray, i: np.ndarray, j: np.ndarray, penalty: float, beneath: bool
) -> Decoder:
    mean, offset = x.mean(axis=0), y.mean(axis=0)
    source, target = x[i] - mean, y[j] - offset
    coef = np.zeros((x.shape[1], y.shape[1]))
    if beneath:
        turn, singular = procrustes(source.T @ target)
        coef = turn * (singular.sum() / (float(np.sum(source**2)) or 1.0))
    length = np.linalg.norm(source, axis=1, keepdims=True)
    centres = np.divide(source, length, out=np.zeros_like(source), where=length > 0)
    # Thousands of pairs are solved in float32, which the penalty keeps well conditioned.
    small = len(i) <= 2000
    gram = kernel(*(centres.astype(np.float64 if small else np.float32),) * 2)
    gram[np.diag_indices(len(i))] += penalty
    rest = (target - source @ coef).astype(gram.dtype)
    weights = np.linalg.solve(gram, rest).astype(np.float64)
    return Decoder(mean, coef, centres, weights, offset)


def _sharpeners(y: np.ndarray) -> list[np.ndarray | None]:
    centred = y - y.mean(axis=0)
    values, vectors = symmetric_eigen(centred.T @ centred / len(y))
    if not values[0] > 0:
        return [None] * len(_SHARPER)
    unit = values.mean()
    return [
        None if s is None else (vectors * (s + 1) * unit / (values + s * unit)) @ vectors.T
        for s in _SHARPER
    ]


def _formed(
    plain: Decoder, sharpeners: list[np.ndarray | None], share: float, which: int
) -> Decoder:
    sharp = sharpeners[which]
    coef, weights = plain.coef, plain.weights
    if sharp is not None:
        coef, weights = coef @ sharp, weights @ sharp
    return Decoder(plain.mean, coef, plain.centres, weights, share * plain.offset)
