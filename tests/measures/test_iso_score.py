import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import iso_score


def as_published(x):
    """Step by step: principal axes, covariance diagonal, normalised, defect, rescaled."""
    n = x.shape[1]
    centred = x - x.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2]
    diagonal = (centred @ axes.T).var(axis=0, ddof=1)
    normal = np.sqrt(n) * diagonal / np.linalg.norm(diagonal)
    defect = np.linalg.norm(normal - 1) / np.sqrt(2 * (n - np.sqrt(n)))
    share = (n - defect**2 * (n - np.sqrt(n))) ** 2 / n**2
    return (n * share - 1) / (n - 1)


@pytest.mark.parametrize("d", [2, 5, 20])
def test_equals_the_published_steps(d):
    x = np.random.default_rng(d).normal(size=(100, d)) * np.geomspace(1, 0.1, d) + 3
    assert iso_score(x).value == pytest.approx(as_published(x), rel=1e-10)
    assert iso_score(x).ci[0] < iso_score(x).value < iso_score(x).ci[1]


def test_debiased_reads_one_where_few_rows_hold_it_down():
    x = np.random.default_rng(0).normal(size=(60, 50))
    score = iso_score(x)
    assert score.value < 0.6
    assert "debias=True" in score.warnings[0]
    assert iso_score(x, debias=True).value == pytest.approx(1, abs=0.1)


def test_bad_input():
    x = np.random.default_rng(0).normal(size=(5, 3))
    for wrong in (x[:, :1], x[:1]):
        with pytest.raises(InputError, match="iso_score: got x of shape"):
            iso_score(wrong)
    with pytest.raises(InputError, match="iso_score"):
        iso_score(x[:3], debias=True)


def test_errors_name_the_measure_that_was_called():
    for debias in (False, True):
        with pytest.raises(InputError, match=r"^iso_score: got x whose 5 rows are all equal"):
            iso_score(np.ones((5, 3)), debias=debias)
    with pytest.raises(InputError, match=r"^iso_score: got x .* equally far apart"):
        iso_score(np.eye(6), debias=True)


def test_the_method_is_named_and_warnings_of_the_ratio_it_rests_on_are_not_taken_for_its_own():
    score = iso_score(np.random.default_rng(0).normal(size=(200, 5)), debias=True)
    assert score.method == "iso_score"
    assert not any("look less isotropic" in warning for warning in score.warnings)
