"""How Qdrant is reached: the clients of folders and servers, and what their errors may say."""

import atexit
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from isthmus.core.errors import InputError, IsthmusError, MissingExtra, StorageError
from isthmus.spaces.stores.address import Address

_TIMEOUT = 120  # seconds
_HERE = ("localhost", "127.0.0.1", "::1")

#: The clients of folders open in this process; one closes when its last handle lets go of it.
_FOLDERS: WeakValueDictionary[str, Any] = WeakValueDictionary()


@atexit.register
def _close_folders() -> None:
    for client in list(_FOLDERS.values()):
        client.close()


def _package() -> Any:
    """The client's package; MissingExtra when it is not installed."""
    try:
        import qdrant_client
    except ImportError:
        raise MissingExtra("open a Qdrant collection", "qdrant-client", "qdrant") from None
    return qdrant_client


class Connection:
    """A client, and the calls that concern more than the rows of one collection.

    The client of a folder is made if ``make`` and not there; else what is not there is refused.
    """

    def __init__(self, address: Address, *, make: bool) -> None:
        local = not address.host
        address.refuse_options("vector", "filter", *(() if local else ("https", "api_key")))
        if address.user or address.password:
            raise InputError(
                f"open {address.redacted}", "a user or password", "neither",
                "Qdrant knows keys: set QDRANT_API_KEY, or write ?api_key=",
            )  # fmt: skip
        self.address = address
        try:
            self._client = _folder(address, make) if local else _server(address)
        except IsthmusError:
            raise
        except Exception as error:
            raise _told(address, "open", error) from None

    @property
    def models(self) -> Any:
        """The client's records of requests and replies."""
        return _package().models

    def filter(self, text: str | None) -> Any:
        """The filter written as JSON in ``text``."""
        try:
            return None if text is None else self.models.Filter(**json.loads(text))
        except (ValueError, TypeError, RecursionError):
            raise InputError(
                f"open {self.address.redacted}", "a filter that is none of Qdrant's",
                'JSON like {"must": [{"key": "lang", "match": {"value": "en"}}]}',
            ) from None  # fmt: skip

    def ask(self, what: str, *args: Any, **kwargs: Any) -> Any:
        """One call of the client; its errors become ours, without the key."""
        try:
            return getattr(self._client, what)(*args, **kwargs)
        except Exception as error:
            raise _told(self.address, f"{what.replace('_', ' ')}:", error) from None

    def names(self) -> set[str]:
        """The names of all collections."""
        return {c.name for c in self.ask("get_collections").collections}

    def aliases(self) -> dict[str, str]:
        """All aliases, and the collection that each stands for."""
        return {a.alias_name: a.collection_name for a in self.ask("get_aliases").aliases}

    def move(self, to: Mapping[str, str], frees: Sequence[str] = ()) -> None:
        """Free some aliases and point others at collections, all in one atomic call."""
        m = self.models
        steps = [
            m.DeleteAliasOperation(delete_alias=m.DeleteAlias(alias_name=name)) for name in frees
        ]
        steps += [
            m.CreateAliasOperation(create_alias=m.CreateAlias(collection_name=c, alias_name=a))
            for a, c in to.items()
        ]
        self.ask("update_collection_aliases", change_aliases_operations=steps)

    def remove(self, name: str) -> None:
        """Delete a collection, if it is there."""
        if name in self.names():
            self.ask("delete_collection", name)

    def close(self) -> None:
        """Let go of the client, which closes with the last that holds it."""
        self._client = None


def _told(address: Address, doing: str, error: Exception) -> StorageError:
    """An error of the client as one of isthmus, without the key."""
    status = getattr(error, "status_code", None)
    cure, what = "", f"{type(error).__name__}: {error}"
    if status is not None:
        what = f"status {status}: {_said(error)}"
    if status in (401, 403):
        cure = "Set QDRANT_API_KEY, or write ?api_key="
    if key := _key(address):
        what = what.replace(key, "***")
    return StorageError(f"{doing} {address.redacted}", " ".join(what.split()), "an answer", cure)


def _said(error: Any) -> str:
    try:
        return str(json.loads(error.content)["status"]["error"])
    except (ValueError, TypeError, KeyError):
        return str(error.reason_phrase)


def _key(address: Address) -> str:
    return address.options.get("api_key") or os.environ.get("QDRANT_API_KEY", "")


def _folder(address: Address, make: bool) -> Any:
    folder = os.path.realpath(address.place)
    found = _FOLDERS.get(folder)
    if found is None:
        if not make and not Path(folder, "meta.json").exists():
            raise InputError(
                f"open {address.redacted}", f"no collections of Qdrant at {address.place!r}",
                f"a folder of its local mode with {address.collection!r}",
            )  # fmt: skip
        # Where another process has the folder, the client refuses and leaves a file unclosed.
        with warnings.catch_warnings(action="ignore", category=ResourceWarning):
            try:
                found = _package().QdrantClient(path=folder)
            except RuntimeError as error:
                if "already accessed" not in str(error):
                    raise
        if found is None:
            raise StorageError(
                f"open {address.redacted}", "a folder that another process has open",
                "one that no one has open",
                "The local mode serves one process at a time: close the other, or run a server.",
            )  # fmt: skip
        _FOLDERS[folder] = found
    return found


def _server(address: Address) -> Any:
    key = _key(address)
    if not key.isascii() or not key.isprintable() or key != key.strip():
        # The client would quote it, and escaped no one finds the key in its error.
        raise InputError(
            f"open {address.redacted}", "a key with spaces around it or characters that no header "
            "takes", "printable ASCII", "Does QDRANT_API_KEY hold the end of a line?",
        )  # fmt: skip
    # A key does not travel in the clear to another machine unless the address says so.
    safe = address.options.get("https", "true" if key and address.host not in _HERE else "false")
    if safe not in ("true", "false"):
        raise InputError(f"open {address.redacted}", f"https={safe}", "https=true or https=false")
    host = f"[{address.host}]" if ":" in address.host else address.host
    url = f"http{'s' * (safe == 'true')}://{host}:{address.port or 6333}"
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # of that key
        return _package().QdrantClient(
            url=url + address.place.rstrip("/"), api_key=key or None, timeout=_TIMEOUT,
            check_compatibility=False,
            verify=safe == "true",  # reading certificates takes time, and http has none
        )  # fmt: skip
