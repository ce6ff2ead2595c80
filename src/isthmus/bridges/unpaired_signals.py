"""What matches found without a pair look like, without a pair: three signals beside agreement.

They tell right ends from wrong ones on real spaces (``docs/results/unpaired.md``), but a map that
mirrors what is nearly its own mirror image has all three and is wrong, so none makes a bridge.
"""

import numpy as np

from isthmus.bridges.matching import best_matches
from isthmus.bridges.self_training import Matches, Side, shared
from isthmus.core.neighbors import neighbors

#: Nearest rows that are compared.
_NEAREST = 10


def signals(x: Side, y: Side, found: Matches, rng: np.random.Generator) -> dict[str, float]:
    """All three of an end, by name; each 0 where fewer than four rows are matched."""
    if len(found.i) < 4:
        return {"cycle": 0.0, "neighbours": 0.0, "assignment": 0.0}
    return {
        "cycle": cycle(x, y, found, rng),
        "neighbours": neighbours(x, y, found),
        "assignment": assignment(x, y, found),
    }


def cycle(x: Side, y: Side, found: Matches, rng: np.random.Generator) -> float:
    """Share of source rows to which their best target row leads back, by maps of either half.

    One map would lead back to about half of all rows though it were wrong; maps of two halves of
    the matches, which share no match, lead back where both are right.
    """
    first = rng.permutation(len(found.i)) < len(found.i) // 2
    there = best_matches(*shared(x, y, found.i[first], found.j[first]))[0]
    back = best_matches(*shared(x, y, found.i[~first], found.j[~first]))[1]
    return float(np.mean(back[there] == np.arange(len(x.rows))))


def neighbours(x: Side, y: Side, found: Matches) -> float:
    """Share of a matched row's 10 nearest matched rows that its match has too, beyond chance."""
    n = len(found.i)
    k = min(_NEAREST, n - 2)
    ours, theirs = (
        neighbors(rows, rows, k, metric="inner", exclude_self=True)[0]
        for rows in (x.rows[found.i], y.rows[found.j])
    )
    share, chance = (ours[:, :, None] == theirs[:, None, :]).sum() / (n * k), k / (n - 1)
    return float((share - chance) / (1 - chance))


def assignment(x: Side, y: Side, found: Matches) -> float:
    r"""Correlation of the cosines between matched rows on one side with those on the other.

    What quadratic assignment maximises. Sums over pairs of rows need no matrix of pairs:
    Σ_kl (a_k·a_l)(b_k·b_l) = ‖AᵀB‖², of which the n terms with k = l are left out.

    >>> rows = np.random.default_rng(0).normal(size=(50, 3))
    >>> side = Side.of(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    >>> every = np.arange(50)
    >>> round(assignment(side, side, Matches(every, every, np.ones(50), 1.0)), 3)
    1.0
    """
    a, b = x.rows[found.i].astype(np.float64), y.rows[found.j].astype(np.float64)
    cells = len(a) * (len(a) - 1)

    def products(p: np.ndarray, q: np.ndarray) -> float:
        own = np.einsum("ij,ij->i", p, p) @ np.einsum("ij,ij->i", q, q)
        return float((np.linalg.norm(p.T @ q) ** 2 - own) / cells)

    def mean(p: np.ndarray) -> float:
        return float((np.linalg.norm(p.sum(axis=0)) ** 2 - np.sum(p**2)) / cells)

    both = products(a, b) - mean(a) * mean(b)
    each = (products(a, a) - mean(a) ** 2) * (products(b, b) - mean(b) ** 2)
    return float(both / np.sqrt(each)) if each > 0 else 0.0
