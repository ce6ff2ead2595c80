"""Mixed search: one answer from a collection of which any part is already in the new space."""

import warnings
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from isthmus.core.arrays import matrix, row_blocks, to_numpy
from isthmus.core.errors import InputError, PairingError
from isthmus.core.neighbors import METRICS, Metric
from isthmus.retrieval.calibration import REFERENCE, Rarity, all_scores
from isthmus.retrieval.search import search
from isthmus.spaces.ids import normal
from isthmus.spaces.open import open
from isthmus.spaces.pairs import Pairs
from isthmus.spaces.sampling import spread_rows
from isthmus.spaces.space import Space
from isthmus.upgrade.mixed_ends import Ends, in_new_space
from isthmus.upgrade.mixed_part import Part

#: Rows known in both spaces below which they cannot calibrate.
_FEW = 100
_BLOCK = 8192
_WHERE = "MixedSearch"


@dataclass(frozen=True, slots=True, eq=False)
class MixedHits:
    """What a mixed search found, best first, all (q, k).

    ``scores`` are rarities in nats: e to the minus score is the share of documents expected to
    score as high in the hit's own space. ``new`` says which hits are rows of the new space.
    """

    ids: np.ndarray
    scores: np.ndarray
    new: np.ndarray

    @property
    def spaces(self) -> np.ndarray:
        """The space of each hit, ``"old"`` or ``"new"``, (q, k)."""
        return np.where(self.new, "new", "old")


