import numpy as np

from isthmus.evidence import category_of_learner_invariances as evidence
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(123, 2)


def test_the_claim_holds_on_other_seeds():
    figures = evidence.experiment(SEEDS)
    for figure in figures.values():
        assert figure.met, str(figure)
    assert sum(figure.claimed for figure in figures.values()) == 5


def test_learners_are_what_they_are_called():
    x, y = evidence.sample(0)
    assert x.shape == (400, 20)
    weights = np.linalg.pinv(x) @ y
    assert np.allclose(evidence.ols(x, y, x[:5]), x[:5] @ weights)
    ridge = evidence.ridge(x, y, np.eye(20))
    # At the minimum of |y - x w|² + penalty |w|² the slope vanishes.
    assert np.allclose(x.T @ (y - x @ ridge), evidence.PENALTY * ridge)


def test_wrong_learners_are_found_out():
    swapped = evidence.experiment(SEEDS[:1], least_squares=evidence.ridge, penalised=evidence.ols)
    assert not swapped["ols_linear"].met
    assert not swapped["ridge_linear"].met

    def axis_bound(x, y, new):
        """A penalty that favours the first column is no ridge regression."""
        penalty = np.diag(np.arange(1.0, x.shape[1] + 1))
        return new @ np.linalg.solve(x.T @ x + 10 * penalty, x.T @ y)

    assert not evidence.experiment(SEEDS[:1], penalised=axis_bound)["ridge_orthogonal"].met
