"""LanceDB: tables of a local folder, read and written as Arrow.

The shadow is a table of its own, not a column: a second vector column of the same width makes every
``table.search(query)`` that names no column fail, and Lance fills a column by moving the rows, out
of the reach of the table's index. All other columns, and rows without a vector, are copied into it
as Arrow, so none changes its type. ``finish`` joins its small files and builds the indexes that the
table has, with their parameters; one on vectors needs 256 rows. LanceDB's embedding functions are
left behind, since they name the old encoder. Then the two folders swap names. A program that has
the table open must open it again: until then its reads fail, they are never wrong. Old versions
stay with the old table.

A table declares a metric by its index only; without one, what isthmus wrote keeps it in a note.
``stamp`` is the table's version, which an optimisation or a new index raises too. Lance never calls
fsync: here each write has reached the disk when it returns. It keeps no checksum either. Vectors of
half or double precision are read as float32; only float32 columns are written. Object stores are
not supported.
"""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import numpy as np

from isthmus.core.errors import InputError, MissingExtra, StorageError
from isthmus.spaces.ids import named
from isthmus.spaces.stores import lance_tables as arrow
from isthmus.spaces.stores.address import Address
from isthmus.spaces.stores.lance_folder import Folder, born
from isthmus.spaces.stores.lance_reading import TAKE, Reading
from isthmus.spaces.stores.lance_tables import lance, quoted
from isthmus.spaces.stores.settle import settle
from isthmus.spaces.stores.store import Facts, Rows, Store, checked, gone

_JOB = b"isthmus.job"
_DELETE = 2000


