"""Layers: stacks of hidden states, checked, and what is read off every layer alike.

Shared by the measures of a stack of layers; holds no method of its own.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from isthmus.core.arrays import check_finite, is_numpy, to_numpy
from isthmus.core.errors import InputError
from isthmus.core.neighbors import neighbors

#: Least number of tokens or rows whose dimension is read.
LEAST = 12


def stack(hidden: Any, *, operation: str, axes: int, name: str = "hidden") -> list[np.ndarray]:
    """One float64 array of ``axes`` axes per layer, of equal shapes but for their last axis.

    ``hidden`` is one array with the layers first, or a sequence of one array per layer. Raises
    InputError on fewer than one layer, other axes, unequal shapes, NaN or infinity.
    """
    layers = _hosted(hidden, operation=operation, name=name)
    shapes = [layer.shape for layer in layers]
    wanted = ("rows", "sequences, tokens")[axes - 2]
    if not layers or any(len(s) != axes or 0 in s or s[:-1] != shapes[0][:-1] for s in shapes):
        raise InputError(
            operation,
            f"{name} with layers of shapes {sorted(set(shapes))}",
            f"at least one layer, each ({wanted}, d), alike but for d",
            "Stack one array of the same rows a layer.",
        )
    for number, layer in enumerate(layers):
        flat = layer.reshape(-1, layer.shape[-1])
        check_finite(f"layer {number} of {name}", flat, operation=operation)
    return layers


def rows_of(layers: Any, *, operation: str) -> list[np.ndarray]:
    """A stack of (rows, d) layers from one of (rows, d) or (sequences, tokens, d) layers."""
    hosted = _hosted(layers, operation=operation, name="hidden")
    axes = 3 if hosted and hosted[0].ndim == 3 else 2
    found = stack(hosted, operation=operation, axes=axes)
    return [layer.reshape(-1, layer.shape[-1]) for layer in found]


def nearest(rows: np.ndarray, k: int, *, what: str, operation: str) -> tuple[np.ndarray, float]:
    r"""The k nearest other rows of each, (n, k), and the TwoNN dimension of the rows.

    The dimension is that of ``two_nn``: the tenth of the largest ratios r₂ / r₁ censored, and of
    equal rows one kept.
    """
    indices, distances = neighbors(rows, rows, max(k, 2), exclude_self=True)
    if not distances[:, 0].all():
        rows = np.unique(rows, axis=0)
        if len(rows) < LEAST:
            raise InputError(
                operation,
                f"{len(rows)} distinct rows in {what}",
                f"at least {LEAST}",
                "Bring more rows that differ.",
            )
        distances = neighbors(rows, rows, 2, exclude_self=True)[1]
    logs = np.sort(np.log(distances[:, 1] / distances[:, 0]))
    kept = len(logs) - len(logs) // 10
    exposure = float(logs[:kept].sum() + (len(logs) - kept) * logs[kept - 1])
    if not exposure > 0:
        raise InputError(
            operation,
            f"rows on a regular grid in {what}: {rows.shape}",
            "ratios > 1",
            "Bring rows at varied distances.",
        )
    return indices[:, :k], (kept - 1) / exposure


def unit_rows(x: np.ndarray) -> np.ndarray:
    """Vectors along the last axis at length one, whatever their size; zero vectors stay zero."""
    peak = np.abs(x).max(axis=-1, keepdims=True)
    x = x / np.where(peak > 0, peak, 1.0)
    length = np.linalg.norm(x, axis=-1, keepdims=True)
    return np.asarray(x / np.where(length > 0, length, 1.0))


def entropy(values: np.ndarray) -> np.ndarray:
    """Shannon entropy in nats along the last axis of ``values`` >= 0, first made to sum 1.

    Of nothing but zeros it is 0.
    """
    values = np.maximum(values, 0.0)
    total = values.sum(axis=-1, keepdims=True)
    shares = values / np.where(total > 0, total, 1.0)
    return np.asarray(-np.sum(shares * np.log(np.where(shares > 0, shares, 1.0)), axis=-1))


def _hosted(hidden: Any, *, operation: str, name: str) -> list[np.ndarray]:
    """Each layer as float64, of whatever axes; raises InputError on what is no stack of numbers."""
    if not isinstance(hidden, Sequence) and not (_is_array(hidden) and hidden.ndim):
        raise InputError(
            operation,
            f"{name} of {type(hidden).__name__}",
            "a stack of layers",
            "Pass one array a layer, in a list.",
        )
    layers = []
    for i, one in enumerate(hidden):
        try:
            if np.ma.isMaskedArray(one):
                raise TypeError("a masked array")
            if str(getattr(one, "dtype", "")) == "torch.bfloat16":  # which NumPy does not know
                one = one.float()
            layer = np.asarray(to_numpy(one) if _is_array(one) else one)
            if layer.dtype.kind in "cSUmM":  # a cast would drop half of a complex number
                raise TypeError(f"entries of {layer.dtype}")
            layers.append(layer.astype(np.float64, copy=False))
        except (TypeError, ValueError) as error:
            wrong = f"layer {i} of {name}: {str(error).rstrip('.')}"
            raise InputError(
                operation,
                wrong,
                "real numbers, as many in every row",
                "Pad, fill or convert them first.",
            ) from None
    return layers


def _is_array(value: Any) -> bool:
    return is_numpy(value) or hasattr(value, "__array_namespace__") or hasattr(value, "detach")
