r"""Crossnobis: how far apart classes are, beyond noise, from repetitions measured apart."""

from itertools import combinations, pairwise

import numpy as np

from isthmus.core.arrays import Array, like, matrix, namespace, row_blocks, to_numpy
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.linalg import triangular_inverse
from isthmus.core.moments import Moments, origin_for
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.classes import class_sums
from isthmus.measures.rows import BLOCK, along, check_varied, fits_narrow, jackknife_error, squares

CARD = Card(
    name="crossnobis",
    summary="Mean squared Mahalanobis distance between classes, cross-validated: 0 where none.",
    paper=Paper(
        "Reliability of dissimilarity measures for multi-voxel pattern analysis",
        "Walther et al.",
        2016,
    ),
    cost="n d^2 + d^3",
    memory="n d + d^2",
    invariant=("affine",),
    spaces=1,
    given=("labels", "groups"),
    chance=0.0,
    min_rows=4,
    caveat="Interval, z and p rest on the number of groups and are rough below 10. The covariance "
    "of few rows blows the value up, and the interval is around that. Simulated: the interval "
    "covers too seldom at every size; the test is conservative at 500 rows.",
    rough=ALWAYS,
)

#: Rows of a cell that float32 adds up without losing digits of their mean.
_FEW = 256
#: Share of a column's variance that the other columns must leave, lest it be rounding; in units of
#: the rounding of one entry where that is more.
_LEFT, _ROUNDINGS = 1e-10, 8
#: Reciprocal of that share beyond which products of float32 rows round too much of what is left.
_INFLATED = 1e3


@register(CARD)
def crossnobis(x: Array, *, labels: Array, groups: Array) -> Score:
    r"""Cross-validated squared Mahalanobis distance per dimension, averaged over pairs of classes.

    .. math:: D_{kl} = \frac{1}{d\,|P|} \sum_{(g, h) \in P} (m_{kg} - m_{lg})^\top \Sigma^{-1}
              (m_{kh} - m_{lh})

    with m the mean of a class in a group (session, speaker, document), P the ordered pairs of
    different groups in which both classes occur, and Σ the pooled covariance of rows about their
    class means. Noise of different groups is independent, so noise alone averages to zero where a
    plain distance grows with it: values below zero are estimates of small ones, and stay. ``parts``
    holds ``rdm``, (classes, classes), and ``classes``.

    The interval is a jackknife over groups with Σ held, z the value over its jackknife error and
    p the tail of Student's t; all need 3 groups and are rough with fewer than 10. Σ
    shrinks the value a little, for it holds what differs between groups too.

    Parameters
    ----------
    x : (n, d) array
    labels : (n,) class of each row
    groups : (n,) group of each row, independent of the other groups

    Raises
    ------
    InputError
        On non-finite values, labels or groups not one a row, fewer than 2 classes, a pair of
        classes that share fewer than 2 groups, or a covariance without inverse (n - classes <= d).

    References
    ----------
    Walther et al. 2016; Diedrichsen et al. 2020 for the properties of the estimate.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(size=(400, 3))
    >>> labels, groups = np.arange(400) % 2, np.arange(400) // 20
    >>> abs(float(crossnobis(noise, labels=labels, groups=groups))) < 0.05
    True
    """
    from scipy.special import stdtr, stdtrit

    classes, rdm, left, used = distances("x", x, labels, groups, operation="crossnobis")
    above = np.triu_indices(len(classes), 1)
    value = float(rdm[above].mean())
    ci, z, p = None, None, None
    error = None if left is None else jackknife_error(value, [left])
    if error is not None:
        # A handful of groups: Student's t, as for p.
        half = float(stdtrit(used - 1, 0.975)) * error
        ci = value - half, value + half
        if error > 0:
            z = value / error
            p = float(stdtr(used - 1, -z))
    warnings: tuple[str, ...] = ()
    if used < 10:
        warnings = (f"{used} groups: interval and z are rough below 10",)
    return Score(
        value=value,
        method=CARD.name,
        n=int(np.shape(x)[0]),
        ci=ci,
        chance=0.0,
        z=z,
        p=p,
        warnings=warnings,
        parts={"rdm": rdm, "classes": classes},
    )


def distances(
    name: str, x: Array, labels: Array, groups: Array, *, operation: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, int]:
    """Classes (c,), distances (c, c), their mean without each group, and groups that count.

    The means are None where without some group a pair of classes is lost, or there are but two.
    Raises InputError as ``crossnobis`` does.
    """
    classes, means, place, root = cells(name, x, labels, groups, operation=operation)
    turn = (root / np.sqrt(means.shape[1])).astype(means.dtype)
    # The lower left quarter of an upper triangle is zero.
    whitened, middle = np.empty_like(means), len(turn) // 2
    np.matmul(means[:, :middle], turn[:middle, :middle], out=whitened[:, :middle])
    np.matmul(means, turn[:, middle:], out=whitened[:, middle:])
    return classes, *_distances(whitened, place, classes, operation=operation)


