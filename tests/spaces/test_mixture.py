import csv
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from isthmus.core.errors import InputError
from isthmus.spaces import mixture as module
from isthmus.spaces.coordinates import CORRELATED, mean_square_correlation
from isthmus.spaces.fingerprint import Fingerprint
from isthmus.spaces.graph_cut import cuts, neighbour_graph
from isthmus.spaces.mixture import FALSE_ALARM, mixture

DATA = os.environ.get("ISTHMUS_DATA")
needs_debian = pytest.mark.skipif(
    DATA is None or not Path(DATA, "debian").is_dir(),
    reason="needs the debian vectors: set ISTHMUS_DATA to the folder that holds debian/",
)


def orthogonal(d, rng):
    q, r = np.linalg.qr(rng.standard_normal((d, d)))
    return q * np.sign(np.diag(r))


def migrated(old, new, share, rng, *, interleaved):
    """``old`` with a share of its rows taken from ``new``, and which ones."""
    moved = np.arange(len(old)) < share * len(old)
    if interleaved:
        moved = rng.permutation(moved)
    return np.where(moved[:, None], new, old), moved


def unit_rows(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


# -- the graph and its cuts --------------------------------------------------------------------


def test_neighbour_graph_links_nearest_rows_both_ways():
    rng = np.random.default_rng(0)
    z = unit_rows(rng.standard_normal((1100, 9)))
    graph = neighbour_graph(z, 4).toarray()
    cosine = z @ z.T - 3 * np.eye(len(z))
    links = np.zeros_like(graph)
    for row, nearest in enumerate(np.argsort(-cosine, axis=1)[:, :4]):
        links[row, nearest] += 1
    np.testing.assert_array_equal(graph, links + links.T)


def test_conductance_by_definition():
    rng = np.random.default_rng(0)
    z = unit_rows(rng.standard_normal((300, 5)) + 2 * np.eye(5)[rng.integers(2, size=300)])
    graph = neighbour_graph(z, 5)
    for conductance, part in cuts(graph, 30, rng):
        dense = graph.toarray()
        across = dense[part][:, ~part].sum() + 0.5
        volume = dense.sum(axis=1)
        expected = across * volume.sum() / (volume[part].sum() * volume[~part].sum())
        assert conductance == pytest.approx(expected)
        assert 30 <= part.sum() <= 150


def test_cuts_find_the_two_halves():
    rng = np.random.default_rng(0)
    truth = rng.random(400) < 0.3
    z = unit_rows(rng.standard_normal((400, 6)) + np.where(truth[:, None], 9, -9) * np.eye(6)[0])
    conductance, part = cuts(neighbour_graph(z), 30, rng)[0]
    np.testing.assert_array_equal(part, truth)
    assert conductance < 0.001


def test_mean_square_correlation():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20_000, 12)) * np.geomspace(1, 1e-3, 12)
    assert abs(mean_square_correlation(x, rng)) < CORRELATED / 5
    mixed = x @ orthogonal(12, rng)
    exact = np.corrcoef(mixed.T)[np.triu_indices(12, 1)]
    assert mean_square_correlation(mixed, rng) == pytest.approx((exact**2).mean(), rel=0.05)
    assert mean_square_correlation(x[:20], rng) == np.inf
    assert mean_square_correlation(np.ones((50, 4)), rng) == np.inf


# -- digits: pixels, and the hidden layers of two networks -------------------------------------


@pytest.fixture(scope="module")
def digits():
    datasets = pytest.importorskip("sklearn.datasets")
    networks = pytest.importorskip("sklearn.neural_network")
    x, labels = datasets.load_digits(return_X_y=True)
    x = x / 16
    layers = []
    for seed in (1, 2):
        net = networks.MLPClassifier((64,), random_state=seed, max_iter=400).fit(x, labels)
        layers.append(np.maximum(x @ net.coefs_[0] + net.intercepts_[0], 0))
    return {"pixels": x, "net 1": layers[0], "net 2": layers[1]}


