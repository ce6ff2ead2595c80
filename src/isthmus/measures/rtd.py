r"""RTD: how much the topology of two paired clouds differs, at every scale at once."""

import numpy as np

from isthmus.core.arrays import Array, paired, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError, MissingExtra
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.rows import Spread, check_varied

CARD = Card(
    name="rtd",
    summary="How much the topology of two paired clouds differs: loops that one of them lacks.",
    paper=Paper(
        "Representation Topology Divergence: A Method for Comparing Neural Network Representations",
        "Barannikov et al.",
        2022,
    ),
    cost="n d",
    memory="n d",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    symmetric=True,
    identical=0.0,
    library="gudhi",
    caveat="The interval speaks of batches of this size: the value grows with the batch.",
    min_rows=4,
)


@register(CARD)
def rtd(
    x: Array,
    y: Array | None = None,
    *,
    batch: int = 64,
    batches: int = 10,
    rng: Seed = 0,
) -> Score:
    r"""Representation topology divergence: 0 where both clouds merge and close loops alike.

    Let w, w̃ be the distances between the rows of a batch, each over its 0.9 quantile. The graph of
    min(w, w̃) at threshold α contains that of w. The bars of the first homology of the pair
    (relative to w) are born and die with the features that only one of both has, and

    .. math:: \mathrm{RTD} = \tfrac12 \big(\textstyle\sum |\mathrm{bars}(w, \tilde w)| +
              \sum |\mathrm{bars}(\tilde w, w)|\big)

    averaged over disjoint random batches. ``chance`` is the same over the same batches with
    partners exchanged at random. The interval is Student's over batches, absent with one batch.
    ``parts`` holds both directions, one value per batch: in ``x_to_y`` bars appear where y is
    nearer than x.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row
    batch : rows per batch, 4 to 500
    batches : at most so many of them
    rng : draws batches and exchanged partners

    Raises
    ------
    InputError
        On fewer than 4 rows, unequal row counts, non-finite values, a side whose rows are (nearly)
        all equal, or a batch outside 4 to 500.
    MissingExtra
        Without gudhi, which builds the bars.

    References
    ----------
    Barannikov et al. 2022, "Representation Topology Divergence".

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 3))
    >>> round(float(rtd(x, 2 * x[:, ::-1] + 1)), 6)
    0.0
    """
    x, y = paired(x, y, operation="rtd", min_rows=4)
    if not 4 <= batch <= 500 or batches < 1:
        raise InputError("rtd", f"batch={batch}, batches={batches}", "4 to 500 rows, 1 or more")
    # In double precision from here: rounding must not decide which rows share a batch.
    x, y = (to_numpy(side).astype(np.float64) for side in (x, y))
    spread = Spread.of(x, y)
    check_varied("x", x, np.diag([spread.variance_x]), spread.mean_x, operation="rtd")
    check_varied("y", y, np.diag([spread.variance_y]), spread.mean_y, operation="rtd")
    draw, n = generator(rng), len(x)
    count = min(batches, max(1, n // batch))
    order = spread.shuffled(draw)[: batch * count]
    sides = x - spread.mean_x, y - spread.mean_y
    forth, back, noise = np.empty(count), np.empty(count), np.empty(count)
    for i, rows in enumerate(np.array_split(order, count)):
        w, v = (_distances(side[rows]) for side in sides)
        forth[i], back[i] = _bars(w, v), _bars(v, w)
        other = draw.permutation(len(rows))
        v = v[np.ix_(other, other)]
        noise[i] = (_bars(w, v) + _bars(v, w)) / 2
    values = (forth + back) / 2
    value, ci = float(values.mean()), None
    if count > 1:
        from scipy.stats import t

        half = float(t.ppf(0.975, count - 1) * values.std(ddof=1) / np.sqrt(count))
        ci = value - half, value + half
    return Score(
        value=value, method="rtd", n=n, ci=ci, chance=float(noise.mean()),
        parts={"x_to_y": forth, "y_to_x": back},
        warnings=(f"of batches of {len(order) // count} rows; not comparable across sizes",),
    )  # fmt: skip


def _distances(rows: np.ndarray) -> np.ndarray:
    """Distances between rows over their 0.9 quantile, (b, b)."""
    from scipy.spatial.distance import pdist, squareform

    apart = pdist(rows)
    unit = float(np.quantile(apart, 0.9))
    if not unit > 0:
        raise InputError(
            "rtd",
            f"a batch {rows.shape} in which nine of ten pairs are equal",
            "distinct rows",
            "Drop duplicates first.",
        )
    return np.asarray(squareform(apart / unit))


def _bars(w: np.ndarray, v: np.ndarray) -> float:
    """Total length of the bars of H1(min(w, v), w).

    The pair becomes one flag complex of 2b + 1 points: the rows at distances w, joined by a prism
    to copies of themselves at distances min(w, v), and by a cone to a point that closes w off.
    """
    try:
        from gudhi.sklearn import RipsPersistence
    except ImportError as error:
        raise MissingExtra("rtd", "gudhi", "topology") from error
    b, far = len(w), 2 * max(float(w.max()), float(v.max()))
    prism = np.where(np.tri(b, k=-1, dtype=bool), far, w)  # row i to the copy of row j >= i
    matrix = np.full((2 * b + 1, 2 * b + 1), far)
    matrix[:b, :b], matrix[b:-1, b:-1] = w, np.minimum(w, v)
    matrix[:b, b:-1], matrix[b:-1, :b] = prism, prism.T
    matrix[-1, :b] = matrix[:b, -1] = matrix[-1, -1] = 0.0
    rips = RipsPersistence(
        homology_dimensions=1, input_type="full distance matrix", homology_coeff_field=2,
        threshold=far / 2,
    )  # fmt: skip
    bars = rips.fit_transform([matrix])[0]
    return float(np.sum(bars[:, 1] - bars[:, 0]))
