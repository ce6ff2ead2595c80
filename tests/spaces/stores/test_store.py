"""What every store inherits, and what is checked before any of them writes."""

import re
from dataclasses import FrozenInstanceError
from importlib import import_module

import numpy as np
import pytest

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.stores import Address
from isthmus.spaces.stores.store import (
    BATCH,
    SHADOW,
    Facts,
    Rows,
    Store,
    checked,
    gone,
    shadow_name,
)
from isthmus.spaces.stores.traits import STORES

SMALL, LARGE = -(1 << 63), (1 << 63) - 1


class Bare(Store):
    """A store of given rows with what a subclass must have, and nothing it may inherit."""

    SCHEME = "faiss"

    def __init__(self, ids=(), vectors=None, payload=None):
        super().__init__(Address.parse("faiss://me:sesame-7@host/docs?api_key=sesame-7"))
        self.known = np.asarray(ids)
        self.vectors = np.zeros((len(ids), 1), np.float32) if vectors is None else vectors
        self.payload, self.asked, self.closed = payload, [], 0

    def ids(self):
        return np.sort(self.known)

    def fetch(self, ids, *, payload=False):
        self.asked.append(ids.tolist())
        places = [self.known.tolist().index(key) for key in ids.tolist()]
        carried = [self.payload[place] for place in places] if payload and self.payload else None
        return Rows(ids, self.vectors[places], carried)

    def close(self):
        self.closed += 1

    @classmethod
    def open(cls, address):
        raise NotImplementedError

    create = open
    facts = upsert = delete = shadow = finish = cutover = rollback = state = drop = open


def every_store():
    """The class of each kind of store."""
    return [getattr(import_module(f"isthmus.spaces.stores.{one.module}"), one.cls)
            for one in STORES.values()]  # fmt: skip


def rows(ids=(1, 2), vectors=None, payload=None):
    ids = np.asarray(ids)
    return Rows(ids, np.eye(len(ids), 2, dtype=np.float32) if vectors is None else vectors, payload)


# -- what is inherited ------------------------------------------------------------------------


def test_a_store_that_lacks_a_method_cannot_be_made():
    with pytest.raises(TypeError, match="abstract method '?open"):
        type("Half", (Bare,), {"open": Store.open})()
    assert Store.__abstractmethods__ == {
        "open", "create", "facts", "ids", "fetch", "upsert", "delete", "shadow", "finish",
        "cutover", "rollback", "state", "drop",
    }  # fmt: skip


def test_what_is_not_overridden_is_said_in_general():
    store = Bare([1])
    assert store.traits() is STORES["faiss"]
    assert store.jobs() == ()
    with pytest.raises(InputError) as raised:
        store.search(np.zeros((1, 1), np.float32), 1)
    assert raised.value.given == "a FAISS store"
    assert raised.value.expected == "a store that searches by itself"


def test_neither_its_text_nor_its_errors_hold_a_secret():
    store = Bare([1])
    assert repr(store) == "<FAISS faiss://me:***@host/docs?api_key=***>"
    shown = [repr(store), str(gone(store, np.array([1])))]
    for call in (lambda: store.search(np.zeros((1, 1)), 1), lambda: checked(store, rows(), 3)):
        with pytest.raises(InputError) as raised:
            call()
        shown.append(f"{raised.value} {raised.value.__dict__}")
    assert "sesame" not in "".join(shown)


def test_leaving_closes_and_hides_no_error():
    store = Bare([1])
    with store as entered:
        assert entered is store
        assert not store.closed
    assert store.closed == 1
    with pytest.raises(KeyError), store:
        raise KeyError
    assert store.closed == 2


# -- scans ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, BATCH])
def test_a_scan_asks_for_every_id_once_in_order(size):
    store = Bare([5, LARGE, SMALL, -1])
    wanted = [SMALL, -1, 5, LARGE]
    assert [row for batch in store.scan(size) for row in batch.ids.tolist()] == wanted
    assert store.asked == [wanted[start : start + size] for start in range(0, 4, size)]


@pytest.mark.parametrize(
    ("after", "rest"),
    [(SMALL, [-1, 5, LARGE]), (-1, [5, LARGE]), (4, [5, LARGE]), (LARGE - 1, [LARGE]), (LARGE, [])],
)
def test_a_scan_goes_on_behind_an_id_there_or_not_to_the_last_bit(after, rest):
    store = Bare([5, LARGE, SMALL, -1])
    assert [row for batch in store.scan(2, after=after) for row in batch.ids.tolist()] == rest


def test_a_scan_of_text_goes_by_code_point():
    store = Bare(["é", "a", "B", "a\U0001f600", "a\uffff", ""])
    whole = ["", "B", "a", "a\uffff", "a\U0001f600", "é"]
    for place, key in enumerate(whole):
        rest = [row for batch in store.scan(after=key) for row in batch.ids.tolist()]
        assert rest == whole[place + 1 :]


