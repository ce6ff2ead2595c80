"""Strategies: how queries and documents become comparable after the encoder changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from isthmus.core.arrays import to_numpy, widened
from isthmus.core.errors import InputError, SpaceMismatch
from isthmus.core.neighbors import unit
from isthmus.upgrade.interpolate import slerp

Kind = Literal[
    "status quo", "naive swap", "corpus side", "query side", "fused", "full re-embedding"
]
Map = Callable[[Any], Any]
_SAMPLE = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """Documents and queries under the old and the new encoder, row by row the same ones.

    ``old_documents`` (n, d_old), ``new_documents`` (n, d_new), ``new_queries`` (q, d_new) and
    ``old_queries`` (q, d_old), None where the old encoder can no longer be asked.
    """

    old_documents: np.ndarray
    new_documents: np.ndarray
    new_queries: np.ndarray
    old_queries: np.ndarray | None


@dataclass(frozen=True, slots=True)
class Route:
    """A bridge seen from the upgrade: its maps into the new and into the old space, if any.

    ``old`` and ``new`` are its fingerprints of the two spaces, whichever way it was fitted.
    """

    name: str
    forward: bool
    to_new: Map | None
    to_old: Map | None
    old: Any
    new: Any

    @property
    def direction(self) -> str:
        """The direction the bridge was fitted in."""
        return "old to new" if self.forward else "new to old"


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way to serve: what is searched with what, and in which of the two spaces.

    ``queries`` and ``documents`` make the two sides from ``Vectors``; ``impossible`` says why they
    cannot, empty when they can.
    """

    name: str
    kind: Kind
    summary: str
    queries: Callable[[Vectors], np.ndarray]
    documents: Callable[[Vectors], np.ndarray]
    in_new_space: bool
    bridge: str | None = None
    impossible: str = ""


def routes(
    bridges: Any,
    old: np.ndarray,
    new: np.ndarray,
    *,
    encoders: tuple[str | None, str | None] = (None, None),
    operation: str = "evaluate",
) -> tuple[Route, ...]:
    """The routes that ``bridges`` open between paired samples of the old and the new space.

    A bridge goes old to new when its source fingerprint recognises the old vectors and its target
    the new ones, new to old when it is the other way round; declared encoders must not contradict.
    Where neither can tell, the direction whose translations lie closer to their true pairs counts.

    Parameters
    ----------
    bridges : Bridge, sequence of Bridge, or mapping of name to Bridge
        Bridges of one name and direction get a number behind it.
    old, new : (n, d_old) and (n, d_new) arrays
        Paired rows.
    encoders : pair of str or None
        The declared encoders of the old and the new space.

    Raises
    ------
    SpaceMismatch
        When a bridge joins neither direction; says what was seen.
    InputError
        On something that is no bridge, or no bridge at all in a mapping or sequence.

    """
    if isinstance(bridges, Mapping):
        named = [(str(name), bridge) for name, bridge in bridges.items()]
    else:
        several = bridges if isinstance(bridges, Sequence) else [bridges]
        named = [(str(getattr(bridge, "name", "bridge")), bridge) for bridge in several]
    if not named:
        raise InputError(operation, "no bridge", "one bridge, or a list or dict of them")
    seen: dict[tuple[str, bool], int] = {}
    opened = []
    for name, bridge in named:
        route = _route(name, bridge, old[:_SAMPLE], new[:_SAMPLE], encoders, operation)
        taken = seen[name, route.forward] = seen.get((name, route.forward), 0) + 1
        opened.append(route if taken == 1 else replace(route, name=f"{name} {taken}"))
    return tuple(_without_spare_inverses(opened))


def _without_spare_inverses(opened: list[Route]) -> list[Route]:
    """An inverse stands in for a bridge that nobody fitted; where one was fitted, it speaks."""
    fitted = {route.forward for route in opened}
    return [
        replace(route, to_old=None if False in fitted else route.to_old)
        if route.forward
        else replace(route, to_new=None if True in fitted else route.to_new)
        for route in opened
    ]


def strategies(open_routes: Sequence[Route], vectors: Vectors) -> tuple[Strategy, ...]:
    """Every strategy on the table: status quo, naive swap, each bridge's, full re-embedding."""
    no_old = "" if vectors.old_queries is not None else "needs old query vectors"
    old, new = vectors.old_documents.shape[1], vectors.new_documents.shape[1]
    table = [
        Strategy(
            "status quo",
            "status quo",
            "the old encoder on the old documents",
            _old_queries,
            _old_documents,
            in_new_space=False,
            impossible=no_old,
        ),
        Strategy(
            "naive swap",
            "naive swap",
            "new queries on the old documents, untranslated",
            _new_queries,
            _old_documents,
            in_new_space=False,
            impossible="" if old == new else f"{new} against {old} dimensions",
        ),
    ]
    for route in open_routes:
        table += _bridged(route, no_old)
    table.append(
        Strategy(
            "full re-embedding",
            "full re-embedding",
            "every document embedded anew: the ceiling",
            _new_queries,
            _new_documents,
            in_new_space=True,
        )
    )
    return tuple(table)


