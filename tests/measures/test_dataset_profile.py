import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import dataset_profile, label_sharpness, two_nn


def case(n=200):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 6)) @ rng.normal(size=(6, 20))
    return x, (x[:, 0] > 0).astype(int), np.tanh(x[:, :2])


def test_brings_its_parts_together():
    x, labels, z = case()
    score = dataset_profile(x, labels, z)
    assert score.value == two_nn(x).value
    assert score.ci == two_nn(x).ci
    assert score.parts["label_sharpness"] == label_sharpness(x, labels).value
    assert score.parts["representation_dimension"] == two_nn(z).value
    assert score.parts["compression"] == pytest.approx(two_nn(z).value / two_nn(x).value)
    assert score.parts["compression"] < 0.6
    assert "slope" not in score.parts


def test_slope_is_that_of_a_power_law():
    x, labels, _ = case(60)
    score = dataset_profile(x, labels, losses={n: 3.0 * n**-0.25 for n in (50, 100, 800)})
    assert score.parts["slope"] == pytest.approx(-0.25)
    assert score.parts["predicted_slope"] == pytest.approx(-1 / score.value)
    # A slope of loss on log n alone is another number.
    wrong = np.polyfit(np.log([50, 100, 800]), [3.0 * n**-0.25 for n in (50, 100, 800)], 1)[0]
    assert wrong != pytest.approx(-0.25, abs=0.05)


def test_bad_input():
    x, labels, z = case(60)
    for losses in ({100: 1.0}, {100: 1.0, 200: -1.0}, {100: 1.0, 200: np.nan}, {0: 1.0, 5: 1.0}):
        with pytest.raises(InputError, match="losses above 0"):
            dataset_profile(x, labels, losses=losses)
    with pytest.raises(InputError, match="one representation a row"):
        dataset_profile(x, labels, z[1:])
    with pytest.raises(InputError, match=r"^dataset_profile: got labels"):
        dataset_profile(x, labels[1:])
