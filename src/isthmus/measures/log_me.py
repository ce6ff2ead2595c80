r"""LogME: evidence of a linear model of the labels given the features."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from isthmus.core.arrays import Array, check_rows, matrix, row_blocks
from isthmus.core.card import Card, Paper
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.canonical import across, span
from isthmus.measures.classes import codes, indicators
from isthmus.measures.rows import BLOCK, influence_interval, weighted_squares

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
    caveat="The interval is of what so many rows read on average: the evidence per row grows with "
    "them. chance, z and p come from 199 shuffles.",
)  # fmt: skip

_SHUFFLES = 199
#: Entries of the indicators of shuffles worked on together, which makes one product of them.
_ENTRIES = 2**24
#: Of an interval of two steps of ``_RATIOS``: leaves the maximum, which is flat, within rounding.
_HALVINGS = 14
#: Those of shuffles, whose evidence they leave within 0.002 nats a class of its maximum.
_FEW = 7
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
    then bisected, where a fixed-point iteration may stop early. Nothing is centred and there is no
    intercept, as in the paper. ``chance``, z and p come from 199 seeded shuffles of the labels.
    The interval is the infinitesimal jackknife: a row's weight moves log N by the posterior mean of
    log N(y_i | x_i w, 1/β), for α and β are at their best. There is none where x reproduces a class
    without error.

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
    check_rows(CARD.min_rows, operation="log_me", x=x.shape)
    numbers, sizes = codes(labels, x.shape[0], operation="log_me")
    u, s = span("x", x, operation="log_me", centre=False)
    power = (s / s[0]) ** 2
    marks = indicators(numbers)
    through = across(marks, u)
    found, best = _evidences(through, power, sizes, len(u), _HALVINGS)
    value = float(found.mean()) / len(u)
    # What x leaves of a class, as a share; below the least ratio only the grid bounds the evidence.
    left = 1 - np.vecdot(through, through) / sizes
    endless = int(np.sum(left <= max(_RATIOS[0], 8 * float(np.finfo(u.dtype).eps))))
    # Compared with shuffles is what came by their way, as rough as they are.
    found, _ = _evidences(marks.T.astype(u.dtype) @ u, power, sizes, len(u), _FEW)
    compared = float(found.mean()) / len(u)
    # Rows in an order of their own before they are shuffled: by leverage, then by class.
    order = np.lexsort((numbers, weighted_squares(u, power)))
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    draw, null, classes = generator(rng), np.empty(_SHUFFLES), np.arange(len(sizes))[:, None]
    for part in row_blocks(_SHUFFLES, max(1, _ENTRIES // (len(sizes) * len(u)))):
        shuffled = np.empty((part.stop - part.start, len(sizes), len(u)), u.dtype)
        for one in shuffled:
            one[...] = draw.permutation(numbers[order])[rank] == classes
        # In the rows' own digits, which are more than enough for a spread.
        reached = shuffled.reshape(-1, len(u)) @ u
        found, _ = _evidences(reached, power, np.tile(sizes, len(shuffled)), len(u), _FEW)
        null[part] = found.reshape(-1, len(sizes)).mean(axis=1) / len(u)
    spread, level = float(null.std(ddof=1)), float(null.mean())
    # Evidence that is the same up to rounding is no better.
    slack = max(1e-9, 16 * float(np.finfo(u.dtype).eps)) * max(1.0, abs(compared))
    alike = max(float(null.max()), compared) - min(float(null.min()), compared) <= slack
    warnings: tuple[str, ...] = ()
    if len(sizes) > len(u) // 2:
        warnings = (f"{len(sizes)} classes for {len(u)} rows: hardly two rows a class",)
    ci = influence_interval(value, _influences(u, marks, through, power, best))
    if alike:
        warnings += ("any order of the labels has this evidence: x says nothing of the classes",)
    if endless and len(s) < len(u):
        ci = None
        warnings += (
            f"x reproduces {endless} of {len(sizes)} classes without error: the evidence grows "
            "without bound there, and the value only says where the search ended",
        )
    return Score(
        value=value,
        method="log_me",
        n=len(u),
        ci=ci,
        chance=level,
        z=0.0 if alike else (compared - level) / spread,
        p=float(1 + np.sum(null >= compared - slack)) / (1 + _SHUFFLES),
        warnings=warnings,
    )


def _evidences(
    through: np.ndarray, power: np.ndarray, total: np.ndarray, n: int, halvings: int
) -> tuple[np.ndarray, np.ndarray]:
    """The greatest log evidence (m,) of each of m columns y, from yᵀ U (m, r) and |y|² (m,).

    With it t = α/β (m,), where it is.
    """
    z2, power, ratios = through**2, power.astype(through.dtype), _RATIOS.astype(through.dtype)
    outside = np.maximum(total - z2.sum(axis=1), 0.0)
    outside[outside < 1e-12 * total] = 0.0

    def evidence(rest: np.ndarray, t: np.ndarray) -> np.ndarray:
        volume = np.log1p(power / t[:, None]).sum(axis=1)
        return np.asarray(-0.5 * (n * np.log(2 * math.pi * rest / n) + n + volume))

    # R(t) = what x cannot reach + what the prior holds back: no cancellation.
    held = ratios[:, None] / (ratios[:, None] + power)
    coarse = evidence(outside[:, None] + z2 @ held.T, ratios)  # (m, ratios)
    best = np.argmax(coarse, axis=1)
    # Between its neighbours the maximum is where the slope in log t changes sign.
    step = math.log(_RATIOS[1] / _RATIOS[0])
    low, high = np.log(_RATIOS[best]) - step, np.log(_RATIOS[best]) + step
    for _ in range(halvings):
        middle = (low + high) / 2
        t = np.exp(middle).astype(z2.dtype)[:, None]
        back = t / (t + power)
        held_back = z2 * back
        rest = outside + held_back.sum(axis=1)
        # Of -2 log evidence, divided by two: n R'/R less what the volume loses.
        rising = n * np.einsum("ij,ij->i", held_back, 1 - back) < rest * (1 - back).sum(axis=1)
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    t = np.exp((low + high) / 2).astype(z2.dtype)
    rest = outside + np.einsum("ij,ij->i", z2, t[:, None] / (t[:, None] + power))
    return np.maximum(evidence(rest, t), coarse.max(axis=1)), t


def _influences(
    u: np.ndarray, marks: np.ndarray, through: np.ndarray, power: np.ndarray, t: np.ndarray
) -> Iterator[np.ndarray]:
    """The influence of each row on the value, up to a constant, in blocks.

    -½ (β (y_i - x_i m)² + β x_i A⁻¹ x_iᵀ), mean over classes, with m and A⁻¹ the posterior's mean
    and covariance.
    """
    kept = power / (power + t[:, None].astype(np.float64))  # what the prior leaves of each z
    fit = kept * through
    beta = len(u) / (marks.sum(axis=0) - np.vecdot(fit, through))
    kept, fit = kept.astype(u.dtype), fit.astype(u.dtype)
    for rows in row_blocks(len(u), BLOCK):
        part = u[rows]
        missed = marks[rows] - part @ fit.T
        yield -(beta * missed**2 + part**2 @ kept.T).mean(axis=1) / 2
