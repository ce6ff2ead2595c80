"""How Milvus is reached: clients of files and servers, and what their errors may say."""

import logging
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from isthmus.core.errors import InputError, IsthmusError, MissingExtra, StorageError
from isthmus.spaces.stores.address import Address

_TIMEOUT = 120  # seconds
_HERE = ("localhost", "127.0.0.1", "::1")


class Connection:
    """A client, and the calls that concern more than the rows of one collection.

    The file of Milvus Lite is made if ``make`` and not there; else what is not there is refused.
    """

    def __init__(self, address: Address, *, make: bool) -> None:
        local = not address.host
        address.refuse_options("vector", "filter", *(() if local else ("https", "token")))
        self.address = address
        try:
            with _quiet():
                self._file = _file(address, make) if local else None
                self._client = _package().MilvusClient(
                    **({"uri": str(_path(address))} if local else _server(address)),
                    timeout=_TIMEOUT,
                )
        except IsthmusError:
            raise
        except Exception as error:
            raise _told(address, "open", error) from None

    def ask(self, what: str, *args: Any, **kwargs: Any) -> Any:
        """One call of the client; its errors become ours, without the token."""
        try:
            with _quiet():
                return getattr(self._client, what)(*args, timeout=_TIMEOUT, **kwargs)
        except Exception as error:
            raise _told(self.address, f"{what.replace('_', ' ')}:", error) from None

    @property
    def types(self) -> Any:
        """The client's names of types of fields."""
        return _package().DataType

    def schema(self, **about: Any) -> Any:
        """A schema without fields."""
        return self._client.create_schema(auto_id=False, **about)

    def schema_of(self, description: dict[str, Any]) -> Any:
        """The schema that a collection's description tells of."""
        return _package().CollectionSchema.construct_from_dict(description)

    def index(self, name: str, field: str, **about: Any) -> None:
        """Index ``field`` of the collection ``name``."""
        params = self._client.prepare_index_params()
        params.add_index(field, **about)
        self.ask("create_index", name, params)

    def names(self) -> set[str]:
        """The names of all collections."""
        return set(self.ask("list_collections"))

    def aliases(self) -> dict[str, str]:
        """All aliases, and the collection that each stands for."""
        found = self.ask("list_aliases")["aliases"]
        return {name: self.ask("describe_alias", name)["collection_name"] for name in found}

    def close(self) -> None:
        """Let go of the client; a file is let go of with the last handle of this process."""
        if self._client is not None:
            self._client.close()
        self._client = self._file = None


class _File:
    """Holds the file of Milvus Lite open for as long as a handle holds this."""

    def __init__(self, path: str) -> None:
        from milvus_lite.server_manager import server_manager_instance

        # Refused, as when another process has the file, it gives no address.
        if server_manager_instance.start_and_get_uri(path) is None:
            raise StorageError(
                f"open {path}", "a file that Milvus Lite cannot open", "one that it can",
                "It serves one process at a time: close the other, or run a server. Files of "
                "Milvus Lite before 3 must be imported anew.",
            )  # fmt: skip
        weakref.finalize(self, server_manager_instance.release_server, path)


_FILES: weakref.WeakValueDictionary[str, _File] = weakref.WeakValueDictionary()
_opening = threading.Lock()


def _path(address: Address) -> Path:
    return Path(address.place).resolve()


def _file(address: Address, make: bool) -> _File:
    path, where = _path(address), f"open {address.redacted}"
    if path.suffix != ".db":
        raise InputError(where, f"the file {address.place!r}", "one whose name ends in .db")
    if not path.exists() and not make:
        raise InputError(
            where, f"no file {address.place!r}", f"one that holds {address.collection!r}"
        )
    if address.user or address.password:
        raise InputError(where, "a user or password", "neither, for a file")
    try:
        import milvus_lite  # noqa: F401
    except ImportError:
        raise MissingExtra("open a file of Milvus", "milvus-lite", "milvus") from None
    _package()
    if make:
        path.parent.mkdir(parents=True, exist_ok=True)
    with _opening:
        found = _FILES.get(str(path)) or _File(str(path))
        _FILES[str(path)] = found
    return found


def _token(address: Address) -> str:
    login = f"{address.user}:{address.password}" if address.user else ""
    return address.options.get("token") or login or os.environ.get("MILVUS_TOKEN", "")


def _server(address: Address) -> dict[str, str]:
    token = _token(address)
    # A token does not travel in the clear to another machine unless the address says so.
    safe = address.options.get("https", "true" if token and address.host not in _HERE else "false")
    if safe not in ("true", "false"):
        raise InputError(f"open {address.redacted}", f"https={safe}", "https=true or https=false")
    base = address.place.strip("/")
    if not base.isascii():  # it travels in a header, and the client tries that for two minutes
        raise InputError(f"open {address.redacted}", f"the data base {base!r}", "a name in ASCII")
    host = f"[{address.host}]" if ":" in address.host else address.host
    uri = f"http{'s' * (safe == 'true')}://{host}:{address.port or 19530}"
    return {"uri": uri, "token": token, "db_name": base}


def _package() -> Any:
    try:
        import pymilvus
    except ImportError:
        raise MissingExtra("open a Milvus collection", "pymilvus", "milvus") from None
    return pymilvus


def _told(address: Address, doing: str, error: Exception) -> StorageError:
    what = getattr(error, "message", "") or f"{type(error).__name__}: {error}"
    for secret in sorted((_token(address), address.password), key=len, reverse=True):
        if secret:  # the longer one first: it may hold the other
            what = what.replace(secret, "***")
    return StorageError(f"{doing} {address.redacted}", " ".join(what.split()), "an answer")


_LOGS = ("pymilvus", "milvus_lite")
_silent: list[int] = []
_levels: list[int] = []
_lock = threading.Lock()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the client from printing what it raises: an error is ours to tell, once."""
    with _lock:
        if not _silent:
            _levels[:] = [logging.getLogger(name).level for name in _LOGS]
            for name in _LOGS:
                logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        _silent.append(1)
    try:
        yield
    finally:
        with _lock:
            _silent.pop()
            if not _silent:
                for name, level in zip(_LOGS, _levels, strict=True):
                    logging.getLogger(name).setLevel(level)
