"""What every ranking metric is checked with: random cases and a comparison with a naive oracle."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from isthmus.core.errors import InputError

DOCUMENTS = list("abcdefgh")


def _agrees(per_query, naive, queries, k):
    """Whether ``per_query`` gives the oracle's number, NaN exactly where nothing is relevant."""
    values = per_query([found for found, _ in queries], [grades for _, grades in queries], k=k)
    for value, (found, grades) in zip(values, queries, strict=True):
        if not any(g > 0 for g in grades.values()):
            if not np.isnan(value):
                return False
        elif not math.isclose(value, naive(found, grades, k), rel_tol=1e-12):
            return False
    return True


def _cases(count=200):
    rng = np.random.default_rng(0)
    for _ in range(count):
        queries = []
        for _ in range(int(rng.integers(1, 5))):
            found = rng.permutation(DOCUMENTS)[: int(rng.integers(0, 9))].tolist()
            judged = rng.choice([*DOCUMENTS, "z"], int(rng.integers(0, 8)), replace=False).tolist()
            queries.append((found, {d: int(rng.integers(-1, 4)) for d in judged}))
        yield queries, int(rng.integers(1, 13))


@pytest.fixture(scope="session")
def check():
    """``oracle``, ``rejects`` and ``score``: the checks each metric's test file runs."""

    def oracle(per_query, naive):
        assert all(_agrees(per_query, naive, queries, k) for queries, k in _cases())

    def rejects(wrong, naive):
        assert not all(_agrees(wrong, naive, queries, k) for queries, k in _cases())

    def score(score_of, per_query):
        rng = np.random.default_rng(0)
        ranked = [rng.permutation(30) for _ in range(50)]
        relevance = [rng.choice(30, 3, replace=False) for _ in range(50)]
        found = score_of(ranked, relevance, k=10)
        values = per_query(ranked, relevance, k=10)
        assert found.value == pytest.approx(values.mean())
        assert found.n == 50
        assert found.ci[0] < found.value < found.ci[1]
        assert found == score_of(ranked, relevance, k=10)
        assert "@10" in found.method
        # Against the normal interval, which 50 queries make a fair one.
        half = 1.96 * values.std(ddof=1) / np.sqrt(50)
        assert (found.ci[1] - found.ci[0]) / 2 == pytest.approx(half, rel=0.15)
        part = score_of([["a"], ["a"]], [{"a": 1}, {"a": 0}], k=1)
        assert (part.value, part.n) == (1.0, 1)
        assert "1 queries without a relevant document" in part.warnings[0]
        with pytest.raises(InputError, match="without any relevant"):
            score_of([["a"]], [{}], k=1)
        with pytest.raises(InputError, match="k=0"):
            score_of([["a"]], [["a"]], k=0)
        facts = [{"a": 2, "b": 1}]
        assert score_of([["a", "b", "c"]], facts, k=3).value == pytest.approx(1.0)
        assert score_of([["x", "y"]], facts, k=3).value == 0.0

    return SimpleNamespace(oracle=oracle, rejects=rejects, score=score)
