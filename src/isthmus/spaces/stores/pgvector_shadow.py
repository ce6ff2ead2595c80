"""How the vectors of a job take the place of a column's: gathered apart, moved in, names swapped.

They gather in a table of their own, because an UPDATE of the user's table writes a new version of
the row, and every index of the table takes it up again: with an HNSW index on the old vectors that
costs several times what building the index costs. ``finish`` pays it once, and little of it. It
updates rows in turns that touch a page once each, so that from the second turn on the new version
finds room in the page where an older one just died, and no index hears of it (a heap-only update).

Readers are never held up but for the moment of a swap, and writers of a row only while its turn
lasts. What the move leaves dead autovacuum takes; the bytes of a dropped column go as rows are
rewritten (VACUUM FULL, pg_repack).
"""

import numpy as np

from isthmus.core.errors import StorageError
from isthmus.spaces.stores.pgvector_copy import encoded
from isthmus.spaces.stores.pgvector_link import Link
from isthmus.spaces.stores.pgvector_table import (
    METRICS,
    NOTE,
    Column,
    Run,
    Table,
    array,
    metric_of,
    named,
    quoted,
    read,
)
from isthmus.spaces.stores.store import Rows

#: Pages of a stretch of the table: a turn is at most as many rows, one transaction.
_PAGES = 4096
#: What pgvector's indexes of the type vector hold.
_WIDEST = 2000


def definitions(
    run: Run, table: Table, column: Column | None = None, *, valid: bool = True
) -> list[tuple[str, str]]:
    """The indexes of the vector column that are ``valid`` or not: name, and what follows USING."""
    found = run(
        "SELECT c.relname, pg_get_indexdef(c.oid) FROM pg_index i "
        "JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = $1 AND i.indisvalid = $3 "
        "AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass "
        "AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 "
        "AND d.refobjsubid = $2) ORDER BY c.oid",
        table.oid, (column or table.vector).number, valid,
    )  # fmt: skip
    return [(name, text.split(" USING ", 1)[1]) for name, text in found]


