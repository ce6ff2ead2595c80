r"""Representational similarity: do two spaces put the same rows far apart?"""

from typing import Literal

import numpy as np

from isthmus.core.arrays import Array, matrix, namespace, paired, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.deconfounded_cka import bent_warnings, partial_correlation
from isthmus.measures.rdm import (
    Dissimilarities,
    Distance,
    RowSums,
    bounded_jackknife,
    check_spread,
    fold,
)
from isthmus.measures.rows import influence_interval, upper_tail

CARD = Card(
    name="rsa",
    summary="Correlation of the distances between rows in one space with those in the other.",
    paper=Paper(
        "Representational similarity analysis: connecting the branches of systems neuroscience",
        "Kriegeskorte et al.",
        2008,
    ),
    cost="n^2 d + n^2",
    memory="n d",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    symmetric=True,
    metric=True,
    chance=0.0,
    identical=1.0,
    min_rows=4,
)

Comparison = Literal["pearson", "spearman", "kendall_tau_a", "rho_a", "cosine"]
COMPARISONS = ("pearson", "spearman", "kendall_tau_a", "rho_a", "cosine")
#: Share of a side's variance that the confound must leave for the rest to be more than rounding.
_LEFT = 1e-9


@register(CARD)
def rsa(
    x: Array,
    y: Array | None = None,
    *,
    distance: Distance = "euclidean",
    comparison: Comparison = "pearson",
    confound: Array | None = None,
) -> Score:
    r"""Correlation over all pairs of rows of D_ij = δ(x_i, x_j) with E_ij = δ(y_i, y_j).

    .. math:: r = \mathrm{corr}_{i<j}(D_{ij}, E_{ij})

    ``pearson`` and ``cosine`` hold a block of D at a time, each pair of rows once (products of
    float32 rows in float32, those of rows near one another excepted); of distances other than
    ``euclidean`` products of d x d replace all pairs, beyond 4 d rows. ``spearman``, ``rho_a`` and
    ``kendall_tau_a`` need the n (n - 1) / 2 distances of each side, to rank them. ``rho_a`` is
    Spearman's formula without correction for ties, the mean over random ways to break them;
    ``kendall_tau_a`` the concordant minus the discordant, over all pairs of pairs.

    z uses the exact variance over all permutations of the rows (Mantel 1967), p its normal upper
    tail (a little small in one dimension, where 0.022 of unrelated pairs fall below 0.01). The
    interval leaves rows out, never pairs, which share rows: the exact delete-one jackknife, for
    ranks the infinitesimal one with the change of all ranks in it. ``kendall_tau_a`` has neither
    z nor interval; use ``rho_a``, which ranks models alike. A row bootstrap would pair copies of a
    row at distance zero. ``length`` = sqrt(2 - 2 r) for ``pearson``, ``spearman`` and ``cosine``.

    With a ``confound``, usually the input of both encoders, its distances F are regressed out of D
    and E by least squares with a constant, and Pearson's r of the residuals is the partial one,

    .. math:: \frac{r_{DE} - r_{DF} r_{EF}}{\sqrt{(1 - r_{DF}^2)(1 - r_{EF}^2)}}

    with its exact jackknife. It has neither z nor p: only a multiple of F is removed, so encoders
    that bend one input alike keep a rest, which a test would find (tanh of 20 inputs: a mean of
    0.06 to 0.09, unadjusted 0.4). ``parts`` then: r unadjusted, and of each side with the confound.

    Without effect on the value: rotation, one scale and a shift for ``euclidean`` and
    ``squared_euclidean``; rotation and a scale for each row for ``cosine``; for ``correlation`` a
    permutation of columns, a scale for each row and one number added to a whole row. A vector added
    to all rows (a bias) does change the last two.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row
    distance : ``euclidean``, ``squared_euclidean``, ``cosine`` or ``correlation``
    comparison : ``pearson``, ``spearman``, ``kendall_tau_a``, ``rho_a`` or ``cosine``
    confound : (n, dc) array of the same kind and rows, for ``pearson`` alone

    Raises
    ------
    InputError
        On fewer than 4 rows, unequal row counts, non-finite values, rows all equal or all equally
        far apart, zero (constant) rows where distances are cosines (correlations), an unknown
        option, a confound with another comparison, or a side whose distances are the confound's.

    References
    ----------
    Kriegeskorte et al. 2008; Nili et al. 2014 for tau a; Schütt et al. 2023 for rho a; Mantel 1967;
    Cui et al. 2022, "Deconfounded Representation Similarity for Comparison of Neural Networks", for
    the confound; Smouse, Long & Sokal 1986 for the partial correlation of distance matrices.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> round(float(rsa(x, 2 * x[:, ::-1] + 1)), 9)
    1.0
    """
    _known(comparison)
    x, y = paired(x, y, operation="rsa", min_rows=4)
    sides = [
        Dissimilarities(name, side, operation="rsa", distance=distance)
        for name, side in (("x", x), ("y", y))
    ]
    if confound is not None:
        return _deconfounded({"x": x, "y": y, "confound": confound}, distance, comparison)
    if comparison in ("pearson", "cosine"):
        return _linear(RowSums.of_rows(*sides), centre=comparison == "pearson")
    return _ranked(sides[0].condensed(), sides[1].condensed(), x.shape[0], comparison)


