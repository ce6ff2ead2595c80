"""What makes a shadow of a Milvus collection its equal: fields, settings, indexes."""

import time
from typing import Any

from isthmus.core.errors import StorageError
from isthmus.spaces.stores.milvus_connection import Connection

#: What a description of an index holds besides the parameters it was made with.
_STATE = (
    "index_type", "metric_type", "field_name", "index_name", "params", "total_rows",
    "indexed_rows", "pending_index_rows", "state",
)  # fmt: skip


def copy_configuration(at: Connection, source: str, name: str, vector: str, dim: int) -> None:
    """Make ``name``, unless it is there, like ``source`` but for the width of its ``vector``."""
    if name in at.names():
        return
    about = at.ask("describe_collection", source)
    for field in about["fields"]:
        if field["name"] == vector:
            field["params"] = field["params"] | {"dim": dim}
    at.ask(
        "create_collection", name, schema=at.schema_of(about), num_shards=about["num_shards"],
        properties=about["properties"], consistency_level=about["consistency_level_name"],
    )  # fmt: skip


def copy_indexes(at: Connection, source: str, name: str, vector: str, metric: str | None) -> None:
    """Give ``name`` the indexes of ``source`` that it lacks, ``vector``'s for another metric."""
    for index in set(at.ask("list_indexes", source)) - set(at.ask("list_indexes", name)):
        about = at.ask("describe_index", source, index)
        kind: dict[str, Any] = {"index_type": about["index_type"], "index_name": index}
        # A server gives the parameters as one entry, Milvus Lite next to the others.
        kind["params"] = about.get("params") or {k: about[k] for k in about if k not in _STATE}
        if about["field_name"] == vector:
            kind["metric_type"] = metric or about["metric_type"]
        at.index(name, about["field_name"], **kind)


def wait(at: Connection, name: str) -> None:
    """Seal what was written to ``name`` and wait until all of it is indexed."""
    at.ask("flush", name)
    for index in at.ask("list_indexes", name):
        while int((about := at.ask("describe_index", name, index))["pending_index_rows"]):
            if about["state"] == "Failed":
                raise StorageError(
                    f"index {name!r} of {at.address.redacted}", "an index that failed",
                    "one that can be built", "Milvus's log says why.",
                )  # fmt: skip
            time.sleep(0.5)
