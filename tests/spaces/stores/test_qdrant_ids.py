"""Ids of Qdrant: what it would not keep as it is, is refused by name."""

from uuid import UUID

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.spaces.stores.qdrant_ids import as_array, as_keys, following

ONE = "00000000-0000-0000-0000-000000000001"
LAST = "ffffffff-ffff-ffff-ffff-ffffffffffff"


@pytest.mark.parametrize("ids", [[0, 3], [(1 << 63) - 1], [ONE, LAST], []])
def test_what_qdrant_keeps_comes_back(ids):
    kind = "int" if ids and isinstance(ids[0], int) else "string"
    keys = as_keys(np.array(ids), "demo")
    assert keys == ids
    assert as_array(keys, kind, "demo").tolist() == ids


@pytest.mark.parametrize("bad", [-1, "a", ONE.upper().replace("1", "A"), ONE[:-1], f"{{{ONE}}}"])
def test_what_it_would_change_is_refused_with_the_cure(bad):
    with pytest.raises(InputError, match=r"demo: got .*UUIDs in lower case.*uuid5"):
        as_keys(np.array([bad]), "demo")


@pytest.mark.parametrize(
    ("ids", "kind"), [([1, ONE], "int"), ([ONE, 1], "string"), ([1 << 63], "int")]
)
def test_ids_of_another_kind_or_too_large_are_refused(ids, kind):
    with pytest.raises(InputError, match="ids of one kind, UUIDs or integers below"):
        as_array(ids, kind, "demo")


@pytest.mark.parametrize("key", [0, 41, (1 << 64) - 2, ONE, "00000000-0000-0000-0000-0000ffffffff"])
def test_nothing_lies_between_an_id_and_the_following_one(key):
    number = UUID(key).int if isinstance(key, str) else key
    after = following(key)
    assert type(after) is type(key)
    assert (UUID(after).int if isinstance(after, str) else after) == number + 1


def test_nothing_follows_the_last():
    assert following(LAST) is None
