"""Payload and Chroma: what one row carries becomes what Chroma takes, and back, or is refused."""

import json

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.spaces.stores import chroma_payload as module
from isthmus.spaces.stores.chroma_payload import Carried, carried, given

DOCUMENT, URI = "chroma:document", "chroma:uri"
ROWS = [
    {"n": 1, "tags": ["a", "b"], DOCUMENT: "text"},
    {},
    {"n": None, URI: "file:///x"},
    {DOCUMENT: "b", URI: "", "empty": ""},
]


def test_what_was_given_is_the_payload_again_but_for_what_is_none():
    found = given(ROWS, "write")
    assert found.payload() == [ROWS[0], {}, {URI: "file:///x"}, ROWS[3]]
    assert found.metadatas == [{"n": 1, "tags": ["a", "b"]}, None, None, {"empty": ""}]
    assert found.documents == ["text", None, None, "b"]
    assert found.uris == [None, None, "file:///x", ""]
    assert given([], "write").payload() == []
    assert ROWS[2] == {"n": None, URI: "file:///x"}  # nothing was taken out of the rows themselves
    assert given([{DOCUMENT: ""}], "write").payload() == [{}]  # an empty document is none


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [
        "", "a" * 10**6, "x\0y", "\U0001f600", Text("a"), np.str_("a"), True, 0, -(1 << 63),
        (1 << 63) - 1, 1e308, 5e-324, -0.0, np.float64(1.5), [""], [1, 2], [True], [1.5] * 1000,
    ],
    ids=lambda value: f"{value!r:.20}",
)  # fmt: skip
def test_flat_values_to_the_limits_are_taken(value):
    assert given([{"a": value}], "write").metadatas == [{"a": value}]


@pytest.mark.parametrize(
    "value",
    [
        1 << 63, -(1 << 63) - 1, float("nan"), float("inf"), b"x", (1,), {1}, {"a": 1}, object,
        np.int64(1), np.float32(1), np.bool_(True), np.ones(2), 1j, "\ud800", [], [None], [[1]],
        [1, "a"], [1, True], [1, 2.0], [1.0, float("nan")], [1 << 63], ["\ud800"], [b"x"], [{}],
    ],
    ids=lambda value: f"{value!r:.20}",
)  # fmt: skip
def test_values_that_chroma_would_lose_or_not_take_are_refused(value):
    rows = [{"fine": 1}, {"fine": 1, "bad": value}]
    with pytest.raises(InputError, match=r"^write: got 'bad' = .*flatten it") as raised:
        given(rows, "write")
    assert f"({type(value).__name__})" in raised.value.given
    assert len(raised.value.given) < 150
    str(raised.value).encode()  # can be printed


@pytest.mark.parametrize("name", ["", "#x", "$and", "chroma:x", "chroma:", 5, "\ud800", b"a"])
def test_names_that_chroma_drops_or_keeps_for_itself_are_refused(name):
    with pytest.raises(InputError, match="begin with none of chroma:, #, [$]"):
        given([{name: 1}], "write")
    assert given([{name: None}], "write").metadatas == [None]  # there is nothing to lose


@pytest.mark.parametrize("name", ["a#", "a.b", "Chroma:x", "ä", "a" * 5000, " "])
def test_any_other_name_is_taken(name):
    assert given([{name: 1}], "write").metadatas == [{name: 1}]


@pytest.mark.parametrize("name", [DOCUMENT, URI])
@pytest.mark.parametrize("value", [5, b"x", ["a"], True, "\ud800", np.ones(1)], ids=repr)
def test_a_document_or_uri_that_is_no_text_is_refused(name, value):
    with pytest.raises(InputError, match=f"got '{name}' = "):
        given([{name: value}], "write")


# -- answers -----------------------------------------------------------------------------------


def answer(ids, **more):
    """As Chroma answers, in an order of its own, with None for what was not asked for."""
    return {"ids": ids, "metadatas": None, "documents": None, "embeddings": None} | more


def test_an_answer_comes_in_the_order_of_the_ids_asked_for():
    x = np.arange(6.0).reshape(3, 2)
    found = carried(
        answer(
            ["c", "a", "b"], embeddings=x, metadatas=[{"n": 3}, {"n": 1}, None],
            documents=["C", None, "B"], uris=[None] * 3,
        ),
        ["a", "b", "c", "a"],
    )  # fmt: skip
    assert found.metadatas == [{"n": 1}, None, {"n": 3}, {"n": 1}]
    assert found.documents == [None, "B", "C", None]
    assert found.vectors().tolist() == x[[1, 2, 0, 1]].tolist()
    assert found.vectors().dtype == np.float32
    assert found.missing == []
    assert found.payload()[2] == {"n": 3, DOCUMENT: "C"}


