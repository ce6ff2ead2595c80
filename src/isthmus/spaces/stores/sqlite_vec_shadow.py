"""How the vectors of a job take the place of a table's in SQLite, each step one transaction."""

import re
from collections.abc import Sequence
from typing import Any

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.ids import named
from isthmus.spaces.stores.sqlite_vec_link import Link
from isthmus.spaces.stores.sqlite_vec_table import Table, quoted
from isthmus.spaces.stores.store import shadow_name

#: How the table of a job says what its vectors are.
_SAID = re.compile(r"length\(v\) = (\d+)\) /\* metric (\w+) \*/")


class Shadow:
    """The vectors of ``job`` for one table: gathered before the cutover, kept old after it."""

    def __init__(self, link: Link, table: Table, job: str) -> None:
        if job.endswith(("_old", "_old_made")):  # as the tables that another job leaves
            raise InputError("job", repr(job), "a name that ends in neither _old nor _old_made")
        self.link, self.table = link, table
        self._new, self._old = (shadow_name(table.name, job, old=old) for old in (False, True))
        self.new, self.old = quoted(self._new), quoted(self._old)

    def state(self) -> str:
        """As the store's."""
        if self._made(self._old):
            return "live"
        return "shadow" if self._made(self._new) else "absent"

    def known(self) -> tuple[int, str | None]:
        """Width and metric of the new vectors; of a live job those that serve."""
        if self.state() == "live":
            return self._width(), self.table.metric
        sql = self._made(self._new)
        found = _SAID.search(sql or "")
        if found is None:
            raise self._error("use the shadow of", "no vectors of this job", "one that was made")
        return int(found[1]) // 4, None if found[2] == "none" else found[2]

    def begin(self, dim: int, metric: str | None) -> None:
        """Make the table in which vectors gather, unless it is there."""
        with self.link.transaction():
            state = self.state()
            if state == "live":
                raise self._error("shadow", "a job whose vectors serve", "one not cut over")
            if state == "absent":
                self._make(dim, metric)
            elif self.known()[0] != dim:
                raise self._error(
                    "shadow", f"vectors of {self.known()[0]} dimensions", f"{dim}",
                    "Drop that job first.",
                )  # fmt: skip

    def relation(self) -> str:
        """What was gathered, as SQL."""
        self.known()
        return f"SELECT key, v FROM {self.new}"

    def write(self, keys: list[Any], vectors: list[bytes]) -> None:
        """Gather rows, in place of those of the same id."""
        self.link.many(
            f"INSERT INTO {self.new} (key, v) VALUES (?, ?) "
            "ON CONFLICT (key) DO UPDATE SET v = excluded.v",
            list(zip(keys, vectors, strict=True)),
        )

    def remove(self, keys: list[tuple[Any]]) -> None:
        """Forget what was gathered for ``keys``."""
        self.link.many(f"DELETE FROM {self.new} WHERE key = ?", keys)

    def cutover(self) -> None:
        """Keep the old rows, and put the new vectors in place; all or nothing."""
        with self.link.transaction():
            state, table, run = self.state(), self.table, self.link.run
            if state == "live":
                return
            dim, metric = self.known()
            key, vector = quoted(table.key), quoted(table.vector)
            ((lacking,),) = run(
                f"SELECT count(*) FROM {table.sql} t WHERE t.{vector} IS NOT NULL "
                f"AND NOT EXISTS (SELECT 1 FROM {self.new} n WHERE n.key = t.{key})"
            )
            if lacking:
                raise self._error(
                    "cut over", f"{lacking:,} rows without a new vector", "one for each row",
                    "Run the job again, which translates the rows that were added.",
                )  # fmt: skip
            if table.arguments:
                run(f"CREATE TABLE {self.old} AS SELECT {self._columns()} FROM {table.sql}")
                # How the old table was made, for the way back.
                run(f"CREATE TABLE {quoted(self._old + '_made')} (sql TEXT)")
                run(
                    f"INSERT INTO {quoted(self._old + '_made')} "
                    "SELECT sql FROM sqlite_master WHERE name = ?", table.name,
                )  # fmt: skip
                self._refill(
                    table.remade(dim, metric),
                    f"{self.old} t JOIN {self.new} n ON n.key = t.{key}", "n.v",
                )  # fmt: skip
            else:
                run(
                    f"CREATE TABLE {self.old} AS SELECT {key} AS key, {vector} AS v "
                    f"FROM {table.sql} WHERE {vector} IS NOT NULL"
                )
                run(f"CREATE UNIQUE INDEX {quoted(self._old + '_key')} ON {self.old} (key)")
                self._set(self.new)
            run(f"DROP TABLE {self.new}")

    def rollback(self) -> None:
        """Put the old rows in place, and keep the new vectors as the shadow; all or nothing."""
        with self.link.transaction():
            state, table, run = self.state(), self.table, self.link.run
            if state == "absent":
                raise self._error("roll back", "no old vectors of this job", "a job cut over")
            if state == "shadow":
                return
            key, vector = quoted(table.key), quoted(table.vector)
            if not table.arguments:
                self._check_room()
            self._make(self._width(), table.metric, table.others if table.arguments else ())
            since = "".join(f", {quoted(name)}" for name in table.others) * bool(table.arguments)
            run(
                f"INSERT INTO {self.new} SELECT {key}, {vector}{since} FROM {table.sql} "
                f"WHERE {vector} IS NOT NULL"
            )
            if table.arguments:
                ((sql,),) = run(f"SELECT sql FROM {quoted(self._old + '_made')}")
                self._refill(sql, f"{self.old} t", f"t.{vector}")
            else:
                self._set(self.old)
            self._forget()

    def drop(self) -> None:
        """Drop what does not serve."""
        with self.link.transaction():
            if self.state() == "live":
                self._forget()
            else:
                self.link.run(f"DROP TABLE IF EXISTS {self.new}")

    def _make(self, dim: int, metric: str | None, others: Sequence[str] = ()) -> None:
        kind = "INTEGER" if self.table.kind == "int" else "TEXT"
        more = "".join(f", {quoted(name)}" for name in others)
        self.link.run(
            f"CREATE TABLE {self.new} (key {kind} PRIMARY KEY NOT NULL, v BLOB NOT NULL "
            f"CHECK (length(v) = {4 * int(dim)}) /* metric {metric or 'none'} */{more})"
        )

    def _refill(self, made: str, source: str, vector: str) -> None:
        """Make the vec0 table anew with the rows of ``source``."""
        table, run = self.table, self.link.run
        others = "".join(f", t.{quoted(name)}" for name in table.others)
        run(f"DROP TABLE {table.sql}")
        run(made)
        run(
            f"INSERT INTO {table.sql} ({self._columns()}) "
            f"SELECT t.{quoted(table.key)}, {vector}{others} FROM {source}"
        )

    def _set(self, source: str) -> None:
        """Set the column of an ordinary table to the vectors of ``source``, NULL where none is."""
        table, vector = self.table, quoted(self.table.vector)
        self.link.run(
            f"UPDATE {table.sql} SET {vector} = (SELECT v FROM {source} s "
            f"WHERE s.key = {table.sql}.{quoted(table.key)})"
        )

    def _check_room(self) -> None:
        """Raise StorageError where a NOT NULL column holds rows that have no old vector."""
        table, run = self.table, self.link.run
        columns = run(f"PRAGMA table_info({table.sql})")
        if not any(row[1] == table.vector and row[3] for row in columns):  # it may be NULL
            return
        key = quoted(table.key)
        lone = [row[0] for row in run(
            f"SELECT {key} FROM {table.sql} t WHERE NOT EXISTS "
            f"(SELECT 1 FROM {self.old} o WHERE o.key = t.{key})"
        )]  # fmt: skip
        if lone:
            raise self._error(
                "roll back", f"{len(lone):,} rows written since the cutover (first ids: "
                f"{named(lone)}) in the column {table.vector!r}, which is NOT NULL",
                "an old vector for each row",
                "Copy those rows elsewhere and delete them, then roll back; nothing was changed.",
            )  # fmt: skip

    def _forget(self) -> None:
        self.link.run(f"DROP TABLE {self.old}")
        self.link.run(f"DROP TABLE IF EXISTS {quoted(self._old + '_made')}")

    def _columns(self) -> str:
        table = self.table
        return ", ".join(quoted(name) for name in (table.key, table.vector, *table.others))

    def _width(self) -> int:
        """Width of the vectors that serve."""
        table, vector = self.table, quoted(self.table.vector)
        found = self.link.run(
            f"SELECT length({vector}) FROM {table.sql} WHERE {vector} IS NOT NULL LIMIT 1"
        )
        return table.dim or (found[0][0] // 4 if found else 0)

    def _made(self, name: str) -> str | None:
        found = self.link.run(
            "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", name
        )
        return found[0][0] if found else None

    def _error(self, doing: str, given: str, expected: str, cure: str = "") -> StorageError:
        return StorageError(f"{doing} {self.link.address.redacted}", given, expected, cure)
