import numpy as np
import pytest


@pytest.fixture(scope="session")
def rows():
    """Unit rows of thousands, where the blocks of a greedy choice matter."""
    x = np.random.default_rng(0).normal(size=(1500, 12)) * np.geomspace(3, 0.3, 12)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.fixture
def clusters():
    rng = np.random.default_rng(0)
    centres = np.eye(5) * 10
    return np.concatenate([c + 0.1 * rng.normal(size=(40, 5)) for c in centres])
