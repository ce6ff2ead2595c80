"""The store doctor sees what was done to a store, and nothing where nothing was."""

import json
from dataclasses import replace

import faiss
import numpy as np
import pytest
from typer.testing import CliRunner

import isthmus
from isthmus.cli.main import app
from isthmus.core.errors import InputError
from isthmus.report.html import report
from isthmus.spaces.stores import connect, create
from isthmus.spaces.stores.faiss import Faiss
from isthmus.spaces.stores.store import Rows
from isthmus.upgrade.store_doctor import store_doctor

RNG = np.random.default_rng(0)
MIX = RNG.normal(size=(12, 24)) * np.linspace(2, 0.3, 24)
TURN = np.linalg.qr(RNG.normal(size=(24, 24)))[0]
Z = RNG.normal(size=(1500, 12)) + 0.5
X = (Z @ MIX + 0.2 * RNG.normal(size=(1500, 24)) + 0.3).astype(np.float32)
UNIT = X / np.linalg.norm(X, axis=1, keepdims=True)
Y = (UNIT @ TURN).astype(np.float32)
IDS = np.arange(1500) * 3


def filled(folder, vectors=UNIT, *, metric="inner", index=None):
    address = f"faiss://{folder}/docs"
    if index is None:
        with create(address, dim=24, metric=metric, id_kind="int") as store:
            store.upsert(Rows(IDS, vectors))
    else:
        index.train(vectors)
        mapped = faiss.IndexIDMap2(index)
        mapped.add_with_ids(vectors, IDS)
        faiss.write_index(mapped, f"{folder}/docs")
    return address


def look(source, **options):
    return store_doctor(source, rows=300, queries=100, **options)


def wide(text):
    """Lines beyond 80 columns; an address is never broken, as it may be pasted."""
    return [line for line in text.splitlines() if len(line) > 80 and "faiss://" not in line]


def names(found):
    return {one.name: one.severity for one in found.findings}


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    source = isthmus.open(UNIT, ids=IDS, encoder="old", metric="cosine")
    target = isthmus.open(Y, ids=IDS, encoder="new", metric="cosine")
    path = tmp_path_factory.mktemp("bridge") / "b.isthmus"
    isthmus.fit(isthmus.pair(source, target), method="orthogonal").save(path)
    return path


def known(bridge):
    ends = isthmus.load(bridge)
    return {"the source": ends.source, "the target": ends.target}


def test_a_sound_store_has_no_findings(tmp_path, bridge):
    found = look(filled(tmp_path), known=known(bridge))
    assert names(found) == {}
    assert found.verdict() == "nothing found wrong"
    assert found.recall.value == 1.0
    assert found.agreement is None
    assert found.lengths.startswith("all 1")
    assert found.encoder.startswith("the source. ")
    assert found.leftovers == ()
    assert not wide(str(found))


def test_the_encoder_of_the_vectors_is_recognised(tmp_path, bridge):
    moved = look(filled(tmp_path, Y), known=known(bridge))
    assert moved.encoder.startswith("the target. ")
    assert names(moved) == {}
    (tmp_path / "b").mkdir()
    strange = Y @ np.linalg.qr(RNG.normal(size=(24, 24)))[0].astype(np.float32)
    foreign = look(filled(tmp_path / "b", strange), known=known(bridge))
    assert names(foreign) == {"foreign_vectors": "broken"}
    assert "not those of the source or the target" in str(foreign)


def test_two_spaces_in_one_store_are_seen(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1500, 6)) @ rng.normal(size=(6, 24)) + 0.3 * rng.normal(size=(1500, 24))
    x[700:] = x[700:] @ np.linalg.qr(rng.normal(size=(24, 24)))[0] + 9 * rng.normal(size=24)
    found = store_doctor(filled(tmp_path, x.astype(np.float32), metric="euclidean"), queries=20)
    assert found.health.finding("two_spaces").severity == "broken"
    assert "1 broken" in found.verdict()


def test_a_metric_that_lengths_make_another_is_told(tmp_path, bridge):
    long = X * RNG.uniform(0.2, 5, (1500, 1)).astype(np.float32)
    found = look(filled(tmp_path, long))
    assert names(found)["other_metric"] == "notable"
    nearest = [np.argsort(-(long @ q))[:11] for q in long[::100]]
    cosine = [np.argsort(-(UNIT @ q))[:11] for q in UNIT[::100]]
    shared = np.mean(
        [
            len(set(a[a != i][:10]) & set(b[b != i][:10])) / 10
            for i, a, b in zip(range(0, 1500, 100), nearest, cosine, strict=True)
        ]
    )
    assert found.agreement.value == pytest.approx(shared, abs=0.1)
    # An encoder that declares another metric makes it harmful.
    known_ = {"mine": isthmus.open(long, metric="cosine", encoder="mine").fingerprint()}
    assert names(look(filled_at(tmp_path), known=known_))["other_metric"] == "harmful"
    same = {"mine": isthmus.open(long, metric="inner", encoder="mine").fingerprint()}
    assert "other_metric" not in names(look(filled_at(tmp_path), known=same))


