import numpy as np
import pytest

from isthmus.bridges import Orthogonal, Vec2vec
from isthmus.evidence import vec2vec as paper


@pytest.fixture(scope="module")
def documents():
    rng = np.random.default_rng(0)
    return rng.gamma(0.5, size=(2300, 40)) * np.geomspace(3, 0.5, 40)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(paper, "HALF", 1000)
    monkeypatch.setattr(paper, "TEST", 200)


class Told(Orthogonal):
    """Knows the partners of the documents that both encoders were kept from."""

    leak_risk = Vec2vec.leak_risk

    def __init__(self, confidence=1.0):
        self.confidence_ = confidence


def told(documents):
    def fit(x, y, seed):
        if x.shape[0] != paper.HALF:
            return Told(0.1)
        space = paper.halves(documents, seed)
        bridge = Told()
        bridge.scale = False
        return bridge.fit(space.source_test, space.target_test)

    return fit


def test_knowing_the_partners_meets_the_claim(documents):
    figures = paper.experiment(
        (1, 2, 3, 4, 5),
        documents=documents,
        harder=documents,
        fit=told(documents),
        start=told(documents),
    )
    assert figures["cosine"].met
    assert figures["top1"].met
    assert figures["unrelated"].value == 0.1
    assert figures["accepted"].value == 1.0


def test_a_map_that_turns_at_random_fails_it(documents):
    def random(x, y, seed):
        bridge = Told()
        bridge.scale = False
        rows = np.random.default_rng(seed).normal(size=(2, 100, x.shape[1]))
        return bridge.fit(rows[0], rows[1][:, : y.shape[1]])

    figures = paper.experiment(
        (1, 2, 3), documents=documents, harder=documents, fit=random, start=random
    )
    assert not figures["cosine"].met
    assert not figures["top1"].met


def test_halves_share_no_document_and_are_turned(documents):
    space = paper.halves(documents, 0)
    assert space.source.shape == space.target.shape == (1000, 32)
    np.testing.assert_allclose(np.linalg.norm(space.source, axis=1), 1)
    alone = paper.cosine_and_top1(space.source_test, space.target_test)
    assert abs(alone[0]) < 0.3
    assert alone[1] < 0.1
    assert paper.cosine_and_top1(space.target_test, space.target_test) == pytest.approx((1, 1))
