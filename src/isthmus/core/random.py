"""Randomness: every stochastic call takes ``rng`` and touches no global state."""

import numpy as np

from isthmus.core.errors import InputError

Seed = int | np.random.Generator


def generator(rng: Seed) -> np.random.Generator:
    """A Generator from a seed (a fresh one, reproducible) or a Generator (used as it is)."""
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, int | np.integer) and not isinstance(rng, bool) and rng >= 0:
        return np.random.default_rng(int(rng))
    raise InputError("rng", repr(rng), "a non-negative int seed or a numpy.random.Generator")
