"""pgvector: a table of PostgreSQL with a column of vectors.

Vectors travel by binary COPY. A translation gathers in a table of its own, so that the user's table
and its index are left alone until ``finish`` moves them into a second column; ``cutover`` swaps the
names of the two columns (see ``pgvector_shadow``).
"""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Self

import numpy as np

from isthmus.core.errors import InputError, IsthmusError, StorageError
from isthmus.spaces.stores.address import Address
from isthmus.spaces.stores.pgvector_copy import INTEGERS, decoded, encoded, values
from isthmus.spaces.stores.pgvector_link import Link
from isthmus.spaces.stores.pgvector_shadow import Shadow, definitions
from isthmus.spaces.stores.pgvector_table import (
    METRICS,
    NOTE,
    Table,
    array,
    metric_of,
    quoted,
    read,
    serves,
    vector_home,
)
from isthmus.spaces.stores.store import Facts, Rows, Store, checked, gone

_OPTIONS = ("vector", "id", "schema", "filter", "metric", "host")
#: The column that takes what no other column is named for.
_REST = "payload"


class PgVector(Store):
    """The vectors of one column of one table, or with ``job`` those gathered to replace them."""

    SCHEME = "pgvector"

    def __init__(self, address: Address, link: Link, *, job: str | None = None) -> None:
        super().__init__(address)
        self._link, self._job = link, job
        self._filter = address.options.get("filter")

    @classmethod
    def open(cls, address: Address) -> Self:
        """Connect to a table; the password may come from PGPASSWORD or a .pgpass file."""
        address.refuse_options(*_OPTIONS)
        if (metric := address.options.get("metric", "cosine")) not in METRICS:
            raise InputError(
                f"open {address.redacted}", f"the metric {metric!r}", f"one of {', '.join(METRICS)}"
            )
        link = Link(address)
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
        """Make a table of id, vector and a jsonb ``payload``, with no index of the vectors."""
        address.refuse_options(*_OPTIONS)
        link = Link(address)
        try:
            schema, options = address.options.get("schema"), address.options
            key, vector = options.get("id", "id"), options.get("vector", "embedding")
            name = quoted(*([schema] if schema else []), address.collection)
            home = vector_home(link.run, f"create {address.redacted}")
            with link.transaction():
                link.run(
                    f"CREATE TABLE {name} ({quoted(key)} {'bigint' if id_kind == 'int' else 'text'}"
                    f" PRIMARY KEY, {quoted(vector)} {home}.vector({dim}), {_REST} jsonb)"
                )
                if metric in METRICS:
                    said = link.literal(NOTE + metric)
                    link.run(f"COMMENT ON COLUMN {name}.{quoted(vector)} IS {said}")
        except IsthmusError:
            link.close()
            raise
        return cls(address, link)

    def facts(self) -> Facts:
        """What the table and its catalogue say; widths are counted where the type fixes none."""
        table = self._table()
        texts = [text for _, text in definitions(self._link.run, table)]
        metric = self._metric(table, texts)
        near = [text for text in texts if text.startswith(("hnsw", "ivfflat"))]
        # Of a shadow, its pending rows; the index is that of the vectors it will replace.
        source = self._relation(table)
        (found,) = self._link.run(
            f"SELECT count(*), min({table.home}.vector_dims(v)), max({table.home}.vector_dims(v)) "
            f"FROM ({source}) r"
            if self._dim(table) < 0 else f"SELECT count(*), 0, 0 FROM ({source}) r"
        )  # fmt: skip
        rows, least, most = found
        if least != most:
            raise InputError(
                f"open {self.address.redacted}", f"vectors of {least} to {most} dimensions",
                "one length", "Choose those of one length with ?filter=vector_dims(...) = N.",
            )  # fmt: skip
        missing = 0
        if self._job is None:
            column = f"t.{quoted(table.vector.name)}"
            missing = self._link.run(
                f"SELECT count(*) FROM {table.sql} t WHERE {column} IS NULL{self._kept()}"
            )[0][0]
        return Facts(
            rows=rows,
            dim=self._dim(table) if self._dim(table) > 0 else most or 0,
            metric=metric,
            id_kind=table.kind,
            index=next((t for t in near if metric is None or serves(t, metric)), None),
            invalid=tuple(name for name, _ in definitions(self._link.run, table, valid=False)),
            missing=missing,
        )

    def ids(self) -> np.ndarray:
        """Ids in ascending order; text by code point."""
        table = self._table()
        found = self._link.run(
            f"SELECT {_shown(table)} FROM ({self._relation(table)}) r ORDER BY {_order(table)}",
            binary=True,
        )
        kind = np.int64 if table.kind == "int" else str
        return np.array([row[0] for row in found], dtype=kind)

    def fetch(self, ids: np.ndarray, *, payload: bool = False) -> Rows:
        """The rows of ``ids`` by the index of the id column."""
        table = self._table()
        found = self._link.run(
            f"SELECT {table.home}.vector_send(r.v)"
            f"{', r.j' if payload else ''} FROM unnest($1::{array(table.key)}) "
            f"WITH ORDINALITY AS o(key, place) LEFT JOIN ({self._relation(table, payload)}) r "
            "ON r.key = o.key ORDER BY o.place", ids.tolist(), binary=True,
        )  # fmt: skip
        missing = np.array([row[0] is None for row in found], dtype=bool)
        if missing.any():
            raise gone(self, ids[missing])
        if not found:
            return Rows(ids, np.empty((0, max(self._dim(table), 0)), np.float32))
        carried = [_flat(json.loads(row[1])) for row in found] if payload else None
        return Rows(ids, values([row[0] for row in found]), carried)

    def _batches(self, rows: int, after: Any, payload: bool) -> Iterator[Rows]:
        """One COPY over a connection of its own, so that other calls may come between batches."""
        table = self._table()
        beyond = "" if after is None else f"WHERE {_order(table)} > {self._link.literal(after)}"
        text = (
            f"COPY (SELECT {_shown(table)}, v{', j' if payload else ''} "
            f"FROM ({self._relation(table, payload)}) r {beyond} ORDER BY {_order(table)}) "
            "TO STDOUT (FORMAT binary)"
        )
        with closing(self._link.again()) as link:
            for batch in link.copy_out(text, rows):
                ids, vectors, carried = decoded(batch, table.kind, payload=payload)
                flat = None if carried is None else [_flat(row) for row in carried]
                yield Rows(ids, vectors, flat)

    def stamp(self) -> str:
        """Number of rows and sum of a 64-bit hash of each id with its vector: one scan.

        It is about ids and vectors alone. Neither another column nor a shadow moves it, which the
        cheaper system columns (xmin, ctid) and the counters of the server do not give.
        """
        table = self._table()
        ((rows, total),) = self._link.run(
            "SELECT count(*), coalesce(sum(hashtextextended("
            f"encode({table.home}.vector_send(v), 'base64'), hashtextextended(key::text, 0))), 0) "
            f"FROM ({self._relation(table)}) r"
        )
        return f"{rows}:{total}"

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        """The server's own answer, by its index where it uses one; fewer than k: the last again."""
        table = self._table()
        texts = [text for _, text in definitions(self._link.run, table)]
        metric = self._metric(table, texts)
        where = f"search {self.address.redacted}"
        if metric is None:
            raise InputError(where, "no index that says the metric", "?metric= in the address")
        nearest = (
            f"SELECT {_shown(table)} FROM ({self._relation(table)}) r ORDER BY "
            f"v OPERATOR({table.home}.{METRICS[metric][1]}) $1::float8[]::{table.home}.vector "
            f"LIMIT {int(k)}"
        )
        found = []
        with self._link.transaction():
            # An HNSW search gives no more rows than it looks at, 40 unless it is told.
            if k > 40:
                self._link.run(f"SET LOCAL hnsw.ef_search = {min(int(k), 1000)}")
            for query in queries.tolist():
                found.append([row[0] for row in self._link.run(nearest, query)])
        if not all(found):
            raise StorageError(where, "no row for a query", "the rows there are")
        return np.array([i for row in found for i in row + row[-1:] * (k - len(row))]).reshape(
            -1, k
        )

    def upsert(self, rows: Rows) -> None:
        """One transaction a call: COPY, then for a table's own column one INSERT of all."""
        table = self._table()
        rows = checked(self, rows, self._dim(table) if self._dim(table) > 0 else self.facts().dim)
        if self._job is not None:
            Shadow(self._link, table, self._job).write(rows)
            return
        payload, names = self._written(table, rows)
        key, vector = quoted(table.key.name), quoted(table.vector.name)
        others = "".join(f", {quoted(name)}" for name in names)
        changed = ", ".join(f"{one} = EXCLUDED.{one}" for one in [vector, *map(quoted, names)])
        with self._link.transaction():
            self._link.run(
                f"CREATE TEMP TABLE isthmus_rows (key {table.key.words}, v {table.home}.vector, "
                "j json) ON COMMIT DROP"
            )
            self._link.copy_in(
                f"COPY isthmus_rows ({'key, v' if payload is None else 'key, v, j'}) "
                "FROM STDIN (FORMAT binary)",
                [encoded(rows.ids, rows.vectors, table.key.type, payload)],
            )
            self._link.run(
                f"INSERT INTO {table.sql} ({key}, {vector}{others}) OVERRIDING SYSTEM VALUE "
                f"SELECT s.key, s.v{''.join(f', r.{quoted(name)}' for name in names)} "
                f"FROM isthmus_rows s, json_populate_record(NULL::{table.sql}, s.j) r "
                f"ON CONFLICT ({key}) DO UPDATE SET {changed}"
            )

    def delete(self, ids: np.ndarray) -> None:
        """Remove rows; of a shadow its values only."""
        table = self._table()
        if self._job is not None:
            Shadow(self._link, table, self._job).remove(ids)
            return
        self._link.run(
            f"DELETE FROM {table.sql} WHERE {quoted(table.key.name)} = ANY($1::{array(table.key)})",
            ids.tolist(),
        )

    def shadow(self, job: str, *, dim: int, metric: str | None) -> "PgVector":
        """A table beside this one, which ``finish`` turns into a second column."""
        if self._filter is not None or self._job is not None:
            raise InputError(
                f"shadow {self.address.redacted}",
                "rows chosen by a filter" if self._filter is not None else "a shadow",
                "a whole table", "The rows left out would have no vector after the cutover.",
            )  # fmt: skip
        self._change(job).begin(dim, metric)
        return type(self)(self.address, self._link, job=job)

    def finish(self, job: str) -> None:
        """Move what was gathered into a column and build its index without blocking writers."""
        self._change(job).finish()

    def cutover(self, job: str) -> None:
        """Swap the names of the two columns and of their indexes in one transaction."""
        self._change(job).cutover()

    def rollback(self, job: str) -> None:
        """Swap the names back."""
        self._change(job).rollback()

    def state(self, job: str) -> str:
        """What the names of the columns say."""
        return self._change(job).state()

    def drop(self, job: str) -> None:
        """Drop the column that does not serve, with its index."""
        self._change(job).drop()

    def close(self) -> None:
        """Close the connection, which shadows share."""
        self._link.close()

    def _table(self) -> Table:
        return read(self._link.run, self.address)

    def _change(self, job: str) -> Shadow:
        return Shadow(self._link, self._table(), job)

    def _dim(self, table: Table) -> int:
        if self._job is None:
            return table.vector.dim
        return Shadow(self._link, table, self._job).dim()

    def _metric(self, table: Table, texts: list[str]) -> str | None:
        return self.address.options.get("metric") or metric_of(table.vector, texts)

    def _kept(self) -> str:
        # The line break ends a comment that the filter may end in.
        return f" AND ({self._filter}\n)" if self._filter else ""

    def _relation(self, table: Table, payload: bool = False) -> str:
        """Rows as (key, v), or (key, v, j) with their payload, as SQL."""
        if self._job is not None:
            return Shadow(self._link, table, self._job).relation()
        column = f"t.{quoted(table.vector.name)}"
        return (
            f"SELECT t.{quoted(table.key.name)} AS key, {column} AS v"
            f"{f', {table.payload()} AS j' if payload else ''} FROM {table.sql} t "
            f"WHERE {column} IS NOT NULL{self._kept()}"
        )

    def _written(self, table: Table, rows: Rows) -> tuple[list[dict[str, Any]] | None, list[str]]:
        """The payload as columns take it, and the names of those it fills."""
        if rows.payload is None:
            return None, []
        names = {one.name for one in table.others() if not one.generated}
        rest = _REST in names and table.columns[_REST].type == "jsonb"
        used = {name for row in rows.payload for name in row}
        if unknown := sorted(used - names):
            if not rest:
                raise InputError(
                    f"write to {self.address.redacted}", f"a payload with {unknown[0]!r}",
                    f"the columns {', '.join(sorted(names)) or '(none)'}",
                    f"Add the column, or one for all: ALTER TABLE ... ADD COLUMN {_REST} jsonb.",
                )  # fmt: skip
            used = (used & names) | {_REST}
        payload = []
        for row in rows.payload:
            one = {name: value for name, value in row.items() if name in names}
            if others := {name: value for name, value in row.items() if name not in names}:
                one[_REST] = others | (one.get(_REST) or {})
            payload.append(one)
        return payload, sorted(used)


def _shown(table: Table) -> str:
    return "key::int8" if table.kind == "int" else "key::text"


def _order(table: Table) -> str:
    """Ids in the order of isthmus: numbers, and text by code point."""
    return "key" if table.key.type in (*INTEGERS, "uuid") else 'key COLLATE "C"'


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """What ``upsert`` put into the column of the rest, as it was given."""
    rest = row.get(_REST)
    if isinstance(rest, dict):
        del row[_REST]
        return rest | row
    if _REST in row and rest is None:
        del row[_REST]
    return row