def filled_at(folder):
    return f"faiss://{folder}/docs"


def test_an_index_that_lost_its_recall_is_seen_before_and_after_rewriting(tmp_path):
    cells = faiss.IndexFlatL2(24)
    index = faiss.IndexIVFFlat(cells, 24, 32)
    index.nprobe = 1
    address = filled(tmp_path, X, index=index)
    found = look(address)
    assert names(found)["lost_recall"] == "harmful"
    assert 0.1 < found.recall.value < 0.85
    with connect(address) as store:
        store.shadow("j", dim=24, metric=None).upsert(Rows(IDS, X))
    unbuilt = look(address)
    assert [(one.job, one.state, one.recall) for one in unbuilt.leftovers] == [
        ("j", "shadow", None)
    ]
    assert names(unbuilt)["leftover"] == "notable"
    with connect(address) as store:
        store.finish("j")
    built = look(address).leftovers[0]
    assert (built.rows, built.state) == (1500, "shadow")
    assert 0.1 < built.recall.value < 0.85
    with connect(address) as store:
        store.cutover("j")
    live = look(address)
    assert live.leftovers[0].state == "live"
    assert live.leftovers[0].recall.value == found.recall.value
    with connect(address) as store:
        store.drop("j")
    assert look(address).leftovers == ()


def test_what_it_opened_is_closed_and_what_it_was_given_is_not(tmp_path, monkeypatch):
    address = filled(tmp_path)
    with connect(address) as store:
        store.shadow("j", dim=24, metric=None).upsert(Rows(IDS, UNIT))
        store.finish("j")
    opened, closed, opens, closes = [], [], Faiss.open.__func__, Faiss.close
    monkeypatch.setattr(
        Faiss, "open", classmethod(lambda cls, at: opened.append(opens(cls, at)) or opened[-1])
    )
    monkeypatch.setattr(Faiss, "close", lambda self: closed.append(self) or closes(self))
    look(address)
    assert set(closed) == set(opened)  # the shadow's too
    given = isthmus.open(address)
    opened.clear(), closed.clear()
    look(given)
    assert set(closed) == set(opened)
    assert len(opened) == 1


def test_gaps_indexes_and_an_undeclared_metric_are_told(tmp_path, monkeypatch):
    address = filled(tmp_path)
    whole = Faiss.facts
    told = {"metric": None, "missing": 7, "rows": 10_000, "invalid": ("one", "two")}
    monkeypatch.setattr(Faiss, "facts", lambda self: replace(whole(self), **told))
    found = look(address)
    gaps = {"no_metric": "notable", "no_vector": "notable", "no_index": "notable"}
    assert names(found) == gaps | {"invalid_index": "harmful"}
    assert "7 rows have no vector" in str(found)
    assert "No search uses the index one, two" in str(found)
    assert found.recall is None


def test_it_is_for_stores_alone():
    with pytest.raises(InputError, match="no store"):
        look(isthmus.open(X))


def test_the_command_line_and_the_page_say_the_same(tmp_path, bridge):
    address = filled(tmp_path, X * RNG.uniform(0.2, 5, (1500, 1)).astype(np.float32))
    page = tmp_path / "r.html"
    run = CliRunner().invoke(
        app,
        ["doctor", address, "-b", str(bridge), "--report", str(page), "--json", "--rows", "300"],
    )
    assert run.exit_code == 0, run.output
    said = json.loads(run.stdout)
    assert said["kind"] == "store health"
    assert {one["name"] for one in said["findings"]} == {"foreign_vectors", "other_metric"}
    assert all(one["remedy"] for one in said["findings"])
    assert said["health"]["rows"] == 1500
    text = page.read_text()
    assert "The health of the store" in text
    for one in said["findings"]:
        assert one["says"] in text
    like = tmp_path / "f.json"
    like.write_text(json.dumps(isthmus.open(address).fingerprint().as_dict()))
    for told in (address, str(like)):
        run = CliRunner().invoke(app, ["doctor", address, "--fingerprint", told, "--rows", "300"])
        assert run.exit_code == 0, run.output
        assert "made by" in run.stdout
        assert not wide(run.stdout)
    np.save(tmp_path / "x.npy", X)
    run = CliRunner().invoke(app, ["doctor", str(tmp_path / "x.npy"), "-b", str(bridge)])
    assert run.exit_code == 3


def test_a_report_holds_stores_beside_spaces(tmp_path):
    store = look(filled(tmp_path))
    text = report(tmp_path / "r.html", store, isthmus.doctor(X)).read_text()
    assert "The health of the store" in text
    assert "The health of the space" in text
