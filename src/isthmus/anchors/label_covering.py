"""Label-covering anchors: every class has some, first its most central rows, then unlike ones."""

import numpy as np

from isthmus.anchors.rows import usable_directions
from isthmus.core.arrays import Array, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed
from isthmus.core.registry import register

CARD = Card(
    name="label_covering",
    summary="Anchors from every class in proportion to size: its central row, then unlike ones.",
    paper=Paper(
        "Clustering to minimize the maximum intercluster distance",
        "Gonzalez",
        1985,
        where="section 3, inside each class",
    ),
    spaces=1,
    given=("labels",),
    invariant=("orthogonal", "row_scale"),
    cost="n d m",
    memory="n d",
    min_rows=1,
)


@register(CARD)
def label_covering(x: Array, count: int, *, labels: Array, rng: Seed = 0) -> np.ndarray:
    r"""Row numbers of ``count`` anchors that cover every class, or every concept.

    The next anchor goes to the class with the largest size / (2 s + 1), s anchors so far (Webster's
    apportionment), classes without any first. Inside it the first is the row nearest in angle to
    the mean of its unit rows, each further one the row with the smallest cosine to all before it.

    Parameters
    ----------
    x : (n, d) array; zero rows are never chosen
    count : number of anchors m, at least the number of classes
    labels : (n,) class of each row, of any kind; or (n, c) booleans, which of c concepts a row
        shows. A row that shows several counts for each; one that shows none is never chosen
    rng : taken like every sampler's; nothing here is drawn

    Returns
    -------
    (m,) int64, in the order chosen

    Raises
    ------
    InputError
        On labels that do not fit the rows, a class of nothing but zero rows, or a ``count`` below
        the number of classes or above that of the rows that may be chosen.

    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0], [1.0, 0.1], [1.0, 0.3], [0.0, 1.0]])
    >>> label_covering(x, 2, labels=["a", "a", "a", "b"]).tolist()
    [1, 3]
    """
    x = matrix("x", x, operation="label-covering anchors")
    members = _members(labels, x.shape[0])
    directions, usable = usable_directions(
        x, count, operation="label-covering anchors", among=np.any(members, axis=1)
    )
    members = members[usable]
    sizes = members.sum(axis=0)
    if sizes.min() == 0 or count < len(sizes):
        raise InputError(
            "label-covering anchors",
            f"count={count} for {len(sizes)} classes, the smallest of {sizes.min()} non-zero rows",
            "at least one anchor, and one row to be it, per class",
            "Ask for more anchors, or leave small classes out.",
        )
    inside = [np.flatnonzero(column) for column in members.T]
    # Cosine of each member to its class's anchors so far; at first, minus that to its mean.
    nearest = [_from_mean(directions[rows]) for rows in inside]
    served = np.zeros(len(sizes), np.int64)
    left = sizes.copy()
    chosen = np.empty(count, np.int64)
    for t in range(count):
        claims = np.where(served == 0, sizes + float(len(members)), sizes / (2.0 * served + 1))
        group = int(np.argmax(np.where(left > 0, claims, -np.inf)))
        pick = int(inside[group][np.argmin(nearest[group])])
        chosen[t] = pick
        for other in np.flatnonzero(members[pick]).tolist():
            rows, known = inside[other], nearest[other]
            cosines = directions[rows] @ directions[pick]
            nearest[other] = cosines if served[other] == 0 else np.maximum(known, cosines)
            nearest[other][np.searchsorted(rows, pick)] = np.inf
        served[members[pick]] += 1
        left[members[pick]] -= 1
    return usable[chosen]


def _from_mean(rows: np.ndarray) -> np.ndarray:
    distances: np.ndarray = -(rows @ rows.mean(axis=0))
    return distances


def _members(labels: Array, n: int) -> np.ndarray:
    """Which classes (n, c) bool each row belongs to."""
    given = labels if hasattr(labels, "shape") else np.asarray(labels)
    given = to_numpy(given)
    if given.ndim == 1 and len(given) == n:
        try:
            return given[:, None] == np.unique(given)
        except TypeError as error:  # None beside others, say
            raise InputError(
                "label-covering anchors", f"labels that cannot be sorted ({error})",
                "labels of one kind", "Name the class of rows without one.",
            ) from error  # fmt: skip
    if given.ndim == 2 and len(given) == n and given.dtype == bool and given.shape[1]:
        return given
    raise InputError(
        "label-covering anchors", f"labels of shape {given.shape} and dtype {given.dtype}",
        f"{n} classes, or booleans of shape ({n}, concepts)",
    )  # fmt: skip
