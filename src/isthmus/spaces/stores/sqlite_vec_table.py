"""What SQLite says of a table of vectors: an ordinary one with a BLOB column, or a vec0 table."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.stores.address import Address
from isthmus.spaces.stores.store import SHADOW

#: Runs a statement with values for its question marks and gives its rows.
Run = Callable[..., list[tuple[Any, ...]]]
#: What vec0 calls a metric, and the function that computes it.
METRICS = {"euclidean": ("L2", "vec_distance_L2"), "cosine": ("cosine", "vec_distance_cosine")}
_VECTOR = re.compile(
    r"(?P<name>\w+)\s+(?P<type>float|f32|int8|i8|bit)\s*\[\s*(?P<dim>\d+)\s*\](?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_QUOTED = r""""[^"]*"|'[^']*'|`[^`]*`|\[[^]]*\]"""
#: A comment, as the definition that SQLite keeps may hold, or text in which it is none.
_COMMENT = re.compile(rf"({_QUOTED})|--[^\n]*|/\*.*?\*/", re.DOTALL)
_KEY = re.compile(rf"({_QUOTED}|\S+)\s+(?P<type>\w+)\s+primary\s+key", re.IGNORECASE)
_METRIC = re.compile(r"\s*distance_metric\s*=\s*(\w+)", re.IGNORECASE)


def quoted(name: str) -> str:
    """A name as SQL.

    >>> quoted('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it is now. ``dim`` is 0 where only the rows tell; ``metric`` as vec0 declares it.

    ``arguments`` are what is between the brackets of vec0, empty for an ordinary table.
    """

    name: str
    key: str
    kind: str
    vector: str
    others: tuple[str, ...]
    dim: int
    metric: str | None
    arguments: tuple[str, ...] = ()

    @property
    def sql(self) -> str:
        """The table's name."""
        return quoted(self.name)

    def remade(self, dim: int, metric: str | None) -> str:
        """The statement that makes the same vec0 table for vectors of ``dim``."""
        arguments = []
        for text in self.arguments:
            found = _VECTOR.match(text.strip())
            if found and found["name"] == self.vector:
                rest = found["rest"]
                if metric in METRICS and metric != self.metric:
                    rest = _METRIC.sub("", rest) + f" distance_metric={METRICS[metric][0]}"
                text = f"{self.vector} float[{dim}]{rest}"
            arguments.append(text.strip())
        return f"CREATE VIRTUAL TABLE {self.sql} USING vec0({', '.join(arguments)})"


def read(run: Run, address: Address) -> Table:
    """The table at ``address``; raises InputError naming what there is when something is not."""
    where = f"open {address.redacted}"
    found = run(
        "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE",
        address.collection,
    )
    if not found:
        raise InputError(where, f"no table {address.collection!r}", f"one of {_tables(run)}")
    name, sql = found[0]
    # cid, name, type, notnull, default, pk, hidden; hidden ones are vec0's own.
    columns = [row for row in run(f"PRAGMA table_xinfo({quoted(name)})") if row[6] != 1]
    sql = _COMMENT.sub(lambda found: found[1] or " ", sql or "")
    made = re.match(r"\s*CREATE\s+VIRTUAL\s+TABLE\b.*?\bUSING\s+(\w+)\s*\((.*)\)\s*$", sql,
                    re.IGNORECASE | re.DOTALL)  # fmt: skip
    if made and made[1].lower() != "vec0":
        raise InputError(where, f"a virtual table of {made[1]}", "an ordinary table or one of vec0")
    arguments = tuple(_split(made[2])) if made else ()
    vectors = _vectors(columns, arguments)
    wanted = address.options.get("vector")
    if (wanted or "") not in vectors and (wanted or len(vectors) != 1):
        raise InputError(
            where, f"no column {wanted!r}" if wanted else f"{len(vectors)} columns of vectors",
            f"one of {', '.join(vectors) or 'none: no column is a BLOB or of vec0'}",
            "Name the column of vectors with ?vector=.",
        )  # fmt: skip
    vector = wanted or next(iter(vectors))
    form, dim, metric = vectors[vector]
    if form not in ("float", "f32"):
        raise InputError(
            where, f"vectors of type {form} in {vector!r}", "float",
            "Translate the float vectors that they were made of, then quantise again.",
        )  # fmt: skip
    key, kind = _key(run, name, columns, arguments, address, where)
    others = tuple(
        row[1] for row in columns if row[1] not in (key, vector) and f"_{SHADOW}_" not in row[1]
    )
    return Table(name, key, kind, vector, others, dim, metric, arguments)


