"""MixedSearch: against a naive oracle, at every fraction, by every route, and its refusals."""

import warnings
from dataclasses import dataclass

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import InputError, PairingError, SpaceMismatch
from isthmus.retrieval.search import search
from isthmus.upgrade.mixed_ends import in_new_space
from isthmus.upgrade.mixed_part import Part
from isthmus.upgrade.mixed_search import MixedSearch

N, D_OLD, D_NEW, Q = 900, 16, 24, 120


@dataclass
class World:
    """Two encoders of one latent space; the old one is noisier and crowds its vectors."""

    old: np.ndarray
    new: np.ndarray
    old_queries: np.ndarray
    new_queries: np.ndarray
    pairs: isthmus.Pairs
    to_old: isthmus.Bridge
    to_new: isthmus.Bridge

    def sides(self):
        return self.old, self.new


def make(d_new=D_NEW, seed=0):
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(N, 12)) * np.linspace(2, 0.6, 12)
    asked = latent[:Q] + 0.5 * rng.normal(size=(Q, 12))
    a, b = rng.normal(size=(12, D_OLD)), rng.normal(size=(12, d_new))
    # A shared direction in the old space: its cosines are all high.
    old = [z @ a + 15 + 2.5 * rng.normal(size=(len(z), D_OLD)) for z in (latent, asked)]
    new = [z @ b + 0.3 * rng.normal(size=(len(z), d_new)) for z in (latent, asked)]
    old, new = ([side.astype(np.float32) for side in both] for both in (old, new))
    keys = [f"r{i}" for i in range(N)]
    spaces = [isthmus.open(x[0][300:], ids=keys[300:], encoder=e)
              for x, e in ((old, "v1"), (new, "v2"))]  # fmt: skip
    return World(
        old[0], new[0], old[1], new[1], isthmus.pair(*spaces),
        isthmus.fit(spaces[1], spaces[0], method="affine"),
        isthmus.fit(spaces[0], spaces[1], method="affine"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def world():
    return make()


def ids(rows):
    return np.array([f"r{i}" for i in rows])


def mixed(world, new_rows, bridge="to_old", **options):
    """A MixedSearch in which ``new_rows`` have been migrated, built at once."""
    left = np.setdiff1d(np.arange(N), new_rows)
    old, new = (
        isthmus.open(x[rows], ids=ids(rows)) if len(rows) else None
        for x, rows in ((world.old, left), (world.new, new_rows))
    )
    bridge = bridge and getattr(world, bridge)
    return MixedSearch(old, new, bridge, **{"reference": world.pairs} | options)


def recall(hits):
    return np.mean([f"r{i}" in row for i, row in enumerate(hits.ids.tolist())])


WAYS = {
    "old queries": ("to_old", True), "no bridge": (None, True), "query crosses": ("to_old", False),
    "rows cross": ("to_new", False), "rows crossed, old queries": ("to_new", True),
}  # fmt: skip


def asked(world, old):
    return {"old_queries": world.old_queries} if old else {}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("order", ["random", "best first"])
def test_recall_stays_near_the_worse_end_at_every_fraction(world, way, order):
    bridge, old = WAYS[way]
    rows = np.random.default_rng(1).permutation(N)
    if order == "best first":  # topic by topic
        rows = np.argsort(world.new[:, 0])
    curve, found = [], mixed(world, rows[:0], bridge)
    for step in [rows[:0], *np.split(rows, 10)]:
        if len(step):
            found.migrate(ids(step), world.new[step])
        curve.append(recall(found.search(world.new_queries, 10, **asked(world, old))))
    assert min(curve) > min(curve[0], curve[-1]) - 0.02, curve


def test_merging_raw_scores_would_not_pass(world):
    """The wrong method that the test above must reject: cosines of both spaces as they are."""
    rows = np.random.default_rng(1).permutation(N)
    curve = []
    for fraction in np.arange(11) / 10:
        new, old = np.split(rows, [round(fraction * N)])
        found = []
        for part, base, queries in (
            (new, world.new, world.new_queries), (old, world.old, world.old_queries)
        ):  # fmt: skip
            if len(part):
                hits = search(queries, base[part], 10)
                found.append((part[hits.rows], hits.scores))
        some, scores = (np.concatenate(x, axis=1) for x in zip(*found, strict=True))
        best = np.argsort(-scores, axis=1)[:, :10]
        curve.append(np.mean([i in some[i, row] for i, row in enumerate(best)]))
    assert min(curve) < min(curve[0], curve[-1]) - 0.05, curve


def naive(world, new_rows, queries_old, queries_new, stored, k):
    """Every score of every row, as the docstrings say, one query at a time."""

    def unit(x):
        return x / np.linalg.norm(x.astype(np.float64), axis=-1, keepdims=True)

    picked = np.unique(np.linspace(0, len(world.pairs) - 1, 1000).astype(int))
    known_old = stored[300:][picked] if len(picked) < N - 300 else stored[300:]
    known_new = world.new[300:]
    found = []
    for q_old, q_new in zip(queries_old, queries_new, strict=True):
        told = []
        for row in range(N):
            migrated = row in new_rows
            q, d, known = (q_new, world.new, known_new) if migrated else (q_old, stored, known_old)
            chance = np.sort(unit(known) @ unit(q))[::-1]
            m = max(round(0.05 * len(chance)), 10)
            excess = np.mean(chance[:m] - chance[m])
            score = (unit(d[row]) @ unit(q) - chance[m]) / excess + np.log(len(chance) / m)
            told.append((-score, row))
        found.append([f"r{row}" for _, row in sorted(told)[:k]])
    return np.array(found)


@pytest.mark.parametrize("way", WAYS)
def test_equals_the_naive_oracle(world, way):
    bridge, old = WAYS[way]
    rows = np.sort(np.random.default_rng(2).permutation(N)[:400])
    some = slice(0, 2)
    hits = mixed(world, rows, bridge).search(
        world.new_queries[some], 7, **({"old_queries": world.old_queries[some]} if old else {})
    )
    crossing = way == "rows cross"
    stored = world.to_new.transform(world.old) if crossing else world.old
    asks = world.old_queries if old else world.to_old.transform(world.new_queries)
    asks = world.new_queries if crossing else asks
    expected = naive(world, set(rows.tolist()), asks[some], world.new_queries[some], stored, 7)
    assert (hits.ids == expected).mean() > 0.99  # the last digits of float32 may swap two
    assert (hits.new == np.isin(hits.ids, ids(rows))).all()
    assert set(np.unique(hits.spaces)) == {"old", "new"}
    assert (np.diff(hits.scores, axis=1) <= 0).all()


@pytest.mark.parametrize("bridge", ["to_old", "to_new"])
def test_migrating_step_by_step_is_building_it_so(world, bridge):
    rng = np.random.default_rng(3)
    order = rng.permutation(N)
    search_ = mixed(world, order[:0], bridge)
    for step in np.split(order[:660], [1, 10, 200, 450]):
        search_.migrate(ids(step), world.new[step])
    built = mixed(world, order[:660], bridge)
    one, two = (s.search(world.new_queries, 10) for s in (search_, built))
    assert (one.ids == two.ids).mean() > 0.999
    np.testing.assert_allclose(one.scores, two.scores, rtol=1e-4)
    assert len(search_) == len(built) == N
    assert search_.migrated == pytest.approx(660 / N)
    again = search_.search(world.new_queries, 10)
    search_.migrate(ids(order[:50]), world.new[order[:50]])  # twice is once
    np.testing.assert_array_equal(search_.search(world.new_queries, 10).ids, again.ids)
    search_.migrate(["fresh"], world.new_queries[:1])  # a document written meanwhile
    assert search_.search(world.new_queries[:1], 1).ids.item() == "fresh"
    assert len(search_) == N + 1


def test_a_migration_to_the_end_is_plain_search_in_the_new_space(world):
    hits = mixed(world, np.arange(N)).search(world.new_queries, 10)
    plain = search(world.new_queries, world.new, 10)
    np.testing.assert_array_equal(hits.ids, ids(range(N))[plain.rows])
    assert hits.new.all()
    start = mixed(world, np.arange(0)).search(world.new_queries, 10, old_queries=world.old_queries)
    plain = search(world.old_queries, world.old, 10)
    np.testing.assert_array_equal(start.ids, ids(range(N))[plain.rows])
    assert not start.new.any()


@pytest.mark.parametrize("metric", ["inner", "euclidean"])
def test_other_metrics(world, metric):
    found = mixed(world, np.arange(0, N, 2), metric=metric).search(world.new_queries, 10)
    ends = [mixed(world, np.arange(n), metric=metric).search(world.new_queries, 10) for n in (0, N)]
    assert recall(found) > min(map(recall, ends)) - 0.03


def test_rows_in_both_parts_are_served_from_the_new_one_and_calibrate(world):
    keys = ids(range(N))
    old = isthmus.open(world.old, ids=keys)
    new = isthmus.open(world.new[200:500], ids=keys[200:500])
    found = MixedSearch(old, new, world.to_old)
    assert len(found) == N
    assert "600 old and 300 new rows, calibrated on 300 rows" in repr(found)
    hits = found.search(world.new_queries, N)
    assert (np.sort(hits.ids[0]) == np.sort(keys)).all()
    assert (hits.new == np.isin(hits.ids, keys[200:500])).all()


def test_without_rows_known_in_both_it_warns_until_enough_were_migrated(world):
    rows = np.random.default_rng(4).permutation(N)
    with pytest.warns(UserWarning, match="knows 0 rows in both spaces"):
        found = mixed(world, rows[:300], reference=None)
    assert "each on its own" in repr(found)
    assert recall(found.search(world.new_queries, 10)) > 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found.migrate(ids(rows[300:420]), world.new[rows[300:420]])
    assert "calibrated on 120 rows" in repr(found)


def test_a_lone_migrated_row_can_be_served(world):
    with pytest.warns(UserWarning, match="too few"):
        found = mixed(world, np.arange(1), reference=None)
    assert found.search(world.new_queries[:2], 10).ids.shape == (2, 10)


def test_a_collection_rewritten_in_place_is_told_apart():
    world = make(d_new=D_OLD)
    rng = np.random.default_rng(5)
    mask = rng.random(N) < 0.4
    rows = np.where(mask[:, None], world.new, world.old)
    space = isthmus.open(rows, ids=ids(range(N)))
    told = in_new_space(space, world.pairs)
    assert (told == mask).mean() > 0.99
    given = MixedSearch.of(space, world.to_old, reference=world.pairs, migrated=mask)
    found = MixedSearch.of(space, world.to_old, reference=world.pairs)
    assert given.migrated == mask.mean()
    assert abs(found.migrated - given.migrated) < 0.01
    assert recall(found.search(world.new_queries, 10)) > 0.6
    for whole, share in ((world.old, 0), (world.new, 1)):
        assert MixedSearch.of(
            whole, world.to_old, reference=world.pairs, migrated=np.full(N, bool(share))
        ).migrated == share  # fmt: skip
    with pytest.raises(SpaceMismatch, match="part"):  # the mask upside down
        MixedSearch.of(space, world.to_old, reference=world.pairs, migrated=~mask)
    with pytest.raises(InputError, match="900 booleans"):
        MixedSearch.of(space, world.to_old, reference=world.pairs, migrated=mask[:5])


class TestRefusals:
    def test_foreign_vectors(self, world):
        found = mixed(world, np.arange(300))
        with pytest.raises(SpaceMismatch, match="new queries.*16 dimensions"):
            found.search(world.old_queries, 5)
        with pytest.raises(SpaceMismatch, match="old queries"):
            found.search(world.new_queries, 5, old_queries=world.new_queries)
        with pytest.raises(SpaceMismatch, match="migrated vectors"):
            found.migrate(ids(range(300, 400)), world.old[300:400])
        assert found.migrated == pytest.approx(1 / 3)

    def test_vectors_of_the_other_space_of_equal_width(self):
        world = make(d_new=D_OLD)
        found = mixed(world, np.arange(300))
        with pytest.raises(SpaceMismatch, match="look like the old space's"):
            found.search(world.old, 5)
        with pytest.raises(SpaceMismatch, match="migrated vectors"):
            found.migrate(ids(range(300, 900)), world.old[300:])
        with pytest.raises(SpaceMismatch, match="other spaces"):
            MixedSearch(world.new[:400], world.old[400:], world.to_old, reference=world.pairs)

    def test_a_bridge_of_other_spaces(self, world):
        rng = np.random.default_rng(6)
        x = rng.normal(size=(200, 5))
        stranger = isthmus.fit(x, x[:, ::-1], method="affine")
        with pytest.raises(SpaceMismatch, match="a bridge of other spaces"):
            MixedSearch(world.old, None, stranger)

    def test_a_reference_the_wrong_way_round(self, world):
        back = isthmus.pair(world.pairs.target, world.pairs.source)
        for bridge in (None, "to_old"):
            with pytest.raises(SpaceMismatch, match="reference's"):
                mixed(world, np.arange(300), bridge, reference=back)

    def test_old_rows_that_nothing_can_ask(self, world):
        with pytest.raises(InputError, match="no bridge"):
            mixed(world, np.arange(300), None).search(world.new_queries, 5)

    def test_what_does_not_fit(self, world):
        found = mixed(world, np.arange(300))
        with pytest.raises(InputError, match="3 old and 2 new queries"):
            found.search(world.new_queries[:2], 5, old_queries=world.old_queries[:3])
        for k in (0, True, 1.5):
            with pytest.raises(InputError, match="k="):
                found.search(world.new_queries[:2], k)
        for keys in (ids([300]), ids([300, 300])):
            with pytest.raises(InputError, match="one id a row"):
                found.migrate(keys, world.new[[300, 301]])
        with pytest.raises(PairingError, match="text ids and integer ids"):
            found.migrate([300], world.new[[300]])
        with pytest.raises(InputError, match="NaN"):
            found.migrate(ids([300]), world.new[[300]] * np.nan)
        with pytest.raises(InputError, match="metric 'l2'"):
            mixed(world, np.arange(300), metric="l2")
        with pytest.raises(InputError, match="no rows"):
            MixedSearch(None, None, world.to_old)
        assert len(found) == N
        assert found.migrated == pytest.approx(1 / 3)


def test_a_part_is_a_dictionary_of_rows():
    """Against a plain dict, over random additions and removals."""
    rng, part, known = np.random.default_rng(0), Part(), {}
    for step in range(60):
        if known and rng.random() < 0.4:
            gone = list(rng.choice(sorted(known), size=min(len(known), 3), replace=False))
            np.testing.assert_array_equal(part.remove(gone), [known.pop(key) for key in gone])
        else:
            keys = np.array([f"{step}-{'x' * int(rng.integers(6))}{i}" for i in range(3)])
            rows = rng.normal(size=(3, 4))
            part.add(keys, rows)
            known |= dict(zip(keys.tolist(), rows, strict=True))
        assert len(part) == len(known)
        assert set(part.ids.tolist()) == set(known)
        for key, row in zip(part.ids.tolist(), part.vectors, strict=True):
            np.testing.assert_array_equal(row, known[key])
    with pytest.raises(InputError, match="an id twice"):
        part.add(part.ids[:1], np.zeros((1, 4)))
    with pytest.raises(InputError, match="vectors of 5 dimensions"):
        part.add(np.array(["new"]), np.zeros((1, 5)))