def test_rows_that_are_not_there_are_named_and_carry_nothing():
    found = carried(
        answer(["b"], embeddings=np.ones((1, 2)), metadatas=[{"n": 2}], documents=["B"], uris=[""]),
        ["a", "b", "z"],
    )
    assert found.missing == ["a", "z"]
    assert found.payload() == [{}, {"n": 2, DOCUMENT: "B", URI: ""}, {}]
    assert found.embeddings == []
    assert carried(answer([]), ["a"]).missing == ["a"]
    assert carried(answer([]), []).vectors().shape == (0, 0)


def test_parts_are_joined_in_their_order():
    parts = [
        carried(
            answer(
                [i], embeddings=np.full((1, 2), n), metadatas=[None], documents=[i], uris=[None]
            ),
            [i],
        )
        for n, i in enumerate("ab")
    ]
    whole = Carried.joined(parts, 5)
    assert whole.documents == ["a", "b"]
    assert whole.vectors().tolist() == [[0, 0], [1, 1]]
    assert [part.documents for part in parts] == [["a"], ["b"]]
    assert Carried.joined([], 5).vectors().shape == (0, 5)


# -- what an upsert is given -------------------------------------------------------------------


def applied(update, count):
    """Metadata after an upsert as Chroma does it: over what is there; None ends a key."""
    out = []
    for old, new in zip(*update, strict=True):
        both = (old or {}) | (new or {})
        out.append({k: v for k, v in both.items() if v is not None} or None)
    assert len(out) == count
    return out


def test_what_a_row_has_no_more_is_ended():
    old = given([{"a": 1, "b": 2}, {"a": 1}, {}, {"c": [1]}], "read")
    new = given([{"b": 3, "d": 4}, {}, {"e": 5}, {"c": [2]}], "write")
    update = new.replacing(old)
    assert update.keys() == {"metadatas"}
    assert applied((old.metadatas, update["metadatas"]), 4) == new.metadatas
    # Without it the old keys would stay: the check can fail.
    assert applied((old.metadatas, new.metadatas), 4) != new.metadatas
    assert None in update["metadatas"][0].values()


def test_nothing_at_all_is_not_sent():
    none = given([{}, {}], "write")
    assert none.replacing(none) == {}
    assert given([{DOCUMENT: "x"}, {}], "write").replacing(none) == {"documents": ["x", None]}


def test_a_document_that_goes_is_emptied_and_a_uri_that_goes_is_ended():
    old = given([{DOCUMENT: "x"}, {DOCUMENT: "x"}, {}, {DOCUMENT: "x"}], "read")
    new = given([{}, {DOCUMENT: "y"}, {DOCUMENT: "y"}, {"a": 1}], "write")
    assert new.replacing(old)["documents"] == ["", "y", "y", ""]
    old = given([{URI: "x", "b": 1}, {URI: "x"}, {}, {URI: ""}, {}], "read")
    new = given([{"a": 1}, {URI: "y"}, {URI: "y"}, {}, {}], "write")
    assert new.replacing(old) == {
        "metadatas": [{"b": None, URI: None, "a": 1}, None, None, {URI: None}, None],
        "uris": [None, "y", "y", None, None],
    }


# -- Chroma itself -----------------------------------------------------------------------------


@pytest.fixture
def collection(tmp_path):
    pytest.importorskip("chromadb", reason="Chroma's client is not installed")
    from isthmus.spaces.stores import Address
    from isthmus.spaces.stores.chroma import Chroma

    address = Address.parse(f"chroma://{tmp_path}/docs")
    with Chroma.create(address, dim=2, metric=None, id_kind="string") as store:
        yield store


def test_chroma_keeps_whatever_is_taken(collection):
    from isthmus.spaces.stores.store import Rows

    rows = [
        {"a": [True, False], DOCUMENT: "x\0y", URI: "\U0001f600"}, {"b" * 500: "", "é": -(1 << 63)},
        {"a": (1 << 63) - 1, "f": 5e-324}, {"a#": ["", "b"], DOCUMENT: " ", URI: ""}, {},
    ]  # fmt: skip
    ids = np.array([f"d{n}" for n in range(len(rows))])
    collection.upsert(Rows(ids, np.ones((len(rows), 2), np.float32), rows))
    assert collection.fetch(ids, payload=True).payload == rows
    assert json.loads(json.dumps(rows)) == rows


@pytest.mark.parametrize("bad", [{DOCUMENT: 5}, {URI: 5}, {"a": "\ud800"}, {"": 1}, {"#x": 1}])
def test_a_refused_batch_changes_no_row(bad, collection):
    from isthmus.spaces.stores.store import Rows

    ids, x = np.array(["d1", "d2"]), np.eye(2, dtype=np.float32)
    before = [{"n": 1, DOCUMENT: "text"}, {"n": 2}]
    collection.upsert(Rows(ids, x, before))
    with pytest.raises(InputError):
        collection.upsert(Rows(ids, -x, [{"m": 1}, bad]))
    found = collection.fetch(ids, payload=True)
    assert found.payload == before
    assert np.array_equal(found.vectors, x)


def test_all_that_is_needed_of_a_row_is_asked_for():
    assert set(module.read()) == {"metadatas", "documents", "uris"}
