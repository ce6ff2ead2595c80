"""The hub: exact recovery, cycles, missing items, joining, files, refusals; against an oracle."""

import json
from itertools import combinations, permutations

import numpy as np
import pytest

import isthmus
from isthmus.bridges import Orthogonal, UniversalSpace
from isthmus.bridges.joining import relative_ridge, ridge
from isthmus.core.errors import FormatError, InputError, NoRelationFound, PairingError
from isthmus.core.moments import Moments

WIDTHS = {"a": 6, "b": 8, "c": 5, "d": 7}


@pytest.fixture(scope="module")
def world():
    """600 items of 5 latent dimensions under encoders of different widths, with noise and means."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(600, 5)) * np.geomspace(2, 1, 5)
    spaces = {}
    for name, d in WIDTHS.items():
        turn = np.linalg.qr(rng.normal(size=(d, 5)))[0].T
        x = rng.uniform(0.5, 9) * latent @ turn
        spaces[name] = x + 0.02 * x.std() * rng.normal(size=x.shape) + rng.normal(size=d)
    return spaces


@pytest.fixture(scope="module")
def hub(world):
    return UniversalSpace().fit(world)


def test_every_direction_finds_held_out_partners(world, hub):
    assert hub.dim_ == 5
    assert hub.agreement_ > 0.98
    for pair in permutations(world, 2):
        assert hub.direction_scores_[pair]["mrr"].value > 0.97
    assert min(score.value for score in hub.scores_.values()) > 0.97


def test_cycles_close_by_construction(world, hub):
    for a, b, c in permutations(world, 3):
        way = hub.transform(hub.transform(world[a], a, b), b, c)
        straight = hub.transform(world[a], a, c)
        np.testing.assert_allclose(way, straight, atol=1e-9 * np.abs(straight).max())
        assert hub.cycle_error([a, b, c]) < 1e-12
    assert hub.cycle_error(["a", "b", "c", "d", "b", "a"]) < 1e-12
    # The check can fail: pairwise fits do not close.
    fits = {p: Orthogonal(scale=True).fit(world[p[0]], world[p[1]])
            for p in permutations("abd", 2)}  # fmt: skip
    way = fits["b", "d"].transform(fits["a", "b"].transform(world["a"]))
    assert np.abs(way - fits["a", "d"].transform(world["a"])).max() > 1e-3


def test_a_wider_universe_closes_where_the_middle_is_wide_enough(world):
    wide = UniversalSpace(dim=8).fit(world)
    assert wide.cycle_error(["a", "b", "d"]) < 1e-12
    assert wide.cycle_error(["a", "c", "d"]) > 1e-6
    for name, d in WIDTHS.items():
        turn = wide.encoders_[name][0] * wide.spreads_[name]
        np.testing.assert_allclose(turn @ turn.T, np.eye(d), atol=1e-9)


def test_ridge_form_is_close_and_says_how_far_its_cycles_miss(world):
    hub = UniversalSpace(form="ridge").fit(world)
    assert hub.dim_ == 8
    assert min(s["mrr"].value for s in hub.direction_scores_.values()) > 0.97
    assert 1e-6 < hub.cycle_error(["a", "b", "d"]) < 0.1
    assert set(hub.alphas_) == set(world)


def test_two_spaces_are_orthogonal_procrustes(turned):
    x, y, _ = turned
    y = y + 0.5 * np.random.default_rng(1).normal(size=y.shape)
    hub = UniversalSpace().fit_moments({("x", "y"): Moments.of(x, y)})
    turn = hub.encoders_["x"][0] @ hub.decoders_["y"][0] / (hub.spreads_["y"] / hub.spreads_["x"])
    np.testing.assert_allclose(turn, Orthogonal().fit(x, y).coef_, atol=1e-8)


def test_the_alternation_reaches_a_fixed_point_of_the_textbook_algorithm():
    """Gower's: rotate every configuration onto the mean of all, again and again."""
    rng = np.random.default_rng(2)
    latent = rng.normal(size=(200, 4)) * [3, 2, 1.5, 1]
    x = [latent @ np.linalg.qr(rng.normal(size=(4, 4)))[0] for _ in range(3)]
    x = [m + 0.3 * rng.normal(size=m.shape) for m in x]
    x = [(m - m.mean(axis=0)) / np.sqrt(((m - m.mean(axis=0)) ** 2).sum(axis=1).mean()) for m in x]
    links = {(str(a), str(b)): Moments.of(x[a], x[b]) for a, b in combinations(range(3), 2)}
    hub = UniversalSpace().fit_moments(links)
    turns = [np.eye(4)] * 3
    for _ in range(500):
        mean = sum(m @ q for m, q in zip(x, turns, strict=True)) / 3
        turns = [np.linalg.svd(m.T @ mean) for m in x]
        turns = [u @ v for u, _, v in turns]
    total = sum(np.sum((x[a] @ turns[a]) * (x[b] @ turns[b])) for a, b in combinations(range(3), 2))
    assert hub.agreement_ == pytest.approx(total / 600, rel=1e-6)
    np.testing.assert_allclose(
        hub.transform(x[0], "0", "2"), x[0] @ turns[0] @ turns[2].T, atol=2e-3
    )


