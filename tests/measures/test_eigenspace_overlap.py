import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import eigenspace_overlap


def related(n=50, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5)) + 1
    return x, x[:, :3] + 0.5 * rng.normal(size=(n, 3))


def oracle(x, y, w=None):
    w = np.ones(len(x)) if w is None else w
    cross = np.linalg.solve((x.T * w) @ x, (x.T * w) @ y)
    back = np.linalg.solve((y.T * w) @ y, (y.T * w) @ x)
    return np.trace(cross @ back) / max(x.shape[1], y.shape[1])


def test_equals_the_formula_in_either_order():
    x, y = related()
    assert eigenspace_overlap(x, y).value == pytest.approx(oracle(x, y), abs=1e-12)
    assert eigenspace_overlap(y, x).value == pytest.approx(oracle(x, y), abs=1e-12)


def test_a_part_of_the_columns_is_a_part_of_the_span():
    x, _ = related()
    assert eigenspace_overlap(x, x[:, :2]).value == pytest.approx(0.4, abs=1e-12)


def test_nothing_is_centred():
    x, y = related()
    assert abs(eigenspace_overlap(x + 9, y).value - eigenspace_overlap(x, y).value) > 1e-3


def test_chance_and_z_match_shuffles_though_means_agree():
    x, y = related()
    rng = np.random.default_rng(0)
    values = np.array([oracle(x, y[rng.permutation(50)]) for _ in range(3000)])
    score = eigenspace_overlap(x, y)
    assert score.chance == pytest.approx(values.mean(), abs=4 * values.std() / np.sqrt(3000))
    spread = (score.value - score.chance) / score.z
    assert spread == pytest.approx(values.std(), rel=0.06)
    p = [eigenspace_overlap(x, y[rng.permutation(50)]).p for _ in range(400)]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.09


def test_interval_is_that_of_the_weight_derivatives():
    x, y = related(n=20)
    psi = []
    for i in range(20):
        ends = [oracle(x, y, np.ones(20) + s * 1e-5 * (np.arange(20) == i)) for s in (1, -1)]
        psi.append(20 * (ends[0] - ends[1]) / 2e-5)
    half = 1.959963984540054 * np.sqrt(np.var(psi, ddof=1) / 20)
    score = eigenspace_overlap(x, y)
    assert (score.ci[1] - score.ci[0]) / 2 == pytest.approx(half, rel=1e-6)


def test_many_rows_need_no_square_of_them():
    x = np.random.default_rng(0).normal(size=(200_000, 3))  # n x n would be 320 GB
    assert eigenspace_overlap(x, x[:, ::-1] * 2).distance() < 1e-10


def test_spans_that_fill_all_rows_and_zeros_are_refused():
    x, y = np.random.default_rng(0).normal(size=(2, 60, 100))
    for one, two in ((x, y[:, :3]), (x[:, :3], y), (x[:, :59], y[:, :3])):
        with pytest.raises(InputError, match=r"eigenspace_overlap.*more rows than dim.*svcca"):
            eigenspace_overlap(one, two)
    score = eigenspace_overlap(x[:, :58], y[:, :58])
    assert 0.9 < score.chance < 1
    assert "shuffled pairs" in score.warnings[0]
    with pytest.raises(InputError, match="zero"):
        eigenspace_overlap(np.zeros((10, 2)), y[:10, :2])


def test_a_column_that_others_make_adds_nothing_in_either_precision():
    x, y = related(400)
    wider = np.c_[x, x[:, 0] + x[:, 1]]
    expected = eigenspace_overlap(x, y).value
    assert eigenspace_overlap(wider, y).value == pytest.approx(expected, abs=1e-9)
    narrow = eigenspace_overlap(wider.astype("f4"), y.astype("f4")).value
    assert narrow == pytest.approx(expected, abs=1e-5)
