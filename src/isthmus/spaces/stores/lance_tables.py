"""Lance tables as arrays: ids, vectors and other columns of Arrow, and the indexes of a table."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from isthmus.core.errors import InputError, IsthmusError, StorageError
from isthmus.spaces.ids import named, normal

#: Distances of Lance by the metric's name, and back.
DISTANCE = {"euclidean": "l2", "cosine": "cosine", "inner": "dot"}
METRIC = {distance: metric for metric, distance in DISTANCE.items()}
#: Rows below which an index with a codebook cannot be trained.
TRAINABLE = 256
_METRIC = b"isthmus.metric"
_SAID = 200
#: What Arrow raises on values that a type cannot hold; its own errors are of these kinds too.
_UNFIT = (ValueError, TypeError, OverflowError, NotImplementedError)


@contextlib.contextmanager
def lance(operation: str, expected: str = "a LanceDB that answers") -> Iterator[None]:
    """Errors of the client as a StorageError; those of isthmus as they are."""
    try:
        yield
    except IsthmusError:
        raise
    except (ValueError, TypeError, RuntimeError, OSError, NotImplementedError) as error:
        raise StorageError(operation, told(error), expected) from None


def told(error: Exception) -> str:
    """What the library says, but for where in its own sources it raised."""
    return str(error).split(", /")[0][:_SAID]


def quoted(name: str) -> str:
    """A column's name inside a filter."""
    return "`" + name.replace("`", "``") + "`"


def literals(ids: np.ndarray) -> str:
    """Ids as a list of SQL."""
    ids = normal(ids, where="name ids in a filter")
    if ids.dtype.kind == "i":
        return ", ".join(str(i) for i in ids.tolist())
    return ", ".join("'" + i.replace("'", "''") + "'" for i in ids.tolist())


def id_array(column: Any, where: str) -> np.ndarray:
    """An id column of Arrow as int64 or text (n,); InputError where a row has none."""
    import pyarrow as pa

    if column.null_count:
        raise InputError(where, f"{column.null_count:,} rows without an id", "one id a row")
    if not pa.types.is_integer(column.type):
        return np.array(column.to_pylist(), dtype=np.str_)
    return normal(column.to_numpy(), where=where)


def ids_to_arrow(ids: np.ndarray, kind: Any, where: str) -> Any:
    """Ids as an Arrow array of the type ``kind``."""
    import pyarrow as pa

    if (ids.dtype.kind in "iu") != pa.types.is_integer(kind):
        raise InputError(where, f"ids of {ids.dtype}", f"ids of {kind}")
    try:
        return pa.array(ids.tolist(), kind)
    except _UNFIT as error:
        raise InputError(where, f"ids with {str(error)[:_SAID]}", f"ids of {kind}") from None


def vector_array(column: Any) -> np.ndarray:
    """A column (n,) of fixed-size lists, none missing, as float32 (n, dim), without a loop."""
    dim = column.type.list_size
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    out = np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)
    return out.astype(np.float32, copy=False).reshape(-1, dim)


def vectors_to_arrow(vectors: np.ndarray) -> Any:
    """Vectors (n, dim) float32 as an Arrow array of fixed-size lists."""
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])


def vector_field(name: str, dim: int, metric: str | None) -> Any:
    """The Arrow field of a vector column, with a note of its metric."""
    import pyarrow as pa

    about = {_METRIC: metric.encode()} if metric else None
    return pa.field(name, pa.list_(pa.float32(), dim), metadata=about)


def noted_metric(field: Any) -> str | None:
    """The metric that the field of a vector column notes."""
    noted = (field.metadata or {}).get(_METRIC)
    return next((metric for metric in DISTANCE if metric.encode() == noted), None)


def check_columns(schema: Any, key: str, vector: str, where: str) -> None:
    """Raise InputError unless the columns ``key`` and ``vector`` can be what they are to be."""
    from pyarrow import types

    for name in (key, vector):
        if name not in schema.names:
            raise InputError(
                where, f"no column {name!r}", f"one of {', '.join(schema.names)}",
                "Name the columns with ?vector= and ?id=.",
            )  # fmt: skip
    kind = schema.field(key).type
    if not (types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind)):
        raise InputError(
            where, f"a column {key!r} of {kind}", "integers or text as ids",
            "Choose another column with ?id=.",
        )  # fmt: skip
    kind = schema.field(vector).type
    if not (types.is_fixed_size_list(kind) and types.is_floating(kind.value_type)):
        raise InputError(
            where, f"a column {vector!r} of {kind}", "a fixed-size list of floating-point numbers"
        )


