import importlib
import json

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.core.score import Score
from isthmus.measures.compare import PANEL, compare
from isthmus.measures.verdict import _apart

panels = importlib.import_module("isthmus.measures.compare")  # the function hides its module


def rotation(d, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


def space(n=300, d=12, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)) * np.arange(1, d + 1) ** -0.5


def test_same_space():
    x = space()
    result = compare(x, x.copy())
    assert result.verdict == ("The same space, bit for bit.",)
    assert result.related
    assert compare(x, np.nextafter(x, 9)).verdict[0] != result.verdict[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rotated_space(dtype):
    x = space()
    result = compare(x.astype(dtype), (3 * x @ rotation(12) + 1).astype(dtype))
    assert result.verdict[0] == "The same space up to rotation, shift and scale."
    nearly = compare(x, x @ rotation(12) + 0.01 * space(seed=1))
    assert nearly.verdict[0].startswith("The spaces are related")


def test_shuffled_rows_are_called_out_and_false_alarms_are_rare():
    false = 0
    for seed in range(30):
        x = space(120, 6, seed)
        y = np.random.default_rng(seed).permutation(x)
        result = compare(x, y, measures=("debiased_cka", "mutual_knn"))
        false += result.related
        assert result.related or result.verdict[0].startswith("NO RELATION FOUND")
    assert false <= 3
    full = compare(x, y)
    assert len(full.verdict) == 1
    assert "shuffled" in str(full)


def test_direction_is_told_from_intervals():
    x = space(400, 8)
    result = compare(x, x[:, :3] + 0.01 * space(400, 3, 1))
    text = " ".join(result.verdict)
    assert "The source predicts the target better" in text
    assert "The source's neighbourhoods contain more of the target's" in text
    swapped = " ".join(compare(x[:, :3], x).verdict)
    assert "The target predicts the source better" in swapped
    equal = " ".join(compare(x, x @ rotation(8) + 0.3 * x.std() * space(400, 8, 2)).verdict)
    assert "predicts the source better" not in equal


def test_touching_intervals_say_nothing():
    one, two = (
        Score(value=v, method="m", n=9, ci=ci) for v, ci in ((1.0, (0.0, 2.0)), (5.0, (2.0, 8.0)))
    )
    assert _apart(one, two) == 0
    assert _apart(two, one) == 0
    assert _apart(Score(value=9, method="m", n=9, ci=(8.5, 9.5)), two) == 1
    assert _apart(None, two) == 0


def test_labels_follow_from_the_cards():
    x = space()
    labels = [label for label, _ in compare(x, x[:, ::-1].copy()).scores]
    assert [label.split()[0] for label in labels] == [
        name for name in PANEL for _ in range(1 if name in once() else 2)
    ]
    assert "alignment" not in dict(compare(x, x[:, :5]).scores)
    result = compare(x, x[:, :5], measures=["ridge_r2"])
    assert result["ridge_r2 source->target"].value > result["ridge_r2 target->source"].value
    with pytest.raises(InputError, match="label 'ridge'"):
        result["ridge"]


def once():
    return {"debiased_cka", "mutual_knn", "procrustes_angular", "alignment"}


def test_neighbour_measures_draw_rows_and_say_so():
    x = space(300)
    result = compare(x, x @ rotation(12), rows=100, rng=3)
    assert (result.n, result.sampled) == (300, 100)
    assert result["mutual_knn"].n == 100
    assert result["debiased_cka"].n == 300
    assert "on 100 drawn" in str(result)
    assert str(compare(x, x @ rotation(12), rows=100, rng=3)) == str(result)


def test_table_fits_80_columns_and_json_is_plain():
    x = space(200)
    result = compare(1e9 * x + 7, np.tanh(3 * x[:, :5]))
    assert max(map(len, str(result).splitlines())) <= 80
    data = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert data["scores"]["mutual_knn"]["n"] == 200
    assert data["related"] is True


def test_few_rows_leave_measures_out_with_a_word():
    x = space(8, 3)
    result = compare(x, x @ rotation(3))
    assert "mutual_knn: left out, it needs 12 rows" in result.warnings
    assert "debiased_cka" in dict(result.scores)


def test_duplicate_rows_do_not_stop_the_panel():
    x = np.repeat(space(6, 4), 10, axis=0)
    result = compare(x, x @ rotation(4))
    assert any("distinct rows" in text for text in result.warnings)
    assert result.doubts == result.warnings[:1]
    assert str(result).startswith("! source, target: 90.0% of the rows are copies of others;")


def test_doubts_about_order_stand_before_the_numbers():
    x = space()
    result = compare(x, np.random.default_rng(4).permutation(x @ rotation(12)))
    assert not result.related
    assert str(result).startswith("! source and target: not related beyond chance (largest z of")
    assert "may be shuffled" in str(result).partition("value")[0]
    assert str(result).count("overlap by") == 1
    assert result.as_dict()["warnings"][0] == result.doubts[0]
    assert compare(x, x @ rotation(12)).doubts == ()


def test_doubts_are_told_before_anything_is_computed(monkeypatch):
    events = []
    usual = panels._calls
    monkeypatch.setattr(panels, "_calls", lambda *a: (events.append("computed"), usual(*a))[1])
    x = np.repeat(space(30, 4), 2, axis=0)
    y = np.random.default_rng(4).permutation(x)
    result = compare(x, y, measures=["debiased_cka"], told=events.append)
    assert events == [*result.doubts, "computed"]
    assert [text.partition(":")[0] for text in events[:2]] == [
        "source, target",
        "source and target",
    ]


@pytest.mark.parametrize("words", ["shift", "permutation", "linear", "axis-scale", "norms"])
def test_a_panel_of_any_blindness_tests_for_a_relation(words):
    x = space(100, 5)
    near = compare(x, x @ rotation(5) + 0.1 * space(100, 5, 1), blind_to=words)
    assert near.verdict[0].startswith("The spaces are related (")
    assert near.related
    far = compare(x, np.random.default_rng(2).permutation(x), blind_to=words)
    assert far.verdict[0].startswith("NO RELATION FOUND")


@pytest.mark.parametrize(
    ("words", "scale", "but"),
    [("rotation,scale", 3, "rotation, shift and scale"), ("rotation", 1, "rotation and shift"),
     ("rotation,shift", 1, "rotation and shift")],
)  # fmt: skip
def test_the_same_space_is_said_by_a_panel_that_is_blind_to_rotation(words, scale, but):
    x = space(100, 5)
    said = compare(x, scale * x @ rotation(5) + 2, blind_to=words).verdict[0]
    assert said == f"The same space up to {but}."


def test_a_panel_goes_on_without_a_measure_that_refuses():
    x = np.hstack([space(100, 5), np.ones((100, 1))])
    result = compare(x, x[:, ::-1] @ rotation(6), blind_to="axis-scale")
    assert [label for label, _ in result.scores] == ["eigenspace_overlap"]
    assert any(text.startswith("correlation_match: left out.") for text in result.warnings)
    with pytest.raises(InputError, match="constant columns"):
        compare(x, x, measures=["correlation_match"])
    with pytest.raises(InputError, match="all equal"):
        compare(x, np.ones((100, 2)), blind_to="permutation")
    with pytest.raises(InputError, match="more rows than dimensions"):
        compare(space(20, 30), space(20, 30, 1), blind_to="linear")  # nothing is left


def test_with_groups_no_p_takes_rows_for_exchangeable(monkeypatch):
    monkeypatch.setattr("isthmus.measures.blocks._ORDERS", 39)
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 4)
    x, y = (rng.normal(size=(30, 5))[groups] + 0.05 * rng.normal(size=(120, 5)) for _ in "xy")
    plain = compare(x, y)
    assert plain["information_imbalance source->target"].p < 1e-9
    result = compare(x, y, groups=groups)
    known = dict(result.scores)
    assert all(score.z is None for score in known.values())
    tested = {label for label, score in known.items() if score.p is not None}
    assert tested == {label for label, score in plain.scores if score.p is not None}
    assert min(known[label].p for label in tested) > 0.005
    assert not result.related
    assert "chance      p\n" in str(result)
    asked = compare(x, x + y, measures=["cknna", "energy_distance"], groups=groups)
    assert asked["cknna"].p == 1 / 40
    assert asked["energy_distance"].p is None
    assert any(text.startswith("energy_distance: no z or p") for text in asked.warnings)
    # Both ways of a directed measure have their own sides.
    ways = compare(x, x[:, :1], measures=["information_imbalance"], groups=groups)
    assert ways["information_imbalance source->target"].p == 1 / 40
    assert ways["information_imbalance target->source"].p > 0.05


