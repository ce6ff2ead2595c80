"""By id: what is known of each document, from a mapping or from lines of id TAB value."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.core.errors import FormatError, InputError, StorageError

#: ``{document id: value}``, or the path of a file that says it.
ById = Mapping[Any, Any] | str | Path


def read_by_id(path: str | Path) -> dict[str, str]:
    r"""The value of each id in a UTF-8 file of lines id TAB value; empty lines are passed over.

    Raises
    ------
    FormatError
        On a line without a TAB, an id twice, or bytes that are not UTF-8; names the line.
    StorageError
        When the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "traffic.tsv"
    >>> _ = path.write_text("a\t3\nb c\t0\n")
    >>> read_by_id(path)
    {'a': '3', 'b c': '0'}
    """
    layout, found = "lines of id TAB value, one an id", {}
    try:
        lines = Path(path).read_text("utf-8").split("\n")
    except UnicodeDecodeError:
        raise FormatError(f"read {path}", "bytes that are not UTF-8", layout) from None
    except OSError as error:
        raise StorageError(f"read {path}", str(error), "a readable text file") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, tab, value = line.partition("\t")
        if not tab or name in found:
            what = f"id {name!r} again" if tab else f"{line[:60]!r}, which has no TAB,"
            raise FormatError(f"read {path}", f"{what} in line {number}", layout)
        found[name] = value.strip()
    return found


def labels_of(given: ById | None, ids: np.ndarray) -> np.ndarray | None:
    """The class of each document id (n,) as text, empty where none is given; ids go by text."""
    known = _known("labels", given, ids)
    return None if known is None else np.array([str(known.get(str(i), "")) for i in ids.tolist()])


def traffic_of(given: ById | None, ids: np.ndarray) -> np.ndarray | None:
    """The hits (n,) of each document id, 0 where the log has none; ids are compared as text."""
    known = _known("traffic", given, ids)
    return None if known is None else np.array([_hits(i, known.get(i, 0)) for i in map(str, ids)])


def _known(name: str, given: ById | None, ids: np.ndarray) -> dict[str, Any] | None:
    if given is None:
        return None
    known = given if isinstance(given, Mapping) else read_by_id(given)
    known = {str(key): value for key, value in known.items()}
    if not any(str(one) in known for one in ids.tolist()):
        raise InputError(
            "plan", f"{name} that name none of the {len(ids)} documents", "document ids",
            "Key them by the ids of the old collection.",
        )  # fmt: skip
    return known


def _hits(name: str, value: Any) -> float:
    try:
        hits = float(value)
    except (TypeError, ValueError):
        hits = math.nan
    if not 0 <= hits < math.inf:
        raise InputError("plan", f"traffic of {value!r} for document {name!r}", "a number of hits")
    return hits
