"""The contract of a bridge, derived from its card. Each check raises AssertionError."""

import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError

from isthmus.bridges.bridge import Bridge, load
from isthmus.core.arrays import to_numpy
from isthmus.core.card import GROUPS, closure
from isthmus.core.errors import InputError, NoReliableBridge
from isthmus.core.registry import Method
from isthmus.spaces.fingerprint import Fingerprint
from isthmus.testing.cost import counted, misfit
from isthmus.testing.groups import element, elements, farthest, hard_rows, related
from isthmus.testing.kinds import array_kinds

_ROWS, _DIM = 160, 6
_SAME, _MOVED = 1e-8, 1e-6
_SIZES = ((400, 12), (800, 12), (1600, 12), (400, 36), (800, 36))
_STRAY = 0.35
#: Share of the target's variance that float32 may cost where rows round badly.
_HARD = 0.01


def check_invariances(method: Method) -> None:
    """Refitting on a transformed source leaves translations alone exactly for declared groups."""
    x, y = _data(0)
    before = _new(method).fit(x, y).transform(x)
    for group in GROUPS:
        gaps = (
            _gap(_new(method).fit(act(x), y).transform(act(x)), before)
            for act in elements(group, _DIM, _ROWS)
        )
        _judge(method, f"{group} of the source", gaps, declared=method.card.declares(group))


def check_equivariances(method: Method) -> None:
    """Translations move along with a transformed target exactly for declared groups."""
    x, y = _data(1)
    # Half of the target is noise, so what is chosen by error depends on how much that weighs.
    y[:, ::2] = np.random.default_rng(1).normal(size=y[:, ::2].shape)
    before = _new(method).fit(x, y).transform(x)
    declared = closure(method.card.equivariant)
    for group in GROUPS:
        if group == "row_scale":  # acts on rows, not on the space: no map can follow it
            continue
        gaps = (
            _gap(_new(method).fit(x, act(y)).transform(x), act(before))
            for act in elements(group, _DIM, _ROWS)
        )
        _judge(method, f"{group} of the target", gaps, declared=group in declared)


def check_batching(method: Method) -> None:
    """A row's translation does not depend on the rows beside it."""
    x, y = _data(2)
    fitted = _new(method).fit(x, y)
    whole = fitted.transform(x)
    parts = np.concatenate([fitted.transform(x[i : i + 7]) for i in range(0, len(x), 7)])
    assert _gap(parts, whole) <= 1e-12, f"{method.name} depends on the batch"
    backwards = fitted.transform(x[::-1])[::-1]
    assert _gap(backwards, whole) <= 1e-12, f"{method.name} depends on the order of rows"


def check_array_kinds(method: Method, kinds: Callable[[], dict[str, Any]] | None = None) -> None:
    """Every array kind gives its own kind back, with NumPy's values, on fitting and applying."""
    x, y = _data(3)
    expected = _new(method).fit(x, y).transform(x)
    for name, convert in (kinds or array_kinds)().items():
        result = _new(method).fit(convert(x), convert(y)).transform(convert(x))
        kind = type(convert(x))
        assert isinstance(result, kind), f"{method.name} turns {name} into {type(result).__name__}"
        gap = _gap(to_numpy(result), expected)
        assert gap <= _SAME, f"{method.name} differs by {gap:.2g} on {name}"


def check_precision(method: Method) -> None:
    """float32 in, float32 out, within float32 rounding of float64; input stays untouched."""
    x, y = _data(4)
    fitted = _new(method).fit(x, y)
    copy = x.copy()
    narrow = fitted.transform(x.astype(np.float32))
    assert narrow.dtype == np.float32, f"{method.name} turns float32 into {narrow.dtype}"
    assert _gap(narrow, fitted.transform(x)) <= 1e-4, f"{method.name} loses float32 digits"
    assert np.array_equal(x, copy), f"{method.name} writes into its input"


