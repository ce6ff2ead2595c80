"""The contract of a measure, derived from its card. Each check raises AssertionError."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from isthmus.core.card import GROUPS, closure
from isthmus.core.errors import InputError
from isthmus.core.registry import Method
from isthmus.core.score import Score
from isthmus.testing.cost import counted, misfit
from isthmus.testing.groups import Action, element, related

_ROWS, _DIM = 120, 6
#: A declared invariance may cost this much (float64 rounding), relative to values of order one.
_SAME = 1e-8
#: An undeclared group must move the value by at least this much.
_MOVED = 1e-6
#: Sizes at which the declared cost must hold, and how far counted work may stray from it.
_SIZES = ((256, 16), (512, 16), (1024, 16), (256, 48), (512, 48))
_STRAY = 0.35


def check_returns_score(method: Method) -> None:
    """A finite value with its n and the method's name; an interval that holds the value."""
    score = _value(method, *_data(0))
    assert isinstance(score, Score), f"{method.name} returns {type(score).__name__}, not Score"
    assert np.isfinite(score.value), f"{method.name} is {score.value}"
    assert score.n == _ROWS, f"{method.name} reports n={score.n} of {_ROWS} rows"
    if score.ci is not None:
        low, high = score.ci
        assert low <= score.value <= high, f"{method.name}: {score.value} outside [{low}, {high}]"


def check_invariances(method: Method) -> None:
    """Every declared group leaves the value alone; every group not declared moves it."""
    card = method.card
    for seed in (0, 1):
        spaces = _data(seed)
        before = float(_value(method, *spaces))
        for group in GROUPS:
            for side in range(card.spaces):
                declared = card.declares(group, target=side == 1)
                after = [
                    float(_value(method, *moved)) for moved in _moves(card, spaces, group, side)
                ]
                gap = max(abs(value - before) for value in after) / max(abs(before), 1.0)
                assert gap <= _SAME if declared else gap >= _MOVED, _explain(
                    method, group, side, gap, declared=declared
                )


def _explain(method: Method, group: str, side: int, gap: float, *, declared: bool) -> str:
    card = method.card
    where = "both spaces at once" if card.jointly else f"space {side + 1}"
    said = f"{method.name} moves by {gap:.2g} under {group} of {where}"
    if not declared:
        return f"{said}, so it is invariant: add {group!r} to the card's groups"
    groups = card.invariant if side == 0 else card.invariant_target or card.invariant
    behind = [name for name in groups if group in closure((name,))]
    cure = "" if card.jointly else ", or set jointly=True if it must act on both spaces"
    return f"{said}, though the card declares {behind}: declare less{cure}"


def check_row_order(method: Method) -> None:
    """Shuffling the rows, of paired spaces alike, changes nothing."""
    spaces = _data(2)
    order = np.random.default_rng(3).permutation(_ROWS)
    before = float(_value(method, *spaces))
    after = float(_value(method, *(space[order] for space in spaces)))
    gap = abs(after - before) / max(abs(before), 1.0)
    assert gap <= _SAME, f"{method.name} depends on the order of rows: {before} != {after}"


def check_layouts(method: Method) -> None:
    """C, Fortran, strided, big-endian and list input give the same answer, and stay untouched."""
    spaces = _data(4)
    copies = [space.copy() for space in spaces]
    before = float(_value(method, *spaces))
    for name, change in _LAYOUTS.items():
        after = float(_value(method, *(change(space) for space in spaces)))
        gap = abs(after - before) / max(abs(before), 1.0)
        assert gap <= 1e-12, f"{method.name} differs on {name} input: {before} != {after}"
    for space, copy in zip(spaces, copies, strict=True):
        assert np.array_equal(space, copy), f"{method.name} writes into its input"


def check_precision(method: Method) -> None:
    """float32 input gives the float64 value to about six digits."""
    spaces = tuple(space.astype(np.float32) for space in _data(5))
    wide = float(_value(method, *(space.astype(np.float64) for space in spaces)))
    gap = abs(float(_value(method, *spaces)) - wide) / max(abs(wide), 1.0)
    assert gap <= 1e-4, f"{method.name} loses {gap:.2g} in float32"


def check_array_kinds(method: Method, kinds: Callable[[], dict[str, Any]] | None = None) -> None:
    """NumPy, array-api-strict and torch input give the same value."""
    spaces = _data(6)
    before = _value(method, *spaces)
    for name, convert in (kinds or array_kinds)().items():
        after = _value(method, *(convert(space) for space in spaces))
        for what, one, two in _numbers(before, after):
            gap = abs(two - one) / max(abs(one), 1.0)
            assert gap <= _SAME, f"{method.name}: {what} differs on {name}: {one} != {two}"


def _numbers(one: Score, two: Score) -> list[tuple[str, float, float]]:
    """Value and ends of the interval of two scores, side by side."""
    pairs = [("value", one.value, two.value)]
    if one.ci is not None and two.ci is not None:
        pairs += [("interval", *ends) for ends in zip(one.ci, two.ci, strict=True)]
    return pairs


def check_widths(method: Method) -> None:
    """Spaces of unequal width give a finite Score, or raise InputError; never anything else."""
    if method.card.spaces != 2:
        return
    x, y = _data(12)
    try:
        score = _value(method, x, y[:, :-1])
    except InputError:
        return
    except Exception as error:
        raise AssertionError(
            f"{method.name} on widths {_DIM} and {_DIM - 1} raises {type(error).__name__}: ask "
            "paired(..., same_width=True), or make it work"
        ) from error
    assert np.isfinite(score.value), f"{method.name} is {score.value} on unequal widths"


