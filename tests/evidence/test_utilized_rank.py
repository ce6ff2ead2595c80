import numpy as np
import pytest

from isthmus.core.score import Score
from isthmus.evidence import utilized_rank as evidence
from isthmus.evidence.corpora import digits
from isthmus.evidence.experiment import seeds_from
from isthmus.evidence.networks import classifier
from isthmus.measures import utilized_rank

SEEDS = seeds_from(123, 2)


def test_the_planted_half_of_the_claim_holds():
    figures = evidence.experiment(SEEDS, epochs=1)
    assert figures["planted"].met
    assert figures["planted_change"].met
    assert figures["own_rank"].value == 1.0
    assert sum(figure.claimed for figure in figures.values()) == 4


def test_accuracy_with_its_own_weights_is_the_networks():
    x, y = digits()
    network = classifier(x[:300], y[:300], layers=(16, 16), epochs=5)
    again = evidence.accuracy_with(network, network.coefs_[1], x[300:], y[300:])
    assert again == pytest.approx(network.score(x[300:], y[300:]))


def test_weights_alone_hide_their_rank():
    """A method that never looks at the data reports a full rank, or breaks the outputs."""

    def blind(weights, x, *, tol=1e-6):
        u, s, v = np.linalg.svd(weights)
        rank = len(s) // 4
        return Score(
            value=0.25, method="blind", n=len(x),
            parts={"left": u[:, :rank] * s[:rank], "right": v[:rank], "parameters": 0.5},
        )  # fmt: skip

    assert evidence.planted(0, blind)[1] > 0.1
    assert utilized_rank(np.eye(64), np.eye(64)).value == 1.0
