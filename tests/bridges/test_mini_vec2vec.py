"""mini-vec2vec: the published steps against a direct rendering, recovery, refusal, options."""

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.optimize import quadratic_assignment

from isthmus.bridges import MiniVec2vec
from isthmus.core.errors import InputError, NoReliableBridge


def spaces(n=900, d=8, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(12, d))
    x = centres[rng.integers(12, size=n)] + rng.normal(size=(n, d)) / 3
    turn = np.linalg.qr(rng.normal(size=(d, d)))[0]
    return x, 3 * x @ turn + 1, turn


def direct(x, y, *, runs, clusters, refinements, near=50, seed=0):
    """The published steps, as directly as NumPy, SciPy and scikit-learn say them."""
    from sklearn.cluster import KMeans

    rng = np.random.default_rng(seed)
    a, b = (s - s.mean(axis=0) for s in (x, y))
    a, b = (s / np.linalg.norm(s, axis=1, keepdims=True) for s in (a, b))
    ours, theirs = [], []
    for run in range(runs):
        one, two = (
            KMeans(clusters, n_init=1, random_state=run).fit(s).cluster_centers_ for s in (a, b)
        )
        grams = [(c - c.mean(axis=0)) @ (c - c.mean(axis=0)).T for c in (one, two)]
        best = max(
            (quadratic_assignment(*grams, method="2opt", options={"maximize": True, "rng": rng})
             for _ in range(10)),
            key=lambda r: r.fun,
        )  # fmt: skip
        ours.append(one)
        theirs.append(two[best.col_ind])

    def cosines(p, q):
        p, q = (s / np.linalg.norm(s, axis=1, keepdims=True) for s in (p, q))
        return p @ q.T

    codes = cosines(a, np.concatenate(ours)), cosines(b, np.concatenate(theirs))
    pseudo = b[np.argsort(-cosines(*codes), axis=1)[:, :near]].mean(axis=1)
    w = orthogonal_procrustes(a, pseudo)[0]
    for _ in range(refinements):
        pseudo = b[np.argsort(-cosines(a @ w, b), axis=1)[:, :near]].mean(axis=1)
        w = (w + orthogonal_procrustes(a, pseudo)[0]) / 2
    return w


def test_agrees_with_a_direct_rendering():
    x, y, turn = spaces()
    half = np.arange(900) < 600
    w = direct(x[half], y[~half | (np.arange(900) < 300)], runs=3, clusters=12, refinements=4)
    bridge = MiniVec2vec(runs=3, clusters=12, refinements=4, least=0)
    bridge.fit(x[half], y[~half | (np.arange(900) < 300)], pairs=())
    ours, theirs = bridge.coef_ / np.linalg.norm(bridge.coef_, 2), w / np.linalg.norm(w, 2)
    assert np.sum(ours * theirs) / np.linalg.norm(ours) / np.linalg.norm(theirs) > 0.95
    assert np.sum(ours * turn) / np.linalg.norm(ours) / np.linalg.norm(turn) > 0.95


def test_copies_are_found_and_trusted_without_a_pair():
    x, y, _ = spaces()
    bridge = MiniVec2vec(runs=6, clusters=12, refinements=10).fit(x[:600], y[300:], pairs=())
    assert bridge.score(x, y) > 0.9
    assert bridge.confidence_ > 0.2


def test_noise_is_refused():
    x, _, _ = spaces()
    noise = np.random.default_rng(1).normal(size=(600, 8))
    with pytest.raises(NoReliableBridge, match="agree on"):
        MiniVec2vec(runs=2, refinements=3).fit(x, noise, pairs=())


@pytest.mark.parametrize("dims", [(8, 5), (5, 8)])
def test_unequal_dims(dims):
    x, y, _ = spaces(400)
    bridge = MiniVec2vec(runs=2, refinements=2, least=0)
    bridge.fit(x[:, : dims[0]], y[:, : dims[1]], pairs=())
    assert bridge.coef_.shape == dims
    assert np.isfinite(bridge.transform(x[:, : dims[0]])).all()


def test_all_pairs_give_procrustes():
    x, y, turn = spaces(50)
    np.testing.assert_allclose(MiniVec2vec().fit(x, y).coef_, 3 * turn, atol=1e-9)


def test_known_pairs_overrule_a_symmetry():
    rng = np.random.default_rng(2)
    half = np.repeat(rng.normal(size=(6, 4)) * [3, 2, 1, 1], 30, axis=0)
    half += rng.normal(size=half.shape) / 10
    x = np.concatenate([half, half * [-1, 1, 1, 1]])
    y = x @ np.linalg.qr(rng.normal(size=(4, 4)))[0]
    rows = rng.permutation(len(x))[:40]
    bridge = MiniVec2vec(runs=2, refinements=5).fit(x, y, pairs=(rows, rows))
    assert bridge.score(x, y) > 0.8


def test_options_and_seeds():
    x, y, _ = spaces(200)
    with pytest.raises(InputError, match="at least 1"):
        MiniVec2vec(runs=0).fit(x, y, pairs=())
    fits = [
        MiniVec2vec(runs=1, refinements=1, least=0, rng=3).fit(x, y, pairs=()) for _ in range(2)
    ]
    assert np.array_equal(fits[0].coef_, fits[1].coef_)


def test_more_rows_than_the_early_rounds_see(monkeypatch):
    from isthmus.bridges import mini_vec2vec

    x, y, _ = spaces()
    monkeypatch.setattr(mini_vec2vec, "_EARLY", (150, 250))
    monkeypatch.setattr(mini_vec2vec, "_ROUND", 400)
    bridge = MiniVec2vec(runs=6, clusters=12, refinements=30, least=0)
    bridge.fit(x[:600], y[300:], pairs=())
    assert bridge.score(x, y) > 0.9


def test_rounds_end_when_the_map_has_settled(monkeypatch):
    from isthmus.bridges import mini_vec2vec

    x, y, _ = spaces()
    rounds, turned = [], mini_vec2vec._turned
    monkeypatch.setattr(mini_vec2vec, "_turned", lambda *given: rounds.append(0) or turned(*given))
    MiniVec2vec(runs=6, clusters=12, refinements=400, least=0).fit(x[:600], y[300:], pairs=())
    assert 2 < len(rounds) < 200
