import pytest

from isthmus.core.score import Score
from isthmus.evidence import stochastic_shape_metrics as evidence
from isthmus.evidence.experiment import seeds_from
from isthmus.measures import stochastic_shape_distance

SEEDS = seeds_from(123, 2)


@pytest.mark.slow
def test_the_claim_holds_on_other_seeds():
    figures = evidence.experiment(SEEDS[:1])
    for figure in figures.values():
        assert figure.met, str(figure)
    assert sum(figure.claimed for figure in figures.values()) == 4
    assert figures["same"].value < 1e-6


def test_means_alone_do_not_see_the_noise():
    def deterministic(x, y, *, alpha=1.0):
        return stochastic_shape_distance(x, y, alpha=2.0)

    figures = evidence.experiment(SEEDS, pool=6, distance=deterministic)
    assert figures["deterministic"].met
    assert not figures["stochastic"].met


def test_the_squared_distance_breaks_triangles():
    def squared(x, y, **options):
        score = stochastic_shape_distance(x, y, **options)
        return Score(value=score.value**2, method="squared", n=score.n)

    figures = evidence.experiment(SEEDS[:1], pool=8, distance=squared)
    assert not figures["broken"].met
