from itertools import combinations, permutations

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import crossnobis, whitened_cosine


def design(classes=5, groups=8, repeats=3, seed=0, size=0.7):
    rng = np.random.default_rng(seed)
    n = classes * groups * repeats
    labels, of = np.arange(n) % classes, np.arange(n) // (classes * repeats)
    x = size * rng.normal(size=(classes, 4))[labels] + rng.normal(size=(n, 4))
    y = size * rng.normal(size=(classes, 3))[labels] + 0.5 * x[:, :3] + rng.normal(size=(n, 3))
    return x, y, labels, of


def distances(side, labels, groups):
    rdm = crossnobis(side, labels=labels, groups=groups).parts["rdm"]
    return rdm, rdm[np.triu_indices(len(rdm), 1)]


def test_equals_whitening_by_the_covariance_written_out():
    x, y, labels, groups = design()
    pairs = list(combinations(range(5), 2))
    contrasts = np.zeros((len(pairs), 5))
    for row, (k, l) in enumerate(pairs):  # noqa: E741
        contrasts[row, k], contrasts[row, l] = 1, -1
    # Distances between classes without differences: Cov(d_p, d_q) ~ (c_p · c_q)².
    v = np.linalg.inv((contrasts @ contrasts.T) ** 2)
    a, b = (distances(side, labels, groups)[1] for side in (x, y))
    expected = a @ v @ b / np.sqrt((a @ v @ a) * (b @ v @ b))
    value = float(whitened_cosine(x, y, labels=labels, groups=groups))
    assert value == pytest.approx(expected, abs=1e-10)
    assert abs(value - a @ b / np.linalg.norm(a) / np.linalg.norm(b)) > 0.01


def test_that_covariance_is_the_one_that_noise_has():
    found = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        labels, groups = np.arange(160) % 4, np.arange(160) // 20
        found.append(distances(rng.normal(size=(160, 2)), labels, groups)[1])
    correlation = np.corrcoef(np.transpose(found))
    # Pairs 01 and 02 share a class, 01 and 23 share none.
    assert correlation[0, 1] == pytest.approx(0.25, abs=0.15)
    assert correlation[0, 5] == pytest.approx(0.0, abs=0.15)


def test_chance_is_the_mean_over_all_permutations_of_classes():
    x, y, labels, groups = design()
    score = whitened_cosine(x, y, labels=labels, groups=groups)
    a, b = (distances(side, labels, groups)[0] for side in (x, y))
    h = np.eye(5) - 1 / 5
    a, b = h @ a @ h, h @ b @ h
    values = [np.sum(a * b[np.ix_(p, p)]) for p in permutations(range(5))]
    expected = np.mean(values) / np.linalg.norm(a) / np.linalg.norm(b)
    assert score.chance == pytest.approx(expected, abs=1e-12)
    assert score.ci is None


def test_noise_does_not_make_spaces_alike():
    values = []
    for seed in range(60):
        x, _, labels, groups = design(seed=seed, size=0)
        y = np.random.default_rng(seed + 100).normal(size=(len(x), 3))
        values.append(float(whitened_cosine(x, y, labels=labels, groups=groups)))
    assert min(values) < 0
    assert abs(np.mean(values)) < 0.25


def test_too_few_classes_are_refused():
    x, y, labels, groups = design()
    with pytest.raises(InputError, match="3 or more"):
        whitened_cosine(x, y, labels=labels % 2, groups=groups)
    with pytest.raises(InputError, match="labels"):
        whitened_cosine(x, y, labels=labels[:5], groups=groups)


def test_errors_name_the_measure_and_the_side():
    rng = np.random.default_rng(0)
    labels, groups = np.arange(60) % 3, np.arange(60) // 12
    x, y = rng.normal(size=(2, 60, 3))
    given = {"labels": labels, "groups": groups}
    for call, match in (
        (lambda: whitened_cosine(x, y * 0, **given), "got y whose 60 rows are all equal"),
        (lambda: whitened_cosine(x, y[:, [0, 0]], **given), r"got y \(60, 2\) whose noise"),
        (lambda: whitened_cosine(x, rng.normal(size=(60, 57)), **given), r"got y \(60, 57\)"),
        (lambda: whitened_cosine(x, y, labels=labels[:-1], groups=groups), "got labels"),
        (lambda: whitened_cosine(x, y, labels=labels * 0, groups=groups), "got 1 classes"),
        (lambda: whitened_cosine(x, y, labels=labels, groups=labels), "in 0 groups"),
    ):
        with pytest.raises(InputError, match="^whitened_cosine: " + f".*{match}"):
            call()
