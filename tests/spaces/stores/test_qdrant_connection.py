"""Connections to Qdrant: shared by folder, asked by REST, and no key in what they say."""

import gc
import json
import os

import pytest

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.stores import Address
from isthmus.spaces.stores import qdrant_connection as module
from isthmus.spaces.stores.qdrant_connection import Connection

pytest.importorskip("qdrant_client", reason="the client of Qdrant is not installed")

from qdrant_client import models

KEY = "open-sesame-7"
ONE = models.VectorParams(size=2, distance=models.Distance.DOT)


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("QDRANT_API_KEY", raising=False)


@pytest.fixture
def folder(in_memory):
    """Connections to folders below one in memory."""
    made = []

    def connected(place="base", *, make=True, **options):
        address = Address.parse(f"qdrant://{in_memory}/{place}/docs").elsewhere(**options)
        made.append(Connection(address, make=make))
        return made[-1]

    yield connected
    for one in made:
        one.close()


def to(server, **options):
    address = Address.parse(f"qdrant://127.0.0.1:{server.port}/docs").elsewhere(**options)
    return Connection(address, make=False)


@pytest.fixture(params=["folder", "server"])
def at(request):
    if request.param == "folder":
        return request.getfixturevalue("folder")()
    return to(request.getfixturevalue("qdrant"))


# -- collections and aliases -------------------------------------------------------------------


def test_collections_and_aliases_are_listed_moved_and_removed(at):
    assert (at.names(), at.aliases()) == (set(), {})
    for name in ("a", "b"):
        at.ask("create_collection", name, vectors_config=ONE)
    at.move({"docs": "a", "other": "a"})
    assert at.aliases() == {"docs": "a", "other": "a"}
    at.move({"docs": "b", "docs_old": "a"}, frees=["docs", "other"])
    assert (at.names(), at.aliases()) == ({"a", "b"}, {"docs": "b", "docs_old": "a"})
    at.move({}, frees=["docs_old"])
    for _ in range(2):
        at.remove("a")
    assert (at.names(), at.aliases()) == ({"b"}, {"docs": "b"})


def test_an_alias_is_no_collection_that_could_be_removed(at):
    at.ask("create_collection", "a", vectors_config=ONE)
    at.move({"docs": "a"})
    at.remove("docs")
    assert (at.names(), at.aliases()) == ({"a"}, {"docs": "a"})


def test_moves_are_one_request(qdrant):
    at = to(qdrant)
    at.ask("create_collection", "a", vectors_config=ONE)
    qdrant.asked.clear()
    at.move({"docs": "a", "more": "a"})
    assert [path for _, path, _ in qdrant.asked] == ["/collections/aliases"]


# -- filters -----------------------------------------------------------------------------------


def test_a_filter_is_what_its_json_says(folder):
    at = folder()
    assert at.filter(None) is None
    said = at.filter('{"must_not": [{"key": "n", "range": {"gt": 3}}]}')
    limit = models.FieldCondition(key="n", range=models.Range(gt=3))
    assert said == models.Filter(must_not=[limit])
    assert at.filter("{}") == models.Filter()


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", "7", '"must"', '{"muss": []}', '{"must": [{"key": 1}]}', "[" * 10**5],
    ids=lambda text: f"{text:.12}",
)
def test_what_is_no_filter_is_refused_with_an_example(text, folder):
    with pytest.raises(InputError, match='none of Qdrant\'s; expected JSON like {"must"'):
        folder().filter(text)


# -- folders -----------------------------------------------------------------------------------


def test_a_folder_is_one_client_until_the_last_lets_go(folder, in_memory):
    (in_memory / "there").mkdir()
    (in_memory / "link").symlink_to(in_memory / "there")
    first, second, third = (folder(place) for place in ("there", "link", "x/../there"))
    assert first._client is second._client is third._client
    assert folder("elsewhere")._client is not first._client
    first.ask("create_collection", "a", vectors_config=ONE)
    first.close()
    first.close()
    assert second.names() == {"a"}
    second.close()
    assert third.names() == {"a"}
    third.close()
    gc.collect()
    assert os.path.realpath(in_memory / "there") not in module._FOLDERS
    assert folder("there", make=False).names() == {"a"}


def test_a_folder_is_made_only_if_asked_for(folder, in_memory):
    (in_memory / "empty").mkdir()
    (in_memory / "file").write_text("x")
    for place in ("none", "empty", "file"):
        with pytest.raises(InputError, match=f"no collections of Qdrant at .*{place}.*'docs'"):
            folder(place, make=False)
    with pytest.raises(StorageError, match="open qdrant:.*File exists"):
        folder("file")
    assert sorted(entry.name for entry in in_memory.iterdir()) == ["empty", "file"]
    assert folder("none").names() == set()


