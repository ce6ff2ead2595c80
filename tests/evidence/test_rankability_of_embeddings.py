import numpy as np
import pytest

from isthmus.evidence import rankability_of_embeddings as evidence
from isthmus.evidence.corpora import digits
from isthmus.measures import rank_axis


def brightness_only(monkeypatch):
    monkeypatch.setattr(evidence, "SWEPT", {"brightness": (0.3, 1.0)})


def pixels_twice(images, labels, *, seed, names):
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(64, 64)))[0]
    return {names[0]: lambda x: x, names[1]: lambda x: x @ turn}


def test_all_figures_of_each_attribute_and_encoder(monkeypatch):
    brightness_only(monkeypatch)
    monkeypatch.setattr(evidence, "nonlinear", lambda vectors, values, seed: 0.9)
    found = evidence.measured((1, 2), *digits(), train=50, test=300, zoo=pixels_twice)
    figures = evidence.figures_of(found, (1, 2), n=300)
    assert set(found) == {("brightness", "pca"), ("brightness", "autoencoder")}
    assert len(figures) == 8
    assert sum(figure.claimed for figure in figures.values()) == 6
    for rows in found.values():
        assert (rows[:, 0] > 0.6).all()
        # A rotation is bridged, and the axis survives it.
        assert (rows[:, 3] > rows[:, 0] - 0.2).all()


def test_an_axis_that_knows_nothing_fails(monkeypatch):
    brightness_only(monkeypatch)
    monkeypatch.setattr(evidence, "nonlinear", lambda vectors, values, seed: 0.9)

    def wrong(vectors, values, **options):
        return rank_axis(vectors, values, axis=np.random.default_rng(0).normal(size=64))

    found = evidence.measured(
        (1, 2, 3), *digits(), train=50, test=300, zoo=pixels_twice, axis=wrong
    )
    figures = evidence.figures_of(found, (1, 2, 3), n=300)
    assert not figures["brightness pca ridge"].met
    assert not figures["brightness pca nonlinear"].met


def test_nonlinear_probe_sees_a_curve_that_no_axis_can():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3))
    y = x[:, 0] ** 2
    assert evidence.nonlinear(x, y, 0) > 0.6
    assert abs(rank_axis(x, y).value) < 0.4
    assert evidence.nonlinear(x, rng.normal(size=120), 0) == pytest.approx(0, abs=0.35)