class Lance(Store):
    """A table of a LanceDB folder: ``lancedb:///folder/table?vector=COLUMN&id=COLUMN&filter=SQL``.

    ``vector`` and ``id`` name the columns (by default themselves); ``filter`` is SQL as
    ``table.search().where`` takes it.
    """

    SCHEME = "lancedb"

    def __init__(self, address: Address, db: Any, source: "Lance | None" = None) -> None:
        super().__init__(address)
        self._db, self._source, self._folder = db, source, Folder(address)
        self._vector = address.options.get("vector", "vector")
        self._id = address.options.get("id", "id")
        self._filter = address.options.get("filter", "")
        self._reading = Reading(
            self._id, self._vector, filter=self._filter, where=f"read {address.redacted}",
            gone=lambda ids: gone(self, ids),
        )  # fmt: skip
        self._top: tuple[Any, Any] | None = None
        self._settled: dict[str, tuple[int, int]] = {}
        self._table: Any = None
        self._inode = 0

    @classmethod
    def open(cls, address: Address) -> Self:
        """Open a table that exists."""
        store = cls._at(address, "open")
        if store._folder.serving() is None:
            names = store._folder.names()
            raise InputError(
                f"open {address.redacted}", f"no table {address.collection!r}",
                f"one of {', '.join(names)}" if names else "a folder with tables of LanceDB",
            )  # fmt: skip
        store._check()
        return store

    @classmethod
    def create(cls, address: Address, *, dim: int, metric: str | None, id_kind: str) -> Self:
        """Make an empty table of an id and a vector column; others come with the first rows."""
        import pyarrow as pa

        store = cls._at(address, "create", new=True)
        if store._folder.path().exists():
            raise StorageError(
                f"create {address.redacted}", f"a table {address.collection!r} that exists",
                "a new name",
            )  # fmt: skip
        kind = pa.int64() if id_kind == "int" else pa.string()
        schema = pa.schema(
            [pa.field(store._id, kind), arrow.vector_field(store._vector, dim, metric)]
        )
        with lance(f"create {address.redacted}"):
            store._db.create_table(address.collection, schema=schema)
        store._settle()
        return store

    def facts(self) -> Facts:
        """Rows, width and metric: of the index, else what isthmus noted in the vectors' field."""
        import pyarrow as pa

        table = self._latest()
        field = table.schema.field(self._vector)
        index, metric = None, arrow.noted_metric(field)
        rows = self._reading.count(table)
        with lance(f"read {self.address.redacted}"):
            for found in table.list_indices():
                if self._vector in found.columns:
                    stats = table.index_stats(found.name)
                    metric = arrow.METRIC.get(stats.distance_type, metric)
                    late = stats.num_unindexed_rows
                    index = stats.index_type + (f", {late:,} rows not in it" if late else "")
        return Facts(
            rows=rows, dim=field.type.list_size, metric=metric, index=index,
            id_kind="int" if pa.types.is_integer(table.schema.field(self._id).type) else "string",
            missing=self._reading.count(table, missing=True),
        )  # fmt: skip

    def ids(self) -> np.ndarray:
        """Ids of the rows with a vector, ascending."""
        table = self._latest()
        return self._reading.places(table, self._key(table))[0]

    def fetch(self, ids: np.ndarray, *, payload: bool = False) -> Rows:
        """Rows of ``ids`` by their places in the table."""
        table = self._latest()
        names = [n for n in table.schema.names if payload and n not in (self._id, self._vector)]
        found = self._reading.take(table, self._key(table), ids, [self._vector, *names])
        vectors = arrow.vector_array(found.column(self._vector))
        return Rows(ids, vectors, arrow.plain(found.select(names)) if payload else None)

    def stamp(self) -> str:
        """Which folder, and its version, which every write of anyone raises."""
        folder, version = self._key(self._latest())
        return f"{folder}-{version}"

    def upsert(self, rows: Rows) -> None:
        """Append rows beyond the last id, merge others; a payload's new columns are added."""
        import pyarrow as pa

        table, where = self._latest(), f"write to {self.address.redacted}"
        kind = table.schema.field(self._vector).type
        rows = checked(self, rows, kind.list_size)
        if kind.value_type != pa.float32():
            raise InputError(where, f"a column of {kind.value_type}", "one of float32")
        if not len(rows):
            return
        key = table.schema.field(self._id).type
        columns: dict[str, Any] = {}
        if self._source is not None:
            columns = self._source._others(rows.ids)
        elif rows.payload is not None:
            own = (self._id, self._vector)
            columns = arrow.payload_columns(rows.payload, table.schema, own, where)
        columns[self._id] = arrow.ids_to_arrow(rows.ids, key, where)
        columns[self._vector] = arrow.vectors_to_arrow(rows.vectors)
        with lance(where, "a table with room on its disk, and values of its columns' types"):
            if new := [name for name in columns if name not in table.schema.names]:
                table.add_columns([pa.field(name, columns[name].type) for name in new])
            self._write(table, pa.table(columns), rows.ids)
        self._settle()

    def delete(self, ids: np.ndarray) -> None:
        """Remove rows."""
        table = self._latest()
        with lance(f"delete from {self.address.redacted}"):
            for start in range(0, len(ids), _DELETE):
                part = arrow.literals(np.asarray(ids[start : start + _DELETE]))
                table.delete(f"{quoted(self._id)} IN ({part})")
        self._settle()

    def shadow(self, job: str, *, dim: int, metric: str | None) -> "Lance":
        """A table with all columns of this one, its vectors of the new width."""
        import pyarrow as pa

        where = f"make a shadow of {self.address.redacted}"
        if job.endswith("_old"):
            raise InputError(where, f"the job {job!r}", "a name that does not end in _old")
        self._mend()
        if self.state(job) == "live":
            raise StorageError(where, f"the job {job!r}, which serves already", "another job")
        folder = self._folder.shadow(job)
        if folder.exists() and not born(folder):
            shutil.rmtree(folder)
        if not folder.exists():
            schema = self._latest().schema
            about = dict(schema.metadata or {})
            # It names the old encoder, with which LanceDB would go on embedding queries.
            about.pop(b"embedding_functions", None)
            new = arrow.vector_field(self._vector, dim, metric)
            fields = [new if f.name == self._vector else f for f in schema]
            with lance(where):
                schema = pa.schema(fields, metadata=about | {_JOB: job.encode()})
                self._db.create_table(folder.stem, schema=schema)
        address = self.address.elsewhere(collection=folder.stem)
        address.options.pop("filter", None)
        found = Lance(address, self._db, source=self)
        found._check()
        if (width := self._width(found._latest())) != dim:
            raise StorageError(where, f"a shadow of {width} dimensions", f"{dim}", "Drop it first.")
        found._settle()
        return found

    def finish(self, job: str) -> None:
        """Carry rows without a vector along, join the small files, build the table's indexes."""
        import pyarrow as pa

        self._mend()
        if self.state(job) != "shadow":
            return
        source, where = self._latest(), f"finish the shadow of {self.address.redacted}"
        with lance(where):
            table = self._db.open_table(self._folder.shadow(job).stem)
            lacking = source.search().where(f"{quoted(self._vector)} IS NULL")
            others = [name for name in source.schema.names if name != self._vector]
            for batch in lacking.select(others).to_batches(TAKE):
                if batch.num_rows:
                    merge = table.merge_insert(self._id).when_matched_update_all()
                    merge = merge.when_not_matched_insert_all()
                    merge.execute(pa.Table.from_batches([batch]))
            if table.stats()["fragment_stats"]["num_small_fragments"] > 1:
                # No one reads a shadow: what its small files held before they were joined can go.
                table.optimize(cleanup_older_than=timedelta(milliseconds=1), delete_unverified=True)
            metric = arrow.noted_metric(table.schema.field(self._vector))
            arrow.build_indexes(source, table, self._vector, metric)
        settle(self._folder.shadow(job), {})

    def cutover(self, job: str) -> None:
        """Swap the folders of table and shadow, if the shadow has every row."""
        where = f"cut over {self.address.redacted}"
        self._mend()
        state = self.state(job)
        if state == "live":
            return
        if state == "absent":
            raise StorageError(where, f"no shadow of the job {job!r}", "a finished shadow")
        with lance(where):
            table = self._db.open_table(self._folder.shadow(job).stem)
        here, every = self._latest(), self._reading.every
        left = np.setdiff1d(every(here, vector=True), every(table, vector=True))
        left = left if len(left) else np.setdiff1d(every(here), every(table))
        if len(left):
            raise StorageError(
                where, f"{len(left):,} rows that the shadow has not (first: {named(left)})",
                "a shadow of every row", "Translate them first, without a filter.",
            )  # fmt: skip
        if len(removed := np.setdiff1d(every(table), every(here))):
            self.shadow(job, dim=self._width(table), metric=None).delete(removed)
        self._swap(job)

    def rollback(self, job: str) -> None:
        """Swap them back."""
        self._mend()
        state = self.state(job)
        if state == "live":
            self._swap(job)
        elif state == "absent":
            raise StorageError(
                f"roll back {self.address.redacted}", "no old vectors of the job",
                f"the table that {job!r} replaced",
            )  # fmt: skip

    def state(self, job: str) -> str:
        """Which of the two tables carries the job's mark, in its schema."""
        other, aside = self._folder.shadow(job), self._folder.shadow(job, old=True)
        if self._folder.serving() != self.address.collection:
            return "shadow"
        if not other.exists() and not aside.exists():
            return "absent"
        if self._mark(self.address.collection) == job:
            return "live"
        mine = not other.exists() or not born(other) or self._mark(other.stem) == job
        return "shadow" if mine else "absent"

    def drop(self, job: str) -> None:
        """Remove the table that does not serve."""
        self._mend()
        if (other := self._folder.shadow(job)).exists():
            with lance(f"drop {other.stem}"):
                self._db.drop_table(other.stem, ignore_missing=True)
            if other.exists():
                shutil.rmtree(other)

    def jobs(self) -> tuple[str, ...]:
        """Jobs with a table beside this one."""
        return self._folder.jobs()

    def search(self, queries: np.ndarray, k: int) -> np.ndarray:
        """Ids that LanceDB finds for each query; where those are fewer than k, the last again."""
        table, facts = self._latest(), self.facts()
        where = f"search {self.address.redacted}"
        if not 0 < k <= facts.rows:
            raise InputError(where, f"k = {k}", f"1 to {facts.rows:,}, the rows there are")
        found = []
        with lance(where):
            for query in np.asarray(queries, dtype=np.float32):
                asked = table.search(query, vector_column_name=self._vector)
                asked = asked.distance_type(arrow.DISTANCE[facts.metric or "euclidean"])
                if self._filter:
                    asked = asked.where(self._filter, prefilter=True)
                rows = asked.limit(k).select([self._id, "_distance"]).to_arrow()
                ids = arrow.id_array(rows.column(self._id), where)
                found.append(np.pad(ids, (0, k - len(ids)), mode="edge"))
        return np.array(found)

    def close(self) -> None:
        """Let go of the table."""
        self._table = self._top = None

    # The table and its folder

    @classmethod
    def _at(cls, address: Address, doing: str, *, new: bool = False) -> Self:
        where = f"{doing} {address.redacted}"
        address.refuse_options("vector", "id", "filter")
        if address.host:
            raise InputError(where, f"the host {address.host!r}", "lancedb:///folder/table")
        try:
            import lancedb
        except ImportError:
            raise MissingExtra(where, "lancedb", "lancedb") from None
        place = Path(address.place or ".")
        with lance(where, "a folder that can be used"):
            if not new and not place.is_dir():
                raise InputError(where, "no such folder", f"the folder of the table in {place}")
            return cls(address, lancedb.connect(str(place)))

    def _swap(self, job: str) -> None:
        with lance(f"swap the tables of {self.address.redacted}"):
            self._folder.swap(job)
        self.close()

    def _mend(self) -> None:
        with lance(f"mend {self.address.redacted}"):
            if self._folder.mend():
                self.close()

    def _latest(self) -> Any:
        """The table as it is now."""
        with lance(f"read {self.address.redacted}"):
            name = self._folder.serving() or self.address.collection
            inode = self._folder.path(name).stat().st_ino
            if self._table is None or self._inode != inode:
                # A handle does not notice that another table has come to lie under its name.
                self._table, self._inode = self._db.open_table(name), inode
            else:
                self._table.checkout_latest()
        return self._table

    def _key(self, table: Any) -> tuple[int, int]:
        """What a copy of something about the table is good for: its folder and version."""
        return self._inode, table.version

    def _mark(self, name: str) -> str | None:
        with lance(f"read {name}"):
            about = self._db.open_table(name).schema.metadata or {}
        mark = about.get(_JOB)
        return None if mark is None else mark.decode()

    def _settle(self) -> None:
        settle(self._folder.path(), self._settled)

    def _check(self) -> None:
        schema = self._latest().schema
        arrow.check_columns(schema, self._id, self._vector, f"open {self.address.redacted}")

    def _others(self, ids: np.ndarray) -> dict[str, Any]:
        """All columns but id and vector of the rows of ``ids``, as Arrow."""
        table = self._latest()
        names = [n for n in table.schema.names if n not in (self._id, self._vector)]
        found = self._reading.take(table, self._key(table), ids, names or [self._id])
        return {name: found.column(name) for name in names}

    def _width(self, table: Any) -> int:
        return int(table.schema.field(self._vector).type.list_size)

    def _write(self, table: Any, rows: Any, ids: np.ndarray) -> None:
        # Ids that all lie beyond the last need no search for rows to replace.
        if self._top is None or self._top[0] != self._key(table):
            self._top = self._key(table), arrow.highest(self._reading.every(table))
        top, order = self._top[1], np.sort(ids)
        if top is None or order[0] > top:
            table.add(rows)
        else:
            merge = table.merge_insert(self._id)
            merge.when_matched_update_all().when_not_matched_insert_all().execute(rows)
        last = order[-1] if top is None or order[-1] > top else top
        self._top = self._key(table), last
