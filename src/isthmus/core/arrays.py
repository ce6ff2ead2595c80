"""Arrays: the one place that knows about namespaces.

Public numeric functions take any array-API array (NumPy, PyTorch, CuPy, JAX, ...) and give the same
kind back on the same device. ``matrix`` turns what came into a checked floating 2-D array of its
own kind; ``namespace`` gives the functions to work on it with.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_numpy_array, is_torch_array

from isthmus.core.errors import InputError

Array = Any


def namespace(*arrays: Array) -> Any:
    """The array-API namespace all ``arrays`` share; raises InputError when they differ in kind."""
    try:
        return array_namespace(*arrays)
    except TypeError as error:
        kinds = sorted({type(a).__module__.partition(".")[0] for a in arrays})
        raise InputError(
            "arrays", f"kinds {kinds}", "array-API arrays of one kind", "Convert one side first."
        ) from error


def is_numpy(array: Array) -> bool:
    """Whether ``array`` is a NumPy array."""
    return bool(is_numpy_array(array))


def to_numpy(array: Array) -> np.ndarray:
    """A NumPy copy or view of ``array``, fetched to the host when it lives elsewhere.

    Raises InputError on a masked array.
    """
    if is_numpy_array(array):
        refuse_mask("values", array, operation="read an array")
        return array  # type: ignore[no-any-return]
    if is_torch_array(array):
        return array.detach().cpu().numpy()  # type: ignore[no-any-return]
    return np.asarray(array)


def refuse_mask(name: str, array: Any, *, operation: str) -> None:
    """Raise InputError on a masked array, whose numbers under the mask would count like others."""
    if isinstance(array, np.ma.MaskedArray):
        raise InputError(
            operation, f"{name} as a masked array", "a plain array", "Fill or drop the masked rows."
        )


def widened(rows: np.ndarray) -> np.ndarray:
    """``rows`` in float32 where they are stored in float16, which sums and steps outgrow."""
    return rows.astype(np.float32) if rows.dtype == np.float16 else rows


def like(values: Any, reference: Array) -> Array:
    """``values`` (NumPy) as an array of the kind, device and floating dtype of ``reference``."""
    if is_numpy_array(reference):
        return np.asarray(values, dtype=reference.dtype)
    xp = array_namespace(reference)
    return xp.asarray(values, dtype=reference.dtype, device=device(reference))


def row_blocks(rows: int, size: int) -> Iterator[slice]:
    """Slices that cover 0..rows in steps of ``size``; none reaches beyond the end."""
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def take(x: Array, rows: np.ndarray) -> Array:
    """The rows of x (n, d) by number, of its own kind."""
    xp = namespace(x)
    return xp.take(x, xp.asarray(rows, device=getattr(x, "device", None)), axis=0)


def matrix(name: str, array: Any, *, operation: str, finite: bool = True) -> Array:
    """``array`` as a floating (n, d) array of its own kind, ready to compute with.

    Lists become NumPy; integers become float64; float16 becomes float32 (half precision has no
    linear algebra); big-endian becomes native. float32 and float64 stay as they are. Raises
    InputError on any other dtype, on ragged, masked or sparse arrays, on wrong shapes, and on NaN
    or infinity (counting the rows).
    """
    if not hasattr(array, "__array_namespace__") and not is_torch_array(array):
        try:
            array, given = np.asarray(array), type(array).__name__
        except (TypeError, ValueError) as error:
            raise InputError(
                operation,
                f"{name} that makes no array ({error})",
                "rows of numbers, all equally long",
                "Pad or drop the rows of other length.",
            ) from error
        if array.ndim == 0:
            raise InputError(
                operation, f"{name} of type {given}", "rows of numbers", "Pass the rows themselves."
            )
    refuse_mask(name, array, operation=operation)
    if isinstance(array, np.matrix):
        array = np.asarray(array)  # whose * is a product of entries
    if is_numpy_array(array):
        array = _native(name, array, operation)
    else:
        array = _floating(name, array, operation)
    if len(array.shape) != 2 or 0 in array.shape:
        raise InputError(
            operation, f"{name} of shape {tuple(array.shape)}", "a non-empty (rows, dim) matrix",
            "Give one row of numbers an item.",
        )  # fmt: skip
    if finite:
        check_finite(name, array, operation=operation)
    return array


def one_precision(x: Array, y: Array) -> tuple[Array, Array]:
    """Both matrices, of one kind, in the wider of their dtypes where the kind needs it.

    NumPy widens within each product, which spares the copy; torch refuses such a product.
    """
    xp = namespace(x, y)
    if x.dtype == y.dtype or is_numpy_array(x):
        return x, y
    return xp.astype(x, xp.float64), xp.astype(y, xp.float64)


def check_finite(name: str, array: Array, *, operation: str) -> None:
    """Raise InputError naming the rows when ``array`` (n, d) holds NaN or infinity."""
    xp = array_namespace(array)
    # A finite total proves every entry finite in one cheap pass; only a non-finite one (which an
    # overflow of large finite entries can cause too) pays for the exact row-wise look.
    with np.errstate(over="ignore", invalid="ignore"):
        if is_numpy_array(array) and array.flags.c_contiguous:
            # As a product it runs at the speed of memory, on every core.
            total = float(np.sum(np.ones(len(array), array.dtype) @ array))
        else:
            total = float(to_numpy(xp.sum(array)))
    if np.isfinite(total):
        return
    bad = ~to_numpy(xp.all(xp.isfinite(array), axis=1))
    if bad.any():
        rows = np.flatnonzero(bad)
        raise InputError(
            operation,
            f"{name} with NaN or infinity in {len(rows)} of {len(bad)} rows "
            f"(first rows: {', '.join(map(str, rows[:5]))})",
            "finite numbers",
            "Drop or repair these rows first (--drop-invalid on the command line).",
        )


def paired(
    x: Any, y: Any, *, operation: str, min_rows: int = 2, same_width: bool = False
) -> tuple[Array, Array]:
    """Two checked matrices of one kind with equally many rows, at least ``min_rows``.

    With ``same_width`` they also have equally many columns. ``x`` may be a ``Pairs``, which brings
    both sides itself; ``y`` is None then.
    """
    if y is None:
        if not (hasattr(x, "x") and hasattr(x, "y")):
            raise InputError(
                operation,
                "one matrix",
                "two paired matrices, or a Pairs",
                "Pass the other side too.",
            )
        x, y = x.x, x.y
    x = matrix("x", x, operation=operation)
    y = matrix("y", y, operation=operation)
    x, y = one_precision(x, y)
    if x.shape[0] != y.shape[0]:
        raise InputError(
            operation,
            f"x {tuple(x.shape)} and y {tuple(y.shape)}",
            "equally many rows, paired by position",
            "Join them on their ids first: isthmus.pair(a, b).",
        )
    if same_width and x.shape[1] != y.shape[1]:
        raise InputError(
            operation,
            f"x {tuple(x.shape)} and y {tuple(y.shape)}",
            "both in one space, of equal width",
            "Translate one side with a bridge first.",
        )
    check_rows(min_rows, operation=operation, x=x.shape, y=y.shape)
    return x, y


def check_rows(least: int, *, operation: str, **shapes: Sequence[int]) -> None:
    """Raise InputError when sides of these shapes (n, d), n alike, have fewer than ``least`` rows.

    >>> check_rows(2, operation="demo", x=(2, 5))
    """
    rows = next(iter(shapes.values()))[0]
    if rows < least:
        sides = ", ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items())
        raise InputError(
            operation, f"{rows} rows: {sides}", f"at least {least} rows",
            "Bring more rows: so few cannot be measured.",
        )  # fmt: skip


def all_equal(name: str, shape: Sequence[int], *, operation: str) -> InputError:
    """The error on rows, of a side of this shape (n, d), that are one point without a geometry."""
    return InputError(
        operation,
        f"{name} whose {shape[0]} rows are all equal, of shape {tuple(shape)}",
        "rows that vary",
        "Look at how these vectors were made: the encoder may have collapsed.",
    )


def _floating(name: str, array: Array, operation: str) -> Array:
    """``array``, of another kind than NumPy, in float32 or float64."""
    if is_torch_array(array) and str(array.layout) != "torch.strided":
        raise InputError(
            operation,
            f"{name} of layout {array.layout}",
            "a dense tensor",
            "Call .to_dense() first.",
        )
    xp, dtype = array_namespace(array), str(array.dtype)
    if "complex" in dtype:
        raise InputError(
            operation, f"{name} of dtype {dtype}", "float16, float32, float64 or integers",
            "Convert it first.",
        )  # fmt: skip
    if array.dtype in (xp.float32, xp.float64):
        return array
    return xp.astype(array, xp.float64 if "int" in dtype or "bool" in dtype else xp.float32)


def _native(name: str, array: np.ndarray, operation: str) -> np.ndarray:
    if array.dtype.kind in "iub":
        return array.astype(np.float64)
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise InputError(
            operation, f"{name} of dtype {array.dtype}", "float16, float32, float64 or integers",
            "Convert it first.",
        )  # fmt: skip
    if array.dtype.itemsize == 2:
        return array.astype(np.float32)
    return array.astype(array.dtype.newbyteorder("="), copy=False)
