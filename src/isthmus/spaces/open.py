"""Open: a path, the address of a store, or an array becomes a Space."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.core.arrays import refuse_mask, to_numpy
from isthmus.core.errors import FormatError, InputError, StorageError
from isthmus.spaces.columns import ArrayColumn, Column, RangeColumn, ScaledColumn
from isthmus.spaces.formats import read
from isthmus.spaces.formats.contents import Contents, Keys
from isthmus.spaces.ids import IdColumn, normal
from isthmus.spaces.space import Space
from isthmus.spaces.stores import Address, is_address
from isthmus.spaces.stores.address import refuse_address


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
    """A file, folder, collection of a store, or array of vectors as a Space, read lazily.

    Parameters
    ----------
    source
        A path: ``.npy``, ``.npz``, ``.parquet``, ``.arrow``, ``.safetensors``, ``.fvecs``, a folder
        of ``.npy`` shards (LAION layout too), of Parquet files, or a space directory. Or the
        address of a collection in a store, like ``"pgvector://host/base/table?vector=emb"``; its
        ids are read at once, ascending, and its vectors when asked for. Or an array (n, dim) of
        float16, float32, float64 or int8, of any kind and memory layout.
    ids
        The ids (n,), text or integers; or the name of the file's column or key that holds them.
        By default the usual names are looked for, and without any the ids are 0 .. n-1.
    vectors
        The name of the file's column or key that holds the vectors, where it is not a usual one.
    name
        What messages call the space; by default the name of its file or collection.
    metric, encoder
        Declared facts: how the vectors are compared, and what made them.
    scale
        What int8 values are multiplied by to give the vectors.

    Raises
    ------
    FormatError
        The file is of an unknown format, truncated, corrupt or hostile.
    StorageError
        There is no such file, or it may not be read; a store cannot be reached.
    MissingExtra
        The client of a store is not installed.
    InputError
        The set is empty, of the wrong shape or dtype, or ids do not fit.

    Examples
    --------
    >>> space = open(np.ones((2, 3)), ids=["a", "b"], encoder="demo")
    >>> space
    <Space 'array': 2 x 3 float64, string ids, encoder=demo>
    """
    path: Path | None = None
    if isinstance(source, Address) or is_address(source):
        return _stored(source, ids, vectors, scale, name=name, metric=metric, encoder=encoder)
    if isinstance(source, str | os.PathLike):
        refuse_address(source, operation="open")
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
    space = _space(name, path, contents, found, metric=metric, encoder=encoder, scale=scale)
    if path is not None and (ids is None or isinstance(ids, str)):
        space.opened = {
            "source": path.absolute(), "ids": ids, "vectors": vectors, "name": name,
            "metric": metric, "encoder": encoder, "scale": scale,
        }  # fmt: skip
    return space


def _stored(
    source: Address | str, ids: Any, vectors: str | None, scale: float | None,
    **declared: str | None,
) -> Space:  # fmt: skip
    """The collection at an address as a Space, its secrets in nothing but the connection."""
    from isthmus.spaces.stores.columns import read as read_store

    address = source if isinstance(source, Address) else Address.parse(source)
    given = {"ids": ids, "vectors": vectors, "scale": scale}
    if extra := [key for key, value in given.items() if value is not None]:
        raise InputError(
            f"open {address.redacted}", f"{extra[0]}=", "no more than an address",
            "Name columns in it, as in ?id=doc_id&vector=embedding.",
        )  # fmt: skip
    contents = read_store(address)
    facts = {key: declared[key] for key in ("metric", "encoder")}
    name = declared["name"] or address.collection
    space = _space(name, None, contents, contents.ids, scale=None, **facts)
    space.opened = {"source": address, "name": name, **facts}
    return space


def opening(space: Space, *, operation: str) -> dict[str, Any]:
    """The arguments with which ``open`` gives ``space`` again in another process.

    Raises InputError when its vectors or ids lie in this one's memory.
    """
    if space.opened is None:
        raise InputError(
            operation,
            f"{space.name!r}, of which something lies in this process's memory",
            "vectors and ids that every worker can open from a path",
            "Write it to a file or folder first and open that, or work on threads.",
        )
    return space.opened


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
            where, f"vectors of dtype {stored}", "float16, float32, float64, or int8 with a scale",
            "Convert them: vectors.astype('float32').",
        )  # fmt: skip
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
    refuse_mask("vectors", source, operation="open")
    try:
        array = to_numpy(source)
    except (TypeError, ValueError) as error:
        raise InputError("open", f"{type(source).__name__}", "a path or an array") from error
    if array.ndim != 2 or 0 in array.shape:
        raise InputError("open", f"an array of shape {array.shape}", "a non-empty (rows, dim) one")
    return array


def _id_array(ids: Any) -> np.ndarray:
    refuse_mask("ids", ids, operation="open")
    values = to_numpy(ids)
    # A list of mixed kinds would silently become text; integers among text must not.
    if values.dtype.kind in "US" and isinstance(ids, list | tuple):
        values = np.array(ids, dtype=object)
    return values