def check_hard_rows(method: Method) -> None:
    """Fitted to rows that round badly it explains as much in float32 as in float64, or refuses.

    Not asked of bridges that find the pairs themselves, where a digit may decide who finds whom.
    """
    if method.card.pairs == "none":
        return
    x, y = _data(12)
    spread = np.sum((y - y.mean(axis=0)) ** 2)
    for name, hard in hard_rows(x).items():
        found: list[float | None] = []
        for dtype in (np.float32, np.float64):
            source = hard.astype(dtype)
            try:
                moved = _new(method).fit(source, y.astype(dtype)).transform(source)
                found.append(max(1 - float(np.sum((moved - y) ** 2) / spread), 0.0))
            except InputError:
                found.append(None)
        one, two = found
        same = one is two if one is None or two is None else abs(one - two) <= _HARD
        assert same, f"{method.name} of {name}: explains {one} in float32, {two} in float64"


def check_save_load(method: Method) -> None:
    """A saved bridge, loaded again, translates bit for bit alike."""
    x, y = _data(5)
    bridge = Bridge(
        _new(method).fit(x, y), source=Fingerprint.of(x), target=Fingerprint.of(y), pairs=len(x)
    )
    with tempfile.TemporaryDirectory() as folder:
        again = load(bridge.save(Path(folder) / "saved.isthmus"))
    for dtype in (np.float64, np.float32):
        one, two = bridge.transform(x.astype(dtype)), again.transform(x.astype(dtype))
        assert np.array_equal(one, two), f"{method.name} changes when saved and loaded"
    assert again.map.get_params() == bridge.map.get_params(), f"{method.name} loses parameters"


def check_moments(method: Method) -> None:
    """A streaming bridge fits from moments what it fits from rows, in any partition."""
    if not method.card.streams:
        return
    from isthmus.core.moments import Moments

    x, y = _data(6)
    moments = Moments.of(x[:50], y[:50]) + Moments.of(x[50:], y[50:])
    one = _new(method).fit(x, y).transform(x)
    two = _new(method).fit_moments(moments, x, y).transform(x)
    assert _gap(two, one) <= _SAME, f"{method.name} differs between rows and moments"


def check_recovers(method: Method) -> None:
    """On a rotated copy of a space every bridge finds the true partner of nearly every row."""
    rng = np.random.default_rng(7)
    x = related(_ROWS, _DIM, rng)[0]
    y = element("orthogonal", _DIM, _ROWS, rng)(x)
    score = _new(method).fit(x[:120], y[:120]).score(x[120:], y[120:])
    assert score >= 0.95, f"{method.name} finds partners of a rotation with MRR {score:.2f}"


def check_cost(method: Method) -> None:
    """Counted arithmetic of fitting grows as the card declares; needs torch.

    Work that the card leaves to another package is not counted.
    """
    if not method.card.counted:
        return
    import torch

    sizes, work = [], []
    for n, d in _SIZES:
        x, y = (torch.asarray(side) for side in related(n, d, np.random.default_rng(8)))
        work.append(counted(partial(_fit, method, x, y)))
        sizes.append({"n": n, "d": d, "m": 300})
    if min(work) == 0:  # all of its arithmetic is NumPy's, which cannot be counted
        return
    stray = misfit(method.card.cost, sizes, work)
    assert stray <= _STRAY, (
        f"{method.name} declares cost {method.card.cost!r}; counted work strays {stray:.0%} from it"
    )


def check_refusals(method: Method) -> None:
    """NaN, too few rows, unpaired rows and a wrong width raise InputError; nothing is half-fitted.

    After a refused fit a new estimator is not fitted, and one that was translates as before.
    """
    x, y = _data(9)
    broken = y.copy()
    broken[3, 0] = np.nan
    fitted = _new(method).fit(x, y)
    before = fitted.transform(x)
    for what, rows in {
        "NaN in the target": (np.hstack([x, x]), broken), "NaN in the source": (broken, y),
        "unequal rows": (x, y[:-1]), "one row": (x[:1], y[:1]), "no rows": (x[:0], y[:0]),
    }.items():  # fmt: skip
        for estimator, known in ((_new(method), None), (fitted, before)):
            _refuses(method, what, lambda fit=estimator.fit, rows=rows: fit(*rows))
            _unharmed(method, what, estimator, x, known)
    _refuses(method, "a wrong width", lambda: fitted.transform(x[:, :-1]))
    _refuses(method, "NaN to translate", lambda: fitted.transform(broken))


