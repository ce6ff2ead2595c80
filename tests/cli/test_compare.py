import numpy as np
import pytest

GO = ("compare", "old.npz", "new.npz")


def test_two_spaces(cli, here, narrow):
    answer = cli(*GO)
    assert (answer.code, answer.err) == (0, "400 pairs; left over: 0 and 0\n")
    narrow(answer.out)
    assert "The spaces are related" in answer.out
    found = cli(*GO, "--json").json
    assert found["related"] is True
    assert found["scores"]["debiased_cka"]["value"] > 0.5


def test_shuffled_pairs_are_said_to_be_unrelated(cli, save, y):
    save("new.npz", np.random.default_rng(3).permutation(y))
    answer = cli(*GO)
    assert answer.code == 0
    assert "no relation found" in answer.out.lower()
    assert cli(*GO, "--json").json["related"] is False


def test_the_same_space_twice(cli, here):
    answer = cli("compare", "old.npz", "old.npz")
    assert answer.code == 0
    assert "The same space, bit for bit." in answer.out


def test_left_over_rows_are_counted(cli, save, y, ids):
    save("new.npz", y[100:], ids[100:])
    assert "300 pairs; left over: 100 and 0" in cli(*GO).err


@pytest.mark.parametrize("side", ["source", "target"])
def test_bad_rows(refused, save, x, y, side):
    (x if side == "source" else y)[[2, 30]] = np.nan
    save("old.npz", x)
    save("new.npz", y)
    said = refused(3, "InputError", *GO)
    assert "2" in said
    assert "'d2', 'd30'" in said


ODD = {
    "zero vectors": lambda x, y: (x * (np.arange(400) > 3)[:, None], y),
    "constant dimension": lambda x, y: (np.hstack([x, np.full((400, 1), 7, "f4")]), y),
    "far from zero": lambda x, y: (x + np.float32(1e4), y),
    "norms of 1e20": lambda x, y: (x * np.float32(1e20), y * np.float32(1e20)),
    "fewer rows than dims": lambda x, y: (np.hstack([x] * 40)[:300], y[:300]),
    "rank-deficient": lambda x, y: (np.hstack([x, x]), y),
    "few rows": lambda x, y: (x[:12], y[:12]),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_but_honest_sets_are_compared(cli, save, narrow, x, y, ids, kind):
    x, y = ODD[kind](x, y)
    save("old.npz", x.astype(np.float32), ids[: len(x)])
    save("new.npz", y, ids[: len(y)])
    answer = cli(*GO)
    assert answer.code == 0, answer.err
    narrow(answer.out)
    assert "Warning" not in answer.err
    assert cli(*GO, "--json").json["n"] == min(len(x), len(y))


def test_two_rows_are_too_few(refused, save, x, ids):
    save("old.npz", x[:2], ids[:2])
    refused(3, "InputError", *GO)


def test_a_report(cli, here):
    answer = cli(*GO, "--report", "r.html")
    assert answer.code == 0
    assert "report: r.html" in answer.err
    assert "<html" in (here / "r.html").read_text()


def test_a_report_that_cannot_be_written(refused):
    refused(6, "StorageError", *GO, "--report", "no/such/r.html")
