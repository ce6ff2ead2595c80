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
    operation = f"open layers of {path.name}"
    if path.is_dir():
        return Stack(path.name, _layers_of(path, operation))
    if _dims(path) != 3:
        raise FormatError(
            operation, "a file that is no (layers, n, d) .npy array",
            "such an array, or a folder with one file per layer",
        )  # fmt: skip
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not len(array):
        raise InputError(operation, f"an array of shape {array.shape}", "one layer or more")
    layers = {}
    for i, layer in enumerate(array):
        try:
            layers[f"layer {i}"] = open_space(layer, name=f"layer {i}")
        except IsthmusError as error:
            raise InputError(
                operation, f"layer {i} with {error.given}", error.expected, error.cure
            ) from error
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


def _layers_of(folder: Path, operation: str) -> dict[str, Space]:
    files = _files(folder)
    if not files:
        raise FormatError(
            operation, "a folder without files of vectors",
            f"one file per layer ({', '.join(_SUFFIXES)})",
        )  # fmt: skip
    named: dict[str, Path] = {}
    for file in files:
        if file.stem in named:
            raise InputError(
                operation, f"{named[file.stem].name} and {file.name}", "one file per layer",
                "Move one of them elsewhere.",
            )  # fmt: skip
        named[file.stem] = file
    return {name: open_space(file) for name, file in named.items()}


def _files(folder: Path) -> list[Path]:
    """Files of vectors in natural order: layer2 before layer10."""
    found = [file for file in folder.iterdir() if file.suffix.lower() in _SUFFIXES]
    return sorted(found, key=lambda file: [
        int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", file.stem)
    ])  # fmt: skip


def _dims(path: Path) -> int:
    if path.suffix.lower() != ".npy" or not path.is_file():
        return 0
    try:
        return int(np.load(path, mmap_mode="r", allow_pickle=False).ndim)
    except (OSError, ValueError):
        return 0
