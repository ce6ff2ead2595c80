"""The span of a space does not depend on its unit, however large or small."""

import numpy as np
import pytest

from isthmus.measures import alpha_shape, cca, gulp, h_score, pwcca, svcca


@pytest.mark.parametrize("measure", [cca, svcca, pwcca, gulp, alpha_shape, h_score])
@pytest.mark.parametrize("size", [1e-61, 1e-60, 1e60, 1e61])
def test_values_and_intervals_have_no_unit(measure, size):
    """A mean in units was taken off rows as they came: cca read 1.0 with an interval of NaN."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)) + 3
    y = x @ rng.normal(size=(4, 4)) + rng.normal(size=(60, 4))
    if measure is h_score:
        y = y[:, 0] > y[:, 0].mean()
    one, far = measure(x, y), measure(x * size, y)
    found = [far.value, far.chance, *(far.ci or ())]
    expected = [one.value, one.chance, *(one.ci or ())]
    assert found == pytest.approx(expected, rel=1e-9)
    if measure is not h_score:
        both = measure(x * size, y * size)
        assert [both.value, *(both.ci or ())] == pytest.approx(
            [one.value, *(one.ci or ())], rel=1e-9
        )