def _vectors(
    columns: list[tuple[Any, ...]], arguments: tuple[str, ...]
) -> dict[str, tuple[str, int, str | None]]:
    """Columns of vectors: type, width (0 where only the rows tell) and metric."""
    if not arguments:
        return {
            row[1]: ("float", 0, None) for row in columns
            if (row[2].upper() == "BLOB" or row[2].upper().startswith("FLOAT["))
        }  # fmt: skip
    names = {short: metric for metric, (short, _) in METRICS.items()}
    out: dict[str, tuple[str, int, str | None]] = {}
    for text in arguments:
        if found := _VECTOR.match(text.strip()):
            said = _METRIC.search(found["rest"])
            metric = names.get("cosine" if said and said[1].lower() == "cosine" else
                               said[1].upper() if said else "L2")  # fmt: skip
            out[found["name"]] = (found["type"].lower(), int(found["dim"]), metric)
    return out


def _key(
    run: Run, name: str, columns: list[tuple[Any, ...]], arguments: tuple[str, ...],
    address: Address, where: str,
) -> tuple[str, str]:  # fmt: skip
    """The id column and its kind."""
    wanted = address.options.get("id")
    types = {row[1]: row[2] for row in columns}
    primary = [row[1] for row in columns if row[5]]
    if len(primary) > 1 and wanted is None:
        raise InputError(
            where, "a composite primary key", "ids in one column",
            "Name a column that is unique with ?id=.",
        )  # fmt: skip
    key = wanted or (primary[0] if primary else "rowid")
    # A column of that name takes its place; vec0 tells of its own rowid as of a column too.
    if key == "rowid" and key not in (primary if arguments else map(str.lower, types)):
        try:
            run(f"SELECT rowid FROM {quoted(name)} LIMIT 0")
        except StorageError as error:
            if "no such column" not in error.given:
                raise
            raise InputError(
                where, "the id rowid of a table WITHOUT ROWID, or of vec0 with a primary key",
                f"?id= one of {', '.join(primary)}",
            ) from None  # fmt: skip
        return key, "int"
    if key not in types:
        raise InputError(where, f"no column {key!r}", f"one of {', '.join(types)}")
    if key not in primary or len(primary) > 1:
        single = [
            parts[0][2]
            for index in run(f"PRAGMA index_list({quoted(name)})")
            if index[2] and not index[4]
            for parts in [run(f"PRAGMA index_info({quoted(index[1])})")]
            if len(parts) == 1
        ]
        if key not in single:
            raise InputError(where, f"the id column {key!r}", "one that is unique")
    # vec0 tells no types; its definition does.
    declared = [m for a in arguments if (m := _KEY.fullmatch(a.strip()))]
    text = declared[0]["type"] if declared else types[key]
    if "int" in text.lower():
        return key, "int"
    if "text" in text.lower() or "char" in text.lower():
        return key, "string"
    raise InputError(where, f"ids of type {types[key] or 'any'} in {key!r}", "INTEGER or TEXT")


def _split(text: str) -> list[str]:
    """The arguments of vec0, cut at the commas outside brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'`":
            quote = sign
        depth += (sign in "([") - (sign in ")]") if not quote else 0
        if sign == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += sign
    return [part for part in parts if part.strip()]


def _tables(run: Run) -> str:
    found = run(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' "
        "ESCAPE '\\' AND sql LIKE 'CREATE%' ORDER BY rowid LIMIT 20"
    )
    return ", ".join(row[0] for row in found) or "none: the file has no tables"
