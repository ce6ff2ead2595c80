import numpy as np
import pytest

import isthmus


@pytest.fixture(scope="session")
def collection(tmp_path_factory):
    """A source with ids and a bridge, as files: what every worker can open."""
    folder = tmp_path_factory.mktemp("collection")
    rng = np.random.default_rng(7)
    x = (rng.normal(size=(600, 10)) * np.linspace(3, 0.3, 10) + 0.5).astype(np.float32)
    y = (x @ rng.normal(size=(10, 7)) + 0.05 * rng.normal(size=(600, 7))).astype(np.float32)
    ids = np.array([f"é{i}" for i in range(600)])
    np.savez(folder / "old.npz", vectors=x, ids=ids)
    np.savez(folder / "new.npz", vectors=y, ids=ids)
    bridge = isthmus.fit(folder / "old.npz", folder / "new.npz", method="affine")
    bridge.save(folder / "b.isthmus")
    return folder
