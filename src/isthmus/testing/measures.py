"""The contract of a measure, derived from its card. Each check raises AssertionError.

It covers measures of one or two matrices; one that takes something else (``spaces=0``) is proved by
its own test alone.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from isthmus.core.card import GROUPS, closure
from isthmus.core.errors import InputError
from isthmus.core.registry import Method
from isthmus.core.score import Score
from isthmus.testing.cost import counted, misfit
from isthmus.testing.groups import Action, elements, farthest, hard_rows, related
from isthmus.testing.kinds import LAYOUTS, array_kinds

_ROWS, _DIM = 120, 6
#: A declared invariance may cost this much (float64 rounding), relative to values of order one.
_SAME = 1e-8
#: An undeclared group must move the value by at least this much.
_MOVED = 1e-6
#: Sizes at which the declared cost must hold, and how far counted work may stray from it.
_SIZES = ((256, 16), (512, 16), (1024, 16), (256, 48), (512, 48))
_STRAY = 0.35
#: Spaces whose triples test the triangle inequality: 20 make 1,140 triples from 190 distances.
_POOL = 20
#: What float32 may cost where rows round badly.
_HARD = 1e-3
#: How wide the interval of a space compared with itself may be.
_CERTAIN = 1e-2
#: What rounding may cost far from the origin, or at another scale.
_FAR = 1e-6


def check_returns_score(method: Method) -> None:
    """A finite value with its n and the method's name; an interval that holds the value."""
    spaces = _data(0)
    score = _value(method, *spaces, **given_to(method.card, spaces))
    assert isinstance(score, Score), f"{method.name} returns {type(score).__name__}, not Score"
    assert np.isfinite(score.value), f"{method.name} is {score.value}"
    assert score.n == _ROWS, f"{method.name} reports n={score.n} of {_ROWS} rows"
    if score.ci is not None:
        low, high = score.ci
        assert low <= score.value <= high, f"{method.name}: {score.value} outside [{low}, {high}]"


def check_invariances(method: Method) -> None:
    """Every declared group leaves the value alone; every group not declared moves it."""
    card = method.card
    spaces = _data(0)
    given = given_to(card, spaces)
    before = float(_value(method, *spaces, **given))
    for group in GROUPS:
        for side in range(card.spaces):
            declared = card.declares(group, target=side == 1)
            gaps = (
                abs(float(_value(method, *moved, **given)) - before) / max(abs(before), 1.0)
                for moved in _moves(card, spaces, group, side)
            )
            gap = farthest(gaps, enough=np.inf if declared else _MOVED)
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
    given = given_to(method.card, spaces)
    orders = [np.random.default_rng(3 + i).permutation(_ROWS) for i in range(2)]
    if method.card.paired:
        orders[1] = orders[0]
    before = float(_value(method, *spaces, **given))
    moved = [space[order] for space, order in zip(spaces, orders, strict=True)]
    after = float(_value(method, *moved, **{key: one[orders[0]] for key, one in given.items()}))
    gap = abs(after - before) / max(abs(before), 1.0)
    assert gap <= _SAME, f"{method.name} depends on the order of rows: {before} != {after}"


def check_layouts(method: Method) -> None:
    """C, Fortran, strided, big-endian and list input give the same answer, and stay untouched."""
    spaces = _data(4)
    given = given_to(method.card, spaces)
    copies = [space.copy() for space in spaces]
    before = float(_value(method, *spaces, **given))
    for name, change in LAYOUTS.items():
        after = float(_value(method, *(change(space) for space in spaces), **given))
        gap = abs(after - before) / max(abs(before), 1.0)
        assert gap <= 1e-12, f"{method.name} differs on {name} input: {before} != {after}"
    for space, copy in zip(spaces, copies, strict=True):
        assert np.array_equal(space, copy), f"{method.name} writes into its input"