def from_rdms(a: Array, b: Array, *, comparison: Comparison = "pearson") -> Score:
    """``rsa`` of two distance matrices (n, n) that exist already.

    Raises InputError on fewer than 4 rows, unequal shapes, non-finite entries, a matrix that is
    not square, not symmetric or not zero on its diagonal, and on entries that are all equal.

    >>> import numpy as np
    >>> d = np.abs(np.subtract.outer(np.arange(5.0), np.arange(5.0)))
    >>> round(float(from_rdms(d, 3 * d)), 9)
    1.0
    """
    _known(comparison)
    one, two = _entries("a", a), _entries("b", b)
    n = int(np.shape(a)[0])
    if len(one) != len(two):
        raise InputError(
            "rsa.from_rdms", f"a {(n, n)} and b {tuple(np.shape(b))}", "equally many rows",
            "Keep the rows and columns of the ids that both have.",
        )  # fmt: skip
    if comparison in ("pearson", "cosine"):
        return _linear(RowSums.of_condensed(one, two, n), centre=comparison == "pearson")
    return _ranked(one, two, n, comparison)


def _known(comparison: str) -> None:
    if comparison not in COMPARISONS:
        raise InputError("rsa", f"comparison {comparison!r}", f"one of {', '.join(COMPARISONS)}")


def _entries(name: str, rdm: Array) -> np.ndarray:
    """The entries above the diagonal of a checked distance matrix, the largest at 1."""
    held = to_numpy(matrix(name, rdm, operation="rsa.from_rdms")).astype(np.float64)
    if held.shape[0] != held.shape[1] or len(held) < 4:
        raise InputError(
            "rsa.from_rdms", f"{name} {held.shape}", "a square matrix of 4 or more rows",
            "Pass vectors to rsa, which takes their distances itself.",
        )  # fmt: skip
    peak = float(np.abs(held).max()) or 1.0
    held = held / peak
    if np.abs(held - held.T).max() > 1e-6 or np.abs(np.diag(held)).max() > 1e-6:
        raise InputError(
            "rsa.from_rdms",
            f"{name} {held.shape} that is not symmetric with zeros on its diagonal",
            "a distance matrix",
            "Average it with its transpose, or pass the vectors to rsa.",
        )
    return held[np.triu_indices(len(held), 1)]


def _linear(sums: RowSums, *, centre: bool) -> Score:
    if centre:
        check_spread("x", sums.a, sums.aa, operation="rsa")
        check_spread("y", sums.b, sums.bb, operation="rsa")
    value = sums.correlation(centre=centre)
    z = sums.standardised()
    return Score(
        value=value,
        method="rsa (pearson)" if centre else "rsa (cosine)",
        n=sums.n,
        ci=sums.interval(value, centre=centre),
        chance=0.0 if centre else sums.chance(),
        z=z,
        p=None if z is None else upper_tail(z),
        length=float(np.sqrt(2 - 2 * value)),
    )


def _deconfounded(sides: dict[str, Array], distance: Distance, comparison: str) -> Score:
    """Pearson's correlation of what regression on the confound's distances leaves of the others."""
    if comparison != "pearson":
        raise InputError(
            "rsa",
            f"comparison {comparison!r} with a confound",
            "'pearson': distances are regressed, not ranks",
            "Leave comparison out.",
        )
    confound = sides["confound"] = matrix("confound", sides["confound"], operation="rsa")
    xp, n = namespace(*sides.values()), sides["x"].shape[0]
    if confound.shape[0] != n:
        raise InputError(
            "rsa",
            f"confound {tuple(confound.shape)} beside x {tuple(sides['x'].shape)}",
            "equally many rows, paired by position",
            "Join it on the ids of x and y first.",
        )
    a, b, c = (
        Dissimilarities(name, side, operation="rsa", distance=distance)
        for name, side in sides.items()
    )
    pairs = [RowSums.of_rows(*two) for two in ((a, b), (a, c), (b, c))]
    check_spread("x", pairs[0].a, pairs[0].aa, operation="rsa")
    check_spread("y", pairs[0].b, pairs[0].bb, operation="rsa")
    check_spread("confound", pairs[1].b, pairs[1].bb, operation="rsa")
    r = np.array([one.correlation() for one in pairs])
    eps = max(float(xp.finfo(side.dtype).eps) for side in sides.values())
    for name, shared in (("x", r[1]), ("y", r[2])):
        if not 1 - shared**2 > max(_LEFT, 8 * eps):
            raise InputError(
                "rsa",
                f"{name} whose distances are the confound's own, in {n} rows",
                "a space that differs from the confound",
                "Leave confound out: nothing is left when it is removed.",
            )
    value = float(np.clip(partial_correlation(r), -1, 1))
    left = partial_correlation(np.stack([one.left_out() for one in pairs], axis=-1))
    return Score(
        value=value,
        method="rsa (pearson, deconfounded)",
        n=n,
        ci=bounded_jackknife(value, left),
        chance=0.0,
        length=float(np.sqrt(2 - 2 * value)),
        warnings=bent_warnings(r, "RSA"),
        parts={
            "unadjusted": float(r[0]),
            "x_with_confound": float(r[1]),
            "y_with_confound": float(r[2]),
        },
    )


