"""Schema: its losses against a naive sum and numeric slopes, its equations, files and refusals."""

import json

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from isthmus.bridges import Affine, Schema, file
from isthmus.core.errors import FormatError, InputError

MAPS = {"f": ("A", "B"), "g": ("B", "C"), "h": ("A", "C"), "i": ("B", "A")}


@pytest.fixture(scope="module")
def world():
    """Three noisy linear views; 12 pairs a map, no item on two maps, 200 further rows of A."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(400, 3))
    views = {
        s: latent @ rng.normal(size=(3, d)) + 0.3 * rng.normal(size=(400, d)) + rng.normal(size=d)
        for s, d in (("A", 5), ("B", 4), ("C", 6))
    }
    pairs = {
        name: (views[s][12 * k : 12 * k + 12], views[t][12 * k : 12 * k + 12])
        for k, (name, (s, t)) in enumerate(MAPS.items())
    }
    return views, pairs, {"A": views["A"][100:300]}


def test_without_equations_every_map_is_its_own_ridge(world):
    views, pairs, _ = world
    for schema in (Schema(MAPS), Schema(MAPS, ["f g = h"], weight=0)):
        schema.fit(pairs)
        for name, (source, _t) in MAPS.items():
            x = views[source]
            alone = Affine().fit(*pairs[name]).transform(x)
            np.testing.assert_allclose(schema.transform(x, name), alone, atol=1e-10)


def test_an_equation_pulls_both_ways_together_and_helps_retrieval(world):
    views, pairs, rows = world
    apart = Schema(MAPS, ["f g = h"], weight=0).fit(pairs, rows)
    bound = Schema(MAPS, ["f g = h"]).fit(pairs, rows)
    test = {"A": views["A"][300:]}
    before, after = apart.violations(test)[0], bound.violations(test)[0]
    assert after.disagreement < 0.5 * before.disagreement
    assert after.independent == before.disagreement
    assert after.cosine > before.cosine
    truth = views["C"][300:]
    errors = [np.sum((s.transform(test["A"], "h") - truth) ** 2) for s in (apart, bound)]
    assert errors[1] < errors[0]
    assert "fitted apart" in str(after)


def test_violations_equal_the_formula(world):
    views, pairs, rows = world
    schema = Schema(MAPS, ["f g = h", "f i = 1"]).fit(pairs, rows)
    x = views["A"][300:]
    found = schema.violations({"A": x})
    one, two = schema.transform(x, "f g"), schema.transform(x, "h")
    spread = np.sqrt(np.sum((two - two.mean(axis=0)) ** 2))
    assert found[0].disagreement == pytest.approx(np.sqrt(np.sum((one - two) ** 2)) / spread)
    back = schema.transform(x, "f i")
    spread = np.sqrt(np.sum((x - x.mean(axis=0)) ** 2))
    assert found[1].disagreement == pytest.approx(np.sqrt(np.sum((back - x) ** 2)) / spread)
    a, b = one - two.mean(axis=0), two - two.mean(axis=0)
    cosine = np.mean(np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1))
    assert found[0].cosine == pytest.approx(cosine)
    assert schema.violations({"B": views["B"]}) == ()


def test_the_optimum_is_flat_under_the_naive_objective(world):
    """The sum written out row by row has no slope left at the maps found, and has one elsewhere."""
    _, pairs, rows = world
    schema = Schema(MAPS, ["f g = h", "f i = 1"], weight=0.7, steps=3000).fit(pairs, rows)
    known = {s: [] for s in "ABC"}
    for name, (s, t) in MAPS.items():
        known[s].append(pairs[name][0])
        known[t].append(pairs[name][1])
    known["A"].append(rows["A"])
    known = {s: np.concatenate(parts) for s, parts in known.items()}
    variance = {s: np.sum((x - x.mean(axis=0)) ** 2) / len(x) for s, x in known.items()}
    alphas = {name: Affine().fit(*pairs[name]).alpha_ for name in MAPS}
    shapes = {name: schema.maps_[name][0].shape for name in MAPS}

    def naive(flat):
        maps, at, total = {}, 0, 0.0
        for name, (dx, dy) in shapes.items():
            w = flat[at : at + dx * dy].reshape(dx, dy)
            maps[name] = w, flat[at + dx * dy : at + dx * dy + dy]
            at += (dx + 1) * dy
            x, y = pairs[name]
            unit = np.sum((x - x.mean(axis=0)) ** 2) / dx
            own = np.sum((x @ w + maps[name][1] - y) ** 2) + alphas[name] * unit * np.sum(w**2)
            total += own / (len(x) * variance[MAPS[name][1]])

        def go(x, *path):
            for name in path:
                x = x @ maps[name][0] + maps[name][1]
            return x

        a = known["A"]
        total += 0.7 * np.mean(np.sum((go(a, "f", "g") - go(a, "h")) ** 2, axis=1)) / variance["C"]
        return total + 0.7 * np.mean(np.sum((go(a, "f", "i") - a) ** 2, axis=1)) / variance["A"]

    flat = np.concatenate([np.r_[schema.maps_[n][0].ravel(), schema.maps_[n][1]] for n in MAPS])
    assert naive(flat) == pytest.approx(schema.loss_[0] + 0.7 * schema.loss_[1], rel=1e-9)
    slope = approx_fprime(flat, naive, 1e-6)
    assert np.abs(slope).max() < 2e-3
    alone = np.concatenate([np.r_[schema.independent_[n][0].ravel(), schema.independent_[n][1]]
                            for n in MAPS])  # fmt: skip
    assert naive(flat) < naive(alone) - 0.01
    assert np.abs(approx_fprime(alone, naive, 1e-6)).max() > 0.05


def test_maps_are_ordinary_and_keep_the_kind_of_array(world):
    import torch

    views, pairs, rows = world
    schema = Schema(MAPS, ["f g = h"]).fit(pairs, rows)
    x = views["A"].astype(np.float32)
    found = schema.transform(torch.asarray(x), "f g")
    assert isinstance(found, torch.Tensor)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(
        found.numpy(), schema.map("g").transform(schema.map("f").transform(x)), atol=1e-5
    )


def test_a_saved_schema_is_the_same_schema(world, tmp_path):
    views, pairs, rows = world
    schema = Schema(MAPS, ["f g = h"], weight=2.0).fit(pairs, rows)
    path = schema.save(tmp_path / "schema.isthmus")
    again = Schema.load(path)
    np.testing.assert_array_equal(
        again.transform(views["A"], "f g"), schema.transform(views["A"], "f g")
    )
    assert again.violations(rows) == schema.violations(rows)
    assert again.get_params() == schema.get_params()
    assert again.loss_ == schema.loss_
    said, arrays = file.read(path)
    said.pop("crc32")
    arrays["map.0"] = arrays["map.0"][:-1]
    file.write(tmp_path / "narrow", json.loads(json.dumps(said)), arrays)
    with pytest.raises(FormatError, match="of shapes"):
        Schema.load(tmp_path / "narrow")
    (tmp_path / "text").write_text("no schema at all")
    with pytest.raises(FormatError):
        Schema.load(tmp_path / "text")


@pytest.mark.parametrize(
    ("equation", "says"),
    [
        ("f g", "path = path"),
        ("f = g = h", "path = path"),
        ("g f = h", "ends in 'C'"),
        ("f z = h", "some of"),
        ("f = h", "same ends"),
        ("f g = 1", "same ends"),
        ("1 = 1", "same ends"),
    ],
)
def test_equations_that_make_no_sense(world, equation, says):
    with pytest.raises(InputError, match=says):
        Schema(MAPS, [equation]).fit(world[1])


def test_refusals(world):
    views, pairs, _ = world
    with pytest.raises(InputError, match="pairs of"):
        Schema(MAPS).fit({"f": pairs["f"]})
    with pytest.raises(InputError, match="equally many"):
        Schema(MAPS).fit({**pairs, "f": (views["A"][:5], views["B"][:4])})
    with pytest.raises(InputError, match="one width a space"):
        Schema(MAPS).fit(pairs, {"A": views["C"]})
    with pytest.raises(InputError, match="rows of 'Z'"):
        Schema(MAPS).fit(pairs, {"Z": views["C"]})
    with pytest.raises(InputError, match="NaN"):
        Schema(MAPS).fit(pairs, {"A": np.full((2, 5), np.nan)})
    with pytest.raises(InputError, match="numbers >= 0"):
        Schema(MAPS, weight=-1).fit(pairs)
    with pytest.raises(InputError, match="underscores"):
        Schema({"f g": ("A", "B")}).fit(pairs)
    with pytest.raises(InputError, match="some of"):
        Schema(MAPS).fit(pairs).map("z")
