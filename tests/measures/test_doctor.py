"""Doctor: each defect planted at known ids is found there, its recipe cures it, health is quiet."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits

import isthmus
from isthmus.core.errors import InputError
from isthmus.evidence.corpora import MissingData, debian
from isthmus.measures import survey as surveys
from isthmus.measures.findings import REMEDIES, SEVERITIES, Finding

N, D = 600, 16
IDS = np.array([f"d{i}" for i in range(N)])


#: What a planted defect is as well: 200 Gaussian dimensions have lesser hubs, a line has a middle.
BYSTANDERS = {
    "common_direction": {"offset"},
    "collapse": {"norm_outliers", "hubs", "clumps"},
    "hubs": {"norm_outliers"},
    "two_spaces": {"rogue_dimensions"},
    "clumps": {"near_repeats", "repeated_vectors"},
}


def healthy(seed=0):
    """One encoder: a decaying spectrum on random axes and a little common direction."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(D, D)))[0]
    return (rng.normal(size=(N, D)) * np.geomspace(1, 0.4, D) + 0.1) @ turn


def see(x, ids=IDS, **options):
    return isthmus.doctor(isthmus.open(x, ids=ids[: len(x)], name="it", **options), rows=600)


def plant(name):
    """A space with one defect, its metric, and the ids or dimensions it is at."""
    x, rng = healthy(), np.random.default_rng(1)
    ids, metric, at = IDS.copy(), "cosine", None
    if name == "non_finite":
        x[3, 0], x[70, 5] = np.nan, np.inf
        at = ["d3", "d70"]
    elif name == "zero_vectors":
        x[[8, 9]] = 0
        at = ["d8", "d9"]
    elif name == "repeated_ids":
        ids[40] = "d12"
        at = ["d12"]
    elif name == "repeated_vectors":
        x[[31, 500, 550]] = x[7]
        at = ["d31", "d500", "d550"]
    elif name == "near_repeats":
        x[[11, 590]] = x[[10, 10]] * (1 + 0.002 * rng.normal(size=(2, D)))
        at = ["d11", "d590"]
    elif name == "clumps":
        # A template with one number in it.
        x[100:160] = x[3] + np.arange(1, 61)[:, None] * x[5] / 20
        metric, at = "euclidean", [f"d{i}" for i in range(100, 160)]
    elif name == "dead_dimensions":
        x[:, 2], x[:, 7] = 0.0, 1e-5 * x[:, 7]
        at = [2, 7]
    elif name == "rogue_dimensions":
        x[:, [4, 6]] *= 12
        at = [4, 6]
    elif name == "offset":
        x[:, 5] = x[:, 5] / 40 + 1
        at = [5]
    elif name == "common_direction":
        x += 8 * rng.choice([-1, 1], size=D) * x.std()
    elif name == "level_neighbours":
        x = np.eye(N)
    elif name == "hubs":
        x = rng.normal(size=(N, 200))
        x[[20, 21, 22]] *= 0.1
        metric, at = "euclidean", ["d20", "d21", "d22"]
    elif name == "collapse":
        x = x[:, :1] * rng.normal(size=(1, 100)) + 1e-4 * rng.normal(size=(N, 100))
    elif name == "empty_directions":
        x[:, 3] = x[:, 1] - x[:, 2]
    elif name == "norm_outliers":
        x[[15, 16]] *= [[40], [0.001]]
        at = ["d15", "d16"]
    elif name == "norm_spread":
        x *= rng.lognormal(0, 0.7, size=(N, 1))
        metric = "inner"
    elif name == "two_spaces":
        x = healthy() * np.geomspace(3, 0.1, D) + np.eye(D)[0] * 9
        x[::4] = x[::4, ::-1]
        at = [f"d{i}" for i in range(0, N, 4)]
    return x, ids, metric, at


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "inner", None])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_healthy_space_yields_nothing(metric, dtype):
    found = see(healthy().astype(dtype), metric=metric)
    assert found.findings == ()
    assert found.healthy
    assert found.verdict() == "nothing found wrong"
    assert (found.sampled, found.compared) == (600, metric or "cosine")


@pytest.mark.parametrize("name", REMEDIES)
def test_a_planted_defect_is_found_where_it_is_and_its_recipe_cures_it(name):
    x, ids, metric, at = plant(name)
    health = see(x, ids, metric=metric)
    found = health.finding(name)
    assert found is not None, health.verdict()
    assert found.remedy
    if at is not None:
        whole = list(found.ids or found.dims)
        if name == "hubs":  # high dimensions have lesser ones of their own
            whole = sorted(whole[:3])
        if name == "clumps":  # the row the template is made from is one more
            whole = [one for one in whole if one != "d3"]
        if name == "two_spaces":  # by nearest neighbour, which errs for a few
            assert len(set(whole) ^ set(at)) <= 5
        else:
            assert sorted(whole) == sorted(at)
        assert found.count >= len(at)
    # One defect raises no unrelated alarm.
    names = {one.name for one in health.findings}
    assert names - BYSTANDERS.get(name, set()) == {name}
    if not found.recipe or name == "hubs":
        return
    known = {"np": np, "x": x.copy(), "ids": ids, "repeats": list(found.ids)}
    exec(found.recipe, known)
    assert see(known["x"], known["ids"], metric=metric).finding(name) is None


