"""``isthmus hub``, and its file where a bridge is wanted."""

import csv

import numpy as np
import pytest

import isthmus
from isthmus.bridges import UniversalSpace
from isthmus.spaces.stores import connect, create
from isthmus.spaces.stores.store import Rows

HUB = ("hub", "old.npz", "new.npz", "third.npz", "-o", "hub.isthmus")


@pytest.fixture
def z(x):
    """The items of old.npz under a third encoder."""
    rng = np.random.default_rng(5)
    turn = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    return (x @ turn + 0.05 * rng.normal(size=x.shape)).astype(np.float32)


@pytest.fixture
def third(save, z, ids):
    """Beside old.npz and new.npz, third.npz without the first 50 items."""
    return save("third.npz", z[50:], ids[50:])


def test_a_hub(cli, third, narrow, x):
    answer = cli(*HUB)
    assert (answer.code, answer.err) == (0, "hub: hub.isthmus\n")
    narrow(answer.out)
    hub = UniversalSpace.load("hub.isthmus")
    assert hub.names_ == ("old", "new", "third")
    assert hub.missing_["third"] == len(hub.items_) - hub.counts_["third"] > 0
    assert answer.out == f"{hub}\n"
    # The hub is that of the Python front, and its cycles close.
    spaces = {n: isthmus.open(f"{n}.npz") for n in hub.names_}
    python = UniversalSpace().fit(spaces)
    np.testing.assert_array_equal(hub.encoders_["new"][0], python.encoders_["new"][0])
    x = x.astype(np.float64)
    way = hub.transform(hub.transform(x, "old", "new"), "new", "third")
    np.testing.assert_allclose(way, hub.transform(x, "old", "third"), atol=1e-6)


def test_json_and_options(cli, third):
    answer = cli(*HUB, "--form", "ridge", "--holdout", "0.3", "--seed", "4", "--json")
    assert (answer.json["kind"], answer.json["form"]) == ("hub", "ridge")
    assert {s["name"] for s in answer.json["spaces"]} == {"old", "new", "third"}
    assert len(answer.json["directions"]) == 6
    found = UniversalSpace.load("hub.isthmus").get_params()
    assert found == {"form": "ridge", "dim": None, "holdout": 0.3, "seed": 4}


def test_it_serves_as_a_bridge(cli, third, z):
    cli(*HUB)
    go = ("translate", "third.npz", "-b", "hub.isthmus", "-o", "moved", "--to", "new")
    answer = cli(*go)
    assert (answer.code, answer.err) == (0, "")
    hub = UniversalSpace.load("hub.isthmus")
    wanted = hub.transform(z[50:], "third", "new")
    np.testing.assert_allclose(isthmus.open("moved").vectors(), wanted, rtol=1e-4, atol=1e-4)
    assert cli(*go, "--from", "third").code == 0


def test_a_database_is_carried_across_it(cli, third, refused, z):
    cli(*HUB)
    with create("faiss://./docs.faiss", dim=12, metric="euclidean", id_kind="int") as store:
        store.upsert(Rows(np.arange(len(z)), z))
    go = ("upgrade", "faiss://./docs.faiss", "hub.isthmus", "--job", "job")
    said = refused(3, "InputError", *go)
    assert "no --into; expected one of its spaces: old, new, third" in said
    assert cli(*go, "--into", "new", "--dry-run").code == 0
    answer = cli(*go, "--into", "new")
    assert answer.code == 0, answer.err
    assert cli(*go, "--into", "new", "--from", "third").err.startswith("going on with job")
    assert cli("upgrade", "--cutover", "job").code == 0
    wanted = UniversalSpace.load("hub.isthmus").transform(z, "third", "new")
    with connect("faiss://./docs.faiss") as store:
        found = store.fetch(store.ids()).vectors
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    told = cli("doctor", "faiss://./docs.faiss", "-b", "hub.isthmus").out
    assert "new of hub.isthmus" in told
    said = refused(3, "InputError", "upgrade", "faiss://./docs.faiss", "b.isthmus", "--into", "new")
    assert "Leave --from and --into out" in said


