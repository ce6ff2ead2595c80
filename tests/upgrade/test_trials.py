import numpy as np
import pytest

from isthmus.upgrade import fusion
from isthmus.upgrade.backfill import FRACTIONS
from isthmus.upgrade.crossing import Crossing
from isthmus.upgrade.strategies import Vectors
from isthmus.upgrade.trials import ARCS, Ground, Trials

RNG = np.random.default_rng(0)
N, Q, K = 120, 15, 5
VECTORS = Vectors(
    RNG.normal(size=(N, 6)), RNG.normal(size=(N, 8)), RNG.normal(size=(Q, 8)),
    RNG.normal(size=(Q, 6)),
)  # fmt: skip
MOVED, BACK = RNG.normal(size=(N, 8)), RNG.normal(size=(Q, 6))
CROSSING = Crossing(name="b", documents=MOVED, queries=BACK, to_old=lambda rows: rows[:, :6])


def trials(vectors=VECTORS, exclude=None, **more):
    return Trials(
        Ground(vectors=vectors, metrics=("cosine", "euclidean"), k=K, candidates=(20, 3, 500),
               exclude=exclude, **{"collection": 1000} | more)
    )  # fmt: skip


def nearest(queries, documents, metric):
    if metric == "cosine":
        queries, documents = (s / np.linalg.norm(s, axis=1, keepdims=True)
                              for s in (queries, documents))  # fmt: skip
    gaps = np.linalg.norm(queries[:, None] - documents[None], axis=2)
    return np.argsort(gaps, axis=1, kind="stable")[:, :K]


def test_each_strategy_searches_its_own_space_by_its_own_metric():
    found = {t.name: t for t in [*trials().today(), *trials().bridged(CROSSING)]}
    v = VECTORS
    expected = {
        "status quo": nearest(v.old_queries, v.old_documents, "cosine"),
        "b, query side": nearest(BACK, v.old_documents, "cosine"),
        "b, corpus side": nearest(v.new_queries, MOVED, "euclidean"),
    }
    for name, rows in expected.items():
        assert (found[name].found[0] == rows).all(), name
    assert found["naive swap"].impossible == "8 against 6 dimensions"
    middle = v.old_queries / np.linalg.norm(v.old_queries, axis=1, keepdims=True)
    middle = middle + BACK / np.linalg.norm(BACK, axis=1, keepdims=True)
    between = found["b, interpolated"]
    assert between.settings == ARCS
    half = between.found[ARCS.index(0.5)]
    assert (half == nearest(middle, v.old_documents, "cosine")).all()
    assert found["b, fused scores"].cost.searches == 2


def test_reranking_needs_more_candidates_than_places_and_no_more_than_found():
    ours = trials()
    assert [t.name for t in ours.reranked("old", ours.old)] == ["old, rerank 20"]


def test_candidates_to_embed_are_counted_among_documents_without_new_vectors_too():
    v, others = VECTORS, RNG.normal(size=(300, 6))
    sides = [s / np.linalg.norm(s, axis=1, keepdims=True)
             for s in (v.old_queries, np.concatenate([v.old_documents, others]))]  # fmt: skip
    first = np.argsort(-(sides[0] @ sides[1].T), axis=1)[:, :20]
    ours = trials(others=others, collection=420)
    (found,) = ours.reranked("old", ours.old)
    assert found.cost.embed_per_query == len(np.unique(first)) / Q
    assert not found.cost.partly
    alone = trials(collection=420)
    (sampled,) = alone.reranked("old", alone.old)
    assert sampled.cost.embed_per_query < found.cost.embed_per_query
    assert sampled.cost.partly
    for one, other in zip(found.found, sampled.found, strict=True):  # what is judged is the same
        np.testing.assert_array_equal(one, other)


