"""Real data without a relation: every bridge that needs no pair abstains, and says so."""

import numpy as np
import pytest

from isthmus.bridges import GromovWasserstein, MiniVec2vec, Unpaired
from isthmus.core.errors import NoReliableBridge
from isthmus.evidence.corpora import MissingData, debian, digits

ROWS = 400


@pytest.fixture(scope="module")
def sides():
    """Pictures of digits, and Debian's package descriptions under LSA."""
    try:
        _, texts = debian("en-lsa256")
    except MissingData as missing:
        pytest.skip(f"Debian's descriptions are not here: {missing}")
    rng = np.random.default_rng(0)
    return [rng.permutation(side)[:ROWS].astype(np.float64) for side in (digits()[0], texts)]


@pytest.mark.parametrize(
    "bridge",
    [Unpaired(rounds=6), MiniVec2vec(runs=6, refinements=20), GromovWasserstein(points=60)],
    ids=lambda bridge: bridge.card.name,
)
@pytest.mark.parametrize("way", [1, -1], ids=["to texts", "to pictures"])
def test_pictures_and_texts_are_refused(sides, bridge, way):
    with pytest.raises(NoReliableBridge, match="expected at least 20"):
        bridge.fit(*sides[::way], pairs=())


def test_the_same_pictures_turned_are_not_refused(sides):
    """What refuses everything would pass above."""
    rng = np.random.default_rng(1)
    turned = sides[0] @ np.linalg.qr(rng.normal(size=(64, 64)))[0]
    bridge = Unpaired(rounds=6).fit(sides[0], rng.permutation(turned), pairs=())
    assert bridge.score(sides[0], turned) > 0.9
