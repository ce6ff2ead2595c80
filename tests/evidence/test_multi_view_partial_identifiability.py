import numpy as np

from isthmus.evidence import multi_view_partial_identifiability as mv
from isthmus.evidence.experiment import seeds_from


def test_mixing_bends_and_loses_nothing():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 3))
    x = mv.mixed(z, np.random.default_rng(1))
    line = np.linalg.lstsq(np.c_[x, np.ones(400)], z, rcond=None)[0]
    left = np.mean((np.c_[x, np.ones(400)] @ line - z) ** 2)
    assert 0.005 < left < 0.5
    assert mv.kernel_r2(x, z).min() > 0.9


def test_kernel_r2_finds_what_is_there_alone():
    z = np.random.default_rng(2).normal(size=(600, 2))
    found = mv.kernel_r2(np.sinh(z[:, :1]), z)
    assert found[0] > 0.9
    assert found[1] < 0.1


def test_views_that_are_not_paired_share_nothing():
    figures = mv.experiment(seeds_from(1, 2), steps=3, rows=100, paired=False)
    assert not any(f.met for name, f in figures.items() if name.startswith("shared"))
    assert sum(figure.claimed for figure in figures.values()) == 8
