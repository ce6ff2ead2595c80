"""Bridges: maps from a source space to a target space; one bridge per file."""

from isthmus.core.registry import open_room

open_room(__name__)
