import json

import numpy as np
import pytest

GO = ("plan", "old.npz", "new.npz", "-b", "b.isthmus")


@pytest.fixture
def queries(save, x, y):
    noise = np.random.default_rng(5).normal(size=(60, 8)) * 0.05
    save("q.npz", (y[:60] + noise).astype(np.float32), [f"q{i}" for i in range(60)])
    save("q-old.npz", x[:60] + 0.05, [f"q{i}" for i in range(60)])


def test_with_judgements_a_report_and_a_saved_plan(cli, here, queries, narrow):
    (here / "qrels.txt").write_text("".join(f"q{i} 0 d{i} 1\n" for i in range(60)))
    answer = cli(
        *GO, "-q", "q.npz", "--old-queries", "q-old.npz", "--qrels", "qrels.txt",
        "--report", "plan.html", "--save", "plan.json",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    narrow(answer.out)
    assert "Recommended:" in answer.out
    saved = json.loads((here / "plan.json").read_text())
    assert (saved["kind"], saved["relevance"]) == ("plan", "human")
    assert saved["recommended"] in answer.out
    assert "Which way to serve" in (here / "plan.html").read_text()


def test_json_is_alone_on_stdout(cli, here):
    answer = cli(*GO, "--json")
    assert answer.code == 0, answer.err
    assert answer.json["relevance"] == "provisional"
    assert answer.json["enough"] is False


def test_a_folder_that_is_not_there_is_said_first(refused):
    refused(6, "StorageError", *GO, "--save", "nowhere/plan.json")


def test_what_cannot_be_used(refused, save, x, y, queries):
    refused(3, "InputError", *GO, "--k", "400")
    refused(3, "InputError", *GO, "--qrels", "q.txt")
    refused(3, "InputError", *GO, "-q", "q-old.npz")
    save("few.npz", y[:20], [f"d{i}" for i in range(20)])
    said = refused(3, "InputError", "plan", "old.npz", "few.npz")
    assert "Embed a larger sample" in said
