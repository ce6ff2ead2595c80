"""The contract of a metric of rankings, derived from its card. Each check raises AssertionError."""

from typing import Any

import numpy as np

from isthmus.core.errors import InputError
from isthmus.core.registry import Method
from isthmus.core.score import Score
from isthmus.testing import measures
from isthmus.testing.groups import related

_QUERIES, _DOCUMENTS, _LENGTH = 40, 60, 20


def check_returns_score(method: Method) -> None:
    """A finite value inside its interval, with the number of queries behind it."""
    score = _value(method, _data(method, 0))
    assert isinstance(score, Score), f"{method.name} returns {type(score).__name__}, not Score"
    assert np.isfinite(score.value), f"{method.name} is {score.value}"
    assert score.n == _QUERIES, f"{method.name} reports n={score.n} of {_QUERIES} queries"
    assert score.ci is not None, f"{method.name} has no interval"
    assert score.ci[0] <= score.value <= score.ci[1], f"{method.name} lies outside its interval"


def check_query_order(method: Method) -> None:
    """The order in which queries come does not matter."""
    data = _data(method, 1)
    order = np.random.default_rng(1).permutation(_QUERIES)
    before = _value(method, data).value
    after = _value(method, tuple(_picked(side, order) for side in data)).value
    assert abs(after - before) <= 1e-9, f"{method.name} depends on the order of queries"


def check_document_names(method: Method) -> None:
    """Renaming the documents does not matter."""
    if method.card.spaces:
        return
    data = _data(method, 2)
    renamed = ([_renamed(query) for query in data[0]], [_renamed(query) for query in data[1]])
    before, after = _value(method, data).value, _value(method, renamed).value
    assert abs(after - before) <= 1e-12, f"{method.name} depends on the names of documents"


def check_invariances(method: Method) -> None:
    """A metric of vectors stays the same under its declared groups and no others."""
    if method.card.spaces:
        measures.check_invariances(method)


def check_refusals(method: Method) -> None:
    """Sides of unequal length, and nothing at all, raise InputError."""
    one, two = _data(method, 3)
    for what, sides in (("unequal sides", (one, two[:-1])), ("nothing", (one[:0], two[:0]))):
        try:
            _value(method, sides)
        except InputError:
            continue
        raise AssertionError(f"{method.name} accepts {what}")


CHECKS = (
    check_returns_score,
    check_query_order,
    check_document_names,
    check_invariances,
    check_refusals,
)


def _data(method: Method, seed: int) -> tuple[Any, Any]:
    """Two arrays for a metric of vectors; else rankings with relevant documents near the top."""
    rng = np.random.default_rng(400 + seed)
    if method.card.spaces:
        return related(_QUERIES, 5, rng)
    ranked = [rng.permutation(_DOCUMENTS)[:_LENGTH].tolist() for _ in range(_QUERIES)]
    # Half of the relevant documents are among the first found, half anywhere.
    relevant = [
        [*rng.choice(found[:8], 2, replace=False).tolist(), *range(_DOCUMENTS, _DOCUMENTS + 2)]
        for found in ranked
    ]
    return ranked, relevant


def _value(method: Method, sides: tuple[Any, Any]) -> Score:
    result: Score = method.call(*sides)
    return result


def _picked(side: Any, order: np.ndarray) -> Any:
    return side[order] if isinstance(side, np.ndarray) else [side[i] for i in order]


def _renamed(documents: list[int]) -> list[str]:
    return [f"d{(7 * document) % 1009}" for document in documents]
