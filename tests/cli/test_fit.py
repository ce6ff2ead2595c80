import csv

import numpy as np
import pytest

import isthmus

FIT = ("fit", "old.npz", "new.npz", "-o", "out.isthmus", "--method", "affine")


def test_a_bridge(cli, here, narrow):
    answer = cli("fit", "old.npz", "new.npz", "-o", "out.isthmus")
    assert answer.code == 0
    assert answer.err == "400 pairs; left over: 0 and 0\nbridge: out.isthmus\n"
    narrow(answer.out)
    assert "held-out pairs" in answer.out
    assert isthmus.load("out.isthmus").name in answer.out


def test_json(cli, here):
    answer = cli(*FIT, "--json")
    assert answer.json["kind"] == "bridge"
    assert answer.json["scores"]["mrr"]["value"] == 1.0
    assert "bridge: out.isthmus" in answer.err


def test_seed_and_holdout_arrive(cli, here):
    cli(*FIT, "--seed", "5", "--holdout", "0.3")
    assert isthmus.load("out.isthmus").holdout == {"test": 0.3, "seed": 5}


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("method", ["auto", "orthogonal", "low_rank", "relative"])
def test_bad_rows(refused, save, x, y, side, value, method):
    (x if side == "source" else y)[[2, 30, 399], 1] = value
    save("old.npz", x)
    save("new.npz", y)
    said = refused(3, "InputError", *FIT[:-1], method)
    assert "NaN or infinity in 3 of 400 (first ids: 'd2', 'd30', 'd399')" in said
    assert "--drop-invalid" in said


def test_bad_rows_are_left_out_on_request(cli, here, save, x, y, ids):
    x[[2, 30]] = np.nan
    y[[30, 399], 0] = np.inf
    save("old.npz", x)
    save("new.npz", y[::-1], ids[::-1])
    answer = cli(*FIT, "--drop-invalid")
    assert answer.code == 0
    assert "left out 3 invalid pairs: out.isthmus.rejects.csv" in answer.err
    with (here / "out.isthmus.rejects.csv").open(newline="") as file:
        found = list(csv.reader(file))
    assert found == [
        ["row_source", "row_target", "id", "reason"],
        ["2", "397", "d2", "NaN or infinity"],
        ["30", "369", "d30", "NaN or infinity"],
        ["399", "0", "d399", "NaN or infinity"],
    ]
    # The bridge is that of the rows that are left.
    good = [i for i in range(400) if i not in (2, 30, 399)]
    save("old2.npz", x[good], ids[good])
    cli("fit", "old2.npz", "new.npz", "-o", "same.isthmus", "--method", "affine")
    one, two = isthmus.load("out.isthmus"), isthmus.load("same.isthmus")
    np.testing.assert_allclose(one.map.coef_, two.map.coef_, rtol=1e-12)


def test_nothing_but_bad_rows(refused, save, x):
    save("old.npz", np.full_like(x, np.nan))
    refused(3, "InputError", *FIT, "--drop-invalid")


def test_zero_vectors_are_kept_and_counted(cli, here, save, x, y):
    x[[0, 1]] = 0
    y[5] = 0
    save("old.npz", x)
    save("new.npz", y)
    answer = cli(*FIT)
    assert answer.code == 0
    assert "zero vectors kept: 2 source, 1 target" in answer.err


def test_duplicate_ids(refused, save, x, ids):
    ids[9] = ids[2]
    save("old.npz", x, ids)
    assert "repeat an earlier id (first: 'd2')" in refused(3, "InputError", *FIT)


def test_no_common_ids(refused, save, x):
    save("old.npz", x, [f"e{i}" for i in range(400)])
    said = refused(3, "PairingError", *FIT)
    assert "no common id (first ids: 'e0', 'e1'" in said
    assert "against 'd0', 'd1'" in said


def test_integers_against_text(refused, save, x):
    save("old.npz", x, np.arange(400))
    assert "integer against text ids" in refused(3, "PairingError", *FIT)


def test_unequal_sets_without_ids(refused, save, x, y):
    save("old.npz", x[:300], None)
    save("new.npz", y, None)
    assert "300 and 400 rows without ids" in refused(3, "PairingError", *FIT)


def test_an_empty_set(refused, save, x):
    save("old.npz", x[:0], np.array([], dtype=str))
    assert "empty" in refused(3, "InputError", *FIT)


@pytest.mark.parametrize("method", ["auto", "orthogonal", "low_rank", "affine", "relative"])
def test_shuffled_pairs(refused, save, y, method):
    save("new.npz", np.random.default_rng(3).permutation(y))
    assert "No relation found" in refused(3, "NoRelationFound", *FIT[:-1], method)


@pytest.mark.parametrize("method", ["auto", "orthogonal", "low_rank", "affine", "relative"])
def test_the_same_space_twice(cli, here, method):
    answer = cli("fit", "old.npz", "old.npz", "-o", "same.isthmus", "--method", method)
    assert answer.code == 0
    assert "source and target are the same space" in answer.err


def test_a_different_space_is_not_called_the_same(cli, here, save, x):
    x[7] += 1e-3
    save("near.npz", x)
    assert "the same space" not in cli("fit", "old.npz", "near.npz", "-o", "b").err


