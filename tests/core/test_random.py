"""Randomness is reproducible and private."""

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.core.random import generator


def test_seeds_reproduce_and_generators_go_on():
    assert generator(3).random() == generator(3).random()
    stream = np.random.default_rng(0)
    assert generator(stream) is stream


@pytest.mark.parametrize("bad", [-1, 1.5, "seed", None, True])
def test_anything_else_is_refused(bad):
    with pytest.raises(InputError, match="non-negative int"):
        generator(bad)
