"""Codebooks: the directions a space's rows take about its mean, as a few unit vectors.

A row's score is its largest cosine with any of them. Rows of the space score high whatever their
topic, because every topic has its directions; rows of another or a rotated space score what random
directions would. A codebook sees more than second moments do: mirroring the principal axes leaves
every covariance as it was and still breaks it.
"""

from typing import NamedTuple

import numpy as np
from scipy.fft import dct

#: Below this share of a space's scale a row has no direction of its own.
_NO_LENGTH = 1e-9


class Codebook(NamedTuple):
    """Unit ``directions`` (k, d) about ``mean`` (d,), and the mean ``reach`` (k,) along each."""

    mean: np.ndarray
    directions: np.ndarray
    reach: np.ndarray

    def score(self, x: np.ndarray) -> np.ndarray:
        """Largest cosine of each row of ``x`` (n, d), taken about the mean, with a direction (n,).

        NaN where a row has no direction: it is zero, or lies on the mean.
        """
        z, known = unit(x, self.mean)
        best = np.full(len(x), np.nan)
        if len(self.directions) and known.any():
            best[known] = (z @ self.directions.T).max(axis=1)
        return best

    def points(self) -> np.ndarray:
        """The centroids themselves (k, d), in the coordinates of the space."""
        return np.asarray(self.mean + self.reach[:, None] * self.directions)


def unit(x: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit directions of the rows of ``x`` (n, d) about ``mean``, and which rows have one (n,).

    Only rows that have a direction are returned, in their order.
    """
    size = np.abs(x).max(axis=1, initial=0.0)
    y = x - mean
    # Divided before squaring, so that norms of 1e200 do not overflow.
    largest = np.abs(y).max(axis=1, initial=0.0)
    scale = max(float(np.abs(mean).max(initial=0.0)), float(np.median(largest)) if len(x) else 0.0)
    known = (largest > _NO_LENGTH * scale) & (size > 0)
    z = y[known] / largest[known, None]
    return z / np.linalg.norm(z, axis=1, keepdims=True), known


def learn(x: np.ndarray, k: int, rng: np.random.Generator, *, rounds: int = 12) -> Codebook:
    """A codebook of at most ``k`` directions from rows ``x`` (n, d): spherical k-means.

    Source: Dhillon & Modha, Concept decompositions for large sparse text data, 2001, section 3.
    """
    mean = x.mean(axis=0)
    z, known = unit(x, mean)
    d = x.shape[1]
    if not len(z):
        return Codebook(mean, np.zeros((0, d)), np.zeros(0))
    # Single precision is plenty here: the result is rounded to it, and it halves the time.
    narrow = z.astype(np.float32)
    centres = narrow[rng.choice(len(z), size=min(k, len(z)), replace=False)]
    for _ in range(rounds):
        labels = (narrow @ centres.T).argmax(axis=1)
        sums = _sums(narrow, labels, len(centres))
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-30), centres)
    labels = (narrow @ centres.T).argmax(axis=1)
    along = np.einsum("nd,nd->n", x[known] - mean, centres[labels].astype(np.float64))
    counts = np.bincount(labels, minlength=len(centres))
    used = counts > 0
    reach = np.bincount(labels, weights=along, minlength=len(centres))[used] / counts[used]
    return Codebook(mean, centres[used].astype(np.float64), reach)


def distinct(score: np.ndarray) -> np.ndarray:
    """The finite scores, each once: repeated rows are no further evidence."""
    return np.unique(np.round(score[np.isfinite(score)], 9))


def rotated(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``x`` (n, d) under a random orthogonal map about the origin, in O(n d log d)."""
    for _ in range(3):
        signs = rng.choice([-1.0, 1.0], size=x.shape[1])
        order = rng.permutation(x.shape[1])
        x = dct((x * signs)[:, order], type=2, norm="ortho", axis=1)
    return x


def mirrored(
    x: np.ndarray, mean: np.ndarray, axes: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """``x`` (n, d) with random principal ``axes`` (d, r) reversed about ``mean``, the rest rotated.

    The covariance of the rows stays as it was along the axes.
    """
    along = (x - mean) @ axes
    rest = rotated(x - mean - along @ axes.T, rng)
    signs = rng.choice([-1.0, 1.0], size=axes.shape[1])
    return np.asarray(mean + (along * signs) @ axes.T + rest - (rest @ axes) @ axes.T)


def principal_axes(x: np.ndarray, mean: np.ndarray, r: int, rng: np.random.Generator) -> np.ndarray:
    """The leading ``r`` principal axes (d, r) of ``x`` (n, d) about ``mean``, by power steps.

    Source: Halko, Martinsson & Tropp, Finding structure with randomness, 2011, algorithm 4.4.
    """
    y = x - mean
    scale = float(np.abs(y).max(initial=0.0))
    y = y / scale if scale > 0 else y
    axes = rng.standard_normal((x.shape[1], min(r, *x.shape)))
    for _ in range(4):
        axes, _upper = np.linalg.qr(y.T @ (y @ axes))
    return axes


def _sums(z: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(k))
    sums = np.zeros((k, z.shape[1]), dtype=z.dtype)
    present = np.flatnonzero(np.diff(np.append(starts, len(labels))))
    if len(present):
        sums[present] = np.add.reduceat(z[order], starts[present], axis=0)
    return sums
