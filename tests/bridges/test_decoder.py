"""Anchors and decoders of relative codes: against sets, loops and a case worked by hand."""

import numpy as np
import pytest
import torch

from isthmus.bridges.decoder import LOO_ROWS, chosen_pairs, decoded, ridge_decoder
from isthmus.core.errors import InputError

ALPHAS = np.logspace(-8, 2, 21)


def chosen(source, target, count, sampler="uniform", rng=0):
    return chosen_pairs(source, target, count, sampler=sampler, rng=rng, operation="Demo.fit")


def length_one(rows):
    return np.array([row / np.sqrt(sum(v * v for v in row)) for row in rows])


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_anchors_are_first_copies_of_rows_that_have_a_direction_on_both_sides(kind):
    rng = np.random.default_rng(0)
    source = rng.integers(-1, 2, size=(60, 3)).astype(kind)
    target = rng.integers(-1, 1, size=(60, 2)).astype(kind)
    first = {}
    for i, (row, partner) in enumerate(zip(source.tolist(), target.tolist(), strict=True)):
        if any(row) and any(partner):
            first.setdefault(tuple(row), i)
    expected = list(first.values())
    assert 10 < len(expected) < 30
    assert chosen(source, target, 1000).tolist() == expected
    assert chosen(np.asfortranarray(source), target, 1000).tolist() == expected
    some = [set(chosen(source, target, 5, rng=seed).tolist()) for seed in range(3)]
    assert all(len(one) == 5 and one < set(expected) for one in some)
    assert some[0] != some[1]


def test_equal_targets_of_unlike_sources_stay_and_one_pair_is_an_anchor():
    assert chosen(np.eye(3), np.ones((3, 2)), 3).tolist() == [0, 1, 2]
    assert chosen(np.ones((1, 4)), np.ones((1, 2)), np.int64(7)).tolist() == [0]
    assert chosen(np.eye(9, 2, -7), np.ones((9, 2)), 1, rng=1).tolist() in ([7], [8])


def test_the_sampler_looks_at_the_source_alone():
    source = np.array([[1.0, 0.0], [0.9, 0.1], [1.0, 0.1], [-50.0, 3.0]])
    target = np.array([[0.0, 1.0], [80.0, -9.0], [0.1, 1.0], [0.0, 1.1]])
    for seed in range(5):
        assert 3 in chosen(source, target, 2, sampler="farthest_point", rng=seed)


@pytest.mark.parametrize("count", [0, -3, 2.0, "3", None])
def test_a_count_of_anchors_that_is_none_is_refused(count):
    with pytest.raises(InputError, match=r"Demo\.fit: got anchors=.*an integer of at least 1"):
        chosen(np.eye(3), np.eye(3), count)


def test_no_usable_row_and_samplers_of_no_use_are_refused():
    half = np.array([[1.0, 0.0], [0.0, 0.0]])
    with pytest.raises(InputError, match=r"Demo\.fit: got only zero vectors"):
        chosen(half, half[::-1], 2)
    with pytest.raises(InputError, match=r"'label_covering'.*one of .*uniform") as told:
        chosen(np.eye(3), np.eye(3), 2, sampler="label_covering")
    assert "label_covering" not in told.value.expected
    with pytest.raises(InputError, match="no_such_sampler"):
        chosen(np.eye(3), np.eye(3), 2, sampler="no_such_sampler")


def naive_decoder(target, source, encode_target, encode_source):
    """Every penalty by its normal equations, judged by a loop over evenly spread pairs."""
    codes, truth = encode_target(target), length_one(target)
    middle, place = codes.mean(axis=0), truth.mean(axis=0)
    gram = (codes - middle).T @ (codes - middle)
    step = max(len(target) - 1, 1) / max(min(LOO_ROWS, len(target)) - 1, 1)
    rows = [int(k * step + 1e-9) for k in range(min(LOO_ROWS, len(target)))]
    asked, found = encode_source(source), []
    for alpha in ALPHAS:
        penalty = alpha * np.trace(gram) / len(gram) * np.eye(len(gram))
        coef = np.linalg.solve(gram + penalty, (codes - middle).T @ (truth - place))
        offset = place - middle @ coef
        guess = length_one(asked[rows] @ coef + offset)
        cosines = [guess[k] @ truth[row] for k, row in enumerate(rows)]
        found.append((sum(cosines) / len(rows), coef, offset, alpha))
    return max(found, key=lambda one: one[0])[1:]


@pytest.mark.parametrize("rows", [80, 1500])
def test_the_decoder_is_the_ridge_whose_penalty_suits_the_partners_best(rows):
    rng = np.random.default_rng(1)
    target = rng.normal(size=(rows, 3)) * [2.0, 1.0, 0.3] + [1.0, 0.0, 0.5]
    noise = np.linspace(0, 3, rows)[:, None]  # the first rows alone ask for another penalty
    source = np.c_[target, target[:, 0]] + noise * rng.normal(size=(rows, 4))
    near, far = rng.normal(size=(3, 6)), rng.normal(size=(4, 6))
    far[:3] = near
    sides = (lambda y: np.tanh(y @ near)), (lambda x: np.tanh(x @ far))
    coef, offset, alpha = ridge_decoder(target, source, *sides)
    expected = naive_decoder(target, source, *sides)
    assert ALPHAS[0] < alpha < ALPHAS[-1]
    assert alpha == pytest.approx(expected[2], rel=1e-12)
    np.testing.assert_allclose(coef, expected[0], atol=1e-9)
    np.testing.assert_allclose(offset, expected[1], atol=1e-9)


def test_a_decoder_of_one_pair_points_where_that_pair_does():
    one, other = np.array([[3.0, 4.0]]), np.array([[7.0]])
    coef, offset, _ = ridge_decoder(one, other, lambda y: y[:, :1], lambda x: x)
    np.testing.assert_allclose(np.vstack([coef, offset]), [[0, 0], [0.6, 0.8]], atol=1e-15)


def test_decoded_codes_have_the_length_asked_for_and_zero_stays_zero():
    codes = np.array([[1.0, 1.0], [2.0, 0.0], [-1.0, 0.0]])
    coef, offset = np.array([[3.0, 0.0], [0.0, 4.0]]), np.array([3.0, 0.0])
    expected = np.array([np.array([6.0, 4.0]) * 5 / np.sqrt(52), [5.0, 0.0], [0.0, 0.0]])
    np.testing.assert_allclose(decoded(codes, coef, offset, 5.0), expected, atol=1e-14)
    narrow = decoded(codes.astype(np.float32), coef, offset, 5.0)
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, expected, atol=1e-6)
    tensor = decoded(torch.asarray(codes), coef, offset, 5.0)
    np.testing.assert_allclose(tensor.numpy(), expected, atol=1e-14)


def test_zeros_of_either_sign_make_one_anchor():
    source = np.array([[1.0, 0.0], [1.0, -0.0], [0.0, 1.0]])
    picked = chosen_pairs(source, np.ones((3, 2)), 5, sampler="uniform", rng=0, operation="x")
    assert sorted(picked) == [0, 2]