def cells(
    name: str, x: Array, labels: Array, groups: Array, *, operation: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Classes (c,), means (m, d) of those in each group, where each is, and W, W Wᵀ = Σ⁻¹.

    The mean of class i in group j is row ``place[i, j]``, -1 where the group has no row of it; W
    is upper triangular.
    Means are in the precision of x, unless that would leave its range.
    Raises InputError as ``crossnobis`` does.
    """
    x = matrix(name, x, operation=operation)
    n, d = x.shape
    classes, own = _codes("labels", labels, n, operation)
    names, group = _codes("groups", groups, n, operation)
    if len(classes) < 2 or len(names) < 2:
        raise InputError(
            operation,
            f"{len(classes)} classes in {len(names)} groups: {name} {tuple(x.shape)}",
            "2 or more of each",
            "Bring rows of other classes and groups.",
        )
    if n - len(classes) <= d:
        raise InputError(
            operation,
            f"{name} {tuple(x.shape)} with {len(classes)} classes",
            "more rows than columns and classes together, for the noise covariance",
            "Project onto fewer dimensions first (PCA).",
        )
    host, origin = to_numpy(x), origin_for(x)
    near = host - origin.astype(host.dtype) if origin.any() else host
    # Sums of cells, whose sums are those of classes; float32 adds up a few hundred rows.
    occupied, cell, sizes = np.unique(
        own * len(names) + group, return_inverse=True, return_counts=True
    )
    held = near if sizes.max() <= _FEW else near.astype(np.float64, copy=False)
    sums = class_sums(held, cell, len(sizes))
    edges = np.searchsorted(occupied, np.arange(len(classes) + 1) * len(names))
    centres = np.stack(
        [np.ones(high - low, sums.dtype) @ sums[low:high] for low, high in pairwise(edges)]
    )
    centres = (centres / np.bincount(own)[:, None]).astype(host.dtype)
    moments, apart = Moments(), np.empty_like(host[:BLOCK])
    for rows in row_blocks(n, BLOCK):
        # In memory that is there already (with mode, or it is copied): fresh pages are slow.
        held = np.take(centres, own[rows], axis=0, out=apart[: len(own[rows])], mode="clip")
        moments.update(like(np.subtract(near[rows], held, out=held), x))
    check_varied(name, x, moments.scatter_xx, moments.mean_x, operation=operation)
    sigma = moments.scatter_xx / (n - len(classes))
    scale = np.sqrt(np.diag(sigma))
    try:
        # Correlations first, so that columns of unlike units do not look singular.
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = np.linalg.cholesky(sigma / np.outer(scale, scale))
        inverse = triangular_inverse(factor)
        # The inverse's diagonal is the reciprocal of what other columns leave of each.
        inflation = float((inverse * inverse).sum(axis=0).max())
        eps = float(np.finfo(host.dtype).eps)
        regular = inflation * max(_LEFT, _ROUNDINGS * eps) < 1
    except np.linalg.LinAlgError:
        regular = False
    if not regular:
        raise InputError(
            operation,
            f"{name} {tuple(x.shape)} whose noise covariance has no inverse",
            "columns that vary within classes and do not depend on each other",
            "Project onto fewer dimensions first (PCA).",
        )
    if host.dtype == np.float32 and inflation > _INFLATED:
        wide = namespace(x).astype(x, namespace(x).float64)
        return cells(name, wide, labels, groups, operation=operation)
    root = inverse.T / scale[:, None]
    kind = host.dtype if fits_narrow(moments) else np.float64
    means = sums.astype(kind, copy=False)
    means /= sizes.astype(kind)[:, None]
    place = np.full(len(classes) * len(names), -1)
    place[occupied] = np.arange(len(occupied))
    return classes, means, place.reshape(len(classes), len(names)), root


def _codes(name: str, values: Array, n: int, operation: str) -> tuple[np.ndarray, np.ndarray]:
    held = to_numpy(values) if hasattr(values, "shape") else np.asarray(values)
    if held.shape != (n,):
        raise InputError(
            operation,
            f"{name} of shape {held.shape} for {n} rows",
            f"one for each of {n} rows",
            "Give one entry a row.",
        )
    if held.dtype.kind == "f" and not np.isfinite(held).all():
        raise InputError(
            operation,
            f"{name} of shape {held.shape} with NaN or infinity",
            "a name for each row",
            "Name these rows, or leave them out.",
        )
    found, codes = np.unique(held, return_inverse=True)
    return found, codes


def _distances(
    whitened: np.ndarray, place: np.ndarray, classes: np.ndarray, *, operation: str
) -> tuple[np.ndarray, np.ndarray | None, int]:
    """Distances (c, c), their mean without each group, and how many groups hold two classes.

    The means are None where without some group a pair of classes is lost, or there are but two.
    """
    place = place[:, np.sum(place >= 0, axis=0) > 1]
    groups = place.shape[1]
    rdm, left, fewest = np.zeros((len(classes), len(classes))), np.zeros(groups), groups
    room = np.empty((2, groups, whitened.shape[1]), whitened.dtype)
    for k, l in combinations(range(len(classes)), 2):  # noqa: E741
        both = (place[k] >= 0) & (place[l] >= 0)
        apart, other = (
            np.take(whitened, place[i, both], axis=0, out=held[: np.sum(both)], mode="clip")
            for i, held in zip((k, l), room, strict=True)
        )
        apart -= other
        g = len(apart)
        if g < 2:
            raise InputError(
                operation,
                f"classes {classes[k]} and {classes[l]} together in {g} groups",
                "2 or more groups that hold both",
                "Bring more groups of both, or leave one class out.",
            )
        fewest = min(fewest, g)
        total, own = apart.sum(axis=0, dtype=np.float64), squares(apart)
        between = float(total @ total - own.sum())
        rdm[k, l] = rdm[l, k] = between / (g * (g - 1))
        if fewest > 2:
            left[both] += (between - 2 * (along(apart, total) - own)) / ((g - 1) * (g - 2))
            left[~both] += rdm[k, l]
    pairs = len(classes) * (len(classes) - 1) / 2
    return rdm, left / pairs if fewest > 2 else None, groups
