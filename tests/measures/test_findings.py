"""Findings: what is said of a fault is one readable line, and its recipe is code that runs."""

import json

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures.findings import REMEDIES, SEVERITIES, Finding, legible, row_faults
from isthmus.spaces.defects import Defects


def finding(name="near_repeats", **more):
    return Finding(**{"name": name, "severity": "notable", "says": "it is so", **more})


def defects(**found):
    empty = {"rows": 9, "non_finite": 0, "zero_vectors": 0, "duplicate_ids": 0, "constant_dims": 0}
    names = {"non_finite_ids": (), "zero_ids": (), "duplicates": ()}
    norms = dict.fromkeys(("norm_min", "norm_median", "norm_max", "mean_over_sd"))
    return Defects(**{**empty, **names, **norms, **found})


@pytest.mark.parametrize("wrong", [{"name": "gloom"}, {"severity": "grim"}])
def test_names_and_severities_are_those_there_are(wrong):
    with pytest.raises(InputError, match="one of non_finite, .*; broken, harmful, notable"):
        finding(**wrong)


def test_a_recipe_carries_few_rows_or_dimensions_and_calls_many_by_name():
    dims = tuple(range(12))
    assert finding("dead_dimensions", dims=dims).recipe == f"x = np.delete(x, {list(dims)}, axis=1)"
    assert finding("dead_dimensions", dims=(*dims, 12)).recipe == "x = np.delete(x, dims, axis=1)"
    assert "isin(ids, ['a', \"b'\"])" in finding(ids=("a", "b'")).recipe
    assert "isin(ids, repeats)" in finding(ids=tuple(range(13))).recipe


@pytest.mark.parametrize("name", REMEDIES)
def test_every_remedy_is_a_sentence_and_every_recipe_runs_on_finite_rows(name):
    at = finding(name, dims=(1,), ids=(2,))
    assert at.remedy.endswith(".")
    assert all(len(line) <= 66 for line in at.recipe.splitlines())
    x = np.random.default_rng(0).normal(size=(40, 6))
    names = {"np": np, "x": x, "ids": np.arange(40)}
    exec(at.recipe, names)
    assert np.isfinite(names["x"]).all()
    assert len(names["x"]) == len(names["ids"])
    if name == "dead_dimensions":
        assert np.array_equal(names["x"], x[:, [0, 2, 3, 4, 5]])
    if name == "near_repeats":
        assert names["ids"].tolist() == [0, 1, *range(3, 40)]


def test_repeats_are_dropped_in_the_order_that_rows_came():
    x = np.array([[3.0], [1.0], [3.0], [2.0], [1.0]])
    for name, ids, kept in (
        ("repeated_vectors", "abcde", "abd"), ("repeated_ids", "bacab", "bac"),
    ):  # fmt: skip
        names = {"np": np, "x": x, "ids": np.array(list(ids))}
        exec(finding(name).recipe, names)
        assert "".join(names["ids"]) == kept
        assert names["x"].ravel().tolist() == (
            [3, 1, 2] if name == "repeated_vectors" else [3, 1, 3]
        )


def test_where_names_five_and_says_that_there_are_more():
    assert finding(ids=(7,)).where == "7"
    assert finding(ids=tuple(range(5))).where == "0, 1, 2, 3, 4"
    assert finding(ids=tuple(range(6))).where == "0, 1, 2, 3, 4, ..."
    assert finding("dead_dimensions", dims=(3, 4)).where == "3, 4"
    assert finding(ids=("b", "c"), twins=("a", "a")).where == "b like a, c like a"
    assert finding().where == ""
    assert str(finding(ids=(7,))) == "it is so (first ids: 7)"
    assert str(finding("dead_dimensions", dims=(3,))) == "it is so"


def test_of_long_ids_fewer_are_named():
    assert finding(ids=("a" * 75, "b" * 75, "c")).where == f"{'a' * 75}, {'b' * 75}, ..."
    assert finding(ids=("a" * 75, "b" * 76, "c")).where == f"{'a' * 75}, ..."


def test_ids_stay_within_a_line_whatever_is_in_them():
    hostile = ("a\nBROKEN", "\x1b[2J", "\u202eb")
    assert finding(ids=hostile, twins=hostile).where == (
        "a?BROKEN like a?BROKEN, ?[2J like ?[2J, ?b like ?b"
    )
    endless = finding(ids=("x" * 10**6, "y")).where
    assert endless == "x" * 147 + "..., ..."
    # One is named even so.
    pair = finding(ids=("x" * 200,), twins=("y" * 200,)).where
    assert pair == "x" * 147 + "... like " + "y" * 147 + "..."
    assert legible("é 漢字") == "é 漢字"
    assert legible("x" * 150) == "x" * 150
    assert legible(np.int64(3)) == "3"


def test_plain_data_has_remedy_and_recipe_and_passes_through_json():
    found = finding(count=2, ids=(1, "b"), dims=(0,), figures={"share": 0.5})
    plain = json.loads(json.dumps(found.as_dict()))
    assert (plain["ids"], plain["dims"], plain["count"]) == ([1, "b"], [0], 2)
    assert plain["remedy"] == REMEDIES["near_repeats"][0]
    assert plain["recipe"] == found.recipe


def test_faults_of_rows_are_what_the_scan_counted():
    assert row_faults(defects()) == []
    seen = row_faults(
        defects(non_finite=1234, non_finite_ids=(4, 5), duplicate_ids=2, duplicates=("a",))
    )
    assert [(one.name, one.count, one.ids) for one in seen] == [
        ("non_finite", 1234, (4, 5)), ("repeated_ids", 2, ("a",)),
    ]  # fmt: skip
    assert {one.severity for one in seen} == {SEVERITIES[0]}
    assert seen[0].says == "NaN or infinity in 1,234 rows"
    assert row_faults(defects(zero_vectors=3, zero_ids=(1, 2, 3)))[0].name == "zero_vectors"
