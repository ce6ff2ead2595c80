"""Spaces: keyed sets of vectors, read lazily from what people have, and written durably."""
