import json

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import InputError, PairingError, SpaceMismatch
from isthmus.retrieval.qrels import write_qrels
from isthmus.upgrade.crossfit import folds

N, OLD, NEW = 400, 10, 14
NAMES = np.array([f"d{i}" for i in range(N)])


class World:
    """Documents with one meaning, seen by a poor old and a good new encoder."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.meaning = rng.normal(size=(N, 8)) * np.linspace(2, 0.5, 8)
        self.asked = self.meaning[:150] + rng.normal(size=(150, 8)) * 0.15
        to_old, to_new = rng.normal(size=(8, OLD)), rng.normal(size=(8, NEW))
        self.old = self.meaning @ to_old + rng.normal(size=(N, OLD)) * 0.8
        self.new = self.meaning @ to_new + rng.normal(size=(N, NEW)) * 0.1
        self.old_asked = self.asked @ to_old + rng.normal(size=(150, OLD)) * 0.8
        self.new_asked = self.asked @ to_new + rng.normal(size=(150, NEW)) * 0.1
        self.source = isthmus.open(self.old, ids=NAMES)
        self.target = isthmus.open(self.new, ids=NAMES)
        self.queries = isthmus.open(self.new_asked, ids=NAMES[:150])
        self.old_queries = isthmus.open(self.old_asked, ids=NAMES[:150])
        self.bridge = isthmus.fit(self.source, self.target, method="affine")

    def plan(self, **options):
        given = {"queries": self.queries, "old_queries": self.old_queries, "budget": 2} | options
        return isthmus.plan(self.source, self.target, **given)


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def known(world):
    return world.plan(
        traffic={name: i for i, name in enumerate(NAMES)}, candidates=(20,),
        chain=[isthmus.open(world.meaning, ids=NAMES)],
    )  # fmt: skip


def ranked(queries, documents):
    sides = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (queries, documents)]
    return np.argsort(-(sides[0] @ sides[1].T), axis=1)


def gains(order):
    place = np.array([list(row).index(i) for i, row in enumerate(order)])
    return np.where(place < 10, 1 / np.log2(place + 2), 0.0)


def test_the_ends_agree_with_a_naive_count(world, known):
    assert (known.relevance, known.n_queries, known.n_documents) == ("known item", 150, N)
    quo, full = ranked(world.old_asked, world.old), ranked(world.new_asked, world.new)
    assert known.outcome("status quo").ndcg.value == pytest.approx(gains(quo).mean())
    found = known.outcome("full re-embedding")
    assert found.ndcg.value == pytest.approx(gains(full).mean())
    change = found.against_status_quo["ndcg"]
    assert change.mean == pytest.approx((gains(full) - gains(quo)).mean())
    assert change.ci[0] < change.mean < change.ci[1]
    common = [len(set(a[:10]) & set(b[:10])) / 10 for a, b in zip(quo, full, strict=True)]
    assert found.churn.value == pytest.approx(1 - np.mean(common))
    answered = [[i in row[:10] for i, row in enumerate(rows)] for rows in (quo, full)]
    lost = np.mean(np.array(answered[0]) & ~np.array(answered[1]))
    assert found.negative_flips == pytest.approx(lost)
    assert known.outcome("status quo").churn.value == 0.0


def test_a_weight_is_chosen_on_the_other_folds(world, known):
    """Both indexes fused, written out: all documents as reference, a parabola, five folds."""
    z = []
    for queries, documents in ((world.old_asked, world.old), (world.new_asked, world.new)):
        sides = [s / np.linalg.norm(s, axis=1, keepdims=True) for s in (queries, documents)]
        scores = sides[0] @ sides[1].T
        top = -np.sort(-scores, axis=1)[:, : N // 20 + 1]
        z.append((scores - top[:, -1:]) / (top[:, :-1] - top[:, -1:]).mean(axis=1, keepdims=True))
    union = np.zeros((150, N), bool)
    for one in z:
        np.put_along_axis(union, np.argsort(-one, axis=1)[:, :100], True, axis=1)
    grid = []
    weights = np.arange(11) / 10
    for weight in weights:
        mixed = np.where(union, (1 - weight) * z[0] + weight * z[1], -np.inf)
        grid.append(gains(np.argsort(-mixed, axis=1)))
    grid, fold = np.stack(grid, axis=1), folds(150, rng=0)
    curves = [np.polyfit(weights, grid[fold != f].mean(axis=0), 2) for f in fold]
    chosen = [np.polyval(curve, weights).argmax() for curve in curves]
    expected = grid[np.arange(150), chosen].mean()
    assert known.outcome("old and new, fused").ndcg.value == pytest.approx(expected)
    assert expected <= grid.mean(axis=0).max()


def test_costs_are_those_of_the_whole_collection(world):
    some = world.target.take(np.arange(200))
    found = isthmus.plan(
        world.source, isthmus.open(some, ids=NAMES[:200]), bridges=world.bridge, candidates=(20,),
        queries=world.queries, old_queries=world.old_queries,
    )  # fmt: skip
    assert (found.n_documents, found.collection) == (200, N)
    full = found.outcome("full re-embedding").cost
    assert (full.embed, full.bytes, full.rebuild) == (N, N * NEW * 4, True)
    assert found.outcome("re-embed 25%").cost.embed == 100
    assert found.outcome("re-embedded, binary").cost.bytes == N * NEW // 8
    quo = found.outcome("status quo").cost
    assert (quo.embed, quo.bytes, quo.needs) == (0, 0, ("old encoder",))
    rerank = found.outcome("old, rerank 20").cost
    held = isthmus.pair(world.source, isthmus.open(some, ids=NAMES[:200]))
    asked = held.split(**world.bridge.holdout)[1].rows_source
    asked = asked[asked < 150]
    expected, sampled = (
        len(np.unique(ranked(world.old_asked[asked], old)[:, :20])) / len(asked)
        for old in (world.old, world.old[:200])
    )
    assert rerank.embed_per_query == expected > sampled
    assert not rerank.partly
    assert "texts" in rerank.needs
    assert "200 of 400 documents" in str(found)


def test_the_table_is_whole_and_fits_a_terminal(known):
    kinds = {o.kind for o in known.outcomes}
    assert kinds == {
        "status quo", "naive swap", "query side", "interpolated", "fused", "corpus side", "chain",
        "reranked", "partial", "full re-embedding", "reduced", "both",
    }  # fmt: skip
    assert known.outcome("naive swap").impossible == "14 against 10 dimensions"
    assert known.recommended in {o.name for o in known.outcomes if o.ndcg}
    text = str(known)
    assert max(map(len, text.splitlines())) <= 80
    assert f"*{known.recommended}" in text
    assert [curve.order for curve in known.curves][:2] == ["traffic", "confidence"]
    for curve in known.curves:
        assert curve.ndcg[-1] == known.outcome("full re-embedding").ndcg.value
    with pytest.raises(InputError, match="one of: status quo"):
        known.outcome("magic")


def test_it_is_plain_data_and_repeatable(world, known):
    data = known.as_dict()
    assert json.loads(json.dumps(data, allow_nan=False))["recommended"] == known.recommended
    again = world.plan(bridges=world.bridge, candidates=(20,))
    other = world.plan(bridges=world.bridge, candidates=(20,))

    def timeless(plan):
        rows = plan.as_dict()
        for row in rows["strategies"]:
            del row["cost"]["seconds"]
        return rows

    assert timeless(again) == timeless(other)
    # How many pairs are enough is told of given bridges too.
    assert again.pairs.bridge == "affine"
    assert "Pairs for the affine bridge" in str(again)


def test_a_chain_is_told_against_the_direct_bridge(world, known):
    chain, direct = (
        next(o for o in known.outcomes if o.kind == kind) for kind in ("chain", "corpus side")
    )
    (told,) = [line for line in known.changes if line.startswith("The chain of 2")]
    gap = chain.ndcg.value - direct.ndcg.value
    assert told.startswith(f"The {chain.bridge} against {direct.name}: nDCG@10 {gap:+.3f} [")


def test_a_much_better_encoder_is_recommended_and_a_worse_one_is_not(world, known):
    backwards = isthmus.plan(
        world.target, world.source, queries=world.old_queries, old_queries=world.queries,
        bridges=world.bridge, candidates=(20,),
    )  # fmt: skip
    quo = backwards.outcome("status quo").ndcg.value
    assert backwards.outcome(backwards.recommended).ndcg.value >= 0.99 * quo
    assert backwards.recommended != "full re-embedding"
    best = known.outcome(known.recommended)
    assert best.ndcg.value >= 0.99 * known.outcome("full re-embedding").ndcg.value
    assert best.against_status_quo["ndcg"].ci[0] > 0
    assert known.enough


def test_without_queries_nothing_made_of_new_vectors_is_recommended(world):
    found = isthmus.plan(world.source, world.target, bridges=world.bridge, candidates=(20,))
    assert found.relevance == "provisional"
    assert not found.enough
    assert "Bring queries" in found.lacking
    assert found.outcome("full re-embedding").ndcg.value == 1.0
    kind = found.outcome(found.recommended).kind
    assert kind in {"status quo", "query side", "interpolated", "fused", "corpus side", "reranked"}
    assert "Not enough data" in str(found)


def test_few_queries_are_not_enough(world):
    judged = {name: {name: 1} for name in NAMES[:12].tolist()}
    found = world.plan(qrels=judged, bridges=world.bridge, candidates=(20,))
    assert not found.enough
    assert "12 queries are too few" in found.lacking


def test_without_old_queries_the_status_quo_is_unknown(world):
    found = world.plan(old_queries=None, bridges=world.bridge, candidates=(20,))
    assert found.outcome("status quo").impossible == "needs old query vectors"
    assert found.outcome("full re-embedding").against_status_quo is None
    assert "old encoder" not in found.outcome(found.recommended).cost.needs
    assert "Not possible" in str(found)


def test_human_judgements_from_a_file(world, tmp_path):
    judged = {str(name): {str(name): 2, "d399": 0} for name in NAMES[:60]}
    write_qrels(tmp_path / "qrels.txt", judged)
    found = world.plan(qrels=tmp_path / "qrels.txt", bridges=world.bridge, candidates=(20,))
    assert (found.relevance, found.n_queries) == ("human", 60)


def identical(w):
    return isthmus.plan(w.source, isthmus.open(w.old.copy(), ids=NAMES))


def swapped(w):
    """Two encoders of one width, their queries given the wrong way round."""
    wide = np.pad(w.old, ((0, 0), (0, NEW - OLD)), constant_values=3.0)
    asked = np.pad(w.old_asked, ((0, 0), (0, NEW - OLD)), constant_values=3.0)
    old, new = isthmus.open(wide, ids=NAMES), isthmus.open(asked, ids=NAMES[:150])
    return isthmus.plan(old, w.target, queries=new, old_queries=w.queries)


def with_nan(w):
    broken = w.new.copy()
    broken[7, 2] = np.nan
    return isthmus.plan(w.source, isthmus.open(broken, ids=NAMES))


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda w: isthmus.plan(w.source, isthmus.open(w.new, ids=NAMES + "x")), PairingError,
         "no common id"),
        (lambda w: isthmus.plan(w.source, isthmus.open(w.new[:20], ids=NAMES[:20])), InputError,
         "20 documents with both vectors.*larger sample"),
        (identical, InputError, "the same vectors as old and as new"),
        (with_nan, InputError, "plan: got new with NaN or infinity in 1 of 400 rows .*'d7'"),
        (lambda w: w.plan(k=0), InputError, "k=0"),
        (lambda w: w.plan(k=N), InputError, f"k={N}"),
        (lambda w: w.plan(rng=np.random.default_rng(0)), InputError, "an integer seed"),
        (lambda w: w.plan(candidates=(0,)), InputError, "candidates"),
        (lambda w: w.plan(queries=w.old_queries), InputError, "queries of 10 dimensions"),
        (lambda w: w.plan(old_queries=w.queries), InputError, "old_queries of 14 dimensions"),
        (lambda w: w.plan(queries=None), InputError, "old_queries without queries"),
        (lambda w: w.plan(queries=isthmus.open(w.new_asked[:1], ids=NAMES[:1])), InputError,
         "1 queries with an answer.*at least 5"),
        (lambda w: w.plan(qrels={"a": {"b": 1}}), PairingError, "judgements for queries 'a'"),
        (lambda w: w.plan(qrels={"d1": {"b": 1}}), PairingError, "judgements of documents 'b'"),
        (lambda w: w.plan(traffic={"nobody": 3}), InputError, "traffic that name none"),
        (lambda w: w.plan(labels={"nobody": 3}), InputError, "labels that name none"),
        (swapped, SpaceMismatch, "queries that look like the other encoder's"),
        (lambda w: w.plan(bridges=[]), InputError, "plan: got no bridge"),
        (lambda w: w.plan(bridges=isthmus.fit(w.meaning, w.new, method="affine")), SpaceMismatch,
         "plan: got bridge 'affine' from 8"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned(world, call, error, told):
    with pytest.raises(error, match=f"(?s){told}") as caught:
        call(world)
    assert caught.value.cure or caught.value.expected
