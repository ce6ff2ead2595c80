"""Arrow IPC: files (Feather v2 is one) and streams, record batch by record batch."""

from pathlib import Path
from typing import Any

from isthmus.core.errors import FormatError
from isthmus.spaces.formats.contents import Contents, Keys
from isthmus.spaces.formats.tables import GroupColumn, check_schema, facts, row_ends


def read(path: Path, keys: Keys) -> Contents:
    """The vector column of an Arrow file and its id column, if it has one."""
    schema, rows, batch = _batches(path)
    vector, ident = check_schema(f"open {path.name}", schema, keys)
    ends = row_ends(f"open {path.name}", rows)

    def column(name: str, ids: GroupColumn | None = None) -> GroupColumn:
        number = schema.names.index(name)
        return GroupColumn(
            lambda group: batch(group).column(number),
            ends,
            schema.field(name).type,
            where=f"read {path.name}, column {name!r}",
            ids=ids,
        )

    ids = None if ident is None else column(ident)
    return Contents(column(vector, ids), ids, facts(f"open {path.name}", schema))


def _batches(path: Path) -> tuple[Any, list[int], Any]:
    import pyarrow as pa

    try:
        source = pa.memory_map(str(path))
        if source.size() >= 6 and source.read(6) == b"ARROW1":
            reader = pa.ipc.open_file(source)
            count = reader.num_record_batches
            rows = [reader.get_batch(i).num_rows for i in range(count)]
            return reader.schema, rows, reader.get_batch
        source.seek(0)
        stream = pa.ipc.open_stream(source)
        batches = list(stream)
        return stream.schema, [b.num_rows for b in batches], batches.__getitem__
    except (pa.ArrowException, OSError, ValueError) as error:
        raise FormatError(
            f"open {path.name}",
            f"a truncated or broken file ({str(error).splitlines()[0][:120]})",
            "an Arrow IPC file or stream",
            "Copy or write it again.",
        ) from error
