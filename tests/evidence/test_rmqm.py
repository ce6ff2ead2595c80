import numpy as np
import pytest

from isthmus.core.score import Score
from isthmus.evidence import rmqm as evidence
from isthmus.evidence import zoo
from isthmus.measures import linear_probe

CHEAP = ["pixels", "pca", "hog", "lda", "random_conv", "random_mlp"]


def cheap(images, labels, *, seed):
    return zoo.encoders(images, labels, seed=seed, names=CHEAP)


def test_measure_that_sees_the_labels_meets_the_claim_and_its_opposite_does_not():
    def oracle(encode, images, labels):
        return linear_probe(encode(images), labels)

    def wrong(encode, images, labels):
        return Score(value=-oracle(encode, images, labels).value, method="wrong", n=len(images))

    for measure, met in ((oracle, True), (wrong, False)):
        names, found = evidence.measured((1, 2), measure=measure, zoo=cheap)
        assert evidence.figures_of(names, found, (1, 2))["spearman"].met is met


def test_quality_is_scale_free_and_the_parts_are_kept():
    names, found = evidence.measured((3,), zoo=cheap)
    assert names == CHEAP
    assert found.shape == (1, 6, 4)
    assert found[0, names.index("pca"), 2] == pytest.approx(0, abs=1e-9)  # a linear map is even
    assert (found[0, :, 3] > 0.6).all()


def test_spearman():
    assert evidence.spearman(np.array([1, 2, 3]), np.array([2, 4, 9])) == 1
