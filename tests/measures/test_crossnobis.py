import numpy as np
import pytest
from scipy import stats

from isthmus.core.errors import InputError
from isthmus.measures import crossnobis


def design(classes=4, groups=6, repeats=5, d=3, size=1.0, seed=0):
    rng = np.random.default_rng(seed)
    n = classes * groups * repeats
    labels, of = np.arange(n) % classes, np.arange(n) // (classes * repeats)
    centres = size * rng.normal(size=(classes, d))
    return centres[labels] + rng.normal(size=(n, d)) @ rng.normal(size=(d, d)), labels, of


def oracle(x, labels, groups):
    """All ordered pairs of different groups, written out."""
    classes, names, d = np.unique(labels), np.unique(groups), x.shape[1]
    away = x.copy()
    for k in classes:
        away[labels == k] -= x[labels == k].mean(axis=0)
    precision = np.linalg.inv(away.T @ away / (len(x) - len(classes)))
    rdm = np.zeros((len(classes), len(classes)))
    for i, k in enumerate(classes):
        for j, l in enumerate(classes):  # noqa: E741
            if i == j:
                continue
            deltas = []
            for g in names:
                a, b = x[(groups == g) & (labels == k)], x[(groups == g) & (labels == l)]
                if len(a) and len(b):
                    deltas.append(a.mean(axis=0) - b.mean(axis=0))
            products = [
                one @ precision @ two / d
                for p, one in enumerate(deltas)
                for q, two in enumerate(deltas)
                if p != q
            ]
            rdm[i, j] = np.mean(products)
    return rdm


def test_equals_the_formula_also_where_groups_lack_classes():
    x, labels, groups = design()
    keep = np.random.default_rng(1).random(len(x)) < 0.5
    for use in (keep, np.ones(len(x), bool)):
        parts = x[use], labels[use], groups[use]
        score = crossnobis(parts[0] + 1e3, labels=parts[1], groups=parts[2])
        expected = oracle(*parts)
        np.testing.assert_allclose(score.parts["rdm"], expected, atol=1e-9)
        assert score.value == pytest.approx(expected[np.triu_indices(4, 1)].mean(), abs=1e-9)


def test_noise_alone_averages_to_zero_and_the_plain_distance_does_not():
    values, plain, p = [], [], []
    for seed in range(200):
        x, labels, groups = design(groups=10, repeats=2, size=0, seed=seed)
        score = crossnobis(x, labels=labels, groups=groups)
        values.append(score.value)
        p.append(score.p)
        means = np.stack([x[labels == k].mean(axis=0) for k in range(4)])
        plain.append(np.sum((means[0] - means[1]) ** 2))
    assert abs(np.mean(values)) < 4 * np.std(values) / 200**0.5
    assert min(values) < 0 < max(values)
    assert min(plain) > 0
    assert np.mean(np.array(p) < 0.05) < 0.085


def test_repeats_do_not_move_the_mean_where_the_plain_distance_shrinks():
    def mean(repeats):
        found = []
        for seed in range(60):
            rng = np.random.default_rng(seed)
            n = 2 * 5 * repeats
            labels, groups = np.arange(n) % 2, np.arange(n) // (2 * repeats)
            x = rng.normal(size=(n, 3)) + labels[:, None]
            found.append(float(crossnobis(x, labels=labels, groups=groups)))
        return np.mean(found)

    # One apart in each of three directions of unit noise: distance 3, per dimension 1.
    assert mean(40) == pytest.approx(1.0, abs=0.05)
    assert mean(4) == pytest.approx(1.0, abs=0.2)


def test_interval_equals_leaving_groups_out_by_hand():
    x, labels, groups = design(groups=5)
    score = crossnobis(x, labels=labels, groups=groups)
    # Σ held: whiten once, then a group leaves the means only.
    away = x - np.stack([x[labels == k].mean(axis=0) for k in range(4)])[labels]
    precision = np.linalg.inv(away.T @ away / (len(x) - 4))
    deltas = np.array(
        [
            [
                x[(groups == g) & (labels == k)].mean(axis=0)
                - x[(groups == g) & (labels == l)].mean(axis=0)
                for g in range(5)
            ]
            for k in range(4)
            for l in range(k + 1, 4)  # noqa: E741
        ]
    )
    left = []
    for g in range(5):
        rest = np.delete(deltas, g, axis=1)
        grams = np.einsum("pgd,de,phe->pgh", rest, precision, rest) / 3
        left.append(np.mean([gram[~np.eye(4, dtype=bool)].mean() for gram in grams]))
    left = np.array(left)
    error = np.sqrt(4 / 5 * np.sum((left - left.mean()) ** 2))
    expected = score.value + stats.t.ppf(0.975, 4) * error * np.array([-1, 1])
    np.testing.assert_allclose(score.ci, expected, atol=1e-9)
    assert score.z == pytest.approx(score.value / error)
    assert "5 groups" in score.warnings[0]


def test_two_groups_give_a_value_without_interval():
    x, labels, groups = design(groups=2)
    score = crossnobis(x, labels=labels, groups=groups)
    assert score.ci is None
    assert score.z is None


def test_unusable_input_is_refused():
    x, labels, groups = design()
    for call, match in (
        (lambda: crossnobis(x, labels=labels[:-1], groups=groups), "labels"),
        (lambda: crossnobis(x, labels=labels, groups=groups[:, None]), "groups"),
        (lambda: crossnobis(x, labels=0 * labels, groups=groups), "1 classes"),
        (lambda: crossnobis(x, labels=labels, groups=0 * groups), "1 groups"),
        (lambda: crossnobis(x, labels=labels, groups=labels), "together in 0 groups"),
        (lambda: crossnobis(x[:, [0, 0, 1]], labels=labels, groups=groups), "no inverse"),
        (lambda: crossnobis(x * [1, 1, 0], labels=labels, groups=groups), "no inverse"),
        (lambda: crossnobis(np.tile(x, 50), labels=labels, groups=groups), "more rows"),
        (lambda: crossnobis(np.ones_like(x), labels=labels, groups=groups), "all equal"),
    ):
        with pytest.raises(InputError, match=match):
            call()


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_a_column_that_others_make_is_refused_in_either_precision(kind):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 30))
    labels, groups = np.arange(2000) % 4, np.arange(2000) // 40
    x[:, 5] = x[:, 3] + x[:, 4] + 0.01 * rng.normal(size=2000)  # nearly: what is left counts
    near = crossnobis(x.astype(kind), labels=labels, groups=groups)
    assert near.value == pytest.approx(crossnobis(x, labels=labels, groups=groups).value, abs=1e-5)
    x[:, 5] = x[:, 3] + x[:, 4]  # in float32 rounding alone sets it apart
    with pytest.raises(InputError, match="no inverse"):
        crossnobis(x.astype(kind), labels=labels, groups=groups)
