"""Open: a path or an array becomes a Space."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.core.arrays import to_numpy
from isthmus.core.errors import FormatError, InputError, StorageError
from isthmus.spaces.columns import ArrayColumn, Column, RangeColumn, ScaledColumn
from isthmus.spaces.formats import read
from isthmus.spaces.formats.contents import Contents, Keys
from isthmus.spaces.ids import IdColumn, normal
from isthmus.spaces.space import Space


def open(
    source: Any,
    *,
    ids: Any = None,
    vectors: str | None = None,
    name: str | None = None,
    metric: str | None = None,
    encoder: str | None = None,
    scale: float | None = None,
) -> Space:
    """A file, folder or array of vectors as a Space, read lazily.

    Parameters
    ----------
    source
        A path: ``.npy``, ``.npz``, ``.parquet``, ``.arrow``, ``.safetensors``, ``.fvecs``, a folder
        of ``.npy`` shards (LAION layout too), of Parquet files, or a space directory. Or an array
        (n, dim) of float16, float32, float64 or int8, of any kind and memory layout.
    ids
        The ids (n,), text or integers; or the name of the file's column or key that holds them.
        By default the usual names are looked for, and without any the ids are 0 .. n-1.
    vectors
        The name of the file's column or key that holds the vectors, where it is not a usual one.
    name
        What messages call the space; by default the name of its file.
    metric, encoder
        Declared facts: how the vectors are compared, and what made them.
    scale
        What int8 values are multiplied by to give the vectors.

    Raises
    ------
    FormatError
        The file is of an unknown format, truncated, corrupt or hostile.
    StorageError
        There is no such file, or it may not be read.
    InputError
        The set is empty, of the wrong shape or dtype, or ids do not fit.

    Examples
    --------
    >>> space = open(np.ones((2, 3)), ids=["a", "b"], encoder="demo")
    >>> space
    <Space 'array': 2 x 3 float64, string ids, encoder=demo>
    """
    path: Path | None = None
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if not path.exists():
            raise StorageError(f"open {path}", "no such file or folder", "a path that exists")
        contents = _read(path, Keys(vectors, ids if isinstance(ids, str) else None))
    else:
        contents = Contents(ArrayColumn(_array(source)))
    name = name or (path.resolve().name if path else "array")
    found = contents.ids
    if ids is not None and not (path and isinstance(ids, str)):
        found = ArrayColumn(normal(_id_array(ids), where=f"open {name}"))
    return _space(name, path, contents, found, metric=metric, encoder=encoder, scale=scale)


def _read(path: Path, keys: Keys) -> Contents:
    try:
        return read(path, keys)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        reason = error.strerror or str(error)
        raise StorageError(f"open {path}", reason, "a readable file or folder") from error


def _space(
    name: str, path: Path | None, contents: Contents, ids: Column | None, *,
    metric: str | None, encoder: str | None, scale: float | None,
) -> Space:  # fmt: skip
    where, facts, column = f"open {name}", contents.facts, contents.vectors
    if len(column.shape) != 2:
        raise FormatError(
            where, f"an array of shape {column.shape}", "one (rows, dim) matrix of vectors"
        )
    if 0 in column.shape:
        raise InputError(where, f"an empty set of shape {column.shape}", "at least one vector")
    scale = facts.get("scale") if scale is None else scale
    stored = column.dtype
    if stored.kind == "i" and stored.itemsize == 1:
        if scale is None or not np.isfinite(scale) or scale <= 0:
            raise InputError(
                where, f"int8 vectors and scale={scale}", "the scale they were quantised with",
                "Declare it: isthmus.open(path, scale=1/127).",
            )  # fmt: skip
        column = ScaledColumn(column, scale)
    elif stored.kind != "f" or stored.itemsize > 8:
        raise InputError(
            where, f"vectors of dtype {stored}", "float16, float32, float64, or int8 with a scale"
        )
    elif scale is not None:
        raise InputError(where, f"scale={scale} for {stored}", "a scale for int8 vectors only")
    if ids is not None and ids.shape != column.shape[:1]:
        raise InputError(where, f"ids {ids.shape} for vectors {column.shape}", "one id a row")
    return Space(
        column,
        RangeColumn(column.shape[0]) if ids is None else _id_column(ids, where),
        name=name,
        stored=stored,
        metric=metric or facts.get("metric"),
        encoder=encoder or facts.get("encoder"),
        scale=scale,
        path=path,
        provenance=facts.get("provenance"),
        fingerprint=facts.get("fingerprint"),
    )


def _id_column(ids: Column, where: str) -> Column:
    if isinstance(ids, RangeColumn | IdColumn):
        return ids
    if ids.dtype.kind not in "iuUSO":
        raise InputError(where, f"ids of dtype {ids.dtype}", "integers or text")
    return IdColumn(ids, where)


def _array(source: Any) -> np.ndarray:
    try:
        array = to_numpy(source)
    except (TypeError, ValueError) as error:
        raise InputError("open", f"{type(source).__name__}", "a path or an array") from error
    if array.ndim != 2 or 0 in array.shape:
        raise InputError("open", f"an array of shape {array.shape}", "a non-empty (rows, dim) one")
    return array


def _id_array(ids: Any) -> np.ndarray:
    values = to_numpy(ids)
    # A list of mixed kinds would silently become text; integers among text must not.
    if values.dtype.kind in "US" and isinstance(ids, list | tuple):
        values = np.array(ids, dtype=object)
    return values
