r"""RBF CKA: debiased CKA of Gaussian kernels, which sees the curved relations linear CKA misses."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from isthmus.core.arrays import Array, like, namespace, paired, to_numpy
from isthmus.core.card import ALWAYS, Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.gram import chi_squared_tail, correlation, deviation, hsic
from isthmus.measures.input_feature_debiased_cka import input_feature_debiased_cka
from isthmus.measures.rdm import Dissimilarities
from isthmus.measures.rows import jackknife

CARD = Card(
    name="rbf_cka",
    summary="Debiased CKA of Gaussian kernels whose width is the median distance.",
    paper=Paper("Similarity of Neural Network Representations Revisited", "Kornblith et al.", 2019),
    cost="n^2 d + n^2",
    memory="n d",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    symmetric=True,
    chance=0.0,
    identical=1.0,
    min_rows=4,
    caveat="Simulated: the test is conservative at 500 rows and at 20 dims.",
    rough=ALWAYS,
)

#: Rows whose mutual distances give the median.
_MEDIAN_ROWS = 2048
#: Rows above which the exact value takes minutes.
_MANY = 20_000


@register(CARD)
def rbf_cka(
    x: Array,
    y: Array | None = None,
    *,
    bandwidth: float = 1.0,
    approximate: int | None = None,
    rng: Seed = 0,
) -> Score:
    r"""Debiased CKA of kernels exp(-|x_i - x_j|² / (2 σ²)); 1 the same geometry, 0 unrelated.

    .. math:: \mathrm{HSIC}_u(K, L) \big/ \sqrt{\mathrm{HSIC}_u(K, K)\, \mathrm{HSIC}_u(L, L)},
              \quad \sigma = \text{bandwidth} \cdot \operatorname{median}_{i<j} |x_i - x_j|

    Each side has its own σ; above 2048 rows the median is over as many of them, spread evenly by
    their distance from the mean. Two passes over half of the pairs give value and leave-one-out
    jackknife interval (σ held fixed); no n x n matrix. Over all shuffles of the pairs the mean is 0
    and the standard deviation sqrt(2 / (n (n - 3))) exactly, hence z; p is the χ² tail, which holds
    for any kernel and is conservative. With ``approximate=m`` the kernels are replaced by m random
    Fourier features each and ``input_feature_debiased_cka`` removes what so few features would
    cost: O(n m²), unbiased in the same sense, and the interval then holds the error of the features
    too.

    Parameters
    ----------
    x : (n, dx) array, or a Pairs
    y : (n, dy) array of the same kind, paired with x by row
    bandwidth : σ in units of the median distance; small ones look at neighbours only
    approximate : number of random features, at least 16, for more rows than about 20,000
    rng : seed or generator of the random features

    Raises
    ------
    InputError
        On fewer than 4 rows, unequal row counts, non-finite values, a bandwidth that is not
        positive, a side whose rows are all equal or equally far apart, or whose median distance
        is 0.

    References
    ----------
    Kornblith et al. 2019, "Similarity of Neural Network Representations Revisited"; Song et al.
    2012, eq. 5; Rahimi & Recht 2007, "Random Features for Large-Scale Kernel Machines".

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> round(float(rbf_cka(x, 2 * x[:, ::-1] + 1)), 9)
    1.0
    """
    x, y = paired(x, y, operation="rbf_cka", min_rows=4)
    if bandwidth <= 0:
        raise InputError("rbf_cka", f"bandwidth={bandwidth}", "a positive number")
    if approximate is not None and approximate < 16:
        raise InputError("rbf_cka", f"approximate={approximate}", "at least 16 random features")
    n = x.shape[0]
    sides, sigmas = [], []
    for name, side in (("x", x), ("y", y)):
        sides.append(Dissimilarities(name, side, operation="rbf_cka"))
        sigmas.append(bandwidth * _median(name, sides[-1]))
    if approximate is not None:
        draws = generator(rng)
        features = (_features(*one, approximate, draws) for one in zip(sides, sigmas, strict=True))
        score = input_feature_debiased_cka(*features)
        said = f"approximated by {approximate} random Fourier features a side"
        return replace(score, method="rbf_cka", warnings=(said,))
    kernels = (side.kernel(_gaussian(sigma)) for side, sigma in zip(sides, sigmas, strict=True))
    values, left_out = hsic(*kernels, operation="rbf_cka")
    value = float(correlation(values)[0, 1])
    z = deviation(value, n)
    warnings: tuple[str, ...] = ()
    if n > _MANY:
        warnings = (f"{n} rows cost n² kernels; approximate=1024 takes a fraction of the time",)
    return Score(
        value=value,
        method="rbf_cka",
        n=n,
        ci=jackknife(value, [correlation(left_out)[:, 0, 1]]) if len(left_out) else None,
        chance=0.0,
        z=z,
        p=chi_squared_tail(z),
        warnings=warnings,
    )


def _median(name: str, side: Dissimilarities) -> float:
    """Median distance between rows; of at most ``_MEDIAN_ROWS`` of them."""
    sizes = to_numpy(side.squares)
    if len(sizes) > _MEDIAN_ROWS:
        # Evenly by distance from the mean: the same rows whatever order they came in.
        order = np.argsort(sizes, kind="stable")
        side = side.among(order[np.linspace(0, len(sizes) - 1, _MEDIAN_ROWS).astype(np.int64)])
    median = float(np.median(side.condensed()))
    if not median > 1e-7:
        raise InputError(
            "rbf_cka", f"{name} with most rows equal: a median distance of 0", "distinct rows",
            "Drop duplicate rows first.",
        )  # fmt: skip
    return median


def _gaussian(sigma: float) -> Callable[[Array], Array]:
    """exp(-|x_i - x_j|² / (2 σ²)) - 1: centring hides the 1, and wide kernels keep their digits."""
    return lambda squared: namespace(squared).expm1(squared * (-0.5 / sigma**2))


def _features(side: Dissimilarities, sigma: float, count: int, draws: np.random.Generator) -> Array:
    """Columns √2 cos(wᵀx + b), (n, count): the mean of their products is the Gaussian kernel."""
    x, xp = side.rows, namespace(side.rows)
    # Rows hold a factor of √2 that their distances do not.
    frequencies = draws.normal(size=(x.shape[1], count)) / (sigma * 2**0.5)
    phases = draws.uniform(0, 2 * np.pi, size=count)
    return xp.cos(x @ like(frequencies, x) + like(phases, x)) * 2**0.5
