"""Ids: what names a row. Integers become int64, everything else text; hashing, joining, duplicates.

Ids are compared through 64-bit keys so that a set of 10^8 needs 0.8 GB of them rather than all of
its texts. The key of an integer is the integer. Texts get a seeded hash, and where two of one set
share a key without being the same text the hash is drawn again, so answers stay exact within a
set; across sets a second, independent hash must agree too (128 bits in all).
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from isthmus.core.errors import InputError
from isthmus.spaces.columns import Column, RangeColumn

_CHUNK = 65536
_LONG = 256  # bytes; longer texts are hashed one by one
_GOLDEN, _M1, _M2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_MASK = (1 << 64) - 1


class IdColumn:
    """A column whose integers are int64 and whose other values are text."""

    def __init__(self, column: Column, where: str) -> None:
        self._column, self._where = column, where
        self.shape, self.scattered = column.shape, column.scattered
        self.dtype = np.dtype(np.int64) if column.dtype.kind in "iu" else column.dtype

    def read(self, start: int, stop: int) -> np.ndarray:
        """The ids of rows start .. stop-1."""
        return normal(self._column.read(start, stop), where=self._where)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The ids of these rows."""
        return normal(self._column.take(rows), where=self._where)


def kind(column: Column) -> str:
    """``"range"`` for virtual ids, else ``"int"`` or ``"string"``."""
    if isinstance(column, RangeColumn):
        return "range"
    return "int" if column.dtype.kind in "iu" else "string"