def check_pairs(method: Method) -> None:
    """Pairs by number are what rows in order are; none at all is refused, or fitted with care.

    A method that learns from pairs alone ignores every other row; one that needs none abstains
    with NoReliableBridge on spaces that have nothing in common.
    """
    x, y = _data(10)
    rng = np.random.default_rng(10)
    i, j = rng.permutation(_ROWS)[:120], rng.permutation(_ROWS)[:120]
    numbered = y.copy()
    numbered[j] = y[i]  # row j[k] is now the partner of row i[k]
    twice = (np.append(i, i[:5]), np.append(j, j[:5]))
    fitted = _new(method).fit(x, numbered, pairs=twice)
    given = fitted.transform(x)
    assert np.isfinite(given).all(), f"{method.name} gives NaN"
    if method.card.pairs == "all":
        order = np.argsort(i)
        alone = _new(method).fit(x[i[order]], numbered[j[order]]).transform(x)
        assert _gap(given, alone) <= _SAME, f"{method.name} reads rows that are no pairs"
    else:
        more = _new(method).fit(np.concatenate([x, x[:40] + 0.1]), numbered, pairs=(i, j))
        assert more.transform(x).shape == y.shape, f"{method.name} needs equally many rows"
    for what, pairs in {
        "a row number beyond": ([0, _ROWS], [0, 1]), "two partners of one row": ([0, 0], [1, 2]),
        "lists of unequal length": ([0, 1], [0]), "fractions": ([0.5, 1.0], [0.0, 1.0]),
    }.items():  # fmt: skip
        _refuses(method, what, lambda pairs=pairs: fitted.fit(x, y, pairs=pairs))
    noise = np.random.default_rng(11).normal(size=(_ROWS + 7, _DIM))
    kind = NoReliableBridge if method.card.pairs == "none" else InputError
    _refuses(method, "no pair, no relation", lambda: fitted.fit(x, noise, pairs=()), kind)
    _unharmed(method, "no relation", fitted, x, given)


CHECKS = (
    check_invariances,
    check_equivariances,
    check_batching,
    check_array_kinds,
    check_precision,
    check_hard_rows,
    check_save_load,
    check_moments,
    check_recovers,
    check_cost,
    check_refusals,
    check_pairs,
)


def _new(method: Method) -> Any:
    """An estimator as the contract checks it: with its defaults, or its card's quick ones."""
    return method.call(**dict(method.card.quick))


def _fit(method: Method, x: Any, y: Any) -> None:
    _new(method).fit(x, y)


def _data(seed: int) -> tuple[np.ndarray, np.ndarray]:
    return related(_ROWS, _DIM, np.random.default_rng(200 + seed))


def _gap(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max() / max(np.abs(b).max(), 1.0))


def _judge(method: Method, what: str, gaps: Iterable[float], *, declared: bool) -> None:
    gap = farthest(gaps, enough=np.inf if declared else _MOVED)
    if declared:
        assert gap <= _SAME, f"{method.name} under {what}: off by {gap:.2g}, though declared"
    else:
        assert gap >= _MOVED, f"{method.name} under {what}: off by {gap:.2g}, yet not declared"


def _unharmed(method: Method, what: str, estimator: Any, x: Any, before: Any) -> None:
    """It still translates x into ``before``, or, where that is None, is not fitted."""
    try:
        after = estimator.transform(x)
    except NotFittedError:
        after = None
    except (AttributeError, ValueError) as error:
        after = error
    assert np.array_equal(after, before), f"{method.name} is left half-fitted by {what}"


def _refuses(method: Method, what: str, run: Any, kind: type[InputError] = InputError) -> None:
    try:
        run()
    except kind:
        return
    raise AssertionError(f"{method.name} accepts {what}")
