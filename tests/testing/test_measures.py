"""The measures' contract: what it gives, moves, compares and says, and one fault a promise."""

from functools import partial

import numpy as np
import pytest

from isthmus.core.arrays import paired, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import Method
from isthmus.core.score import Score
from isthmus.testing import measures as suite


def measure(call, **card):
    known = {"cost": "n d", "memory": "n d", "paper": Paper("None", "Nobody", 2000)}
    return Method("measures", Card(name="some", summary="A measure.", **(known | card)), call)


def score(value, n=120, **rest):
    return Score(value=float(value), method="some", n=n, **rest)


def apart(x, y):
    """Root mean square distance of paired rows: a metric of spaces, kept by motions of both."""
    x, y = (to_numpy(side) for side in paired(x, y, operation="some", same_width=True))
    gap = np.linalg.norm(x.astype(np.float64) - y) / len(x) ** 0.5
    return score(gap, len(x), length=gap)


MOTIONS = ("orthogonal", "translation")
APART = {
    "invariant": MOTIONS, "jointly": True, "symmetric": True, "metric": True, "identical": 0.0,
    "library": "numpy", "min_rows": 1,
}  # fmt: skip


def test_every_check_of_the_module_is_run():
    found = [value for name, value in vars(suite).items() if name.startswith("check_")]
    assert list(suite.CHECKS) == found


@pytest.mark.parametrize("check", suite.CHECKS)
def test_a_measure_known_in_closed_form_passes(check):
    check(measure(apart, **APART))


# -- helpers ----------------------------------------------------------------------------------


def test_what_is_given_is_made_row_by_row_of_the_first_space():
    x = np.array([[0, 0, 0], [1, 0, 1], [0, 1, 1], [1, 1, 0], [1, 1, 1.0]])
    card = measure(apart, given=("labels", "factors", "groups", "confound")).card
    given = suite.given_to(card, (x - 0.5,))
    # Medians are 1, 1, 1: nothing lies above; below them all but the ties do.
    assert given["labels"].tolist() == [0] * 5
    x[[1, 4], 0] = 2
    x[[2, 4], 1] = 3
    given = suite.given_to(card, (x,))
    assert given["labels"].tolist() == [0, 1, 1, 0, 2]
    assert given["factors"].tolist() == [[0, 0, 0], [1, 0, 1], [1, 1, 0], [0, 0, 0], [2, 1, 1]]
    assert given["groups"].tolist() == [0, 0, 0, 0, 1]
    assert given["confound"].shape == (5, 3)
    assert list(suite.given_to(measure(apart, given=("groups",)).card, (x,))) == ["groups"]
    assert suite.given_to(measure(apart).card, (x,)) == {}


def test_classes_and_groups_are_of_use_on_the_data_of_the_checks():
    x, y = suite._data(0)
    given = suite.given_to(measure(apart, given=("labels", "groups")).card, (x, y))
    assert np.bincount(given["labels"]).min() > 10
    assert len(set(given["labels"])) == 3
    assert set(np.bincount(given["groups"])) == {4}


def test_a_group_moves_the_side_alone_or_both_by_one_element():
    spaces = suite._data(0)
    alone, both = (measure(apart, jointly=jointly).card for jointly in (False, True))
    for side in range(2):
        moved = suite._moves(alone, spaces, "translation", side)
        assert len(moved) == 2
        for one in moved:
            np.testing.assert_array_equal(one[1 - side], spaces[1 - side])
            assert np.abs(one[side] - spaces[side]).min(axis=0).max() > 1
    for one in suite._moves(both, spaces, "translation", 0):
        np.testing.assert_allclose(one[0] - spaces[0], one[1] - spaces[1], atol=1e-12)


@pytest.mark.parametrize("spaces", [1, 2])
def test_a_measure_gets_as_many_spaces_as_it_takes(spaces):
    took = []
    method = measure(lambda *sides, **given: took.append((sides, given)), spaces=spaces)
    suite._value(method, "x", "y", labels="z")
    assert took == [(("x", "y")[:spaces], {"labels": "z"})]


def test_value_and_both_ends_of_the_interval_are_compared():
    bare, held = score(0.5), score(0.6, ci=(0.4, 0.8))
    assert suite._numbers(bare, score(0.7)) == [("value", 0.5, 0.7)]
    assert suite._numbers(held, score(0.7, ci=(0.1, 0.9))) == [
        ("value", 0.6, 0.7), ("interval", 0.4, 0.1), ("interval", 0.8, 0.9)
    ]  # fmt: skip


def test_a_wrong_declaration_is_told_with_its_cure():
    explain = partial(suite._explain, gap=0.25)
    card = {"invariant": ("affine",), "invariant_target": ("row_scale",)}
    alone, both = measure(apart, **card), measure(apart, jointly=True, invariant=("affine",))
    assert explain(alone, "orthogonal", 0, declared=True) == (
        "some moves by 0.25 under orthogonal of space 1, though the card declares ['affine']: "
        "declare less, or set jointly=True if it must act on both spaces"
    )
    assert "space 2, though the card declares ['row_scale']: declare less, or" in explain(
        alone, "isotropic_scale", 1, declared=True
    )
    assert explain(both, "translation", 0, declared=True).endswith(
        "of both spaces at once, though the card declares ['affine']: declare less"
    )
    assert explain(alone, "translation", 1, declared=False).endswith(
        "so it is invariant: add 'translation' to the card's groups"
    )


