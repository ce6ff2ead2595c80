"""What a format is, and what it gives: two columns and the facts declared beside them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from isthmus.core.errors import FormatError
from isthmus.spaces.columns import Column

#: Names under which vectors and ids are looked for, the first present one wins.
VECTOR_KEYS = ("vectors", "embeddings", "vector", "embedding", "emb", "x", "arr_0")
ID_KEYS = ("ids", "id", "_id", "doc_id")
#: Names that a message lists.
_SHOWN = 20
_DECLARED = ("encoder", "metric", "scale")


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of the vectors and of the ids in a file; None means look for the usual ones."""

    vectors: str | None = None
    ids: str | None = None


@dataclass(frozen=True, slots=True)
class Contents:
    """Vectors (n, dim), ids (n,) or None for virtual ones, and declared facts by name.

    Facts are among ``metric``, ``encoder``, ``scale``, ``provenance`` and ``fingerprint``.
    """

    vectors: Column
    ids: Column | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Format:
    """A readable format: its name, the file beside this one that reads it, how it is recognised.

    ``magic`` are the first bytes of a file; ``suffixes`` the endings of its name; ``folder`` the
    patterns of names that a folder of this format holds.
    """

    name: str
    module: str
    suffixes: tuple[str, ...]
    magic: tuple[bytes, ...] = ()
    folder: tuple[str, ...] = ()


def declared(where: str, entries: Mapping[str, Any]) -> dict[str, Any]:
    """The facts among a file's free entries: ``encoder``, ``metric`` and ``scale``, as text.

    Raises FormatError when the scale is no number.
    """
    facts: dict[str, Any] = {key: str(entries[key]) for key in _DECLARED if key in entries}
    if "scale" in facts:
        try:
            facts["scale"] = float(facts["scale"])
        except ValueError as error:
            raise FormatError(
                where, f"scale {facts['scale']!r}"[:80], "a number", "Mend this entry of the file."
            ) from error
    return facts


def choose(
    where: str, present: list[str], wanted: str | None, usual: tuple[str, ...], what: str
) -> str | None:
    """The name of ``what`` among ``present``: the wanted one, else the first usual one, or None."""
    if wanted is not None:
        if wanted in present:
            return wanted
        more = f" and {len(present) - _SHOWN:,} more" if len(present) > _SHOWN else ""
        expected = f"one of {present[:_SHOWN]}{more}" if present else "a file that has one"
        raise FormatError(where, f"no {what} {wanted!r}", expected)
    return next((name for name in usual if name in present), None)
