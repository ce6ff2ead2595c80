import numpy as np
import pytest
from scipy.spatial.distance import cdist

from isthmus.core.errors import InputError
from isthmus.measures import linear_probe, trace_probe
from isthmus.measures.trace_probe import _first, _scenes, _vote
from isthmus.testing.kinds import array_kinds


def rows(pull, n=240, seed=0):
    rng = np.random.default_rng(seed)
    trace, kind = rng.integers(3, size=n), rng.integers(4, size=n)
    x = 1.2 * np.eye(4)[kind] + 0.5 * rng.normal(size=(n, 4))
    return np.column_stack([x, pull * np.eye(3)[trace]]), trace, kind


def test_value_is_the_linear_probe_of_the_metadata():
    x, trace, _ = rows(1.0)
    score, probe = trace_probe(x, trace), linear_probe(x, trace)
    assert (score.value, score.chance, score.ci, score.p) == (
        probe.value, probe.chance, probe.ci, probe.p,
    )  # fmt: skip
    assert "toward" not in score.parts


def test_neighbours_alike_and_their_chance():
    x, trace, _ = rows(1.0)
    far = cdist(x, x)
    np.fill_diagonal(far, np.inf)
    near = np.argsort(far, axis=1)[:, :10]
    score = trace_probe(x, trace)
    assert score.parts["neighbours_alike"] == pytest.approx((trace[near] == trace[:, None]).mean())
    rng = np.random.default_rng(1)
    drawn = [trace_probe(x, rng.permutation(trace)).parts["neighbours_alike"] for _ in range(20)]
    error = np.std(drawn) / np.sqrt(20)
    assert score.parts["alike_by_chance"] == pytest.approx(np.mean(drawn), abs=4 * error)


def test_a_trace_that_is_there_pulls_and_one_that_is_not_does_not():
    strong = trace_probe(*rows(3.0))
    assert strong.value == 1
    assert strong.parts["toward"] > strong.parts["neutral"] + 0.1
    assert strong.parts["away"] < strong.parts["neutral"] - 0.1
    assert "runs against" in strong.warnings[-1]
    none = [trace_probe(*rows(0.0, seed=seed)) for seed in range(6)]
    gaps = [score.parts["toward"] - score.parts["away"] for score in none]
    assert abs(np.mean(gaps)) < 0.03
    assert np.mean([score.p for score in none]) > 0.2


def test_each_search_holds_equally_many_of_the_class_and_of_others():
    """Else the class itself would be rarer on one side, and that would look like a pull."""
    _, trace, kind = rows(0.0, n=60)
    counts = {"toward": [], "away": []}
    for i in range(60):
        own = np.arange(60) != i
        mine, same = (kind == kind[i]) & own, trace == trace[i]
        p = min((mine & same).sum(), (mine & ~same).sum())
        held = _first((mine & same)[None], np.array([p]))[0]
        other = _first((mine & ~same)[None], np.array([p]))[0]
        counts["toward"].append(held.sum())
        counts["away"].append(other.sum())
        assert not (held & ~mine).any()
    assert counts["toward"] == counts["away"]


def test_searches_equal_a_loop():
    x, trace, kind = rows(1.0, n=50)
    found = _scenes(x, trace, kind, 3, np.random.default_rng(5))
    order = np.random.default_rng(5).permutation(50)
    for i in range(50):
        rest = [j for j in order if j != i]

        def drawn(alike, same, count, rest=rest, i=i):
            fits = [
                j for j in rest
                if (kind[j] == kind[i]) == alike and same in (None, trace[j] == trace[i])
            ]  # fmt: skip
            return fits[:count] if count is not None else fits

        p = min(len(drawn(True, True, None)), len(drawn(True, False, None)))
        q = min(len(drawn(False, True, None)), len(drawn(False, False, None)))
        if not p or not q:
            assert found[0, i] == -1
            continue
        for scene, (mine, other) in enumerate([(True, False), (None, None), (False, True)]):
            base = sorted(
                drawn(True, mine, p) + drawn(False, other, q),
                key=lambda j: np.linalg.norm(x[j] - x[i]),
            )[:3]
            votes = np.bincount(kind[base], minlength=4)
            best = next(kind[j] for j in base if votes[kind[j]] == votes.max())
            assert found[scene, i] == (best == kind[i])


def test_vote_ignores_what_is_out_of_reach():
    far = np.array([[1.0, np.inf, np.inf, 2.0]])
    assert _vote(far, np.array([2, 0, 0, 1]), 4).tolist() == [2]


def test_any_kind_of_array():
    x, trace, kind = rows(1.0)
    score = trace_probe(x, trace, kind)
    for convert in array_kinds().values():
        same = trace_probe(convert(x), convert(trace), convert(kind))
        assert same.value == score.value
        assert same.parts["away"] == score.parts["away"]


def test_bad_input():
    x, trace, kind = rows(1.0, n=40)
    with pytest.raises(InputError, match=r"trace_probe.*\(39,\) for 40 rows"):
        trace_probe(x, trace[:-1])
    with pytest.raises(InputError, match="trace_probe.*one class"):
        trace_probe(x, 0 * trace)
    with pytest.raises(InputError, match="trace_probe.*k=40"):
        trace_probe(x, trace, k=40)
    with pytest.raises(InputError, match="trace_probe.*vary within classes"):
        trace_probe(x, kind, kind)
    with pytest.raises(InputError, match="trace_probe.*NaN"):
        trace_probe(x * np.nan, trace)