def test_fits_from_moments_what_it_fits_from_rows(world):
    small = {name: x[:60] for name, x in world.items()}
    rows = UniversalSpace(holdout=1e-9).fit(small)
    links = {(a, b): Moments.of(small[a][:4], small[b][:4], keeps="cross")
             + Moments.of(small[a][4:], small[b][4:], keeps="cross")
             for a, b in combinations(small, 2)}  # fmt: skip
    streamed = UniversalSpace().fit_moments(links)
    for a, b in permutations(small, 2):
        np.testing.assert_allclose(
            streamed.transform(world[a], a, b), rows.transform(world[a], a, b), atol=1e-8
        )
    with pytest.raises(InputError, match="regressions need the items"):
        UniversalSpace(form="ridge").fit_moments(links)
    with pytest.raises(InputError, match="one of each two spaces"):
        UniversalSpace().fit_moments({**links, ("b", "a"): links["a", "b"]})
    with pytest.raises(InputError, match="no vectors of"):
        streamed.bridge("a", "b")


def test_missing_items_by_ids_and_by_mask(world):
    """No item is in all spaces; means differ with what is missing, places make up for that."""
    order = np.argsort(world["a"][:, 0])
    known = {"a": order[:400], "b": order[200:], "c": np.delete(order, slice(250, 350)),
             "d": order[100:500]}  # fmt: skip
    ids = np.array([f"item {i}" for i in range(600)])
    by_ids = UniversalSpace().fit({s: (ids[i], world[s][i]) for s, i in known.items()})
    for pair in permutations(world, 2):
        assert by_ids.direction_scores_[pair]["mrr"].value > 0.9
        y, truth = by_ids.transform(world[pair[0]], *pair), world[pair[1]]
        assert np.sum((y - truth) ** 2) < 0.05 * np.sum((truth - truth.mean(axis=0)) ** 2)
    masks = {s: np.isin(np.arange(600), i) for s, i in known.items()}
    nan = {s: np.where(masks[s][:, None], x, np.nan) for s, x in world.items()}
    by_mask = UniversalSpace().fit(nan, mask=masks)
    rows = {s: np.flatnonzero(masks[s]) for s in world}
    by_number = UniversalSpace().fit({s: (rows[s], world[s][rows[s]]) for s in world})
    np.testing.assert_array_equal(
        by_mask.transform(world["a"], "a", "b"), by_number.transform(world["a"], "a", "b")
    )


