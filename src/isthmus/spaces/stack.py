"""Stack: the layers of one model, a folder with one file a layer or one (layers, n, d) array."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isthmus.core.errors import FormatError, InputError, IsthmusError
from isthmus.spaces.open import open as open_space
from isthmus.spaces.pairs import pair
from isthmus.spaces.space import Space

_SUFFIXES = (".npy", ".npz", ".parquet", ".pq", ".arrow", ".feather", ".safetensors", ".fvecs")
_LAYER = re.compile(r"layer|block|hidden", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Stack:
    """``layers`` of one model by name, in order; all of the same items."""

    name: str
    layers: dict[str, Space]


def is_stack(path: Path) -> bool:
    """Whether ``path`` is a (layers, n, d) .npy, or a folder of files named like layers."""
    if path.is_dir():
        files = _files(path)
        return len(files) > 1 and all(_LAYER.search(file.stem) for file in files)
    return _dims(path) == 3


def open_stack(path: Path) -> Stack:
    """The layers in ``path``, read lazily.

    A folder holds one file of vectors per layer, taken in natural order (layer2 before layer10); an
    array file is (layers, n, d).

    Raises
    ------
    FormatError
        When it is neither.
    InputError
        When a layer cannot be used, naming it.
    """
    if path.is_dir():
        files = _files(path)
        if not files:
            raise FormatError(
                f"open layers of {path.name}", "a folder without files of vectors",
                f"one file per layer ({', '.join(_SUFFIXES)})",
            )  # fmt: skip
        return Stack(path.name, {file.stem: open_space(file) for file in files})
    if _dims(path) != 3:
        raise FormatError(
            f"open layers of {path.name}", "a file that is no (layers, n, d) .npy array",
            "such an array, or a folder with one file per layer",
        )  # fmt: skip
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    names = [f"layer {i}" for i in range(len(array))]
    try:
        layers = {
            name: open_space(layer, name=name) for name, layer in zip(names, array, strict=True)
        }
    except IsthmusError as error:
        raise InputError(f"open layers of {path.name}", str(error), "finite vectors") from error
    return Stack(path.name, layers)


def common(spaces: Sequence[Space]) -> tuple[list[np.ndarray], np.ndarray]:
    """Row numbers of each space for the items that all of them hold, and these items' ids.

    Raises PairingError where two spaces share none, and InputError where all of them share none.
    """
    first = spaces[0]
    joins = [pair(first, other) for other in spaces[1:]]
    kept = np.arange(len(first))
    for one in joins:
        kept = np.intersect1d(kept, one.rows_source)
    if not len(kept):
        raise InputError(
            "common items", f"no id that all {len(spaces)} spaces hold", "some ids in every space"
        )
    rows = [kept]
    for one in joins:
        order = np.argsort(one.rows_source)
        rows.append(one.rows_target[order[np.searchsorted(one.rows_source[order], kept)]])
    return rows, np.asarray(first.ids)[kept]


def _files(folder: Path) -> list[Path]:
    found = [file for file in folder.iterdir() if file.suffix.lower() in _SUFFIXES]
    return sorted(found, key=lambda file: [
        int(part) if part.isdigit() else part for part in re.split(r"(\d+)", file.stem)
    ])  # fmt: skip


def _dims(path: Path) -> int:
    if path.suffix.lower() != ".npy" or not path.is_file():
        return 0
    try:
        return int(np.load(path, mmap_mode="r", allow_pickle=False).ndim)
    except (OSError, ValueError):
        return 0
