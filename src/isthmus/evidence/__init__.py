"""The papers behind the methods: one file each, its central claim as a runnable check."""

from isthmus.evidence.experiment import Evidence, Figure, reproduce, slugs

__all__ = ["Evidence", "Figure", "reproduce", "slugs"]
