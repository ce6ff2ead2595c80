import numpy as np
import pytest
from sklearn.manifold import trustworthiness as rival

from isthmus.core.errors import InputError
from isthmus.measures import continuity


def test_is_trustworthiness_with_the_sides_swapped():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5))
    y = x[:, :2]
    score = continuity(x, y, k=6)
    assert score.method == "continuity"
    assert score.value == pytest.approx(rival(y, x, n_neighbors=6), abs=1e-12)
    assert score.value != pytest.approx(rival(x, y, n_neighbors=6), abs=1e-3)


def test_a_torn_circle_is_trustworthy_but_not_continuous():
    from isthmus.measures import trustworthiness

    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 200)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    line = angle[:, None]
    assert continuity(circle, line, k=4).value < trustworthiness(circle, line, k=4).value
    assert trustworthiness(circle, line, k=4).value > 0.999


def test_k_out_of_range_is_refused():
    with pytest.raises(InputError, match=r"continuity.*rows / 2"):
        continuity(np.eye(12), np.eye(12), k=6)
