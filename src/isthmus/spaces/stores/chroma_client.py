"""The client of Chroma behind a store: made without telemetry, its errors without secrets."""

import contextlib
import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isthmus.core.errors import InputError, IsthmusError, MissingExtra, StorageError
from isthmus.spaces.stores.address import Address
from isthmus.spaces.stores.settle import settle

_OPTIONS = ("filter", "token", "ssl", "tenant", "database")
_PAGE = 1000
_SAID = 200


class Client:
    """A connection to a folder or a server.

    ``folder`` is the local folder, None of a server; ``batch`` how many rows one call may take.
    Chroma shares one engine among all clients of a folder in a process and counts them: ``close``
    gives this one's share back, and the last lets go of the files.
    """

    def __init__(self, address: Address, doing: str, *, new: bool = False) -> None:
        where = f"{doing} {address.redacted}"
        address.refuse_options(*_OPTIONS)
        try:
            import chromadb
            from chromadb.config import Settings
        except ImportError:
            raise MissingExtra(where, "chromadb", "chroma") from None
        self._token = address.options.get("token") or os.environ.get("CHROMA_TOKEN", "")
        self._settled: dict[str, tuple[int, int]] = {}
        self._client: Any
        self.folder: Path | None = None
        inside: dict[str, Any] = {
            k: v for k, v in address.options.items() if k in ("tenant", "database")
        }
        quiet = Settings(anonymized_telemetry=False)
        if not address.host:
            self.folder = Path(address.place or ".").resolve()
            with self.asking(where):
                if not new and not (self.folder / "chroma.sqlite3").is_file():
                    raise InputError(where, "a folder without chroma.sqlite3", "a folder of Chroma")
                try:
                    self._client = chromadb.PersistentClient(self.folder, quiet, **inside)
                except ValueError as error:
                    # Someone in this process has the folder open with settings of their own.
                    if "already exists" not in str(error):
                        raise
                    self._client = chromadb.PersistentClient(self.folder, **inside)
        else:
            if address.place.strip("/") or address.user or address.password:
                raise InputError(
                    where, "a login or a path of several parts", "chroma://host:port/collection",
                    "Give the token in CHROMA_TOKEN, a data base with ?database=.",
                )  # fmt: skip
            token = self._token
            if not token.isascii() or not token.isprintable() or token != token.strip():
                # The client would quote it, and escaped no one finds the token in its error.
                raise InputError(
                    where, "a token with spaces around it or characters that no header takes",
                    "printable ASCII", "Does CHROMA_TOKEN hold the end of a line?",
                )  # fmt: skip
            with self.asking(where, "a server that answers"), _let_go():
                self._client = chromadb.HttpClient(
                    host=address.host, port=address.port or 8000, settings=quiet,
                    ssl=address.options.get("ssl", "0") not in ("0", "false", ""),
                    headers={"x-chroma-token": self._token} if self._token else None, **inside,
                )  # fmt: skip
        self._missing = chromadb.errors.NotFoundError
        try:
            with self.asking(where):
                self.batch = int(self._client.get_max_batch_size())
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def asking(self, operation: str, expected: str = "a Chroma that answers") -> Iterator[None]:
        """Errors of the client as a StorageError without the token; isthmus' own as they are."""
        try:
            yield
        except IsthmusError:
            raise
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            if self._token:
                said = said.replace(self._token, "***")
            raise StorageError(operation, said[:_SAID], expected) from None

    def find(self, name: str) -> Any:
        """The collection ``name``, None where there is none."""
        with self.asking(f"look for {name}"):
            try:
                return self._client.get_collection(name, embedding_function=None)
            except self._missing:
                return None

    def names(self) -> list[str]:
        """Names of all collections, in order."""
        found: list[str] = []
        with self.asking("list the collections"):
            while True:
                page = self._client.list_collections(limit=_PAGE, offset=len(found))
                found += [collection.name for collection in page]
                if len(page) < _PAGE:
                    return sorted(found)

    def make(self, name: str, hnsw: dict[str, Any], about: dict[str, Any]) -> None:
        """Make a collection with these settings of its index and this metadata."""
        with self.asking(f"make {name}", "a name that Chroma takes"):
            self._client.create_collection(
                name, configuration={"hnsw": hnsw}, metadata=about, embedding_function=None
            )
        self.settle()

    def remove(self, name: str) -> None:
        """Remove a collection if it is there."""
        with self.asking(f"remove {name}"), contextlib.suppress(self._missing):
            self._client.delete_collection(name)

    def settle(self) -> None:
        """Bring what was written to the disk; a server sees to that itself."""
        if self.folder is not None:
            settle(self.folder, self._settled)

    def close(self) -> None:
        """Give the client back; a second time is fine."""
        self._client.close()
        # Chroma 1.5 leaves the connections to a server open, its own and its administrator's.
        both: tuple[Any, ...] = (self._client, getattr(self._client, "_admin_client", None))
        for client in both:
            with contextlib.suppress(AttributeError):
                client._server._session.close()


@contextlib.contextmanager
def _let_go() -> Iterator[None]:
    """Close what a client has connected to when its making fails, which gives none to close."""
    try:
        yield
    except Exception as error:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            made = frame.f_locals.get("self")
            both: tuple[Any, ...] = (made, getattr(made, "_server", None))
            for one in both:
                with contextlib.suppress(AttributeError):
                    one._session.close()
        raise
