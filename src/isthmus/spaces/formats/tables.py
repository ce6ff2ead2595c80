"""Vector and id columns of tables (Parquet, Arrow), group of rows by group of rows."""

from collections.abc import Callable
from itertools import accumulate
from threading import Lock
from typing import Any

import numpy as np

from isthmus.core.errors import FormatError, StorageError
from isthmus.spaces.formats.contents import ID_KEYS, VECTOR_KEYS, Keys, choose, declared
from isthmus.spaces.ids import named

_MORE_ID_KEYS = (*ID_KEYS, "key")


def check_schema(where: str, schema: Any, keys: Keys) -> tuple[str, str | None]:
    """The names of the vector column and of the id column (None: there is none) of a table."""
    try:
        names = list(schema.names)
    except UnicodeDecodeError as error:
        raise FormatError(
            where, "column names that are no UTF-8", "text", "Write the file again."
        ) from error
    if len(set(names)) < len(names):
        raise FormatError(where, f"columns {names} with a name twice", "different names")
    lists = [f.name for f in schema if _is_vector(f.type)]
    vector = choose(where, lists, keys.vectors, VECTOR_KEYS, "vector column")
    if vector is None:
        if len(lists) != 1:
            raise FormatError(
                where,
                f"{len(lists)} columns of vectors among {names}",
                "one column of lists of float16, float32, float64 or int8",
                "Name it: isthmus.open(path, vectors='column').",
            )
        vector = lists[0]
    return vector, id_name(where, schema, keys)


def facts(where: str, schema: Any) -> dict[str, Any]:
    """What the schema's metadata declares of the vectors."""
    entries = (schema.metadata or {}).items()
    text = {k.decode("utf-8", "replace"): v.decode("utf-8", "replace") for k, v in entries}
    return declared(where, text)


def id_name(where: str, schema: Any, keys: Keys) -> str | None:
    """The name of the id column: wanted, usual, or the only one of text or integers; or None."""
    columns = [f.name for f in schema if _is_id(f.type)]
    found = choose(where, columns, keys.ids, _MORE_ID_KEYS, "id column")
    if found is None and len(columns) > 1:
        raise FormatError(
            where,
            f"columns {columns}, any of which may be the ids",
            f"one of {list(_MORE_ID_KEYS)}, or only one column of text or integers",
            "Name it: isthmus.open(path, ids='column').",
        )
    return found or (columns[0] if columns else None)


def row_ends(where: str, rows: list[int]) -> np.ndarray:
    """The rows up to the end of each group (g,); raises FormatError on absurd counts of them."""
    if any(not 0 <= count < 1 << 48 for count in rows):
        raise FormatError(
            where, f"groups of {rows[:5]} rows", "sane row counts", "Copy or write it again."
        )
    return np.array(list(accumulate(rows)), dtype=np.int64)


