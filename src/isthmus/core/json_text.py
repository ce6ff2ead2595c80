"""JSON read from files that nobody vouches for: no more memory than the text suggests."""

import json
import re
from typing import Any

#: Bytes that a value costs in Python by what marks it in the text: an element or an entry, the
#: inside of a list, of an object, and the quotes of a text, which keys, kept once, are not.
_COSTS = ((b",", 40), (b":", 30), (b"[", 120), (b"{", 200), (b'"', 12), (b'":', -24))
_DEAREST = 200
_MARKS = b',:[{"'
#: Objects may cost this many times their text, and so many bytes more.
_TIMES, _FREE = 6, 1 << 19
#: Different keys cost most of all. Fewer than this many are not worth looking for.
_KEYS = 1000
_KEY = re.compile(rb'"([^"]*)"\s*:')


def loads(text: bytes) -> Any:
    """The JSON value of ``text``, plain ASCII; raises ValueError on what could be a bomb.

    Python's parser turns ``[],[],`` into twenty times the bytes and gives up on deep nesting. Here
    the cost is bounded before anything is made; honest files cost a few times their text. Of equal
    keys the last one counts, as in Python: ``unique`` tells.

    >>> loads(b'{"a": [1, 2]}')
    {'a': [1, 2]}
    >>> loads(b"[" + b"[]," * 100_000 + b"0]")
    Traceback (most recent call last):
    ValueError: more values than a text of this length honestly holds
    """
    if not text.isascii():
        raise ValueError("letters beyond ASCII, which are written escaped")
    allowed = _TIMES * len(text) + _FREE
    # One letter outside the Basic Plane makes Python keep its whole text at four bytes a letter.
    if b"\\ud" in text or b"\\uD" in text:
        allowed -= 3 * len(text)
    if (len(text) - len(text.translate(None, _MARKS))) * _DEAREST > allowed:
        if sum(text.count(mark) * each for mark, each in _COSTS) > allowed:
            raise ValueError("more values than a text of this length honestly holds")
        _check_keys(text, _KEYS + len(text) // 100)
    return _loads(text.decode())


def unique(value: Any, text: bytes) -> bool:
    """Whether ``value``, read from ``text``, has every key of it: no key was given twice.

    Written again it has fewer colons only where one of two equal keys was dropped.

    >>> unique(loads(b'{"a": 1, "a": 2}'), b'{"a": 1, "a": 2}')
    False
    """
    return json.dumps(value).count(":") == text.count(b":")


def clip(value: Any, length: int = 80) -> str:
    """``value`` as a message may show it, however long it is.

    >>> clip("x" * 10**6, 5)
    "'xxxx"
    """
    shown = value[:length] if isinstance(value, str | list) else value
    try:
        return f"{shown!r:.{length}}"
    except (ValueError, RecursionError):  # a number of thousands of digits, or nested too deeply
        return f"a value of type {type(value).__name__}"


def loads_within(text: str) -> Any:
    """The JSON value of a text that was itself a value of one that ``loads`` read.

    What its marks may cost was bounded there; escaped marks are six letters each, and cost less.
    """
    if not text.isascii():
        raise ValueError("letters beyond ASCII, which are written escaped")
    return _loads(text)


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("values nested too deeply") from None


def _check_keys(text: bytes, limit: int) -> None:
    seen = set()
    for match in _KEY.finditer(text):
        seen.add(match[1])
        if len(seen) > limit:
            raise ValueError("more keys than a text of this length honestly holds")