def plain(table: Any) -> list[dict[str, Any]]:
    """Rows of an Arrow table as JSON values: times and decimals as text, bytes left out."""
    for number in reversed(range(table.num_columns)):
        field = table.schema.field(number)
        kind = _json_kind(field.type)
        if kind is None:
            table = table.remove_column(number)
        elif kind != field.type:
            table = table.set_column(number, field.name, table.column(number).cast(kind))
    found: list[dict[str, Any]] = table.to_pylist()
    return found if table.num_columns else [{} for _ in range(table.num_rows)]


def _json_kind(kind: Any) -> Any:
    """The Arrow type as which values of ``kind`` are JSON, inside lists and structs too."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_temporal(kind) or types.is_decimal(kind):
        return pa.string()
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return None
    if types.is_struct(kind):
        inside = [(field.name, _json_kind(field.type)) for field in kind]
        return pa.struct([(name, inner) for name, inner in inside if inner is not None])
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        inner = _json_kind(kind.value_type)
        if inner is not None and inner != kind.value_type:
            return pa.list_(inner)
        return None if inner is None else kind
    return kind


def payload_columns(
    payload: Sequence[Mapping[str, Any]], schema: Any, leave: tuple[str, ...], where: str
) -> dict[str, Any]:
    """Payload of rows as Arrow arrays by column, of the table's types where it has the column."""
    import pyarrow as pa

    names = dict.fromkeys(name for row in payload for name in row if name not in leave)
    out = {}
    for name in names:
        values = [row.get(name) for row in payload]
        try:
            array = pa.array(values)
            if name in schema.names:
                array = array.cast(schema.field(name).type)
        except _UNFIT as error:
            raise InputError(
                where, f"the column {name!r} with {str(error)[:_SAID]}",
                "plain values of one type, that of the table's column",
            ) from None  # fmt: skip
        if not pa.types.is_null(array.type):
            out[name] = array
    return out


def highest(ids: np.ndarray) -> Any:
    """The last id in ascending order, None of none."""
    return np.sort(ids)[-1] if len(ids) else None


def once(ids: np.ndarray, where: str) -> None:
    """Raise InputError where an id of the ascending ``ids`` comes twice."""
    again = np.flatnonzero(ids[1:] == ids[:-1])
    if len(again):
        raise InputError(
            where, f"{len(again):,} ids twice (first: {named(ids[again])})", "one row an id",
            "Choose another column with ?id=, or remove the repeated rows.",
        )  # fmt: skip


def build_indexes(source: Any, table: Any, vector: str, metric: str | None) -> None:
    """Give ``table`` the indexes of ``source``; the one of ``vector`` for ``metric``.

    Kind and parameters are the original's as far as Lance tells them; the number of partitions,
    and what does not fit another width, is Lance's own choice. An index on vectors needs
    ``TRAINABLE`` rows; below, every search is exact and fast anyway.
    """
    from lancedb import index as kinds

    there = {index.name for index in table.list_indices()}
    for index in source.list_indices():
        column, kind = index.columns[0], getattr(kinds, index.index_type, None)
        if kind is None:
            raise StorageError(
                f"build the index {index.name}", f"one of kind {index.index_type}",
                "a kind that this lancedb can make", "Drop it, and build it after the cutover.",
            )  # fmt: skip
        wanted = dict(getattr(index, "index_details", None) or {})
        if index.index_type.startswith("Ivf"):
            if table.count_rows(f"{quoted(column)} IS NOT NULL") < TRAINABLE:
                continue
            wanted = _of_vectors(wanted, source.index_stats(index.name).distance_type)
            if column == vector and metric is not None:
                wanted["distance_type"] = DISTANCE[metric]
            widths = {t.schema.field(column).type.list_size for t in (source, table)}
            if len(widths) > 1:
                wanted.pop("num_sub_vectors", None)
        known = {field.name for field in fields(kind)}
        wanted = {k: v for k, v in wanted.items() if k in known and v is not None}
        if index.name not in there:
            table.create_index(column, config=kind(**wanted), name=index.name)


def _of_vectors(details: dict[str, Any], distance: str) -> dict[str, Any]:
    graph, code = details.get("hnsw") or {}, details.get("compression") or {}
    return {
        "distance_type": distance,
        "m": graph.get("max_connections"),
        "ef_construction": graph.get("construction_ef"),
        "num_bits": code.get("num_bits"),
        "num_sub_vectors": code.get("num_sub_vectors"),
    }
