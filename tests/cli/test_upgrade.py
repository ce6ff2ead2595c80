import json

import numpy as np
import pytest

import isthmus
from isthmus.spaces.stores import connect, create
from isthmus.spaces.stores.store import Rows
from isthmus.upgrade.carry import mapped

GO = ("upgrade", "faiss://./docs.faiss", "b.isthmus", "--job", "job")


@pytest.fixture
def docs(here, x):
    with create("faiss://./docs.faiss", dim=12, metric="euclidean", id_kind="int") as store:
        store.upsert(Rows(np.arange(400), x))
    return here


def served():
    with connect("faiss://./docs.faiss") as store:
        return store.fetch(store.ids()).vectors


def test_the_whole_way_and_back(cli, docs, x, narrow):
    answer = cli(*GO)
    assert answer.code == 0, answer.err
    assert answer.err.startswith("400 vectors, 12 -> 8 dimensions\n0.01 MB of vectors to write")
    assert answer.out.startswith("job: ready\n")
    assert "400 vectors carried, under the same ids" in answer.out
    assert "of 400 drawn at random all are the bridge's bit for bit\n" in answer.out
    assert "isthmus upgrade --cutover job" in answer.out
    narrow("\n".join(line for line in answer.out.splitlines() if "://" not in line))
    narrow(answer.err)
    np.testing.assert_array_equal(served(), x)
    again = cli(*GO)
    assert (again.err, again.out) == ("going on with job\nproving it\n", answer.out)
    assert cli("upgrade", "--cutover", "job").out.startswith("job: live\n")
    np.testing.assert_array_equal(served(), mapped(isthmus.load("b.isthmus"), x))
    assert cli("upgrade", "--rollback", "job").out.startswith("job: rolled back\n")
    np.testing.assert_array_equal(served(), x)
    assert cli("upgrade", "--drop", "job").out.startswith("job: dropped\n")
    assert sorted(p.name for p in docs.iterdir() if "docs" in p.name and p.is_file()) == [
        "docs.faiss"
    ] or not list(docs.glob("*isthmus_*"))


def test_json(cli, docs):
    found = cli(*GO, "--json").json
    assert {k: found[k] for k in ("kind", "state", "rows", "done", "path")} == {
        "kind": "upgrade job", "state": "ready", "rows": 400, "done": 400, "path": "job",
    }  # fmt: skip
    assert found["verified"]["identical"] == 400
    assert found["next"]["let the new vectors serve"] == "isthmus upgrade --cutover job"
    assert cli("upgrade", "--cutover", "job", "--json").json["state"] == "live"


def test_a_dry_run_changes_nothing(cli, docs):
    before = sorted(p.name for p in docs.iterdir())
    answer = cli(*GO, "--dry-run")
    assert answer.code == 0, answer.err
    assert "s to read and map" in answer.out
    assert cli(*GO, "--dry-run", "--json").json["new_dim"] == 8
    assert sorted(p.name for p in docs.iterdir()) == before


def test_from_a_file_to_a_collection(cli, here, x):
    np.savez(here / "numbers.npz", vectors=x)
    answer = cli("upgrade", "numbers.npz", "b.isthmus", "--to", "faiss://./docs.faiss")
    assert answer.code == 0, answer.err
    assert "Point your service at it" in answer.out
    np.testing.assert_array_equal(served(), mapped(isthmus.load("b.isthmus"), x))
    (job,) = (here / "isthmus-jobs").iterdir()
    said = cli("upgrade", "--cutover", job.name)
    assert said.code == 3
    assert "a job that writes to another collection" in " ".join(said.err.split())


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("faiss://./docs.faiss",),
        ("--cutover", "a", "--drop", "a"),
        ("faiss://./docs.faiss", "b.isthmus", "--drop", "a"),
    ],
)
def test_wrong_usage(cli, here, arguments):
    answer = cli("upgrade", *arguments)
    assert (answer.code, answer.out) == (2, "")


def test_refusals(cli, docs, x):
    for arguments, code, said in (
        (("upgrade", "old.npz", "b.isthmus"), 3, "Say where its vectors go with --to"),
        (("upgrade", "faiss://./none.faiss", "b.isthmus"), (3, 6), "none.faiss"),
        (("upgrade", "wrong://./docs", "b.isthmus"), 3, "faiss://"),
        (("upgrade", "faiss://./docs.faiss", "none.isthmus"), 6, "none.isthmus"),
        (("upgrade", "--cutover", "none"), 6, "no job there"),
    ):
        answer = cli(*arguments)
        assert answer.code in np.atleast_1d(code), answer
        assert said in " ".join(answer.err.split())
        assert not (docs / "isthmus-jobs").exists()


def test_jobs(cli, docs, narrow):
    assert cli("jobs").out == "no jobs in isthmus-jobs\n"
    assert cli(*GO[:3]).code == 0
    (job,) = (docs / "isthmus-jobs").iterdir()
    listed = cli("jobs")
    assert f"{job.relative_to(docs)}: ready" in listed.out
    narrow("\n".join(line for line in listed.out.splitlines() if "isthmus" not in line))
    (found,) = cli("jobs", "--json").json["jobs"]
    assert found["state"] == "ready"
    assert ": ready" in cli("jobs", "--pause", job.name).out
    assert json.loads((job / "job.json").read_text())["id"] == found["id"]
    with connect("faiss://./docs.faiss") as store:
        store.delete(np.arange(3))
    said = cli("upgrade", "--cutover", found["id"])
    assert said.code == 6
    assert "changed since the job was proved" in " ".join(said.err.split())
    assert "397 vectors carried" in cli("jobs", "--resume", found["id"]).out
    assert cli("upgrade", "--cutover", found["id"]).code == 0
    (job / "job.json").write_text("{}")
    assert "damaged" in cli("jobs").out
    assert cli("jobs", "--resume", job.name).code == 5
    assert cli("jobs", "--pause", "a", "--resume", "a").code == 2
