"""Rejects: the rows that were left out, listed in a CSV file beside what was made of the others."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from isthmus.spaces.files import atomic_write


def write_rejects(made: Path, columns: Mapping[str, Iterable[Any]]) -> Path:
    """Write ``columns`` to ``<made>.rejects.csv``, the header alone when nothing was left out.

    The last column says why: NaN or infinity. Raises StorageError when it cannot be written.
    """
    # Resolved, since "." has no name to put an ending to.
    made = made.resolve()
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*columns, "reason"])
    table.writerows([*row, "NaN or infinity"] for row in zip(*columns.values(), strict=True))
    path = made.with_name(made.name + ".rejects.csv")
    atomic_write(path, text.getvalue().encode(), operation="write rejects")
    return path
