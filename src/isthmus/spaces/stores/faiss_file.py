"""The file of a FAISS index, read without FAISS: Flat, HNSW and IVF-Flat, with ids or without.

Layouts are those of ``write_index`` in FAISS 1.7 to 1.15 (faiss/impl/index_write.cpp). Indexes
that quantise or transform their vectors keep no exact ones; they are named and refused.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from isthmus.core.errors import InputError
from isthmus.spaces.columns import Column, FileColumn
from isthmus.spaces.ids import named
from isthmus.spaces.stores.layout import Cursor, Layout, ScatteredColumn

#: FAISS's numbers of the metrics that isthmus knows.
METRICS = {0: "inner", 1: "euclidean"}
FLAT, MAPS = ("IxF2", "IxFI", "IxFl"), ("IxMp", "IxM2")
_MAX_DIM, _MAX_BREADTH, _MAX_DEPTH = 1 << 16, 1 << 20, 4
#: FAISS dies of an M below 2, which gives 4 neighbours; M = 2 gives the most levels, some 30.
_MIN_BREADTH, _MAX_LEVELS = 4, 64
#: What keeps no exact vectors, by the letters its file begins with.
_INEXACT = {
    "IxSQ": "scalar quantisation", "IxPq": "product quantisation", "IwPQ": "product quantisation",
    "IwSq": "scalar quantisation", "IHNs": "scalar quantisation", "IHNp": "product quantisation",
    "IwQR": "product quantisation", "IwPf": "product quantisation", "IxHe": "hashing",
    "IPfs": "product quantisation", "IxRF": "a refined index", "IxPT": "a transformation",
    "IxRQ": "residual quantisation", "IxLS": "quantisation", "IwRQ": "quantisation",
    "IBxF": "binary codes", "IBwF": "binary codes", "IBMp": "binary codes", "IBM2": "binary codes",
    "IBHf": "binary codes", "IBHh": "binary codes", "IBxM": "binary codes",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an index like this one is built from; equal recipes give indexes of one kind."""

    kind: str = "flat"
    ids: str = "IxM2"
    m: int = 0
    ef_construction: int = 0
    ef_search: int = 0
    lists: int = 0
    probes: int = 0
    quantizer: "Recipe | None" = None

    def __str__(self) -> str:
        if self.kind == "hnsw":
            return (
                f"HNSW (M={self.m}, efConstruction={self.ef_construction}, "
                f"efSearch={self.ef_search})"
            )
        over = f" over {self.quantizer}" if self.quantizer and self.quantizer.kind != "flat" else ""
        return f"IVF (nlist={self.lists}, nprobe={self.probes}){over}"


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """One index of those that lie inside one another in a file; ``positions`` have no ids yet."""

    dim: int
    metric: int
    ids: np.ndarray | None
    vectors: Column
    recipe: Recipe

    def __len__(self) -> int:
        return self.vectors.shape[0]


def read(path: Path) -> Layout:
    """Where ids and vectors lie in ``path``.

    Raises
    ------
    FormatError
        On a truncated, foreign or inconsistent file.
    InputError
        On an index without exact vectors, of another metric, or with an id twice.
    StorageError
        When the file cannot be read.

    """
    with Cursor(path) as cursor:
        part = _index(cursor)
        if cursor.at != cursor.size:
            raise cursor.bad(f"{cursor.size - cursor.at:,} bytes too many", "an index and no more")
    ids = np.arange(len(part), dtype=np.int64) if part.ids is None else part.ids
    ordered = np.sort(ids)
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(again):
        raise InputError(
            f"read {path.name}", f"{len(again):,} ids of two vectors (first: {named(again)})",
            "one vector an id", "Build the index anew with one vector an id.",
        )  # fmt: skip
    index = None if part.recipe.kind == "flat" else str(part.recipe)
    return Layout(
        part.dim, METRICS[part.metric], ids, part.vectors, part.recipe, index,
        positions=part.ids is None,
    )  # fmt: skip


