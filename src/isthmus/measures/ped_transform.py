r"""PED: move classes apart as their overlap would push them, as fine-tuning does."""

import math
from typing import Any

import numpy as np

from isthmus.core.arrays import Array, like, matrix, take
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.cdnv import Classes
from isthmus.measures.classes import codes

CARD = Card(
    name="ped_transform",
    summary="Potential energy of overlapping classes, and the vectors after it drove them apart.",
    paper=Paper(
        "Exploring Model Transferability through the Lens of Potential Energy", "Li et al.", 2023
    ),
    cost="n d",
    memory="n d",
    spaces=1,
    given=("labels",),
    invariant=("orthogonal", "isotropic_scale", "translation"),
    min_rows=4,
    caveat="A simulation, not an estimate: it has no interval and no chance level.",
)


@register(CARD)
def ped_transform(
    x: Array, labels: Any, *, reach: float = 0.6, step: float = 0.005, steps: int = 6
) -> Score:
    r"""Energy of the overlap of classes, at least 0; the moved vectors are ``parts["moved"]``.

    .. math:: E = \frac{1}{\bar R^2 |P|} \sum_{i < j} \tfrac12
              \max(\rho (R_i + R_j) - |\mu_i - \mu_j|, 0)^2

    Every class is a ball about its mean μ with radius ρ R_i, R_i² its total variance, R̄ their
    root mean square and P the pairs. Each step moves all rows of class i by
    Σ_j ``step`` · (overlap of i and j) along μ_i - μ_j, the paper's uniformly accelerated motion
    from rest (½ t² · force, whose code has t = 0.1 and ρ 0.3 or 0.6). It ends after ``steps``, or
    once a step would move the classes by less than half of what the first did. Then any score of
    transferability may be taken of ``parts["moved"]`` (n, d), of x's kind. ``parts["energies"]``
    holds E before every step and after the last. The paper rescales columns by their deviation on
    ImageNet first; here one unit, R̄, serves all columns. Rows of one class keep
    their places among themselves.

    Parameters
    ----------
    x : (n, d) array
    labels : (n,) integers or strings of at least 2 classes
    reach : radii ρ of a ball, above 0
    step : share of an overlap that each of the two classes moves by in a step, 0 to 0.5
    steps : at most so many steps

    Raises
    ------
    InputError
        On non-finite values, rows that do not vary within any class, options out of range, labels
        of other length or one class.

    References
    ----------
    Li et al. 2023.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(80, 3))
    >>> energies = ped_transform(x, np.arange(80) % 4).parts["energies"]
    >>> bool(energies[0] > energies[-1])
    True
    """
    if not (reach > 0 and 0 < step <= 0.5 and steps >= 0):
        raise InputError(
            "ped_transform", f"reach={reach}, step={step}, steps={steps}",
            "reach > 0, 0 < step <= 0.5, steps >= 0",
        )  # fmt: skip
    x = matrix("x", x, operation="ped_transform")
    numbers, sizes = codes(labels, x.shape[0], operation="ped_transform")
    seen = Classes.of(x, numbers, sizes)
    radius = np.sqrt(np.bincount(numbers, seen.squares()) / sizes)
    unit = math.sqrt(float(np.mean(radius**2)))
    if not unit > 1e-12 * float(np.abs(seen.means).max()):
        raise InputError(
            "ped_transform",
            f"x {tuple(x.shape)} with {len(sizes)} classes that do not vary",
            "rows that vary in a class",
            "Look at how these vectors were made: the classes may have collapsed.",
        )
    means, balls = seen.means / unit, reach * radius / unit
    energies, first = [], 0.0
    for _ in range(steps):
        energy, moves = _push(means, balls)
        energies.append(energy)
        length = float(np.linalg.norm(moves, axis=1).sum())
        first = first or length
        if length == 0 or length < 0.5 * first:
            break
        means = means + step * moves
    energies.append(_push(means, balls)[0])
    shift = like((means * unit - seen.means) * seen.unit, x)
    moved = x + take(shift, numbers)
    return Score(
        value=energies[0], method="ped_transform", n=len(numbers),
        parts={"moved": moved, "energies": np.array(energies)},
    )  # fmt: skip


def _push(means: np.ndarray, balls: np.ndarray) -> tuple[float, np.ndarray]:
    """Energy of the overlaps, and the sum (g, d) of overlaps that push each class."""
    energy, moves = 0.0, np.zeros_like(means)
    for i in range(len(means)):
        gap = means[i] - means
        apart = np.linalg.norm(gap, axis=1)
        overlap = np.maximum(balls[i] + balls - apart, 0.0)
        overlap[i] = 0.0
        energy += float(overlap @ overlap) / 4  # every pair comes twice
        # Classes with one mean have no direction to part in: they stay until others push them.
        moves[i] = (overlap / np.maximum(apart, 1e-300)) @ gap
    return energy / (len(means) * (len(means) - 1) / 2), moves
