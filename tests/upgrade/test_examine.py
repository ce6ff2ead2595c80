"""Examining: what cannot come out right is refused, and the rest estimated by closed forms."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import InputError, SpaceMismatch
from isthmus.spaces.stores import STORES
from isthmus.spaces.stores.store import Facts, Rows
from isthmus.testing.file_store import TRAITS
from isthmus.upgrade.examine import Estimate, check_source, examine, norm_free, target_ids

RNG = np.random.default_rng(1)
X = (RNG.normal(size=(400, 6)) * np.linspace(3, 0.5, 6) + 0.5).astype(np.float32)
TURN = np.linalg.qr(RNG.normal(size=(6, 6)))[0].astype(np.float32)


def source(x=X, **facts):
    """What is carried from, as a store would answer."""
    told = Facts(rows=len(x), dim=x.shape[1], metric="euclidean", id_kind="int")
    return SimpleNamespace(
        facts=lambda: replace(told, **facts),
        ids=lambda: np.arange(len(x)),
        fetch=lambda ids: Rows(ids, x[ids]),
        scan=lambda rows, payload=False: iter([Rows(np.arange(len(x))[:rows], x[:rows])]),
    )


def fitted(x=X, *, metric=None, new_metric=None):
    """A bridge with an intercept, so that its result depends on lengths."""
    y = x @ TURN[:, :4] + 2
    return isthmus.fit(
        isthmus.open(x, metric=metric), isthmus.open(y, metric=new_metric or metric),
        method="affine",
    )  # fmt: skip


def look(given, bridge, target=TRAITS, **options):
    told = {"where": "docs", "batch": 100, "copy": False, "payload": True}
    return examine(given, bridge, target=target, **{**told, **options})


def test_the_estimate_is_of_what_is_there():
    found = look(source(), fitted())
    assert (found.rows, found.dim, found.new_dim, found.bytes) == (400, 6, 4, 400 * 4 * 4)
    assert (found.metric, found.unit, found.warnings) == ("euclidean", False, ())
    assert found.seconds > 0
    assert "400 vectors, 6 -> 4 dimensions" in str(found)
    assert found.as_dict()["kind"] == "upgrade estimate"
    large = Estimate(rows=1, dim=1, new_dim=1, bytes=2 * 10**9, seconds=1, metric=None)
    assert "2.00 GB of vectors to write\n" in str(large)


def test_the_metric_is_the_new_encoders_where_the_store_has_it():
    dotted = fitted(new_metric="dot")
    found = look(source(), dotted)
    assert found.metric == "inner"
    assert "searched by inner, the old ones by euclidean" in " ".join(found.warnings)
    only = replace(TRAITS, metrics=("euclidean",), normalises=())
    with pytest.raises(InputError, match="'inner'.*searches by: euclidean.*--to"):
        look(source(), dotted, only)
    angular = fitted(metric="cosine")
    faiss = look(source(metric="inner"), angular, STORES["faiss"])
    assert (faiss.metric, faiss.unit) == ("inner", True)
    assert "scaled to unit length" in faiss.warnings[0]
    with pytest.raises(InputError, match="'cosine'"):  # no inner product to stand in for it
        look(source(), angular, only)


@pytest.mark.parametrize(("kind", "store", "told"), [
    ("uuid", "qdrant", "uuid"), ("uuid", "chroma", "string"), ("int", "chroma", "int"),
])  # fmt: skip
def test_ids_of_another_store(kind, store, told):
    assert target_ids(kind, STORES[store]) == told


def test_ids_that_another_store_has_not_are_refused_there_alone():
    with pytest.raises(InputError, match="int ids; expected ids that Chroma takes: string"):
        look(source(), fitted(), STORES["chroma"], copy=True)
    assert look(source(), fitted(), STORES["chroma"])


def test_vectors_of_elsewhere_are_told_by_width_then_by_themselves():
    bridge, read = fitted(), []
    narrow = source(X[:, :4])
    narrow.fetch = narrow.scan = read.append
    with pytest.raises(SpaceMismatch, match="dim 4; expected dim 6.*used backwards"):
        look(narrow, bridge)
    assert not read
    with pytest.raises(SpaceMismatch):
        check_source(source(X[:, ::-1] - 40), bridge, where="docs")
    with pytest.raises(InputError, match="without vectors"):
        check_source(source(X[:0]), bridge, where="docs")
    holes = X.copy()
    holes[::3] = np.nan
    assert check_source(source(holes), bridge, where="docs") == len(X)
    assert look(source(holes), bridge).rows == len(X)


def test_a_map_is_free_of_norms_when_it_has_no_intercept():
    bridge = fitted()
    assert not norm_free(bridge, X)
    turn = isthmus.fit(X, X @ TURN, method="orthogonal")
    turn.map.intercept_ = np.zeros_like(turn.map.intercept_)
    turn.map.origin_ = np.zeros_like(turn.map.origin_)
    assert norm_free(turn, X)


def test_a_store_that_lost_the_norms():
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    with pytest.raises(SpaceMismatch, match="depends on their length"):
        look(source(unit, normalised=True), fitted())
    assert look(source(unit, normalised=True), fitted(unit)).rows == len(X)


def test_what_is_lost_on_the_way_is_said():
    angular = fitted(metric="cosine")
    said = look(source(missing=3), angular, STORES["qdrant"]).warnings
    for words in ("new norms are lost", "3 rows have no vector", "compared by cosine"):
        assert any(words in text for text in said), (words, said)