def _index(cursor: Cursor, depth: int = 0) -> _Part:
    letters = cursor.bytes(4)
    name = letters.decode("latin-1")
    known = (*FLAT, *MAPS, "IHNf", "IwFl")
    if name in _INEXACT:
        raise InputError(
            f"read {cursor.path.name}", f"a FAISS index of the kind {name} ({_INEXACT[name]})",
            "one that keeps the vectors as they are: Flat, HNSW or IVF-Flat",
            "Start from the file or table of vectors that the index was built from.",
        )  # fmt: skip
    if name not in known or depth > _MAX_DEPTH:
        what = repr(bytes(letters)) if name not in known else "indexes inside one another"
        raise cursor.bad(
            f"a file that begins with {what}", "a FAISS index: Flat, HNSW or IVF-Flat, with an "
            "IDMap or without",
        )  # fmt: skip
    dim, rows = cursor.number("<i4"), cursor.number("<i8")
    cursor.skip(17)  # two unused numbers, and whether it is trained
    metric = cursor.number("<i4")
    if not 1 <= dim <= _MAX_DIM or rows < 0:
        raise cursor.bad(f"{rows:,} vectors of {dim:,} dimensions", f"1 to {_MAX_DIM:,} dimensions")
    if metric not in METRICS:
        raise InputError(
            f"read {cursor.path.name}", f"the FAISS metric {metric}",
            "L2 or inner product", "Build the index with one of them.",
        )  # fmt: skip
    if name in MAPS:
        part = _mapped(cursor, name, depth)
    elif name in FLAT:
        count = cursor.number("<u8")
        offset = cursor.skip(4 * count)
        if count != rows * dim:
            raise cursor.bad(f"{count:,} numbers for {rows:,} vectors of {dim}", f"{rows * dim:,}")
        column = FileColumn(cursor.path, offset, (rows, dim), np.dtype("<f4"))
        part = _Part(dim, metric, None, column, Recipe(ids=""))
    elif name == "IHNf":
        part = _graph(cursor, rows, depth)
    else:
        part = _lists(cursor, dim, metric, depth)
    if (len(part), part.dim, part.metric) != (rows, dim, metric):
        raise cursor.bad(
            f"{len(part):,} vectors of {part.dim} and metric {part.metric} inside",
            f"{rows:,} of {dim} and metric {metric}, as the index says",
        )
    return part


def _mapped(cursor: Cursor, name: str, depth: int) -> _Part:
    inner = _index(cursor, depth + 1)
    ids = cursor.values("<i8", cursor.number("<u8"))
    if len(ids) != len(inner) or inner.recipe.ids:
        raise cursor.bad(f"{len(ids):,} ids for {len(inner):,} vectors", "one map, an id a vector")
    if inner.ids is not None:  # lists keep positions in the map
        if len(ids) and (inner.ids.min() < 0 or inner.ids.max() >= len(ids)):
            raise cursor.bad("positions outside the map of ids", f"0 to {len(ids) - 1}")
        ids = ids[inner.ids]
    return replace(inner, ids=ids.astype(np.int64), recipe=replace(inner.recipe, ids=name))


