r"""LogME: evidence of a linear model of the labels given the features."""

import math
from typing import Any

import numpy as np

from isthmus.core.arrays import Array, matrix
from isthmus.core.card import Card, Paper
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.canonical import span
from isthmus.measures.classes import codes, indicators

CARD = Card(
    name="log_me",
    summary="Log evidence per row of a Bayesian linear model of class indicators; any width.",
    paper=Paper(
        "LogME: Practical Assessment of Pre-trained Models for Transfer Learning",
        "You et al.", 2021,
    ),
    cost="n d^2",
    memory="n d",
    spaces=1,
    given=("labels",),
    invariant=("orthogonal", "isotropic_scale"),
    min_rows=4,
    caveat="No interval: rows share one evidence. chance, z and p come from 199 shuffles.",
)  # fmt: skip

_SHUFFLES = 199
#: Ratios of prior precision to noise precision, in units of the largest squared singular value.
_RATIOS = np.logspace(-10, 6, 129)


@register(CARD)
def log_me(x: Array, labels: Any, *, rng: Seed = 0) -> Score:
    r"""Maximum log evidence per row of y = x w + noise, mean over one-hot classes y; unbounded.

    .. math:: \frac{1}{gn} \sum_c \max_{\alpha, \beta}
              \log N\!\left(y_c \,\middle|\, 0, \beta^{-1} I + \alpha^{-1} X X^\top\right)

    In the basis of the left singular vectors this is a sum over the r nonzero singular values, so
    it is right for d > n too. With t = α/β the best β has a closed form, β = n / R(t) and
    R(t) = |y|² - Σ z_k² σ_k² / (σ_k² + t); what remains is searched over the whole range of t and
    then refined, where a fixed-point iteration may stop early. Nothing is centred and there is no
    intercept, as in the paper. ``chance``, z and p come from 199 seeded shuffles of the labels.

    Parameters
    ----------
    x : (n, d) array
    labels : (n,) integers or strings of at least 2 classes
    rng : seed of the shuffles, which do not depend on the order of rows

    Raises
    ------
    InputError
        On non-finite values, features that are all zero, labels of other length or one class.

    References
    ----------
    You et al. 2021, "LogME: Practical Assessment of Pre-trained Models for Transfer Learning".

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 80))
    >>> score = log_me(x, x[:, 0] > 0)
    >>> score.value < 0, abs(score.value - score.chance) < 0.1
    (True, True)
    """
    x = matrix("x", x, operation="log_me")
    numbers, sizes = codes(labels, x.shape[0], operation="log_me")
    u, s = span("x", x, operation="log_me", centre=False)
    power = (s / s[0]) ** 2
    y = indicators(numbers)
    value = _evidence(u, power, y)
    # Rows in an order of their own before they are shuffled: by leverage, then by class.
    order = np.lexsort((numbers, np.einsum("ij,ij->i", u * power, u)))
    draw, first, counts = generator(rng), u[order], y[order]
    null = np.array(
        [_evidence(first, power, counts[draw.permutation(len(y))]) for _ in range(_SHUFFLES)]
    )
    spread = float(null.std(ddof=1))
    warnings: tuple[str, ...] = ()
    if len(sizes) > len(y) // 2:
        warnings = (f"{len(sizes)} classes for {len(y)} rows: hardly two rows a class",)
    return Score(
        value=value,
        method="log_me",
        n=len(y),
        chance=float(null.mean()),
        z=(value - float(null.mean())) / spread if spread > 0 else 0.0,
        p=float(1 + np.sum(null >= value)) / (1 + _SHUFFLES),
        warnings=warnings,
    )


def _evidence(u: np.ndarray, power: np.ndarray, y: np.ndarray) -> float:
    """Mean over the columns of y (n, g) of the greatest log evidence per row."""
    n = len(u)
    total = np.sum(y**2, axis=0)
    z2 = (u.T @ y) ** 2  # (r, g)
    outside = np.maximum(total - z2.sum(axis=0), 0.0)
    outside[outside < 1e-12 * total] = 0.0

    def at(t: np.ndarray) -> np.ndarray:
        """Log evidence at ratios t (m, g) or (m, 1), one column a class."""
        # R(t) = what x cannot reach + what the prior holds back: no cancellation.
        held = t[:, :, None] / (t[:, :, None] + power)
        rest = outside + np.einsum(
            "mgk,kg->mg", np.broadcast_to(held, (*_wide(t, y), len(power))), z2
        )
        volume = np.log1p(power / t[:, :, None]).sum(axis=2)
        return np.asarray(-0.5 * (n * np.log(2 * math.pi * rest / n) + n + volume))

    ratios = np.log(_RATIOS)[:, None]
    step = float(ratios[1, 0] - ratios[0, 0])
    best = ratios[np.argmax(at(np.exp(ratios)), axis=0), 0]
    # The maximum is flat, so three finer grids of 9 leave less than rounding.
    for _ in range(6):
        near = best + np.linspace(-step, step, 9)[:, None]
        best = near[np.argmax(at(np.exp(near)), axis=0), np.arange(len(best))]
        step /= 4
    return float(np.mean(at(np.exp(best[None, :])))) / n


def _wide(t: np.ndarray, y: np.ndarray) -> tuple[int, int]:
    return t.shape[0], y.shape[1]
