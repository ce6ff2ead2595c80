"""Retrieval: search over spaces and the metrics that judge it; one metric per file."""

from isthmus.core.registry import open_room

open_room(__name__)