def test_a_space_that_is_none_of_its_own(cli, third, refused, save, x):
    cli(*HUB)
    go = ("-b", "hub.isthmus", "-o", "moved", "--to", "new")
    save("foreign.npz", x[:, ::-1] * np.linspace(1, 2, 12, dtype=np.float32))
    said = refused(4, "SpaceMismatch", "translate", "foreign.npz", *go)
    assert "old (dim 12), new (dim 8), third (dim 12)" in said
    assert "--add" in said
    said = refused(4, "SpaceMismatch", "translate", "third.npz", *go, "--from", "old")
    assert "another encoder" in said
    said = refused(3, "InputError", "translate", "third.npz", *go, "--from", "fourth")
    assert "one of its spaces: old, new, third" in said
    said = refused(3, "InputError", "translate", "third.npz", *go[:-2])
    assert "no --to" in said
    said = refused(3, "InputError", "translate", "old.npz", "-b", "b.isthmus", *go[2:])
    assert "holds one bridge" in said


def test_a_space_joins_from_few_pairs(cli, third, save, x, ids):
    cli(*HUB)
    hub = UniversalSpace.load("hub.isthmus")
    before = hub.transform(x, "old", "new")
    turn = np.linalg.qr(np.random.default_rng(8).normal(size=(12, 12)))[0]
    save("fourth.npz", (x @ turn)[100:160], ids[100:160])
    answer = cli("hub", "late=fourth.npz", "--add", "hub.isthmus", "-o", "hub.isthmus")
    assert answer.code == 0, answer.err
    hub = UniversalSpace.load("hub.isthmus")
    assert hub.names_ == ("old", "new", "third", "late")
    np.testing.assert_array_equal(hub.transform(x, "old", "new"), before)
    assert hub.scores_["late"].value > 0.8
    assert f"{hub.counts_['late']:>11}" in answer.out


def test_bad_rows(refused, cli, third, save, here, x):
    x[[2, 30]] = np.nan
    save("old.npz", x)
    said = refused(3, "InputError", *HUB)
    assert "space 'old': NaN or infinity in 2 of 400 rows (first ids: 'd2', 'd30')" in said
    assert "--drop-invalid" in said
    answer = cli(*HUB, "--drop-invalid")
    assert answer.code == 0, answer.err
    assert "left out 2 invalid rows: hub.isthmus.rejects.csv" in answer.err
    with (here / "hub.isthmus.rejects.csv").open(newline="") as file:
        found = list(csv.reader(file))
    reason = "NaN or infinity"
    assert found == [["space", "row", "id", "reason"], ["old", "2", "d2", reason],
                     ["old", "30", "d30", reason]]  # fmt: skip


def test_refusals(refused, save, third, here, z, ids):
    two = ("hub", "old.npz", "new.npz", "-o", "hub.isthmus")
    assert "isthmus fit SOURCE TARGET" in refused(3, "InputError", *two)
    (here / "other").mkdir()
    np.savez(here / "other" / "old.npz", vectors=z, ids=ids)
    said = refused(3, "InputError", *two[:3], "other/old.npz", *two[3:])
    assert "two spaces named 'old'" in said
    assert "old-2=other/old.npz" in said
    save("apart.npz", z, [f"x{i}" for i in range(400)])
    said = refused(3, "PairingError", *two[:3], "apart.npz", *two[3:])
    assert "groups of spaces: apart; new, old" in said
    save("few.npz", z[:5], ids[:5])
    said = refused(3, "InputError", *two[:3], "few.npz", *two[3:])
    assert "space 'few', which shares 5 items" in said
    save("shuffled.npz", np.random.default_rng(0).permutation(z))
    assert "'shuffled'" in refused(3, "NoRelationFound", *two[:3], "shuffled.npz", *two[3:])
    assert "settled" in refused(3, "InputError", *HUB, "--add", "hub.isthmus", "--form", "ridge")
    refused(5, "FormatError", *HUB, "--add", "b.isthmus")
    refused(3, "InputError", *HUB, "--form", "affine")
    refused(3, "InputError", *HUB, "--holdout", "1.5")
    refused(6, "StorageError", *HUB[:-1], "nowhere/hub.isthmus")


def test_names_that_hold_an_equals_sign(cli, third, save, z):
    save("a=b.npz", z)
    answer = cli("hub", "old.npz", "new.npz", "a=b.npz", "c=third.npz", "-o", "hub.isthmus")
    assert answer.code == 0, answer.err
    assert UniversalSpace.load("hub.isthmus").names_ == ("old", "new", "a=b", "c")


def test_a_hub_wherever_a_bridge_is_wanted(cli, third):
    cli(*HUB)
    assert "third" in cli("info", "hub.isthmus").out
    assert "hub, corpus" in cli("evaluate", "old.npz", "third.npz", "-b", "hub.isthmus").out
    assert cli("plan", "old.npz", "third.npz", "-b", "hub.isthmus").code == 0