def _graph(cursor: Cursor, rows: int, depth: int) -> _Part:
    cursor.skip(8 * cursor.number("<u8"))  # probabilities of the levels
    widths = cursor.values("<i4", cursor.number("<u8")).astype(np.int64)
    levels = cursor.values("<i4", cursor.number("<u8")).astype(np.int64)
    offsets = cursor.values("<u8", cursor.number("<u8")).astype(np.int64)
    neighbours = cursor.values("<i4", cursor.number("<u8"))
    entry, top, construction, search = cursor.values("<i4", 4).tolist()
    cursor.skip(4)  # unused
    storage = _index(cursor, depth + 1)
    sound = (
        1 < len(widths) <= _MAX_LEVELS and widths[0] == 0 and widths[1] >= _MIN_BREADTH
        and bool((np.diff(widths) > 0).all()) and widths[-1] <= _MAX_BREADTH
        and len(levels) == rows and len(offsets) == rows + 1 and offsets[0] == 0
        and bool(((levels >= 1) & (levels < len(widths))).all())
        and bool((np.diff(offsets) == widths[levels]).all())
        and len(neighbours) == offsets[-1]
        and 1 <= construction <= _MAX_BREADTH and 1 <= search <= _MAX_BREADTH
        and (0 <= entry < rows and levels[entry] == levels.max() == top + 1 if rows else entry < 0)
        and _leads_inside(neighbours, widths, levels, offsets)
    )  # fmt: skip
    if not sound or storage.recipe != Recipe(ids=""):
        raise cursor.bad("a graph that leads outside itself", "an HNSW graph over flat vectors")
    recipe = Recipe("hnsw", "", int(widths[1]) // 2, construction, search)
    return replace(storage, recipe=recipe)


def _leads_inside(
    neighbours: np.ndarray, widths: np.ndarray, levels: np.ndarray, offsets: np.ndarray
) -> bool:
    """Whether every neighbour exists, and on the level on which it is one: FAISS never asks."""
    if not len(neighbours):
        return True
    if neighbours.min() < -1 or neighbours.max() >= len(levels):
        return False
    for level in range(1, int(levels.max())):
        nodes = np.flatnonzero(levels > level)
        places = offsets[nodes, None] + np.arange(widths[level], widths[level + 1])
        met = neighbours[places]
        if (levels[met[met >= 0]] <= level).any():
            return False
    return True


def _lists(cursor: Cursor, dim: int, metric: int, depth: int) -> _Part:
    lists, probes = cursor.number("<u8"), cursor.number("<u8")
    quantizer = _index(cursor, depth + 1)
    kind = cursor.number("u1")  # a map from ids back to lists, which nothing here needs
    cursor.skip(8 * cursor.number("<u8"))
    if kind == 2:
        cursor.skip(16 * cursor.number("<u8"))
    if cursor.bytes(4) != b"ilar":
        raise cursor.bad("lists that lie elsewhere or are missing", "inverted lists in the file")
    count, width = cursor.number("<u8"), cursor.number("<u8")
    fits = count == lists == len(quantizer) > 0 and width == 4 * dim == 4 * quantizer.dim
    if not fits or quantizer.ids is not None or not 1 <= probes <= _MAX_BREADTH:
        raise cursor.bad(
            f"{count:,} lists of {width} bytes a vector, {len(quantizer):,} centres",
            f"{lists:,} lists of {4 * dim}",
        )
    form, told = cursor.bytes(4), cursor.number("<u8")
    sizes = np.zeros(count, dtype=np.int64)
    if form == b"full" and told == count:
        sizes[:] = cursor.values("<u8", told)
    elif form == b"sprs" and told % 2 == 0:
        pairs = cursor.values("<u8", told).reshape(-1, 2)
        if len(pairs) and pairs[:, 0].max() >= count:
            raise cursor.bad(f"a list {pairs[:, 0].max()}", f"lists below {count}")
        sizes[pairs[:, 0].astype(np.int64)] = pairs[:, 1]
    else:
        raise cursor.bad(f"lists of the form {bytes(form)!r}", "their sizes")
    places, ids = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for size in sizes.tolist():
        if size:
            start = cursor.skip(size * width)
            places.append(start + width * np.arange(size))
            ids.append(cursor.values("<i8", size).astype(np.int64))
    column = ScatteredColumn(cursor.path, np.concatenate(places), dim)
    recipe = Recipe("ivf", "", lists=lists, probes=probes, quantizer=quantizer.recipe)
    return _Part(dim, metric, np.concatenate(ids), column, recipe)
