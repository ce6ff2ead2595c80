"""Chroma keeps the contract of stores, in a folder and behind a server; and what is its own."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from isthmus.core.errors import InputError, MissingExtra, StorageError
from isthmus.spaces.stores import Address
from isthmus.spaces.stores.store import Rows
from isthmus.testing import stores as suite

chromadb = pytest.importorskip("chromadb", reason="Chroma's client is not installed")

from chromadb.api.models.Collection import Collection  # noqa: E402
from chromadb.api.shared_system_client import SharedSystemClient as Client  # noqa: E402
from chromadb.config import Settings  # noqa: E402

from isthmus.spaces.stores.chroma import Chroma  # noqa: E402

FILTER = json.dumps({"even": 1})


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    command = shutil.which("chroma", path=Path(sys.executable).parent)
    if command is None:
        pytest.skip("the command chroma is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [command, "run", "--path", tmp_path_factory.mktemp("server"), "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=os.environ | {"ANONYMIZED_TELEMETRY": "False"},
    )  # fmt: skip
    try:
        for _ in range(300):
            try:
                url = f"http://127.0.0.1:{port}/api/v2/heartbeat"
                urllib.request.urlopen(url, timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        else:
            pytest.skip("a server of Chroma does not start here")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(params=["folder", "server"])
def bench(request, tmp_path):
    if request.param == "folder":
        start = f"chroma://{tmp_path}/"
    else:
        name = request.node.name.translate(str.maketrans("[]", "--"))
        start = f"chroma://{request.getfixturevalue('server')}/{name}"
    return suite.Bench(
        Chroma,
        lambda name: Address.parse(f"{start}{name}"),
        lambda address: address.elsewhere(filter=FILTER),
    )


@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda c: c.__name__)
def test_contract(check, bench):
    check(bench)


class Killed(BaseException):
    """As sudden as a kill: nothing catches it."""


@pytest.fixture
def docs(tmp_path):
    """A collection as a user has it, with documents, metadata and settings of its own."""
    path = str(tmp_path.resolve())
    client = chromadb.PersistentClient(path, Settings(anonymized_telemetry=False))
    made = client.create_collection(
        "docs", metadata={"team": "search"}, embedding_function=None,
        configuration={"hnsw": {"space": "l2", "max_neighbors": 24}},
    )  # fmt: skip
    vectors = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    made.upsert(
        ids=[f"d{n:02}" for n in range(40)], embeddings=vectors,
        documents=[f"text {n}" if n % 2 else None for n in range(40)],
        metadatas=[{"n": n, "tags": ["a", "b"]} if n % 3 else None for n in range(40)],
    )  # fmt: skip
    yield client, vectors
    client.close()


def connect(tmp_path, **options):
    return Chroma.open(Address.parse(f"chroma://{tmp_path}/docs").elsewhere(**options))


def moved(store, *, job="j1", dim=4, metric=None):
    shadow = store.shadow(job, dim=dim, metric=metric)
    for rows in store.scan(15):
        shadow.upsert(Rows(rows.ids, np.resize(rows.vectors * 2, (len(rows), dim))))
    return shadow


def test_a_users_collection_is_carried_whole(docs, tmp_path):
    client, _ = docs
    before = client.get_collection("docs", embedding_function=None).get()
    with connect(tmp_path) as store:
        moved(store, dim=6, metric="inner")
        store.cutover("j1")
        assert (store.facts().metric, store.facts().dim) == ("inner", 6)
    made = client.get_collection("docs", embedding_function=None)
    after = made.get()
    for what in ("documents", "metadatas"):
        wanted = dict(zip(before["ids"], before[what], strict=True))
        assert dict(zip(after["ids"], after[what], strict=True)) == wanted
    assert made.metadata["team"] == "search"
    assert made.configuration_json["hnsw"]["max_neighbors"] == 24


@pytest.mark.parametrize("back", [False, True])
def test_two_renames_may_be_cut_between(docs, tmp_path, monkeypatch, back):
    with connect(tmp_path) as store:
        moved(store, dim=5)
        if back:
            store.cutover("j1")
        rename, calls = Collection.modify, []

        def cut(self, name=None, **more):
            calls.append(name)
            if len(calls) == 2:
                raise Killed
            return rename(self, name=name, **more)

        act = store.rollback if back else store.cutover
        with monkeypatch.context() as patch:
            patch.setattr(Collection, "modify", cut)
            with pytest.raises(Killed):
                act("j1")
    with connect(tmp_path) as store:
        # The originals are found although no collection has the name.
        assert store.state("j1") == "shadow"
        assert store.jobs() == ("j1",)
        assert store.facts().dim == 4
        assert np.array_equal(store.fetch(np.array(["d03"])).vectors[0], docs[1][3])
        (store.rollback if back else store.cutover)("j1")
        assert store.state("j1") == ("shadow" if back else "live")
        assert store.facts().dim == (4 if back else 5)
        store.rollback("j1")
        assert np.array_equal(store.fetch(np.array(["d03"])).vectors[0], docs[1][3])


def test_no_row_is_lost_and_no_removed_row_returns(docs, tmp_path):
    client, vectors = docs
    with connect(tmp_path) as store:
        shadow = moved(store)
        made = client.get_collection("docs", embedding_function=None)
        made.upsert(ids=["new"], embeddings=vectors[:1])
        made.delete(ids=["d05"])
        with pytest.raises(StorageError, match="new"):
            store.cutover("j1")
        shadow.upsert(store.fetch(np.array(["new"])))
        store.cutover("j1")
        assert "d05" not in store.ids()
        assert len(store.ids()) == 40


def test_an_upgrade_after_an_upgrade(docs, tmp_path):
    with connect(tmp_path) as store:
        moved(store)
        store.cutover("j1")
        moved(store, job="j2")
        store.cutover("j2")
        assert (store.state("j1"), store.state("j2")) == ("absent", "live")
        with pytest.raises(StorageError, match="no old vectors"):
            store.rollback("j1")
        store.rollback("j2")
        assert store.state("j1") == "live"


def test_a_payload_replaces_what_was_there(docs, tmp_path):
    with connect(tmp_path) as store:
        key = np.array(["d01"])
        vectors = store.fetch(key).vectors
        store.upsert(Rows(key, vectors))
        kept = store.fetch(key, payload=True).payload[0]
        assert kept == {"n": 1, "tags": ["a", "b"], "chroma:document": "text 1"}
        store.upsert(Rows(key, vectors, [{"m": True, "empty": None}]))
        assert store.fetch(key, payload=True).payload[0] == {"m": True}
        store.upsert(Rows(key, vectors, [{}]))
        assert store.fetch(key, payload=True).payload[0] == {}


def test_a_write_that_fails_at_any_call_loses_no_row(bench, monkeypatch):
    """Each row is whole afterwards, as it was or as it is to be; repeating the write ends it."""
    ids, x = np.array([f"d{n}" for n in range(5)]), np.eye(5, 8, dtype=np.float32)
    both = {"chroma:document": "text", "chroma:uri": "u"}
    old = [both, {"a": 1}, {"a": 1} | both, {}, both]
    new = [{"b": 2}, both, {"a": 2}, {"b": 2}, {}]
    left = [0]

    def counted(name):
        call = getattr(Collection, name)

        def run(self, *args, **more):
            if not left[0]:
                raise RuntimeError("cut short")
            left[0] -= 1
            return call(self, *args, **more)

        return run

    with Chroma.create(bench.place("docs"), dim=8, metric=None, id_kind="string") as store:
        store._client.batch = 2  # rows of one request
        for failing in range(9):
            store.upsert(Rows(ids, x, old))
            assert store.fetch(ids, payload=True).payload == old
            left[:], failed = [failing], False
            with monkeypatch.context() as patch:
                for name in ("add", "update", "upsert", "delete", "get", "modify"):
                    patch.setattr(Collection, name, counted(name))
                try:
                    store.upsert(Rows(ids, -x, new))
                except StorageError as error:
                    failed = "cut short" in str(error)
            found = store.fetch(ids, payload=True)
            for number, sign in enumerate(found.vectors.diagonal()):
                assert found.payload[number] == (old if sign > 0 else new)[number]
            if not failed:
                break
            store.upsert(Rows(ids, -x, new))
            assert store.fetch(ids, payload=True).payload == new
    assert failing == 6  # a reading and a writing for each of three requests


@pytest.mark.parametrize("value", [{"a": 1}, float("nan"), 1 << 63, [], [1, "a"], b"x"])
def test_refuses_metadata_that_would_be_lost(docs, tmp_path, value):
    with connect(tmp_path) as store:
        rows = Rows(np.array(["d01"]), np.ones((1, 4), np.float32), [{"bad": value}])
        with pytest.raises(InputError, match="'bad'"):
            store.upsert(rows)
        assert store.fetch(rows.ids, payload=True).payload[0]["n"] == 1


def test_cosine_keeps_lengths_to_rounding(tmp_path):
    address = Address.parse(f"chroma://{tmp_path}/docs")
    vectors = (10 * np.random.default_rng(0).normal(size=(50, 8))).astype(np.float32)
    ids = np.array([f"d{n:02}" for n in range(50)])
    with Chroma.create(address, dim=8, metric="cosine", id_kind="string") as store:
        store.upsert(Rows(ids, vectors))
        assert np.allclose(store.fetch(ids).vectors, vectors, rtol=3e-7)


def test_closing_gives_the_folder_back(tmp_path):
    path = str(tmp_path.resolve())
    address = Address.parse(f"chroma://{tmp_path}/docs")
    with Chroma.create(address, dim=2, metric=None, id_kind="string"):
        assert path in Client._identifier_to_system
    assert path not in Client._identifier_to_system


def test_a_folder_that_someone_opened_with_other_settings(tmp_path):
    path = str(tmp_path.resolve())
    theirs = chromadb.PersistentClient(path, Settings(anonymized_telemetry=False))
    theirs.create_collection("docs", embedding_function=None)
    theirs.close()
    theirs = chromadb.PersistentClient(path)
    with connect(tmp_path) as store:
        assert len(store.ids()) == 0
    theirs.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "no JSON object"), ("{}", "no JSON object"), ('{"$nope": 1}', "where")],
)
def test_refuses_a_filter_that_is_none(docs, tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        connect(tmp_path, filter=text)


def test_the_token_is_never_shown(monkeypatch):
    for address in ("chroma://127.0.0.1:1/docs?token=sesame", "chroma://127.0.0.1:1/docs"):
        monkeypatch.setenv("CHROMA_TOKEN", "sesame")
        with pytest.raises(StorageError) as raised:
            Chroma.open(Address.parse(address))
        assert "sesame" not in f"{raised.value!r} {raised.value.__cause__!r}"


def test_refuses_what_is_no_collection(docs, tmp_path):
    for address, said in (
        (f"chroma://{tmp_path}/nowhere", "one of docs"),
        (f"chroma://{tmp_path}/empty/docs", "chroma.sqlite3"),
        ("chroma://me@host/docs", "CHROMA_TOKEN"),
    ):
        with pytest.raises(InputError, match=said):
            Chroma.open(Address.parse(address))
    with pytest.raises(InputError, match="text"):
        Chroma.create(Address.parse(f"chroma://{tmp_path}/new"), dim=2, metric=None, id_kind="int")


def test_says_which_extra_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "chromadb", None)
    with pytest.raises(MissingExtra, match=r"isthmus\[chroma\]"):
        connect(tmp_path)
