import numpy as np
import pytest
from sklearn.base import clone
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from isthmus.bridges import ProductOfInvariances
from isthmus.evidence import product_of_invariances as evidence
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(7, 2)


def cheap(images, train, seed):
    """Two spaces that a network of random weights and a turned, noisy copy of it give."""
    rng = np.random.default_rng(seed)
    one = np.tanh(images @ rng.normal(size=(64, 24)) / 2)
    turn = np.linalg.qr(rng.normal(size=(24, 24)))[0]
    return one, (one + 0.05 * rng.normal(size=one.shape)) @ turn


def measured(**parts):
    """The experiment on fewer images, with a head that fits at once."""
    with pytest.MonkeyPatch.context() as patch:
        images, labels = evidence.digits()
        patch.setattr(evidence, "digits", lambda: (images[:500], labels[:500]))
        patch.setattr(evidence, "TRAIN", 350)
        heads = make_pipeline(StandardScaler(), NearestCentroid())
        return evidence.experiment(
            SEEDS, heads=lambda x, y: clone(heads).fit(x, y), **{"spaces": cheap, **parts}
        )


@pytest.fixture(scope="module")
def figures():
    return measured()


def test_relations_are_what_they_are_called():
    rng = np.random.default_rng(0)
    own, other = rng.normal(size=(2, 50, 4))
    moved = evidence.related(own, other, rng)
    assert tuple(moved) == evidence.RELATIONS
    np.testing.assert_allclose(moved["rotation"] @ moved["rotation"].T, own @ own.T)
    ratio = moved["scaling"] / own
    np.testing.assert_allclose(ratio, ratio[0, 0])
    assert not 0.5 < ratio[0, 0] < 2
    np.testing.assert_allclose(np.abs((moved["shift"] - own) / own.std(axis=0)), 3)
    assert moved["seed"] is other


def test_every_relation_and_every_similarity_carries_a_bound(figures):
    claimed = {name for name, figure in figures.items() if figure.claimed}
    assert claimed == {
        *(f"lead/{relation}" for relation in evidence.RELATIONS),
        *(f"worst/{name}" for name in evidence.FOUR),
    }
    for relation in ("rotation", "scaling", "shift"):
        assert figures[f"lead/{relation}"].value > -0.03
    for name in evidence.FOUR:
        assert figures[f"worst/{name}"].value < 0.9
    # What each similarity is invariant to leaves its accuracy where it was.
    kept = {r: figures[f"stitched/{r}/cosine"].value for r in evidence.RELATIONS}
    assert kept["rotation"] == pytest.approx(kept["scaling"], abs=1e-9)
    assert kept["shift"] < 0.5


def test_a_product_of_one_similarity_fails():
    def cosine_alone(**options):
        return ProductOfInvariances(similarities=["cosine"], **options)

    figures = measured(product=cosine_alone)
    assert not figures["lead/shift"].met


def test_unrelated_encoders_are_not_stitched():
    def unrelated(images, train, seed):
        one, other = cheap(images, train, seed)
        return one, other[np.random.default_rng(seed).permutation(len(other))]

    figures = measured(spaces=unrelated)
    assert figures["stitched/seed/agreement"].value < 0.25
