"""Kinds of arrays and layouts of memory in which the same numbers may come."""

from collections.abc import Callable
from typing import Any

import numpy as np


def array_kinds() -> dict[str, Callable[[np.ndarray], Any]]:
    """Converters from NumPy to the other array kinds; needs array-api-strict and torch."""
    import array_api_strict
    import torch

    return {"array-api-strict": array_api_strict.asarray, "torch": torch.asarray}


LAYOUTS: dict[str, Callable[[np.ndarray], Any]] = {
    "Fortran": np.asfortranarray,
    "strided": lambda x: np.repeat(x, 2, axis=0)[::2],
    "big-endian": lambda x: x.astype(">f8"),
    "list": lambda x: x.tolist(),
}
