"""``.fvecs``: per row a little-endian int32 with the dimension, then that many float32."""

from pathlib import Path

import numpy as np

from isthmus.core.errors import FormatError
from isthmus.spaces.columns import FileColumn, open_binary
from isthmus.spaces.formats.contents import Contents, Keys

_DIM_LIMIT = 1 << 20


def read(path: Path, keys: Keys) -> Contents:
    """The vectors, with virtual ids."""
    if keys.vectors is not None or keys.ids is not None:
        raise FormatError(f"open {path.name}", f"names {keys}", "no names: .fvecs has vectors only")
    size = path.stat().st_size
    with open_binary(path) as file:
        dim = int.from_bytes(file.read(4), "little", signed=True)
    if size and not 0 < dim <= _DIM_LIMIT:
        raise FormatError(f"open {path.name}", f"a first dimension of {dim}", "1 to 2^20")
    if size % (4 * (dim + 1)):
        raise FormatError(
            f"open {path.name}",
            f"a truncated file of {size:,} bytes",
            f"a multiple of the {4 * (dim + 1):,} bytes of a row of {dim}",
        )
    return Contents(FvecsColumn(path, size // (4 * (dim + 1)), dim))


class FvecsColumn:
    """Rows of an ``.fvecs`` file without the dimension before each."""

    scattered = True
    dtype = np.dtype(np.float32)

    def __init__(self, path: Path, rows: int, dim: int) -> None:
        self._path = path
        self._words = FileColumn(path, 0, (rows, dim + 1), np.dtype("<f4"))
        self.shape: tuple[int, ...] = (rows, dim)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows start .. stop-1."""
        return self._checked(self._words.read(start, stop))

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The rows."""
        return self._checked(self._words.take(rows))

    def _checked(self, words: np.ndarray) -> np.ndarray:
        if (words[:, 0].copy().view(np.int32) != self.shape[1]).any():
            raise FormatError(
                f"read {self._path.name}", "rows of different dimensions", f"{self.shape[1]} in all"
            )
        return np.ascontiguousarray(words[:, 1:])
