import numpy as np
import pytest

from isthmus.bridges.pair_growth import fitted_map
from isthmus.evidence import matchme_densified_pairs as paper
from isthmus.evidence.corpora import digits


def test_the_encoders_are_nonlinear_and_differ():
    images = digits()[0]
    x, y = (paper.random_encoder(images, seed) for seed in (1, 2))
    assert x.shape == (1797, paper.WIDTH)
    assert np.abs(x).max() <= 1
    assert np.abs(x - y).mean() > 0.1
    ones = np.c_[images, np.ones(len(images))]
    rest = x - ones @ np.linalg.lstsq(ones, x, rcond=None)[0]
    assert np.linalg.norm(rest) / np.linalg.norm(x - x.mean(axis=0)) > 0.1


def test_hits_are_those_of_the_nearest():
    x = np.random.default_rng(0).normal(size=(50, 6))
    assert paper.hit(x, x, np.eye(6), np.zeros(6)) == 1
    assert paper.hit(x, x[::-1], np.eye(6), np.zeros(6)) < 0.1


@pytest.fixture(scope="module")
def guessed():
    def guess(x, y, known):
        rng = np.random.default_rng(0)
        i, j = (np.setdiff1d(rng.permutation(len(x)), side)[:300] for side in known)
        i, j = rng.permutation(i), rng.permutation(j)
        return np.r_[known[0], i], np.r_[known[1], j], np.ones(len(i) + len(known[0]))

    return paper.experiment([1, 2], expand=guess)


def test_guessed_pairs_do_not_meet_the_claim(guessed):
    assert not guessed["gain"].met
    assert not guessed["same_class"].met
    assert guessed["same_class"].value == pytest.approx(0.1, abs=0.05)


def test_no_new_pair_is_no_gain():
    def nothing(x, y, known):
        return *known, np.ones(len(known[0]))

    figures = paper.experiment([1, 2], expand=nothing)
    assert figures["gain"].value == 0
    assert not figures["gain"].met


def test_the_teacher_is_the_student_without_more_pairs(guessed):
    assert guessed["pairs"].value == 320
    w, b = fitted_map(np.eye(3), np.eye(3)[::-1], np.ones(3))
    np.testing.assert_allclose(np.eye(3) @ w + b, np.eye(3)[::-1], atol=1e-12)
