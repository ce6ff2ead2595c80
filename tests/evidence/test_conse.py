import numpy as np
import pytest

from isthmus.bridges import conse
from isthmus.evidence import conse as evidence
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(5, 3)


@pytest.fixture(scope="module", autouse=True)
def cheap_networks():
    """Pixels for the autoencoder's codes, a logistic classifier for the MLP: the rest is real."""
    from sklearn.linear_model import LogisticRegression

    patch = pytest.MonkeyPatch()
    patch.setattr(evidence, "autoencoder", lambda images, seed: None)
    patch.setattr(evidence, "hidden", lambda network, images, layer: images)
    patch.setattr(
        evidence, "classifier",
        lambda x, labels, seed: LogisticRegression(C=1e4, max_iter=50, tol=1.0).fit(x, labels),
    )  # fmt: skip
    yield
    patch.undo()


def test_label_vectors_are_centred_means():
    codes = np.repeat(np.eye(10), 2, axis=0)
    labels = np.repeat(np.arange(10), 2)
    np.testing.assert_allclose(evidence.label_vectors(codes, labels), np.eye(10) - 0.1)


def test_named_is_the_nearest_by_cosine():
    candidates = np.array([[10.0, 0.0], [0.0, 0.1]])
    assert evidence.named(np.array([[1.0, 2.0], [2.0, 1.0]]), candidates).tolist() == [1, 0]


def test_unseen_digits_are_named():
    figures = evidence.experiment(SEEDS)
    assert figures["unseen"].value > 0.5
    assert figures["gain"].value > 0
    assert [n for n, f in figures.items() if f.claimed] == ["unseen", "gain"]


def test_labels_in_the_wrong_order_name_nothing():
    def wrong(probabilities, labels, *, top):
        return conse(probabilities, np.roll(labels, 3, axis=0), top=top)

    figures = evidence.experiment(SEEDS, combine=wrong)
    assert not figures["unseen"].met


def test_one_weight_whatever_is_asked_gains_nothing():
    def hasty(probabilities, labels, *, top):
        return conse(probabilities, labels, top=1)

    figures = evidence.experiment(SEEDS, combine=hasty)
    assert figures["gain"].value == 0