def test_groups_that_cannot_change_places_are_refused():
    x = space(100)
    with pytest.raises(InputError, match="at least 10 groups"):
        compare(x, x, measures=["ridge_r2"], groups=np.repeat([0, 1], 50))
    with pytest.raises(InputError, match="one group id for each of 100"):
        compare(x, x, groups=np.arange(99))
    # Few large groups keep enough of each to be exchanged.
    big = space(6000)
    score = compare(big, big + 1, measures=["debiased_cka"], groups=np.arange(6000) // 500)
    assert score["debiased_cka"].p == 0.001


def test_pairs_and_spaces():
    pairs = pytest.importorskip("isthmus.spaces.pairs")
    from isthmus.spaces.open import open as open_space

    x = space(60)
    a = open_space(x, ids=np.arange(60))
    b = open_space(x[::-1] @ rotation(12), ids=np.arange(60)[::-1])
    for result in (compare(a, b), compare(pairs.pair(a, b))):
        assert result.verdict[0] == "The same space up to rotation, shift and scale."


def test_torch_gives_the_same_words():
    torch = pytest.importorskip("torch")
    x, y = space(150), space(150) @ rotation(12) + 0.2 * space(150, seed=1)
    assert str(compare(torch.from_numpy(x), torch.from_numpy(y))) == str(compare(x, y))


def test_bad_input():
    x = space()
    with pytest.raises(InputError, match="equally many rows"):
        compare(x, x[:-1])
    with pytest.raises(InputError, match="one of"):
        compare(x, x, measures=["nonsense"])
    with pytest.raises(InputError, match="all equal"):
        compare(x, np.ones((300, 2)))
    with pytest.raises(InputError, match="Pairs"):
        compare(x)
    with pytest.raises(InputError, match="rows=3"):
        compare(x, x, rows=3)
    x[0, 0] = np.inf
    with pytest.raises(InputError, match="infinity"):
        compare(x, space())