def normal(values: np.ndarray, *, where: str) -> np.ndarray:
    """Ids as int64 or text; raises InputError on anything else and on missing values.

    >>> normal(np.array([b"a", b"bc"]), where="demo").tolist()
    ['a', 'bc']
    """
    values = np.asarray(values)
    if values.ndim != 1:
        raise InputError(where, f"ids of shape {values.shape}", "one id a row")
    if values.dtype.kind == "i" or (values.dtype.kind == "u" and values.dtype.itemsize < 8):
        return values.astype(np.int64, copy=False)
    if values.dtype.kind == "u":
        if len(values) and values.max() > np.iinfo(np.int64).max:
            raise InputError(where, f"the id {values.max()}", "ids below 2^63", "Make them text.")
        return values.astype(np.int64)
    if values.dtype.kind == "U":
        return values
    if values.dtype.kind == "S":
        try:
            return np.char.decode(values, "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(where, "bytes ids that are no UTF-8", "text ids") from error
    if values.dtype.kind == "O":
        wrong = next((i for i, v in enumerate(values) if not isinstance(v, str)), None)
        if wrong is None:
            return values
        raise InputError(
            where, f"the id {values[wrong]!r} in row {wrong}", "all ids text, or all integers"
        )
    raise InputError(where, f"ids of dtype {values.dtype}", "integers or text")


def hashed(ids: np.ndarray, *, seed: int) -> np.ndarray:
    """A uniform 64-bit hash (n,) of each id that depends on the id and ``seed`` alone.

    Integers are mixed by splitmix64 (a bijection); texts word by word of their UTF-8 bytes. Source:
    Steele, Lea and Flood 2014, Fast Splittable Pseudorandom Number Generators, section 3 (mixer).

    >>> hashed(np.array([1, 2]), seed=0)[1] == hashed(np.array([2]), seed=0)[0]
    np.True_
    """
    ids = normal(ids, where="hash ids")
    start = _mixed(int(seed) & _MASK)  # NumPy integers are of 64 bits and signed
    out = np.empty(len(ids), dtype=np.uint64)
    for first in range(0, len(ids), _CHUNK):
        part = ids[first : first + _CHUNK]
        if part.dtype.kind == "i":
            out[first : first + _CHUNK] = _mix(part.view(np.uint64) ^ np.uint64(start))
        else:
            out[first : first + _CHUNK] = _hashed_text(part, start)
    return out


def keys(column: Column, *, seed: int) -> np.ndarray:
    """The 64-bit keys (n,) of a whole id column, streaming: integers as they are, texts hashed."""
    rows = column.shape[0]
    out = np.empty(rows, dtype=np.uint64)
    for first in range(0, rows, _CHUNK):
        part = column.read(first, min(first + _CHUNK, rows))
        part = part.view(np.uint64) if part.dtype.kind == "i" else hashed(part, seed=seed)
        out[first : first + _CHUNK] = part
    return out


def repeated(column: Column, ordered: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, bool]:
    """Rows whose id an earlier row has already, ascending; and whether keys collided falsely.

    ``ordered`` are the sorted keys and ``order`` (stable) the rows they belong to.
    """
    if isinstance(column, RangeColumn):
        return np.empty(0, dtype=np.int64), False
    same = np.flatnonzero(ordered[1:] == ordered[:-1])
    if not len(same) or column.dtype.kind == "i":
        return np.sort(order[same + 1]), False
    # A shared key is a repeated text or a rare collision: a second hash tells them apart.
    touched = np.union1d(same, same + 1)
    first, rows = ordered[touched], order[touched]
    second = hashed(column.take(rows), seed=_GOLDEN)
    regroup = np.lexsort((rows, second, first))
    first, second, rows = first[regroup], second[regroup], rows[regroup]
    alike = first[1:] == first[:-1]
    again = alike & (second[1:] == second[:-1])
    return np.sort(rows[1:][again]), bool((alike & ~again).any())


def sorted_keys(column: Column, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The keys of ``column`` in ascending order, and the rows they belong to (stable)."""
    found = keys(column, seed=seed)
    order = np.argsort(found, kind="stable")
    return found[order], order


def duplicates(column: Column) -> np.ndarray:
    """Rows (ascending) whose id an earlier row has already."""
    if isinstance(column, RangeColumn):
        return np.empty(0, dtype=np.int64)
    return repeated(column, *sorted_keys(column, seed=0))[0]


@dataclass(frozen=True, slots=True)
class Join:
    """Rows of a source (ascending) and a target that carry the same id.

    ``again_source`` and ``again_target`` are rows whose id an earlier row of the same side has;
    where there are any, the pairs mean nothing.
    """

    rows_source: np.ndarray
    rows_target: np.ndarray
    again_source: np.ndarray
    again_target: np.ndarray


def join(source: Column, target: Column) -> Join:
    """The rows of two id columns of one kind that carry the same id: sort keys once, then merge."""
    none = np.empty(0, dtype=np.int64)
    if isinstance(target, RangeColumn):
        wanted = source.read(0, source.shape[0])
        rows = np.flatnonzero((wanted >= 0) & (wanted < target.shape[0]))
        return Join(rows, wanted[rows], duplicates(source), none)
    if isinstance(source, RangeColumn):
        other = join(target, source)
        order = np.argsort(other.rows_target, kind="stable")
        rows = other.rows_source[order]
        return Join(other.rows_target[order], rows, none, other.again_source)
    for seed in range(8):  # a second seed is needed once in 10^3 sets of 10^8 texts
        keys_s, order_s = sorted_keys(source, seed=seed)
        keys_t, order_t = sorted_keys(target, seed=seed)
        again_s, false_s = repeated(source, keys_s, order_s)
        again_t, false_t = repeated(target, keys_t, order_t)
        if not (false_s or false_t):
            break
    # Needles in ascending order walk the haystack once instead of missing the cache each time.
    place = np.searchsorted(keys_t, keys_s)
    hit = np.flatnonzero(place < len(keys_t))
    hit = hit[keys_t[place[hit]] == keys_s[hit]]
    rows_s, rows_t = order_s[hit], order_t[place[hit]]
    back = np.argsort(rows_s, kind="stable")
    rows_s, rows_t = rows_s[back], rows_t[back]
    if source.dtype.kind != "i" and len(rows_s):
        agree = keys(source, seed=_GOLDEN)[rows_s] == keys(target, seed=_GOLDEN)[rows_t]
        rows_s, rows_t = rows_s[agree], rows_t[agree]
    return Join(rows_s, rows_t, again_s, again_t)


def named(ids: Any) -> str:
    """The first ids as a message shows them."""
    shown = [repr(str(i)) if isinstance(i, str) else str(i) for i in list(ids[:5])]
    return ", ".join(shown) + (", ..." if len(ids) > 5 else "")


def _mixed(value: int) -> int:
    value = (value + _GOLDEN) & _MASK
    value = ((value ^ (value >> 30)) * _M1) & _MASK
    value = ((value ^ (value >> 27)) * _M2) & _MASK
    return value ^ (value >> 31)


def _mix(value: np.ndarray) -> np.ndarray:
    value = value + np.uint64(_GOLDEN)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(_M1)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(_M2)
    return value ^ (value >> np.uint64(31))


def _hashed_text(ids: np.ndarray, start: int) -> np.ndarray:
    words, lengths = _words(ids)
    state = _mix(lengths.astype(np.uint64) ^ np.uint64(start))
    for number in range(words.shape[1]):
        state = np.where(lengths > 8 * number, _mix(state ^ words[:, number]), state)
    return state


def _words(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """UTF-8 of each id as zero-padded little-endian words (n, w), and its length in bytes (n,)."""
    plain = _ascii(ids)
    if plain is not None:
        width, lengths = plain.shape[1], np.strings.str_len(ids)
    else:
        data, lengths = _utf8(ids)
        width = int(lengths.max(initial=1))
        plain = np.zeros((len(ids), width), dtype=np.uint8)
        plain[np.arange(width) < lengths[:, None]] = data
    padded = np.zeros((len(ids), -(-width // 8) * 8), dtype=np.uint8)
    padded[:, :width] = plain
    return padded.view("<u8").astype(np.uint64, copy=False), lengths


def _ascii(ids: np.ndarray) -> np.ndarray | None:
    if ids.dtype.kind != "U" or not 0 < ids.dtype.itemsize <= 4 * _LONG or not len(ids):
        return None
    codes = np.ascontiguousarray(ids).view(np.uint32).reshape(len(ids), -1)
    return codes.astype(np.uint8) if codes.max() < 128 else None


def _utf8(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    import pyarrow as pa

    try:
        texts = pa.array(ids.astype(object), pa.large_string())
    except (UnicodeError, pa.ArrowException) as error:
        raise InputError("hash ids", "text that is no valid Unicode", "valid text") from error
    lengths = _lengths(texts)
    if (lengths > _LONG).any():
        ids = ids.astype(object)
        for row in np.flatnonzero(lengths > _LONG):
            ids[row] = "\0" + blake2b(ids[row].encode(), digest_size=32).hexdigest()
        texts = pa.array(ids, pa.large_string())
        lengths = _lengths(texts)
    buffer = texts.buffers()[2]
    data = np.frombuffer(buffer, np.uint8)[: lengths.sum()] if buffer else np.empty(0, np.uint8)
    return data, lengths


def _lengths(texts: Any) -> np.ndarray:
    return np.diff(np.frombuffer(texts.buffers()[1], np.int64)[: len(texts) + 1])
