"""The file of a usearch index, read without usearch: versions 2, with vectors inside.

A matrix of vectors, a head of 64 bytes, and the graph: levels, then nodes of a key, a level, and
as many lists of neighbours (``index_dense.hpp`` and ``index.hpp`` of usearch 2).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isthmus.core.errors import InputError
from isthmus.spaces.columns import Column, FileColumn
from isthmus.spaces.ids import named
from isthmus.spaces.stores.layout import Cursor, HalfColumn, Layout

#: usearch's letters of the metrics that isthmus knows.
METRICS = {ord("c"): "cosine", ord("e"): "euclidean", ord("i"): "inner"}
_MAGIC = b"usearch"
_HEAD, _U64, _U32_SLOTS = 64, 14, 15
_KEPT = {11: ("f32", "<f4"), 12: ("f16", "<f2"), 4: ("bf16", "<u2")}
_LOST = {1: "single bits", 10: "float64", 23: "8-bit integers"}
#: The key of a slot whose vector was removed.
_FREE = np.uint64((1 << 64) - 1)
_MIN_DEGREE, _MAX_DEGREE, _MAX_DIM = 2, 1 << 12, 1 << 16
#: usearch draws levels of -ln(u) / ln(degree), fewer than these; each is a pass over the nodes.
_MAX_LEVELS = 64
#: Nodes of the graph looked over at once.
_NODES = 1 << 14


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an index like this one is built from."""

    connectivity: int = 16


def read(path: Path) -> Layout:
    """Where keys and vectors lie in ``path``.

    Raises
    ------
    FormatError
        On a truncated, foreign or inconsistent file.
    InputError
        On vectors stored as bits, integers or float64, another metric, several vectors a key, and
        keys beyond int64.
    StorageError
        When the file cannot be read.

    """
    with Cursor(path) as cursor:
        rows, width, start = _matrix(cursor)
        head = cursor.bytes(_HEAD)
        metric, scalar, key, slot = head[13:17]
        present, removed, dim = np.frombuffer(head, "<u8", 3, offset=17).tolist()
        _refuse(path, metric, scalar, multi=bool(head[41]))
        kind, dtype = _KEPT[scalar]
        sound = (
            head[7:9] == b"\2\0" and (key, slot) == (_U64, _U32_SLOTS)
            and 1 <= dim <= _MAX_DIM and width == dim * np.dtype(dtype).itemsize
            and present + removed == rows
        )  # fmt: skip
        if not sound:
            raise cursor.bad(
                f"{rows:,} rows of {width} bytes for {present:,} vectors of {dim} dimensions",
                "an index of usearch 2 with 64-bit keys and its vectors inside",
            )
        keys, degree = _graph(cursor, rows)
        if cursor.at != cursor.size:
            raise cursor.bad(f"{cursor.size - cursor.at:,} bytes too many", "an index and no more")
    kept = keys != _FREE
    ids = keys[kept]
    if len(ids) > present:
        raise cursor.bad(f"{len(ids):,} keys for {present:,} vectors", "one a vector")
    if len(ids) != present or (len(ids) and ids.max() > np.iinfo(np.int64).max):
        raise InputError(
            f"read {path.name}", f"{len(ids):,} keys, of {present:,} vectors, some beyond 2^63",
            "keys below 2^63, one a vector",
        )  # fmt: skip
    ordered = np.sort(ids)
    if len(again := ordered[1:][ordered[1:] == ordered[:-1]]):
        raise InputError(
            f"read {path.name}", f"{len(again):,} keys of two vectors (first: {named(again)})",
            "one vector a key",
        )  # fmt: skip
    column: Column = FileColumn(path, start, (rows, dim), np.dtype(dtype))
    if kind != "f32":
        column = HalfColumn(column)
    if not kept.all():
        column = _Kept(column, np.flatnonzero(kept))
    told = "" if kind == "f32" else f", {kind}"
    return Layout(
        dim, METRICS[metric], ids.astype(np.int64), column, Recipe(degree),
        f"HNSW (connectivity={degree}{told})",
        refuses="" if kind == "f32" else f"an index that rounds vectors to {kind}",
    )  # fmt: skip


