import numpy as np
import pytest

from isthmus.core.neighbors import unit
from isthmus.evidence import double_ellipsoid_conformity as evidence
from isthmus.evidence.experiment import seeds_from
from isthmus.measures import modality_geometry

SEEDS = seeds_from(99, 2)


@pytest.fixture(autouse=True)
def _synthetic(monkeypatch):
    """Reading all docstrings takes seconds; its own test is that of ``corpora``."""

    def texts(seed, *, rows):
        rng = np.random.default_rng(seed)
        return {"LSA": np.abs(rng.normal(size=(rows, 20)) * np.geomspace(1, 0.1, 20))}

    monkeypatch.setattr(evidence, "texts", texts)


def test_all_bounds_but_speed_hold_on_few_rows():
    figures = evidence.experiment(SEEDS, rows=400)
    for name, figure in figures.items():
        assert figure.met or "speed" in name or not figure.claimed, str(figure)
    assert figures["agree"].value < 1e-12
    assert sum(figure.claimed for figure in figures.values()) == 5


def test_an_estimate_by_length_and_one_modality_twice_fail():
    figures = evidence.experiment(
        SEEDS,
        rows=400,
        estimate=lambda x: np.linalg.norm(x, axis=1),
        measure=lambda a, b: modality_geometry(a, a[::-1]),
    )
    assert not figures["LSA correlation"].met
    assert not figures["separable"].met


def test_ingredients_are_what_they_say():
    rng = np.random.default_rng(0)
    direction = unit(rng.normal(size=(1, evidence.WIDTH)))[0]
    rows = evidence.shell(rng, direction, rows=2000)
    mean = rows.mean(axis=0)
    assert mean @ direction == pytest.approx(evidence.OFFSET, rel=0.05)
    radius = np.sqrt(np.mean(np.sum((rows - mean) ** 2, axis=1)))
    assert radius == pytest.approx(1, rel=0.1)
    u = unit(rows[:600])
    cosines = u @ u.T
    np.fill_diagonal(cosines, 0)
    np.testing.assert_allclose(evidence.every_pair(rows[:600]), cosines.sum(axis=1) / 599)
    expected = u @ unit(rows[:600].mean(axis=0)[None])[0]
    np.testing.assert_allclose(evidence.cosine_to_mean(rows[:600]), expected)