@pytest.mark.parametrize("form", ["orthogonal", "ridge"])
def test_a_new_encoder_joins_from_50_items_and_moves_nobody(world, form):
    rng = np.random.default_rng(3)
    others = {s: x for s, x in world.items() if s != "d"}
    hub = UniversalSpace(form=form).fit(others)
    before = hub.transform(world["a"], "a", "b")
    some = rng.choice(np.flatnonzero(np.isin(np.arange(600), hub.items_)), 50, replace=False)
    hub.add("d", world["d"][some], some)
    np.testing.assert_array_equal(hub.transform(world["a"], "a", "b"), before)
    assert hub.scores_["d"].value > 0.9
    rest = np.setdiff1d(np.arange(600), some)
    for pair in (("d", "a"), ("b", "d")):
        bridge = hub.bridge(*pair)
        assert bridge.map.score(world[pair[0]][rest], world[pair[1]][rest]) > 0.8
    if form == "orthogonal":
        assert hub.cycle_error(["a", "d", "b"]) < 1e-12
    for name, ids, says in (("d", some, "a new one"), ("e", some + 10_000, "0 items"),
                            ("e", [f"x{i}" for i in some], "another kind")):  # fmt: skip
        with pytest.raises(InputError, match=says):
            hub.add(name, world["d"][some], ids)
    assert hub.names_ == ("a", "b", "c", "d")


def test_relative_ridge_is_the_decoder_of_relative_codes():
    """x -> codes against the anchors, decoded by the target's own least-squares decoder."""
    rng = np.random.default_rng(4)
    x, y, target = rng.normal(size=(10, 6)), rng.normal(size=(10, 6)), rng.normal(size=(500, 6))
    codes = target @ y.T
    decoder = np.linalg.lstsq(codes, target, rcond=1e-8)[0]
    found = relative_ridge(x, y, target.T @ target / 500, 1e-9)
    np.testing.assert_allclose(found, x.T @ decoder, atol=1e-5)
    dense = np.linalg.solve(x.T @ x + 0.1 * np.trace(x.T @ x) / 6 * np.eye(6), x.T @ y)
    np.testing.assert_allclose(ridge(x, y, 0.1), dense, atol=1e-10)
    few = ridge(x[:3], y[:3], 1e-12)
    np.testing.assert_allclose(x[:3] @ few, y[:3], atol=1e-6)


def test_bridges_are_ordinary(world, hub, tmp_path):
    bridge = hub.bridge("a", "b")
    again = isthmus.load(bridge.save(tmp_path / "a-b.isthmus"))
    np.testing.assert_array_equal(again.transform(world["a"]), hub.transform(world["a"], "a", "b"))
    np.testing.assert_allclose(bridge(world["a"][0]), bridge.transform(world["a"][:1])[0])
    assert again.scores["mrr"].value == hub.direction_scores_["a", "b"]["mrr"].value
    assert again.source.dim == 6
    assert "held-out MRR" in repr(bridge)


@pytest.mark.parametrize("form", ["orthogonal", "ridge"])
def test_a_saved_hub_is_the_same_hub(world, form, tmp_path):
    hub = UniversalSpace(form=form).fit({s: world[s] for s in "abc"})
    again = UniversalSpace.load(hub.save(tmp_path / "hub.isthmus"))
    for kind in (np.float32, np.float64):
        x = world["a"].astype(kind)
        y = again.transform(x, "a", "b")
        assert y.dtype == kind
        np.testing.assert_array_equal(y, hub.transform(x, "a", "b"))
    assert again.get_params() == hub.get_params()
    assert again.scores_ == hub.scores_
    assert again.direction_scores_ == hub.direction_scores_
    some = hub.items_[:60]
    for one in (hub, again):
        one.add("d", world["d"][some], some)
    np.testing.assert_array_equal(
        again.transform(world["d"], "d", "a"), hub.transform(world["d"], "d", "a")
    )
    assert again.bridge("d", "a").target.dim == 6


def test_damaged_and_foreign_files_are_refused(world, hub, tmp_path):
    path = hub.save(tmp_path / "hub.isthmus")
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    (tmp_path / "broken").write_bytes(data)
    other = hub.bridge("a", "b").save(tmp_path / "bridge")
    for wrong in (tmp_path / "broken", other):
        with pytest.raises(FormatError):
            UniversalSpace.load(wrong)
    with pytest.raises(FormatError):
        isthmus.load(path)
    from isthmus.bridges import file

    said, arrays = file.read(path)
    arrays["encoder.0"] = arrays["encoder.0"][:, :-1]
    said.pop("crc32")
    file.write(tmp_path / "narrow", json.loads(json.dumps(said)), arrays)
    with pytest.raises(FormatError, match="of shapes"):
        UniversalSpace.load(tmp_path / "narrow")


