"""Which bridges are tried: a table by hand on both sides of every border, and fresh estimators."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from isthmus.bridges import Unpaired
from isthmus.bridges.shortlist import CLOSED, shortlist, with_few_pairs
from isthmus.core.registry import method

ALWAYS = ["orthogonal", "canonical", "low_rank", "affine", "relative"]


@pytest.mark.parametrize("dims", [(10, 10), (10, 3), (3, 10), (1, 10)])
@pytest.mark.parametrize(
    ("pairs", "unpaired", "joins"),
    [
        (0, 0, ["kernel_ridge"]),
        (39, 0, ["kernel_ridge"]),
        (39, 100, ["kernel_ridge", "self_learning"]),
        (40, 0, []),
        (40, 99, []),
        (40, 100, ["self_learning"]),
        (79, 0, []),
        (80, 0, ["local_mixture", "residual_mlp"]),
        (80, 99, ["local_mixture", "residual_mlp"]),
        (10**6, 10**6, ["local_mixture", "residual_mlp", "self_learning"]),
    ],
)
def test_what_joins_depends_on_pairs_per_column_of_the_wider_side(dims, pairs, unpaired, joins):
    found = [name for name, _ in shortlist(pairs, dims, unpaired=unpaired)]
    assert found == [*ALWAYS, *joins]


def test_one_column_a_side_has_the_same_borders():
    for pairs, joins in ((3, ["kernel_ridge"]), (4, []), (8, ["local_mixture", "residual_mlp"])):
        assert [name for name, _ in shortlist(pairs, (1, 1))] == [*ALWAYS, *joins]


def test_no_rows_without_partner_unless_said_and_only_by_name():
    assert shortlist(40, (9, 9))[-1][0] == "relative"
    with pytest.raises(TypeError, match="positional"):
        shortlist(40, (9, 9), 500)
    with pytest.raises(TypeError, match="positional"):
        with_few_pairs(40, 500)


def test_every_estimator_is_the_registered_one_with_its_defaults_and_unfitted():
    for pairs in (1, 1000):
        listed = shortlist(pairs, (5, 4), unpaired=1000)
        assert len({name for name, _ in listed}) == len(listed)
        for name, estimator in listed:
            assert type(estimator) is method("bridges", name).call
            assert estimator.card.name == name
            assert estimator.get_params() == type(estimator)().get_params()
            with pytest.raises(NotFittedError):
                check_is_fitted(estimator)


def test_a_second_list_shares_no_estimator_with_the_first():
    first, second = (shortlist(100, (4, 4), unpaired=200) for _ in range(2))
    assert not {id(e) for _, e in first} & {id(e) for _, e in second}
    first[0][1].fit(np.eye(4), np.eye(4))
    with pytest.raises(NotFittedError):
        check_is_fitted(shortlist(100, (4, 4))[0][1])


def test_closed_forms_are_always_listed_in_their_own_order():
    for pairs in (1, 50, 10_000):
        names = [name for name, _ in shortlist(pairs, (6, 5))]
        assert [name for name in names if name in CLOSED] == list(CLOSED)
        assert names[0] == CLOSED[0]


def test_only_what_reads_rows_without_partner_joins_for_them():
    fewer = {name for name, _ in shortlist(100, (4, 4))}
    for name, estimator in shortlist(100, (4, 4), unpaired=100):
        assert (estimator.card.pairs != "all") == (name not in fewer)


def test_what_joins_for_few_pairs_fits_on_very_few():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(110, 3)), rng.normal(size=(110, 2))
    known = np.arange(10)
    for name, estimator in shortlist(10, (3, 2), unpaired=100):
        if estimator.card.pairs == "all":
            found = estimator.fit(x[known], y[known]).transform(x)
        else:
            found = estimator.fit(x, y, pairs=(known, known)).transform(x)
        assert found.shape == (110, 2), name
        assert np.isfinite(found).all(), name


@pytest.mark.parametrize(
    ("pairs", "unpaired", "names"),
    [
        (0, 0, ("unpaired",)),
        (0, 10**6, ("unpaired",)),
        (1, 0, ("kernel_ridge",)),
        (1, 99, ("kernel_ridge",)),
        (1, 100, ("self_learning", "kernel_ridge")),
        (9, 10**6, ("self_learning", "kernel_ridge")),
    ],
)
def test_too_few_pairs_to_choose_by_name_the_best_and_then_a_quicker_bridge(pairs, unpaired, names):
    assert with_few_pairs(pairs, unpaired=unpaired) == names
    name = names[0]
    wants = method("bridges", name).card.pairs
    assert wants == {"unpaired": "none", "kernel_ridge": "all", "self_learning": "some"}[name]
    assert (method("bridges", name).call is Unpaired) == (pairs == 0)
