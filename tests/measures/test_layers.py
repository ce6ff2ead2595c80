"""Layers: what is no stack is refused in words, and what is read off one layer has its formula."""

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures.layers import LEAST, entropy, nearest, rows_of, stack, unit_rows


def cloud(n=60, d=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def oracle(x, k):
    """Indices of the k nearest, and TwoNN of the distinct rows by its formula."""
    apart = np.linalg.norm(x[:, None] - x[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    indices = np.argsort(apart, axis=1, kind="stable")[:, :k]
    rows = np.unique(x, axis=0)
    apart = np.sort(np.linalg.norm(rows[:, None] - rows[None], axis=2), axis=1)
    logs = np.sort(np.log(apart[:, 2] / apart[:, 1]))
    kept = len(logs) - len(logs) // 10
    dim = (kept - 1) / (logs[:kept].sum() + (len(logs) - kept) * logs[kept - 1])
    return indices, dim


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f8", "i1", "?", "O"])
def test_one_array_and_its_list_of_layers_are_one_stack_in_float64(dtype):
    x = np.arange(24).reshape(2, 3, 4).astype(dtype)
    for given in (x, list(x), tuple(x), x.tolist(), x[:, ::-1][:, ::-1]):
        found = stack(given, operation="it", axes=2)
        assert [layer.dtype for layer in found] == [np.float64] * 2
        assert np.array_equal(np.stack(found), x.astype(float))


def test_torch_gives_the_same_stack():
    torch = pytest.importorskip("torch")
    x = torch.arange(24.0).reshape(2, 3, 4)
    for given in (x, list(x), x.clone().requires_grad_(), x.to(torch.bfloat16)):
        assert np.array_equal(np.stack(stack(given, operation="it", axes=2)), x.numpy())


def test_widths_may_differ_and_nothing_else():
    found = stack([np.ones((5, 2)), np.ones((5, 7))], operation="it", axes=2)
    assert [layer.shape for layer in found] == [(5, 2), (5, 7)]
    with pytest.raises(InputError, match=r"shapes \[\(4, 2\), \(5, 2\)\]; .*each \(rows, d\)"):
        stack([np.ones((5, 2)), np.ones((4, 2))], operation="it", axes=2)
    with pytest.raises(InputError, match=r"sequences, tokens, d"):
        stack([np.ones((2, 5, 2)), np.ones((2, 4, 2))], operation="it", axes=3)
    with pytest.raises(InputError, match=r"rows, d"):
        stack(np.ones((2, 2, 5, 2)), operation="it", axes=2)


@pytest.mark.parametrize(
    "wrong",
    [
        None, 3, 3.0, np.float64(3), np.array(3.0), {0: np.ones((3, 2))}, {1, 2}, "ab", b"ab",
        (one for one in [np.ones((3, 2))]), [], [None], [[]], [1, 2], np.ones((2, 0, 3)),
        np.ones((0, 3, 3)), np.ones((2, 3, 0)), [[[1, 2], [3]]], [[["1", "2"]]],
        np.ones((2, 3, 4), complex), np.zeros((2, 3, 4), "M8[s]"), np.zeros((2, 3, 4), "U1"),
        np.ma.masked_array(np.ones((2, 3, 4)), mask=True),
        [np.ones((3, 2)), np.ma.masked_array(np.ones((3, 2)), mask=True)],
        np.full((1, 3, 2), np.nan), [np.ones((3, 2)), np.full((3, 2), np.inf)],
    ],
)  # fmt: skip
def test_what_is_no_stack_is_refused_in_words(wrong):
    for read in (lambda x: stack(x, operation="it", axes=2), lambda x: rows_of(x, operation="it")):
        with pytest.raises(InputError, match="(?s)^it: got "):
            read(wrong)


def test_the_layer_at_fault_is_named():
    broken = [np.ones((3, 2)), np.full((3, 2), np.nan)]
    with pytest.raises(InputError, match="layer 1 of shuffled"):
        stack(broken, operation="it", axes=2, name="shuffled")
    with pytest.raises(InputError, match="layer 1 of hidden: entries of complex128"):
        stack([np.ones((3, 2)), np.ones((3, 2), complex)], operation="it", axes=2)


def test_sequences_of_tokens_become_rows_in_their_order():
    x = cloud(24, 4).reshape(2, 3, 4, 4)
    found = rows_of(x, operation="it")
    assert [layer.shape for layer in found] == [(12, 4)] * 2
    assert np.array_equal(found[1], np.concatenate(list(x[1])))
    assert np.array_equal(rows_of(x[0], operation="it")[2], x[0, 2])
    with pytest.raises(InputError, match="each \\(sequences, tokens, d\\)"):
        rows_of([x[0], x[0, 0]], operation="it")


@pytest.mark.parametrize("k", [1, 2, 5])
def test_nearest_rows_and_dimension_are_their_formulas(k):
    x = cloud()
    indices, dimension = nearest(x, k, what="it", operation="op")
    expected = oracle(x, k)
    assert np.array_equal(indices, expected[0])
    assert dimension == pytest.approx(expected[1], rel=1e-12)
    assert nearest(1e3 * x + 7, k, what="it", operation="op")[1] == pytest.approx(dimension)


def test_equal_rows_count_once_for_the_dimension_and_are_neighbours_still():
    x = np.r_[cloud(), cloud()[:30], cloud()[:5]]
    indices, dimension = nearest(x, 3, what="it", operation="op")
    expected = oracle(x, 3)
    assert np.array_equal(indices, expected[0])
    assert dimension == pytest.approx(expected[1], rel=1e-12)
    assert dimension == nearest(np.unique(x, axis=0), 3, what="it", operation="op")[1]


def test_too_few_distinct_rows_and_grids_are_refused():
    few = np.repeat(cloud(LEAST - 1), 2, axis=0)
    with pytest.raises(InputError, match="11 distinct rows in layer 3; expected at least 12"):
        nearest(few, 2, what="layer 3", operation="op")
    nearest(np.repeat(cloud(LEAST), 2, axis=0), 2, what="layer 3", operation="op")
    with pytest.raises(InputError, match="op: got rows on a regular grid in layer 3"):
        nearest(np.eye(20), 2, what="layer 3", operation="op")
    with pytest.raises(InputError, match="k=5"):
        nearest(cloud(3), 5, what="it", operation="op")


@pytest.mark.parametrize("size", [5e-324, 1e-200, 1.0, 1e200, 1.7e308])
def test_vectors_of_any_size_get_length_one(size):
    x = np.array([[[1.0, 0.0], [0.0, 0.0]], [[-1.0, 1.0], [0.0, -1.0]]]) * size
    root = np.sqrt(0.5)
    expected = [[[1, 0], [0, 0]], [[-root, root], [0, -1]]]
    assert unit_rows(x) == pytest.approx(np.array(expected))


def test_entropy_is_its_formula():
    shares = np.random.default_rng(0).dirichlet(np.ones(5), size=4)
    expected = -(shares * np.log(shares)).sum(axis=1)
    assert entropy(shares) == pytest.approx(expected)
    assert entropy(7 * shares[0]) == pytest.approx(expected[0])
    assert entropy(np.ones(8)) == pytest.approx(np.log(8))
    assert entropy(np.array([[0.0, 3.0], [1.0, 1.0]])) == pytest.approx([0, np.log(2)])


def test_entropy_takes_rounding_below_zero_as_zero_and_nothing_as_certain():
    assert entropy(np.array([1.0, 1.0, -1e-17])) == pytest.approx(np.log(2))
    assert entropy(np.zeros((2, 3))).tolist() == [0.0, 0.0]
