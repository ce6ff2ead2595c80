"""What speaks for a hub: ranks and paths by loops, cycles in closed form, refusals by chance."""

from itertools import permutations

import numpy as np
import pytest

from isthmus.bridges import hub_proof
from isthmus.bridges.familiarity import Familiarity
from isthmus.bridges.hub_proof import familiar, path_error, prove, worst_cycle
from isthmus.bridges.items import rows_of
from isthmus.core.errors import NoRelationFound

#: Codes and translations of spaces that are one and the same.
SAME = (lambda name, x: x), (lambda x, source, target: x)


def rows(name, ids, x):
    return rows_of(name, (ids, x), seed=0, operation="Demo.fit")


def reciprocal_rank(guess, pool, own):
    cosines = [guess @ p / np.linalg.norm(guess) / np.linalg.norm(p) for p in pool]
    return 1 / (1 + sum(c > cosines[own] + 1e-12 for c in cosines))


@pytest.fixture
def world():
    """Held-out rows of noisy spaces of unlike widths, with items missing, and maps of the hub."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(60, 3))
    ids = {"a": np.arange(40), "b": np.arange(15, 60), "c": np.arange(0, 60, 2)[::-1]}
    held, encoders, decoders = {}, {}, {}
    for (s, i), d in zip(ids.items(), (4, 3, 5), strict=True):
        turn = np.linalg.qr(rng.normal(size=(d, 3)))[0]
        held[s] = rows(s, i, latent[i] @ turn.T + 0.4 * rng.normal(size=(len(i), d)))
        encoders[s], decoders[s] = turn, turn.T + 0.1 * rng.normal(size=(3, d))
    return held, (lambda s, x: x @ encoders[s]), (lambda x, a, b: x @ encoders[a] @ decoders[b])


@pytest.mark.parametrize("most", [1000, 11])
def test_scores_are_ranks_among_mean_codes_and_among_the_targets_rows(world, most, monkeypatch):
    monkeypatch.setattr(hub_proof, "_HELD_OUT", most)
    held, encode, translate = world
    known = {s: dict(zip(r.keys.tolist(), r.vectors, strict=True)) for s, r in held.items()}
    scores, directions = prove(held, encode, translate)
    assert (list(scores), list(directions)) == (list("abc"), list(permutations("abc", 2)))
    for s in held:
        mine = sorted(k for k in known[s] if any(k in known[t] for t in held if t != s))[:most]
        codes = {
            k: [encode(t, known[t][k]) for t in held if t != s and k in known[t]] for k in mine
        }
        pool = [sum(one) / len(one) for one in codes.values()]
        found = [reciprocal_rank(encode(s, known[s][k]), pool, i) for i, k in enumerate(mine)]
        assert (scores[s].value, scores[s].n) == (pytest.approx(np.mean(found)), len(mine))
        assert scores[s].chance == pytest.approx(np.mean(1 / np.arange(1, len(mine) + 1)))
    for (a, b), kept in directions.items():
        both = sorted(known[a].keys() & known[b].keys())[:most]
        pool = [known[b][k] for k in both]
        found = [reciprocal_rank(translate(known[a][k], a, b), pool, i) for i, k in enumerate(both)]
        assert (kept["mrr"].value, kept["mrr"].n) == (pytest.approx(np.mean(found)), len(both))


def test_one_item_in_common_proves_nothing_either_way():
    x = np.random.default_rng(1).normal(size=(4, 2)).astype(np.float32)
    ids = {"a": [0, 1, 2], "b": [2, 3, 4], "c": [0, 1]}
    held = {s: rows(s, i, x[: len(i)]) for s, i in ids.items()}
    scores, directions = prove(held, *SAME)
    assert (list(scores), list(directions)) == (["a", "c"], [("a", "c"), ("c", "a")])
    assert directions["a", "c"]["mrr"].value == 1.0


def test_shuffled_items_are_refused_from_twenty_on():
    x = np.random.default_rng(2).normal(size=(20, 4))
    few = {"a": rows("a", range(19), x[:19]), "b": rows("b", range(19), x[18::-1])}
    assert prove(few, *SAME)[0]["b"].z < 4
    with pytest.raises(NoRelationFound, match="space 'a' into the hub.*n=20.*random partners"):
        prove({"a": rows("a", range(20), x), "b": rows("b", range(20), x[::-1])}, *SAME)


@pytest.mark.parametrize(("known", "alone"), [(71, False), (70, True), (10, True)])
@pytest.mark.parametrize("n", [130, 180])
def test_familiar_rows_are_the_shared_ones_unless_these_are_few(known, alone, n, monkeypatch):
    monkeypatch.setattr(hub_proof, "_KNOWN", known)
    x = np.random.default_rng(3).normal(size=(n, 3))
    train, held = rows("a", range(100), x[:100]), rows("a", range(100, n), x[100:])
    shared = np.r_[np.arange(30, 100), np.arange(100, 160)]
    found = familiar(train, held, shared, seed=4)
    some = (x[30:100], x[100:160]) if alone else (x[:100], x[100:])
    expected = Familiarity.of(*some, rng=4)
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.distances, expected.distances)


def test_in_one_dimension_a_path_misses_by_what_its_middles_multiply_to():
    """E_a D_b E_b D_c over E_a D_c is d_b e_b, whatever the ends and the offsets are."""
    sides = {"a": (2.0, 0.5), "b": (-3.0, 0.2), "c": (4.0, 0.35), "d": (0.1, 10.0)}
    hub = [{s: (np.full((1, 1), x[k]), np.ones(1)) for s, x in sides.items()} for k in (0, 1)]
    for path, error in (("abc", 1.6), ("acd", 0.4), ("dbca", 1.84), ("badc", 0.0), ("bc", 0.0)):
        assert path_error(*hub, list(path)) == pytest.approx(error, abs=1e-12)
    error, path = worst_cycle(*hub)
    assert (error, path[1], len(set(path))) == (pytest.approx(1.6, abs=1e-12), "b", 3)


@pytest.mark.parametrize("seed", range(4))
def test_the_worst_cycle_is_found_among_all_paths_by_loops(seed):
    rng = np.random.default_rng(seed)
    widths = dict(zip("abcd", rng.permutation([1, 2, 4, 6]), strict=True))
    encoders = {s: (rng.normal(size=(d, 3)), rng.normal(size=3)) for s, d in widths.items()}
    decoders = {s: (rng.normal(size=(3, d)), rng.normal(size=d)) for s, d in widths.items()}
    naive = {}
    for a, b, c in permutations("abcd", 3):
        straight = encoders[a][0] @ decoders[c][0]
        way = (encoders[a][0] @ decoders[b][0]) @ (encoders[b][0] @ decoders[c][0])
        naive[a, b, c] = np.sqrt(np.sum((way - straight) ** 2) / np.sum(straight**2))
        assert path_error(encoders, decoders, (a, b, c)) == pytest.approx(naive[a, b, c])
    for _ in range(2):  # the sides it was given are as they were
        error, path = worst_cycle(encoders, decoders)
        assert (error, path) == (pytest.approx(naive[path], rel=1e-9), max(naive, key=naive.get))
