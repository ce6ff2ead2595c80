"""Question: which truth is asked, what is refused before anything is measured, and swaps."""

from types import SimpleNamespace

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import InputError, SpaceMismatch
from isthmus.spaces.fingerprint import Match
from isthmus.spaces.space import Space
from isthmus.upgrade.question import check_rows, metric_of, opened, question, strange
from isthmus.upgrade.strategies import Vectors

N, D_OLD, D_NEW = 40, 4, 3


@pytest.fixture(scope="module")
def pairs():
    rng = np.random.default_rng(0)
    keys = [f"d{i}" for i in range(N)]
    sides = [isthmus.open(rng.normal(size=(N, d)), ids=keys, name=name, metric="inner")
             for d, name in ((D_OLD, "before"), (D_NEW, "after"))]  # fmt: skip
    return isthmus.pair(*sides)


def put(pairs, queries=None, old=None, qrels=None, mask=None):
    mask = np.ones(len(pairs), dtype=bool) if mask is None else mask
    return question(
        pairs, mask, queries, old, qrels, k=3, rng=0, operation="plan", old_name="queries_old"
    )


def some(d, keys=("d3", "d7")):
    return isthmus.open(np.arange(1.0, 1 + len(keys) * d).reshape(-1, d), ids=list(keys))


def test_a_space_stays_itself_and_an_array_becomes_one():
    space = isthmus.open(np.eye(2))
    assert opened(space) is space
    made = opened(np.eye(2))
    assert isinstance(made, Space)
    assert (made.vectors() == np.eye(2)).all()


@pytest.mark.parametrize(
    ("declared", "found"), [(None, "cosine"), ("inner", "inner"), ("euclidean", "euclidean")]
)
def test_the_metric_is_as_declared_or_cosine(declared, found):
    assert metric_of(SimpleNamespace(metric=declared, name="s"), operation="plan") == found


def test_an_unknown_metric_is_refused():
    with pytest.raises(InputError, match=r"plan: got 'docs' with metric 'hamming'; .*cosine"):
        metric_of(SimpleNamespace(metric="hamming", name="docs"), operation="plan")


def test_rows_that_are_not_finite_are_named_by_id_and_finite_ones_pass():
    ids, rows = np.array([f"q{i}" for i in range(9)]), np.ones((9, 2))
    rows[0] = 1e308  # whose sum overflows though every entry is finite
    check_rows("queries", rows, ids, operation="plan")
    rows[1:8, 1] = [np.nan, np.inf, -np.inf, 1, np.nan, np.nan, np.nan]
    with pytest.raises(InputError) as raised:
        check_rows("queries", rows, ids, operation="plan")
    assert "plan: got queries with NaN or infinity in 6 of 9 rows (first ids: 'q1', 'q2', 'q3', "
    assert "6 of 9 rows (first ids: 'q1', 'q2', 'q3', 'q5', 'q6')" in str(raised.value)
    assert "--drop-invalid" in raised.value.cure


def test_without_queries_held_out_documents_are_asked_by_the_new_spaces_own_metric(pairs):
    mask = np.arange(N) % 4 == 0
    truth = put(pairs, mask=mask)
    assert truth.kind == "provisional"
    assert truth.exclude.tolist() == np.flatnonzero(mask).tolist()
    near = pairs.y[mask] @ pairs.y.T  # inner, as declared: cosine finds others
    near[np.arange(mask.sum()), np.flatnonzero(mask)] = -np.inf
    expected = [set(row) for row in np.argsort(-near, axis=1)[:, :3].tolist()]
    assert [set(one) for one in truth.relevance] == expected


def test_queries_are_known_items_or_judged_and_their_old_rows_go_along(pairs):
    new, old = some(D_NEW), some(D_OLD, ("d7", "d3"))
    known = put(pairs, new, old)
    # Joined by id: whatever their order, row i of either side is the query that row i answers.
    assert (known.kind, known.relevance) == ("known item", [{7: 1.0}, {3: 1.0}])
    assert (known.vectors.new_queries == new.vectors()[::-1]).all()
    assert (known.vectors.old_queries == old.vectors()).all()
    judged = put(pairs, some(D_NEW, ("one", "two")), qrels={"two": {"d5": 2.0}})
    assert (judged.kind, judged.relevance) == ("human", [{5: 2.0}])
    assert (judged.vectors.new_queries == new.vectors()[1:]).all()
    assert judged.vectors.old_queries is None


@pytest.mark.parametrize(
    ("given", "got"),
    [
        ({"old": np.ones((2, D_OLD))}, "queries_old without queries"),
        ({"qrels": {"a": {"d1": 1}}}, "qrels without queries"),
        ({"old": np.ones((2, D_OLD)), "qrels": {}}, "qrels without queries"),
        ({"queries": np.ones((2, D_OLD))}, "queries of 4 dimensions; expected 3, those of 'after'"),
        ({"queries": some(D_NEW), "old": some(D_NEW)},
         "queries_old of 3 dimensions; expected 4, those of 'before'"),
        ({"queries": isthmus.open(np.full((2, D_NEW), np.nan), ids=["d3", "d7"])},
         "queries with NaN or infinity in 2 of 2 rows .first ids: 'd3', 'd7'"),
        ({"queries": some(D_NEW), "old": isthmus.open(np.full((2, D_OLD), np.inf))},
         "queries_old with NaN or infinity in 2 of 2"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_with_a_cure(pairs, given, got):
    with pytest.raises(InputError, match=f"plan: got {got}") as raised:
        put(pairs, **given)
    assert raised.value.cure


class Ground:
    """A fingerprint that knows its rows by their sign."""

    def __init__(self, sign, dim=2, decided=True):
        self.sign, self.dim, self.decided = sign, dim, decided

    def matches(self, rows):
        own = bool((np.sign(rows) == self.sign).all())
        return Match(ok=own, decided=self.decided, n=len(rows), reason="")


def told(old_rows, new_rows, old=None, new=None):
    vectors = Vectors(None, None, new_rows, old_rows)
    ends = old or Ground(-1), new or Ground(1)
    return strange(SimpleNamespace(vectors=vectors), ends, operation="plan", old_name="queries_old")


UP, DOWN, ODD = np.ones((2, 2)), -np.ones((2, 2)), np.array([[1.0, -1.0]])


def test_queries_of_their_own_encoder_raise_no_warning():
    assert told(DOWN, UP) == told(None, UP) == ()


def test_strange_queries_are_warned_about_each_by_name():
    assert [text.split(" do not")[0] for text in told(ODD, ODD)] == ["queries", "queries_old"]
    assert "the old encoder" in told(ODD, UP)[0]
    assert "the new encoder" in told(DOWN, ODD)[0]


@pytest.mark.parametrize(
    ("old_rows", "new_rows", "name", "age"),
    [(None, DOWN, "queries", "new"), (UP, UP, "queries_old", "old")],
)
def test_queries_of_the_other_encoder_are_an_error(old_rows, new_rows, name, age):
    with pytest.raises(SpaceMismatch, match=f"plan: got {name} that look like the other") as raised:
        told(old_rows, new_rows)
    assert raised.value.expected == f"queries under the {age} encoder"
    assert "queries_old under the old one" in raised.value.cure


def test_a_likeness_that_is_not_decided_or_of_another_width_is_only_a_warning():
    for old in (Ground(-1, decided=False), Ground(-1, dim=3)):
        assert len(told(None, DOWN, old=old)) == 1
