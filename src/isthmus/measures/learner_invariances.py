r"""Learner invariances: which changes of a space leave a learner's predictions alone."""

from collections.abc import Callable
from typing import Any

import numpy as np

from isthmus.core.arrays import matrix, to_numpy
from isthmus.core.card import GROUPS, Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register
from isthmus.core.score import Score

CARD = Card(
    name="learner_invariances",
    summary="Which groups may act on a space without changing what a learner predicts from it.",
    paper=Paper(
        "Characterizing the invariances of learning algorithms using category theory",
        "Harris", 2019,
    ),
    cost="n d^2",
    memory="n d + d^2",
    spaces=0,
    min_rows=4,
    caveat="A group that passes was tried at a few random elements; one that fails is disproved.",
)  # fmt: skip

#: From training rows (n, d), targets (n, ...) and new rows (m, d) to predictions (m, ...).
Learner = Callable[[np.ndarray, np.ndarray, np.ndarray], Any]
#: Groups that act on columns alike for all rows, smaller ones first.
TRIED = tuple(group for group in GROUPS if group != "row_scale")
_ELEMENTS = 3


@register(CARD)
def learner_invariances(
    fit_predict: Learner, x: Any, y: Any, *, tol: float = 1e-8, rng: Seed = 0
) -> Score:
    r"""Share of seven groups whose action on old and new rows alike moves no prediction, 0 to 1.

    .. math:: \delta_G = \max_{g \in G} \frac{\max_i |f_{g X, y}(g x_i) - f_{X, y}(x_i)|}
              {\mathrm{sd}(f_{X, y})}

    over three random elements g of each group, far from the identity; f_{X, y} is the learner
    fitted to the training half, x_i are the rows of the other half. A learner whose predictions a
    group leaves alone loses nothing when a bridge errs by an element of it: it tolerates a bridge
    that is right up to that group. ``parts``: ``changes`` maps every group to δ_G, and
    ``tolerates`` names those with δ_G <= ``tol``. Predictions may be numbers, (m,) or (m, c), or
    class names, of which the share that changes is δ_G.

    Parameters
    ----------
    fit_predict : takes training rows (n, d), their targets and new rows (m, d), and returns the
        predictions for the new rows; the same whenever it is called
    x : (n, d) array
    y : (n,) or (n, c) targets, numbers or names
    tol : largest change that counts as none
    rng : seed of the split and of the elements

    Raises
    ------
    InputError
        On fewer than 4 rows, non-finite values, targets of other length, predictions of another
        number of rows or not finite, that are all equal, or that differ when the call is repeated.

    References
    ----------
    Harris 2019, which proves the groups of linear and ridge regression.

    Examples
    --------
    >>> import numpy as np
    >>> def ols(x, y, new):
    ...     a = np.column_stack([x, np.ones(len(x))])
    ...     return np.column_stack([new, np.ones(len(new))]) @ np.linalg.lstsq(a, y)[0]
    >>> x = np.random.default_rng(0).normal(size=(60, 4))
    >>> learner_invariances(ols, x, x[:, 0] ** 2).value
    1.0
    """
    x = to_numpy(matrix("x", x, operation="learner_invariances")).astype(np.float64)
    y = to_numpy(y) if hasattr(y, "detach") else np.asarray(y)
    if len(x) < CARD.min_rows or y.shape[:1] != x.shape[:1]:
        raise InputError(
            "learner_invariances",
            f"x {x.shape} and y {y.shape}",
            "4 rows or more, paired",
            "Bring more rows, each with its target.",
        )
    draw = generator(rng)
    order = draw.permutation(len(x))
    old, new = np.array_split(order, 2)
    before = _predictions(fit_predict, x[old], y[old], x[new])
    spread = 1.0
    if before.dtype.kind == "f":
        spread = float(np.std(before, axis=0).max())
    if (before == before[0]).all() or not spread > 0:
        raise InputError(
            "learner_invariances", f"{len(new)} predictions that are all equal",
            "a learner that tells rows apart", "An invariance of a constant says nothing.",
        )  # fmt: skip
    again = _change(before, _predictions(fit_predict, x[old], y[old], x[new]), spread)
    if again > tol:
        raise InputError(
            "learner_invariances", f"predictions that move by {again:.2g} when asked again",
            "a learner that repeats itself", "Fix its seed.",
        )  # fmt: skip
    changes = {}
    for group in TRIED:
        found = []
        for _ in range(_ELEMENTS):
            linear, shift = _element(group, x, draw)
            moved = x @ linear + shift
            after = _predictions(fit_predict, moved[old], y[old], moved[new])
            found.append(_change(before, after, spread))
        changes[group] = max(found)
    tolerated = tuple(group for group in TRIED if changes[group] <= tol)
    return Score(
        value=len(tolerated) / len(TRIED), method="learner_invariances", n=len(x),
        parts={"changes": changes, "tolerates": tolerated},
    )  # fmt: skip


def _element(group: str, x: np.ndarray, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A random element of ``group``: x @ linear + shift."""
    d = x.shape[1]
    linear, shift = np.eye(d), np.zeros(d)
    turns = [np.linalg.qr(draw.normal(size=(d, d)))[0] for _ in range(2)]
    stretch = draw.permutation(np.geomspace(0.2, 5.0, d)) if d > 1 else np.array([5.0])
    if group == "permutation":
        linear = linear[np.roll(draw.permutation(d), 1)]
    elif group == "orthogonal":
        linear = turns[0]
    elif group == "isotropic_scale":
        linear = linear * np.exp(draw.normal() + 2)
    elif group == "axis_scale":
        linear = np.diag(stretch)
    elif group in ("invertible_linear", "affine"):
        linear = turns[0] @ np.diag(stretch) @ turns[1]
    if group in ("translation", "affine"):
        shift = 5 * x.std(axis=0).max() * draw.normal(size=d)
    return linear, shift


def _predictions(fit_predict: Learner, x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    found = np.asarray(fit_predict(x, y, new))
    if found.shape[:1] != (len(new),):
        raise InputError(
            "learner_invariances", f"predictions of shape {found.shape} for {len(new)} rows",
            "one prediction a row", "Return one prediction for each new row.",
        )  # fmt: skip
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise InputError(
            "learner_invariances",
            f"predictions of shape {found.shape} with NaN or infinity",
            "finite ones",
            "Look at the learner: it may have diverged.",
        )
    return found


def _change(before: np.ndarray, after: np.ndarray, spread: float) -> float:
    if before.dtype.kind == "f":
        return float(np.abs(after - before).max()) / spread
    return float(np.mean(after != before))