HARD = {
    "fewer rows than dims": lambda x, y: (np.hstack([x] * 40)[:300], y[:300]),
    "rank-deficient": lambda x, y: (np.hstack([x, x[:, :5]]), np.hstack([y, y])),
    "constant dimension": lambda x, y: (np.hstack([x, np.full((400, 1), 7, "f4")]), y),
    "far from zero": lambda x, y: (x + np.float32(1e4), y - np.float32(1e4)),
    "norms of 1e20": lambda x, y: (x * np.float32(1e20), y * np.float32(1e20)),
    "norms of 1e-20": lambda x, y: (x * np.float32(1e-20), y),
    "half precision": lambda x, y: (x.astype("f2"), y.astype("f2")),
    "big-endian": lambda x, y: (x.astype(">f8"), y.astype(">f4")),
    "unequal scales": lambda x, y: (x * np.geomspace(1e-2, 1e2, 12), y),
}


@pytest.mark.parametrize("kind", HARD)
def test_hard_but_honest_sets_are_fitted(cli, here, save, x, y, ids, kind):
    x, y = HARD[kind](x, y)
    save("old.npz", x, ids[: len(x)])
    save("new.npz", y, ids[: len(y)])
    answer = cli(*FIT)
    assert answer.code == 0, answer.err
    assert "Warning" not in answer.err
    moved = cli("translate", "old.npz", "-b", "out.isthmus", "-o", "moved")
    assert moved.code == 0, moved.err
    scale = np.abs(y.astype(np.float64)).max()
    wanted, found = y.astype(np.float64) / scale, isthmus.open("moved").vectors() / scale
    error = np.linalg.norm(found - wanted) / np.linalg.norm(wanted - wanted.mean(0))
    assert error < 0.15


def test_few_pairs_say_that_nothing_proves_them(cli, here, save, x, ids):
    save("old.npz", x[:8], ids[:8])
    answer = cli(*FIT)
    assert answer.code == 0
    assert "nothing proves that it works" in answer.out


def test_too_few_pairs_for_a_choice(cli, save, x, ids):
    save("old.npz", x[:5], ids[:5])
    answer = cli("fit", "old.npz", "new.npz", "-o", "out")
    assert answer.code == 0
    assert "kernel_ridge, fitted on 5 pairs" in answer.out
    assert "nothing proves that it works" in answer.out


def test_no_known_pair(cli, refused, save, x):
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(x.shape[1],) * 2))[0]
    save("turned.npz", (x @ turn)[rng.permutation(len(x))])
    answer = cli("fit", "old.npz", "turned.npz", "-o", "out", "--unpaired")
    assert answer.code == 0, answer.err
    assert "unpaired, fitted on 0 pairs" in answer.out
    assert "confidence without pairs: 1.00" in answer.out
    save("noise.npz", rng.normal(size=x.shape))
    refused(3, "NoReliableBridge", "fit", "old.npz", "noise.npz", "-o", "out2", "--unpaired")
    both = ("--unpaired", "--drop-invalid")
    refused(3, "InputError", "fit", "old.npz", "turned.npz", "-o", "out2", *both)


def test_a_budget(cli, refused):
    answer = cli(*FIT[:-1], "auto", "--budget", "2s")
    assert answer.code == 0
    assert "held-out MRR" in answer.out
    assert "like 60s" in refused(3, "InputError", *FIT[:-1], "auto", "--budget", "soon")
    assert "no one method's own time" in refused(3, "InputError", *FIT, "--budget", "60s")


def test_a_budget_says_first_what_it_does_not_bound(cli, here, monkeypatch):
    timed = (*FIT[:-1], "auto", "--budget", "1s")
    said = "the budget bounds the choice, on 300 pairs; one pass over all may follow"
    assert said not in cli(*timed).err
    monkeypatch.setattr("isthmus.bridges.fitting.SAMPLE", 300)
    assert said in cli(*timed).err
    assert said not in cli(*FIT).err


def test_a_budget_far_too_short_for_no_pair_is_refused(refused, save, x):
    rng = np.random.default_rng(0)
    save("other.npz", x[rng.permutation(400)] @ np.linalg.qr(rng.normal(size=(12, 12)))[0])
    given = ("fit", "old.npz", "other.npz", "-o", "out", "--unpaired", "--budget", "0.001s")
    said = refused(3, "InputError", *given)
    assert "where unpaired would take about" in said
    assert "Raise the budget, or leave it out." in said


def test_an_unknown_method(refused):
    said = refused(3, "InputError", *FIT[:-1], "magic")
    assert "'magic'; expected one of affine, " in said


@pytest.mark.parametrize("holdout", ["0", "1", "-1", "nan"])
def test_an_impossible_holdout(refused, holdout):
    refused(3, "InputError", *FIT, "--holdout", holdout)


def test_places_that_cannot_be_written(refused, here):
    (here / "folder").mkdir()
    (here / "folder" / "x").write_text("")
    for out in ("folder", "no/such/folder/b", "old.npz/b"):
        refused(6, "StorageError", "fit", "old.npz", "new.npz", "--method", "affine", "-o", out)


def test_an_older_bridge_survives_a_full_disk(refused, here, monkeypatch):
    import errno
    import os

    def full(fd):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    said = refused(6, "StorageError", *FIT[:4], "b.isthmus", *FIT[5:])
    assert "No space left on device" in said
