import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.retrieval.search import search


def brute(queries, base, metric):
    if metric == "euclidean":
        return -np.linalg.norm(queries[:, None] - base[None], axis=2)
    if metric == "cosine":
        queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        base = base / np.linalg.norm(base, axis=1, keepdims=True)
    return queries @ base.T


@pytest.fixture(scope="module")
def sides():
    rng = np.random.default_rng(3)
    return rng.normal(size=(20, 6)), rng.normal(size=(50, 6))


@pytest.mark.parametrize("metric", ["cosine", "inner", "euclidean"])
@pytest.mark.parametrize("excluding", [False, True])
def test_finds_what_brute_force_finds(sides, metric, excluding):
    queries, base = sides
    scores = brute(queries, base, metric)
    exclude = None
    if excluding:
        exclude = scores.argmax(axis=1)
        exclude[::3] = scores.argmin(axis=1)[::3]
        exclude[1::3] = -1
        banned = np.flatnonzero(exclude >= 0)
        scores[banned, exclude[banned]] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :7]
    hits = search(queries, base, 7, metric=metric, exclude=exclude)
    assert np.array_equal(hits.rows, order)
    assert hits.rows.dtype == np.int64
    assert np.allclose(hits.scores, np.take_along_axis(scores, order, axis=1))


def test_exclusion_matters():
    base = np.eye(4)
    assert search(base, base, 1).rows.ravel().tolist() == [0, 1, 2, 3]
    found = search(base, base, 3, exclude=np.arange(4)).rows
    assert all(i not in row for i, row in enumerate(found.tolist()))


def test_k_beyond_the_base_gives_every_row(sides):
    queries, base = sides
    assert search(queries, base, 1000).rows.shape == (20, 50)
    assert search(queries, base, 1000, exclude=np.zeros(20, dtype=int)).rows.shape == (20, 49)


def test_ties_go_to_the_lower_row():
    base = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 0.0], [1.0, 0.0]])
    assert search([[1.0, 0.0]], base, 3).rows.tolist() == [[1, 2, 3]]


@pytest.mark.parametrize("excluding", [False, True])
def test_torch_in_torch_out_same_rows(sides, excluding):
    torch = pytest.importorskip("torch")
    queries, base = sides
    exclude = np.arange(20) if excluding else None
    here = search(queries, base, 5, exclude=exclude)
    there = search(torch.as_tensor(queries), torch.as_tensor(base), 5, exclude=exclude)
    assert isinstance(there.rows, torch.Tensor)
    assert isinstance(there.scores, torch.Tensor)
    assert np.array_equal(there.rows.numpy(), here.rows)
    assert np.allclose(there.scores.numpy(), here.scores)


@pytest.mark.parametrize(
    "wrong",
    [
        {"k": 0},
        {"k": 2.0},
        {"queries": np.ones((2, 3))},
        {"queries": np.full((2, 6), np.nan)},
        {"metric": "dot"},
        {"exclude": [0]},
        {"exclude": np.full(20, 50)},
        {"exclude": np.full(20, 0.5)},
    ],
)
def test_bad_input_is_typed(sides, wrong):
    queries, base = sides
    with pytest.raises(InputError):
        search(**{"queries": queries, "base": base, "k": 3, **wrong})