# -- one fault a promise ----------------------------------------------------------------------


def of(change, **options):
    """``apart``, its value changed by what the spaces are."""

    def call(x, y, **given):
        right = apart(x, y)
        value = right.value + change(x, y)
        return score(value, right.n, length=abs(value), **options)

    return call


def neighbours(x, y):
    return np.abs(np.diff(to_numpy(x), axis=0)).sum()


def big_endian(x, y):
    return isinstance(x, np.ndarray) and x.dtype.byteorder == ">"


def is_kind(kind):
    return lambda x, y: 0.01 * (np.asarray(x).dtype == kind)


def refuses_float32(x, y):
    if x.dtype == np.float32:
        raise InputError("some", "float32", "float64")
    return apart(x, y)


def in_single(x, y):
    """Distances of both from one origin, in float32: an offset of both is not gone."""
    x, y = (side.astype(np.float32) for side in (x, y))
    return score(((x**2).sum() + (y**2).sum() - 2 * (x * y).sum()) / len(x), len(x))


def of_torch(what):
    def call(x, y):
        other = type(x).__module__ == "torch"
        return {
            "ends": score(0.5, ci=(0.3, 0.7 + 0.1 * other)),
            "none": score(0.5, ci=None if other else (0.3, 0.7)),
        }[what]

    return call


def narrow(x, y):
    """Of the last column of either, wherever the other ends."""
    return score(y[0, x.shape[1] - 1])


def slightly_lopsided(x, y):
    """Its halves differ by 1e-7: too much for a symmetric measure, too little for another."""
    one, two = (float(np.mean(side)) for side in (x, y))
    return score(1e-7 * np.sign(one - two))


def labelled(x, labels):
    x = x[: len(labels)]
    if not len(x) or not np.isfinite(x).all():
        raise InputError("some", "it", "finite rows")
    return score(0.5, len(x))


def finite_only(x, y):
    return apart(*(np.where(np.isinf(side), 0, side) for side in (x, y)))


def even_nothing(x, y):
    return apart(x, y) if len(x) else score(0, 0)


ONE = {"spaces": 1, "given": ("labels",), "min_rows": 1}
FAULTS = {
    "a count": (suite.check_returns_score, lambda x, y: score(0.5, 119), {}, "n=119 of 120"),
    "a target": (
        suite.check_invariances,
        lambda x, y: score(np.linalg.norm(x) + np.linalg.norm(y)),
        {"jointly": False, "invariant": ("orthogonal",), "invariant_target": MOTIONS},
        r"under translation of space 2, though the card declares \['translation'\]",
    ),
    "neighbours": (suite.check_row_order, of(neighbours), {}, "the order of rows"),
    "big-endian": (suite.check_layouts, of(big_endian), {}, "differs on big-endian"),
    "float16": (suite.check_precision, of(is_kind(np.float16)), {}, "loses 0.0.* in float16"),
    "a refusal": (suite.check_hard_rows, refuses_float32, {}, "None in float32, .* in float64"),
    "a far pair": (suite.check_far_and_scaled, in_single, {}, "under an offset of 1000 deviations"),
    "an interval": (suite.check_array_kinds, of_torch("ends"), {}, "interval differs on torch"),
    "no interval": (suite.check_array_kinds, of_torch("none"), {}, "interval differs on torch"),
    "a width": (suite.check_widths, narrow, {}, "raises IndexError: ask paired"),
    "float32": (suite.check_identical, of(is_kind(np.float32)), {}, "of a float32 space"),
    "symmetric": (suite.check_symmetric, slightly_lopsided, {}, "declared symmetric, yet"),
    "or not": (suite.check_symmetric, slightly_lopsided, {"symmetric": False}, "not declared so"),
    "no length": (suite.check_metric, lambda x, y: score(0.5), {}, r"return Score\(..., length="),
    "itself": (suite.check_metric, of(lambda x, y: 0.1), {}, "distance 0.1.* to itself"),
    "much": (
        suite.check_cost, lambda x, y: score((x.T @ y).sum()), {"library": "", "cost": "n d^3"},
        "strays .* from it",
    ),
    "infinity": (suite.check_refusals, finite_only, {}, "accepts inf in the last space"),
    "nothing": (suite.check_refusals, even_nothing, {}, "accepts no rows"),
    "labels": (suite.check_refusals, labelled, ONE, "accepts labels of other length"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_told_by_its_name(fault):
    check, call, changes, said = FAULTS[fault]
    with pytest.raises(AssertionError, match=said):
        check(measure(call, **(changes if changes is ONE else APART | changes)))


def test_every_check_has_a_fault():
    assert {check for check, *_ in FAULTS.values()} == set(suite.CHECKS)
