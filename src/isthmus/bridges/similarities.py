"""Similarities of vectors to anchors, the codes of relative representations, and their sparsity."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from isthmus.bridges.similarity_products import BY_PRODUCT, by_product, check_squares
from isthmus.core.arrays import (
    Array,
    check_finite,
    is_numpy,
    like,
    matrix,
    namespace,
    row_blocks,
    to_numpy,
)
from isthmus.core.engine import map_on_cores
from isthmus.core.errors import InputError
from isthmus.core.neighbors import directions

#: Rows a block, and differences held at a time, of distances that are no product.
_BLOCK, _CELLS = 1024, 1 << 20
#: Similarities that are large where two vectors are alike and near zero where they are not.
BOUNDED = ("cosine", "angular", "kernel")
#: Anchors whose distances decide the kernel's width, at most.
_WIDTH_ROWS = 1024
_OPERATION = "relative representation"


def relative(
    x: Array,
    anchors: Array,
    *,
    similarity: str = "cosine",
    width: float | None = None,
    top: int | None = None,
    power: float = 1.0,
) -> Array:
    r"""Similarities of every row to every anchor, the relative representation.

    r_ij is, for the angle θ and the difference g between x_i and a_j,

    - ``cosine``: cos θ;  ``angular``: 1 - 2 θ/π
    - ``euclidean``, ``l1``, ``linf``: minus that norm of g
    - ``kernel``: exp(-|g|² / 2 w²), w the median distance between anchors unless given.

    A zero row of x is at right angles to everything; a zero anchor, of which cosine and angle could
    say nothing else of any row, they refuse, as distances and kernel do not. With ``top`` or
    ``power`` codes are those of ASIF: only the k largest |r_ij| of a row stay, become
    sign(r) |r|^p, and the row gets length one.

    Parameters
    ----------
    x : (n, d) array
    anchors : (m, d) array of the same kind
    similarity : ``cosine``, ``angular``, ``euclidean``, ``l1``, ``linf`` or ``kernel``
    width : w of the kernel
    top : k, or None for all; those equal to the k-th stay too
    power : p

    Returns
    -------
    (n, m) array of x's kind and precision

    Raises
    ------
    InputError
        On unequal dims, an unknown similarity, a width or power that is not positive, zero anchors
        for cosine or angle (names their rows), or ``top`` or ``power`` with a distance, of which
        the largest would be kept.

    References
    ----------
    Moschella et al. 2023, eq. 2; Cannistraci et al. 2024 for the distances; Norelli et al. 2023,
    ASIF: Coupled data turns unimodal models to multimodal without training, for top and power.

    Examples
    --------
    >>> import numpy as np
    >>> anchors = np.array([[1.0, 0.0], [0.0, 3.0], [-1.0, 0.0]])
    >>> relative(np.array([[2.0, 0.0]]), anchors).tolist()
    [[1.0, 0.0, -1.0]]
    >>> relative(np.array([[2.0, 1.0]]), anchors, top=1).tolist()
    [[0.7071067811865475, 0.0, -0.7071067811865475]]
    """
    x = matrix("x", x, operation=_OPERATION, finite=False)
    a = matrix("anchors", anchors, operation=_OPERATION)
    xp = namespace(x, a)
    if x.shape[1] != a.shape[1]:
        raise InputError(
            _OPERATION, f"x {tuple(x.shape)} and anchors {tuple(a.shape)}", "equal dims"
        )
    check(similarity, top=top, power=power)
    empty = np.flatnonzero(to_numpy(xp.all(a == 0, axis=1)))
    if len(empty) and similarity in ("cosine", "angular"):
        raise InputError(
            _OPERATION, f"zero anchors, rows {empty[:5].tolist()} ({len(empty)} in all)",
            f"a direction for {similarity}", "Leave them out, on both sides.",
        )  # fmt: skip
    if width is None:
        width = median_distance(to_numpy(a)) if similarity == "kernel" else 1.0
    if not 0 < width < np.inf:
        raise InputError(_OPERATION, f"width={width}", "a positive number")
    return codes(x, a, similarity=similarity, width=width, top=top, power=power)


def check(
    similarity: str,
    *,
    top: int | None = None,
    power: float = 1.0,
    operation: str = _OPERATION,
) -> None:
    """Raise InputError unless there is such a similarity and it can be made sparse like that."""
    if similarity not in _SIMILARITIES:
        raise InputError(
            operation, f"similarity {similarity!r}", f"one of {', '.join(_SIMILARITIES)}"
        )
    if (top is not None or power != 1) and similarity not in BOUNDED:
        raise InputError(
            operation, f"top={top}, power={power} with similarity {similarity!r}",
            f"one of {', '.join(BOUNDED)}: of a distance the farthest anchors would be kept",
        )  # fmt: skip
    if top is not None and not (isinstance(top, int | np.integer) and top >= 1):
        raise InputError(operation, f"top={top!r}", "an integer of at least 1, or None")
    if not 0 < power < np.inf:
        raise InputError(operation, f"power={power}", "a positive number")


def codes(
    x: Array,
    anchors: Array,
    *,
    similarity: str,
    width: float,
    top: int | None,
    power: float,
    operation: str = _OPERATION,
) -> Array:
    """``relative`` of what was checked before, but for x being finite."""
    xp = namespace(x)
    if is_numpy(x) and similarity in BY_PRODUCT:
        found = by_product(x, anchors, similarity, width, operation)
    else:
        check_finite("x", x, operation=operation)
        found = _SIMILARITIES[similarity](xp, x, anchors, width)
    if top is None and power == 1:
        return found
    kept = strongest(found, top)
    return directions(xp.sign(kept) * xp.abs(kept) ** power)


def strongest(values: Array, count: int | None) -> Array:
    """``values`` (n, m) with all but the ``count`` largest |values| of each row at zero.

    Equals of the last one kept stay too, so that the order of columns decides nothing.
    """
    if count is None or count >= values.shape[1]:
        return values
    xp = namespace(values)
    sizes = xp.abs(values)
    if is_numpy(values):
        least = np.partition(sizes, -count, axis=1)[:, -count:][:, :1]
    else:
        least = xp.sort(sizes, axis=1, descending=True)[:, count - 1 : count]
    return xp.where(sizes >= least, values, xp.zeros_like(values))


def median_distance(anchors: np.ndarray) -> float:
    """Median Euclidean distance between anchors (m, d) that differ; 1 where none do."""
    rows = np.linspace(0, len(anchors) - 1, min(len(anchors), _WIDTH_ROWS)).astype(int)
    a = anchors[rows].astype(np.float64)
    gaps = np.sqrt(_squared(np, a, a)[np.triu_indices(len(a), 1)])
    # What rounding leaves between two equal rows is no distance.
    apart = gaps[gaps > 1e-7 * gaps.max(initial=0.0)]
    return float(np.median(apart)) if len(apart) else 1.0


def frame(rows: np.ndarray, *, centre: bool, standardise: bool) -> tuple[np.ndarray, np.ndarray]:
    """The origin (d,) and the unit of each column (d,) of one side, from its rows (n, d).

    The origin is the mean with either option, else zero; the unit is the standard deviation with
    ``standardise``, else one, as it is for a constant column.
    """
    dims = rows.shape[1]
    mean = rows.mean(axis=0) if centre or standardise else np.zeros(dims)
    if not standardise:
        return mean, np.ones(dims)
    spread = rows.std(axis=0)
    # A constant column's deviation is rounding of its mean, not a unit.
    varies = spread > 1e-12 * np.abs(mean)
    return mean, np.where(varies, spread, 1.0)


def framed(x: Array, origin: np.ndarray, units: np.ndarray) -> Array:
    """(x - origin) / units of rows x (n, d), which costs nothing where it changes nothing."""
    if origin.any():
        x = x - like(origin, x)
    return x if (units == 1).all() else x / like(units, x)


def unframed(x: Array, origin: np.ndarray, units: np.ndarray) -> Array:
    """What ``framed`` made of rows, undone."""
    x = x if (units == 1).all() else x * like(units, x)
    return x + like(origin, x) if origin.any() else x


def _cosine(xp: Any, x: Array, a: Array, width: float) -> Array:
    return directions(x) @ directions(a).T


def _angular(xp: Any, x: Array, a: Array, width: float) -> Array:
    cosines = _cosine(xp, x, a, width)
    # At a right angle's distance from the ends, where the slope of arcsin is infinite.
    inside = xp.abs(cosines) < 1
    angles = xp.asin(xp.where(inside, cosines, xp.zeros_like(cosines)))
    return xp.where(inside, angles * (2 / np.pi), xp.sign(cosines))


def _squared(xp: Any, x: Array, a: Array) -> Array:
    middle = xp.mean(a, axis=0)
    x, a = x - middle, a - middle
    with np.errstate(over="ignore"):
        sizes = [xp.sum(side * side, axis=1) for side in (x, a)]
    own, others = (float(to_numpy(xp.max(size))) for size in sizes)
    check_squares(1.0, own, others, to_numpy(a[:1, :]).dtype, operation=_OPERATION)
    found = x @ a.T
    found *= -2
    found += sizes[0][:, None]
    found += sizes[1][None, :]
    return xp.where(found > 0, found, xp.zeros_like(found))


def _euclidean(xp: Any, x: Array, a: Array, width: float) -> Array:
    squared = _squared(xp, x, a)
    # The square root has no slope at zero: there its argument is one, and its result struck out.
    apart = squared > 0
    return -xp.where(apart, xp.sqrt(xp.where(apart, squared, xp.ones_like(squared))), squared)


def _kernel(xp: Any, x: Array, a: Array, width: float) -> Array:
    return xp.exp(_squared(xp, x, a) * (-0.5 / width**2))


def _l1(xp: Any, x: Array, a: Array, width: float) -> Array:
    return _by_anchor(xp, x, a, "cityblock", lambda gap: xp.sum(gap, axis=2))


def _linf(xp: Any, x: Array, a: Array, width: float) -> Array:
    return _by_anchor(xp, x, a, "chebyshev", lambda gap: xp.max(gap, axis=2))


def _by_anchor(xp: Any, x: Array, a: Array, metric: str, norm: Callable[[Array], Array]) -> Array:
    # Blocks of rows, so that memory stays small; SciPy walks without keeping any difference.
    if is_numpy(x):
        found = np.empty((len(x), len(a)), dtype=x.dtype)

        def fill(block: slice) -> None:
            np.negative(cdist(x[block], a, metric), out=found[block], casting="same_kind")

        for _ in map_on_cores(fill, list(row_blocks(len(x), _BLOCK)), x):
            pass
        return found
    size = max(1, _CELLS // (a.shape[0] * a.shape[1]))
    parts = [
        -norm(xp.abs(x[block, :][:, None, :] - a[None, :, :]))
        for block in row_blocks(x.shape[0], size)
    ]
    return xp.concat(parts, axis=0)


_SIMILARITIES: dict[str, Callable[[Any, Array, Array, float], Array]] = {
    "cosine": _cosine,
    "angular": _angular,
    "euclidean": _euclidean,
    "l1": _l1,
    "linf": _linf,
    "kernel": _kernel,
}
SIMILARITIES = tuple(_SIMILARITIES)
