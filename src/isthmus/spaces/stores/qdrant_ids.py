"""Ids of Qdrant: integers from 0 to 2^64 - 1, and UUIDs, in that order."""

import re
from typing import Any
from uuid import UUID

import numpy as np

from isthmus.core.errors import InputError
from isthmus.spaces.ids import named

_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def as_keys(ids: np.ndarray, doing: str) -> list[Any]:
    """Ids (n,) as Qdrant takes them; InputError naming those that it would not keep as they are.

    >>> as_keys(np.array([3, 1]), "demo")
    [3, 1]
    """
    keys: list[Any] = np.asarray(ids).tolist()
    if bad := [i for i in keys if not (_UUID.fullmatch(i) if isinstance(i, str) else i >= 0)]:
        raise InputError(
            doing, named(bad), "integers from 0, or UUIDs in lower case with hyphens",
            "Give each row str(uuid.uuid5(uuid.NAMESPACE_URL, id)) and keep its id as payload.",
        )  # fmt: skip
    return keys


def as_array(ids: list[Any], kind: str, doing: str) -> np.ndarray:
    """Ids (n,) that Qdrant gave, int64 or text; InputError at one of another kind or too large."""
    whole = kind == "int"
    if wrong := [i for i in ids if isinstance(i, str) is whole or (whole and i >= 1 << 63)]:
        raise InputError(
            doing, f"the id {wrong[0]!r}", "ids of one kind, UUIDs or integers below 2^63"
        )
    return np.array(ids, dtype=np.int64 if whole else "<U36")


def following(key: Any) -> Any:
    """The smallest id above ``key``, or None above the last UUID.

    >>> following(7)
    8
    >>> following("00000000-0000-0000-0000-0000000000ff")
    '00000000-0000-0000-0000-000000000100'
    """
    if not isinstance(key, str):
        return int(key) + 1
    number = UUID(key).int + 1
    return str(UUID(int=number)) if number < 1 << 128 else None
