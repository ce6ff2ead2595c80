"""Similarities that are one matrix product, finished in place while they are in cache; NumPy."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from isthmus.core.arrays import check_finite, row_blocks
from isthmus.core.errors import InputError
from isthmus.core.neighbors import directions

#: Rows of one product, few products being faster than many, and of what is done before and after.
_BLOCK, _STRIP = 10_000, 128
#: Pairs that are looked at one by one at once.
_PAIRS = 4096


def by_product(
    x: np.ndarray, a: np.ndarray, similarity: str, width: float, operation: str
) -> np.ndarray:
    """Codes (n, m) of rows x (n, d) by anchors a (m, d); raises InputError on rows not finite."""
    angles = similarity in ("cosine", "angular")
    finish = BY_PRODUCT[similarity]
    middle = a.mean(axis=0)
    close = a - middle
    columns = directions(a).T if angles else _columns(close, similarity, width)
    farthest = 0.0 if angles else float(_squares(close).max())
    out = np.empty((len(x), len(a)), x.dtype)
    raised = np.empty((0 if angles else min(len(x), _BLOCK), len(columns)), x.dtype)
    for rows in row_blocks(len(x), _BLOCK):
        given, found = x[rows], out[rows]
        strips = list(row_blocks(len(given), _STRIP))
        if angles:
            squares = np.concatenate([_squares(given[strip]) for strip in strips])
        else:
            given, near = raised[: len(given)], given
            for strip in strips:
                _raise(near[strip], middle, given[strip])
            squares = given[:, -2]
        if not np.isfinite(squares).all():
            check_finite("x", x, operation=operation)
        if not angles:
            scale = 0.5 / width**2 if similarity == "kernel" else 1.0
            check_squares(scale, float(squares.max()), farthest, x.dtype, operation=operation)
        with np.errstate(over="ignore", invalid="ignore"):
            np.matmul(given, columns, out=found)
        if angles:
            _divide_by_lengths(found, squares, given, columns, strips)
        for strip in strips:
            if similarity == "euclidean":
                _measure_again(found[strip], squares[strip], given[strip, :-2], close)
            finish(found[strip])
    return out


def check_squares(scale: float, x: float, a: float, dtype: Any, *, operation: str) -> None:
    """Raise InputError where ``scale`` times |x - a|², of squares up to x and a, may overflow."""
    limit = float(np.finfo(dtype).max) / 4
    if not max(1.0, scale) * (x + a) < limit:
        raise InputError(
            operation, f"rows or anchors so far apart that squares leave {dtype}",
            f"distances below about {math.sqrt(limit / max(1.0, scale)):.1g}",
            "Divide both sides by one number first, or ask for cosine.",
        )  # fmt: skip


def _columns(near: np.ndarray, similarity: str, width: float) -> np.ndarray:
    """[-2 a, 1, |a|²]ᵀ of anchors about their mean: times [x, |x|², 1] it gives |x - a|²."""
    columns = np.c_[-2 * near, np.ones(len(near)), _squares(near)].T
    if similarity == "kernel":
        columns = columns * (-0.5 / width**2)
    return np.asarray(columns, near.dtype)


def _raise(x: np.ndarray, middle: np.ndarray, out: np.ndarray) -> None:
    """Rows [x, |x|², 1] about ``middle`` into ``out``."""
    near = out[:, :-2]
    np.subtract(x, middle, out=near)
    out[:, -2] = _squares(near)
    out[:, -1] = 1


def _squares(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        squares: np.ndarray = np.einsum("ij,ij->i", x, x)
    return squares


def _measure_again(found: np.ndarray, squares: np.ndarray, x: np.ndarray, a: np.ndarray) -> None:
    """Squared distances of which the product leaves less than half the digits, by differences.

    Their root would be rounding, another one in another batch: of a row that is an anchor, 1e-8.
    """
    lost = 2 * np.sqrt(np.finfo(found.dtype).eps) * squares
    some = np.flatnonzero(found.min(axis=1) < lost)  # few rows: the least of each is soon found
    rows, anchors = np.nonzero(found[some] < lost[some, None])
    for part in row_blocks(len(rows), _PAIRS):
        i, j = some[rows[part]], anchors[part]
        found[i, j] = _squares(x[i] - a[j])


def _divide_by_lengths(
    found: np.ndarray, squares: np.ndarray, x: np.ndarray, columns: np.ndarray, strips: list[slice]
) -> None:
    """Products of rows x into cosines; norms whose squares leave the format go the long way."""
    limits = np.finfo(x.dtype)
    odd = np.flatnonzero(~np.isfinite(squares) | (squares <= limits.smallest_normal / limits.eps))
    factors = squares.copy()
    factors[odd] = 1
    factors = 1 / np.sqrt(factors)
    for strip in strips:
        found[strip] *= factors[strip, None]
    if len(odd):
        found[odd] = directions(x[odd]) @ columns


def _finish_angular(found: np.ndarray) -> None:
    # 1 - 2 arccos(c) / π, without its loss of digits near a right angle.
    np.clip(found, -1, 1, out=found)
    np.arcsin(found, out=found)
    found *= 2 / np.pi


def _finish_euclidean(found: np.ndarray) -> None:
    np.sqrt(found, out=found)  # none is below 0: those were measured again
    np.negative(found, out=found)


def _finish_kernel(found: np.ndarray) -> None:
    np.minimum(found, 0, out=found)
    np.exp(found, out=found)


#: What is left to do after the product.
BY_PRODUCT: dict[str, Callable[[np.ndarray], None]] = {
    "cosine": lambda found: None,
    "angular": _finish_angular,
    "euclidean": _finish_euclidean,
    "kernel": _finish_kernel,
}
