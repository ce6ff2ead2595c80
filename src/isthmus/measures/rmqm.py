r"""RMQM: how far, and how evenly, an encoder's vectors move as its inputs are disturbed more."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from isthmus.core.arrays import Array, all_equal, like, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError, MissingExtra
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.rows import Z95

CARD = Card(
    name="rmqm",
    summary="How far and how evenly an encoder's vectors move under growing noise in its inputs.",
    paper=Paper(
        "Manifold Characteristics That Predict Downstream Task Performance",
        "van der Merwe et al.", 2022,
    ),
    cost="n d m",
    memory="n m",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    spaces=0,
    min_rows=2,
    caveat="The paper's two ingredients, combined in this project's own way: compare values of "
    "this function with each other only, at the same levels and inputs.",
)  # fmt: skip

ATTACKS = ("noise", "pgd")
_STEPS = 5


@register(CARD)
def rmqm(
    encoder: Callable[[Any], Array],
    inputs: Array,
    levels: Sequence[float],
    *,
    attack: Literal["noise", "pgd"] = "noise",
    rng: Seed = 0,
) -> Score:
    r"""Mean over rows of the step size divided by one plus the unevenness of the steps.

    Row i is disturbed more and more along one path, δ_i1, δ_i2, ... up to the largest level, and
    its vector tracked: s_il = |f(x_i + δ_il) - f(x_i + δ_i,l-1)| / (σ_l - σ_l-1), over the root
    mean square distance of the clean vectors from their mean, so that the scale of f is no matter.

    .. math:: \frac1n \sum_i \frac{\bar s_i}{1 + v_i}, \quad
              v_i = \frac{1}{L-1} \sum_l \frac{|s_{i,l+1} - s_{il}|}{(s_{i,l+1} + s_{il}) / 2}

    Large where vectors move far in equal steps, which the paper finds of encoders that transfer
    well. ``noise`` is normal with standard deviation σ_l, one draw a row, scaled up; ``pgd`` looks
    in the cube of half-width σ_l for where the vector moves farthest (projected gradient ascent,
    each level from the last one's answer) and needs torch inputs and an encoder that torch can
    differentiate. No labels. The interval is normal over rows. Parts: ``steps`` (n, L), ``moved``
    (n,) the mean step, ``uneven`` (n,) v.

    Parameters
    ----------
    encoder : function from inputs (n, p) to vectors (n, d), of the same kind of array
    inputs : (n, p) array
    levels : two or more rising positive numbers, in the units of the inputs
    attack : ``noise`` or ``pgd``
    rng : seed of the noise

    Raises
    ------
    InputError
        On non-finite inputs or vectors, levels that do not rise, an encoder that gives other rows
        or one vector to all, an unknown attack, or ``pgd`` without torch inputs.
    MissingExtra
        When ``pgd`` is asked for and torch is not installed.

    References
    ----------
    van der Merwe et al. 2022, "Manifold Characteristics That Predict Downstream Task Performance".

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> score = rmqm(lambda x: 3 * x, x, [0.1, 0.2, 0.3])
    >>> bool(score.parts["uneven"].max() < 1e-9)  # a linear map moves in equal steps
    True
    >>> float(score) > float(rmqm(np.tanh, 3 * x, [1, 2, 3]))
    True
    """
    inputs = matrix("inputs", inputs, operation="rmqm")
    n, rise = inputs.shape[0], np.asarray(levels, dtype=np.float64)
    if rise.ndim != 1 or len(rise) < 2 or not (np.diff(rise, prepend=0.0) > 0).all():
        raise InputError("rmqm", f"levels {levels}", "two or more rising positive numbers")
    if attack not in ATTACKS or n < 2:
        raise InputError(
            "rmqm",
            f"attack {attack!r}, {n} rows: inputs {tuple(inputs.shape)}",
            f"one of {', '.join(ATTACKS)}, 2 rows or more",
            "Bring more inputs, or choose among the attacks.",
        )
    clean = _vectors(encoder(inputs), n)
    spread = float(np.sqrt(np.mean(np.sum((clean - clean.mean(axis=0)) ** 2, axis=1))))
    if not spread > 1e-12 * float(np.abs(clean).max()):
        raise all_equal("vectors of the encoder", clean.shape, operation="rmqm")
    if attack == "pgd":
        moved = _ascent(encoder, inputs, rise, generator(rng))
    else:
        noise = generator(rng).normal(size=tuple(inputs.shape))
        moved = [inputs + like(level * noise, inputs) for level in rise]
    path = np.stack([clean, *(_vectors(encoder(x), n) for x in moved)])
    steps = np.linalg.norm(np.diff(path, axis=0), axis=2).T / np.diff(rise, prepend=0.0) / spread
    both = steps[:, 1:] + steps[:, :-1]
    change = np.abs(np.diff(steps, axis=1)) / np.where(both > 0, both / 2, 1.0)
    far, uneven = steps.mean(axis=1), change.mean(axis=1)
    each = far / (1 + uneven)
    half = Z95 * float(each.std(ddof=1)) / np.sqrt(n)
    value = float(each.mean())
    stuck = int((steps == 0).all(axis=1).sum())
    return Score(
        value=value,
        method="rmqm",
        n=n,
        ci=(max(value - half, 0.0), value + half),
        warnings=(f"{stuck} of {n} vectors do not move at all",) if stuck else (),
        parts={"steps": steps, "moved": far, "uneven": uneven},
    )


def _vectors(vectors: Array, n: int) -> np.ndarray:
    held = to_numpy(matrix("vectors of the encoder", vectors, operation="rmqm"))
    if len(held) != n:
        raise InputError(
            "rmqm",
            f"{len(held)} vectors of {n} inputs",
            "one vector an input",
            "Return one vector for each input.",
        )
    return held.astype(np.float64)


def _ascent(
    encoder: Callable[[Any], Array], inputs: Array, rise: np.ndarray, draw: np.random.Generator
) -> list[Array]:
    """Inputs moved, within each level's cube, to where the encoder's vectors move farthest."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("rmqm, attack='pgd'", "torch", "torch") from error
    if not isinstance(inputs, torch.Tensor):
        raise InputError(
            "rmqm",
            "inputs without gradients for attack='pgd'",
            "a torch tensor",
            "Write the encoder and its inputs in torch, or take attack='noise'.",
        )
    start = encoder(inputs).detach()
    delta = like(rise[0] * draw.uniform(-0.5, 0.5, tuple(inputs.shape)), inputs)
    moved = []
    for level in rise.tolist():
        for _ in range(_STEPS):
            delta = delta.detach().requires_grad_()
            far = ((encoder(inputs + delta) - start) ** 2).sum()
            (slope,) = torch.autograd.grad(far, delta)
            delta = (delta + 2 * level / _STEPS * slope.sign()).clamp(-level, level)
        moved.append((inputs + delta).detach())
    return moved
