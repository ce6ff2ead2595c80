"""The contract of a sampler of anchors, derived from its card. Each check raises AssertionError."""

from typing import Any

import numpy as np

from isthmus.core.card import GROUPS
from isthmus.core.errors import InputError
from isthmus.core.registry import Method
from isthmus.testing.groups import element, related
from isthmus.testing.kinds import array_kinds

_ROWS, _DIM, _COUNT = 120, 6, 12
#: Classes of the rows, for a sampler that is given labels.
_CLASSES = 4


def check_rows(method: Method) -> None:
    """Distinct row numbers, as many as asked for, the same for the same seed."""
    x = _data(0)
    for count in (_CLASSES if method.card.given else 1, _COUNT, _ROWS):
        rows = _call(method, x, count, rng=0)
        assert rows.dtype == np.int64, f"{method.name} gives {rows.dtype}, not int64"
        distinct = len(set(rows.tolist())) == len(rows) == count
        assert distinct, f"{method.name} gives no {count} distinct rows"
        assert 0 <= rows.min() <= rows.max() < _ROWS, f"{method.name} leaves the space"
        again = _call(method, x, count, rng=0)
        assert np.array_equal(rows, again), f"{method.name} differs under one seed"


def check_invariances(method: Method) -> None:
    """Declared groups leave the choice alone; others change it."""
    x = _data(1)
    before = set(_call(method, x, _COUNT, rng=1).tolist())
    for group in GROUPS:
        moved = []
        for seed in range(3):
            act = element(group, _DIM, _ROWS, np.random.default_rng(seed))
            moved.append(set(_call(method, act(x), _COUNT, rng=1).tolist()) != before)
        if method.card.declares(group):
            assert not any(moved), f"{method.name} changes under {group}, though declared"
        else:
            assert any(moved), f"{method.name} does not change under {group}, yet not declared"


def check_array_kinds(method: Method) -> None:
    """Every array kind gives the rows that NumPy gives."""
    x = _data(2)
    before = _call(method, x, _COUNT, rng=2)
    for name, convert in array_kinds().items():
        after = _call(method, convert(x), _COUNT, rng=2)
        assert np.array_equal(before, after), f"{method.name} differs on {name}"


def check_refusals(method: Method) -> None:
    """Counts out of range and rows that are not finite raise InputError."""
    x = _data(3)
    broken = x.copy()
    broken[4, 0] = np.nan
    for what, rows, count in (("0", x, 0), ("too many", x, _ROWS + 1), ("NaN", broken, 3)):
        try:
            _call(method, rows, count)
        except InputError:
            continue
        raise AssertionError(f"{method.name} accepts {what}")


CHECKS = (check_rows, check_invariances, check_array_kinds, check_refusals)


def _data(seed: int) -> np.ndarray:
    return related(_ROWS, _DIM, np.random.default_rng(300 + seed))[0]


def _call(method: Method, x: Any, count: int, **options: Any) -> np.ndarray:
    """The sampler's rows; it is told labels where its card asks for them."""
    given = {"labels": np.arange(_ROWS) % _CLASSES}
    rows: np.ndarray = method.call(
        x, count, **{name: given[name] for name in method.card.given}, **options
    )
    return rows
