"""Every sampler: valid, distinct, reproducible, and what each is for."""

import numpy as np
import pytest

from isthmus.anchors import (
    d2_sampling,
    facility_location,
    farthest_point,
    herding,
    k_means,
    leverage,
    pivoted_qr,
    sensitivity,
    uniform,
)
from isthmus.core.errors import InputError

DRAWN = (uniform, k_means, farthest_point, leverage, sensitivity, d2_sampling, pivoted_qr)
SAMPLERS = (*DRAWN, herding, facility_location)
NESTED = (farthest_point, d2_sampling, pivoted_qr, herding, facility_location)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: s.__name__)
def test_rows_are_valid_distinct_and_reproducible(sampler, clusters):
    rows = sampler(clusters, 30, rng=1)
    assert rows.dtype == np.int64
    assert len(set(rows.tolist())) == 30
    assert 0 <= rows.min() <= rows.max() < 200
    np.testing.assert_array_equal(rows, sampler(clusters, 30, rng=1))
    # Below a few thousand rows the others draw nothing.
    other = np.sort(sampler(clusters, 30, rng=2))
    assert np.array_equal(np.sort(rows), other) == (sampler not in DRAWN)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: s.__name__)
@pytest.mark.parametrize("count", [0, 201])
def test_impossible_counts_are_refused(sampler, clusters, count):
    with pytest.raises(InputError, match=f"count={count}"):
        sampler(clusters, count)


COVERING = (k_means, farthest_point, d2_sampling, pivoted_qr, herding, facility_location)


@pytest.mark.parametrize("sampler", COVERING, ids=lambda s: s.__name__)
def test_five_anchors_cover_five_clusters(sampler, clusters):
    covered = [len({row // 40 for row in sampler(clusters, 5, rng=s).tolist()}) for s in range(10)]
    assert np.mean(covered) >= 4.5
    by_chance = [
        len({row // 40 for row in uniform(clusters, 5, rng=s).tolist()}) for s in range(10)
    ]
    assert np.mean(by_chance) < np.mean(covered)


@pytest.mark.parametrize("sampler", NESTED, ids=lambda s: s.__name__)
def test_fewer_anchors_are_the_beginning_of_more(sampler, clusters):
    more = sampler(clusters, 40, rng=3)
    np.testing.assert_array_equal(sampler(clusters, 11, rng=3), more[:11])


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: s.__name__)
def test_copies_of_one_row(sampler):
    x = np.concatenate([np.tile([1.0, 2.0, 2.0], (30, 1)), np.eye(3)])
    rows = sampler(x, 20, rng=0)
    assert len(set(rows.tolist())) == 20


@pytest.mark.parametrize("sampler", [s for s in SAMPLERS if s is not uniform])
def test_zero_vectors_are_never_chosen(sampler):
    x = np.concatenate([np.zeros((5, 3)), np.eye(3)])
    assert sorted(sampler(x, 3).tolist()) == [5, 6, 7]
    with pytest.raises(InputError, match="non-zero"):
        sampler(x, 4)