def _ranked(a: np.ndarray, b: np.ndarray, n: int, comparison: str) -> Score:
    # Equal distances come out of different products unequal in their last bits.
    a, b = (np.round(side / side.max(), 12) for side in (a, b))
    for name, side in (("x", a), ("y", b)):
        if side.min() == side.max():
            raise InputError(
                "rsa", f"{name} whose rows are all equally far apart: {(n, n)} equal distances",
                "distances that vary", "Bring more rows, or another distance.",
            )  # fmt: skip
    if comparison == "kendall_tau_a":
        return Score(value=_tau_a(a, b), method="rsa (kendall_tau_a)", n=n, chance=0.0)
    from scipy.stats import rankdata

    pairs = len(a)
    r, s = rankdata(a) / pairs, rankdata(b) / pairs
    shares = [r - (pairs + 1) / (2 * pairs), s - (pairs + 1) / (2 * pairs)]
    sums = RowSums.of_condensed(shares[0], shares[1], n)
    tied = comparison == "spearman"
    cross = float(shares[0] @ shares[1])
    sizes = [float(side @ side) for side in shares]
    full = (pairs - 1 / pairs) / 12  # of ranks without ties
    value = cross / float(np.sqrt(sizes[0] * sizes[1])) if tied else cross / full
    z = sums.standardised()
    slopes = _slope(a, b, shares[0], shares[1], n)
    if tied:
        own = [
            _slope(d, d, q, q, n) / size for d, q, size in zip((a, b), shares, sizes, strict=True)
        ]
        change = slopes / np.sqrt(sizes[0] * sizes[1]) - value * (own[0] + own[1]) / 2
    else:
        change = slopes / full
    found = influence_interval(value, [n * change])
    return Score(
        value=value,
        method=f"rsa ({comparison})",
        n=n,
        ci=None if found is None else (max(found[0], -1.0), min(found[1], 1.0)),
        chance=0.0,
        z=z,
        p=None if z is None else upper_tail(z),
        length=float(np.sqrt(max(2 - 2 * value, 0.0))) if tied else None,
    )


def _slope(a: np.ndarray, b: np.ndarray, r: np.ndarray, s: np.ndarray, n: int) -> np.ndarray:
    """Derivative of Σ_p w_p R_p S_p in the weight of each row, (n,), ranks moving along.

    R_p = Σ_q w_q h(a_p - a_q) / N - half the total, h the step with h(0) = 1/2. The pairs q of a
    row lift all R_p above them, which is worth Σ_p S_p h(a_p - a_q).
    """
    direct = fold(r * s, n)
    lifted = fold(_above(a, s) + _above(b, r), n) / len(a)
    total = direct + lifted
    # Ranks are relative to the number of pairs: a weight on all rows alike changes nothing.
    return np.asarray(total - total.mean())


def _above(a: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Σ_p s_p h(a_p - a_q) for every q."""
    values, places = np.unique(a, return_inverse=True)
    grouped = np.bincount(places, weights=s, minlength=len(values))
    below = np.cumsum(grouped)
    return np.asarray((below[-1] - below + grouped / 2)[places])


def _tau_a(a: np.ndarray, b: np.ndarray) -> float:
    """Concordant minus discordant over all pairs, from SciPy's tau b, which divides ties out."""
    from scipy.stats import kendalltau

    def untied(side: np.ndarray) -> float:
        counts = np.unique(side, return_counts=True)[1].astype(np.float64)
        return every - float(counts @ (counts - 1)) / 2

    every = len(a) * (len(a) - 1) / 2
    tau_b = float(kendalltau(a, b, variant="b").statistic)
    return tau_b * float(np.sqrt(untied(a)) * np.sqrt(untied(b))) / every