def test_a_scan_reads_ahead_of_nobody_and_nothing_is_no_batch():
    store = Bare([1, 2, 3])
    batches = store.scan(1)
    assert store.asked == []
    next(batches)
    assert store.asked == [[1]]
    assert list(Bare().scan()) == []


@pytest.mark.parametrize("rows", [0, -3])
def test_a_scan_in_batches_of_no_rows_is_refused_at_the_call(rows):
    with pytest.raises(InputError, match=f"batches of {rows}.*1 row or more"):
        Bare([1, 2]).scan(rows)
    # Where a store streams, as it is where it does not.
    assert not [one for one in every_store() if "scan" in vars(one)]


# -- stamps -----------------------------------------------------------------------------------

STAMPED = ([1, 2], np.array([[1, 2], [3, 4]], np.float32), [{"a": 1, "b": "x"}, {"a": None}])


@pytest.mark.parametrize(
    "other",
    [
        ([1, 3], *STAMPED[1:]),
        ([1], STAMPED[1][:1], STAMPED[2][:1]),
        (STAMPED[0], STAMPED[1][::-1], STAMPED[2]),
        (STAMPED[0], STAMPED[1] * np.float32(1 + 2**-23), STAMPED[2]),
        (STAMPED[0], STAMPED[1], [{"a": 1, "b": "y"}, {"a": None}]),
        (STAMPED[0], STAMPED[1], [{"a": 1}, {"a": None, "b": "x"}]),
        (STAMPED[0], STAMPED[1], [{"a": "1", "b": "x"}, {"a": None}]),
        (STAMPED[0], STAMPED[1], [{"a": 1, "b": "x"}, {}]),
        (STAMPED[0], STAMPED[1], None),
        (["1", "2"], *STAMPED[1:]),
    ],
)
def test_another_id_vector_or_value_makes_another_stamp(other):
    assert Bare(*other).stamp() != Bare(*STAMPED).stamp()


def test_the_sign_of_zero_is_part_of_a_vector():
    zeros = [Bare([1], np.array([[zero]], np.float32)).stamp() for zero in (0.0, -0.0)]
    assert zeros[0] != zeros[1]


def test_the_order_in_which_rows_and_columns_come_is_no_part_of_a_stamp():
    ids, vectors, _ = STAMPED
    turned = Bare(ids[::-1], vectors[::-1], [{"a": None}, {"b": "x", "a": 1}])
    assert turned.stamp() == Bare(*STAMPED).stamp()


@pytest.mark.parametrize(
    "value", ["\ud800", b"\xff", float("nan"), {"b": [1, {"c": None}]}, 1 << 70]
)
def test_any_value_of_a_payload_is_stamped(value):
    stamps = {
        Bare([1], payload=[{"a": one}]).stamp() for one in (value, value, None, {"b": [1, {}]})
    }
    assert len(stamps) == 3


# -- what may be written ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype", [np.float32, np.float64, np.float16, ">f4", np.int8, np.uint64, bool]
)
def test_real_numbers_of_any_kind_become_float32_in_c_order(dtype):
    given = np.asfortranarray([[0, 1], [1, 1], [1, 0]]).astype(dtype)
    found = checked(Bare(), rows([1, 2, 3], given), 2)
    assert found.vectors.dtype == np.float32
    assert found.vectors.flags.c_contiguous
    assert np.array_equal(found.vectors, given)


def test_the_largest_float32_is_written_and_the_next_number_is_not():
    largest = float(np.finfo(np.float32).max)
    found = checked(Bare(), rows([1], np.array([[largest, -largest]])), 2)
    assert found.vectors.tolist() == [[largest, -largest]]
    with pytest.raises(InputError, match="beyond float32 in 1;"):
        checked(Bare(), rows([1], np.array([[0, 1.001 * largest]])), 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39, -1e300])
def test_rows_that_are_not_finite_are_named_five_at_most(bad):
    vectors = np.zeros((9, 2))
    vectors[2:, 1] = bad
    with pytest.raises(InputError) as raised:
        checked(Bare(), rows([f"id{n}" for n in range(9)], vectors), 2)
    assert raised.value.given == (
        "NaN, infinity or numbers beyond float32 in 'id2', 'id3', 'id4', 'id5', 'id6', ..."
    )
    assert raised.value.expected == "finite vectors"


@pytest.mark.parametrize(
    "vectors",
    [
        np.eye(2) * 1j, np.eye(2).astype(str), np.eye(2).astype("S"), np.eye(2).astype(object),
        np.eye(2).astype("M8[s]"),
    ],
)  # fmt: skip
def test_what_is_no_real_number_is_refused(vectors):
    with pytest.raises(InputError) as raised:
        checked(Bare(), rows(vectors=vectors), 2)
    assert raised.value.given == f"vectors of {vectors.dtype}"
    assert raised.value.expected == "real numbers"


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (2,), (4,), (2, 2, 1), (0, 2), (), (2, 0)])
def test_vectors_of_another_shape_are_refused(shape):
    with pytest.raises(InputError) as raised:
        checked(Bare(), rows(vectors=np.zeros(shape, np.float32)), 2)
    assert raised.value.given == f"vectors {shape or (1,)}"
    assert raised.value.expected == "(2, 2)"


