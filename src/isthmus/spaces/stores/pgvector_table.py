"""What PostgreSQL says of a table: its columns, which of them is the id and which the vector."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.stores.address import Address
from isthmus.spaces.stores.pgvector_copy import INTEGERS
from isthmus.spaces.stores.store import SHADOW, shadow_name

#: Runs a statement with values for $1, $2, ... and gives its rows.
Run = Callable[..., list[tuple[Any, ...]]]
#: Operator classes of pgvector and the metric each searches by, with the operator that does.
METRICS = {"cosine": ("vector_cosine_ops", "<=>"), "euclidean": ("vector_l2_ops", "<->"),
           "inner": ("vector_ip_ops", "<#>")}  # fmt: skip
#: How a vector column's comment says which metric it is meant for.
NOTE = "isthmus metric="
#: Types that a payload carries as they are; values of any other become their text.
_PLAIN = ("int2", "int4", "int8", "float4", "float8", "bool", "text", "varchar", "json", "jsonb")
_LONGEST = 63  # bytes of a name; PostgreSQL cuts longer ones without a word


def quoted(*names: str) -> str:
    """A name, or a name with its schema, as SQL."""
    from psycopg import sql

    return sql.Identifier(*names).as_string(None)


def named(name: str, job: str, *, old: bool = False) -> str:
    """What a table, column or index of ``job`` is called, never longer than PostgreSQL keeps.

    Raises InputError on a job whose names would be another's, or do not fit.

    >>> named("embedding", "a1"), named("e" * 60, "a1")
    ('embedding_isthmus_a1', 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeee_a1b79bc3_isthmus_a1')
    """
    mark = hashlib.sha256(name.encode()).hexdigest()[:8]
    room = _LONGEST - len(shadow_name(f"_{mark}", job, old=True).encode())
    if job.endswith("_old") or room < 0:
        raise InputError(
            "job", f"{job!r:.60}, {len(job.encode())} bytes",
            f"at most {room + len(job.encode())} bytes that do not end in _old",
            "Give the job another name.",
        )  # fmt: skip
    whole = shadow_name(name, job, old=old)
    if len(whole.encode()) <= _LONGEST:
        return whole
    short = name.encode()[: min(30, room)].decode(errors="ignore")
    return shadow_name(f"{short}_{mark}", job, old=old)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: ``dim`` is -1 where the type does not fix it or is no vector."""

    name: str
    number: int
    type: str
    schema: str
    dim: int
    required: bool
    generated: bool
    words: str
    note: str
    grants: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it is now; ``key`` and ``vector`` are the two columns that matter."""

    oid: int
    schema: str
    name: str
    owned: bool
    columns: dict[str, Column]
    key: Column
    vector: Column

    @property
    def sql(self) -> str:
        """The table's name with its schema."""
        return quoted(self.schema, self.name)

    @property
    def kind(self) -> str:
        """``"int"`` or ``"string"``."""
        return "int" if self.key.type in INTEGERS else "string"

    @property
    def home(self) -> str:
        """The schema in which pgvector is installed, as SQL."""
        return quoted(self.vector.schema)

    def others(self) -> list[Column]:
        """What a row carries besides id and vector; what a job left is not shown."""
        return [
            column for column in self.columns.values()
            if column not in (self.key, self.vector) and not _ours(column)
        ]  # fmt: skip

    def payload(self) -> str:
        """One JSON text of the other columns of a row ``t``, as SQL."""
        shown = ", ".join(
            f"t.{quoted(one.name)}{'' if one.type in _PLAIN else '::text'} AS {quoted(one.name)}"
            for one in self.others()
        )
        return f"(SELECT row_to_json(r) FROM (SELECT {shown}) r)::text" if shown else "'{}'"


def read(run: Run, address: Address) -> Table:
    """The table at ``address``; raises InputError naming what there is when something is not."""
    where, options = f"open {address.redacted}", address.options
    schema = options.get("schema")
    name = quoted(*([schema] if schema else []), address.collection)
    found = run(
        "SELECT c.oid::int8, n.nspname, c.relname, c.relkind::text, "
        "pg_has_role(c.relowner, 'USAGE') FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)", name,
    )  # fmt: skip
    if not found:
        raise InputError(where, f"no table {address.collection!r}", f"one of {_tables(run)}")
    oid, schema, table, kind, owned = found[0]
    if kind != "r":
        raise InputError(
            where, "a view, a partitioned or a foreign table", "an ordinary table",
            "Give the address of the table that holds the vectors.",
        )  # fmt: skip
    columns = {row[0]: Column(*row) for row in run(_COLUMNS, oid)}
    vector = _vector(columns, options.get("vector"), where)
    unique = run(
        "SELECT indkey[0]::int, indisprimary, indnkeyatts FROM pg_index WHERE indrelid = $1 "
        "AND indisunique AND indisvalid AND indpred IS NULL AND indexprs IS NULL", oid,
    )  # fmt: skip
    key = _key(columns, unique, options.get("id"), where)
    return Table(oid, schema, table, owned, columns, key, vector)


def array(key: Column) -> str:
    """The type of a list of ids in a statement, with the cast that makes it one."""
    if key.type in INTEGERS:
        return "int8[]"
    return "text[]::uuid[]" if key.type == "uuid" else "text[]"


def serves(definition: str, metric: str) -> bool:
    """Whether an index, by its definition from the method on, searches by ``metric``."""
    # PostgreSQL does not tell the operator class that is the method's default: of IVF, Euclidean.
    if definition.startswith("ivfflat") and "_ops" not in definition:
        return metric == "euclidean"
    return re.search(rf"\b{METRICS[metric][0]}\b", definition) is not None


def metric_of(column: Column, definitions: list[str]) -> str | None:
    """The metric that a column's indexes search by, else what its comment says."""
    for metric in METRICS:
        if any(serves(text, metric) for text in definitions):
            return metric
    said = column.note.removeprefix(NOTE)
    return said if column.note.startswith(NOTE) and said in METRICS else None


def _vector(columns: dict[str, Column], wanted: str | None, where: str) -> Column:
    vectors = [one for one in columns.values() if one.type == "vector" and not _ours(one)]
    if wanted is None and len(vectors) == 1:
        column = vectors[0]
    elif wanted is None or wanted not in columns:
        raise InputError(
            where, f"no column {wanted!r}" if wanted else f"{len(vectors)} columns of vectors",
            f"one of {', '.join(one.name for one in vectors) or 'none: there is no vector'}",
            "Name the column of vectors with ?vector=.",
        )  # fmt: skip
    else:
        column = columns[wanted]
    if column.type != "vector":
        raise InputError(
            where, f"the column {column.name!r} of type {column.words}", "type vector",
            f"Add a column of type vector and fill it: UPDATE ... SET v = {column.name}::vector.",
        )  # fmt: skip
    if column.generated:
        raise InputError(where, f"the generated column {column.name!r}", "one that can be written")
    return column


def _key(
    columns: dict[str, Column], unique: list[tuple[Any, ...]], wanted: str | None, where: str
) -> Column:
    by_number = {column.number: column for column in columns.values()}
    if wanted is None:
        primary = [row for row in unique if row[1]]
        if len(primary) != 1 or primary[0][2] != 1:
            raise InputError(
                where, "a composite primary key" if primary else "no primary key",
                "ids in one column", "Name a column that is unique and NOT NULL with ?id=.",
            )  # fmt: skip
        key = by_number[primary[0][0]]
    elif wanted not in columns:
        raise InputError(where, f"no column {wanted!r}", f"one of {', '.join(columns)}")
    else:
        key = columns[wanted]
    if not key.required or not any(row[0] == key.number and row[2] == 1 for row in unique):
        raise InputError(where, f"the id column {key.name!r}", "one that is unique and NOT NULL")
    if key.type not in (*INTEGERS, "text", "varchar", "uuid"):
        raise InputError(
            where, f"ids of type {key.words} in {key.name!r}", "an integer, text or uuid"
        )
    return key


def _ours(column: Column) -> bool:
    return f"_{SHADOW}_" in column.name


def _tables(run: Run) -> str:
    found = run(
        "SELECT DISTINCT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
        "JOIN pg_type t ON t.oid = a.atttypid WHERE t.typname = 'vector' AND c.relkind = 'r' "
        "ORDER BY 1 LIMIT 20"
    )
    return ", ".join(row[0] for row in found) or "none: no table has a column of type vector"


_COLUMNS = """
SELECT a.attname, a.attnum::int, t.typname, n.nspname,
       CASE WHEN t.typname = 'vector' THEN a.atttypmod ELSE -1 END, a.attnotnull,
       a.attgenerated <> '', format_type(a.atttypid, a.atttypmod),
       coalesce(col_description(a.attrelid, a.attnum), ''), a.attacl IS NOT NULL
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""


def vector_home(run: Run, where: str) -> str:
    """The schema of the type ``vector``, as SQL; StorageError where pgvector is not installed."""
    found = run(
        "SELECT n.nspname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace "
        "WHERE t.typname = 'vector' ORDER BY n.nspname LIMIT 1"
    )
    if not found:
        raise StorageError(
            where, "a data base without pgvector", "its extension", "Run: CREATE EXTENSION vector;"
        )
    return quoted(found[0][0])
