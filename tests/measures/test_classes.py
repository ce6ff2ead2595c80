"""Labels as classes, and the accuracy of guesses against every shuffle of them."""

from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from isthmus.core.errors import InputError
from isthmus.measures.classes import accuracy, class_sums, codes, indicators


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_labels_become_numbers_in_their_order_with_sizes(kind):
    numbers, sizes = codes(kind([7, -2, 7, 40, 7]), 5, operation="demo")
    assert (numbers.tolist(), sizes.tolist()) == ([1, 0, 1, 2, 1], [1, 3, 1])
    names, _ = codes(["b", "a", "b", "é"], 4, operation="demo")
    assert names.tolist() == [1, 0, 1, 2]


@pytest.mark.parametrize(
    ("labels", "rows", "says"),
    [
        ([0, 1, 0], 4, r"shape \(3,\) for 4 rows"), ([[0, 1, 0, 1]], 4, r"\(1, 4\)"),
        ([0.5, 1, 0, 1], 4, "dtype float64"), ([None, 1, 0, 1], 4, "dtype object"),
        ([3, 3, 3, 3], 4, "one class"), ([0, 1, 0], 3, "3 rows"),
    ],
)  # fmt: skip
def test_labels_that_are_no_classes_are_refused(labels, rows, says):
    with pytest.raises(InputError, match=f"^demo: .*{says}"):
        codes(labels, rows, operation="demo")


def test_sums_and_indicators_of_classes():
    rng = np.random.default_rng(0)
    rows, numbers = rng.normal(size=(20, 3)), np.arange(20) % 3
    expected = np.zeros((4, 3))
    for row, number in zip(rows, numbers, strict=True):
        expected[number] += row
    np.testing.assert_allclose(class_sums(rows, numbers, 4), expected, atol=1e-12)
    assert class_sums(rows.astype(np.float32), numbers, 4).dtype == np.float32
    np.testing.assert_allclose(indicators(numbers).T @ rows, expected[:3], atol=1e-12)


def test_chance_and_z_are_those_of_all_shuffles_of_the_guesses():
    guess, truth = np.array([0, 0, 1, 2, 2, 0]), np.array([0, 1, 1, 2, 0, 0])
    score = accuracy(guess, truth, "demo", ())
    right = [np.sum(guess[list(order)] == truth) for order in permutations(range(6))]
    assert score.chance == pytest.approx(np.mean(right) / 6, rel=1e-12)
    assert score.z == pytest.approx((4 - np.mean(right)) / np.std(right), rel=1e-12)
    assert score.parts["majority"] == 0.5
    assert score.parts["hits"].tolist() == [True, False, True, True, False, True]


@pytest.mark.parametrize("right", [0, 3, 10])
def test_the_interval_is_clopper_and_pearsons(right):
    truth = np.arange(10) % 2
    guess = np.where(np.arange(10) < right, truth, 1 - truth)
    low, high = binomtest(right, 10).proportion_ci(method="exact")
    assert accuracy(guess, truth, "demo", ()).ci == pytest.approx((low, high), abs=1e-9)


def test_one_guess_for_all_rows_is_no_evidence():
    score = accuracy(np.zeros(8, int), np.arange(8) % 2, "demo", ())
    assert (score.value, score.z, score.p) == (0.5, 0.0, 1.0)
