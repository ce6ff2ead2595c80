"""usearch: ``usearch:///data/corpus.usearch``, an index in a file with its vectors inside.

Ids are its keys. Vectors kept as f32 are read and written bit for bit. Those of an f16 or bf16
index are read as they are stored; nothing is written to it, since that would round, and its shadow
keeps f32. The file records neither expansion_add nor expansion_search: usearch's defaults serve.
Reading a file needs no usearch; building and searching one does. It is built by one thread: with
two, rows are lost to every search (0.5 % of 300, 0.02 % of 20,000 in usearch 2), with one, none.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.core.errors import MissingExtra, StorageError
from isthmus.spaces.columns import ArrayColumn
from isthmus.spaces.stores.index_file import BLOCK, Library, Reader
from isthmus.spaces.stores.layout import Layout
from isthmus.spaces.stores.one_file import OneFile
from isthmus.spaces.stores.store import Store
from isthmus.spaces.stores.usearch_file import Recipe, read

_NAMES = {"cosine": "cos", "euclidean": "l2sq", "inner": "ip"}


def _library(operation: str, what: str) -> Any:
    try:
        import usearch.index
    except ImportError:
        raise MissingExtra(f"{operation} {what}", "usearch", "usearch") from None
    return usearch.index


def _build(path: Path, layout: Layout, ids: np.ndarray, read: Reader) -> None:
    recipe: Recipe = layout.recipe
    index = _library("write", path.name).Index(
        ndim=layout.dim, metric=_NAMES[layout.metric], dtype="f32",
        connectivity=recipe.connectivity,
    )  # fmt: skip
    try:
        for start in range(0, len(ids), BLOCK):
            numbers = np.arange(start, min(start + BLOCK, len(ids)))
            # By several threads usearch leaves some rows where no search comes.
            index.add(ids[numbers].astype(np.uint64), read(numbers), threads=1)
        index.save(str(path))
    except (RuntimeError, MemoryError) as error:
        raise StorageError(
            "write a usearch index",
            str(error)[:160],
            "memory and a disk with room for it",
            "What was written before is intact: make room, and run again.",
        ) from None


def _load(path: Path, layout: Layout) -> Callable[[np.ndarray, int], np.ndarray]:
    try:
        index = _library("search", path.name).Index.restore(str(path), view=True)
    except (RuntimeError, ValueError, MemoryError) as error:
        raise StorageError(
            f"load {path.name}", str(error)[:160], "an index that usearch reads"
        ) from None

    def find(queries: np.ndarray, k: int) -> np.ndarray:
        met = index.search(queries, k)
        if len(queries) == 1:  # answered in a form of its own
            found = np.full((1, k), -1, dtype=np.int64)
            found[0, : len(met.keys)] = met.keys.astype(np.int64)
            return found
        found = met.keys.astype(np.int64)
        found[np.arange(k) >= np.asarray(met.counts)[:, None]] = -1
        return found

    return find


def _fresh(dim: int, metric: str) -> Layout:
    nothing = ArrayColumn(np.empty((0, dim), np.float32))
    return Layout(dim, metric, np.empty(0, np.int64), nothing, Recipe())


class Usearch(OneFile, Store):
    """The handle of one usearch file; new ones are float32, by cosine unless told otherwise."""

    SCHEME = "usearch"
    LIBRARY = Library(read, _build, _load, _fresh)
