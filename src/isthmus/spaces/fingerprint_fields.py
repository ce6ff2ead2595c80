"""Reading the entries of a fingerprint from data that nobody vouches for."""

import base64
import binascii
import math
from typing import Any

import numpy as np

from isthmus.core.errors import FormatError
from isthmus.core.json_text import clip

_MAX_TEXT = 1024


def encoded(array: np.ndarray, dtype: str) -> str:
    """The bytes of ``array`` as little-endian ``dtype`` in base64."""
    return base64.b64encode(np.ascontiguousarray(array, dtype=dtype).tobytes()).decode("ascii")


def decoded(data: dict[str, Any], name: str, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """The float64 array of ``shape`` that ``encoded`` wrote; FormatError for anything else."""
    text, width = data[name], np.dtype(dtype).itemsize
    size = math.prod(shape)
    # Compared before decoding, so that an absurd entry costs nothing.
    if not isinstance(text, str) or len(text) != 4 * math.ceil(size * width / 3):
        raise bad(f"{name} of the wrong type or length", f"{size} numbers of {width} bytes, base64")
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise bad(f"{name} that is not base64", "base64") from error
    if len(raw) != size * width:
        raise bad(f"{name} of {len(raw)} bytes", f"{size * width} bytes")
    values = np.frombuffer(raw, dtype=dtype).astype(np.float64)
    if not np.isfinite(values).all():
        raise bad(f"{name} with NaN or infinity", "finite numbers")
    return values.reshape(shape)


def unit_rows(data: dict[str, Any], name: str, shape: tuple[int, int]) -> np.ndarray:
    """An array of ``shape`` in single precision whose rows have norm 1."""
    rows = decoded(data, name, "<f4", shape)
    if len(rows) and np.abs(np.linalg.norm(rows, axis=1) - 1.0).max() > 1e-3:
        raise bad(f"{name} that are no unit vectors", "unit vectors")
    return rows


def count(data: dict[str, Any], name: str, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``."""
    value = data[name]
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise bad(f"{name} {clip(value)}", f"a whole number from {low} to {high}")
    return value


def numbers(data: dict[str, Any], name: str, size: int, low: float, high: float) -> list[float]:
    """A list of ``size`` finite numbers from ``low`` to ``high``."""
    values = data[name]
    if not isinstance(values, list) or len(values) != size:
        raise bad(f"{name} of type {type(values).__name__}", f"a list of {size} numbers")
    for value in values:
        # Integers are let through by size first: a huge one does not fit a float.
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if not good or not low <= value <= high or not math.isfinite(value):
            raise bad(
                f"{name} with an entry {clip(value, 40)}", f"finite numbers in [{low}, {high}]"
            )
    return [float(value) for value in values]


def short_text(data: dict[str, Any], name: str) -> str | None:
    """A text of at most 1,024 characters, or None."""
    value = data[name]
    if value is None or (isinstance(value, str) and len(value) <= _MAX_TEXT):
        return value
    raise bad(f"{name} of type {type(value).__name__}", f"at most {_MAX_TEXT} characters or null")


def bad(given: str, expected: str) -> FormatError:
    """The error all of these raise."""
    return FormatError(
        "read fingerprint", given, expected, "The file is damaged or was not written by isthmus."
    )
