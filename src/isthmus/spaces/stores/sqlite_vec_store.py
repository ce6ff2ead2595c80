"""sqlite-vec: vectors in a SQLite file, in a BLOB column of an ordinary table or in a vec0 table.

A translation gathers in a table of its own in the same file. The cutover puts the new vectors in
place in one transaction, which SQLite keeps whole whatever happens: of an ordinary table it sets
the column, a vec0 table is made again, since its width is part of it and renaming breaks it. The
old rows stay in a table of their own.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from isthmus.core.errors import InputError, IsthmusError, StorageError
from isthmus.spaces.stores.address import Address
from isthmus.spaces.stores.sqlite_vec_link import Link
from isthmus.spaces.stores.sqlite_vec_shadow import Shadow
from isthmus.spaces.stores.sqlite_vec_table import METRICS, Table, quoted, read
from isthmus.spaces.stores.store import Facts, Rows, Store, checked, gone

#: The column that takes what no other column is named for.
_REST = "payload"
#: What vec0 finds at most.
_NEAREST = 4096


class SqliteVec(Store):
    """The vectors of one column of one table, or with ``job`` those gathered to replace them."""

    SCHEME = "sqlite-vec"

    def __init__(self, address: Address, link: Link, *, job: str | None = None) -> None:
        super().__init__(address)
        self._link, self._job = link, job
        self._filter = address.options.get("filter")

    @classmethod
    def open(cls, address: Address) -> Self:
        """Open a table of a file that exists."""
        link = Link(address, mode="rw")
        try:
            table = read(link.run, address)
            if given := address.options.get("filter"):
                try:
                    link.run(f"SELECT 1 FROM {table.sql} t WHERE ({given}\n) LIMIT 0")
                except StorageError as error:
                    raise InputError(
                        f"open {address.redacted}", f"a filter that is refused, {error.given}",
                        "a condition in SQL on the table's columns",
                    ) from None  # fmt: skip
        except IsthmusError:
            link.close()
            raise
        return cls(address, link)

    @classmethod
    def create(cls, address: Address, *, dim: int, metric: str | None, id_kind: str) -> Self:
        """Make a vec0 table of id, vector and a JSON text ``payload``, in a new file if need be."""
        key, vector = address.options.get("id", "id"), address.options.get("vector", "embedding")
        for name in (key, vector):
            if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
                raise InputError(
                    f"create {address.redacted}", f"the column {name!r}",
                    "letters, digits and _, which is all that vec0 takes",
                )  # fmt: skip
        kind = "integer" if id_kind == "int" else "text"
        distance = METRICS[metric or "euclidean"][0]
        link = Link(address, mode="rwc")
        try:
            link.run(
                f"CREATE VIRTUAL TABLE {quoted(address.collection)} USING vec0("
                f"{key} {kind} primary key, {vector} float[{int(dim)}] "
                f"distance_metric={distance}, +{_REST} text)"
            )
        except IsthmusError:
            link.close()
            raise
        return cls(address, link)

    def facts(self) -> Facts:
        """What the table says; the width of a BLOB column is that of its rows."""
        table = self._table()
        ((rows, least, most),) = self._link.run(
            f"SELECT count(*), min(length(v)), max(length(v)) FROM ({self._relation(table)})"
        )
        if least != most or (most or 0) % 4:
            raise InputError(
                f"open {self.address.redacted}", f"vectors of {least} to {most} bytes",
                "one length, 4 bytes a number", "Choose those of one length with ?filter=.",
            )  # fmt: skip
        missing = 0
        if self._job is None:
            missing = self._link.run(
                f"SELECT count(*) FROM {table.sql} t WHERE t.{quoted(table.vector)} IS NULL"
                f"{self._kept()}"
            )[0][0]
        return Facts(
            rows=rows,
            dim=self._dim(table) or (most or 0) // 4,
            metric=self._metric(table),
            id_kind=table.kind,
            missing=missing,
        )

    def ids(self) -> np.ndarray:
        """Ids in ascending order, text by code point."""
        table = self._table()
        found = self._link.run(
            f"SELECT key FROM ({self._relation(table)}) ORDER BY key COLLATE BINARY"
        )
        return self._keys(table, [row[0] for row in found])

    def fetch(self, ids: np.ndarray, *, payload: bool = False) -> Rows:
        """The rows of ``ids``, each by its key."""
        table = self._table()
        found = self._link.run(
            # CROSS JOIN goes from the ids to the rows; with IN a vec0 table would be read whole.
            f"SELECT r.* FROM json_each(?) j CROSS JOIN ({self._relation(table, payload)}) r "
            "ON r.key = j.value", json.dumps(ids.tolist()),
        )  # fmt: skip
        by_id = {row[0]: row for row in found}
        if missing := [key for key in ids.tolist() if key not in by_id]:
            raise gone(self, np.array(missing))
        rows = [by_id[key] for key in ids.tolist()]
        carried = None
        if payload:
            carried = [_carried(table, row[2:]) for row in rows]
        return Rows(ids, self._values([row[1] for row in rows], self._dim(table)), carried)

    def stamp(self) -> str:
        """Number of rows and sum of a 64-bit hash of each id with its vector: one scan."""
        rows = total = 0
        for key, vector in self._link.each(self._relation(self._table())):
            row = f"{key}\0".encode() + vector
            total += int.from_bytes(hashlib.blake2b(row, digest_size=8).digest(), "little")
            rows += 1
        return f"{rows}:{total}"

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        """Exact: vec0 by its own search, a BLOB column or with a filter by distances."""
        table = self._table()
        where, metric = f"search {self.address.redacted}", self._metric(table)
        if metric not in METRICS:
            raise InputError(where, "no metric", f"?metric= one of {', '.join(METRICS)}")
        if table.arguments and not (self._filter or self._job) and metric == table.metric:
            if k > _NEAREST:
                raise InputError(where, f"k = {k}", f"at most {_NEAREST}")
            text = (
                f"SELECT {quoted(table.key)} FROM {table.sql} WHERE {quoted(table.vector)} "
                f"MATCH ? AND k = {int(k)} ORDER BY distance"
            )
        else:
            text = (
                f"SELECT key FROM ({self._relation(table)}) "
                f"ORDER BY {METRICS[metric][1]}(v, ?) LIMIT {int(k)}"
            )
        queries = np.ascontiguousarray(queries, np.float32)
        found = [[row[0] for row in self._link.run(text, q.tobytes())] for q in queries]
        if any(len(row) < k for row in found):
            raise StorageError(where, f"{min(map(len, found))} of {k} rows", f"{k} for each query")
        return self._keys(table, [key for row in found for key in row]).reshape(len(queries), k)

    def upsert(self, rows: Rows) -> None:
        """One transaction a call."""
        table = self._table()
        rows = checked(self, rows, self._dim(table) or self.facts().dim or rows.vectors.shape[1])
        kinds = "iu" if table.kind == "int" else "UO"
        if rows.ids.dtype.kind not in kinds:
            raise InputError(
                f"write to {self.address.redacted}", f"ids of dtype {rows.ids.dtype}",
                "integers" if table.kind == "int" else "text",
            )  # fmt: skip
        keys, vectors = rows.ids.tolist(), [one.tobytes() for one in rows.vectors]
        with self._link.transaction():
            if self._job is not None:
                Shadow(self._link, table, self._job).write(keys, vectors)
                return
            names, values = self._written(table, rows)
            known = self._link.run(
                f"SELECT j.value FROM json_each(?) j CROSS JOIN {table.sql} t "
                f"ON t.{quoted(table.key)} = j.value", json.dumps(keys),
            )  # fmt: skip
            there = {row[0] for row in known}
            both = list(zip(keys, vectors, values, strict=True))
            columns = [quoted(name) for name in (table.vector, *names)]
            # vec0 knows no upsert: rows that are there are set, the others are new.
            self._link.many(
                f"UPDATE {table.sql} SET {', '.join(f'{one} = ?' for one in columns)} "
                f"WHERE {quoted(table.key)} = ?",
                [(vector, *more, key) for key, vector, more in both if key in there],
            )
            self._link.many(
                f"INSERT INTO {table.sql} ({', '.join([quoted(table.key), *columns])}) "
                f"VALUES ({', '.join('?' * (1 + len(columns)))})",
                [(key, vector, *more) for key, vector, more in both if key not in there],
            )

    def delete(self, ids: np.ndarray) -> None:
        """Remove rows; of a shadow what was gathered for them."""
        table, keys = self._table(), [(key,) for key in ids.tolist()]
        with self._link.transaction():
            if self._job is not None:
                Shadow(self._link, table, self._job).remove(keys)
            else:
                self._link.many(f"DELETE FROM {table.sql} WHERE {quoted(table.key)} = ?", keys)

    def shadow(self, job: str, *, dim: int, metric: str | None) -> "SqliteVec":
        """A table of new vectors in the same file."""
        if self._filter is not None or self._job is not None:
            raise InputError(
                f"shadow {self.address.redacted}",
                "rows chosen by a filter" if self._filter is not None else "a shadow",
                "a whole table", "The rows left out would have no vector after the cutover.",
            )  # fmt: skip
        self._change(job).begin(dim, metric)
        return type(self)(self.address, self._link, job=job)

    def finish(self, job: str) -> None:
        """Nothing to build: search is exact."""
        self._change(job).known()

    def cutover(self, job: str) -> None:
        """Put the new vectors in place, in one transaction."""
        self._change(job).cutover()

    def rollback(self, job: str) -> None:
        """Put the old rows back, in one transaction.

        Rows of a vec0 table that came after the cutover have no old vector: they stay in the
        shadow, all their columns, until it is dropped.
        """
        self._change(job).rollback()

    def state(self, job: str) -> str:
        """What tables of the job there are."""
        return self._change(job).state()

    def drop(self, job: str) -> None:
        """Drop the table that does not serve."""
        self._change(job).drop()

    def close(self) -> None:
        """Close the file, which shadows share."""
        self._link.close()

    def _table(self) -> Table:
        return read(self._link.run, self.address)

    def _change(self, job: str) -> Shadow:
        return Shadow(self._link, self._table(), job)

    def _dim(self, table: Table) -> int:
        if self._job is None:
            return table.dim
        return Shadow(self._link, table, self._job).known()[0]

    def _metric(self, table: Table) -> str | None:
        return self.address.options.get("metric") or table.metric

    def _kept(self) -> str:
        # The line break ends a comment that the filter may end in.
        return f" AND ({self._filter}\n)" if self._filter else ""

    def _relation(self, table: Table, payload: bool = False) -> str:
        """Rows as (key, v), or with their other columns behind, as SQL."""
        if self._job is not None:
            return Shadow(self._link, table, self._job).relation()
        vector = f"t.{quoted(table.vector)}"
        others = "".join(f", t.{quoted(name)}" for name in table.others) if payload else ""
        return (
            f"SELECT t.{quoted(table.key)} AS key, {vector} AS v{others} FROM {table.sql} t "
            f"WHERE {vector} IS NOT NULL{self._kept()}"
        )

    def _keys(self, table: Table, found: list[Any]) -> np.ndarray:
        wanted = int if table.kind == "int" else str
        if wrong := [key for key in found if not isinstance(key, wanted)]:
            raise InputError(
                f"read {self.address.redacted}", f"the id {wrong[0]!r} in a column of {table.kind}",
                "ids of one kind",
            )  # fmt: skip
        return np.array(found, dtype=np.int64 if table.kind == "int" else str)

    def _values(self, found: list[Any], dim: int) -> np.ndarray:
        if not found:
            return np.empty((0, dim), np.float32)
        sizes = {len(one) if isinstance(one, bytes) else -1 for one in found}
        if len(sizes) > 1 or max(sizes) % 4:
            raise InputError(
                f"read {self.address.redacted}", "vectors of several lengths, or as text",
                "BLOBs of one length, 4 bytes a number",
                "Text becomes a BLOB by: UPDATE t SET v = vec_f32(v) WHERE typeof(v) = 'text'.",
            )  # fmt: skip
        return np.frombuffer(b"".join(found), "<f4").reshape(len(found), -1).astype(np.float32)

    def _written(self, table: Table, rows: Rows) -> tuple[list[str], list[tuple[Any, ...]]]:
        """The columns that the payload fills, and their values row by row."""
        if rows.payload is None:
            return [], [()] * len(rows)
        used = {name for row in rows.payload for name in row}
        unknown = sorted(used - set(table.others))
        if unknown and _REST not in table.others:
            raise InputError(
                f"write to {self.address.redacted}", f"a payload with {unknown[0]!r}",
                f"the columns {', '.join(table.others) or '(none)'}",
            )  # fmt: skip
        names = sorted(used & set(table.others) | ({_REST} if unknown else set()))
        values = []
        for row in rows.payload:
            one = dict(row)
            if unknown:
                known = row.get(_REST)
                rest = {key: one.pop(key) for key in row if key not in table.others}
                one[_REST] = (known if isinstance(known, dict) else {}) | rest
            values.append(tuple(_plain(one.get(name)) for name in names))
        return names, values


def _plain(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        try:
            return json.dumps(value, allow_nan=False, ensure_ascii=False)
        except (TypeError, ValueError) as error:
            raise InputError("write a payload", str(error), "plain JSON values") from None
    return value


def _carried(table: Table, values: Sequence[Any]) -> dict[str, Any]:
    """The other columns of a row; bytes become hexadecimal text."""
    row = {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in zip(table.others, values, strict=True)
    }
    text = row.get(_REST)
    if isinstance(text, str) and text.startswith("{"):
        try:
            rest = json.loads(text)
        except ValueError:
            return row
        del row[_REST]
        return rest | row
    if _REST in row and text is None:
        del row[_REST]
    return row
