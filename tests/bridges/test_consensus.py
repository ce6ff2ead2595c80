"""Generalised Procrustes from moments, against rows written out in float64."""

from itertools import combinations

import numpy as np
import pytest

from isthmus.bridges.consensus import check_connected, frames, widths_of
from isthmus.core.errors import InputError, PairingError
from isthmus.core.moments import Moments


def spaces(noise, n=300, d=6):
    rng = np.random.default_rng(0)
    common = rng.normal(size=(n, d)) * np.geomspace(2, 0.5, d)
    return {
        name: (common + noise * rng.normal(size=(n, d)))
        @ np.linalg.qr(rng.normal(size=(d, d)))[0] * size + shift
        for name, size, shift in (("a", 1.0, 0.0), ("b", 3.0, 2.0), ("c", 0.2, -1.0))
    }  # fmt: skip


def linked(rows):
    return {(s, t): Moments.of(rows[s], rows[t]) for s, t in combinations(rows, 2)}


def test_copies_agree_wholly_and_land_on_each_other():
    rows = spaces(0.0)
    found, agreement, _ = frames(tuple(rows), linked(rows), 6)
    assert agreement == pytest.approx(1.0, abs=1e-9)
    codes = [found[s].encode(rows[s]) for s in rows]
    for other in codes[1:]:
        np.testing.assert_allclose(other, codes[0], atol=1e-8)


def test_agreement_is_the_mean_product_of_codes_and_no_rotation_raises_it():
    rows = spaces(0.5)
    found, agreement, _ = frames(tuple(rows), linked(rows), 6)
    unit = {s: (x - x.mean(0)) / np.sqrt(np.mean(np.sum((x - x.mean(0)) ** 2, 1)))
            for s, x in rows.items()}  # fmt: skip
    codes = {s: unit[s] @ found[s].turn for s in rows}
    products = [np.mean(np.sum(codes[s] * codes[t], 1)) for s, t in combinations(rows, 2)]
    assert agreement == pytest.approx(np.mean(products), abs=1e-9)
    assert agreement < 0.95
    for s in rows:  # the best turn of each space towards the sum of the others
        rest = sum(codes[t] for t in rows if t != s)
        best = np.linalg.svd(unit[s].T @ rest, compute_uv=False).sum()
        assert np.vdot(codes[s], rest) == pytest.approx(best, rel=1e-4)


def test_spaces_that_nothing_connects_are_named():
    x, y = np.random.default_rng(1).normal(size=(2, 20, 3))
    links = {("a", "b"): Moments.of(x, y), ("c", "d"): Moments.of(y, x)}
    with pytest.raises(PairingError, match="a, b; c, d"):
        check_connected(("a", "b", "c", "d"), links)


def test_a_width_told_two_ways_is_refused():
    x = np.random.default_rng(2).normal(size=(20, 4))
    links = {("a", "b"): Moments.of(x, x), ("b", "c"): Moments.of(x[:, :2], x)}
    with pytest.raises(InputError, match="each space of one width"):
        widths_of(links)
    assert widths_of({("a", "b"): Moments.of(x, x[:, :3])}) == {"a": 4, "b": 3}