class MixedSearch:
    r"""Exact search over rows of two spaces while a collection moves from the old to the new one.

    Each part is searched in a space that its rows share with the query: the new part with the new
    query; the old part with the old query where the old encoder was asked too, else through the
    bridge (new to old: the query crosses; old to new: the old rows crossed when they came in). The
    scores of the two searches do not compare; what does is how rare they are among the same
    reference documents, known in both spaces (``isthmus.retrieval.calibration``). That is fair
    whichever rows are migrated first.

    Parameters
    ----------
    old, new : spaces, paths or arrays of the rows not yet and already migrated. An id that is in
        both is served from ``new``, and its old vector calibrates. Either may be None, for no rows
    bridge : a Bridge between the spaces, either way; None when every search brings old queries
    reference : ``Pairs`` of the old and the new space, such as the bridge was fitted on, of which
        1,000 are kept; by default the rows in both parts, and those migrated later. With fewer than
        100 of them each part is calibrated on its own rows, which is fair where rows are migrated
        in random order, and warned about
    metric : ``cosine``, ``inner`` or ``euclidean``, of both spaces

    Raises
    ------
    SpaceMismatch
        When the bridge or the reference joins other spaces than those of the parts.
    InputError
        On repeated ids, values that are not finite, or no rows at all.

    References
    ----------
    Callan 2000, Distributed information retrieval (merging results whose scores do not compare).

    Examples
    --------
    >>> import isthmus
    >>> rng = np.random.default_rng(0)
    >>> old = rng.normal(size=(600, 8)) * np.linspace(3, 0.5, 8)
    >>> new = old[:, ::-1] * 2
    >>> bridge = isthmus.fit(new, old, method="orthogonal")
    >>> mixed = MixedSearch(old, new[:250], bridge)
    >>> hits = mixed.search(new[[3, 400]], k=1)
    >>> hits.ids.tolist(), hits.spaces.tolist()
    ([[3], [400]], [['new'], ['old']])
    >>> mixed.migrate([400], new[[400]])
    >>> mixed.search(new[[400]], k=1).spaces.item(), round(mixed.migrated, 3)
    ('new', 0.418)
    """

    def __init__(
        self,
        old: Any,
        new: Any,
        bridge: Any = None,
        *,
        reference: Pairs | None = None,
        metric: Metric = "cosine",
    ) -> None:
        if metric not in METRICS:
            raise InputError(_WHERE, f"metric {metric!r}", f"one of {', '.join(METRICS)}")
        self.metric: Metric = metric
        left, right = (p if p is None or isinstance(p, Space) else open(p) for p in (old, new))
        if left is None and right is None:
            raise InputError(_WHERE, "no rows", "an old or a new part")
        self._grows = reference is None
        pairs = _common(left, right) if reference is None else reference
        pairs = pairs and pairs.select(spread_rows(len(pairs), REFERENCE))
        self.ends = Ends.of(bridge, left, right, pairs)
        self._new, self._old, self._known = Part(), Part(), (Part(), Part())
        if right is not None:
            self._new.add(_ids(right), _rows("the new part", right.vectors()))
        if left is not None:
            ids = _ids(left)
            staying = np.array([key not in self._new for key in ids.tolist()])
            self._old.add(ids[staying], self._arriving(left.vectors()[staying]))
        if pairs is not None:
            self._learn(pairs.x, pairs.y)
        self._warn()

    @classmethod
    def of(
        cls, rows: Any, bridge: Any = None, *, reference: Pairs, migrated: Any = None,
        metric: Metric = "cosine",
    ) -> Self:  # fmt: skip
        """Serve one collection in which old and new vectors (n, d) lie side by side.

        ``migrated`` (n,) says which rows are new. Without it each row is told by its nearest
        neighbour, by cosine, among the reference's old and new vectors; both parts found must
        still be recognised by the bridge. On three text collections this told 99.6 to 100 % of
        rows right (benchmarks/mixed_search.py); bring the mask where there is one.
        """
        space = rows if isinstance(rows, Space) else open(rows)
        if migrated is None:
            migrated = in_new_space(space, reference)
        mask = np.asarray(migrated)
        if mask.dtype != bool or mask.shape != (len(space),):
            raise InputError(
                _WHERE, f"migrated of shape {mask.shape} and dtype {mask.dtype}",
                f"{len(space)} booleans, one a row",
            )  # fmt: skip
        old, new = (
            open(space.take(which), ids=space.take_ids(which), name=name) if len(which) else None
            for which, name in ((np.flatnonzero(~mask), "old part"), (np.flatnonzero(mask), "new"))
        )
        return cls(old, new, bridge, reference=reference, metric=metric)

    def __len__(self) -> int:
        return len(self._old) + len(self._new)

    def __repr__(self) -> str:
        known = f"{len(self._known[0]):,} rows known in both" if self._fair else "each on its own"
        return (
            f"<MixedSearch: {len(self._old):,} old and {len(self._new):,} new rows, "
            f"calibrated on {known}>"
        )

    @property
    def migrated(self) -> float:
        """The share of rows in the new space."""
        return len(self._new) / len(self)

    def migrate(self, ids: Any, vectors: Any) -> None:
        """Serve the rows under ``ids`` (m,) from the new space, by their new vectors (m, d_new).

        Costs m rows, whatever the collection's size. Rows already there get the new vectors, so a
        repeated call changes nothing; unknown ids are new documents. When anything is wrong nothing
        has changed.

        Raises
        ------
        SpaceMismatch
            When the vectors are not of the new space.
        InputError
            On repeated ids, wrong shapes or values that are not finite.
        """
        keys, new = normal(np.asarray(ids), where=_WHERE), _rows("migrated vectors", vectors)
        if keys.shape != new.shape[:1] or len(set(keys.tolist())) < len(keys):
            raise InputError(_WHERE, f"ids {keys.shape} for vectors {new.shape}", "one id a row")
        _same_kind(keys, self._old.ids, self._new.ids)
        self.ends.check(new, new=True, what="migrated vectors")
        self._new.check(new)
        moved = np.array([key in self._old for key in keys.tolist()], dtype=bool)
        gone = self._old.remove(keys[moved])
        if self._grows and len(gone):
            self._learn(gone[:, : self._old_dim], new[moved])
        self._new.remove([key for key in keys.tolist() if key in self._new])
        self._new.add(keys, new)
        self._warn()

    def search(self, new_queries: Any, k: int = 10, *, old_queries: Any = None) -> MixedHits:
        """The k rows that answer each query best, whichever space they are in.

        Parameters
        ----------
        new_queries : (q, d_new), the queries under the new encoder
        k : rows wanted; all when there are fewer
        old_queries : (q, d_old), the same queries under the old encoder; the old part is then
            searched as it always was, and not through the bridge

        Raises
        ------
        SpaceMismatch
            When queries are not of their space.
        InputError
            When there are old rows and neither old queries nor a bridge; on unequal numbers of
            queries, k below 1, or values that are not finite.
        """
        new = _rows("new queries", new_queries)
        self.ends.check(new, new=True, what="new queries")
        found = []
        if len(self._new):
            found.append(self._found(self._new, new, k, slice(None), 1))
        if len(self._old):
            queries, columns = self._for_old(new, old_queries)
            found.append(self._found(self._old, queries, k, columns, 0))
        ids, scores, new_side = (np.concatenate(side, axis=1) for side in zip(*found, strict=True))
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return MixedHits(*(np.take_along_axis(a, best, axis=1) for a in (ids, scores, new_side)))

    def _for_old(self, new: np.ndarray, old: Any) -> tuple[np.ndarray, slice]:
        """What the old part is asked, and which of its columns answer."""
        if old is not None:
            asked = _rows("old queries", old)
            if len(asked) != len(new):
                raise InputError(_WHERE, f"{len(asked)} old and {len(new)} new queries", "as many")
            self.ends.check(asked, new=False, what="old queries")
            return asked, slice(self._old_dim)
        if self.ends.bridge is None:
            raise InputError(
                _WHERE, f"{len(self._old):,} old rows, new queries alone and no bridge",
                "old queries, or a bridge", "Fit one: isthmus.fit(new, old).",
            )  # fmt: skip
        if self.ends.forward:
            return new, slice(self._old_dim, None)
        return np.asarray(to_numpy(self.ends.bridge.transform(new))), slice(self._old_dim)

    def _found(
        self, part: Part, queries: np.ndarray, k: int, columns: slice, side: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        base = part.vectors[:, columns]
        hits = search(queries, base, k, metric=self.metric)
        chance = self._known[side].vectors[:, columns] if self._fair else _sample(base)
        scores = Rarity.of(all_scores(queries, chance, self.metric)).of_scores(hits.scores)
        return part.ids[hits.rows], scores, np.full(scores.shape, side == 1)

    def _warn(self) -> None:
        if len(self._old) and len(self._new) and not self._fair:
            warnings.warn(
                f"MixedSearch knows {len(self._known[0])} rows in both spaces, too few to calibrate"
                " on: scores are compared as if rows were migrated in random order. Pass "
                "reference=isthmus.pair(old, new) of rows embedded twice.", stacklevel=3
            )  # fmt: skip

    @property
    def _fair(self) -> bool:
        return len(self._known[0]) >= _FEW

    def _learn(self, old: np.ndarray, new: np.ndarray) -> None:
        """Take rows known in both spaces as reference, until there are enough."""
        first = len(self._known[0])
        room = slice(max(REFERENCE - first, 0))
        number = np.arange(first, first + len(old[room]))
        self._known[0].add(number, self._arriving(old[room]))
        self._known[1].add(number, _rows("reference", new[room]))

    def _arriving(self, old: np.ndarray) -> np.ndarray:
        """Old rows as kept: their translations beside them where the bridge leads to the new."""
        old = _rows("the old part", old)
        self._old_dim = old.shape[1]
        if not self.ends.forward:
            return old
        kept = np.empty((len(old), old.shape[1] + self.ends.bridge.target.dim), old.dtype)
        for block in row_blocks(len(old), _BLOCK):
            kept[block, : self._old_dim] = old[block]
            kept[block, self._old_dim :] = to_numpy(self.ends.bridge.transform(old[block]))
        return kept


def _common(old: Space | None, new: Space | None) -> Pairs | None:
    """The rows that are in both parts; None where there are none."""
    if old is None or new is None:
        return None
    ids = _ids(old), _ids(new)
    _same_kind(*ids)
    both, i, j = np.intersect1d(*ids, return_indices=True)
    return Pairs(old, new, i, j) if len(both) else None


def _same_kind(*ids: np.ndarray) -> None:
    if len({given.dtype.kind for given in ids if len(given)}) > 1:
        raise PairingError(_WHERE, "text ids and integer ids", "ids of one kind")


def _ids(space: Space) -> np.ndarray:
    return normal(space.ids, where=_WHERE)


def _rows(name: str, rows: Any) -> np.ndarray:
    return to_numpy(matrix(name, rows, operation=_WHERE))


def _sample(rows: np.ndarray) -> np.ndarray:
    """Some rows of a part; a lone row twice, which says nothing and may be asked."""
    return rows[spread_rows(len(rows), REFERENCE)] if len(rows) > 1 else np.repeat(rows, 2, axis=0)