def check_precision(method: Method) -> None:
    """float32 and float16 input give the value of the same numbers in float64 to four digits.

    Of a translation-invariant measure float32 must hold at an offset of 1000 deviations too.
    """
    card = method.card
    spaces = _data(5)
    given = given_to(card, spaces)
    inputs = {kind: [space.astype(kind) for space in spaces] for kind in ("float32", "float16")}
    if card.declares("translation"):
        inputs["float32 far from the origin"] = [
            (space + 1000 * space.std(axis=0)).astype(np.float32) for space in spaces
        ]
    for name, narrow in inputs.items():
        wide = float(_value(method, *(space.astype(np.float64) for space in narrow), **given))
        gap = abs(float(_value(method, *narrow, **given)) - wide) / max(abs(wide), 1.0)
        assert gap <= 1e-4, f"{method.name} loses {gap:.2g} in {name}"


def check_hard_rows(method: Method) -> None:
    """Rows that round badly have in float32 the value that they have in float64, or its refusal.

    Columns that depend on each other, few directions, one that never varies, a huge and a tiny
    one, a row far from all others.
    """
    # Half of the rows: a slow solver is slowest here.
    x, y = (space[: _ROWS // 2] for space in _data(6))
    given = given_to(method.card, (x, y))
    for name, hard in hard_rows(x).items():
        wide = hard, y
        found: list[float | None] = []
        for spaces in ([space.astype(np.float32) for space in wide], wide):
            try:
                found.append(float(_value(method, *spaces, **given)))
            except InputError:
                found.append(None)
        one, two = found
        if one is None or two is None:
            assert one is two, f"{method.name} of {name}: {one} in float32, {two} in float64"
            continue
        gap = abs(one - two) / max(abs(two), 1.0)
        assert gap <= _HARD, f"{method.name} loses {gap:.2g} in float32 rows with {name}"


def check_far_and_scaled(method: Method) -> None:
    """1000 deviations from the origin, and at 1e-3 and 1e3 times the size, nothing is lost."""
    card = method.card
    spaces = _data(13)
    given = given_to(card, spaces)
    before = float(_value(method, *spaces, **given))
    for side in range(card.spaces):
        changes: dict[str, Action] = {}
        if card.declares("translation", target=side == 1):
            changes["an offset of 1000 deviations"] = lambda x: x + 1000 * x.std(axis=0)
        if card.declares("isotropic_scale", target=side == 1):
            changes["a factor of 1e-3"] = lambda x: x * 1e-3
            changes["a factor of 1e3"] = lambda x: x * 1e3
        for name, change in changes.items():
            step = spaces[side].std(axis=0)
            moved = [
                change(space) if i == side or card.jointly else space
                for i, space in enumerate(spaces)
            ]
            if card.jointly and name.startswith("an offset"):  # one and the same for both
                moved = [space + 1000 * step for space in spaces]
            after = float(_value(method, *moved, **given))
            gap = abs(after - before) / max(abs(before), 1.0)
            assert gap <= _FAR, f"{method.name} moves by {gap:.2g} under {name} of space {side + 1}"


def check_array_kinds(method: Method, kinds: Callable[[], dict[str, Any]] | None = None) -> None:
    """NumPy, array-api-strict and torch input give the same value."""
    spaces = _data(6)
    given = given_to(method.card, spaces)
    before = _value(method, *spaces, **given)
    for name, convert in (kinds or array_kinds)().items():
        same = {key: convert(one) if one.dtype.kind == "f" else one for key, one in given.items()}
        after = _value(method, *(convert(space) for space in spaces), **same)
        for what, one, two in _numbers(before, after):
            gap = abs(two - one) / max(abs(one), 1.0)
            assert gap <= _SAME, f"{method.name}: {what} differs on {name}: {one} != {two}"


def _numbers(one: Score, two: Score) -> list[tuple[str, float, float]]:
    """Value and ends of the interval of two scores, side by side."""
    pairs = [("value", one.value, two.value)]
    none = np.nan, np.nan  # which nothing equals: an interval lost with the kind is told
    if one.ci is not None or two.ci is not None:
        pairs += [("interval", *ends) for ends in zip(one.ci or none, two.ci or none, strict=True)]
    return pairs


def check_widths(method: Method) -> None:
    """Spaces of unequal width give a finite Score, or raise InputError; never anything else."""
    if method.card.spaces != 2:
        return
    x, y = _data(12)
    try:
        score = _value(method, x, y[:, :-1], **given_to(method.card, (x, y)))
    except InputError:
        return
    except Exception as error:
        raise AssertionError(
            f"{method.name} on widths {_DIM} and {_DIM - 1} raises {type(error).__name__}: ask "
            "paired(..., same_width=True), or make it work"
        ) from error
    assert np.isfinite(score.value), f"{method.name} is {score.value} on unequal widths"


def check_identical(method: Method) -> None:
    """A space compared with itself gives the declared value, for certain: a narrow interval."""
    if method.card.identical is None or method.card.spaces != 2:
        return
    x = _data(7)[0]
    for kind, room in (("float64", 1e-6), ("float32", 1e-4)):
        same = x.astype(kind)
        score = _value(method, same, same.copy(), **given_to(method.card, (x, x)))
        told = f"{method.name} of a {kind} space with itself is {score.value}"
        assert abs(score.value - method.card.identical) <= room, (
            f"{told}, declared {method.card.identical}"
        )
        if score.ci is not None:
            low, high = score.ci
            assert high - low <= _CERTAIN, f"{told}, yet anything in [{low}, {high}]"


def check_symmetric(method: Method) -> None:
    """Swapping the spaces changes the value exactly when the card does not declare symmetry."""
    if method.card.spaces != 2:
        return
    x, y = _data(8)
    given = given_to(method.card, (x, y))
    gap = abs(float(_value(method, x, y, **given)) - float(_value(method, y, x, **given)))
    if method.card.symmetric:
        assert gap <= _SAME, f"{method.name} is declared symmetric, yet differs by {gap:.2g}"
    else:
        assert gap >= _MOVED, f"{method.name} is symmetric but not declared so"


def check_metric(method: Method) -> None:
    """``distance()`` obeys the metric axioms on 1,140 triples of spaces, or does not exist."""
    card = method.card
    if card.spaces != 2:
        return
    if not card.metric:
        spaces = _data(9)
        try:
            _value(method, *spaces, **given_to(card, spaces)).distance()
        except InputError:
            return
        raise AssertionError(f"{method.name}.distance() exists, though the card says metric=False")
    rng = np.random.default_rng(9)
    bases = rng.normal(size=(4, 30, 4))
    # Near and far copies of four spaces: triples that nearly lie on a line, and others.
    pool = [bases[i % 4] + 10 ** rng.uniform(-2, 0.5) * rng.normal(size=(30, 4)) for i in range(20)]
    given = given_to(card, (pool[0], pool[1]))
    lengths = np.zeros((_POOL, _POOL))
    for i, j in combinations(range(_POOL), 2):
        score = _value(method, pool[i], pool[j], **given)
        assert score.length is not None, (
            f"{method.name}: the card says metric=True, so return Score(..., length=value)"
        )
        lengths[i, j] = lengths[j, i] = score.distance()
    assert lengths.min() >= 0, f"{method.name} has a negative distance"
    detour = (lengths[:, :, None] + lengths[None, :, :]).min(axis=1)
    assert (lengths <= detour + 1e-9).all(), f"{method.name} breaks the triangle inequality"
    same = _value(method, pool[0], pool[0].copy(), **given).distance()
    assert same <= 1e-6, f"{method.name} has distance {same} to itself"


def check_cost(method: Method) -> None:
    """Counted arithmetic grows as the card declares; needs torch.

    Work that the card leaves to another library is not torch's, and is not counted.
    """
    if not method.card.counted:
        return
    import torch

    sizes, work = [], []
    for n, d in _SIZES:
        spaces = related(n, d, np.random.default_rng(10))
        given = {
            key: torch.asarray(one) if one.dtype.kind == "f" else one
            for key, one in given_to(method.card, spaces).items()
        }
        tensors = [torch.asarray(space) for space in spaces[: method.card.spaces]]
        work.append(counted(partial(method.call, *tensors, **given)))
        sizes.append({"n": n, "d": d, "k": 10, "m": 64})
    assert min(work) > 0, f"{method.name} does nothing that torch counts: set counted=False"
    stray = misfit(method.card.cost, sizes, work)
    assert stray <= _STRAY, (
        f"{method.name} declares cost {method.card.cost!r}; counted work strays {stray:.0%} from "
        f"it: {dict(zip(_SIZES, work, strict=True))} by (n, d)"
    )


def check_refusals(method: Method) -> None:
    """NaN, infinity, too few rows, and unpaired or empty input raise InputError.

    A measure of unpaired spaces takes unequal numbers of rows.
    """
    card = method.card
    both = _data(11)
    spaces, given = both[: card.spaces], given_to(card, both)

    def cut(rows: int) -> dict[str, np.ndarray]:
        return {key: one[:rows] for key, one in given.items()}

    broken = [space.copy() for space in spaces]
    for value in (np.nan, np.inf):
        broken[-1][3, 0] = value
        _refuses(method, broken, f"{value} in the last space", given)
    if card.min_rows > 1:
        few = card.min_rows - 1
        _refuses(method, [space[:few] for space in spaces], f"{few} rows", cut(few))
    _refuses(method, [space[:0] for space in spaces], "no rows", cut(0))
    for key, one in given.items():
        _refuses(method, spaces, f"{key} of other length", given | {key: one[:-1]})
    if card.spaces == 2 and card.paired:
        _refuses(method, [spaces[0], spaces[1][:-1]], "unequal numbers of rows", given)
    if card.spaces == 2 and not card.paired:
        assert np.isfinite(_value(method, spaces[0], spaces[1][:-1], **given).value), (
            f"{method.name} of unpaired spaces is not finite at unequal numbers of rows"
        )


CHECKS = (
    check_returns_score,
    check_invariances,
    check_row_order,
    check_layouts,
    check_precision,
    check_hard_rows,
    check_far_and_scaled,
    check_array_kinds,
    check_widths,
    check_identical,
    check_symmetric,
    check_metric,
    check_cost,
    check_refusals,
)


def _data(seed: int) -> tuple[np.ndarray, np.ndarray]:
    return related(_ROWS, _DIM, np.random.default_rng(100 + seed))


def given_to(card: Any, spaces: tuple[np.ndarray, ...]) -> dict[str, np.ndarray]:
    """What the card says the measure takes besides the spaces, row by row."""
    x = spaces[0]
    high = (x[:, :3] > np.median(x[:, :3], axis=0)).astype(np.int64)
    rng = np.random.default_rng(21)
    known = {
        "labels": high[:, 0] + high[:, 1],
        "factors": high + np.column_stack([high[:, 1], 0 * high[:, 1], high[:, 0]]),
        "groups": np.arange(len(x)) // 4,
        "confound": np.tanh(x) @ rng.normal(size=(x.shape[1], 3)) + rng.normal(size=(len(x), 3)),
    }
    return {key: known[key] for key in card.given}


def _value(method: Method, *spaces: Any, **given: Any) -> Score:
    result: Score = method.call(*spaces[: method.card.spaces], **given)
    return result


def _moves(
    card: Any, spaces: tuple[np.ndarray, ...], group: str, side: int
) -> list[tuple[np.ndarray, ...]]:
    """Copies of the spaces on which a few random elements of the group acted."""
    moved = []
    for act in elements(group, _DIM, _ROWS):
        if card.jointly:
            moved.append(tuple(act(space) for space in spaces))
        else:
            moved.append(tuple(act(s) if i == side else s for i, s in enumerate(spaces)))
    return moved


def _refuses(
    method: Method, spaces: Sequence[np.ndarray], what: str, given: dict[str, np.ndarray]
) -> None:
    try:
        _value(method, *spaces, **given)
    except InputError:
        return
    raise AssertionError(f"{method.name} accepts {what}")
