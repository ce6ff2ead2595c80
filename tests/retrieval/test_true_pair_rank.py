import numpy as np
import pytest

from isthmus.core import neighbors
from isthmus.core.errors import InputError
from isthmus.retrieval.true_pair_rank import per_query, true_pair_rank

METRICS = ["cosine", "inner", "euclidean"]


def naive(x, y, metric):
    ranks = []
    for i, row in enumerate(x.astype(float)):
        if metric == "cosine":
            scores = [
                row @ z / (np.linalg.norm(row) * np.linalg.norm(z)) if z.any() and row.any() else 0
                for z in y.astype(float)
            ]
        elif metric == "inner":
            scores = [row @ z for z in y.astype(float)]
        else:
            scores = [-np.linalg.norm(row - z) for z in y.astype(float)]
        above = sum(s > scores[i] + 1e-9 for s in scores)
        tied = sum(abs(s - scores[i]) <= 1e-9 for s in scores) - 1
        ranks.append(1 + above + tied / 2)
    return np.array(ranks)


@pytest.fixture(scope="module")
def noisy():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(60, 5)) + 1
    return y + rng.normal(size=y.shape), y


@pytest.mark.parametrize("metric", METRICS)
def test_ranks_are_the_oracles(noisy, metric):
    x, y = noisy
    expected = naive(x, y, metric)
    assert np.array_equal(per_query(x, y, metric=metric), expected)
    assert not np.array_equal(per_query(y, x, metric=metric), expected)
    assert float(true_pair_rank(x, y, metric=metric)) == pytest.approx(expected.mean())
    top = true_pair_rank(x, y, metric=metric, statistic="top1")
    assert float(top) == (expected == 1).mean()
    assert top.chance == 1 / 60
    middle = true_pair_rank(x, y, metric=metric, statistic="median")
    assert float(middle) == np.median(expected)
    assert middle.chance == 30.5


@pytest.mark.parametrize("metric", METRICS)
def test_a_map_to_one_point_ranks_at_chance_and_never_first(metric):
    y = np.tile([[1.0, 2.0]], (11, 1))
    assert float(true_pair_rank(y, y, metric=metric)) == 6.0
    assert float(true_pair_rank(y, y, metric=metric, statistic="top1")) == 0.0


def test_duplicates_share_their_rank():
    y = np.random.default_rng(1).normal(size=(40, 64)).astype(np.float32)
    y[7] = y[3]
    ranks = per_query(y, y)
    assert ranks[3] == ranks[7] == 1.5
    assert (np.delete(ranks, [3, 7]) == 1).all()


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_cosine_ranks_survive_extreme_norms(noisy, scale):
    x, y = noisy
    assert np.array_equal(per_query(x * scale, y), naive(x, y, "cosine"))


def test_every_array_kind_gives_the_same(noisy):
    import array_api_strict

    torch = pytest.importorskip("torch")
    x, y = noisy
    expected = per_query(x, y)
    for make in (torch.as_tensor, array_api_strict.asarray):
        given = per_query(make(x), make(y))
        assert type(given) is type(make(x))
        assert np.array_equal(np.asarray(given), expected)
        assert float(true_pair_rank(make(x), make(y))) == expected.mean()


def test_batches_do_not_matter(noisy, monkeypatch):
    x, y = noisy
    whole = per_query(x, y)
    monkeypatch.setattr(neighbors, "_RANK_CELLS", 7 * 60)
    assert np.array_equal(per_query(x, y), whole)


@pytest.mark.parametrize(
    "wrong",
    [
        {"x": np.ones((3, 2)), "y": np.ones((3, 3))},
        {"x": np.ones((3, 2)), "y": np.ones((4, 2))},
        {"x": np.full((3, 2), np.nan), "y": np.ones((3, 2))},
        {"x": np.eye(3), "y": np.eye(3), "metric": "manhattan"},
        {"x": np.eye(3), "y": np.eye(3), "statistic": "mode"},
    ],
)
def test_bad_input_is_typed(wrong):
    with pytest.raises(InputError):
        true_pair_rank(**wrong)
