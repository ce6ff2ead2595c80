"""Addresses: one URI for each collection of a store, and what may be shown of it."""

import re
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from isthmus.core.errors import InputError

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
#: What ``Path`` leaves of an address; one letter is a drive.
_PATH = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
_SECRET = re.compile(r"pass(word|wd|phrase)|pwd|token|secret|key|auth|credential", re.IGNORECASE)
_HIDDEN = "***"


def is_address(source: object) -> bool:
    """Whether ``source`` is the address of a collection in a store rather than a path."""
    return isinstance(source, str) and _SCHEME.match(source) is not None


def refuse_address(path: object, *, operation: str) -> None:
    """Raise InputError where ``path`` is an address or what is left of one; it is not repeated.

    Where a path is wanted an address would become folders named by its password.
    """
    if _PATH.match(str(path)):
        raise InputError(
            operation, "a text that begins like an address", "the path of a file or folder"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a collection lies: ``scheme://user:password@host:port/place/collection?option=value``.

    ``place`` is the path up to the last segment (a folder, a file, a data base), ``collection`` the
    last segment, both decoded. ``options`` keep their order. Neither ``repr`` nor ``redacted``, nor
    any message made of them, holds a password or an option that sounds like a secret.

    >>> a = Address.parse("pgvector://me:sesame@db.example:5433/shop/items?vector=emb&id=sku")
    >>> a.host, a.port, a.place, a.collection, a.options["vector"]
    ('db.example', 5433, '/shop', 'items', 'emb')
    >>> a.redacted
    'pgvector://me:***@db.example:5433/shop/items?vector=emb&id=sku'
    """

    scheme: str
    collection: str
    place: str = ""
    host: str = ""
    port: int | None = None
    user: str = ""
    password: str = field(default="", repr=False)
    options: dict[str, str] = field(default_factory=dict, repr=False, hash=False)

    @classmethod
    def parse(cls, text: str) -> "Address":
        """The address written as ``text``; raises InputError, which never repeats a secret."""
        if not is_address(text):
            raise InputError(
                "read an address", "a text without scheme://",
                "scheme://host:port/place/collection?option=value",
            )  # fmt: skip
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise InputError(
                "read an address", f"{text.partition('://')[0]}://... with a bad host or port",
                "scheme://host:port/place/collection?option=value",
            ) from error  # fmt: skip
        if parts.netloc and "@" not in parts.netloc and "@" in parts.path and ":" in parts.netloc:
            raise InputError(
                "read an address", "a '/' in front of the '@'", "scheme://user:password@host/place",
                "In a password it must be written %2F.",
            )  # fmt: skip
        # "./a/b" keeps its dot as the host of the URI; it is a relative path.
        local = parts.netloc in ("", ".", "..")
        path = unquote(parts.netloc * local + parts.path)
        place, slash, collection = path.rpartition("/")
        options = parse_qsl(parts.query, keep_blank_values=True)
        repeated = {name for name, _ in options if [n for n, _ in options].count(name) > 1}
        if not collection or parts.fragment or repeated:
            why = (
                f"the option {min(repeated)!r} twice" if repeated
                else "a '#', which must be written %23" if parts.fragment
                else "no collection"
            )  # fmt: skip
            raise InputError(
                "read an address", why, "scheme://host:port/place/collection?option=value"
            )
        return cls(
            scheme=parts.scheme,
            collection=collection,
            place=place or slash,
            host="" if local else unquote(parts.hostname or ""),
            port=port,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            options=dict(options),
        )

    @property
    def redacted(self) -> str:
        """The address as it may be shown and logged: every secret replaced by ``***``."""
        return self._text(secrets=False)

    @property
    def local(self) -> str:
        """The path ``place/collection`` of a store that is a file or folder of this machine."""
        return f"{self.place.rstrip('/')}/{self.collection}" if self.place else self.collection

    def full(self) -> str:
        """The whole address, secrets included: for connecting, never for showing or writing."""
        return self._text(secrets=True)

    def without_secrets(self) -> "Address":
        """The address without any secret, as a job keeps it."""
        kept = {k: v for k, v in self.options.items() if not _SECRET.search(k)}
        return replace(self, password="", options=kept)

    def elsewhere(self, *, collection: str | None = None, **options: str) -> "Address":
        """The address of another collection, or with other options, of the same place."""
        return replace(
            self,
            collection=self.collection if collection is None else collection,
            options=self.options | options,
        )

    def refuse_options(self, *known: str) -> None:
        """Raise InputError when there is an option that no one would read."""
        if unknown := [name for name in self.options if name not in known]:
            raise InputError(
                f"open {self.redacted}", f"the option {unknown[0]!r}",
                f"one of {', '.join(known)}" if known else "no options",
            )  # fmt: skip

    def _text(self, *, secrets: bool) -> str:
        def shown(name: str, value: str) -> str:
            return value if secrets or not _SECRET.search(name) else _HIDDEN

        login = quote(self.user, safe="")
        if self.password:
            login += ":" + (quote(self.password, safe="") if secrets else _HIDDEN)
        host = (f"{login}@" if login else "") + (
            f"[{self.host}]" if ":" in self.host else self.host
        )
        port = "" if self.port is None else f":{self.port}"
        path = quote(self.local)
        if not path.startswith(("/", "./", "../")):
            path = f"/{path}" if host else f"./{path}"
        options = {name: shown(name, value) for name, value in self.options.items()}
        query = "?" + urlencode(options, safe="*/", quote_via=quote) if options else ""
        return f"{self.scheme}://{host}{port}{path}{query}"

    def __repr__(self) -> str:
        return f"<Address {self.redacted}>"
