"""Kernel decoders: the kernel and every form by loops, which form is chosen, edge cases."""

from itertools import product

import numpy as np
import pytest
import torch

from isthmus.bridges import SelfLearning
from isthmus.bridges.kernel_decoder import Decoder, _solve, decode, kernel
from isthmus.core.errors import InputError

FORMS = list(product((0.1, 1.0), (False, True), (0.0, 1.0), (None, 3.0, 1.0, 0.3)))


def unit(rows):
    return np.array([row / np.linalg.norm(row) if row.any() else row for row in rows])


def near(a, b):
    return np.expm1(np.einsum("ik,jk->ij", a, b))


def naive(x, y, i, j, form, z):
    """Translations of z by one form fitted on the pairs i, j."""
    penalty, beneath, share, sharper = form
    middle, mean = x.mean(axis=0), y.mean(axis=0)
    source, target = x[i] - middle, y[j] - mean
    u, s, vt = np.linalg.svd(source.T @ target, full_matrices=False)
    linear = beneath * (u @ vt) * s.sum() / np.sum(source**2)
    gram = near(unit(source), unit(source)) + penalty * np.eye(len(i))
    weights = np.linalg.inv(gram) @ (target - source @ linear)
    found = (z - middle) @ linear + near(unit(z - middle), unit(source)) @ weights
    if sharper is not None:
        spread = np.cov(y.T, bias=True)
        spread *= len(spread) / np.trace(spread)
        found = (sharper + 1) * found @ np.linalg.inv(spread + sharper * np.eye(len(spread)))
    return found + share * mean


def spaces(n, dx, dy, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, dx)) * np.geomspace(2, 0.5, dx) + rng.normal(size=dx)
    y = x @ rng.normal(size=(dx, dy)) + 2 * np.abs(x) @ rng.normal(size=(dx, dy))
    return x, y + 0.3 * rng.normal(size=(n, dy)) + 3 * rng.normal(size=dy), rng.permutation(n)


def test_the_kernel_is_exp_cos_less_one():
    a, b = (unit(side) for side in np.random.default_rng(0).normal(size=(2, 5, 3)))
    a[2] = 0
    np.testing.assert_allclose(kernel(a, b[:1]), near(a, b[:1]), atol=1e-14)
    assert kernel(a.astype(np.float32), b.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize(("count", "dims"), [(1, (4, 3)), (9, (2, 5)), (9, (1, 2))])
def test_fewer_than_ten_pairs_get_the_first_form_on_all_rows_means(count, dims):
    x, y, order = spaces(20, *dims, seed=1)
    i, j = order[:count], order[::-1][:count]
    made = decode(x, y, i, j, sure=count, most=99, rng=np.random.default_rng(0))
    np.testing.assert_allclose(made(x), naive(x, y, i, j, FORMS[0], x), atol=1e-5)
    assert not made.offset.any()


def test_from_ten_pairs_on_the_form_that_ranks_held_out_pairs_best_is_fitted_on_all():
    chosen = []
    for seed, *dims in ((1, 3, 5), (2, 4, 3), (3, 3, 5), (4, 3, 5), (1, 4, 3)):
        x, y, order = spaces(30, *dims, seed)
        i = order[:20]
        mixed = i[np.random.default_rng(seed).permutation(20)]
        scores = []
        for form in FORMS:
            found = naive(x, y, mixed[5:], mixed[5:], form, x[mixed[:5]])
            ahead = [np.sum(c > c[k] + 1e-12) for k, c in enumerate(unit(found) @ unit(y[mixed]).T)]
            scores.append(np.round(np.mean(1 / (1 + np.array(ahead))), 9))
        chosen.append(FORMS[int(np.argmax(scores))])
        made = decode(x, y, i, i, sure=20, most=99, rng=np.random.default_rng(seed))
        np.testing.assert_allclose(made(x), naive(x, y, i, i, chosen[-1], x), atol=1e-4)
    assert [len(set(part)) for part in zip(*chosen, strict=True)] == [2, 2, 2, 4]


@pytest.mark.parametrize("sure", [0, 5, 20])
def test_known_pairs_are_the_first_centres_kept(sure):
    x, y, order = spaces(60, 4, 3, seed=4)
    made = decode(x, y, order, order, sure=sure, most=12, rng=np.random.default_rng(0))
    rows = unit(x[order] - x.mean(axis=0))
    place = [int(np.argmax(rows @ centre)) for centre in made.centres]
    np.testing.assert_allclose(made.centres, rows[place], atol=1e-12)
    assert (place[:sure], len(set(place))) == (list(range(sure))[:12], 12)


def test_thousands_of_pairs_are_solved_in_single_precision_to_the_same_answer():
    x, y, order = spaces(2050, 2, 1, seed=5)
    made = _solve(x, y, order[:2001], order[:2001], 1.0, False)
    # Kernel ridge misses a fitted row by the penalty times that row's own weight.
    left = y[order[:2001]] - made.offset - np.expm1(made.centres @ made.centres.T) @ made.weights
    np.testing.assert_allclose(made.weights, left, atol=1e-3 * np.abs(y).max())


def test_a_kept_decoder_translates_every_kind_alike():
    x, y, _ = spaces(30, 4, 3, seed=5)
    bridge = SelfLearning().fit(x, y)
    kept = bridge.mean_, bridge.linear_, bridge.centres_, bridge.weights_, bridge.offset_
    z = np.r_[x[:4] + 1, bridge.mean_[None]]
    expected = (z - kept[0]) @ kept[1] + near(unit(z - kept[0]), kept[2]) @ kept[3] + kept[4]
    np.testing.assert_allclose(Decoder(*kept)(z), expected, atol=1e-5)
    for kind, atol in ((np.asarray, 1e-12), (torch.tensor, 1e-12), (np.float32, 1e-4)):
        found = bridge.transform(kind(z))
        assert (type(found), found.dtype) == (type(kind(z)), kind(z).dtype)
        np.testing.assert_allclose(np.asarray(found), expected, atol=atol)


def test_rows_that_do_not_vary_and_rows_that_cannot_be_used():
    x, y, _ = spaces(30, 2, 3, seed=6)
    assert np.isfinite(SelfLearning().fit(np.ones((30, 2)), y).transform(x)).all()
    bridge = SelfLearning().fit(x, np.full((30, 3), 4.0))
    assert (np.ptp(bridge.transform(x), axis=0) == 0).all()
    for bad, says in ((y, "2 features"), ([[np.nan, 1.0]], "got X with NaN")):
        with pytest.raises(InputError, match=f"transform: .*{says}"):
            bridge.transform(bad)
