"""Items that several spaces know: rows by id or number, checked, joined through 64-bit keys."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.core.arrays import matrix, to_numpy
from isthmus.core.errors import InputError, PairingError
from isthmus.spaces.fingerprint import Fingerprint
from isthmus.spaces.ids import hashed, named, normal
from isthmus.spaces.space import Space

#: From a space's name and vectors (n, d) to universe codes (n, k).
Encode = Callable[[str, np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one space: vectors (n, d) float64 and the keys (n,) int64 of their items.

    Keys are unique. ``lots`` (n,) are the uniform hashes that ``Pairs.split`` goes by. ``text``
    tells ids that are text (hashed) from integers (as they are).
    """

    vectors: np.ndarray
    keys: np.ndarray
    lots: np.ndarray
    text: bool
    fingerprint: Fingerprint

    def common(self, other: "Rows") -> tuple[np.ndarray, np.ndarray]:
        """Row numbers here and there of the items both know, in the order of their keys."""
        _, i, j = np.intersect1d(self.keys, other.keys, assume_unique=True, return_indices=True)
        return i, j

    def select(self, which: np.ndarray) -> "Rows":
        """Some of the rows."""
        return Rows(
            self.vectors[which], self.keys[which], self.lots[which], self.text, self.fingerprint
        )


def rows_of(name: str, given: Any, *, mask: Any = None, seed: int, operation: str) -> Rows:
    """A Space, ``(ids, vectors)`` or vectors (items then are row numbers) as checked rows.

    ``mask`` (n,) is True where the space has the item. An item given twice counts once.

    Raises
    ------
    InputError
        On values that are not finite, ids or a mask that do not fit, or one id with two vectors.
    """
    if isinstance(given, Space):
        ids, vectors = given.ids, given.vectors()
    elif isinstance(given, tuple) and len(given) == 2:
        ids, vectors = np.asarray(given[0]), given[1]
    else:
        ids, vectors = None, given
    x = to_numpy(matrix(f"space {name!r}", vectors, operation=operation, finite=False))
    ids = normal(np.arange(len(x)) if ids is None else ids, where=f"{operation}, space {name!r}")
    present = np.ones(len(x), bool) if mask is None else np.asarray(mask)
    if ids.shape != (len(x),) or present.shape != (len(x),) or present.dtype != bool:
        raise InputError(
            operation, f"space {name!r}: ids {ids.shape}, mask {present.shape} {present.dtype} for "
            f"vectors {x.shape}", "one id, and True or False, a row",
        )  # fmt: skip
    x, ids = x[present].astype(np.float64), ids[present]
    if not np.isfinite(x).all():
        bad = ids[~np.isfinite(x).all(axis=1)]
        raise InputError(
            operation, f"space {name!r}: NaN or infinity in {len(bad)} of {len(x)} "
            f"rows (first ids: {named(bad)})", "finite vectors",
            "Leave them out: --drop-invalid, or mask={name: bools}.",
        )  # fmt: skip
    if len(x) < 2:
        raise InputError(operation, f"space {name!r} of {len(x)} rows", "at least 2 rows")
    text = ids.dtype.kind != "i"
    keys = hashed(ids, seed=0).view(np.int64) if text else ids
    keys, first, again = np.unique(keys, return_index=True, return_inverse=True)
    if len(keys) < len(ids):
        differs = np.flatnonzero((x != x[first][again]).any(axis=1))
        if len(differs):
            raise InputError(
                operation, f"space {name!r}: contradictory vectors of the ids "
                f"{named(ids[differs])}", "one vector an id", "Keep one of them.",
            )  # fmt: skip
    x, lots = x[first], hashed(ids[first], seed=seed)
    known = given.fingerprint() if isinstance(given, Space) else Fingerprint.of(x)
    return Rows(x, keys, lots, text, known)


def all_items(
    spaces: Mapping[str, Any], mask: Mapping[str, Any] | None, *, seed: int, operation: str
) -> dict[str, Rows]:
    """The rows of every space; PairingError when ids are of different kinds."""
    masks = dict(mask or {})
    if len(spaces) < 2 or any(not isinstance(name, str) or not name for name in spaces):
        raise InputError(operation, f"spaces {list(spaces)}", "at least two, each under a name")
    if strange := sorted(set(masks) - set(spaces)):
        raise InputError(operation, f"a mask for {strange}", f"names among {list(spaces)}")
    rows = {
        name: rows_of(name, given, mask=masks.get(name), seed=seed, operation=operation)
        for name, given in spaces.items()
    }
    texts = [name for name, r in rows.items() if r.text]
    if 0 < len(texts) < len(rows):
        others = [name for name in rows if name not in texts]
        raise PairingError(
            operation, f"text ids in {texts}, integers or row numbers in {others}",
            "ids of one kind",
        )  # fmt: skip
    return rows


def shared_items(rows: Mapping[str, Rows]) -> np.ndarray:
    """Keys (n,) of the items that two spaces or more know, ascending."""
    keys, counts = np.unique(np.concatenate([r.keys for r in rows.values()]), return_counts=True)
    found: np.ndarray = keys[counts > 1]
    return found


def check_shared(rows: Mapping[str, Rows], least: int) -> None:
    """InputError that names a space which shares fewer than ``least`` items with the others."""
    shared = shared_items(rows)
    for name, r in rows.items():
        if (count := int(np.isin(r.keys, shared).sum())) < least:
            raise InputError(
                "link spaces", f"space {name!r}, which shares {count} items with the others",
                f"at least {least}", "Give more common ids, or leave that space out.",
            )  # fmt: skip


def mean_codes(rows: Mapping[str, Rows], encode: Encode) -> tuple[np.ndarray, np.ndarray]:
    """Keys (n,) of the shared items, and the mean (n, k) float32 of their codes over all spaces."""
    keys = shared_items(rows)
    total, count, _ = _summed(rows, keys, encode)
    return keys, (total / count[:, None]).astype(np.float32)


def with_others(
    rows: Mapping[str, Rows], encode: Encode
) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Per space, its vectors (n, d) of shared items and the mean codes (n, k) of all others."""
    total, count, parts = _summed(rows, shared_items(rows), encode)
    for name, (i, j, codes) in parts.items():
        others = (total[j] - codes) / (count[j] - 1)[:, None]
        yield name, (rows[name].vectors[i], others)


def _summed(
    rows: Mapping[str, Rows], keys: np.ndarray, encode: Encode
) -> tuple[np.ndarray, np.ndarray, dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    parts, count = {}, np.zeros(len(keys))
    for name, r in rows.items():
        _, i, j = np.intersect1d(r.keys, keys, assume_unique=True, return_indices=True)
        parts[name] = i, j, encode(name, r.vectors[i])
        count[j] += 1
    total = np.zeros((len(keys), next(iter(parts.values()))[2].shape[1]))
    for _, j, codes in parts.values():
        total[j] += codes
    return total, count, parts
