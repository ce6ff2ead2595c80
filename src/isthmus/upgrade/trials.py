"""Trials: every strategy tried on the same queries and documents, and what each would show."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from isthmus.core.neighbors import Metric
from isthmus.retrieval.search import search
from isthmus.upgrade import backfill, fusion, reduced
from isthmus.upgrade.cost import Cost, new_per_query, seconds_each, seconds_in_batch, vector_bytes
from isthmus.upgrade.crossing import Crossing
from isthmus.upgrade.interpolate import slerp
from isthmus.upgrade.strategies import Vectors
from isthmus.upgrade.view import View

#: Shares of the arc from the old query to the bridged one.
ARCS = fusion.WEIGHTS
#: Shares of the collection re-embedded that are strategies of their own.
PARTS = (0.25, 0.5)
_OLD, _TEXT, _BOTH = "old encoder", "texts", "both indexes"
_SHALLOW = 100


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """A strategy tried: ``found`` has per setting the first k documents of each query, (q, k).

    ``settings`` names the settings among which cross-fitting chooses, empty where there is nothing
    to choose. ``impossible`` says why nothing was tried, empty otherwise.
    """

    name: str
    kind: str
    summary: str
    bridge: str | None = None
    settings: tuple[Any, ...] = ()
    found: tuple[np.ndarray, ...] = ()
    cost: Cost = field(default_factory=Cost)
    impossible: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What all trials stand on: vectors, metrics, depth, and the size of the whole collection.

    ``others`` (m, d_old) are old vectors that are not searched, among which the candidates that
    reranking would have to embed are counted too.
    """

    vectors: Vectors
    metrics: tuple[Metric, Metric]
    k: int
    candidates: tuple[int, ...]
    exclude: np.ndarray | None
    collection: int
    others: np.ndarray | None = None

    @property
    def depth(self) -> int:
        """How deep each view is searched."""
        n = len(self.vectors.old_documents) - (self.exclude is not None)
        return min(n, max(_SHALLOW, self.k, *self.candidates))


