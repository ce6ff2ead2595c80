"""The anchor budget curve: how many anchors, chosen how, does retrieval need?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.bridges.relative import relative
from isthmus.core.arrays import Array, paired, to_numpy
from isthmus.core.errors import InputError
from isthmus.core.neighbors import partner_ranks
from isthmus.core.random import Seed, generator
from isthmus.core.registry import Method, method, methods

SIZES = (10, 20, 50, 100, 150, 200, 300, 500)
#: Samplers whose choice of fewer anchors is the beginning of their choice of more.
_NESTED = {"d2_sampling", "facility_location", "farthest_point", "herding", "label_covering",
           "pivoted_qr"}  # fmt: skip
#: Pairs that anchors are chosen among, and held-out pairs, at most.
_POOL, _HELD_OUT = 4000, 1000
_SHARE = 0.2
#: Columns of one table, so that it fits a terminal.
_COLUMNS = 4


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One sampler at one number of anchors: held-out MRR and top-1 with their 95 % intervals.

    The intervals cover both which queries were held out and which anchors were drawn.
    """

    sampler: str
    anchors: int
    mrr: float
    mrr_ci: tuple[float, float]
    top1: float
    top1_ci: tuple[float, float]


@dataclass(frozen=True, slots=True)
class AnchorCurve:
    """Retrieval against the number of anchors, per sampler, and what it recommends.

    ``recommended`` maps each sampler to its smallest number of anchors whose MRR lies within one
    standard error of its best, the error being that of the paired difference over queries and
    repeats; ``best`` is (sampler, anchors), the smallest number of any sampler within one standard
    error of the best of all. ``pairs``, ``held_out`` and ``repeats`` say what it rests on.
    """

    points: tuple[CurvePoint, ...]
    recommended: dict[str, int]
    best: tuple[str, int]
    pairs: int
    held_out: int
    repeats: int

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        rows = [
            {
                "sampler": p.sampler, "anchors": p.anchors, "mrr": p.mrr, "mrr_ci": list(p.mrr_ci),
                "top1": p.top1, "top1_ci": list(p.top1_ci),
            }
            for p in self.points
        ]  # fmt: skip
        return {
            "kind": "anchor curve", "points": rows, "recommended": dict(self.recommended),
            "best": {"sampler": self.best[0], "anchors": self.best[1]}, "pairs": self.pairs,
            "held_out": self.held_out, "repeats": self.repeats,
        }  # fmt: skip

    def __str__(self) -> str:
        sizes = sorted({p.anchors for p in self.points})
        value = {(p.sampler, p.anchors): p for p in self.points}
        lines = [
            f"Relative codes of {self.held_out:,} held-out pairs, {self.repeats} sets of anchors "
            "each"
        ]
        for start in range(0, len(sizes), _COLUMNS):
            shown = sizes[start : start + _COLUMNS]
            head = " ".join(f"{size:>13}" for size in shown)
            lines.append(f"{'MRR [95 %], anchors':<19} {head} take")
            for name, size in self.recommended.items():
                cells = " ".join(_cell(value[name, s]) for s in shown)
                mark = "*" if name == self.best[0] else " "
                lines.append(f"{mark} {name:<17.17} {cells} {size:>4}")
        chosen = value[self.best]
        low, high = chosen.mrr_ci
        lines += [
            f"recommended: {self.best[1]} anchors by {self.best[0]}, MRR {chosen.mrr:.3f} "
            f"[{low:.3f}, {high:.3f}],",
            f"  top-1 {chosen.top1:.3f} [{chosen.top1_ci[0]:.3f}, {chosen.top1_ci[1]:.3f}]; "
            "fewest within one standard error of the best",
        ]
        return "\n".join(lines)


def anchor_curve(
    x: Array,
    y: Array | None = None,
    *,
    samplers: Sequence[str] | None = None,
    sizes: Sequence[int] | None = None,
    labels: Array | None = None,
    repeats: int = 3,
    rng: Seed = 0,
) -> AnchorCurve:
    r"""Held-out retrieval by relative codes against the number of anchors, for every sampler.

    A fifth of the pairs (1,000 at most) is held out. Per repeat each sampler chooses anchors among
    4,000 random ones of the other pairs, by their source rows; held-out partners are looked for
    among each other by the cosine of their codes. A point's variance is that of the mean over
    queries of each query's mean over repeats, plus that between repeats over their number.

    Parameters
    ----------
    x, y : (n, dx) and (n, dy), paired by position; or x a ``Pairs``
    samplers : names from ``isthmus methods --room anchors``; None: all that need no labels, and
        with ``labels`` those too
    sizes : numbers of anchors; None: 10 to 500 in eight steps, as far as there are pairs
    labels : (n,) classes, for samplers that cover them
    repeats : sets of anchors per point, at least 2
    rng : seed or Generator

    Raises
    ------
    InputError
        On rows that cannot be used or paired, fewer than 20 pairs, an unknown sampler, or sizes
        beyond the pairs that anchors are chosen among.

    References
    ----------
    Moschella et al. 2023, Relative representations enable zero-shot latent space communication.

    Examples
    --------
    >>> x, noise = np.random.default_rng(0).normal(size=(2, 300, 6))
    >>> curve = anchor_curve(x, x + 0.3 * noise, samplers=["uniform"], sizes=[2, 20])
    >>> curve.best
    ('uniform', 20)
    """
    x, y = paired(x, y, operation="anchor curve", min_rows=20)
    source, target = to_numpy(x), to_numpy(y)
    n = len(source)
    groups = None if labels is None else to_numpy(np.asarray(labels))
    if groups is not None and len(groups) != n:
        raise InputError("anchor curve", f"{len(groups)} labels", f"{n}, one a row")
    if repeats < 2:
        raise InputError("anchor curve", f"repeats={repeats}", "at least 2, for an interval")
    chosen = _samplers(samplers, given=groups is not None)
    rng = generator(rng)
    order = rng.permutation(n)
    held = order[: min(int(_SHARE * n), _HELD_OUT)]
    rest = order[len(held) :]
    rest = rest[source[rest].any(axis=1) & target[rest].any(axis=1)]
    pool = min(len(rest), _POOL)
    counts = _sizes(sizes, pool)
    ranks = np.empty((len(chosen), len(counts), repeats, len(held)))
    for repeat in range(repeats):
        among = np.sort(rng.permutation(rest)[:pool])
        seed = int(rng.integers(2**31))
        for s, sampler in enumerate(chosen):
            given = {} if groups is None else {"labels": groups[among]}
            given = {name: given[name] for name in sampler.card.given}
            for c, rows in enumerate(_choices(sampler, source[among], counts, seed, given)):
                anchors = among[rows]
                codes = (relative(side[held], side[anchors]) for side in (source, target))
                ranks[s, c, repeat] = partner_ranks(*codes)
    return _summed(chosen, counts, ranks, n)