@pytest.mark.parametrize("share", [0.5, 0.25, 0.1])
@pytest.mark.parametrize("interleaved", [True, False])
@pytest.mark.parametrize("kind", ["two networks", "rotated", "permuted"])
def test_two_spaces_of_digits(digits, share, interleaved, kind):
    rng = np.random.default_rng(0)
    order = rng.permutation(1797)
    old = digits["net 1" if kind == "two networks" else "pixels"][order]
    new = {
        "two networks": digits["net 2"][order],
        "rotated": old @ orthogonal(64, rng),
        "permuted": old[:, rng.permutation(64)],
    }[kind]
    x, moved = migrated(old, new, share, rng, interleaved=interleaved)
    found = mixture(x, ids=[f"d{i}" for i in range(len(x))])
    assert found.two_spaces, found.reason
    assert found.decided
    assert found.statistic <= found.threshold
    assert found.share == pytest.approx(share, abs=0.02)
    np.testing.assert_array_equal(found.ids, [f"d{i}" for i in found.rows])
    truth = np.flatnonzero(moved if moved.sum() * 2 <= len(moved) else ~moved)
    wrong = len(np.setxor1d(found.rows, truth))
    assert min(wrong, 1797 - wrong) <= 18


def test_classes_of_digits_are_one_space(digits):
    rng = np.random.default_rng(0)
    found = [
        mixture(x[rng.choice(1797, size, replace=False)])
        for x in digits.values()
        for size in (300, 600, 1200, 1500, 1797)
    ]
    assert not any(m.two_spaces for m in found)
    assert all(len(m.rows) == 0 and m.share == 0 for m in found)


@pytest.mark.parametrize("guard", ["_SHARED", "_BETTER_WITHIN", "_SPREAD"])
def test_a_cut_alone_would_raise_false_alarms(digits, guard, monkeypatch):
    """Without each guard a single space is called two, so neither check is idle."""
    rng = np.random.default_rng(0)
    x = digits["pixels"]
    if guard == "_SHARED":
        # Two classes of one space, which stand well apart in digits too.
        labels = pytest.importorskip("sklearn.datasets").load_digits(return_X_y=True)[1]
        monkeypatch.setattr(module, "_CROSSED_CUT", 0.02)
        monkeypatch.setattr(module, "_BETTER_WITHIN", 0.0)
        tried, loose = x[np.isin(labels, (0, 1))], 9.0
    elif guard == "_BETTER_WITHIN":
        # Several groups, each spread over directions of its own.
        groups = np.repeat(np.arange(6), 200)
        axes = np.stack(
            [np.geomspace(1, 0.05, 64)[:, None] * orthogonal(64, rng) for _ in "123456"]
        )
        x = np.einsum("nd,nde->ne", rng.standard_normal((1200, 64)), axes[groups])
        tried, loose = x + 9 * orthogonal(64, rng)[groups], 0.0
    else:
        # Boilerplate: one vector over and over, with little variation.
        jitter = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 64))
        tried, loose = np.concatenate([x, x[0] - 3 * np.eye(64)[5] + 0.01 * jitter]), 0.0
        monkeypatch.setattr(module, "_SHARED", 9.0)
        monkeypatch.setattr(module, "_BETTER_WITHIN", 0.0)
    assert not mixture(tried).two_spaces
    monkeypatch.setattr(module, guard, loose)
    assert mixture(tried).two_spaces


# -- real text ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def debian():
    folder = Path(DATA, "debian")
    with (folder / "sections.tsv").open(newline="") as lines:
        section = {row["id"]: row["section"] for row in csv.DictReader(lines, delimiter="\t")}
    spaces = {}
    for name in ("en-minilm384", "en-lsa256", "de-lsa256", "fr-lsa256"):
        with np.load(folder / f"{name}.npz", allow_pickle=False) as stored:
            labels = np.array([section.get(i, "") for i in stored["ids"]])
            spaces[name] = stored["vectors"].astype(np.float32), labels
    whole, labels = spaces["en-minilm384"]
    _, axes = np.linalg.eigh(whole.T @ whole)
    spaces["en-pca256"] = unit_rows(whole @ axes[:, ::-1][:, :256]), labels
    return spaces


@pytest.mark.slow
@needs_debian
def test_single_real_spaces_at_the_stated_rate(debian):
    rng = np.random.default_rng(0)
    found = []
    for x, sections in debian.values():
        names, counts = np.unique(sections, return_counts=True)
        for size in (400, 800, 1500):
            found += [
                mixture(x[np.sort(rng.choice(len(x), size, replace=False))]) for _ in range(4)
            ]
        found += [mixture(x[sections == name]) for name in names[counts >= 400][:12]]
    assert len(found) >= 100
    assert np.mean([m.two_spaces for m in found]) <= FALSE_ALARM


