import json

import numpy as np
import pytest

import isthmus

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


def test_traffic_labels_and_a_chain(cli, here, save, x):
    """What lies in files comes out as what Python is told."""
    hits, classes = (
        {f"d{i}": i % 7 for i in range(300)},
        {f"d{i}": f"c {i % 3}" for i in range(400)},
    )
    for name, by in (("traffic", hits), ("labels", classes)):
        (here / f"{name}.tsv").write_text("".join(f"{i}\t{v}\n" for i, v in by.items()))
    save("between.npz", x[:, ::-1] + 0.1)
    save("last.npz", np.tanh(x[:, :9]))
    answer = cli(
        *GO, "--traffic", "traffic.tsv", "--labels", "labels.tsv",
        "--chain", "between.npz", "--chain", "last.npz", "--json",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    given, across = ("old.npz", "new.npz"), isthmus.load("b.isthmus")
    said = isthmus.plan(
        *given, bridges=across, traffic=hits, labels=classes, chain=["between.npz", "last.npz"]
    )  # fmt: skip
    assert answer.json["curves"] == said.as_dict()["curves"]
    assert answer.json["curves"][0]["order"] == "traffic"
    assert "chain of 3, corpus side" in {o["name"] for o in answer.json["strategies"]}
    clustered = isthmus.plan(*given, bridges=across, traffic=hits).as_dict()["curves"]
    assert clustered[0] == answer.json["curves"][0]
    assert clustered[2]["order"] == "class mean"
    assert clustered[2] != answer.json["curves"][2]


def test_json_is_alone_on_stdout(cli, here):
    answer = cli(*GO, "--json", "--candidates", "15", "--candidates", "30")
    assert answer.code == 0, answer.err
    names = {o["name"] for o in answer.json["strategies"]}
    assert {n for n in names if n.startswith("old, rerank")} == {"old, rerank 15", "old, rerank 30"}
    assert answer.json["relevance"] == "provisional"
    assert answer.json["enough"] is False


def test_a_folder_that_is_not_there_is_said_first(refused):
    refused(6, "StorageError", *GO, "--save", "nowhere/plan.json")


def test_what_cannot_be_used(refused, here, save, x, y, queries):
    refused(3, "InputError", *GO, "--k", "400")
    refused(3, "InputError", *GO, "--candidates", "0")
    refused(3, "InputError", *GO, "--qrels", "q.txt")
    refused(3, "InputError", *GO, "-q", "q-old.npz")
    (here / "words.tsv").write_text("d1\toften\n")
    assert "number of hits" in refused(3, "InputError", *GO, "--traffic", "words.tsv")
    (here / "spaces.tsv").write_text("d1 3\n")
    assert "in line 1" in refused(5, "FormatError", *GO, "--labels", "spaces.tsv")
    refused(6, "StorageError", *GO, "--labels", "nowhere.tsv")
    refused(6, "StorageError", *GO, "--chain", "nowhere.npz")
    save("few.npz", y[:20], [f"d{i}" for i in range(20)])
    said = refused(3, "InputError", "plan", "old.npz", "few.npz")
    assert "Embed a larger sample" in said
