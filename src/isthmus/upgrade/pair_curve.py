"""How many pairs are enough: held-out retrieval of a bridge fitted on more and more of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.core.arrays import widened
from isthmus.core.neighbors import partner_ranks
from isthmus.core.random import Seed, generator
from isthmus.core.registry import method
from isthmus.spaces.pairs import Pairs

_SIZES = (50, 100, 200, 500, 1000, 2000, 5000, 10_000)
_HELD_OUT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class PairCurve:
    """Mean reciprocal rank of held-out partners by number of pairs, and how many are ``enough``.

    ``enough`` is the fewest within one standard error of the best, the error being that of the
    paired difference; None where the most that could be tried is still better than any fewer.
    """

    bridge: str
    sizes: tuple[int, ...]
    mrr: tuple[float, ...]
    enough: int | None
    held_out: int

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "bridge": self.bridge, "sizes": list(self.sizes), "mrr": list(self.mrr),
            "enough": self.enough, "held_out": self.held_out,
        }  # fmt: skip


def pair_curve(pairs: Pairs, *, bridge: str, rng: Seed = 0) -> PairCurve:
    """Fit ``bridge`` on 50, 100, ... of the pairs and look for held-out partners among each other.

    A fifth of the pairs, 1000 at most, is held out. For numbers of anchors of relative codes, and
    ways to choose them, see ``isthmus anchors --curve``.

    Examples
    --------
    >>> import isthmus
    >>> x = np.random.default_rng(0).normal(size=(200, 4))
    >>> pair_curve(isthmus.pair(x, x[:, ::-1]), bridge="orthogonal").enough
    50
    """
    order = generator(rng).permutation(len(pairs))
    held, free = np.split(order, [min(_HELD_OUT, max(1, len(order) // 5))])
    x, y = pairs.x, pairs.y
    sizes = [size for size in _SIZES if size < 0.9 * len(free)] + [min(len(free), _SIZES[-1])]
    values = []
    for size in sizes:
        # Fewer pairs are the first of more, so that only the number differs.
        known = free[:size]
        estimator = method("bridges", bridge).call().fit(widened(x[known]), widened(y[known]))
        ranks = partner_ranks(estimator.transform(widened(x[held])), widened(y[held]))
        values.append(1.0 / np.asarray(ranks))
    means = [float(value.mean()) for value in values]
    best = int(np.argmax(means))
    near = next(i for i, value in enumerate(values) if _near(value, values[best]))
    return PairCurve(
        bridge=bridge, sizes=tuple(sizes), mrr=tuple(means), held_out=len(held),
        enough=None if near == len(sizes) - 1 and near else sizes[near],
    )  # fmt: skip


def _near(value: np.ndarray, best: np.ndarray) -> bool:
    behind = best - value
    return bool(behind.mean() <= behind.std(ddof=1) / len(behind) ** 0.5 + 1e-12)
