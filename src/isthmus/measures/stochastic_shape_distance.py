r"""Stochastic shape distance: noisy representations compared in mean and in noise, any rotation."""

import numpy as np

from isthmus.core.arrays import Array, matrix, namespace, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register
from isthmus.core.score import Score

CARD = Card(
    name="stochastic_shape_distance",
    summary="Distance between noisy representations: means and noise, at the best rotation.",
    paper=Paper(
        "Representational dissimilarity metric spaces for stochastic neural networks",
        "Duong et al.",
        2023,
    ),
    cost="n k d^2 + n d^3",
    memory="n d^2",
    invariant=("orthogonal", "translation"),
    spaces=0,
    symmetric=True,
    metric=True,
    identical=0.0,
    caveat="The best rotation is searched from several starts: an upper bound of the distance.",
)

#: Random starts besides the three that the data suggest.
_STARTS = 24
#: Alternations at most, and the relative gain below which they end.
_STEPS = 500
_GAIN = 1e-12


@register(CARD)
def stochastic_shape_distance(x: Array, y: Array, *, alpha: float = 1.0, rng: Seed = 0) -> Score:
    r"""Gaussian-Wasserstein distance of the responses to each item, minimised over rotations.

    .. math:: d^2 = \min_{Q \in O(d)} \frac1m \sum_i \alpha |\mu_i - Q \nu_i|^2
              + (2 - \alpha)\, B^2(\Sigma_i, Q T_i Q^\top), \quad
              B^2(\Sigma, T) = \mathrm{tr}\,\Sigma + \mathrm{tr}\,T
              - 2\,\mathrm{tr}\,(\Sigma^{1/2} T \Sigma^{1/2})^{1/2}

    with means μ, ν (centred over the m items) and noise covariances Σ, T. ``alpha`` 2 compares
    means alone, 0 noise alone, 1 is the 2-Wasserstein distance of Gaussians. Rotations and shifts
    of either side change nothing; the narrower side is padded with zeros.

    B² is the least |S - Q R U|² over orthogonal U, for the roots S and R, so Q and all U_i are
    Procrustes problems in turn. Each turn lowers the distance, towards a minimum that need not be
    the least: the search starts from the means' and the noise's own rotations, from none and from
    24 random ones, and a warning says when few starts agree. What is found bounds the distance
    from above; the triangle inequality is that of the least one. ``parts`` holds ``rotation``
    (d, d), which takes y's coordinates to x's, and ``mean`` and ``noise``, the two sums unweighted.
    No chance level or test is known. Sample covariances of few repeats are noisy themselves, which
    adds distance: two samples of one network do not reach 0.

    Parameters
    ----------
    x : (items, repeats, dx) array
    y : (items, repeats, dy) array of the same kind and items; repeats may differ
    alpha : weight of the means, 0 to 2
    rng : seed of the random starts

    Raises
    ------
    InputError
        On other shapes, fewer than 2 items or repeats, non-finite values, or alpha out of range.

    References
    ----------
    Duong et al. 2023; Bhatia et al. 2019 for B² as a Procrustes problem.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(5, 20, 3))
    >>> float(stochastic_shape_distance(x, x[:, :, ::-1] + 2)) < 1e-6
    True
    """
    if not 0 <= alpha <= 2:
        raise InputError("stochastic_shape_distance", f"alpha={alpha}", "0 <= alpha <= 2")
    x, y = (np.asarray(side) if isinstance(side, list) else side for side in (x, y))
    namespace(x, y)
    sides = [_moments(name, side) for name, side in (("x", x), ("y", y))]
    if len(sides[0][0]) != len(sides[1][0]):
        raise InputError(
            "stochastic_shape_distance",
            f"{len(sides[0][0])} and {len(sides[1][0])} items",
            "the same items on both sides",
            "Keep the items that both sides have, in one order.",
        )
    width = max(side[0].shape[1] for side in sides)
    (mu, s), (nu, r) = (_padded(*side, width) for side in sides)
    unit = max(float(np.abs(side).max()) for side in (mu, s, nu, r)) or 1.0
    mu, s, nu, r = (side / unit for side in (mu, s, nu, r))
    q, costs = _search(mu, s, nu, r, alpha, generator(rng))
    best = int(np.argmin(costs))
    mean, noise = _parts(q[best][None], mu, s, nu, r)
    value = unit * float(np.sqrt(alpha * mean[0] + (2 - alpha) * noise[0]))
    slack = 1e-6 * float(np.mean(np.sum(mu**2, axis=1)) + np.mean(np.sum(s**2, axis=(1, 2))))
    agree = int(np.sum(costs <= costs[best] + slack))
    warnings: tuple[str, ...] = ()
    if alpha < 2 and agree < 3:
        warnings = (
            f"only {agree} of {len(costs)} starts reach this distance; a lower one may exist",
        )
    return Score(
        value=value,
        method=CARD.name,
        n=len(mu),
        length=value,
        warnings=warnings,
        parts={
            "rotation": q[best],
            "mean": unit**2 * float(mean[0]),
            "noise": unit**2 * float(noise[0]),
        },
    )


