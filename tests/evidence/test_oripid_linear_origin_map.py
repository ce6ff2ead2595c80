import numpy as np
import pytest

from isthmus.evidence import oripid_linear_origin_map as oripid
from isthmus.evidence.corpora import digits
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(123, 2)


@pytest.mark.parametrize("editor", oripid.EDITORS.values(), ids=oripid.EDITORS)
def test_editors_change_images_by_chance_alone(editor):
    images = digits()[0][:20]
    once, again, other = (editor(images, np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(once, again)
    assert np.abs(once - other).mean() > 0.05
    assert 0.1 < np.linalg.norm(once - images) / np.linalg.norm(images) < 1.2


def test_precision_is_the_mean_reciprocal_rank():
    gallery = np.eye(3)
    edited = np.array([[1.0, 0.1, 0.0], [1.0, 0.5, 0.0]])
    assert oripid.precision(edited, gallery, lambda z: z) == pytest.approx(0.75)


def test_a_map_that_follows_the_edits_gains_nothing():
    def backwards(edited, origins):
        fitted = oripid.OriginMap().fit(edited, origins)
        turn = np.linalg.inv(fitted.coef_)
        return lambda x: (x - origins.mean(axis=0)) @ turn

    right = oripid.experiment(SEEDS, data=digits, pairs=500, queries=100)
    wrong = oripid.experiment(SEEDS, data=digits, fitter=backwards, pairs=500, queries=100)
    assert right["relit to redrawn"].value > 2
    assert wrong["relit to redrawn"].value < -2
    assert not wrong["relit to redrawn"].met
    assert sum(figure.claimed for figure in right.values()) == 1
