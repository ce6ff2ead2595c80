"""What bridges through anchors share: choosing the anchors, and decoding codes into the target."""

from collections.abc import Callable

import numpy as np

from isthmus.bridges.linear import LOO_ROWS
from isthmus.core.arrays import Array, like
from isthmus.core.errors import InputError
from isthmus.core.linalg import RidgePath
from isthmus.core.moments import Moments
from isthmus.core.neighbors import directions, unit
from isthmus.core.random import Seed
from isthmus.core.registry import method, methods

#: Rows that anchors are chosen among and a decoder is fitted on; more cost memory, change little.
ROWS = 20_000

#: Codes (n, m) of rows (n, d).
Encode = Callable[[np.ndarray], np.ndarray]


def chosen_pairs(
    source: np.ndarray, target: np.ndarray, count: int, *, sampler: str, rng: Seed, operation: str
) -> np.ndarray:
    """Numbers of at most ``count`` rows to be anchors, chosen among the source's by ``sampler``.

    A row of zeros on either side has no direction and is no anchor, nor is a second copy of one
    source row: both would be columns that say nothing new. So fewer may be found than asked for.

    Raises InputError when no row is left, on ``count`` below 1, or on a sampler unknown or in need
    of more than rows.
    """
    if not (isinstance(count, int | np.integer) and count >= 1):
        raise InputError(operation, f"anchors={count!r}", "an integer of at least 1")
    found = method("anchors", sampler)
    if found.card.spaces != 1 or found.card.given:
        known = [m.name for m in methods("anchors") if m.card.spaces == 1 and not m.card.given]
        raise InputError(
            operation, f"sampler {sampler!r}, which takes more than one space's rows",
            f"one of {', '.join(known)}",
        )  # fmt: skip
    usable = np.flatnonzero(source.any(axis=1) & target.any(axis=1))
    # Copies have equal sums, which few others share: those alone are compared byte by byte.
    sums = source[usable].sum(axis=1)
    _, place, counts = np.unique(sums, return_inverse=True, return_counts=True)
    alone = counts[place] == 1
    first: dict[bytes, int] = {}
    for row in usable[~alone].tolist():
        first.setdefault((source[row] + 0.0).tobytes(), row)  # of zeros the sign does not count
    copied = np.fromiter(first.values(), np.int64, len(first))
    usable = np.sort(np.concatenate([usable[alone], copied]))
    if not len(usable):
        raise InputError(operation, "only zero vectors", "rows with a direction")
    picked: np.ndarray = usable[found.call(source[usable], min(count, len(usable)), rng=rng)]
    return picked


def ridge_decoder(
    target: np.ndarray, source: np.ndarray, encode_target: Encode, encode_source: Encode
) -> tuple[np.ndarray, np.ndarray, float]:
    """Map D (m, dy), offset o and penalty of the linear decoder r ↦ r D + o of target directions.

    D inverts the target's own encoding: ridge regression of directions of its rows (n, dy) on their
    codes. The penalty is the one under which decoded codes of the partners ``source`` (n, dx) point
    closest to the target's rows, over at most ``LOO_ROWS`` pairs spread evenly.
    """
    path = RidgePath(Moments.of(encode_target(target), unit(target), keeps="source"))
    rows = np.linspace(0, len(target) - 1, min(LOO_ROWS, len(target))).astype(int)
    # Only directions count: decoded rows are rescaled anyway.
    cosines = path.cosines(encode_source(source[rows]), unit(target[rows])).mean(axis=1)
    alpha = float(path.ALPHAS[int(np.argmax(cosines))])
    coef = path.coef(alpha)
    return coef, path.mean_y - path.mean_x @ coef, alpha


def decoded(codes: Array, coef: np.ndarray, offset: np.ndarray, norm: float) -> Array:
    """Codes (n, m) as vectors of length ``norm`` in the direction of r D + o, (n, dy)."""
    return directions(codes @ like(coef, codes) + like(offset, codes)) * norm