def _cell(point: CurvePoint) -> str:
    """MRR and its interval in 13 columns, as ``.62 [.58,.66]``."""
    value, low, high = (
        f"{v:.2f}".removeprefix("0") if v < 0.995 else "1.0" for v in (point.mrr, *point.mrr_ci)
    )
    return f"{value} [{low},{high}]".rjust(13)


def _samplers(names: Sequence[str] | None, *, given: bool) -> list[Method]:
    if names is None:
        return [m for m in methods("anchors") if given or not m.card.given]
    found = [method("anchors", name) for name in dict.fromkeys(names)]
    lacking = [m.name for m in found if m.card.given and not given]
    if lacking or not found:
        raise InputError(
            "anchor curve", f"samplers {lacking} without labels", "samplers, and what they need",
            "Give labels=..., or leave them out.",
        )  # fmt: skip
    return found


def _sizes(sizes: Sequence[int] | None, pool: int) -> list[int]:
    wanted = sorted({*(SIZES if sizes is None else sizes)})
    if sizes is None:
        wanted = [size for size in wanted if size <= pool // 2] or [max(pool // 2, 1)]
    if not wanted or wanted[0] < 1 or wanted[-1] > pool:
        raise InputError(
            "anchor curve", f"sizes {wanted}", f"numbers from 1 to {pool}, the pairs at hand"
        )  # fmt: skip
    return [int(size) for size in wanted]


def _choices(
    sampler: Method, rows: np.ndarray, counts: list[int], seed: int, given: dict[str, Any]
) -> list[np.ndarray]:
    """The sampler's row numbers for every count."""
    if sampler.name in _NESTED:
        most: np.ndarray = sampler.call(rows, counts[-1], rng=seed, **given)
        return [most[:count] for count in counts]
    return [sampler.call(rows, count, rng=seed, **given) for count in counts]


def _summed(chosen: list[Method], counts: list[int], ranks: np.ndarray, n: int) -> AnchorCurve:
    held, repeats = ranks.shape[-1], ranks.shape[2]
    values = {"mrr": 1 / ranks, "top1": (ranks == 1).astype(float)}
    mean = {name: v.mean(axis=(2, 3)) for name, v in values.items()}
    error = {
        name: np.sqrt(
            v.mean(axis=2).var(axis=-1, ddof=1) / held
            + v.mean(axis=3).var(axis=-1, ddof=1) / repeats
        )
        for name, v in values.items()
    }

    def ends(name: str, s: int, c: int) -> tuple[float, float]:
        middle, half = mean[name][s, c], 1.96 * error[name][s, c]
        return float(max(middle - half, 0.0)), float(min(middle + half, 1.0))

    points = tuple(
        CurvePoint(
            sampler=sampler.name, anchors=count, mrr=float(mean["mrr"][s, c]),
            mrr_ci=ends("mrr", s, c), top1=float(mean["top1"][s, c]), top1_ci=ends("top1", s, c),
        )
        for s, sampler in enumerate(chosen) for c, count in enumerate(counts)
    )  # fmt: skip
    recommended = {}
    for s, sampler in enumerate(chosen):
        recommended[sampler.name] = counts[_fewest(values["mrr"][s])]
    flat = values["mrr"].reshape(-1, repeats, held)
    top = int(np.argmax(flat.mean(axis=(1, 2))))
    near = [
        (counts[c], -mean["mrr"][s, c], s)
        for s in range(len(chosen)) for c in range(len(counts))
        if _within(values["mrr"][s, c], flat[top])
    ]  # fmt: skip
    size, _, s = min(near)
    return AnchorCurve(points, recommended, (chosen[s].name, size), n, held, repeats)


def _fewest(values: np.ndarray) -> int:
    """The first (repeats, held) of values, by size, within one standard error of the best."""
    best = int(np.argmax(values.mean(axis=(1, 2))))
    return next(c for c in range(len(values)) if _within(values[c], values[best]))


def _within(values: np.ndarray, best: np.ndarray) -> bool:
    """Whether the paired shortfall to the best is at most its own standard error."""
    gap = best - values
    repeats, held = gap.shape
    error = np.sqrt(
        gap.mean(axis=0).var(ddof=1) / held + gap.mean(axis=1).var(ddof=1) / repeats
    )  # fmt: skip
    return bool(gap.mean() <= error)