def _moments(name: str, samples: Array) -> tuple[np.ndarray, np.ndarray]:
    """Centred means (m, d) and roots of the noise covariances (m, d, d)."""
    shape = tuple(samples.shape)
    if len(shape) != 3 or shape[0] < 2 or shape[1] < 2 or shape[2] < 1:
        raise InputError(
            "stochastic_shape_distance",
            f"{name} of shape {shape}",
            "(items, repeats, d) with 2 or more items and repeats",
            "Bring more items, and each of them more than once.",
        )
    xp = namespace(samples)
    flat = matrix(name, xp.reshape(samples, (-1, shape[2])), operation="stochastic_shape_distance")
    held = to_numpy(flat).astype(np.float64).reshape(shape)
    means = held.mean(axis=1)
    away = held - means[:, None]
    # The root of the covariance from the singular values of the samples, which squares nothing.
    _, values, vt = np.linalg.svd(away / np.sqrt(shape[1] - 1), full_matrices=False)
    roots = np.einsum("iab,ia,iac->ibc", vt, values, vt)
    return means - means.mean(axis=0), roots


def _padded(means: np.ndarray, roots: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    more = width - means.shape[1]
    return np.pad(means, ((0, 0), (0, more))), np.pad(roots, ((0, 0), (0, more), (0, more)))


def _search(
    mu: np.ndarray,
    s: np.ndarray,
    nu: np.ndarray,
    r: np.ndarray,
    alpha: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Rotations (starts, d, d) after alternation, and the distance squared at each."""
    width = mu.shape[1]
    axes = [np.linalg.eigh(np.mean(side @ side, axis=0))[1] for side in (s, r)]
    suggested = [np.eye(width), axes[0] @ axes[1].T, _nearest(mu.T @ nu)]
    # Means alone are solved in one step.
    tried = suggested[2:] if alpha == 2 else [
        *suggested, *np.linalg.qr(rng.standard_normal((_STARTS, width, width)))[0],
    ]  # fmt: skip
    q = np.stack(tried)
    costs = _cost(q, mu, s, nu, r, alpha)
    going = np.arange(len(q)) if alpha < 2 else np.arange(0)
    for _ in range(_STEPS):
        if not len(going):
            break
        turned = _turns(q[going], s, r)
        # tr(Sᵀ Q R U) = tr(Qᵀ S Uᵀ Rᵀ), the roots being symmetric.
        noise = np.mean(s @ np.swapaxes(turned, 2, 3) @ r, axis=1)
        q[going] = _nearest(alpha * mu.T @ nu / len(mu) + (2 - alpha) * noise)
        after = _cost(q[going], mu, s, nu, r, alpha)
        gain = costs[going] - after
        costs[going] = after
        going = going[gain > _GAIN * (np.abs(after) + 1e-12)]
    return q, costs


def _nearest(cross: np.ndarray) -> np.ndarray:
    """The orthogonal matrices that maximise tr(Wᵀ C), for a stack of C."""
    u, _, vt = np.linalg.svd(cross)
    return np.asarray(u @ vt)


def _turns(q: np.ndarray, s: np.ndarray, r: np.ndarray) -> np.ndarray:
    """The U_i that bring Q R_i U_i nearest to S_i, (starts, items, d, d)."""
    return _nearest(r @ np.swapaxes(q, 1, 2)[:, None] @ s)


def _parts(
    q: np.ndarray, mu: np.ndarray, s: np.ndarray, nu: np.ndarray, r: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean over items of |μ - Qν|² and of B², for a stack of Q; sums of squares, no differences."""
    mean = np.sum((mu - nu @ np.swapaxes(q, 1, 2)) ** 2, axis=2)
    noise = np.sum((s - q[:, None] @ r @ _turns(q, s, r)) ** 2, axis=(2, 3))
    return mean.mean(axis=1), noise.mean(axis=1)


def _cost(
    q: np.ndarray,
    mu: np.ndarray,
    s: np.ndarray,
    nu: np.ndarray,
    r: np.ndarray,
    alpha: float,
) -> np.ndarray:
    mean, noise = _parts(q, mu, s, nu, r)
    return np.asarray(alpha * mean + (2 - alpha) * noise)
