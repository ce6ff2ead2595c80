"""One connection to a SQLite file with sqlite-vec in it; its errors are isthmus's own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from isthmus.core.errors import InputError, MissingExtra, StorageError
from isthmus.spaces.stores.address import Address
from isthmus.spaces.stores.sqlite_vec_table import METRICS

_OPTIONS = ("vector", "id", "filter", "metric")


class Link:
    """A SQLite file with the extension loaded; statements in, rows out, errors isthmus's own."""

    def __init__(self, address: Address, *, mode: str) -> None:
        address.refuse_options(*_OPTIONS)
        where = f"open {address.redacted}"
        if (metric := address.options.get("metric", "cosine")) not in METRICS:
            raise InputError(where, f"the metric {metric!r}", f"one of {', '.join(METRICS)}")
        if address.host or not address.place.strip("/"):
            raise InputError(where, repr(address.local), "sqlite-vec:///folder/file.db/table")
        self.address, self._client = address, _client(where)
        try:
            import sqlite_vec
        except ImportError as error:
            raise MissingExtra(where, "sqlite-vec", "sqlite-vec") from error
        with self.speaking():
            self._connection = self._client.connect(
                f"file:{quote(address.place)}?mode={mode}", uri=True, timeout=10,
                isolation_level=None,
            )  # fmt: skip
            self._connection.enable_load_extension(True)
            sqlite_vec.load(self._connection)
            self._connection.enable_load_extension(False)
            # vec0 keeps 1024 vectors in one BLOB and seeks each row in it page by page; with
            # less memory than that (2 MB by default) copying a table takes many times as long.
            self._connection.execute("PRAGMA cache_size = -262144")

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Turn errors of SQLite, and values that it cannot hold, into StorageError."""
        try:
            yield
        except (self._client.Error, self._client.Warning, OverflowError, UnicodeError) as error:
            raise StorageError(
                f"use {self.address.redacted}", f"from SQLite: {error}",
                "a file that is there and accepts it", "Nothing of this step was kept.",
            ) from None  # fmt: skip

    def run(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows that ``text`` gives."""
        with self.speaking():
            return self._connection.execute(text, values).fetchall()

    def each(self, text: str) -> Iterator[tuple[Any, ...]]:
        """The same, row by row."""
        with self.speaking():
            yield from self._connection.execute(text)

    def many(self, text: str, values: Sequence[tuple[Any, ...]]) -> None:
        """Run ``text`` once for each of ``values``."""
        with self.speaking():
            self._connection.executemany(text, values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is run inside, or nothing; nobody else writes meanwhile."""
        self.run("BEGIN IMMEDIATE")
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Let go of the file; closing twice is fine."""
        self._connection.close()


def _client(where: str) -> Any:
    """The standard module where it can load extensions, else the package that can."""
    import sqlite3

    if hasattr(sqlite3.Connection, "enable_load_extension"):
        return sqlite3
    try:
        import pysqlite3
    except ImportError as error:
        raise MissingExtra(where, "pysqlite3", "sqlite-vec") from error
    return pysqlite3
