"""``isthmus.fit``: from two spaces to a bridge that was proved on pairs it never saw."""

from typing import Any

import numpy as np

from isthmus.bridges.bridge import Bridge
from isthmus.bridges.choice import Choice, check_relation, choose, forecast, pair_score
from isthmus.bridges.familiarity import Familiarity
from isthmus.bridges.fit_shards import shard_moments
from isthmus.bridges.linear import LOO_ROWS
from isthmus.bridges.rows import Pairing, known_pairs
from isthmus.bridges.shortlist import with_few_pairs
from isthmus.core.arrays import widened
from isthmus.core.engine import Engine
from isthmus.core.errors import InputError
from isthmus.core.neighbors import partner_ranks, unit
from isthmus.core.random import generator
from isthmus.core.registry import Method
from isthmus.core.registry import method as find_method
from isthmus.core.score import Score
from isthmus.spaces.open import open
from isthmus.spaces.pairs import Pairs, pair
from isthmus.spaces.space import Space

#: Pairs that ``auto`` looks at, and rows a side that methods which cannot stream see, at most.
SAMPLE = 20_000
_HELD_OUT = 2000
#: With fewer held-out pairs even perfect retrieval does not rule chance out.
_PROOF = 20
#: Fewer pairs than this are all learnt from.
_FEW = 10
#: A fit is refused, or a quicker one taken, when it is forecast to take so many budgets.
_FAR_BEYOND = 2.0


def fit(
    source: Any,
    target: Any = None,
    *,
    pairs: Pairing = None,
    method: str = "auto",
    holdout: float = 0.2,
    seed: int = 0,
    budget: float | None = None,
    engine: Engine | None = None,
    **params: Any,
) -> Bridge:
    """Fit a bridge from ``source`` to ``target``, and prove on held-out pairs that it works.

    Parameters
    ----------
    source, target : spaces, paths or arrays; or one ``Pairs``
    pairs : which rows are pairs. None: those of one id (by position where neither has ids);
        ``(i, j)``: row i[k] of the source and row j[k] of the target; ``()``: none is known.
        A method that learns from rows without partner too is given all rows but the held-out pairs
    method : a bridge's name, or ``auto``: of those worth trying on such data the simplest within
        one standard error of the best, by retrieval of held-out pairs. With fewer than 10 pairs
        nothing can be held out, and ``auto`` takes what does best then on real data
    holdout : share of the ids kept aside for the proof; which ids depends on them and ``seed``
        alone, so that ``evaluate`` can find them again. Fewer than 10 pairs are all learnt from
    seed : seed of every random choice
    budget : seconds that ``auto`` may take to try and to fit; None for all the time it needs. It
        bounds what is done on a sample of 20,000 rows a side; a bridge that streams then goes once
        over all pairs. With fewer than 10 pairs, a fit that is forecast to take twice as long makes
        room for a quicker one, or is refused where there is none
    engine : where moments are summed, of ``isthmus.engine``, for the bridges that fit from them;
        here, in one pass, when None. Whatever else a fit needs is done here on a sample
    params : parameters of the method's estimator

    Raises
    ------
    NoRelationFound
        When held-out partners are not found better than by chance: the rows look shuffled.
    NoReliableBridge
        When an unpaired method cannot tell whether the map that it found is right.
    PairingError, InputError
        When nothing can be paired, values cannot be used, or ``budget`` is far too short or given
        with a named method, which it does not bound.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(200, 4)) * [4, 3, 2, 1]
    >>> print(repr(fit(x, x[:, ::-1], method="orthogonal")))
    <Bridge orthogonal: a space of dim 4 -> a space of dim 4, ... pairs, held-out MRR 1.000>
    """
    known = _paired(source, target, pairs)
    known.check_finite()
    train, test = (known, None) if len(known) < _FEW else known.split(holdout, seed=seed)
    choice = None
    if method == "auto":
        if params:
            raise InputError("fit", f"method='auto' with {sorted(params)}", "no parameters")
        method, choice = _chosen(train, test, seed, budget)
    elif budget is not None:
        raise InputError(
            "fit", f"method={method!r} with budget={budget:g}", "method='auto', or no budget",
            "The budget bounds the choice between methods, and no one method's own time.",
        )  # fmt: skip
    found = find_method("bridges", method)
    if found.card.spaces != 2:
        raise InputError(
            "fit", f"method {method!r}, which takes something else than two spaces",
            "a bridge between two spaces", f"Call isthmus.bridges.{found.call.__name__} itself.",
        )  # fmt: skip
    estimator, used = _fitted(found, params, train, test, seed, engine)
    bridge = Bridge(
        estimator,
        source=known.source.fingerprint(),
        target=known.target.fingerprint(),
        pairs=used,
        holdout=None if test is None else {"test": holdout, "seed": seed},
        choice=choice,
        familiarity=_familiar(train, test, seed),
    )
    if test is not None:
        bridge.scores = _prove(bridge, _sample(test, _HELD_OUT, seed), train)
        if bridge.scores["mrr"].n >= _PROOF:
            check_relation(bridge.scores["mrr"], f"{method} on {used:,} pairs")
    return bridge


