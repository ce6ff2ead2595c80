"""FAISS: ``faiss:///data/corpus.faiss``, a Flat, HNSW or IVF-Flat index in a file.

Ids are those of its IDMap, or of its inverted lists, or positions 0 .. n-1 where it has none.
FAISS has no cosine: what is searched by it are unit vectors in an inner-product index, and that is
how an upgrade writes vectors that are compared by cosine. HNSW cannot take rows back and IVF cells
fit the vectors they were trained on, so rows written are gathered and the index built anew, with
the parameters that its file records.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.columns import ArrayColumn
from isthmus.spaces.stores.faiss_file import METRICS, Recipe, read
from isthmus.spaces.stores.index_file import BLOCK, Library, Reader
from isthmus.spaces.stores.layout import Layout
from isthmus.spaces.stores.one_file import OneFile
from isthmus.spaces.stores.store import Store

#: Vectors a cell of an IVF is trained on at most, as FAISS itself would take.
_A_CELL = 256


def _build(path: Path, layout: Layout, ids: np.ndarray, read: Reader) -> None:
    import faiss

    code = next(code for code, name in METRICS.items() if name == layout.metric)
    recipe: Recipe = layout.recipe
    inner = _empty(recipe, layout.dim, code)
    if recipe.kind == "ivf":
        _train(inner, recipe, len(ids), read, path)
    index = inner
    if recipe.ids:
        index = (faiss.IndexIDMap2 if recipe.ids == "IxM2" else faiss.IndexIDMap)(inner)
    for start in range(0, len(ids), BLOCK):
        block = read(np.arange(start, min(start + BLOCK, len(ids))))
        if recipe.ids or recipe.kind == "ivf":
            index.add_with_ids(block, ids[start : start + len(block)])
        else:
            index.add(block)
    try:
        faiss.write_index(index, str(path))
    except RuntimeError as error:
        raise StorageError(
            "write a FAISS index",
            _said(error),
            "a disk with room for it",
            "What was written before is intact: make room, and run again.",
        ) from None


def _empty(recipe: Recipe, dim: int, code: int) -> Any:
    import faiss

    if recipe.kind == "flat":
        return faiss.IndexFlat(dim, code)
    if recipe.kind == "hnsw":
        graph = faiss.IndexHNSWFlat(dim, recipe.m, code)
        graph.hnsw.efConstruction = recipe.ef_construction
        graph.hnsw.efSearch = recipe.ef_search
        return graph
    cells = _empty(recipe.quantizer or Recipe(ids=""), dim, code)
    index = faiss.IndexIVFFlat(cells, dim, recipe.lists, code)
    index.own_fields = True
    cells.this.disown()
    index.nprobe = recipe.probes
    return index


def _train(index: Any, recipe: Recipe, rows: int, read: Reader, path: Path) -> None:
    if rows < recipe.lists:
        raise InputError(
            f"build {path.name}", f"{rows:,} rows for an IVF of {recipe.lists:,} lists",
            "a row a list or more", "Use a Flat or HNSW index for so few rows.",
        )  # fmt: skip
    index.cp.min_points_per_centroid = 1  # the old index is what says how many lists there are
    picked = np.linspace(0, rows - 1, min(rows, _A_CELL * recipe.lists)).astype(np.int64)
    index.train(read(picked))


def _load(path: Path, layout: Layout) -> Callable[[np.ndarray, int], np.ndarray]:
    import faiss

    try:
        index = faiss.read_index(str(path))
    except (RuntimeError, MemoryError) as error:
        raise StorageError(f"load {path.name}", _said(error), "an index that FAISS reads") from None

    def find(queries: np.ndarray, k: int) -> np.ndarray:
        found: np.ndarray = index.search(queries, k)[1]
        return found

    return find


def _said(error: BaseException) -> str:
    """What FAISS says, without where in its sources it says so."""
    return str(error).rpartition("failed: ")[2][:160] or type(error).__name__


def _fresh(dim: int, metric: str) -> Layout:
    nothing = ArrayColumn(np.empty((0, dim), np.float32))
    return Layout(dim, metric, np.empty(0, np.int64), nothing, Recipe())


class Faiss(OneFile, Store):
    """The handle of one FAISS file; new ones are Flat with an IDMap2, Euclidean by default."""

    SCHEME = "faiss"
    LIBRARY = Library(read, _build, _load, _fresh)
