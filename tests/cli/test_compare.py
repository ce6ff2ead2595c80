import numpy as np
import pytest

from isthmus.cli import compare as console

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


@pytest.fixture
def models(here, x):
    """Two models of three layers: an array, and a folder with one file per layer."""
    rng = np.random.default_rng(8)
    layers = np.stack([np.tanh(x * (i + 1) / 3) + 0.2 * i * rng.normal(size=x.shape)
                       for i in range(3)]).astype(np.float32)  # fmt: skip
    np.save(here / "one.npy", layers)
    (here / "two").mkdir()
    for i in (1, 2, 10):
        np.save(here / "two" / f"layer{i}.npy", layers[min(i, 3) - 1][:, ::-1] + 1)
    return layers


def test_layers_of_two_models(cli, models, narrow):
    answer = cli("compare", "one.npy", "two")
    assert answer.code == 0, answer.err
    narrow(answer.out)
    assert "400 items in all of 6 layers" in answer.err
    found = cli("compare", "one.npy", "two", "--json").json
    assert found["columns"] == ["layer1", "layer2", "layer10"]
    assert found["best"] == [0, 1, 2]
    assert np.max(found["p_any"]) < 0.05


def test_layers_of_one_model_and_another_measure(cli, models):
    found = cli("compare", "one.npy", "--measure", "procrustes_angular", "--json").json
    assert found["itself"]
    assert all(best != i for i, best in enumerate(found["best"]))
    assert found["p"][0] == [None, None, None]


def test_many_spaces(cli, here, save, x, y, narrow):
    save("noise.npz", np.random.default_rng(0).normal(size=(400, 5)))
    answer = cli(*GO, "noise.npz", "--report", "map.html")
    assert answer.code == 0, answer.err
    narrow(answer.out)
    assert "Nearest: old and new" in answer.out
    assert "noise and every other." in answer.out
    assert answer.out.startswith("! noise: not related to any other beyond chance")
    assert "! noise: not related to any other beyond chance" in answer.err
    page = (here / "map.html").read_text()
    assert "A map of the spaces" in page
    assert "noise: not related to any other beyond chance" in page


SHAPES = {"two": GO, "many": (*GO, "third.npz"), "layers": ("compare", "one.npy", "two.npy")}


@pytest.mark.parametrize("shape", SHAPES)
def test_doubts_come_first_in_the_same_words(cli, save, here, x, y, ids, narrow, shape):
    rows = np.repeat(np.arange(200), 2)
    save("old.npz", x[rows], ids)
    save("new.npz", y[rows], ids)
    np.save(here / "one.npy", x[None, rows])
    np.save(here / "two.npy", x[None, rows, ::-1])
    save("third.npz", 2 * y[rows], ids)
    answer = cli(*SHAPES[shape])
    for text in (answer.err, answer.out):
        narrow(text)
        told = " ".join(text.split())
        assert "50.0% of the rows are copies of others; copies are each other's neig" in told
    assert answer.out.startswith("! ")


@pytest.mark.parametrize("json", [False, True])
def test_on_a_terminal_doubts_are_read_once(cli, save, monkeypatch, x, ids, json):
    save("old.npz", x[:20], ids[:20])
    monkeypatch.setattr(console, "_on_screen", lambda: True)
    answer = cli(*GO, *["--json"] * json)
    assert "! only 20 pairs: every interval" in answer.err
    assert ("only 20 pairs" in answer.out) is json


@pytest.mark.parametrize(
    ("words", "measure"), [("shift", "procrustes_angular"), ("linear", "eigenspace_overlap")]
)
def test_a_map_of_unequal_widths_finds_its_metric(cli, save, y, words, measure):
    save("third.npz", y[:, :5])
    assert cli(*GO, "third.npz", "--blind-to", words, "--json").json["method"] == measure


def test_blindness_chooses_the_measures(cli, here):
    found = cli(*GO, "--blind-to", "rotation,scale,shift", "--json").json
    assert "debiased_cka" in found["scores"]
    assert "mutual_knn" not in found["scores"]
    assert "procrustes_angular" in found["scores"]


def test_groups_are_exchanged_whole(cli, here):
    (here / "g.tsv").write_text("".join(f"d{i}\tg{i // 4}\n" for i in range(400)))
    scores = cli(*GO, "--groups", "g.tsv", "--json").json["scores"]
    assert all(score["z"] is None for score in scores.values())
    assert scores["debiased_cka"]["p"] == pytest.approx(0.001)
    assert scores["information_imbalance source->target"]["p"] == pytest.approx(0.004)


WRONG = {
    "an unknown change": (*GO, "--blind-to", "sorcery"),
    "both": (*GO, "--blind-to", "rotation", "--measure", "debiased_cka"),
    "no metric": (*GO, "old.npz", "--measure", "debiased_cka"),
    "groups of a map": (*GO, "old.npz", "--groups", "old.npz"),
    "one space": ("compare", "old.npz"),
    "a file for a model": ("compare", "--layers", "old.npz"),
    "groups without ids": (*GO, "--groups", "none.tsv"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_makes_no_sense_is_refused(refused, here, kind):
    (here / "none.tsv").write_text("other\tg\n")
    code, name = (5, "FormatError") if kind == "a file for a model" else (3, "InputError")
    refused(code, name, *WRONG[kind])


@pytest.mark.parametrize("line", ["d1 without a tab", "d0\tanother"])
def test_a_line_of_groups_that_does_not_fit_is_named(refused, here, line):
    rows = [f"d{i}\tg{i // 4}" for i in range(400)]
    (here / "g.tsv").write_text("\n".join([*rows, line]))
    assert "line 401" in refused(5, "FormatError", *GO, "--groups", "g.tsv")


def test_a_layer_with_nan_is_named(refused, models, here):
    models[1, 5, 0] = np.nan
    np.save(here / "one.npy", models)
    assert "layer 1" in refused(3, "InputError", "compare", "one.npy", "two")


def test_layers_of_unequal_items(refused, models, here):
    np.save(here / "two" / "layer3.npy", models[0][:-1])
    refused(3, "PairingError", "compare", "one.npy", "two")
