"""What makes a shadow of a Qdrant collection its equal: settings, other vectors, indexes."""

import time
from typing import Any

from isthmus.core.errors import StorageError
from isthmus.spaces.stores.qdrant_connection import Connection

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
    """Copy what was not translated: ``others`` of all points, and points ``lacking`` the vector."""
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
                at.ask("update_vectors", name, points=vectors, wait=True)
            if start is None:
                break


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
