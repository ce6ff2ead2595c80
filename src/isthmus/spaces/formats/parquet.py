"""Parquet, row group by row group.

``iter_batches`` decodes lists element by element at a third of the speed of ``read_row_group``.
"""

import os
from pathlib import Path
from typing import Any

from isthmus.core.errors import FormatError, StorageError
from isthmus.spaces.formats.contents import Contents, Keys
from isthmus.spaces.formats.tables import GroupColumn, check_schema, facts, row_ends


def read(path: Path, keys: Keys) -> Contents:
    """The vector column of a Parquet file and its id column, if it has one."""
    where = f"open {path.name}"
    with open_parquet(path) as file:
        schema = file.schema_arrow
    vector, ident = check_schema(where, schema, keys)
    ids = None if ident is None else parquet_column(path, ident)
    return Contents(parquet_column(path, vector, ids=ids), ids, facts(where, schema))


def open_parquet(path: Path, metadata: Any = None) -> Any:
    """The open ``ParquetFile``; raises FormatError where the file is no such thing.

    Given its ``metadata``, the file's footer is not read again.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, metadata=metadata)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno:
            raise StorageError(
                f"open {path.name}", os.strerror(error.errno), "a readable file"
            ) from error
        raise FormatError(
            f"open {path.name}",
            f"a truncated or broken file ({str(error).splitlines()[0][:120]})",
            "a Parquet file",
            "Copy or write it again.",
        ) from error


def parquet_column(path: Path, name: str, *, ids: GroupColumn | None = None) -> GroupColumn:
    """One column of a Parquet file, decoded a row group at a time."""
    where = f"open {path.name}"
    with open_parquet(path) as file:
        metadata, schema = file.metadata, file.schema_arrow
    if schema.get_field_index(name) < 0:
        raise FormatError(
            where, f"columns {schema.names}", f"one named {name!r}", "Write the file again."
        )

    def load(group: int) -> Any:
        # Not held open: a folder may have more files than a process may. By name: a field "b" in
        # a column "a" is read along with a column "a.b".
        with open_parquet(path, metadata) as file:
            return file.read_row_group(group, columns=[name], use_threads=True).column(name)

    return GroupColumn(
        load,
        row_ends(where, [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]),
        schema.field(name).type,
        where=f"read {path.name}, column {name!r}",
        ids=ids,
    )
