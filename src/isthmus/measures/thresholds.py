r"""Which distances reach which thresholds: compared in float32, in float64 where that is in doubt.

Shared by the measures of this room that count ranks; holds no method of its own.
"""

import numpy as np

from isthmus.core.arrays import Array, namespace, row_blocks, take, to_numpy
from isthmus.core.linalg import pair_products
from isthmus.measures.ranks import offsets

#: Columns of one product in float32: fewer round less, and leave fewer comparisons in doubt.
_COLUMNS = 256
#: Share of comparisons in doubt beyond which a product in float64 is faster than one by one.
_DOUBT = 1 / 32
#: Thresholds a row up to which comparing with each is faster than a binary search.
_COMPARED = 16


class Thresholds:
    r"""Squared distances |x_j - x_i|² - |x_i|² of the rows of ``points``, as ``offsets`` has them.

    A product of d columns in float32 is off by at most (d + 2) u |x_i| |x_j|, u = 2^-24. What lies
    no nearer to a threshold than that is compared for good; the others are taken anew in float64.

    Parameters
    ----------
    points, norms : (n, d) and (n,), as ``ranks.centred_points`` gives them
    """

    def __init__(self, points: Array, norms: np.ndarray) -> None:
        xp = namespace(points)
        self._points, self._norms = points, norms
        self._host, self._coarse = to_numpy(points), xp.astype(points, xp.float32)
        width, lengths = int(points.shape[1]), np.sqrt(norms)
        longest = float(lengths.max())
        terms = min(width, _COLUMNS) + width // _COLUMNS + 12
        unit = np.finfo(np.float32).eps / 2
        self._blur = terms * unit * (2 * lengths + longest) * longest + 1e-30

    def exact(self, rows: np.ndarray, near: np.ndarray) -> np.ndarray:
        """The squared distances of the rows ``near`` (r, t) from ``rows``, less |x_i|², (r, t)."""
        return self._pairs(rows.repeat(near.shape[1]), near.ravel()).reshape(near.shape)

    def _pairs(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        products: np.ndarray = self._norms[j] - 2 * pair_products(self._host, i, self._host, j)
        return products

    def rough(self, rows: np.ndarray) -> np.ndarray:
        """Those of ``rows`` to all in float32, (r, n); infinite to themselves."""
        asked, found = take(self._coarse, rows), 0.0
        for columns in row_blocks(self._host.shape[1], _COLUMNS):
            found = found + asked[:, columns] @ self._coarse[:, columns].T
        out = to_numpy(found)
        out *= -2
        out += self._norms.astype(np.float32)
        out[np.arange(len(rows)), rows] = np.inf
        return out

    def reached(
        self, rows: np.ndarray, rough: np.ndarray, near: np.ndarray, limits: np.ndarray
    ) -> np.ndarray:
        """How many of the ascending ``limits`` (r, t) of its row each distance reaches, (r, n).

        ``limits`` were taken from the ``exact`` distances of the rows ``near`` (r, t).
        """
        blur = self._blur[rows, None]
        sure, possible = _count(rough, limits + blur), _count(rough, limits - blur)
        doubt = np.flatnonzero(sure != possible)
        if len(doubt) > _DOUBT * rough.size:
            d = offsets(self._points, self._norms, rows)
            # A product rounds otherwise than one pair does, and ties are to stay ties.
            return _count(d, limits + (np.take_along_axis(d, near, 1) - self.exact(rows, near)))
        i, j = np.divmod(doubt, rough.shape[1])
        settled = self._pairs(rows[i], j)[:, None] >= limits[i]
        sure.reshape(-1)[doubt] = settled.sum(axis=1)
        return sure


def _count(d: np.ndarray, limits: np.ndarray) -> np.ndarray:
    limits = limits.astype(d.dtype)
    if limits.shape[1] > _COMPARED:
        rows = zip(limits, d, strict=True)
        return np.stack([np.searchsorted(one, each, side="right") for one, each in rows])
    count = np.zeros(d.shape, np.int8)
    for limit in limits.T:
        count += (d >= limit[:, None]).view(np.int8)
    return count
