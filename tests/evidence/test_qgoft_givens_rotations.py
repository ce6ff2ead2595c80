import numpy as np
import pytest

from isthmus.bridges.givens import turned
from isthmus.evidence import qgoft_givens_rotations as evidence
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(123, 3)


@pytest.fixture
def no_drift(monkeypatch):
    """Without the bridge fits, which take seconds and carry no bound."""
    monkeypatch.setattr(evidence, "few_pairs", lambda seed: (0.5 + seed % 2, 0.1))


def test_the_claim_holds_on_other_seeds(no_drift):
    figures = evidence.experiment(SEEDS)
    claimed = {name: figure for name, figure in figures.items() if figure.claimed}
    assert len(claimed) == 6
    for figure in claimed.values():
        assert figure.met, str(figure)
    assert figures["planes"].value == 511
    assert figures["rounds"].value == 9


def test_sloppy_turns_fail(no_drift):
    def sloppy(rows, plan, angles):
        return turned(rows, plan, [angle + 1e-4 for angle in angles])

    figures = evidence.experiment(SEEDS, turn=sloppy)
    assert not figures["miss"].met
    assert not figures["axis"].met
    # Rotations by wrong angles still are rotations.
    assert figures["gram"].met


def test_turns_that_stretch_change_cosines(no_drift):
    def stretched(rows, plan, angles):
        return turned(rows, plan, angles) * np.linspace(1, 1.01, rows.shape[-1])

    assert not evidence.experiment(SEEDS, turn=stretched)["gram"].met


def test_few_pairs_of_a_small_drift(monkeypatch):
    monkeypatch.setattr(evidence, "DIM", 64)
    monkeypatch.setattr(evidence, "PAIRS", 20)
    givens, procrustes = evidence.few_pairs(0)
    assert givens < 0.5 * procrustes
