"""Examine: whether a job may begin at all, and what it will cost, before anything is written."""

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from isthmus.bridges.bridge import Bridge
from isthmus.core.errors import InputError, SpaceMismatch
from isthmus.spaces.sampling import spread_rows
from isthmus.spaces.stores import Traits
from isthmus.spaces.stores.store import Facts, Store
from isthmus.upgrade.carry import Readable, mapped
from isthmus.upgrade.cost import vector_bytes
from isthmus.upgrade.file_source import FileSource

_SAMPLE = 2000
#: Other names that libraries give the metrics.
_NAMES = {"dot": "inner", "ip": "inner", "inner_product": "inner", "l2": "euclidean"}
#: How far from parallel the images of x and c x may be, as 1 - cosine.
_PARALLEL = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What an upgrade will take, before it begins.

    ``rows`` to carry from ``dim`` to ``new_dim`` dimensions, ``bytes`` of vectors to write,
    ``seconds`` to read and map them at the rate of the first batch (what the store takes to write
    is not in it, since nothing was written), the ``metric`` of the new vectors, whether they are
    scaled to ``unit`` length, and ``warnings``.
    """

    rows: int
    dim: int
    new_dim: int
    bytes: int
    seconds: float
    metric: str | None
    unit: bool = False
    warnings: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"kind": "upgrade estimate", **asdict(self)}

    def __str__(self) -> str:
        size = f"{self.bytes / 1e9:.2f} GB" if self.bytes >= 1e8 else f"{self.bytes / 1e6:.2f} MB"
        lines = [
            f"{self.rows:,} vectors, {self.dim} -> {self.new_dim} dimensions",
            f"{size} of vectors to write" + (f", searched by {self.metric}" if self.metric else ""),
            f"about {self.seconds:,.1f} s to read and map; writing them comes on top",
        ]
        return "\n".join([*lines, *(f"Warning: {text}" for text in self.warnings)])


def examine(
    source: Readable,
    bridge: Bridge,
    *,
    where: str,
    target: Traits,
    batch: int,
    copy: bool,
    payload: bool,
) -> Estimate:
    """Refuse what cannot come out right, and estimate the rest.

    What the collection and the bridge declare is compared before any vector is read; then a sample
    of the vectors tells whether they are the bridge's.

    Parameters
    ----------
    source : what is to be carried; ``where`` is what messages call it
    bridge : the map
    target : the kind of store that is written to
    batch : rows of one batch
    copy : whether it is another collection that is written, rather than a shadow
    payload : whether other columns are carried along

    Raises
    ------
    SpaceMismatch
        When the vectors are not of the bridge's source, by what is declared or by themselves, are
        its target's, or lost the norms that the bridge depends on.
    InputError
        On an empty collection, a metric or kind of id that the target cannot have.

    """
    facts = _declared(source, bridge, where)
    metric, unit = _metric(bridge.target.metric) or facts.metric, False
    if metric == "cosine" and metric not in target.metrics and "inner" in target.metrics:
        # Among vectors of unit length the inner product ranks as the cosine does.
        metric, unit = "inner", True
    if metric is not None and target.metrics and metric not in target.metrics:
        raise InputError(
            f"upgrade {where}", f"the metric {metric!r} of the new vectors",
            f"one that {target.name} searches by: {', '.join(target.metrics)}",
            "Carry them to another store with --to.",
        )  # fmt: skip
    if copy and target_ids(facts.id_kind, target) not in target.ids:
        raise InputError(
            f"upgrade {where}", f"{facts.id_kind} ids",
            f"ids that {target.name} takes: {', '.join(target.ids)}",
            "Carry them to another store.",
        )  # fmt: skip
    rows = check_source(source, bridge, where=where)
    bare = isinstance(source, Store) and source.traits().payload and not payload
    return Estimate(
        rows=rows, dim=facts.dim, new_dim=bridge.target.dim,
        bytes=vector_bytes(rows, bridge.target.dim),
        seconds=_seconds(source, bridge, batch, payload) * rows,
        metric=metric,
        unit=unit,
        warnings=tuple(_warnings(facts, bridge, metric, target, bare=copy and bare, unit=unit)),
    )  # fmt: skip


def target_ids(kind: str, target: Traits) -> str:
    """The kind that ids of ``kind`` have in the target: UUIDs are texts where nothing else is."""
    return "string" if kind == "uuid" and kind not in target.ids else kind


def check_source(source: Readable, bridge: Bridge, *, where: str) -> int:
    """Raise unless the vectors are those that the bridge is for; gives how many there are."""
    facts = _declared(source, bridge, where)
    ids = source.ids()
    if not len(ids):
        raise InputError(f"upgrade {where}", "a collection without vectors", "at least one")
    sample = source.fetch(ids[spread_rows(len(ids), _SAMPLE)]).vectors
    sample = sample[np.isfinite(sample).all(axis=1)]
    if len(sample):
        bridge.check(_as_fitted(sample, facts, bridge, where))
    return len(ids)


def _declared(source: Readable, bridge: Bridge, where: str) -> Facts:
    """What the collection says of itself; SpaceMismatch where the bridge's source is otherwise."""
    facts = source.facts()
    encoder = source.space.encoder if isinstance(source, FileSource) else None  # no store tells it
    for what, given in (("dim", facts.dim), ("encoder", encoder)):
        ends = getattr(bridge.source, what), getattr(bridge.target, what)
        if None in (given, ends[0]) or given == ends[0]:
            continue
        raise SpaceMismatch(
            f"upgrade {where}", f"vectors of {what} {given}",
            f"{what} {ends[0]}, as the source of bridge {bridge.name!r} has",
            f"Its target has {what} {given}: if it is being used backwards, fit one the other way "
            "round." if given == ends[1] else "Fit a bridge for the space these vectors come from.",
        )  # fmt: skip
    return facts