class Trials:
    """Tries strategies on one ground; views that several of them need are searched once."""

    def __init__(self, ground: Ground) -> None:
        self.ground, self.v = ground, ground.vectors

    @cached_property
    def old(self) -> View | None:
        """Old queries over old documents, None without old queries."""
        queries = self.v.old_queries
        return None if queries is None else self._view(queries, self.v.old_documents, new=False)

    @cached_property
    def new(self) -> View:
        """New queries over re-embedded documents."""
        return self._view(self.v.new_queries, self.v.new_documents, new=True)

    @cached_property
    def search_seconds(self) -> float:
        """Time a query of an exact search of the old documents, searched by the batch."""
        rows = self.v.new_queries if self.v.old_queries is None else self.v.old_queries
        base = self.v.new_documents if self.v.old_queries is None else self.v.old_documents
        metric = self.ground.metrics[self.v.old_queries is None]
        return seconds_in_batch(lambda some: search(some, base, self.ground.k, metric=metric), rows)

    def today(self) -> list[Trial]:
        """The status quo, and the naive swap."""
        quo = Trial(
            name="status quo", kind="status quo",
            summary="the old encoder on the old documents", cost=Cost(needs=(_OLD,)),
            **({"found": (self.old.found[:, : self.ground.k],)} if self.old
               else {"impossible": "needs old query vectors"}),
        )  # fmt: skip
        widths = self.v.new_queries.shape[1], self.v.old_documents.shape[1]
        swap: dict[str, Any] = {"impossible": f"{widths[0]} against {widths[1]} dimensions"}
        if widths[0] == widths[1]:
            shown = self._top(self.v.new_queries, self.v.old_documents, new=False)
            swap = {"found": (shown,)}
        told = "new queries on the old documents, untranslated"
        return [quo, Trial(name="naive swap", kind="naive swap", summary=told, **swap)]

    def bridged(self, crossing: Crossing) -> list[Trial]:
        """What a bridge makes possible in the directions it has."""
        found = []
        if crossing.queries is not None and crossing.to_old is not None:
            moving = seconds_each(crossing.to_old, self.v.new_queries)
            found += self._into_old(crossing.name, crossing.queries, moving)
        if crossing.documents is not None:
            found += [self.moved(crossing.name, "corpus side", crossing.documents)]
        return found

    def _into_old(self, name: str, queries: np.ndarray, moving: float) -> list[Trial]:
        view = self._view(queries, self.v.old_documents, new=False)
        trials = [
            Trial(
                name=f"{name}, query side", kind="query side", bridge=name,
                summary="translated new queries on the untouched old documents",
                found=(view.found[:, : self.ground.k],), cost=Cost(seconds=moving),
            )
        ]  # fmt: skip
        both: dict[str, Any] = {"bridge": name, "settings": ARCS}
        names = f"{name}, interpolated", f"{name}, fused scores"
        told = (
            "the old documents, asked between the old and the translated query",
            "the old documents, asked twice, calibrated scores blended",
        )
        if self.old is None:
            lacking = "needs old query vectors"
            return trials + [
                Trial(name=n, kind=kind, summary=s, bridge=name, impossible=lacking)
                for n, kind, s in zip(names, ("interpolated", "fused"), told, strict=True)
            ] + self.reranked(name, view, moving)  # fmt: skip
        old = self.old.queries
        turning = seconds_each(lambda row: slerp(row, row, 0.5), old)
        arcs = tuple(
            self._top(slerp(old, queries, w), self.v.old_documents, new=False) for w in ARCS
        )
        trials += [
            Trial(name=names[0], kind="interpolated", summary=told[0], found=arcs, **both,
                  cost=Cost(seconds=moving + turning, needs=(_OLD,))),
            Trial(name=names[1], kind="fused", summary=told[1], **both,
                  found=fusion.fused(self.old, view, k=self.ground.k),
                  cost=Cost(seconds=moving + self._fusing(self.old, view), searches=2,
                            needs=(_OLD,))),
        ]  # fmt: skip
        return trials + self.reranked(name, view, moving)

    def moved(self, name: str, kind: str, documents: np.ndarray) -> Trial:
        """New queries over the old documents translated, (n, d_new)."""
        return Trial(
            name=f"{name}, corpus side", kind=kind, bridge=name,
            summary="new queries on the translated old documents",
            found=(self._top(self.v.new_queries, documents, new=True),),
            cost=Cost(bytes=self._bytes(self.ground.collection), rebuild=True),
        )  # fmt: skip

    def reranked(self, name: str, first: View, seconds: float = 0.0) -> list[Trial]:
        """Candidates of ``first`` reranked by their new vectors, made when asked for."""
        needs = (_TEXT, _OLD) if first is self.old else (_TEXT,)
        everywhere, partly = self._candidates(first)
        found = []
        for count in self.ground.candidates:
            if self.ground.k < count <= first.found.shape[1]:
                lists = fusion.reranked(first, self.new, candidates=count, k=self.ground.k)
                rows = first.found[:, :count]
                cost = Cost(
                    seconds=seconds + self._blending(first, self.new, rows),
                    embed_per_query=new_per_query(everywhere[:, :count]), partly=partly,
                    needs=needs,
                )  # fmt: skip
                found.append(
                    Trial(
                        name=f"{name}, rerank {count}", kind="reranked",
                        bridge=None if first is self.old else name,
                        settings=fusion.WEIGHTS, found=lists,
                        summary=f"the first {count} reranked by new vectors made when asked for",
                        cost=cost,
                    )
                )  # fmt: skip
        return found

    def _candidates(self, first: View) -> tuple[np.ndarray, bool]:
        """What ``first`` finds in the whole old collection (q, depth), and whether in a part only.

        Counted on and never judged: the further documents have no new vectors.
        """
        documents, others = first.documents, self.ground.others
        if others is not None and len(others):
            documents = np.concatenate([documents, others])
            first = self._view(first.queries, documents, new=False)
        return first.found, len(documents) < self.ground.collection

    def partial(
        self,
        name: str,
        translated: np.ndarray,
        orders: dict[str, np.ndarray],
        score: Callable[[np.ndarray], float],
    ) -> tuple[list[Trial], list[backfill.FractionCurve]]:
        """A part re-embedded in each order, the rest translated; and the whole curves.

        New and translated vectors lie at different distances from a query, so their scores are
        calibrated before they are merged. ``score`` gives the mean quality of documents (q, k).
        """
        documents = translated.astype(self.v.new_documents.dtype)
        rest = self._view(self.v.new_queries, documents, new=True)
        # Where nothing or everything is new, the order does not matter.
        ends = {0.0: rest.found[:, : self.ground.k], 1.0: self.new.found[:, : self.ground.k]}
        shown: dict[tuple[str, float], np.ndarray] = {}
        for order, rows in orders.items():
            for fraction in backfill.FRACTIONS:
                if fraction in ends:
                    shown[order, fraction] = ends[fraction]
                    continue
                part = backfill.part(rows, fraction)
                shown[order, fraction] = fusion.merged(rest, self.new, part, k=self.ground.k)
        curves = [
            backfill.FractionCurve(
                order=order, bridge=name, fractions=backfill.FRACTIONS,
                ndcg=tuple(score(shown[order, f]) for f in backfill.FRACTIONS),
            )
            for order in orders
        ]  # fmt: skip
        n = self.ground.collection
        # To merge k documents of two spaces takes what blending them does: both calibrations.
        merging = self._blending(rest, self.new, ends[0.0])
        trials = [
            Trial(
                name=f"re-embed {part:.0%}", kind="partial", bridge=name,
                summary=f"{part:.0%} of the documents embedded anew, the rest translated",
                settings=tuple(orders), found=tuple(shown[order, part] for order in orders),
                cost=Cost(embed=round(part * n), bytes=self._bytes(n), rebuild=True,
                          seconds=merging, needs=(_TEXT,)),
            )
            for part in PARTS
        ]  # fmt: skip
        return trials, curves

    def renewed(self) -> list[Trial]:
        """Full re-embedding, its reduced forms, and both encoders side by side."""
        n, k = self.ground.collection, self.ground.k
        whole = Cost(embed=n, bytes=self._bytes(n), rebuild=True, needs=(_TEXT,))
        found = [
            Trial(
                name="full re-embedding", kind="full re-embedding",
                summary="every document embedded anew", found=(self.new.found[:, :k],), cost=whole,
            )
        ]  # fmt: skip
        for form in reduced.forms(self.v.new_documents, self.v.new_queries):
            found.append(
                Trial(
                    name=f"re-embedded, {form.name}", kind="reduced",
                    summary=f"every document embedded anew and kept as {form.summary}",
                    found=(self._top(form.queries, form.documents, new=True),),
                    cost=Cost(embed=n, bytes=n * form.bits // 8, rebuild=True, needs=(_TEXT,)),
                )
            )  # fmt: skip
        lists: dict[str, Any] = {"impossible": "needs old query vectors"}
        fusing = 0.0
        if self.old is not None:
            lists = {"found": fusion.fused(self.old, self.new, k=k), "settings": fusion.WEIGHTS}
            fusing = self._fusing(self.old, self.new)
        found.append(
            Trial(
                name="old and new, fused", kind="both",
                summary="every document embedded anew, the old index kept, calibrated scores "
                "blended",
                cost=Cost(embed=n, bytes=self._bytes(n), rebuild=True, searches=2,
                          seconds=fusing, needs=(_TEXT, _OLD, _BOTH)),
                **lists,
            )
        )  # fmt: skip
        return found

    def _fusing(self, one: View, two: View) -> float:
        """Seconds a query of a second search, and of blending what both found."""
        rows = np.concatenate([one.found, two.found], axis=1)
        return self.search_seconds + self._blending(one, two, rows)

    def _blending(self, one: View, two: View, rows: np.ndarray) -> float:
        """Seconds a query of calibrating document ``rows`` (q, m) in both views and sorting them.

        The documents that calibration looks at are scored anew for each query, as a service must.
        """

        def blend(some: np.ndarray) -> None:
            fusion.blended(
                one.asked(some), two.asked(some), rows[some], k=self.ground.k, weights=(0.5,)
            )  # fmt: skip

        return seconds_in_batch(blend, np.arange(len(rows)))

    def _view(self, queries: np.ndarray, documents: np.ndarray, *, new: bool) -> View:
        ground = self.ground
        return View(
            queries, documents, ground.metrics[new], depth=ground.depth, exclude=ground.exclude
        )

    def _top(self, queries: np.ndarray, documents: np.ndarray, *, new: bool) -> np.ndarray:
        ground = self.ground
        hits = search(
            queries, documents, ground.k, metric=ground.metrics[new], exclude=ground.exclude
        )
        return np.asarray(hits.rows)

    def _bytes(self, rows: int) -> int:
        return vector_bytes(rows, self.v.new_documents.shape[1])
