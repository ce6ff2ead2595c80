"""What older versions of packages were known for, and these are not; ours is held to it as well.

docs/disagreements.md names these tests in its section "Known elsewhere".
"""

import numpy as np
import pytest

from isthmus.measures import mutual_knn, two_nn


def test_equal_rows_in_float32_are_no_nan():
    skdim = pytest.importorskip("skdim")
    x = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    x[:60] = x[:20].repeat(3, axis=0)
    theirs = skdim.id.TwoNN().fit(x).dimension_
    assert theirs == pytest.approx(skdim.id.TwoNN().fit(x.astype(float)).dimension_, rel=1e-4)
    assert two_nn(x).value == pytest.approx(two_nn(x.astype(float)).value, rel=1e-4)


def test_overlap_is_not_called_jaccard():
    torchdr = pytest.importorskip("torchdr")
    assert "not Jaccard" in torchdr.neighborhood_preservation.__doc__
    assert "Jaccard" not in mutual_knn.__doc__ or "not" in mutual_knn.__doc__