def norm_free(bridge: Bridge, x: np.ndarray) -> bool:
    """Whether the bridge maps c x (n, d) into the direction of its image of x, for every row.

    Tried on halves and doubles, since an intercept turns short vectors more than long ones.
    """
    images = [bridge.transform_block(np.asarray(c * x, dtype=np.float64)) for c in (0.5, 1.0, 2.0)]
    lengths = [np.linalg.norm(image, axis=1) for image in images]
    for image, length in ((images[0], lengths[0]), (images[2], lengths[2])):
        products = (image * images[1]).sum(axis=1)
        if not (products >= (1 - _PARALLEL) * length * lengths[1]).all():
            return False
    return True


def _as_fitted(sample: np.ndarray, facts: Facts, bridge: Bridge, where: str) -> np.ndarray:
    """The sample as the bridge would know it: a store that normalises lost its norms.

    Refuses a bridge whose result depends on them.
    """
    known = bridge.source
    if not facts.normalised or known.norms == "unit":
        return sample
    if not norm_free(bridge, sample):
        raise SpaceMismatch(
            f"upgrade {where}",
            "vectors that the store scaled to unit length, and a bridge whose result depends on "
            "their length",
            "a bridge that was fitted on unit vectors, or one that keeps directions",
            "Fit one on vectors scaled to unit length, as the store holds them, or with "
            "--method orthogonal on such vectors.",
        )  # fmt: skip
    return sample * known.norm_range[1]


def _metric(name: str | None) -> str | None:
    return name if name is None else _NAMES.get(name.lower(), name.lower())


def _warnings(
    facts: Facts, bridge: Bridge, metric: str | None, target: Traits, *, bare: bool, unit: bool
) -> list[str]:
    said = []
    fitted = _metric(bridge.source.metric)
    if unit:
        said.append(
            f"{target.name} has no cosine: the new vectors are scaled to unit length and searched "
            "by inner product, which ranks alike."
        )
    same = facts.metric == fitted or (unit and facts.metric == "inner")
    if None not in (facts.metric, fitted) and not same:
        said.append(
            f"the collection is searched by {facts.metric}, and the bridge was fitted on vectors "
            f"compared by {fitted}."
        )
    if None not in (facts.metric, metric) and facts.metric != metric:
        said.append(f"the new vectors are searched by {metric}, the old ones by {facts.metric}.")
    if metric in target.normalises and bridge.target.norms != "unit":
        said.append(f"{target.name} keeps {metric} vectors at unit length: new norms are lost.")
    if facts.missing:
        said.append(f"{facts.missing:,} rows have no vector and are left as they are.")
    if bare:
        said.append("ids and vectors are carried, other columns are not.")
    return said


def _seconds(source: Readable, bridge: Bridge, batch: int, payload: bool) -> float:
    """Seconds a row to read and map the first batch."""
    start = time.perf_counter()
    first = next(iter(source.scan(batch, payload=payload)))
    with np.errstate(all="ignore"):
        mapped(bridge, np.nan_to_num(first.vectors))
    return (time.perf_counter() - start) / len(first)
