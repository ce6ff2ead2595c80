r"""Whitened cosine: do two spaces keep classes apart alike, noise taken out of both?"""

import numpy as np

from isthmus.core.arrays import Array, paired
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.crossnobis import distances

CARD = Card(
    name="whitened_cosine",
    summary="Cosine of two cross-validated distance matrices, whitened by their sampling noise.",
    paper=Paper(
        "Comparing representational geometries using whitened unbiased-distance-matrix similarity",
        "Diedrichsen et al.",
        2020,
    ),
    cost="n d^2 + d^3",
    memory="n d + d^2",
    invariant=("affine",),
    symmetric=True,
    given=("labels", "groups"),
    identical=1.0,
    min_rows=4,
)


@register(CARD)
def whitened_cosine(x: Array, y: Array | None = None, *, labels: Array, groups: Array) -> Score:
    r"""Cosine of the crossnobis matrices of x and y in the metric of their own sampling error.

    .. math:: r = \frac{d_x^\top V^{-1} d_y}{\sqrt{d_x^\top V^{-1} d_x \; d_y^\top V^{-1} d_y}}
              = \frac{\langle H D_x H, H D_y H \rangle}{\|H D_x H\| \|H D_y H\|}

    with d the distances between pairs of classes, V their covariance when the classes do not
    differ (distances that share a class vary together), and H the centring matrix: whitening by V
    is centring rows and columns of D, so V is never formed. D comes from ``crossnobis``, unbiased,
    so r has no floor from noise and may be negative. Chance is the mean over all
    permutations of the classes of one side, tr(G_x) tr(G_y) / ((c - 1) |G_x| |G_y|) with
    G = -H D H / 2: large for few classes.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row
    labels : (n,) class of each row
    groups : (n,) group of each row, independent of the other groups

    Raises
    ------
    InputError
        As ``crossnobis``; and on fewer than 3 classes, whose one distance has no pattern.

    References
    ----------
    Diedrichsen et al. 2020; Walther et al. 2016 for the distances.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> labels, groups = np.arange(200) % 5, np.arange(200) // 20
    >>> x = rng.normal(size=(5, 3))[labels] + rng.normal(size=(200, 3))
    >>> moved = x @ rng.normal(size=(3, 3))
    >>> round(float(whitened_cosine(x, moved, labels=labels, groups=groups)), 9)
    1.0
    """
    x, y = paired(x, y, operation="whitened_cosine", min_rows=4)
    centred = []
    for name, side in (("x", x), ("y", y)):
        _, rdm, _, _ = distances(name, side, labels, groups, operation="whitened_cosine")
        if len(rdm) < 3:
            raise InputError(
                "whitened_cosine",
                f"{len(rdm)} classes: x {tuple(x.shape)}, y {tuple(y.shape)}",
                "3 or more",
                "Bring rows of more classes.",
            )
        rows = rdm - rdm.mean(axis=0)
        centred.append((rows.mean(axis=1, keepdims=True) - rows) / 2)
    a, b = centred
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    if not size > 0:
        raise InputError(
            "whitened_cosine",
            f"distances that are all zero: x {tuple(x.shape)}, y {tuple(y.shape)}",
            "classes that differ",
            "Bring classes that differ, or more rows of them.",
        )
    return Score(
        value=float(np.sum(a * b)) / size,
        method=CARD.name,
        n=x.shape[0],
        chance=float(np.trace(a) * np.trace(b)) / ((len(a) - 1) * size),
    )
