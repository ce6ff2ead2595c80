"""Givens bridge: rotations in coordinate planes, d - 1 of them in log2(d) rounds."""

from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.linear import LinearMap
from isthmus.bridges.map import Map
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.moments import Keeps, Moments
from isthmus.core.options import Limit
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="givens",
    summary="Givens rotations in parallel rounds, d - 1 angles a pass, with soft norms (qGOFT).",
    paper=Paper(
        "Parameter Efficient Quasi-Orthogonal Fine-Tuning via Givens Rotation", "Ma et al.", 2024
    ),
    invariant=("translation",),
    equivariant=("translation",),
    cost="n d^2 + d^3",
    memory="d^2",
    streams=True,
    min_rows=2,
)

_SWEEPS = 50

Round = tuple[np.ndarray, np.ndarray]


@register(CARD)
class Givens(LinearMap, Map, TransformerMixin, BaseEstimator):
    r"""The map x ↦ (x - mean_x) G_1 ⋯ G_R diag(s) + mean_y with G_r rotations in disjoint planes.

    One pass is a tournament: coordinates meet in pairs, one of each pair meets on, until one is
    left. These are d - 1 planes in ⌈log2 d⌉ rounds, and the planes of a round turn at once. Further
    passes draw the coordinates' order anew. The angles maximise tr(Wᵀ S_xy): given all other
    rounds, each angle of a round has its optimum in closed form,

        θ_ij = atan2(M_ij - M_ji, M_ii + M_jj),   M = G_(r-1)ᵀ ⋯ G_1ᵀ S_xy G_Rᵀ ⋯ G_(r+1)ᵀ,

    so sweeps over the rounds climb without a step size. Then each coordinate of the target gets the
    norm s_j = (z_jᵀ y_j + τ v) / (z_jᵀ z_j + τ v) with z = x W and v the mean of z_jᵀ z_j, which is
    least squares held towards 1 by the penalty τ. Rotations cannot mirror: where it agrees better,
    one coordinate is mirrored, which shows as a norm held towards -1.

    Few pairs suffice for so few numbers, provided that the axes of both spaces already correspond,
    as they do for an encoder that drifted. Spaces trained apart share no axes: ``Orthogonal``.

    Parameters
    ----------
    passes : how many times d - 1 rotations, or None for 8; d / 2 are enough to count d (d - 1) / 2
        angles, as a full rotation has, and no more are used
    stiffness : τ; ``inf`` (or anything large) for a strict rotation
    rng : seed or Generator of the order of coordinates, from the second pass on

    Attributes
    ----------
    coef_ : (dx, dy) float64
    intercept_ : (dy,) float64
    angles_ : (passes, width - 1) radians; width is the wider space's dim
    norms_ : (width,) the factors s

    Raises
    ------
    InputError
        On fewer than one pass, a negative stiffness, or on rows that are not finite, not paired, or
        fewer than 2.

    References
    ----------
    Ma et al. 2024; Givens 1958, Computation of plane unitary rotations.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(30, 3))
    >>> turn = np.array([[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
    >>> bridge = Givens(passes=1).fit(x, x @ turn)
    >>> bool(np.allclose(bridge.transform(x), x @ turn))
    True
    """

    BEYOND = "kept and turned, on the assumption that the map is a rotation"
    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        **LinearMap.STATE, "angles_": ("passes", "planes"), "norms_": ("width",),
    }  # fmt: skip
    keeps: ClassVar[Keeps] = "source"

    angles_: np.ndarray
    norms_: np.ndarray

    def __init__(self, *, passes: int | None = None, stiffness: Limit = 1.0, rng: Seed = 0) -> None:
        self.passes = passes
        self.stiffness = stiffness
        self.rng = rng

    def solve(
        self, moments: Moments, x: np.ndarray | None, y: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """W and b; rows are not needed."""
        if (self.passes is not None and self.passes < 1) or not self.stiffness >= 0:
            raise InputError(
                "Givens", f"passes={self.passes}, stiffness={self.stiffness}",
                "at least one pass, stiffness at least 0",
            )  # fmt: skip
        dx, dy = moments.dims
        width = max(dx, dy)
        cross = np.zeros((width, width))
        cross[:dx, :dy] = moments.scatter_xy
        rng = generator(self.rng)
        count = max(min(8 if self.passes is None else self.passes, width // 2), 1)
        orders = [np.arange(width)] + [rng.permutation(width) for _ in range(count - 1)]
        plan = [(o[i], o[j]) for o in orders for i, j in rounds(width)]
        # Rotations keep the hand of a space: try the other one too, one coordinate mirrored.
        mirror = np.ones(width)
        mirror[int(np.argmin(np.diag(cross)))] = -1.0
        still = [np.zeros(len(i)) for i, _ in plan]
        tried = [(sign, _climb(cross * sign, plan, still, 5)) for sign in (np.ones(width), mirror)]
        sign, angles = max(
            tried,
            key=lambda one: float(np.sum(turned(np.eye(width), plan, one[1]) * one[0] * cross)),
        )
        angles = _climb(cross * sign, plan, angles, _SWEEPS)
        turn = turned(np.eye(width), plan, angles)
        cross = cross * sign
        self.angles_ = np.concatenate([np.zeros(0), *angles]).reshape(count, width - 1)
        turn = turn[:dx]
        landed = np.sum(turn * (moments.scatter_xx @ turn), axis=0)
        agreed = np.sum(turn * cross[:dx], axis=0)
        held = self.stiffness * float(landed.mean())
        # An infinite penalty, like a space that does not vary, leaves every norm at 1.
        soft = np.isfinite(held) & (landed + held > 0)
        self.norms_ = np.ones(width)
        self.norms_[soft] = ((agreed + held) / np.where(soft, landed + held, 1.0))[soft]
        self.norms_ *= sign
        coef = (turn * self.norms_)[:, :dy]
        return coef, moments.mean_y - moments.mean_x @ coef


def rounds(width: int) -> list[Round]:
    """The planes (i, j) of one pass over ``width`` coordinates: width - 1 in ⌈log2 width⌉ rounds.

    >>> [(i.tolist(), j.tolist()) for i, j in rounds(5)]
    [([0, 2], [1, 3]), ([0], [2]), ([0], [4])]
    """
    found, step = [], 1
    while step < width:
        left = np.arange(0, width - step, 2 * step)
        found.append((left, left + step))
        step *= 2
    return found


def to_axis(vector: np.ndarray) -> list[np.ndarray]:
    """Angles, one array a round of ``rounds``, that turn ``vector`` (d,) into (|vector|, 0, ...).

    >>> v = np.array([3.0, 0.0, 4.0])
    >>> turned(v, rounds(3), to_axis(v)).round(12).tolist()
    [5.0, 0.0, 0.0]
    """
    angles = []
    v = np.asarray(vector, dtype=np.float64)
    for i, j in rounds(len(v)):
        angles.append(-np.arctan2(v[j], v[i]))
        v = turned(v, [(i, j)], angles[-1:])
    return angles


def between(start: np.ndarray, end: np.ndarray) -> tuple[list[Round], list[np.ndarray]]:
    """Turns ``start`` (d,) into ``end`` of the same length: d - 1 rotations, one a round.

    Each brings one coordinate to its end: one that is too large gives what is left over to one that
    is too small, so both sides run out together. Raises InputError on unequal lengths.

    >>> a, b = np.array([1.0, 0.0, 0.0]), np.array([0.6, 0.0, -0.8])
    >>> turned(a, *between(a, b)).round(12).tolist()
    [0.6, 0.0, -0.8]
    """
    v, end = np.array(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    if v.shape != end.shape or abs(np.linalg.norm(v) - np.linalg.norm(end)) > 1e-9 * (
        np.linalg.norm(end) or 1.0
    ):
        raise InputError("between", f"{v.shape} and {end.shape}", "two vectors of equal length")
    plan, angles = [], []
    left = list(range(len(v)))
    while len(left) > 1:
        excess = v[left] ** 2 - end[left] ** 2
        giver, taker = left[int(np.argmax(excess))], left[int(np.argmin(excess))]
        if giver == taker:
            giver, taker = left[0], left[1]
        rest = v[giver] ** 2 + v[taker] ** 2 - end[giver] ** 2
        # The last turn decides the sign of both.
        goal = np.copysign(np.sqrt(max(rest, 0.0)), v[taker])
        goal = end[taker] if len(left) == 2 else goal
        angle = np.arctan2(goal, end[giver]) - np.arctan2(v[taker], v[giver])
        plan.append((np.array([giver]), np.array([taker])))
        angles.append(np.array([angle]))
        v = turned(v, plan[-1:], angles[-1:])
        left.remove(giver)
    return plan, angles


def turned(rows: np.ndarray, plan: list[Round], angles: list[np.ndarray]) -> np.ndarray:
    """``rows`` (..., d) times G_1 ⋯ G_R: in each plane (i, j) by an angle from axis i to axis j."""
    rows = np.array(rows, dtype=np.float64)
    for (i, j), angle in zip(plan, angles, strict=True):
        _turn(rows, i, j, angle)
    return rows


def _turn(rows: np.ndarray, i: np.ndarray, j: np.ndarray, angle: np.ndarray) -> None:
    """One round, in place."""
    c, s = np.cos(angle), np.sin(angle)
    left, right = rows[..., i], rows[..., j]
    rows[..., i], rows[..., j] = c * left - s * right, s * left + c * right


def _climb(
    cross: np.ndarray, plan: list[Round], angles: list[np.ndarray], sweeps: int
) -> list[np.ndarray]:
    """The angles after ``sweeps`` at most, which only increase tr(Wᵀ C)."""
    angles, best = list(angles), -np.inf
    for _ in range(sweeps):
        m = turned(cross, plan[::-1], [-a for a in angles[::-1]])
        for r, (i, j) in enumerate(plan):
            _turn(m, i, j, angles[r])
            angles[r] = np.arctan2(m[i, j] - m[j, i], m[i, i] + m[j, j])
            _turn(m.T, i, j, angles[r])
        value = float(np.trace(m))
        if value <= best + 1e-9 * abs(value):
            break
        best = value
    return angles
