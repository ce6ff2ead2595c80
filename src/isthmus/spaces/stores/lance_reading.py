"""Reading a Lance table by id: where each row lies, kept as long as the table stays as it is."""

from collections.abc import Callable
from typing import Any

import numpy as np

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.ids import normal
from isthmus.spaces.stores import lance_tables as arrow
from isthmus.spaces.stores.lance_tables import lance, quoted

#: Rows that are read at once.
TAKE = 65536


class Reading:
    """Rows of a table by the ids of the column ``key``, those with a ``vector`` under ``filter``.

    ``where`` is what messages call it; ``gone`` makes the error for ids that are not there.
    """

    def __init__(
        self, key: str, vector: str, *, filter: str, where: str, gone: Callable[[Any], StorageError]
    ) -> None:
        self.key, self.vector, self.where, self.gone = key, vector, where, gone
        self.filter = filter
        self._index: tuple[Any, np.ndarray, np.ndarray] | None = None

    def count(self, table: Any, *, missing: bool = False) -> int:
        """Rows with a vector, or without one."""
        try:
            return int(table.count_rows(self._condition(missing=missing)))
        except (ValueError, RuntimeError) as error:
            raise self._refused(error) from None

    def places(self, table: Any, version: Any) -> tuple[np.ndarray, np.ndarray]:
        """Ids (n,) ascending and the places (n,) of their rows; read once for each ``version``."""
        if self._index is None or self._index[0] != version:
            asked = table.search().select([self.key, "_rowid"])
            try:
                found = asked.where(self._condition()).to_arrow()
            except (ValueError, RuntimeError) as error:
                raise self._refused(error) from None
            ids = arrow.id_array(found.column(self.key), self.where)
            order = np.argsort(ids, kind="stable")
            arrow.once(ids[order], self.where)
            self._index = version, ids[order], found.column("_rowid").to_numpy()[order]
        return self._index[1], self._index[2]

    def take(self, table: Any, version: Any, ids: np.ndarray, names: list[str]) -> Any:
        """These columns of the rows of ``ids``, in that order, as Arrow."""
        import pyarrow as pa

        ids = normal(np.asarray(ids), where=self.where)
        known, places = self.places(table, version)
        if not len(ids):
            return table.schema.empty_table().select(names)
        if not len(known) or (known.dtype.kind == "i") != (ids.dtype.kind == "i"):
            raise self.gone(ids)
        at = np.minimum(np.searchsorted(known, ids), len(known) - 1)
        if (missing := known[at] != ids).any():
            raise self.gone(ids[missing])
        once, back = np.unique(places[at], return_inverse=True)
        parts = []
        with lance(self.where):
            for start in range(0, len(once), TAKE):
                part = table.take_row_ids(once[start : start + TAKE].tolist())
                parts.append(part.select(names).with_row_id().to_arrow())
        found = pa.concat_tables(parts)
        # Lance gives rows in an order of its own.
        order = np.argsort(found.column("_rowid").to_numpy())
        return found.select(names).take(order[back])

    def every(self, table: Any, *, vector: bool = False) -> np.ndarray:
        """Ids of all rows, or of all with a vector, whatever the filter."""
        with lance(self.where):
            asked = table.search().select([self.key])
            if vector:
                asked = asked.where(f"{quoted(self.vector)} IS NOT NULL")
            found = asked.to_arrow()
        return arrow.id_array(found.column(self.key), self.where)

    def _condition(self, *, missing: bool = False) -> str:
        condition = f"{quoted(self.vector)} IS {'' if missing else 'NOT '}NULL"
        return f"({self.filter}) AND {condition}" if self.filter else condition

    def _refused(self, error: Exception) -> InputError | StorageError:
        said = arrow.told(error)
        if self.filter and isinstance(error, ValueError):
            return InputError(self.where, said, "a filter in SQL over the table's columns")
        return StorageError(self.where, said, "a table that can be read")
