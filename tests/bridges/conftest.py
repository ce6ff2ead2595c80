"""Spaces that the bridge tests share."""

import numpy as np
import pytest


@pytest.fixture
def turned():
    """A space, its rotated and shifted copy, and the rotation."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 6)) * np.geomspace(3, 0.3, 6) + rng.normal(size=6)
    q = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    return x, x @ q + 2.0, q