def _chosen(
    train: Pairs, test: Pairs | None, seed: int, budget: float | None
) -> tuple[str, Choice | None]:
    """The method that ``auto`` takes, and the table where there was anything to choose between."""
    x, y, i, j = _all_rows(train, test, seed)
    free = np.delete(x, i, axis=0), np.delete(y, j, axis=0)
    if len(i) >= _FEW:
        choice = choose(x[i], y[j], unpaired=free, budget=budget, rng=seed)
        return choice.chosen, choice
    names = with_few_pairs(len(i), unpaired=min(map(len, free)))
    if budget is None:
        return names[0], None
    slow: list[tuple[str, float | None]] = []
    for name in names:
        estimator = find_method("bridges", name).call()
        needed = forecast(estimator, x[i], y[j], free, budget=budget)
        if needed <= _FAR_BEYOND * budget:
            why = f"{name}: the best within the budget on so few pairs; none is held out."
            return name, Choice((), name, why, tuple(slow)) if slow else None
        slow.append((name, needed))
    raise InputError(
        "fit", f"a budget of {budget:g} s, where {name} would take about {needed:.0f} s",
        "more time for what so few known pairs allow", "Raise the budget, or leave it out.",
    )  # fmt: skip


def _paired(source: Any, target: Any, pairs: Pairing) -> Pairs:
    """The known pairs, perhaps none, of two spaces."""
    if pairs is None:
        return source if isinstance(source, Pairs) and target is None else pair(source, target)
    ends = [end if isinstance(end, Space) else open(end) for end in (source, target)]
    i, j = known_pairs(pairs, len(ends[0]), len(ends[1]), operation="fit")
    order = np.argsort(i, kind="stable")
    left = len(ends[0]) - len(i), len(ends[1]) - len(j)
    return Pairs(ends[0], ends[1], i[order], j[order], left_over=left)


def _fitted(
    found: Method,
    params: dict[str, Any],
    train: Pairs,
    test: Pairs | None,
    seed: int,
    engine: Engine | None,
) -> tuple[Any, int]:
    """The estimator fitted on everything but the held-out pairs, and how many pairs it knew."""
    try:
        estimator = found.call(**params)
    except TypeError as error:
        known = ", ".join(found.call().get_params())
        raise InputError(
            f"fit {found.name}", f"parameters {sorted(params)}", f"some of: {known}"
        ) from error
    if found.card.pairs != "all":
        x, y, i, j = _all_rows(train, test, seed)
        estimator.fit(x, y, pairs=(i, j))
        return estimator, len(i)
    if not len(train):
        raise InputError(
            f"fit {found.name}", "no known pair", "pairs: this bridge learns from them alone",
            "Name a bridge that needs none: isthmus methods --room bridges.",
        )  # fmt: skip
    if found.card.streams:
        seen = _sample(train, LOO_ROWS, seed)
        moments = shard_moments(train, keeps=estimator.keeps, engine=engine)
        estimator.fit_moments(moments, widened(seen.x), widened(seen.y))
        return estimator, len(train)
    seen = _sample(train, SAMPLE, seed)
    estimator.fit(widened(seen.x), widened(seen.y))
    return estimator, len(seen)