def test_arrays_of_other_kinds(world, hub):
    import torch

    found = hub.transform(torch.asarray(world["a"]), "a", "b")
    assert isinstance(found, torch.Tensor)
    np.testing.assert_allclose(found.numpy(), hub.transform(world["a"], "a", "b"), atol=1e-12)


def test_a_mean_far_away_costs_no_float32_digits(world):
    far = {s: x + 1e4 for s, x in world.items()}
    hub = UniversalSpace().fit(far)
    narrow = hub.transform(far["a"].astype(np.float32), "a", "b")
    assert np.abs(narrow - hub.transform(far["a"], "a", "b")).max() < 2e-2


def test_refusals(world):
    fit = UniversalSpace().fit
    a, b = world["a"], world["b"]
    with pytest.raises(PairingError, match="groups of spaces: a, b; c"):
        fit({"a": a, "b": b, "c": (np.arange(9000, 9600), world["c"])})
    with pytest.raises(PairingError, match="ids of one kind"):
        fit({"a": a, "b": ([f"{i}" for i in range(600)], b)})
    with pytest.raises(InputError, match="contradictory vectors of the ids 5"):
        fit({"a": a, "b": (np.r_[np.arange(599), 5], b)})
    with pytest.raises(NoRelationFound, match="space 'c' into the hub"):
        fit({"a": a, "b": b, "c": np.random.default_rng(5).permutation(world["c"])})
    with pytest.raises(InputError, match="vectors are all equal"):
        fit({"a": a, "b": np.ones((600, 3))})
    broken = a.copy()
    broken[3, 1] = np.nan
    with pytest.raises(InputError, match=r"first ids: 3.*mask"):
        fit({"a": broken, "b": b})
    both = {"a": a, "b": b}
    for spaces, mask in (
        ({"a": a}, None), (both, {"x": [True]}), (both, {"a": [True] * 3}),
        ({"a": a, "b": b[:1]}, None),
    ):  # fmt: skip
        with pytest.raises(InputError):
            fit(spaces, mask=mask)
    for wrong in ({"form": "affine"}, {"dim": 0}, {"holdout": 1.0}):
        with pytest.raises(InputError):
            UniversalSpace(**wrong).fit(world)
    hub = UniversalSpace().fit(world)
    with pytest.raises(InputError, match=r"one of \['a', 'b', 'c', 'd'\]"):
        hub.transform(a, "a", "z")
    with pytest.raises(InputError, match="expect"):
        hub.transform(a, "b", "a")
    with pytest.raises(InputError, match="at least three"):
        hub.cycle_error(["a", "b"])


def test_an_item_given_twice_counts_once(world):
    twice = np.r_[np.arange(600), 7]
    one = UniversalSpace().fit(world)
    two = UniversalSpace().fit({**world, "a": (twice, world["a"][twice])})
    np.testing.assert_allclose(
        two.transform(world["a"], "a", "b"), one.transform(world["a"], "a", "b"), atol=1e-12
    )


# -- confidence, and what a hub says of itself -----------------------------------------------------


def test_confidence_is_calibrated_on_held_out_items(world, hub, tmp_path):
    """Held-out rows, of which it is told by the rule of the split, have uniform p-values."""
    train = hub.items_
    new = np.setdiff1d(np.arange(600), train)
    found = hub.confidence(world["a"][new], "a")
    for level in (0.1, 0.3, 0.6):
        assert abs(np.mean(found <= level) - level) < 0.05
    # A row far out, and a row of another space of the same width, are strange.
    assert hub.confidence(world["a"][:5] + 50, "a").max() < 0.02
    turned = world["b"] @ np.linalg.qr(np.random.default_rng(7).normal(size=(8, 8)))[0]
    assert np.median(hub.confidence(turned, "b")) < 0.1
    # The check can fail: calibrated on the fitted rows themselves, fresh rows look strange.
    from isthmus.bridges.familiarity import Familiarity

    rows = world["a"][train]
    naive = Familiarity(rows.astype(np.float32), np.sort(hub.familiarities_["a"].distance(rows)))
    assert abs(np.mean(naive.confidence(world["a"][new]) <= 0.3) - 0.3) > 0.05
    bridge = hub.bridge("a", "c")
    np.testing.assert_array_equal(bridge.confidence(world["a"][new]), found)
    path = bridge.save(tmp_path / "a-c.isthmus")
    np.testing.assert_array_equal(isthmus.load(path).confidence(world["a"][new]), found)
    again = UniversalSpace.load(hub.save(tmp_path / "hub.isthmus"))
    np.testing.assert_array_equal(again.confidence(world["a"][new], "a"), found)
    with pytest.raises(InputError, match=r"expected \(rows, 6\)"):
        hub.confidence(world["b"], "a")


