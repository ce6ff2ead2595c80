import json
import os
from pathlib import Path

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import InputError, IsthmusError, PairingError, SpaceMismatch
from isthmus.retrieval.qrels import write_qrels

N, OLD, NEW = 600, 10, 14
NAMES = np.array([f"d{i}" for i in range(N)])


class World:
    """Documents with one meaning, seen by a poor old and a good new encoder."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.meaning = rng.normal(size=(N, 8)) * np.linspace(2, 0.5, 8)
        self.asked = self.meaning[:200] + rng.normal(size=(200, 8)) * 0.15
        self.to_old, self.to_new = rng.normal(size=(8, OLD)), rng.normal(size=(8, NEW))
        self.old = self.meaning @ self.to_old + rng.normal(size=(N, OLD)) * 0.8
        self.new = self.meaning @ self.to_new + rng.normal(size=(N, NEW)) * 0.1
        self.old_asked = self.asked @ self.to_old + rng.normal(size=(200, OLD)) * 0.8
        self.new_asked = self.asked @ self.to_new + rng.normal(size=(200, NEW)) * 0.1
        self.source = isthmus.open(self.old, ids=NAMES)
        self.target = isthmus.open(self.new, ids=NAMES)
        self.bridge = isthmus.fit(self.source, self.target, method="affine")
        self.queries = isthmus.open(self.new_asked, ids=NAMES[:200])
        self.source_queries = isthmus.open(self.old_asked, ids=NAMES[:200])


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def known(world):
    return isthmus.evaluate(
        world.source,
        world.target,
        world.bridge,
        queries=world.queries,
        source_queries=world.source_queries,
    )


def cosines(queries, documents):
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (queries, documents)]
    return unit[0] @ unit[1].T


def held_out(world):
    return set(isthmus.pair(world.source, world.target).split(0.2, seed=0)[1].ids.tolist())


def test_known_items_agree_with_a_naive_count(world, known):
    rows = [i for i in range(200) if NAMES[i] in held_out(world)]
    assert known.relevance == "known item"
    assert (known.n_queries, known.n_documents) == (len(rows), N)
    moved = world.bridge.transform(world.old)
    back = world.bridge.inverse_transform(world.new_asked[rows])
    sides = {
        "status quo": (world.old_asked[rows], world.old),
        "affine, corpus side": (world.new_asked[rows], moved),
        "affine, query side": (back, world.old),
        "full re-embedding": (world.new_asked[rows], world.new),
    }
    hits = {}
    for name, (queries, documents) in sides.items():
        order = np.argsort(-cosines(queries, documents), axis=1)
        rank = np.array([list(o).index(r) + 1 for o, r in zip(order, rows, strict=True)])
        hits[name] = rank <= 10
        found = known.row(name)
        assert found.recall.value == pytest.approx(hits[name].mean())
        assert found.mrr.value == pytest.approx(np.where(rank <= 10, 1 / rank, 0).mean())
        gain = np.where(rank <= 10, 1 / np.log2(rank + 1), 0).mean()
        assert found.ndcg.value == pytest.approx(gain)
    lost = (hits["status quo"] & ~hits["affine, query side"]).mean()
    assert known.row("affine, query side").negative_flips == pytest.approx(lost)
    assert known.row("status quo").negative_flips == 0.0
    change = known.row("full re-embedding").differences["recall"]
    expected = hits["full re-embedding"].mean() - hits["status quo"].mean()
    assert change.mean == pytest.approx(expected)
    assert known.row("full re-embedding").overlap.value == 1.0
    assert known.row("full re-embedding").churn == 0.0


def test_the_bridge_is_judged_on_pairs_it_never_saw(world, known):
    (fit,) = known.fits
    test = isthmus.pair(world.source, world.target).split(0.2, seed=0)[1]
    moved = world.bridge.transform(test.x)
    assert fit.n == len(test)
    assert fit.direction == "old to new"
    assert fit.cosine.value == pytest.approx(np.diag(cosines(moved, test.y)).mean())
    order = cosines(moved, test.y)
    rank = (order > np.diag(order)[:, None]).sum(axis=1) + 1
    assert fit.top1.value == pytest.approx((rank == 1).mean())
    assert fit.top1.chance == 1 / len(test)
    assert fit.rank.value == pytest.approx(rank.mean())
    assert fit.median_rank == np.median(rank)


def test_impossible_strategies_are_shown_with_their_reason(world, known):
    assert known.row("naive swap").impossible == "14 against 10 dimensions"
    assert known.row("naive swap").ndcg is None
    without = isthmus.evaluate(world.source, world.target, world.bridge, queries=world.queries)
    assert without.row("status quo").impossible == "needs old query vectors"
    assert without.reference == "full re-embedding"
    assert without.row("affine, corpus side").negative_flips is None
    assert without.row("affine, corpus side").differences["ndcg"].mean <= 0


def test_provisional_truth_is_the_new_encoders_neighbours_without_oneself(world):
    found = isthmus.evaluate(world.source, world.target, [world.bridge], k=5)
    assert found.relevance == "provisional"
    rows = [i for i in range(N) if NAMES[i] in held_out(world)]
    assert found.n_queries == len(rows)
    truth, seen = cosines(world.new[rows], world.new), cosines(world.old[rows], world.old)
    for scores in (truth, seen):
        scores[np.arange(len(rows)), rows] = -np.inf
    best, got = (np.argsort(-scores, axis=1)[:, :5] for scores in (truth, seen))
    overlap = np.mean([len(set(a) & set(b)) / 5 for a, b in zip(best, got, strict=True)])
    assert found.row("status quo").recall.value == pytest.approx(overlap)
    assert found.row("full re-embedding").ndcg.value == pytest.approx(1.0)
    assert found.reason.startswith("Provisional")
    assert "bring queries" in " ".join(found.warnings)
    assert "PROVISIONAL" in str(found)


def test_human_judgements_from_a_file_and_from_a_mapping_agree(world, tmp_path):
    names = [f"q{i}" for i in range(200)]
    near = np.argsort(((world.asked[:, None] - world.meaning[None]) ** 2).sum(-1), axis=1)[:, :3]
    qrels = {
        q: {str(NAMES[d]): 3 - r for r, d in enumerate(row)}
        for q, row in zip(names, near.tolist(), strict=True)
    }
    qrels["q0"]["gone"] = 2
    qrels["q1"] = {"gone": 1}
    write_qrels(tmp_path / "q.txt", qrels)
    asked = {
        "queries": isthmus.open(world.new_asked, ids=names),
        "source_queries": isthmus.open(world.old_asked, ids=names),
    }
    found = isthmus.evaluate(world.source, world.target, world.bridge, qrels=qrels, **asked)
    again = isthmus.evaluate(
        world.source, world.target, world.bridge, qrels=tmp_path / "q.txt", **asked
    )
    assert found.as_dict() == again.as_dict()
    assert found.relevance == "human"
    assert found.n_queries == 199
    assert any("2 relevant documents lack one of the vectors" in w for w in found.warnings)
    assert any("1 of 200 queries have no relevant document" in w for w in found.warnings)
    assert found.recommended in {row.strategy for row in found.rows}
    assert found.row("status quo").ndcg.value < found.row("full re-embedding").ndcg.value


def test_integer_document_ids_meet_text_in_qrels(world):
    source, target = isthmus.open(world.old), isthmus.open(world.new)
    queries = isthmus.open(world.new_asked, ids=np.arange(200))
    found = isthmus.evaluate(
        source,
        target,
        world.bridge,
        queries=queries,
        qrels={str(i): {str(i): 1} for i in range(50)},
    )
    assert found.n_queries == 50


def test_equal_dims_show_how_bad_the_naive_swap_is(world):
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(NEW, NEW)))[0]
    old = isthmus.open(world.new @ turn, ids=NAMES)
    bridge = isthmus.fit(old, world.target, method="orthogonal")
    back = isthmus.fit(world.target, old, method="orthogonal")
    found = isthmus.evaluate(old, world.target, {"there": bridge, "back": back})
    assert found.row("naive swap").recall.value < 0.3
    assert found.row("there, corpus side").recall.value == pytest.approx(1.0)
    assert found.row("back, query side").recall.value == pytest.approx(1.0)
    assert [fit.direction for fit in found.fits] == ["old to new", "new to old"]
    # Nothing is gained over an old space that is the new one turned.
    assert found.recommended == "status quo"


class Unruled:
    """A bridge as it is, without the rule that says what it was fitted on."""

    def __init__(self, bridge, holdout=None):
        self._bridge, self.holdout = bridge, holdout

    def __getattr__(self, name):
        return getattr(self._bridge, name)


def test_a_bridge_without_holdout_rule_is_warned_about(world, known):
    found = isthmus.evaluate(world.source, world.target, Unruled(world.bridge))
    assert "no holdout rule" in found.warnings[0]
    assert found.fits[0].fitted_cosine is None
    assert not any("holdout" in warning for warning in known.warnings)


def test_rows_held_out_from_every_bridge_are_used(world):
    both = [world.bridge, Unruled(world.bridge, {"test": 0.5, "seed": 1})]
    found = isthmus.evaluate(world.source, world.target, both)
    pairs = isthmus.pair(world.source, world.target)
    second = set(pairs.split(0.5, seed=1)[1].ids.tolist())
    assert found.n_queries == len(held_out(world) & second)


def test_overfitting_is_said(world):
    rng = np.random.default_rng(0)
    rows = 120
    x, y = rng.normal(size=(rows, 60)), rng.normal(size=(rows, 12))
    x[:, :12] += y
    names = NAMES[:rows]
    bridge = isthmus.fit(
        isthmus.open(x, ids=names), isthmus.open(y, ids=names), method="affine", alpha=1e-9
    )
    found = isthmus.evaluate(isthmus.open(x, ids=names), isthmus.open(y, ids=names), bridge)
    assert any("rows the bridges were fitted on" in w for w in found.warnings)
    few = isthmus.evaluate(
        isthmus.open(x[:100], ids=names[:100]), isthmus.open(y[:100], ids=names[:100]), bridge
    )
    assert few.n_queries < 30
    assert any("queries are few" in w for w in few.warnings)


def test_each_space_is_searched_by_its_own_metric(world):
    length = np.random.default_rng(4).uniform(0.2, 5, size=(N, 1))
    source = isthmus.open(world.old * length, ids=NAMES, metric="euclidean")
    target = isthmus.open(world.new * length, ids=NAMES, metric="inner")
    asked = {"queries": world.queries, "source_queries": world.source_queries}
    found = isthmus.evaluate(
        source, target, Unruled(world.bridge, {"test": 0.2, "seed": 0}), **asked
    )
    rows = [i for i in range(200) if NAMES[i] in held_out(world)]
    far = np.linalg.norm(world.old_asked[rows][:, None] - (world.old * length)[None], axis=2)
    near = world.new_asked[rows] @ (world.new * length).T
    for name, order in (("status quo", far), ("full re-embedding", -near)):
        first = np.argsort(order, axis=1)[:, :10]
        hits = np.mean([row in list(found) for row, found in zip(rows, first, strict=True)])
        assert found.row(name).recall.value == pytest.approx(hits)
        assert hits < 0.9


def test_a_sample_of_the_new_vectors_makes_the_pool(world):
    part = isthmus.open(world.new[50:450], ids=NAMES[50:450])
    found = isthmus.evaluate(world.source, part, world.bridge, queries=world.queries)
    assert found.n_documents == 400
    assert any("50 queries name no document" in w for w in found.warnings)


def test_the_same_seed_gives_the_same_evaluation_and_json_holds_it(world, known):
    again = isthmus.evaluate(
        world.source,
        world.target,
        world.bridge,
        queries=world.queries,
        source_queries=world.source_queries,
    )
    assert again == known
    data = json.loads(json.dumps(known.as_dict(), allow_nan=False))
    assert data["kind"] == "evaluation"
    assert data["rows"][0]["strategy"] == "status quo"
    assert data["rows"][0]["ndcg"]["value"] == known.rows[0].ndcg.value


def test_the_printed_table_fits_80_columns_and_names_every_strategy(known, world):
    long = isthmus.evaluate(
        world.source, world.target, {"a bridge with a very long name indeed": world.bridge}, k=100
    )
    for found in (known, long):
        lines = str(found).splitlines()
        assert max(map(len, lines)) <= 80
        assert sum(line.startswith("*") for line in lines) == 1
        for row in found.rows:
            tail = row.strategy.rpartition(", ")[2].removesuffix(" side")
            assert any(tail in line for line in lines)
        assert "Recommended" in str(found)
    with pytest.raises(InputError, match="status quo"):
        known.row("nothing")


def bad(world, name):
    spoiled = world.old.copy()
    spoiled[7, 2] = np.nan
    asked = world.new_asked.copy()
    asked[3] = np.inf
    names = [f"q{i}" for i in range(200)]
    queries = isthmus.open(world.new_asked, ids=names)
    source, target, bridge = world.source, world.target, world.bridge
    given = {
        "k of zero": ({"k": 0}, InputError, "k=0"),
        "k of a half": ({"k": 0.5}, InputError, "k=0.5"),
        "k of everything": ({"k": N}, InputError, "600 documents"),
        "NaN document": ({"source": isthmus.open(spoiled, ids=NAMES)}, InputError, "'d7'"),
        "infinite query": (
            {"queries": isthmus.open(asked, ids=NAMES[:200])},
            InputError,
            "'d3'",
        ),
        "wrong dim": (
            {"queries": isthmus.open(world.old_asked, ids=NAMES[:200])},
            InputError,
            "queries of 10 dimensions; expected 14",
        ),
        "wrong old dim": (
            {"queries": world.queries, "source_queries": world.queries},
            InputError,
            "source_queries of 14 dimensions; expected 10",
        ),
        "no common document": (
            {"target": isthmus.open(world.new, ids=names + [f"x{i}" for i in range(400)])},
            PairingError,
            "no common id",
        ),
        "queries of unknown items": ({"queries": queries}, PairingError, "'q0'.*'d0'"),
        "judgements of unknown queries": (
            {"queries": queries, "qrels": {"z1": {"d1": 1}}},
            PairingError,
            "'z1'.*'q0'",
        ),
        "judgements of unknown documents": (
            {"queries": queries, "qrels": {"q1": {"zz": 1}}},
            PairingError,
            "'zz'.*'d0'",
        ),
        "qrels alone": ({"qrels": {"q1": {"d1": 1}}}, InputError, "qrels without queries"),
        "old queries alone": ({"source_queries": queries}, InputError, "without queries"),
        "no bridge": ({"bridges": []}, InputError, "no bridge"),
        "foreign bridge": (
            {"source": isthmus.open(world.old[:, :9], ids=NAMES)},
            SpaceMismatch,
            "9 dimensions where the bridge has 10",
        ),
        "unknown metric": (
            {"target": isthmus.open(world.new, ids=NAMES, metric="manhattan")},
            InputError,
            "manhattan",
        ),
    }
    changed, error, told = given[name]
    return {"source": source, "target": target, "bridges": bridge} | changed, error, told


@pytest.mark.parametrize(
    "name",
    [
        "k of zero",
        "k of a half",
        "k of everything",
        "NaN document",
        "infinite query",
        "wrong dim",
        "wrong old dim",
        "no common document",
        "queries of unknown items",
        "judgements of unknown queries",
        "judgements of unknown documents",
        "qrels alone",
        "old queries alone",
        "no bridge",
        "foreign bridge",
        "unknown metric",
    ],
)
def test_bad_input_is_typed_and_says_what_it_saw(world, name):
    given, error, told = bad(world, name)
    with pytest.raises(error, match=told) as caught:
        isthmus.evaluate(**given)
    assert isinstance(caught.value, IsthmusError)


def test_queries_of_the_other_encoder_are_noticed_where_dims_do_not_tell():
    rng = np.random.default_rng(0)
    spread = np.linspace(3, 0.1, 16)
    meaning = rng.normal(size=(1500, 16)) * spread + 1
    turn = np.linalg.qr(rng.normal(size=(16, 16)))[0]
    names = [f"d{i}" for i in range(1500)]
    old, new = isthmus.open(meaning, ids=names), isthmus.open(meaning @ turn, ids=names)
    bridge = isthmus.fit(old, new, method="orthogonal")
    with pytest.raises(SpaceMismatch, match="queries that look like the other encoder"):
        isthmus.evaluate(old, new, bridge, queries=old)
    assert isthmus.evaluate(old, new, bridge, queries=new).row("full re-embedding").mrr.value == 1.0
    odd = isthmus.open(rng.normal(size=(1500, 16)), ids=names)
    found = isthmus.evaluate(old, new, bridge, queries=odd)
    assert any("do not look like documents under the new" in w for w in found.warnings)


def test_real_text_lsa_to_minilm():
    if "ISTHMUS_DATA" not in os.environ:
        pytest.skip("needs the debian vectors: set ISTHMUS_DATA")
    folder = Path(os.environ["ISTHMUS_DATA"]) / "debian"
    whole = isthmus.open(folder / "en-minilm384.npz")
    rows = np.arange(0, len(whole), 20)
    old = isthmus.open(folder / "en-lsa256.npz")
    new = isthmus.open(whole.take(rows), ids=whole.take_ids(rows))
    bridge = isthmus.fit(old, new, method="orthogonal")
    found = isthmus.evaluate(old, new, bridge)
    assert found.n_documents == len(rows)
    assert found.row("orthogonal, corpus side").recall.value > 0.2
    assert found.row("orthogonal, corpus side").differences["ndcg"].ci[0] > 0
    assert found.fits[0].top1.value > 100 * found.fits[0].top1.chance
