import numpy as np
import pytest

GO = ("evaluate", "old.npz", "new.npz", "-b", "b.isthmus")


def test_without_judgements(cli, here, narrow):
    answer = cli(*GO)
    assert (answer.code, answer.err) == (0, "")
    narrow(answer.out)
    assert "PROVISIONAL" in answer.out
    assert cli(*GO, "--json").json["kind"] == "evaluation"


@pytest.fixture
def queries(save, x, y):
    noise = np.random.default_rng(5).normal(size=(20, 8)) * 0.05
    save("q.npz", (y[:20] + noise).astype(np.float32), [f"q{i}" for i in range(20)])


def test_with_judgements(cli, here, queries):
    (here / "qrels.txt").write_text("".join(f"q{i} 0 d{i} 1\n" for i in range(20)))
    answer = cli(*GO, "--queries", "q.npz", "--qrels", "qrels.txt", "--report", "r.html", "--json")
    assert answer.code == 0, answer.err
    assert answer.json["relevance"] != "provisional"
    assert (here / "r.html").exists()


def test_k_beyond_the_collection(refused):
    said = refused(3, "InputError", *GO, "--k", "400")
    assert "k=400 and 400 documents" in said
    refused(3, "InputError", *GO, "--k", "0")


def test_qrels_that_name_nobody(refused, here, queries):
    (here / "qrels.txt").write_text("a 0 b 1\nc 0 d 1\n")
    refused(3, "PairingError", *GO, "--queries", "q.npz", "--qrels", "qrels.txt")
    (here / "qrels.txt").write_text("q1 0 nowhere 1\n")
    refused(3, "PairingError", *GO, "--queries", "q.npz", "--qrels", "qrels.txt")


@pytest.mark.parametrize("text", ["", "q1 0\n", "q1 0 d1 good\n", "\x00\xff"])
def test_qrels_that_are_none(refused, here, queries, text):
    (here / "qrels.txt").write_bytes(text.encode("latin1"))
    said = refused(5, "FormatError", *GO, "--queries", "q.npz", "--qrels", "qrels.txt")
    assert "qrels.txt" in said


def test_qrels_without_queries(refused, here):
    (here / "qrels.txt").write_text("q1 0 d1 1\n")
    refused(3, "InputError", *GO, "--qrels", "qrels.txt")


def test_a_missing_qrels_file(refused, queries):
    refused(6, "StorageError", *GO, "--queries", "q.npz", "--qrels", "nowhere.txt")


def test_queries_of_another_width(refused, save, x):
    save("q.npz", x[:20, :5], [f"q{i}" for i in range(20)])
    refused(3, "InputError", *GO, "--queries", "q.npz")


def test_bad_rows(refused, save, y):
    y[[2, 30]] = np.nan
    save("new.npz", y)
    said = refused(3, "InputError", *GO)
    assert "d2" in said
    assert "d30" in said


def test_a_bridge_of_other_spaces(refused, cli, save, x):
    save("a.npz", x[:, :5])
    cli("fit", "a.npz", "old.npz", "-o", "other", "--method", "affine")
    refused(4, "SpaceMismatch", *GO[:-1], "other")


def test_a_bridge_backwards_serves_too(cli, here):
    cli("fit", "new.npz", "old.npz", "-o", "back", "--method", "affine")
    answer = cli(*GO, "-b", "back")
    assert answer.code == 0
    assert "back" in answer.out