def test_a_folder_that_failed_can_be_opened_once_it_is_mended(folder, in_memory):
    (in_memory / "base").mkdir()
    (in_memory / "base" / "meta.json").write_text("{")
    with pytest.raises(StorageError, match="open qdrant:.*JSONDecodeError"):
        folder()
    (in_memory / "base" / "meta.json").write_text(json.dumps({"collections": {}, "aliases": {}}))
    assert folder().names() == set()


@pytest.mark.parametrize("option", ["https", "api_key", "colour"])
def test_a_folder_knows_no_options_of_servers(option, folder, in_memory):
    with pytest.raises(InputError, match=f"'{option}'; expected one of vector, filter"):
        folder(**{option: "true"})
    assert not list(in_memory.iterdir())


# -- servers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["me:PW@db/docs", "me@db/docs", ":PW@db/docs"])
def test_a_login_is_refused_without_the_password(place):
    with pytest.raises(InputError, match="neither.*QDRANT_API_KEY") as raised:
        Connection(Address.parse("qdrant://" + place.replace("PW", KEY)), make=False)
    assert KEY not in repr(vars(raised.value))


@pytest.mark.parametrize(
    ("options", "environment", "sent"),
    [({}, "", None), ({"api_key": "a"}, "", "a"), ({}, "e", "e"), ({"api_key": "a"}, "e", "a")],
)
def test_the_key_of_the_address_comes_before_that_of_the_environment(
    options, environment, sent, monkeypatch
):
    made = []
    monkeypatch.setattr("qdrant_client.QdrantClient", lambda **given: made.append(given))
    monkeypatch.setenv("QDRANT_API_KEY", environment)
    address = Address.parse("qdrant://db/docs").elsewhere(**options)
    Connection(address, make=False)
    assert made[0]["api_key"] == sent
    assert made[0]["url"] == f"http{'s' * (sent is not None)}://db:6333"
    assert made[0]["verify"] is (sent is not None)


BAD = ["{}\n", " {}", "{}\t", "{}\r\nx: y", "é{}", "\x7f{}", "{}\u2028"]


@pytest.mark.parametrize("form", [*BAD, "{}", "{}'x", "a\\{}", 'a"{}'], ids=ascii)
def test_no_key_is_told_whatever_its_characters(form, qdrant, monkeypatch):
    """The client's own error quotes a key that no header takes, with escapes."""
    key = form.format(KEY)
    monkeypatch.setenv("QDRANT_API_KEY", key)
    qdrant.key = "another"
    with pytest.raises((InputError, StorageError)) as raised:
        to(qdrant).names()
    assert isinstance(raised.value, InputError) == (form in BAD)
    assert KEY not in f"{raised.value!r} {vars(raised.value)} {raised.value.__cause__!r}"
    assert "QDRANT_API_KEY" in raised.value.cure


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 500, 503])
def test_a_status_is_told_with_what_the_server_says(status, qdrant):
    qdrant.fails = {"GET /collections": status}
    with pytest.raises(StorageError) as raised:
        to(qdrant).names()
    assert raised.value.operation.startswith("get collections: qdrant://127.0.0.1:")
    assert raised.value.given == f"status {status}: made to fail"
    assert bool(raised.value.cure) == (status in (401, 403))
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    "reply", [[], None, "down", {}, {"status": "down"}, {"status": {"error": None}}]
)
def test_replies_that_are_none_of_qdrants_are_told_too(reply, qdrant, monkeypatch):
    monkeypatch.setattr(qdrant, "answer", lambda *_: (502, reply))
    with pytest.raises(StorageError, match="status 502: "):
        to(qdrant).names()
    monkeypatch.setattr(qdrant, "answer", lambda *_: (200, reply))
    with pytest.raises(StorageError, match="get collections: qdrant:.*; expected an answer"):
        to(qdrant).names()


def test_a_key_that_a_server_repeats_is_hidden_every_time(qdrant, monkeypatch):
    said = {"status": {"error": f"{KEY} is not {KEY}\n  at all"}}
    monkeypatch.setattr(qdrant, "answer", lambda *_: (400, said))
    with pytest.raises(StorageError) as raised:
        to(qdrant, api_key=KEY).names()
    assert raised.value.given == "status 400: *** is not *** at all"