def test_a_space_that_joined_has_confidence_too(world):
    hub = UniversalSpace().fit({s: world[s] for s in "abc"})
    some = hub.items_[:80]
    hub.add("d", world["d"][some], some)
    rest = np.setdiff1d(np.arange(600), some)
    assert np.median(hub.confidence(world["d"][rest], "d")) > 0.2
    assert hub.confidence(world["d"][rest] + 50, "d").max() < 0.1
    assert hub.missing_["d"] == len(hub.items_) - 80
    streamed = UniversalSpace().fit_moments({("a", "b"): Moments.of(world["a"], world["b"])})
    with pytest.raises(InputError, match="no vectors of 'a' seen"):
        streamed.confidence(world["a"], "a")


def test_rows_that_are_masked_do_not_join(world):
    hub = UniversalSpace().fit({s: world[s] for s in "abc"})
    some, x = hub.items_[:80], world["d"].copy()
    there = np.isin(np.arange(600), some)
    x[~there] = np.nan
    hub.add("d", x, np.arange(600), mask=there)
    other = UniversalSpace().fit({s: world[s] for s in "abc"}).add("d", world["d"][some], some)
    np.testing.assert_array_equal(hub.encoders_["d"][0], other.encoders_["d"][0])


@pytest.mark.parametrize(("form", "dim"), [("ridge", None), ("orthogonal", 7)])
def test_the_worst_cycle_is_the_worst_of_all_paths(world, form, dim):
    from isthmus.bridges.hub_proof import worst_cycle

    hub = UniversalSpace(form=form, dim=dim).fit(world)
    error, path = worst_cycle(hub.encoders_, hub.decoders_)
    every = {p: hub.cycle_error(p) for p in permutations(world, 3)}
    assert error == pytest.approx(max(every.values()), rel=1e-6) == pytest.approx(every[path])
    assert error > 1e-3


def test_what_it_says_of_itself(world):
    masks = {"a": np.arange(600) < 500}
    hub = UniversalSpace().fit(world, mask=masks)
    told = hub.as_dict()
    json.dumps(told)
    by_name = {s["name"]: s for s in told["spaces"]}
    gone = np.isin(hub.items_, np.arange(500, 600)).sum()
    assert by_name["a"]["missing"] == hub.missing_["a"] == gone > 0
    assert by_name["b"]["missing"] == 0
    assert len(told["directions"]) == 12
    assert told["worst_cycle"]["error"] < 1e-12
    text = str(hub)
    assert max(map(len, text.splitlines())) <= 80
    assert f"{hub.direction_scores_['c', 'a']['mrr'].value:.3f}" in text
    assert f"{gone:>11}" in text
    assert str(UniversalSpace()) == "UniversalSpace()"


def test_a_table_of_many_spaces_stays_80_columns_wide(world):
    spaces = {f"a space with quite a long name {i}": world["abcd"[i % 4]] for i in range(9)}
    hub = UniversalSpace().fit(spaces)
    some = hub.items_[:50]
    text = str(hub.add("new", world["a"][some], some))
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("  1 a space with quite") == 3  # once a space, twice a block of columns
    assert "      -" in text  # what joined was not held out


def test_too_few_common_items_are_refused(world):
    few = (np.r_[np.arange(9), np.arange(9000, 9500)], world["c"][:509])
    with pytest.raises(InputError, match=r"space 'c', which shares 9 items.*at least 10"):
        UniversalSpace().fit({"a": world["a"], "b": world["b"], "c": few})
