"""Anchors: which rows to describe all others by; one sampler per file."""

from isthmus.core.registry import open_room

open_room(__name__)
