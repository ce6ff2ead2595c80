"""Functor map against a dense least-squares oracle and planted maps, and what it refuses."""

import numpy as np
import pytest
import torch

from isthmus.bridges import FunctorMap
from isthmus.core.errors import InputError


@pytest.fixture
def world():
    """Objects and relations of A, the same of B after a change of basis, and that change."""
    rng = np.random.default_rng(0)
    a, m = rng.normal(size=(40, 5)), rng.normal(size=(5, 5))
    relations = rng.normal(size=(3, 5, 5))
    return a, relations, a @ m, np.linalg.inv(m) @ relations @ m, m


def oracle(a, b, ra, rb, weight):
    """The same objective as one dense least-squares problem over vec(M)."""
    dx, dy = a.shape[1], b.shape[1]
    sa, sb = np.sqrt(np.mean(a**2)), np.sqrt(np.mean(b**2))
    blocks, truth = [np.kron(a, np.eye(dy)) / sb / np.sqrt(len(a))], [b / sb / np.sqrt(len(a))]
    for one, two in zip(ra, rb, strict=True):
        size = np.linalg.norm(one) * np.linalg.norm(two)
        factor = np.sqrt(weight / len(ra) * np.sqrt(dx * dy) / size) * sa / sb
        blocks.append(factor * (np.kron(one, np.eye(dy)) - np.kron(np.eye(dx), two.T)))
        truth.append(np.zeros((dx, dy)))
    right = np.concatenate([t.ravel() for t in truth])
    return np.linalg.lstsq(np.concatenate(blocks), right, rcond=None)[0].reshape(dx, dy)


@pytest.mark.parametrize("weight", [0.3, 1.0, 30.0])
def test_equals_dense_least_squares(weight):
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(7, 4)) * 3, rng.normal(size=(7, 3))
    ra, rb = rng.normal(size=(2, 4, 4)), rng.normal(size=(2, 3, 3)) * 5
    fitted = FunctorMap(weight=weight).fit(a, ra, b, rb)
    np.testing.assert_allclose(fitted.coef_, oracle(a, b, ra, rb, weight), atol=1e-8)


def test_one_pair_is_enough_when_relations_are_generic(world):
    a, ra, b, rb, m = world
    fitted = FunctorMap().fit(a, ra, b, rb, ([3], [3]))
    np.testing.assert_allclose(fitted.coef_, m, atol=1e-7)
    np.testing.assert_allclose(fitted.transform(a), b, atol=1e-6)
    assert fitted.relation_misfit_ < 1e-8
    assert fitted.pair_misfit_ < 1e-8


def test_relations_in_another_order_are_noticed(world):
    a, ra, b, rb, m = world
    wrong = FunctorMap().fit(a, ra, b, rb[[1, 2, 0]], ([3], [3]))
    assert wrong.relation_misfit_ > 0.1
    assert np.abs(wrong.coef_ - m).max() > 0.1


def test_a_relation_that_commutes_with_everything_says_nothing(world):
    a, _, b, _, m = world
    nothing = np.eye(5)[None]
    fitted = FunctorMap().fit(a, nothing, b, nothing, ([3, 4], [3, 4]))
    assert fitted.relation_misfit_ < 1e-12
    assert fitted.pair_misfit_ < 1e-8
    assert np.abs(fitted.coef_ - m).max() > 0.1


def test_units_of_objects_and_relations_do_not_matter(world):
    a, ra, b, rb, _ = world
    rng = np.random.default_rng(2)
    noisy = rb + 0.1 * rng.normal(size=rb.shape)
    pairs = (np.arange(4), np.arange(4))
    plain = FunctorMap().fit(a, ra, b, noisy, pairs)
    scaled = FunctorMap().fit(1e3 * a, 50 * ra, 1e-2 * b, 50 * noisy, pairs)
    np.testing.assert_allclose(scaled.coef_ * 1e5, plain.coef_, rtol=1e-6)


def test_pairs_by_number_and_torch(world):
    a, ra, b, rb, m = world
    order = np.random.default_rng(3).permutation(len(b))
    tensors = [torch.asarray(side) for side in (a, ra, b[order], rb)]
    fitted = FunctorMap().fit(*tensors, ([0, 1], np.argsort(order)[:2]))
    np.testing.assert_allclose(fitted.coef_, m, atol=1e-7)
    moved = fitted.transform(torch.asarray(a, dtype=torch.float32))
    assert moved.dtype == torch.float32
    np.testing.assert_allclose(moved.numpy(), b, atol=1e-4)


def test_saved_and_loaded(world, tmp_path):
    a, ra, b, rb, _ = world
    fitted = FunctorMap(weight=2.0).fit(a, ra, b, rb)
    again = FunctorMap.load(fitted.save(tmp_path / "functor.isthmus"))
    np.testing.assert_array_equal(again.transform(a), fitted.transform(a))
    assert again.get_params() == {"weight": 2.0}
    assert again.relation_misfit_ == fitted.relation_misfit_


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"pairs": ()}, "0 known pairs"),
        ({"rels_A": []}, "no relation in rels_A"),
        ({"rels_A": np.ones((2, 5, 5))}, "2 relations of A and 3 of B"),
        ({"rels_B": np.ones((3, 4, 4))}, "\\(5, 5\\), as its objects"),
        ({"rels_B": np.zeros((3, 5, 5))}, "all zero"),
        ({"objs_A": np.full((40, 5), np.nan)}, "objs_A with NaN"),
        ({"objs_A": np.zeros((40, 5))}, "with a direction"),
        ({"pairs": ([0, 0], [1, 2])}, "one partner a row"),
        ({"pairs": ([0], [40])}, "row numbers 0..39"),
    ],
)
def test_refusals(world, change, says):
    a, ra, b, rb, _ = world
    given = {"objs_A": a, "rels_A": ra, "objs_B": b, "rels_B": rb, **change}
    with pytest.raises(InputError, match=says):
        FunctorMap().fit(**given)


def test_weight_must_be_positive(world):
    with pytest.raises(InputError, match="weight=0"):
        FunctorMap(weight=0).fit(*world[:4])
