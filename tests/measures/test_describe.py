"""Describe: known spectra and dimensions, every fault by its ids, one page of 80 columns."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits

import isthmus
from isthmus.core.errors import InputError
from isthmus.measures.describe import describe


@pytest.fixture
def space():
    rng = np.random.default_rng(0)
    # Four directions carry all variance, the first of them half of it.
    x = (
        rng.normal(size=(3000, 4))
        * np.sqrt([3, 1, 1, 1])
        @ np.linalg.qr(rng.normal(size=(12, 4)))[0].T
    )
    return x, [f"d{i}" for i in range(3000)]


def test_a_known_spectrum_and_dimension(space):
    x, ids = space
    found = describe(isthmus.open(x, ids=ids, encoder="mine", metric="cosine", name="known"))
    assert (found.rows, found.dim, found.encoder, found.metric) == (3000, 12, "mine", "cosine")
    assert found.directions["99%"] == 4
    assert found.directions["90%"] == 4
    truth = (3 + 1 + 1 + 1) ** 2 / (9 + 1 + 1 + 1)
    low, high = found.dimension["participation ratio"].ci
    assert low - 0.1 <= truth <= high + 0.1
    assert float(found.dimension["TwoNN dimension"]) == pytest.approx(4, abs=0.5)
    assert found.faults() == []
    assert "defects               none found" in str(found)
    assert max(map(len, str(found).splitlines())) <= 80
    json.dumps(found.as_dict(), default=str)


def test_every_fault_is_said_with_its_first_ids(space):
    x, ids = space
    x = np.c_[x, np.zeros(3000), np.full(3000, 50.0) + 1e-3 * x[:, 0]]
    x[5] = np.nan
    x[7] = 0
    ids[9] = ids[8]
    said = " | ".join(describe(isthmus.open(x, ids=ids)).faults())
    assert "NaN or infinity in 1 row (first ids: d5)" in said
    assert "zero vectors in 1 row (first ids: d7)" in said
    assert "repeated ids in 1 row (first ids: d8)" in said
    assert "1 dimensions that never change" in said
    assert "standard deviations off 0" in said


def test_a_half_migrated_collection_is_noticed():
    x, _ = load_digits(return_X_y=True)
    half = np.arange(len(x)) % 2 == 0
    turned = x @ np.linalg.qr(np.random.default_rng(1).normal(size=(64, 64)))[0]
    mixed = describe(isthmus.open(np.where(half[:, None], turned, x)))
    assert mixed.two_spaces in mixed.faults()
    assert mixed.two_spaces
    assert describe(isthmus.open(x)).two_spaces == ""


def test_tiny_and_broken_spaces_are_still_described():
    assert describe(np.eye(3)).rows == 3
    assert describe(np.full((4, 2), np.nan)).sampled == 0
    with pytest.raises(InputError, match="empty"):
        describe(np.zeros((0, 3)))
