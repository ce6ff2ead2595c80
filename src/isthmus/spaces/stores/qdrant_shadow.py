"""What makes a shadow of a Qdrant collection its equal: settings, other vectors, indexes."""

import itertools
import json
import time
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import numpy as np

from isthmus.core.errors import StorageError
from isthmus.spaces.ids import named
from isthmus.spaces.stores.qdrant_connection import Connection
from isthmus.spaces.stores.store import exact

_PAGE = 256


def copy_configuration(
    at: Connection, source: str, name: str, vector: str, about: dict[str, Any]
) -> None:
    """Make the empty collection ``name`` like ``source``, its ``vector`` changed by ``about``."""
    config, m = at.ask("get_collection", source).config, at.models
    params, vectors = config.params, config.params.vectors
    if isinstance(vectors, dict):
        vectors = vectors | {vector: vectors[vector].model_copy(update=about)}
    else:
        vectors = vectors.model_copy(update=about)
    optional = {"metadata": getattr(config, "metadata", None)}
    at.ask(
        "create_collection", name,
        vectors_config=vectors,
        sparse_vectors_config=params.sparse_vectors,
        shard_number=params.shard_number,
        replication_factor=params.replication_factor,
        write_consistency_factor=params.write_consistency_factor,
        on_disk_payload=params.on_disk_payload,
        hnsw_config=m.HnswConfigDiff(**config.hnsw_config.model_dump(exclude_none=True)),
        optimizers_config=m.OptimizersConfigDiff(
            **config.optimizer_config.model_dump(exclude_none=True)
        ),
        quantization_config=config.quantization_config,
        **{key: value for key, value in optional.items() if value},
    )  # fmt: skip


def carry(
    at: Connection, source: str, name: str, having: Any, lacking: Any, others: list[str]
) -> None:
    """Copy what was not translated: ``others`` of all points, and points ``lacking`` the vector.

    StorageError names points that ``name`` should have and lacks.
    """
    m = at.models
    for where, whole in ((having, False), (lacking, True)):
        start = None
        while whole or others:
            points, start = at.ask(
                "scroll", source, scroll_filter=where, limit=_PAGE, offset=start,
                with_vectors=others or False, with_payload=whole,
            )  # fmt: skip
            kept = [p for p in points if whole or p.vector]
            if kept and whole:
                structs = [m.PointStruct(id=p.id, vector=p.vector or {}, payload=p.payload)
                           for p in kept]  # fmt: skip
                at.ask("upsert", name, points=structs, wait=True)
            elif kept:
                vectors = [m.PointVectors(id=p.id, vector=_by_name(p.vector)) for p in kept]
                try:
                    at.ask("update_vectors", name, points=vectors, wait=True)
                except StorageError:
                    _refuse_new(at, name, [p.id for p in kept])
                    raise
            if start is None:
                break


def _refuse_new(at: Connection, name: str, keys: list[Any]) -> None:
    """Raise StorageError naming the points of ``keys`` that the shadow ``name`` lacks, if any."""
    there = {p.id for p in at.ask("retrieve", name, keys, with_payload=False)}
    if new := [key for key in keys if key not in there]:
        raise StorageError(
            f"finish {name!r} of {at.address.redacted}",
            f"{len(new):,} points that came after they were read (first: {named(new)})",
            "points that were translated", "Nothing is lost: run the job again.",
        ) from None  # fmt: skip


def prune(at: Connection, source: str, name: str, lacking: Any) -> None:
    """Remove from ``name`` points ``lacking`` the vector that ``source`` has no more."""
    start = None
    while True:
        points, start = at.ask("scroll", name, scroll_filter=lacking, limit=_PAGE, offset=start,
                               with_payload=False)  # fmt: skip
        keys = [p.id for p in points]
        there = {p.id for p in at.ask("retrieve", source, keys, with_payload=False)} if keys else ()
        if gone := [key for key in keys if key not in there]:
            at.ask("delete", name, points_selector=at.models.PointIdsList(points=gone), wait=True)
        if start is None:
            break


def sum_of(start: str, pages: Iterator[list[Any]], scaled: set[str]) -> str:
    """A sum over the ids, vectors and payloads of all points, that goes on from ``start``.

    ``scaled`` vectors count as what they are at unit length: the local mode scales what is written
    and not what it reads when it is opened.
    """

    def same(name: str, vector: Any) -> Any:
        if name not in scaled:
            return vector
        given = np.array(vector, dtype=np.float64)
        norms = np.linalg.norm(given, axis=-1, keepdims=True)
        return np.round(given / np.where(norms > 0, norms, 1), 5).tolist()

    found = blake2b(start.encode(), digest_size=16)
    for point in itertools.chain.from_iterable(pages):
        vectors = {name: same(name, v) for name, v in _by_name(point.vector or {}).items()}
        rest = [point.id, vectors, point.payload]
        found.update(json.dumps(rest, sort_keys=True, default=exact).encode())
    return found.hexdigest()


def index(at: Connection, source: str, name: str) -> None:
    """Index the payload of ``name`` as that of ``source``; wait until all vectors are indexed."""
    for field, about in at.ask("get_collection", source).payload_schema.items():
        schema = about.params or about.data_type
        at.ask("create_payload_index", name, field, field_schema=schema, wait=True)
    while (status := at.ask("get_collection", name).status) == "yellow":  # still optimising
        time.sleep(0.5)
    if status == "red":
        raise StorageError(
            f"index {name!r} of {at.address.redacted}", "a collection of status red",
            "one that can be indexed", "Qdrant's log says why.",
        )  # fmt: skip


def _by_name(vectors: Any) -> dict[str, Any]:
    found: dict[str, Any] = vectors if isinstance(vectors, dict) else {"": vectors}
    return found