class _Kept:
    """The rows of a column whose vectors were not removed."""

    def __init__(self, column: Column, rows: np.ndarray) -> None:
        self._column, self._rows = column, rows
        self.shape, self.dtype = (len(rows), *column.shape[1:]), column.dtype
        self.scattered = column.scattered

    def read(self, start: int, stop: int) -> np.ndarray:
        return self._column.take(self._rows[start:stop])

    def take(self, rows: np.ndarray) -> np.ndarray:
        return self._column.take(self._rows[rows])


def _matrix(cursor: Cursor) -> tuple[int, int, int]:
    """Rows, bytes of one, and where they begin; the two numbers have 32 bits, or 64."""
    for dtype in ("<u4", "<u8"):
        cursor.at = 0
        rows, width = cursor.number(dtype), cursor.number(dtype)
        if rows * width <= cursor.size - cursor.at - _HEAD:
            start = cursor.skip(rows * width)
            if cursor.bytes(len(_MAGIC)) == _MAGIC:
                cursor.at = start + rows * width
                return rows, width, start
    raise cursor.bad("a file that is no usearch index, or truncated", "an index that was saved")


def _refuse(path: Path, metric: int, scalar: int, *, multi: bool) -> None:
    where, source = f"read {path.name}", "Start from the vectors that the index was built from."
    if scalar not in _KEPT:
        kind = _LOST.get(scalar, f"numbers of the kind {scalar}")
        raise InputError(where, f"vectors kept as {kind}", "f32, f16 or bf16", source)
    if metric not in METRICS:
        raise InputError(where, f"the metric {chr(metric)!r}", "cos, l2sq or ip", source)
    if multi:
        raise InputError(where, "an index of several vectors a key", "one a key", source)


def _graph(cursor: Cursor, rows: int) -> tuple[np.ndarray, int]:
    """The key of every slot, and how many neighbours a node has above the lowest level."""
    size, degree, lowest, top, entry = cursor.values("<u8", 5).tolist()
    outside = cursor.bad("a graph that leads outside itself", "the graph of the vectors")
    if size != rows or not (_MIN_DEGREE <= degree <= _MAX_DEGREE and 1 <= lowest <= _MAX_DEGREE):
        raise outside
    levels = cursor.values("<i2", size).astype(np.int64)
    if not size:
        return np.empty(0, np.uint64), degree
    if not 0 <= levels.min() <= levels.max() == top < _MAX_LEVELS:
        raise outside
    if entry >= size or levels[entry] != top:
        raise outside
    base, above = 4 + 4 * lowest, 4 + 4 * degree
    offsets = np.concatenate([[0], np.cumsum(10 + base + above * levels)])
    keys = np.empty(size, np.uint64)
    for first in range(0, size, _NODES):
        nodes = np.arange(first, min(first + _NODES, size))
        end = offsets[nodes[-1] + 1]
        tape = np.frombuffer(cursor.bytes(int(end - offsets[first])), np.uint8)
        at = offsets[nodes] - offsets[first]
        keys[nodes] = _gather(tape, at, 8, "<u8")[:, 0]
        if (_gather(tape, at + 8, 2, "<i2")[:, 0] != levels[nodes]).any():
            raise outside
        inside = _leads_inside(tape, at + 10, base, 0, levels)
        for level in range(1, int(levels[nodes].max()) + 1):
            high = at[levels[nodes] >= level] + 10 + base + (level - 1) * above
            inside &= _leads_inside(tape, high, above, level, levels)
        if not inside:
            raise outside
    return keys, degree


def _leads_inside(
    tape: np.ndarray, at: np.ndarray, width: int, level: int, levels: np.ndarray
) -> bool:
    """Whether the lists at ``at`` are no longer than their room and name nodes of that level."""
    lists = _gather(tape, at, width, "<u4")
    counts, slots = lists[:, :1], lists[:, 1:]
    if counts.max(initial=0) > slots.shape[1]:
        return False
    met = slots[np.arange(slots.shape[1]) < counts]
    return not len(met) or bool(met.max() < len(levels) and (levels[met] >= level).all())


def _gather(tape: np.ndarray, at: np.ndarray, width: int, dtype: str) -> np.ndarray:
    rows = np.lib.stride_tricks.sliding_window_view(tape, width)[at]
    found: np.ndarray = np.ascontiguousarray(rows).view(dtype)
    return found