@needs_debian
@pytest.mark.parametrize(("share", "interleaved"), [(0.25, False), (0.1, True)])
def test_two_real_spaces(debian, share, interleaved):
    rng = np.random.default_rng(0)
    rows = rng.permutation(61_486)[:5000]
    mini, lsa, pca = (debian[f"en-{name}"][0][rows] for name in ("minilm384", "lsa256", "pca256"))
    turned = mini @ orthogonal(384, rng).astype(np.float32)
    for old, new in ((mini, turned), (pca, lsa), (lsa, pca)):
        x, moved = migrated(old, new, share, rng, interleaved=interleaved)
        found = Fingerprint.mixture(x)
        assert found.two_spaces, found.reason
        wrong = len(np.setxor1d(found.rows, np.flatnonzero(moved)))
        assert min(wrong, len(x) - wrong) <= 0.02 * len(x)


# -- what cannot be told, and degenerate input -------------------------------------------------


def test_round_spaces_cannot_be_told():
    x = np.random.default_rng(0).standard_normal((1000, 32))
    found = mixture(x)
    assert not found.two_spaces
    assert not found.decided
    assert "every side" in found.reason


def test_round_blobs_cannot_be_told():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1000, 32)) + 40 * np.eye(32)[rng.integers(2, size=1000)]
    found = mixture(x)
    assert not found.two_spaces
    assert not found.decided


def test_too_few_rows_or_dimensions(digits):
    rng = np.random.default_rng(0)
    x = digits["pixels"]
    for tried in (x[:150], x[:, 20:25], np.repeat(x[:100], 10, axis=0)):
        found = mixture(tried)
        assert not found.decided
        assert "too few" in found.reason
    x, _ = migrated(x, x @ orthogonal(64, rng), 0.5, rng, interleaved=True)
    assert mixture(x).two_spaces


def test_zeros_repeats_scale_and_shift_do_not_hide_two_spaces(digits):
    rng = np.random.default_rng(0)
    old = digits["net 1"]
    x, _ = migrated(old, old @ orthogonal(64, rng), 0.3, rng, interleaved=True)
    padded = np.concatenate([np.zeros((300, 64)), x, np.repeat(x[:1], 300, axis=0)])
    for tried in (padded, x * 1e20, x * 1e-20, x + 1e3, x.astype(np.float16)):
        assert mixture(tried).two_spaces


def test_all_rows_are_assigned_beyond_the_sample():
    rng = np.random.default_rng(0)
    axes = np.geomspace(1, 0.02, 64)[:, None] * orthogonal(64, rng)
    old = (rng.standard_normal((12, 64)) @ axes + axes[0])[rng.integers(12, size=7000)]
    old += rng.standard_normal((7000, 64)) @ axes
    x, moved = migrated(old, old @ orthogonal(64, rng), 0.2, rng, interleaved=True)
    found = mixture(x)
    assert found.two_spaces
    assert len(np.setxor1d(found.rows, np.flatnonzero(moved))) <= 35


def test_same_seed_same_verdict(digits):
    rng = np.random.default_rng(0)
    x, _ = migrated(digits["net 1"], digits["net 2"], 0.3, rng, interleaved=True)
    one, two = mixture(x, rng=5), mixture(x, rng=5)
    assert one.statistic == two.statistic
    np.testing.assert_array_equal(one.rows, two.rows)


def test_other_array_kinds(digits):
    rng = np.random.default_rng(0)
    x, _ = migrated(digits["net 1"], digits["net 2"], 0.3, rng, interleaved=True)
    expected = mixture(x)
    strict = pytest.importorskip("array_api_strict")
    np.testing.assert_array_equal(mixture(strict.asarray(x)).rows, expected.rows)
    np.testing.assert_array_equal(mixture(x.astype(">f8")).rows, expected.rows)


@settings(max_examples=25, deadline=None)
@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(200, 260), st.integers(1, 12)),
        elements=st.sampled_from([0.0, 1.0, -1.0, 1e20, 0.5]) | st.floats(-9, 9),
        fill=st.nothing(),
    )
)
def test_any_finite_matrix_gets_a_finite_answer(x):
    found = mixture(x)
    assert np.isfinite([found.statistic, found.threshold, found.share]).all()
    assert found.reason


def test_degenerate_spaces():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 12)) * np.geomspace(1, 0.05, 12)
    constant = np.where(np.arange(12) == 3, 5.0, x)
    line = np.outer(rng.standard_normal(400), np.ones(12))
    for tried in (constant, line, np.zeros((400, 12)), np.ones((1, 12)), x[:5], x * 1e200):
        assert not mixture(tried).two_spaces


def test_what_cannot_be_used_is_refused():
    for x in (np.full((300, 9), np.nan), np.zeros((0, 3)), np.zeros(3)):
        with pytest.raises(InputError):
            mixture(x)
    with pytest.raises(InputError, match="ids"):
        mixture(np.ones((3, 2)), ids=["a"])