def check_identical(method: Method) -> None:
    """A space compared with itself gives the declared value."""
    if method.card.identical is None or method.card.spaces != 2:
        return
    x = _data(7)[0]
    value = float(_value(method, x, x.copy()))
    assert abs(value - method.card.identical) <= 1e-6, (
        f"{method.name} of a space with itself is {value}, declared {method.card.identical}"
    )


def check_symmetric(method: Method) -> None:
    """Swapping the spaces changes the value exactly when the card does not declare symmetry."""
    if method.card.spaces != 2:
        return
    x, y = _data(8)
    gap = abs(float(_value(method, x, y)) - float(_value(method, y, x)))
    if method.card.symmetric:
        assert gap <= _SAME, f"{method.name} is declared symmetric, yet differs by {gap:.2g}"
    else:
        assert gap >= _MOVED, f"{method.name} is symmetric but not declared so"


def check_metric(method: Method) -> None:
    """``distance()`` obeys the metric axioms on random triples, or does not exist."""
    if method.card.spaces != 2:
        return
    rng = np.random.default_rng(9)
    if not method.card.metric:
        try:
            _value(method, *_data(9)).distance()
        except InputError:
            return
        raise AssertionError(f"{method.name}.distance() exists, though the card says metric=False")
    for _ in range(40):
        base = rng.normal(size=(30, 4))
        triple = [base + 10 ** rng.uniform(-1, 0.5) * rng.normal(size=base.shape) for _ in "abc"]
        assert _value(method, *triple[:2]).length is not None, (
            f"{method.name}: the card says metric=True, so return Score(..., length=value)"
        )
        ab, bc, ac = (
            _value(method, triple[i], triple[j]).distance() for i, j in ((0, 1), (1, 2), (0, 2))
        )
        assert min(ab, bc, ac) >= 0, f"{method.name} has a negative distance"
        assert ac <= ab + bc + 1e-9, f"{method.name} breaks the triangle inequality"
    same = _value(method, base, base.copy()).distance()
    assert same <= 1e-6, f"{method.name} has distance {same} to itself"


def check_cost(method: Method) -> None:
    """Counted arithmetic grows as the card declares; needs torch."""
    import torch

    sizes, work = [], []
    for n, d in _SIZES:
        spaces = related(n, d, np.random.default_rng(10))[: method.card.spaces]
        tensors = [torch.asarray(space) for space in spaces]
        work.append(counted(partial(method.call, *tensors)))
        sizes.append({"n": n, "d": d, "k": 10, "m": 64})
    stray = misfit(method.card.cost, sizes, work)
    assert stray <= _STRAY, (
        f"{method.name} declares cost {method.card.cost!r}; counted work strays {stray:.0%} from "
        f"it: {dict(zip(_SIZES, work, strict=True))} by (n, d)"
    )


def check_refusals(method: Method) -> None:
    """NaN, infinity, too few rows, and unpaired or empty input raise InputError."""
    spaces = _data(11)[: method.card.spaces]
    broken = [space.copy() for space in spaces]
    for value in (np.nan, np.inf):
        broken[-1][3, 0] = value
        _refuses(method, broken, f"{value} in the last space")
    if method.card.min_rows > 1:
        few = method.card.min_rows - 1
        _refuses(method, [space[:few] for space in spaces], f"{few} rows")
    _refuses(method, [space[:0] for space in spaces], "no rows")
    if method.card.spaces == 2 and method.card.paired:
        _refuses(method, [spaces[0], spaces[1][:-1]], "unequal numbers of rows")


CHECKS = (
    check_returns_score,
    check_invariances,
    check_row_order,
    check_layouts,
    check_precision,
    check_array_kinds,
    check_widths,
    check_identical,
    check_symmetric,
    check_metric,
    check_cost,
    check_refusals,
)


def array_kinds() -> dict[str, Callable[[np.ndarray], Any]]:
    """Converters from NumPy to the other array kinds that are installed."""
    import array_api_strict
    import torch

    return {"array-api-strict": array_api_strict.asarray, "torch": torch.asarray}


_LAYOUTS: dict[str, Callable[[np.ndarray], Any]] = {
    "Fortran": np.asfortranarray,
    "strided": lambda x: np.repeat(x, 2, axis=0)[::2],
    "big-endian": lambda x: x.astype(">f8"),
    "list": lambda x: x.tolist(),
}


def _data(seed: int) -> tuple[np.ndarray, np.ndarray]:
    return related(_ROWS, _DIM, np.random.default_rng(100 + seed))


def _value(method: Method, *spaces: Any) -> Score:
    result: Score = method.call(*spaces[: method.card.spaces])
    return result


def _moves(
    card: Any, spaces: tuple[np.ndarray, ...], group: str, side: int
) -> list[tuple[np.ndarray, ...]]:
    """Copies of the spaces on which a few random elements of the group acted."""
    moved = []
    for seed in range(3):
        act: Action = element(group, _DIM, _ROWS, np.random.default_rng(seed))
        if card.jointly:
            moved.append(tuple(act(space) for space in spaces))
        else:
            moved.append(tuple(act(s) if i == side else s for i, s in enumerate(spaces)))
    return moved


def _refuses(method: Method, spaces: list[np.ndarray], what: str) -> None:
    try:
        _value(method, *spaces)
    except InputError:
        return
    raise AssertionError(f"{method.name} accepts {what}")