class GroupColumn:
    """A column of a table whose groups of rows are decoded whole, the last one kept.

    ``load(group)`` gives a group as an Arrow array; ``ends`` (g,) are the rows up to the end of
    each. Raises FormatError naming the first rows (by id) whose vector is null or ragged.
    """

    scattered = False

    def __init__(
        self,
        load: Callable[[int], Any],
        ends: np.ndarray,
        kind: Any,
        *,
        where: str,
        ids: "GroupColumn | None" = None,
    ) -> None:
        self._load, self._ends, self._where, self._ids = load, ends, where, ids
        self._kept: tuple[int, np.ndarray] | None = None
        self._lock = Lock()
        rows = int(ends[-1]) if len(ends) else 0
        self._dim = 0
        self._vector = _is_vector(kind)
        if not self._vector:
            self.shape: tuple[int, ...] = (rows,)
            self.dtype = np.dtype(np.int64 if _is_int(kind) else object)
            return
        self.dtype = np.dtype(_number(kind.value_type))
        self._dim = int(kind.list_size) if _is_fixed(kind) else self._first_width()
        self.shape = (rows, self._dim)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows start .. stop-1, copied only where they span groups."""
        pieces = []
        group = int(np.searchsorted(self._ends, start, side="right"))
        while start < stop:
            first = int(self._ends[group - 1]) if group else 0
            end = min(stop, int(self._ends[group]))
            pieces.append(self._group(group)[start - first : end - first])
            start, group = end, group + 1
        if not pieces:
            return np.empty((0, *self.shape[1:]), dtype=self.dtype)
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The rows, each group decoded once."""
        out = np.empty((len(rows), *self.shape[1:]), dtype=self.dtype)
        owner = np.searchsorted(self._ends, rows, side="right")
        for group in np.unique(owner):
            mine = np.flatnonzero(owner == group)
            first = int(self._ends[group - 1]) if group else 0
            out[mine] = self._group(int(group))[rows[mine] - first]
        return out

    def _group(self, group: int) -> np.ndarray:
        with self._lock:
            if self._kept is None or self._kept[0] != group:
                self._kept = None
                self._kept = (group, self._decoded(group))
            return self._kept[1]

    def _decoded(self, group: int) -> np.ndarray:
        first = int(self._ends[group - 1]) if group else 0
        loaded = self._loaded(group)
        if len(loaded) != int(self._ends[group]) - first:
            raise FormatError(self._where, f"{len(loaded)} rows in group {group}", "its row count")
        if self._vector:
            return self._matrix(loaded, first)
        if loaded.null_count:
            rows = first + np.flatnonzero(np.asarray(loaded.is_null()))
            raise FormatError(
                self._where, f"{len(rows)} rows without an id (first rows: {named(rows)})",
                "an id in every row", "Drop or repair these rows.",
            )  # fmt: skip
        values: np.ndarray = loaded.to_numpy(zero_copy_only=False)
        if values.dtype == np.uint64 and values.max(initial=0) > np.iinfo(np.int64).max:
            raise FormatError(self._where, f"the id {values.max()}", "ids below 2^63")
        return values.astype(self.dtype, copy=False)

    def _loaded(self, group: int) -> Any:
        import pyarrow as pa

        try:
            loaded = self._load(group)
            if isinstance(loaded, pa.ChunkedArray):
                loaded = loaded.combine_chunks() if loaded.num_chunks != 1 else loaded.chunk(0)
            if isinstance(loaded, pa.ChunkedArray):
                loaded = loaded.chunk(0)
            # Offsets and indices are followed blindly below: a wild one would kill the process.
            loaded.validate(full=True)
        except StorageError:
            raise
        except (pa.ArrowException, OSError) as error:
            raise FormatError(
                self._where,
                f"row group {group} that cannot be decoded ({str(error).splitlines()[0][:120]})",
                "an undamaged file",
                "Copy or write it again.",
            ) from error
        if pa.types.is_dictionary(loaded.type):
            loaded = loaded.dictionary_decode()
        return loaded

    def _matrix(self, lists: Any, first: int) -> np.ndarray:
        import pyarrow as pa

        if lists.null_count:
            missing: Any = np.asarray(lists.is_null())
            raise self._wrong(first, missing, "null")
        dim = self._dim
        # flatten() would drop null rows and shift every vector after them against its id.
        if pa.types.is_fixed_size_list(lists.type):
            values = lists.values.slice(lists.offset * dim, len(lists) * dim)
        else:
            offsets = np.asarray(lists.offsets)
            ragged = np.diff(offsets) != dim
            if ragged.any():
                widths = np.unique(np.diff(offsets)[ragged])
                what = f"of {named(widths)} numbers among those of {dim}"
                raise self._wrong(first, ragged, what)
            values = lists.values.slice(int(offsets[0]), int(offsets[-1] - offsets[0]))
        if values.null_count:
            empty: Any = np.asarray(values.is_null())
            holes: np.ndarray = empty.reshape(len(lists), -1).any(axis=1)
            raise self._wrong(first, holes, "with null numbers")
        numbers: np.ndarray = values.to_numpy(zero_copy_only=False)
        return numbers.reshape(len(lists), dim)

    def _wrong(self, first: int, rows: np.ndarray, what: str) -> FormatError:
        numbers = first + np.flatnonzero(rows)
        who = f"rows {named(numbers)}"
        if self._ids is not None:
            who = f"ids {named(self._ids.take(numbers[:6]))}"
        return FormatError(
            self._where,
            f"{len(numbers)} vectors {what} (first {who})",
            "a whole vector of one width in every row",
            "Drop or repair these rows.",
        )

    def _first_width(self) -> int:
        for group in range(len(self._ends)):
            lists = self._loaded(group)
            valid = np.flatnonzero(np.asarray(lists.is_valid()))
            if len(valid):
                return int(np.diff(np.asarray(lists.offsets))[valid[0]])
        return 0


def _is_fixed(kind: Any) -> bool:
    import pyarrow.types as t

    return bool(t.is_fixed_size_list(kind))


def _is_vector(kind: Any) -> bool:
    import pyarrow.types as t

    lists = t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind)
    return bool(lists and (t.is_floating(kind.value_type) or t.is_int8(kind.value_type)))


def _is_int(kind: Any) -> bool:
    import pyarrow.types as t

    return bool(t.is_integer(kind.value_type if t.is_dictionary(kind) else kind))


def _is_id(kind: Any) -> bool:
    import pyarrow.types as t

    inner = kind.value_type if t.is_dictionary(kind) else kind
    text = t.is_string(inner) or t.is_large_string(inner) or t.is_string_view(inner)
    return bool(text or t.is_integer(inner))


def _number(kind: Any) -> Any:
    return {"halffloat": np.float16, "float": np.float32, "double": np.float64}.get(
        str(kind), np.int8
    )
