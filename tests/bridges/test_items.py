"""Items that several spaces know: checked rows, joins and mean codes, against dictionaries."""

from itertools import product

import numpy as np
import pytest

import isthmus
from isthmus.bridges import items
from isthmus.core.errors import InputError, PairingError

X = np.random.default_rng(0).normal(size=(6, 3))
GIVEN = {"seed": 0, "operation": "Demo.fit"}
NEAR = np.r_[X[:5], np.nextafter(X[1:2], [[-9.0, X[1, 1], X[1, 2]]])]
NAN = np.where(np.arange(6)[:, None] == 4, np.nan, X)


def rows(given, mask=None, seed=0):
    return items.rows_of("a", given, mask=mask, seed=seed, operation="Demo.fit")


def test_vectors_alone_are_items_by_row_number():
    for given in (X, X.tolist(), X.astype(np.float32)):
        found = rows(given)
        assert (found.keys.tolist(), found.vectors.dtype) == ([0, 1, 2, 3, 4, 5], np.float64)
        np.testing.assert_allclose(found.vectors, X, atol=1e-6)


def test_rows_come_in_the_order_of_their_keys():
    found = rows(([4, -7, 2**62, 0, 1, 3], X))
    part = found.select(np.array([3, 0]))
    assert (found.keys.tolist(), part.keys.tolist()) == ([-7, 0, 1, 3, 4, 2**62], [3, -7])
    np.testing.assert_array_equal(found.vectors, X[[1, 3, 4, 5, 0, 2]])
    np.testing.assert_array_equal(part.vectors, X[[5, 1]])
    np.testing.assert_array_equal(part.lots, found.lots[[3, 0]])


def test_text_ids_have_one_key_however_they_are_stored():
    text = ["one", "two", "a rather long id", "", "five", "six"]
    plain = rows((text, X), seed=3)
    assert plain.text
    for kind in ("O", "S", "U40"):
        np.testing.assert_array_equal(rows((np.array(text, kind), X)).keys, plain.keys)
    np.testing.assert_array_equal(rows((text[::-1], X[::-1])).vectors, plain.vectors)
    space = rows(isthmus.open(X, ids=text, encoder="mine"))
    np.testing.assert_array_equal(space.vectors, plain.vectors)
    assert (space.fingerprint.encoder, plain.fingerprint.dim) == ("mine", 3)


@pytest.mark.parametrize("ids", [[f"item {i}" for i in range(60)], list(range(100, 160))])
def test_lots_hold_out_what_the_split_of_pairs_holds_out(ids):
    x = np.random.default_rng(2).normal(size=(60, 2))
    _, test = isthmus.pair(isthmus.open(x, ids=ids), isthmus.open(x, ids=ids)).split(0.3, seed=5)
    found = rows((ids, x), seed=5)
    assert set(found.vectors[found.lots < 0.3 * 2.0**64, 0]) == set(np.asarray(test.x)[:, 0])


def test_what_is_masked_is_not_read_and_a_copy_counts_once():
    x = np.r_[X, X[2:3], np.full((1, 3), np.nan)]
    found = rows(([0, 1, 2, 3, 4, 5, 2, 2], x), mask=[True] * 7 + [False])
    np.testing.assert_array_equal(np.c_[found.keys, found.vectors], np.c_[np.arange(6), X])


REFUSED = [
    ((range(5), X), None, r"ids \(5,\).*vectors \(6, 3\).*one id"), (X[0], None, "non-empty"),
    (X, [True] * 5, r"mask \(5,\) bool"), (X, [1] * 6, r"mask \(6,\) int64"),
    (X, [[True]] * 6, r"mask \(6, 1\)"), (X[:1], None, "of 1 rows; expected at least 2 rows"),
    ((list("abcdef"), NAN), None, r"NaN or infinity in 1 of 6 rows \(first ids: 'e'\).*mask"),
    ((range(10, 16), -np.inf * NAN), None, r"in 6 of 6 rows .*10, 11, 12, 13, 14, \.\.\."),
    (([0, 1, 2, 3, 4, 1], NEAR), None, "contradictory vectors of the ids 1; expected one vector"),
    ((list("abcdbf"), X), None, "of the ids 'b'"), (X, [True] + [False] * 5, "of 1 rows"),
    (([0.5] * 6, X), None, "dtype float64"), (([[1]] * 6, X), None, r"ids of shape \(6, 1\)"),
    ((["a", None, "c", "d", "e", "f"], X), None, "the id None in row 1"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "mask", "says"), REFUSED)
def test_rows_that_cannot_be_used_are_refused(given, mask, says):
    with pytest.raises(InputError, match=rf"^Demo\.fit.*space 'a'.*{says}"):
        rows(given, mask=mask)


def test_spaces_that_do_not_belong_together_are_refused():
    for spaces in ({"a": X}, {"a": X, "": X}, {"a": X, 7: X}):
        with pytest.raises(InputError, match="at least two, each under a name"):
            items.all_items(spaces, None, **GIVEN)
    with pytest.raises(InputError, match=r"a mask for \['z'\]; expected names among \['a', 'b'\]"):
        items.all_items({"a": X, "b": X}, {"z": [True] * 6}, **GIVEN)
    with pytest.raises(PairingError, match=r"text ids in \['b'\], integers .*in \['a', 'c'\]"):
        items.all_items({"a": X, "b": (list("abcdef"), X), "c": X}, None, **GIVEN)


def test_joins_and_mean_codes_are_over_the_spaces_that_know_the_item():
    rng = np.random.default_rng(1)
    ids = {"a": [5, -2, 9, 7, 40], "b": [9, 1, 5, 8], "c": [7, 9, -2, 8, 50, 5], "z": [70, 71]}
    maps = dict(zip(ids, (rng.normal(size=(d, 2)) for d in (3, 2, 4, 1)), strict=True))
    given = {s: (i, rng.normal(size=(len(i), len(maps[s])))) for s, i in ids.items()}
    codes = {s: dict(zip(i, x @ maps[s], strict=True)) for s, (i, x) in given.items()}
    found, shared = items.all_items(given, None, **GIVEN), [-2, 5, 7, 8, 9]
    for a, b in product(given, repeat=2):
        i, j = found[a].common(found[b])
        assert found[a].keys[i].tolist() == sorted(set(ids[a]) & set(ids[b]))
        np.testing.assert_array_equal(found[a].keys[i], found[b].keys[j])
    keys, means = items.mean_codes(found, lambda s, x: x @ maps[s])
    assert keys.tolist() == items.shared_items(found).tolist() == shared
    for key, mean in zip(shared, means, strict=True):
        known = [codes[s][key] for s in given if key in codes[s]]
        np.testing.assert_allclose(mean, sum(known) / len(known), atol=1e-6)
    for s, (x, others) in items.with_others(found, lambda s, x: x @ maps[s]):
        mine = [key for key in shared if key in codes[s]]
        for key, row, other in zip(mine, x, others, strict=True):
            np.testing.assert_array_equal(row, given[s][1][ids[s].index(key)])
            known = [codes[t][key] for t in given if t != s and key in codes[t]]
            np.testing.assert_allclose(other, sum(known) / len(known), atol=1e-12)
    found = items.all_items({s: given[s] for s in "abc"}, {"c": np.arange(6) != 4}, **GIVEN)
    assert found["c"].keys.tolist() == shared
    items.check_shared(found, 3)
    with pytest.raises(InputError, match="space 'b', which shares 3 items.*at least 4"):
        items.check_shared(found, 4)
