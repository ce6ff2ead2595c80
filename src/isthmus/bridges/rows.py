"""What a bridge is fitted on and applied to, checked: rows, and which of them are pairs."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from isthmus.core.arrays import Array, is_numpy, matrix, namespace, to_numpy
from isthmus.core.errors import InputError

#: Row numbers of the source and of the target that are pairs, or None: all, by position.
Pairing = Any

_CURE = "Give pairs=(i, j), or take a bridge that needs none: isthmus methods --room bridges."


def to_translate(estimator: BaseEstimator, x: Any, *, finite: bool = True) -> Array:
    """X (n, dx), to be translated by a fitted ``estimator``, as a matrix of its own kind.

    With ``finite=False`` the caller sees to rows that are not.
    """
    check_is_fitted(estimator)
    return _source(estimator, x, fitting=False, finite=finite)


def paired_rows(
    estimator: BaseEstimator, x: Any, y: Any, pairs: Pairing = None
) -> tuple[Array, Array]:
    """The pairs (n, dx) and (n, dy) to fit ``estimator`` on, for a method that learns from them.

    All rows by position, or those that ``pairs`` names. Arrays keep their kind.
    """
    x, y = _both(estimator, x, y)
    i, j = known_pairs(pairs, x.shape[0], y.shape[0], operation=_fit(estimator))
    if pairs is None:
        return x, y
    if len(i) == 0:
        raise InputError(
            _fit(estimator), "no known pair", "pairs: this bridge learns from them alone",
            _CURE,
        )  # fmt: skip
    return x[i, ...], y[j, ...]


def all_rows(
    estimator: BaseEstimator, x: Any, y: Any, pairs: Pairing = None, *, least: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Every row (n, dx), (m, dy) in float64, and the known pairs' numbers i, j (p,) in them.

    For a method that also learns from rows without a partner; it needs ``least`` pairs.
    """
    x, y = _both(estimator, x, y)
    i, j = known_pairs(pairs, x.shape[0], y.shape[0], operation=_fit(estimator))
    if len(i) < least:
        raise InputError(
            _fit(estimator), f"{len(i)} known pairs", f"at least {least}",
            _CURE,
        )  # fmt: skip
    return to_numpy(x).astype(np.float64), to_numpy(y).astype(np.float64), i, j


def known_pairs(pairs: Pairing, n: int, m: int, *, operation: str) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers i, j (p,) of the pairs among n source rows and m target rows.

    ``pairs`` is None (all rows, by position), ``()`` (none is known) or two sequences of integers.
    A pair given twice counts once. InputError when numbers are out of range or contradict each
    other: one row with two partners.
    """
    if pairs is None:
        if n != m:
            raise InputError(
                operation, f"X of {n} and Y of {m} rows", "equally many rows, paired",
                "Say which rows are pairs: pairs=(i, j), or pairs=() when none is known.",
            )  # fmt: skip
        return np.arange(n), np.arange(n)
    try:
        parts = [np.asarray(side) for side in pairs]
    except TypeError:
        parts = [np.empty(0)] * 3
    if not parts:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    sound = len(parts) == 2 and all(p.ndim == 1 for p in parts) and len(parts[0]) == len(parts[1])
    if sound and not len(parts[0]):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    if not sound or any(p.dtype.kind not in "iu" for p in parts):
        raise InputError(
            operation,
            f"pairs {str(pairs)[:60]}",
            "two equally long sequences of row numbers (i, j)",
        )
    i, j = (p.astype(np.int64) for p in parts)
    for rows, count, side in ((i, n, "source"), (j, m, "target")):
        if rows.min() < 0 or rows.max() >= count:
            raise InputError(
                operation, f"pairs with {side} rows {rows.min()}..{rows.max()}",
                f"row numbers 0..{count - 1}",
            )  # fmt: skip
    i, j = np.unique(np.stack([i, j]), axis=1)
    for rows, side in ((i, "source"), (j, "target")):
        values, counts = np.unique(rows, return_counts=True)
        if counts.max() > 1:
            raise InputError(
                operation,
                f"contradictory pairs: several partners of {side} rows "
                f"{values[counts > 1][:5].tolist()}",
                "one partner a row", "Keep one of them.",
            )  # fmt: skip
    return i, j


def _both(estimator: BaseEstimator, x: Any, y: Any) -> tuple[Array, Array]:
    operation = _fit(estimator)
    if y is None:
        raise InputError(
            operation,
            "y=None",
            "the target's rows: it requires y to be passed, but the target y is None",
        )
    x = _source(estimator, x, fitting=True)
    if not _foreign(y):
        y = np.asarray(y)
        if y.dtype == object:
            try:
                y = y.astype(np.float64)
            except (TypeError, ValueError) as error:
                raise InputError(
                    operation, "Y of dtype object (Unknown label type)", "numbers"
                ) from error
        y = y[:, None] if y.ndim == 1 else y
    y = matrix("Y", y, operation=operation)
    namespace(x, y)
    return x, y


def _source(estimator: BaseEstimator, x: Any, *, fitting: bool, finite: bool = True) -> Array:
    """X as a checked floating matrix of its own kind.

    scikit-learn judges what is NumPy-like (lists, frames, sparse input, feature names); other array
    kinds are only compared with what was fitted.
    """
    operation = f"{type(estimator).__name__}.{'fit' if fitting else 'transform'}"
    if _foreign(x):
        x = matrix("x", x, operation=operation, finite=finite)
        if fitting:
            estimator.n_features_in_ = x.shape[1]
        elif x.shape[1] != estimator.n_features_in_:
            raise InputError(
                operation, f"x {tuple(x.shape)}", f"{estimator.n_features_in_} columns as fitted"
            )
        return x
    try:
        x = validate_data(
            estimator, x, reset=fitting, dtype="numeric", ensure_all_finite=False,
            ensure_min_samples=2 if fitting else 1,
        )  # fmt: skip
    except ValueError as error:
        raise InputError(operation, str(error), "a numeric (rows, dim) matrix") from error
    return matrix("X", x, operation=operation, finite=finite)


def _fit(estimator: BaseEstimator) -> str:
    return f"{type(estimator).__name__}.fit"


def _foreign(array: Any) -> bool:
    """An array of a kind scikit-learn does not know."""
    return hasattr(array, "shape") and not is_numpy(array) and _has_namespace(array)


def _has_namespace(array: Any) -> bool:
    return hasattr(array, "__array_namespace__") or type(array).__module__.startswith("torch")