@pytest.mark.parametrize("dim", [0, 1])
def test_few_dimensions_and_no_rows_are_shapes_too(dim):
    for count in (0, 1, 3):
        given = rows(np.arange(count), np.zeros((count, dim), np.float32))
        assert checked(Bare(), given, dim).vectors.shape == (count, dim)


@pytest.mark.parametrize(
    "ids", [[7, 7], [SMALL, SMALL], ["é", "é"], ["", ""], np.array(["a", "a"], object)]
)
def test_an_id_twice_is_refused_of_each_kind(ids):
    with pytest.raises(InputError, match="an id twice in one batch; expected one row an id"):
        checked(Bare(), rows(ids), 2)


def test_ids_stay_what_they_are_to_the_last_bit():
    for ids in ([SMALL, LARGE], ["é", "e\u0301"], ["a'\"", "\U0001f600"], ["a", "A"]):
        assert checked(Bare(), rows(ids), 2).ids.tolist() == ids
    assert checked(Bare(), rows(np.array(["a", "bc"], object)), 2).ids.tolist() == ["a", "bc"]


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.uint64])
def test_integers_of_any_width_are_int64(dtype):
    found = checked(Bare(), rows(np.array([100, 3], dtype)), 2).ids
    assert (found.dtype, found.tolist()) == (np.int64, [100, 3])


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (np.array([1, "a"], object), "the id 1 in row 0; expected all ids text, or all integers"),
        (np.array(["a", None], object), "the id None in row 1"),
        (np.array(["a", np.nan], object), "the id nan in row 1"),
        (np.array([1.0, 2.0]), "ids of dtype float64; expected integers or text"),
        (np.array([1, 1 << 63], np.uint64), f"the id {1 << 63}; expected ids below 2^63"),
        (np.array([[1], [2]]), "ids of shape (2, 1); expected one id a row"),
    ],
)
def test_ids_of_no_kind_are_refused_and_named(ids, said):
    with pytest.raises(InputError, match=re.escape(said)) as raised:
        checked(Bare(), rows(ids, np.eye(2, dtype=np.float32)), 2)
    assert raised.value.operation == "write to faiss://me:***@host/docs?api_key=***"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_payload_of_other_rows_is_refused(count):
    with pytest.raises(InputError) as raised:
        checked(Bare(), rows(payload=[{}] * count), 2)
    assert (raised.value.given, raised.value.expected) == (f"a payload of {count} rows", "one of 2")


def test_a_payload_comes_through_as_it_is():
    for payload in (None, [{"a": 1}, {}]):
        assert checked(Bare(), rows(payload=payload), 2).payload is payload


def test_what_was_given_is_not_changed():
    given = rows(vectors=np.array([[1.0, 2.0], [3.0, 4.0]]))
    checked(Bare(), given, 2)
    assert given.vectors.dtype == np.float64
    with pytest.raises(FrozenInstanceError):
        given.ids = given.ids


# -- words ------------------------------------------------------------------------------------


def test_rows_that_are_gone_are_counted_and_the_first_named():
    error = gone(Bare(), np.arange(4999, 9999))
    assert isinstance(error, StorageError)
    assert error.given == "no vector for 5,000 ids (first: 4999, 5000, 5001, 5002, 5003, ...)"
    assert error.cure == "The collection changed meanwhile: run the command again."
    assert "1 ids (first: 'it\\'s \"é\"')" in str(gone(Bare(), np.array(['it\'s "é"'])))


@pytest.mark.parametrize("collection", ["docs", "é b.faiss", "a_isthmus_b"])
def test_names_of_shadows_are_known_and_different(collection):
    names = [shadow_name(collection, job, old=old) for job in ("a", "b") for old in (False, True)]
    assert len({collection, *names}) == 5
    assert all(name.startswith(f"{collection}_{SHADOW}_") for name in names)
    assert names[1] == f"{names[0]}_old"


def test_facts_are_what_they_were_made_of_and_stay():
    facts = Facts(rows=0, dim=0, metric=None, id_kind="int")
    assert (facts.index, facts.normalised, facts.missing) == (None, False, 0)
    assert facts == Facts(rows=0, dim=0, metric=None, id_kind="int")
    with pytest.raises(FrozenInstanceError):
        facts.rows = 1
    with pytest.raises(TypeError):
        Facts(0, 0, None, "int")


def test_rows_are_as_many_as_their_ids():
    assert len(rows([4, 5, 6])) == 3
    assert len(rows([])) == 0
    assert not rows([])