def _all_rows(
    train: Pairs, test: Pairs | None, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows of both spaces, at most ``SAMPLE`` each, and which of them are known pairs."""
    kept = _sample(train, SAMPLE, seed)
    held = train.select(slice(0, 0)) if test is None else test
    sides = []
    for space, mine, taken, left in (
        (train.source, kept.rows_source, (train.rows_source, held.rows_source), train.left_over[0]),
        (train.target, kept.rows_target, (train.rows_target, held.rows_target), train.left_over[1]),
    ):
        room = SAMPLE - len(mine)
        free = _others(len(space), np.concatenate(taken), seed) if left else mine[:0]
        if len(free) > room:
            free = generator(seed).choice(free, size=room, replace=False)
        rows = np.sort(np.concatenate([mine, free]))
        sides.append((widened(space.take(rows)), np.searchsorted(rows, mine)))
    (x, i), (y, j) = sides
    for side, space in ((x, train.source), (y, train.target)):
        if not np.isfinite(side).all():
            raise InputError(
                "fit", f"NaN or infinity in rows of {space.name!r}", "finite vectors",
                "Leave them out first.",
            )  # fmt: skip
    return x, y, i, j


def _others(count: int, taken: np.ndarray, seed: int) -> np.ndarray:
    """Row numbers below ``count`` that are not taken: all, or enough of a huge number of rows."""
    if count <= 50 * SAMPLE:
        return np.setdiff1d(np.arange(count), taken)
    return np.setdiff1d(generator(seed).integers(count, size=4 * SAMPLE), taken)


def _familiar(train: Pairs, test: Pairs | None, seed: int) -> Familiarity:
    """What the source's rows look like, from fitted rows, calibrated on held-out ones."""
    source = train.source
    rows = train.rows_source
    if len(rows) < _HELD_OUT and train.left_over[0]:
        held = rows[:0] if test is None else test.rows_source
        rows = _others(len(source), held, seed)
    if len(rows) > 2 * _HELD_OUT:
        rows = np.sort(generator(seed).choice(rows, size=2 * _HELD_OUT, replace=False))
    held_out = np.empty((0, source.dim)) if test is None else _sample(test, _HELD_OUT, seed).x
    return Familiarity.of(widened(source.take(rows)), widened(held_out), rng=seed)


def _prove(bridge: Bridge, test: Pairs, train: Pairs) -> dict[str, Score]:
    translated, truth = bridge.transform(widened(test.x)), widened(test.y)
    # Partners of fitted rows serve as further distractors when few pairs are held out.
    extra = _sample(train, max(_HELD_OUT - len(test), 0), 0)
    pool = np.concatenate([truth, widened(extra.y)]) if len(extra) else truth
    ranks = 1 / partner_ranks(translated, pool)
    cosines = np.sum(unit(translated) * unit(truth), axis=1)
    return {
        "mrr": pair_score(ranks, len(pool)),
        "top1": _mean_score("true_pair_top1", (ranks == 1).astype(float), 1 / len(pool)),
        "cosine": _mean_score("cosine", cosines, None),
    }


def _mean_score(name: str, values: np.ndarray, chance: float | None) -> Score:
    n, mean = len(values), float(values.mean())
    spread = 1.96 * float(values.std(ddof=1)) / n**0.5 if n > 1 else float("nan")
    ci = (mean - spread, mean + spread) if n > 1 else None
    return Score(value=mean, method=name, n=n, ci=ci, chance=chance)


def _sample(pairs: Pairs, count: int, seed: int) -> Pairs:
    if len(pairs) <= count:
        return pairs
    return pairs.select(np.sort(generator(seed).choice(len(pairs), size=count, replace=False)))