class Shadow:
    """The vectors of ``job`` for one table, wherever they are by now."""

    def __init__(self, link: Link, table: Table, job: str) -> None:
        self.link, self.table = link, table
        self.column = named(table.vector.name, job)
        self.old = named(table.vector.name, job, old=True)
        self.job = job
        self._gathered = quoted(table.schema, named(table.name, job))

    def state(self) -> str:
        """As the store's."""
        if self.old in self.table.columns:
            return "live"
        moved = self.column in self.table.columns
        return "shadow" if moved or self._gathers() else "absent"

    def dim(self) -> int:
        """Width of the new vectors."""
        if self.column in self.table.columns:
            return self.table.columns[self.column].dim
        found = self.link.run(
            "SELECT atttypmod FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = 'v'",
            self._gathered,
        )
        if not found:
            raise self._error("shadow", "no vectors of this job", "a shadow that was made")
        return found[0][0]

    def begin(self, dim: int, metric: str | None) -> None:
        """Make the table in which vectors gather, unless it is there."""
        state = self.state()
        if state == "live":
            raise self._error("shadow", "a job whose vectors serve", "one not cut over")
        if state == "shadow" and self.dim() != dim:
            raise self._error("shadow", f"vectors of {self.dim()} dimensions", f"{dim}")
        if state == "absent":
            self._may_change(dim)
        if self._gathers():
            return
        key = quoted(self.table.key.name)
        with self.link.transaction():
            # AS SELECT takes type and collation of the id over.
            self.link.run(
                f"CREATE TABLE {self._gathered} AS SELECT {key} AS key FROM {self.table.sql} "
                "WITH NO DATA"
            )
            self.link.run(
                f"ALTER TABLE {self._gathered} ADD PRIMARY KEY (key), "
                f"ADD COLUMN v {self.table.home}.vector({int(dim)}) NOT NULL"
            )
            if metric in METRICS:
                self._say(f"COLUMN {self._gathered}.v", NOTE + metric)

    def relation(self) -> str:
        """What was written so far, as SQL: (key, v)."""
        key, column = quoted(self.table.key.name), quoted(self.column)
        gathers, parts = self._gathers(), []
        if gathers:
            parts.append(f"SELECT key, v FROM {self._gathered}")
        if self.column in self.table.columns:
            newer = f" AND NOT EXISTS (SELECT FROM {self._gathered} p WHERE p.key = t.{key})"
            parts.append(
                f"SELECT t.{key} AS key, t.{column} AS v FROM {self.table.sql} t "
                f"WHERE t.{column} IS NOT NULL{newer if gathers else ''}"
            )
        if not parts:
            raise self._error("read", "no vectors of this job", "a shadow that was made")
        return " UNION ALL ".join(parts)

    def write(self, rows: Rows) -> None:
        """Gather rows, in place of those of the same id, in one transaction."""
        data = encoded(rows.ids, rows.vectors, self.table.key.type)
        with self.link.transaction():
            self._forget(rows.ids)
            self.link.copy_in(f"COPY {self._gathered} (key, v) FROM STDIN (FORMAT binary)", [data])

    def remove(self, ids: np.ndarray) -> None:
        """Forget the new vectors of ``ids``."""
        with self.link.transaction():
            if self._gathers():
                self._forget(ids)
            if self.column in self.table.columns:
                self._quiet()
                self.link.run(
                    f"UPDATE {self.table.sql} SET {quoted(self.column)} = NULL "
                    f"WHERE {quoted(self.table.key.name)} = ANY($1::{array(self.table.key)}) "
                    f"AND {quoted(self.column)} IS NOT NULL", ids.tolist(),
                )  # fmt: skip

    def finish(self) -> None:
        """Move what was gathered into the column, then build the indexes that the old one has."""
        state = self.state()
        if state == "live":
            return
        if state == "absent":
            raise self._error("finish", "no vectors of this job", "a shadow that was made")
        self._index(self.gathered_into_column())

    def cutover(self) -> None:
        """Swap the names of the columns and of their indexes, in one transaction."""
        state = self.state()
        if state == "absent":
            raise self._error("cut over", "no vectors of this job", "a shadow that was made")
        if state == "shadow":
            self.finish()
            self._may_change(self.dim())
            self._swap(self.old, self.column, old=True)
        self._settle()

    def rollback(self) -> None:
        """Swap them back."""
        state = self.state()
        if state == "absent":
            raise self._error("roll back", "no old vectors of this job", "a job that was cut over")
        if state == "live":
            self._swap(self.column, self.old, old=False)
        self._settle()

    def drop(self) -> None:
        """Drop the column that does not serve, and what is gathered."""
        unused = self.old if self.state() == "live" else self.column
        if unused in self.table.columns or self._gathers():
            self.link.alter([
                f"ALTER TABLE {self.table.sql} DROP COLUMN IF EXISTS {quoted(unused)}",
                f"DROP TABLE IF EXISTS {self._gathered}",
            ])  # fmt: skip

    def gathered_into_column(self) -> str | None:
        """Move the gathered vectors; the metric that they were said to be meant for."""
        if self.column not in self.table.columns:
            self.link.alter([
                f"ALTER TABLE {self.table.sql} ADD COLUMN IF NOT EXISTS {quoted(self.column)} "
                f"{self.table.home}.vector({self.dim()})"
            ])  # fmt: skip
            self._look()
        column = self.table.columns[self.column]
        if not self._gathers():
            return metric_of(column, [])
        ((note,),) = self.link.run(
            "SELECT coalesce(col_description($1::regclass, 2), '')", self._gathered
        )
        if note:
            self._say(f"COLUMN {self.table.sql}.{quoted(self.column)}", note)
        key = quoted(self.table.key.name)
        self.link.run("DROP TABLE IF EXISTS pg_temp.isthmus_turns")
        self.link.run(
            "CREATE TEMP TABLE isthmus_turns AS SELECT p.key, dense_rank() OVER (ORDER BY "
            f"floor((t.ctid::text::point)[0] / {_PAGES}), (t.ctid::text::point)[1]) AS turn "
            f"FROM {self._gathered} p JOIN {self.table.sql} t ON t.{key} = p.key"
        )
        self.link.run("CREATE INDEX ON pg_temp.isthmus_turns (turn)")
        self.link.run("ANALYZE pg_temp.isthmus_turns")
        ((turns,),) = self.link.run("SELECT coalesce(max(turn), 0) FROM pg_temp.isthmus_turns")
        for turn in range(1, turns + 1):
            with self.link.transaction():
                self._quiet()
                # By the index of the ids; and a turn lost with the server is still gathered.
                self.link.run(
                    "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; "
                    "SET LOCAL synchronous_commit = off"
                )
                self.link.run(
                    f"WITH moved AS (DELETE FROM {self._gathered} p USING pg_temp.isthmus_turns o "
                    "WHERE o.turn = $1 AND p.key = o.key RETURNING p.key, p.v) "
                    f"UPDATE {self.table.sql} t SET {quoted(self.column)} = moved.v FROM moved "
                    f"WHERE t.{key} = moved.key", turn,
                )  # fmt: skip
        # What is left are vectors of rows that are gone.
        self.link.run(f"TRUNCATE {self._gathered}")
        self.link.run("DROP TABLE pg_temp.isthmus_turns")
        return note.removeprefix(NOTE) if note else None

    def _index(self, metric: str | None) -> None:
        run = self.link.run
        for name, text in self._renamed():
            if metric in METRICS:
                for opclass, _ in METRICS.values():
                    text = text.replace(opclass, METRICS[metric][0])
            short = named(name, self.job)
            index = quoted(self.table.schema, short)
            valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)"
            if run(valid, index) == [(False,)]:
                # Half built: by a process that died, or by one whose server still goes on.
                with self.link.transaction():
                    run(f"LOCK TABLE {self.table.sql} IN SHARE UPDATE EXCLUSIVE MODE")
                if run(valid, index) == [(False,)]:
                    run(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")
            if not run(valid, index):
                run(f"CREATE INDEX CONCURRENTLY {quoted(short)} ON {self.table.sql} USING {text}")

    def _renamed(self) -> list[tuple[str, str]]:
        """The indexes of the old column as they read for the new one.

        An empty copy of the table has its column renamed, so that PostgreSQL itself writes the
        definitions, expressions and conditions included.
        """
        found = definitions(self.link.run, self.table)
        if not found:
            return []
        mine, run = self.table.vector.name, self.link.run
        indexes = (
            "SELECT indexrelid::int8, pg_get_indexdef(indexrelid) FROM pg_index "
            "WHERE indrelid = 'pg_temp.isthmus_like'::regclass"
        )
        with self.link.transaction():
            run(
                f"CREATE TEMP TABLE isthmus_like (LIKE {self.table.sql} INCLUDING INDEXES) "
                "ON COMMIT DROP"
            )
            run(f"ALTER TABLE isthmus_like DROP COLUMN {quoted(self.column)}")
            before = dict(run(indexes))
            run(f"ALTER TABLE isthmus_like RENAME {quoted(mine)} TO {quoted(self.column)}")
            after = dict(run(indexes))
        texts = {
            text.split(" USING ", 1)[1]: after[oid].split(" USING ", 1)[1]
            for oid, text in before.items()
        }
        return [(name, texts[text]) for name, text in found if text in texts]

    def _swap(self, away: str, coming: str, *, old: bool) -> None:
        """Give the name of the column that serves to ``coming`` and ``away`` to it."""
        sql, live = self.table.sql, quoted(self.table.vector.name)
        statements = [f"ALTER TABLE {sql} DROP CONSTRAINT IF EXISTS {quoted(self.column)}"]
        required = self.table.vector.required or self._pledged()
        if required:
            statements.append(f"ALTER TABLE {sql} ALTER {live} DROP NOT NULL")
        statements += [
            f"ALTER TABLE {sql} RENAME {live} TO {quoted(away)}",
            f"ALTER TABLE {sql} RENAME {quoted(coming)} TO {live}",
        ]
        if required:
            # NOT NULL would read the whole table while nobody else can; this binds new rows only.
            statements.append(
                f"ALTER TABLE {sql} ADD CONSTRAINT {quoted(self.column)} "
                f"CHECK ({live} IS NOT NULL) NOT VALID"
            )
        new = {n for n, _ in definitions(self.link.run, self.table, self.table.columns[coming])}
        for name, _ in definitions(self.link.run, self.table):
            other = named(name, self.job, old=not old)
            if other in new:
                index = quoted(self.table.schema, name)
                statements += [
                    f"ALTER INDEX {index} RENAME TO {quoted(named(name, self.job, old=old))}",
                    f"ALTER INDEX {quoted(self.table.schema, other)} RENAME TO {quoted(name)}",
                ]
        statements.append(f"DROP TABLE IF EXISTS {self._gathered}")
        self.link.alter(statements)
        self._look()

    def _settle(self) -> None:
        """Make the promise of a swap NOT NULL again, or drop it where rows have no vector."""
        if not self._pledged():
            return
        sql, live = self.table.sql, quoted(self.table.vector.name)
        name = quoted(self.column)
        statements = [f"ALTER TABLE {sql} DROP CONSTRAINT {name}"]
        if not self.link.run(f"SELECT 1 FROM {sql} WHERE {live} IS NULL LIMIT 1"):
            self.link.run(f"ALTER TABLE {sql} VALIDATE CONSTRAINT {name}")
            statements.insert(0, f"ALTER TABLE {sql} ALTER {live} SET NOT NULL")
        self.link.alter(statements)

    def _may_change(self, dim: int) -> None:
        """Raise StorageError where the swap would leave something behind."""
        table, run = self.table, self.link.run
        if not table.owned:
            raise self._error("alter", "a table of another owner", "one that this user may alter")
        bound = run(
            "SELECT DISTINCT pg_describe_object(classid, objid, 0) FROM pg_depend "
            "WHERE refclassid = 'pg_class'::regclass AND refobjid = $1 AND refobjsubid = $2 "
            "AND deptype = 'n' AND classid <> 'pg_class'::regclass ORDER BY 1",
            table.oid, table.vector.number,
        )  # fmt: skip
        if table.vector.grants:
            bound.append(("a privilege on the column alone",))
        if bound:
            raise self._error(
                "swap the columns of", f"{bound[0][0]}, which is bound to the old column",
                "nothing that would go on with the old vectors",
                "Drop it, cut over, and make it again.",
            )  # fmt: skip
        if dim > _WIDEST and definitions(run, table):
            raise self._error(
                "shadow", f"an index and {dim} dimensions", f"at most {_WIDEST} in an index",
                "Drop the index first, or use a bridge to fewer dimensions.",
            )  # fmt: skip
        with self.link.transaction():
            self._quiet()

    def _quiet(self) -> None:
        """Keep the table's own triggers on updates from firing, in this transaction."""
        found = self.link.run(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = $1 AND NOT tgisinternal "
            "AND tgenabled = 'O' AND tgtype & 16 <> 0 AND tgattr = ''::int2vector",
            self.table.oid,
        )
        if not found:
            return
        try:
            self.link.run("SET LOCAL session_replication_role = replica")
        except StorageError:
            raise self._error(
                "shadow", f"the trigger {found[0][0]!r}, which would fire for each row",
                "no trigger on updates, or a user who may set session_replication_role",
                "Disable it meanwhile, or limit it to columns: BEFORE UPDATE OF ...",
            ) from None  # fmt: skip

    def _forget(self, ids: np.ndarray) -> None:
        self.link.run(
            f"DELETE FROM {self._gathered} WHERE key = ANY($1::{array(self.table.key)})",
            ids.tolist(),
        )

    def _gathers(self) -> bool:
        return bool(self.link.run("SELECT 1 WHERE to_regclass($1) IS NOT NULL", self._gathered))

    def _pledged(self) -> bool:
        return bool(
            self.link.run(
                "SELECT 1 FROM pg_constraint WHERE conrelid = $1 AND conname = $2",
                self.table.oid, self.column,
            )
        )  # fmt: skip

    def _say(self, what: str, note: str) -> None:
        self.link.run(f"COMMENT ON {what} IS {self.link.literal(note)}")

    def _look(self) -> None:
        self.table = read(self.link.run, self.link.address)

    def _error(self, doing: str, given: str, expected: str, cure: str = "") -> StorageError:
        return StorageError(f"{doing} {self.link.address.redacted}", given, expected, cure)
