"""Payload and Chroma: a document, a URI and flat metadata become one mapping a row, and back.

Document and URI travel under ``chroma:document`` and ``chroma:uri``: no metadata may have such a
name, so none is ever overwritten.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from isthmus.core.errors import InputError

_DOCUMENT, _URI = "chroma:document", "chroma:uri"
_RESERVED = ("chroma:", "#", "$")
_INT64 = 1 << 63


def read() -> tuple[str, ...]:
    """What to ask Chroma for besides the vectors."""
    return ("metadatas", "documents", "uris")


@dataclass
class Carried:
    """What rows carry, in one order; lists are empty where nothing was asked for."""

    metadatas: list[Any] = field(default_factory=list)
    documents: list[Any] = field(default_factory=list)
    uris: list[Any] = field(default_factory=list)
    embeddings: list[np.ndarray] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    width: int = 0

    @classmethod
    def joined(cls, parts: "list[Carried]", width: int) -> "Carried":
        """All parts as one; ``width`` is that of vectors where there are no parts."""
        out = cls(width=width)
        for part in parts:
            out.metadatas += part.metadatas
            out.documents += part.documents
            out.uris += part.uris
            out.embeddings += part.embeddings
        return out

    def vectors(self) -> np.ndarray:
        """The vectors (n, dim) float32."""
        if not self.embeddings:
            return np.empty((0, self.width), dtype=np.float32)
        return np.concatenate(self.embeddings)

    def payload(self) -> list[dict[str, Any]]:
        """One mapping a row: metadata, document and URI, what is there of them."""
        out = []
        for about, document, uri in zip(self.metadatas, self.documents, self.uris, strict=True):
            extra = {_DOCUMENT: document or None, _URI: uri}
            out.append(dict(about or {}) | {k: v for k, v in extra.items() if v is not None})
        return out

    def replacing(self, old: "Carried") -> dict[str, Any]:
        """What one upsert is given so that nothing of ``old`` is left where these have it no more.

        A key or URI that is set to None ends. A document does not end without its row, so it is
        set to the empty text, which is read as none.
        """
        metadatas = []
        for new, was, uri, old_uri in zip(
            self.metadatas, old.metadatas, self.uris, old.uris, strict=True
        ):
            ended = [*(was or {}), *([_URI] if uri is None and old_uri is not None else [])]
            metadatas.append(dict.fromkeys(ended) | dict(new or {}) or None)
        documents = [
            "" if new is None and was is not None else new
            for new, was in zip(self.documents, old.documents, strict=True)
        ]
        found: dict[str, list[Any]] = {
            "metadatas": metadatas, "documents": documents, "uris": self.uris
        }  # fmt: skip
        return {name: v for name, v in found.items() if any(one is not None for one in v)}


def carried(found: Mapping[str, Any], ids: Sequence[str]) -> Carried:
    """An answer of ``get``, which comes in an order of its own, in the order of ``ids``.

    Rows that are not there are named in ``missing`` and carry None.
    """
    place = {key: number for number, key in enumerate(found["ids"])}
    at = [place.get(key) for key in ids]
    out = Carried(missing=[k for k, n in zip(ids, at, strict=True) if n is None])
    for name in read():
        values = found.get(name)
        if values is not None:
            setattr(out, name, [None if n is None else values[n] for n in at])
    vectors = found.get("embeddings")
    if vectors is not None and not out.missing and len(at):
        out.embeddings = [np.asarray(vectors, dtype=np.float32)[np.array(at)]]
    return out


def given(payload: Sequence[Mapping[str, Any]], where: str) -> Carried:
    """Payload of rows as Chroma takes it; InputError on values that it cannot hold."""
    out = Carried()
    for row in payload:
        about = {k: v for k, v in row.items() if v is not None}
        for name, value in about.items():
            if not _takes(name, value):
                raise InputError(
                    where, f"{name!r} = {value!r:.80} ({type(value).__name__})",
                    "text, booleans, finite numbers of 64 bits, or lists of one of them, under "
                    f"names that begin with none of {', '.join(_RESERVED)}",
                    "Chroma has no nested metadata: flatten it, or leave the column out.",
                )  # fmt: skip
        out.documents.append(about.pop(_DOCUMENT, None))
        out.uris.append(about.pop(_URI, None))
        out.metadatas.append(about or None)
    return out


def _takes(name: Any, value: Any) -> bool:
    if name in (_DOCUMENT, _URI):
        return _text(value)
    return _text(name) and name != "" and not name.startswith(_RESERVED) and _holds(value)


def _holds(value: Any) -> bool:
    if isinstance(value, list):
        kinds = {type(one) for one in value}
        return len(kinds) == 1 and all(not isinstance(v, list) and _holds(v) for v in value)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return -_INT64 <= value < _INT64
    return _text(value)


def _text(value: Any) -> bool:
    """Whether this is text, without halves of characters that UTF-8 has no bytes for."""
    return isinstance(value, str) and value.encode("utf-8", "ignore").decode() == value
