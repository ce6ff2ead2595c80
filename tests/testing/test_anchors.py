"""The samplers' contract: what it hands a sampler, and that each promise is asked for by itself."""

import numpy as np
import pytest

from isthmus.core.card import GROUPS, Card, Paper, closure
from isthmus.core.errors import InputError
from isthmus.core.registry import Method
from isthmus.testing import anchors as suite


def sampler(call, *invariant, given=()):
    card = Card(
        name="some_sampler", summary="A sampler.", paper=Paper("None", "Nobody", 2000),
        invariant=invariant, cost="n", memory="n", spaces=1, given=given,
    )  # fmt: skip
    return Method("anchors", card, call)


def highest(x, count, *, rng=0):
    """The rows of the largest first entries: kept by a step and by positive scales, by no more."""
    column = np.asarray(x)[:, 0]
    if not 0 < count <= len(column) or not np.isfinite(column).all():
        raise InputError("sample", "it", "rows and a count of them")
    return np.argsort(-column, kind="stable")[:count]


KEPT = ("axis_scale", "translation")


def test_every_check_of_the_module_is_run():
    found = [value for name, value in vars(suite).items() if name.startswith("check_")]
    assert list(suite.CHECKS) == found


@pytest.mark.parametrize("check", suite.CHECKS)
def test_a_sampler_known_in_closed_form_passes(check):
    check(sampler(highest, *KEPT))


@pytest.mark.parametrize("group", sorted(set(GROUPS) - closure(KEPT)))
def test_each_group_too_many_is_rejected(group):
    with pytest.raises(AssertionError, match=r"some_sampler changes under \w+, though declared"):
        suite.check_invariances(sampler(highest, *KEPT, group))


@pytest.mark.parametrize(
    ("fewer", "group"),
    [(("axis_scale",), "translation"), (("translation", "isotropic_scale"), "axis_scale")],
)
def test_each_group_too_few_is_rejected(fewer, group):
    with pytest.raises(AssertionError, match=f"does not change under {group}, yet not declared"):
        suite.check_invariances(sampler(highest, *fewer))


WRONG_ROWS = {
    "not int64": lambda rows: rows.astype(np.float64),
    "leaves the space": lambda rows: rows + 1,
    "leaves the space, below": lambda rows: rows - 1,
    "no 1 distinct": lambda rows: np.r_[rows, 119 - rows[0]],
    # As many distinct ones as asked for, and one of them again.
    "no 1 distinct, one again": lambda rows: np.r_[rows, rows[0]],
    "no 12 distinct": lambda rows: rows[:11],
}


@pytest.mark.parametrize("said", WRONG_ROWS)
def test_rows_that_are_no_choice_are_rejected(said):
    wrong = sampler(lambda *given, rng: WRONG_ROWS[said](highest(*given)))
    with pytest.raises(AssertionError, match=said.partition(",")[0]):
        suite.check_rows(wrong)


def test_a_sampler_that_only_torch_changes_is_rejected():
    def wrong(x, count, *, rng):
        return highest(x, count) + (type(x).__module__ == "torch")

    with pytest.raises(AssertionError, match="some_sampler differs on torch"):
        suite.check_array_kinds(sampler(wrong))


TOLERATED = {
    "0": lambda x, count: count == 0,
    "too many": lambda x, count: count > len(x),
    "NaN": lambda x, count: np.isnan(x).any(),
}


@pytest.mark.parametrize("what", TOLERATED)
def test_each_refusal_is_asked_for(what):
    def wrong(x, count):
        return np.arange(count) if TOLERATED[what](x, count) else highest(x, count)

    with pytest.raises(AssertionError, match=f"some_sampler accepts {what}$"):
        suite.check_refusals(sampler(wrong))


def test_a_refusal_of_another_kind_is_none():
    def wrong(x, count):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        suite.check_refusals(sampler(wrong))


def test_labels_are_told_to_those_alone_that_ask():
    told = []
    suite._call(sampler(lambda x, count, **given: told.append(given)), None, 3, rng=5)
    suite._call(
        sampler(lambda x, count, **given: told.append(given), given=("labels",)), None, 3, rng=5
    )
    assert told[0] == {"rng": 5}
    assert told[1].keys() == {"rng", "labels"}
    np.testing.assert_array_equal(np.bincount(told[1]["labels"]), [30, 30, 30, 30])


def test_a_sampler_of_classes_is_never_asked_for_fewer_rows_than_classes():
    counts = []

    def sample(x, count, *, labels, rng):
        counts.append(count)
        assert count >= len(set(labels))
        return highest(x, count)

    suite.check_rows(sampler(sample, given=("labels",)))
    assert sorted(set(counts)) == [4, 12, 120]


def test_data_come_again_and_differ_by_seed():
    np.testing.assert_array_equal(suite._data(0), suite._data(0))
    assert suite._data(0).shape == (120, 6)
    assert np.abs(suite._data(0) - suite._data(1)).max() > 1