def test_a_part_goes_from_translated_to_new():
    ours = trials()
    orders = {"random": RNG.permutation(N), "other": RNG.permutation(N)}
    seen = []
    parts, curves = ours.partial("b", MOVED, orders, lambda rows: float(seen.append(rows) or 0.5))
    assert [t.name for t in parts] == ["re-embed 25%", "re-embed 50%"]
    assert parts[1].cost.embed == 500
    assert parts[0].settings == ("random", "other")
    ends = nearest(VECTORS.new_queries, MOVED, "euclidean")
    assert (seen[0] == ends).all()
    full = nearest(VECTORS.new_queries, VECTORS.new_documents, "euclidean")
    assert (seen[len(FRACTIONS) - 1] == full).all()
    first, last = orders["other"][:60], orders["other"][60:]
    for side, documents in ((first, VECTORS.new_documents[first]), (last, MOVED[last])):
        own = side[nearest(VECTORS.new_queries, documents, "euclidean")]
        for rows, closest in zip(parts[1].found[1], own, strict=True):
            mine = rows[np.isin(rows, side)]
            assert (mine == closest[: len(mine)]).all()
    assert all(curve.area == pytest.approx(0.5) for curve in curves)


def test_renewed_forms_and_both():
    found = {t.name: t for t in trials().renewed()}
    assert (found["full re-embedding"].found[0]
            == nearest(VECTORS.new_queries, VECTORS.new_documents, "euclidean")).all()  # fmt: skip
    assert found["re-embedded, int8"].cost.bytes == 1000 * 8
    assert len(found["old and new, fused"].found) == len(found["old and new, fused"].settings)


def test_all_that_is_done_while_answering_is_timed(monkeypatch):
    """A map or an interpolation takes 1 s here, a search 10 s, scoring candidates 100 s."""
    done = []

    def each(call, rows):
        call(rows[:1])
        return 1.0

    def in_batch(call, rows):
        done.clear()
        call(rows[:3])
        return 100.0 if done else 10.0

    blended = fusion.blended

    def scored(one, two, rows, **options):
        done.append(len(rows))
        return blended(one, two, rows, **options)

    monkeypatch.setattr("isthmus.upgrade.trials.seconds_each", each)
    monkeypatch.setattr("isthmus.upgrade.trials.seconds_in_batch", in_batch)
    monkeypatch.setattr(fusion, "blended", scored)
    ours = trials()
    parts, _ = ours.partial("b", MOVED, {"random": RNG.permutation(N)}, lambda rows: 0.5)
    every = [*ours.today()[:1], *ours.bridged(CROSSING), *ours.reranked("old", ours.old), *parts,
             *ours.renewed()]  # fmt: skip
    seconds = {t.name: t.cost.seconds for t in every}
    assert {name: value for name, value in seconds.items() if value} == {
        "b, query side": 1, "b, interpolated": 2, "b, fused scores": 111, "b, rerank 20": 101,
        "old, rerank 20": 100, "re-embed 25%": 100, "re-embed 50%": 100, "old and new, fused": 110,
    }  # fmt: skip


def test_without_old_queries():
    alone = Vectors(VECTORS.old_documents, VECTORS.new_documents, VECTORS.new_queries, None)
    ours = trials(alone)
    found = {t.name: t for t in [*ours.today(), *ours.bridged(CROSSING), *ours.renewed()]}
    for name in ("status quo", "b, interpolated", "b, fused scores", "old and new, fused"):
        assert found[name].impossible == "needs old query vectors"
    assert found["b, rerank 20"].found
    assert not found["b, query side"].impossible


def test_no_query_finds_itself():
    itself = Vectors(VECTORS.old_documents, VECTORS.new_documents, VECTORS.new_documents[:Q],
                     VECTORS.old_documents[:Q])  # fmt: skip
    ours = trials(itself, exclude=np.arange(Q))
    everything = [*ours.today(), *ours.bridged(CROSSING), *ours.reranked("old", ours.old),
                  *ours.renewed()]  # fmt: skip
    for trial in everything:
        for rows in trial.found:
            assert not (rows == np.arange(Q)[:, None]).any(), trial.name
