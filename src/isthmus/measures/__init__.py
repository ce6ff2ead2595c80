"""Measures: how two spaces, or one, can be judged; one measure per file."""

from isthmus.core.registry import open_room

open_room(__name__)
