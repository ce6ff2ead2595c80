"""One connection to PostgreSQL: statements in, rows out, and errors that are isthmus's own."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from isthmus.core.errors import InputError, MissingExtra, StorageError
from isthmus.spaces.stores.address import Address
from isthmus.spaces.stores.pgvector_copy import HEADER, TRAILER

#: Seconds that a change of the table waits for those who use it, and how often it tries. While it
#: waits everybody else queues behind it, so it gives way and comes again.
_WAIT, _TRIES, _PAUSE = 1, 20, 0.5


class Link:
    """An open connection, each statement a transaction of its own unless asked otherwise."""

    def __init__(self, address: Address) -> None:
        try:
            import psycopg
        except ImportError as error:
            raise MissingExtra(f"open {address.redacted}", "psycopg", "pgvector") from error
        base = address.place.strip("/")
        if not base or "/" in base:
            raise InputError(
                f"open {address.redacted}", f"{address.local!r}", "pgvector://host/base/table"
            )
        self.address = address
        self._psycopg = psycopg
        with self.speaking("open"):
            self._connection = psycopg.connect(
                host=address.options.get("host") or address.host or None,
                port=address.port, user=address.user or None, password=address.password or None,
                dbname=base, application_name="isthmus", connect_timeout=10,
                autocommit=True, cursor_factory=psycopg.RawCursor,
            )  # fmt: skip
            # A limit set for the statements of a service would cut reading and index building.
            self.run("SET statement_timeout = 0")

    @contextmanager
    def speaking(self, doing: str) -> Iterator[None]:
        """Turn errors of the client, and text without bytes, into StorageError without secrets."""
        try:
            yield
        except (self._psycopg.Error, UnicodeError) as error:
            text = " ".join(str(error).split())
            if self.address.password:
                text = text.replace(self.address.password, "***")
            raise StorageError(
                f"{doing} {self.address.redacted}", f"from PostgreSQL: {text.rstrip('.')}",
                "a server that is there and accepts it",
                "Nothing of this step was kept; what was written before stays.",
            ) from None  # fmt: skip

    def run(self, text: str, *values: Any, binary: bool = False) -> list[tuple[Any, ...]]:
        """The rows that ``text`` gives, with ``values`` for $1, $2, ..."""
        with self.speaking("use"):
            cursor = self._connection.execute(text.encode(), values or None, binary=binary)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is run inside, or nothing."""
        with self.speaking("use"), self._connection.transaction():
            yield

    def copy_in(self, text: str, parts: Iterable[bytes]) -> None:
        """Send rows in the binary format."""
        with self.speaking("write to"), self._connection.cursor().copy(text.encode()) as copy:
            copy.write(HEADER)
            for part in parts:
                copy.write(part)
            copy.write(TRAILER)

    def copy_out(self, text: str, rows: int) -> Iterator[list[bytes]]:
        """Receive rows in the binary format, at most ``rows`` at a time."""
        with self.speaking("read"), self._connection.cursor().copy(text.encode()) as copy:
            batch: list[bytes] = []
            header = len(HEADER)
            # The server sends one row a message, the header before the first and a trailer last.
            for message in copy:
                row = bytes(message)[header:]
                header = 0
                if len(row) <= len(TRAILER):
                    continue
                batch.append(row)
                if len(batch) == rows:
                    yield batch
                    batch = []
            if batch:
                yield batch

    def literal(self, value: Any) -> str:
        """``value`` as SQL, for statements that take no values beside them."""
        from psycopg import sql

        return sql.Literal(value).as_string(self._connection)

    def alter(self, statements: Sequence[str]) -> None:
        """Change the table in one transaction that never makes others wait long.

        It needs the table to itself for a moment. Where it does not get it within a second it lets
        go, so that nobody queues behind it, and tries again.
        """
        errors = self._psycopg.errors
        for _ in range(_TRIES):
            with self.speaking("alter"):
                try:
                    with self._connection.transaction():
                        self._connection.execute(f"SET LOCAL lock_timeout = '{_WAIT}s'".encode())
                        for statement in statements:
                            self._connection.execute(statement.encode())
                    return
                except (errors.LockNotAvailable, errors.DeadlockDetected):
                    time.sleep(_PAUSE)
        raise StorageError(
            f"alter {self.address.redacted}", f"a table in use at each of {_TRIES} tries",
            "a moment without a long transaction on it",
            "Nothing was changed. End long transactions (SELECT * FROM pg_stat_activity) and "
            "run the same command again.",
        )  # fmt: skip

    def again(self) -> Self:
        """Another connection to the same place."""
        return type(self)(self.address)

    def close(self) -> None:
        """Let go of it; closing twice is fine."""
        self._connection.close()