def _bridged(route: Route, no_old: str) -> list[Strategy]:
    table = []
    if route.to_new is not None:
        to_new = route.to_new
        table.append(
            Strategy(
                f"{route.name}, corpus side",
                "corpus side",
                "new queries on the translated old documents",
                _new_queries,
                lambda v: mapped(to_new, v.old_documents),
                in_new_space=True,
                bridge=route.name,
            )
        )
    if route.to_old is not None:
        to_old = route.to_old
        table.append(
            Strategy(
                f"{route.name}, query side",
                "query side",
                "translated new queries on the untouched old documents",
                lambda v: mapped(to_old, v.new_queries),
                _old_documents,
                in_new_space=False,
                bridge=route.name,
            )
        )
        table.append(
            Strategy(
                f"{route.name}, fused",
                "fused",
                "mean of old and translated new query on the old documents",
                lambda v: slerp(_need(v.old_queries), mapped(to_old, v.new_queries), 0.5),
                _old_documents,
                in_new_space=False,
                bridge=route.name,
                impossible=no_old,
            )
        )
    return table


def _route(
    name: str,
    bridge: Any,
    old: np.ndarray,
    new: np.ndarray,
    encoders: tuple[str | None, str | None],
    operation: str,
) -> Route:
    wanted = ("transform", "source", "target")
    if not all(hasattr(bridge, part) for part in wanted):
        raise InputError(
            operation,
            f"{name!r} of type {type(bridge).__name__}",
            "a fitted Bridge",
            "Fit one with isthmus.fit(...) or read one with isthmus.load(path).",
        )
    ends = (bridge.source, bridge.target)
    ahead, ahead_why = _joins(ends, (old, new), encoders)
    back, back_why = _joins(ends, (new, old), encoders[::-1])
    if not ahead and not back:
        raise SpaceMismatch(
            operation,
            f"bridge {name!r} from {ends[0].dim} to {ends[1].dim} dimensions, old vectors of "
            f"{old.shape[1]} and new ones of {new.shape[1]}",
            "a bridge between these two spaces",
            f"Old to new: {ahead_why} New to old: {back_why}",
        )
    if ahead and back:
        ahead = _closeness(bridge, old, new) >= _closeness(bridge, new, old)
    inverse = bridge.inverse_transform if getattr(bridge, "has_inverse", False) else None
    if ahead:
        return Route(name, True, bridge.transform, inverse, *ends)
    return Route(name, False, inverse, bridge.transform, *ends[::-1])


def _joins(
    ends: tuple[Any, Any],
    sides: tuple[np.ndarray, np.ndarray],
    encoders: tuple[str | None, ...],
) -> tuple[bool, str]:
    for end, side, encoder in zip(ends, sides, encoders, strict=True):
        if end.dim != side.shape[1]:
            return False, f"{side.shape[1]} dimensions where the bridge has {end.dim}."
        known = getattr(end, "encoder", None)
        if encoder is not None and known is not None and encoder != known:
            return False, f"encoder {encoder!r} where the bridge has {known!r}."
        match = end.matches(side)
        if not match:
            return False, str(getattr(match, "reason", "the vectors are foreign."))
    return True, ""


def _closeness(bridge: Any, start: np.ndarray, end: np.ndarray) -> float:
    try:
        moved = mapped(bridge.transform, start)
    except SpaceMismatch:
        return -np.inf
    return float((unit(moved) * unit(end)).sum(axis=1).mean())


def mapped(move: Map, rows: np.ndarray) -> np.ndarray:
    """Rows (n, d) carried by a bridge's map, as NumPy."""
    return np.asarray(to_numpy(move(widened(rows))))


def _need(queries: np.ndarray | None) -> np.ndarray:
    if queries is None:
        raise InputError("evaluate", "no old query vectors", "old query vectors")
    return queries


def _old_queries(vectors: Vectors) -> np.ndarray:
    return _need(vectors.old_queries)


def _new_queries(vectors: Vectors) -> np.ndarray:
    return vectors.new_queries


def _old_documents(vectors: Vectors) -> np.ndarray:
    return vectors.old_documents


def _new_documents(vectors: Vectors) -> np.ndarray:
    return vectors.new_documents