def test_csls_of_the_recipe_takes_hubs_down():
    x, ids, metric, _ = plant("hubs")
    found = see(x, ids, metric=metric).finding("hubs")
    assert found.severity == "harmful"
    known = {"np": np, "x": x}
    exec(found.recipe, known)
    csls = known["csls"]
    np.fill_diagonal(csls, -np.inf)
    counts = np.bincount(np.argsort(-csls, axis=1)[:, :10].ravel(), minlength=N)
    assert counts.max() < 60 < 100 <= found.figures["most"]


def test_repeats_are_found_beyond_the_sample():
    x = healthy()
    x[500], x[550] = x[30], x[40] * 1.0005 + 1e-4
    found = isthmus.doctor(isthmus.open(x, ids=IDS), rows=100)
    assert found.sampled == 100
    assert found.finding("repeated_vectors").ids == ("d500",)
    assert found.finding("repeated_vectors").twins == ("d30",)
    assert found.finding("near_repeats").ids == ("d550",)


def test_near_is_relative_to_the_space():
    for scale in (1e-150, 1.0, 1e150):
        x = healthy() * scale
        x[9] = x[4] + 1e-3 * scale
        assert see(x, metric="euclidean").finding("near_repeats").ids == ("d9",)
    # In two dimensions neighbours come this near by chance.
    flat = np.random.default_rng(0).normal(size=(N, 2))
    assert see(flat, metric="euclidean").finding("near_repeats") is None


def test_near_repeats_agree_with_all_pairs():
    rng = np.random.default_rng(3)
    x = healthy()
    x[200:230] = x[:30] + rng.uniform(0, 0.3, size=(30, 1)) * rng.normal(size=(30, D)) / 5
    space = isthmus.open(x)
    seen = surveys.survey(space, unit_rows=False)
    apart = np.linalg.norm(x[:, None] - x[None], axis=2)
    i, j = np.nonzero(np.triu(apart <= 0.4, 1))
    later, _ = surveys.near_repeats(space, seen, within=0.4, without=np.zeros(0, int))
    assert later.tolist() == sorted(set(j.tolist()))
    assert len(i) > 5


def test_equal_keys_are_not_yet_equal_rows(monkeypatch):
    x = healthy()
    x[9] = x[4]
    seen = surveys.survey(isthmus.open(x), unit_rows=False)
    seen.keys[:] = 7  # a hash that tells nothing
    later, first = surveys.exact_repeats(isthmus.open(x), seen)
    assert set(later.tolist()) <= {9}
    assert len(first) == len(later)


def test_it_never_holds_the_whole_file(monkeypatch):
    x = healthy()
    space = isthmus.open(x)
    taken = []
    real = type(space).take
    monkeypatch.setattr(type(space), "take", lambda s, r: taken.append(len(r)) or real(s, r))
    monkeypatch.setattr(type(space), "vectors", lambda s: pytest.fail("read whole"))
    isthmus.doctor(space, rows=150)
    assert max(taken) <= 150


def test_digits_have_three_dead_pixels_and_nothing_else():
    found = isthmus.doctor(load_digits(return_X_y=True)[0])
    assert [one.name for one in found.findings] == ["dead_dimensions"]
    assert found.findings[0].dims == (0, 32, 39)


def test_texts_of_debian_are_not_called_sick():
    try:
        ids, x = debian("de-lsa256")
    except MissingData as error:
        pytest.skip(str(error))
    found = isthmus.doctor(isthmus.open(x[:2000], ids=ids[:2000]), rows=1000)
    assert {one.name for one in found.findings} <= {"repeated_vectors", "near_repeats", "clumps"}


@pytest.mark.parametrize(
    "x",
    [np.eye(3), np.zeros((4, 3)), np.ones((30, 3)), np.full((4, 2), np.nan), np.ones((1, 1)),
     np.random.default_rng(0).normal(size=(30, 200)), np.eye(40) * 1e200, np.eye(40) * 1e-200],
)  # fmt: skip
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_tiny_and_broken_spaces_are_still_seen(x, metric):
    found = isthmus.doctor(isthmus.open(x, metric=metric))
    assert max(map(len, str(found).splitlines())) <= 80
    assert "nan" not in str(found).replace("NaN", "")


def test_page_and_json():
    x, ids, metric, _ = plant("near_repeats")
    x[3] = np.nan
    found = see(x, ids, metric=metric)
    text = str(found)
    assert max(map(len, text.splitlines())) <= 80
    assert text.startswith("it: 1 broken, 1 notable\n")
    assert "d11 like d10, d590 like d10" in " ".join(text.split())
    plain = json.loads(json.dumps(found.as_dict(), default=str))
    assert [one["severity"] for one in plain["findings"]] == ["broken", "notable"]
    assert plain["findings"][0]["recipe"]
    assert "counts" not in plain["facts"]["hubness"]["parts"]


def test_the_same_seed_gives_the_same_answer():
    x = healthy()
    one, two = (isthmus.doctor(x, rows=200, rng=4).facts["hubness"].value for _ in range(2))
    assert one == two
    assert isthmus.doctor(x, rows=200, rng=5).facts["hubness"].value != one


def test_bad_input():
    with pytest.raises(InputError, match="doctor: got rows=5"):
        isthmus.doctor(healthy(), rows=5)
    with pytest.raises(InputError, match="finding: got 'gloom'"):
        Finding(name="gloom", severity=SEVERITIES[0], says="x")
