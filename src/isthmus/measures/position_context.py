r"""Position and context: what of a hidden state is where it stands, and what is in which text."""

import math
from typing import Any

import numpy as np

from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.layers import stack, unit_rows
from isthmus.measures.rows import jackknife

CARD = Card(
    name="position_context",
    summary="A layer's hidden states as mean, position, context and residual, and their angles.",
    paper=Paper(
        "Uncovering hidden geometry in Transformers via disentangling position and context",
        "Song & Zhong", 2023,
    ),
    cost="n d^2",
    memory="n d",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    spaces=0,
    paired=False,
    caveat="The interval is over contexts and ignores bias: noise reads as an angle above 0.",
)  # fmt: skip

#: Share of a part's variance that its rank holds, and groups of contexts left out in turn.
_HELD, _GROUPS = 0.95, 20


@register(CARD)
def position_context(hidden: Any) -> Score:
    r"""Mean |cosine| between position parts and context parts of one layer's hidden states.

    .. math:: h_{ct} = \mu + p_t + c_c + r_{ct}, \qquad
              p_t = \bar h_{\cdot t} - \mu, \quad c_c = \bar h_{c \cdot} - \mu

    with μ the mean of all. Position and context parts sum to zero, so the squares add up:
    Σ|h - μ|² = C Σ|p_t|² + T Σ|c_c|² + Σ|r_ct|². Chance is the mean |cosine| of two random
    directions, Γ(d/2) / (√π Γ((d+1)/2)). The interval, from 40 contexts on, is a jackknife over
    20 groups of them; parts that are orthogonal read above 0, as the noise in them is not.

    Parts: ``mean`` (d,), ``position`` (tokens, d), ``context`` (contexts, d) and ``residual``
    (contexts, tokens, d), which add up to ``hidden``; ``shares`` (3,) of the variance in position,
    context and residual; ``position_held`` and ``context_held``, the shares of a part's variance in
    its first 1, 2, ... axes; ``position_rank`` and ``context_rank``, the axes that hold 95 %. A
    position part is a mean over contexts and carries 1/C of the residual variance as noise.

    Parameters
    ----------
    hidden : (contexts, tokens, d) array of one layer, at least 2 of each

    Raises
    ------
    InputError
        On other shapes, non-finite values, or parts that are all zero.

    References
    ----------
    Song & Zhong 2023, "Uncovering hidden geometry in Transformers".

    Examples
    --------
    >>> import numpy as np
    >>> place, text = np.eye(4)[:2] - 0.5 * np.eye(4)[:2].sum(0), np.diag([0, 0, 1.0, -1.0])[2:]
    >>> score = position_context(place + text[:, None])
    >>> round(score.value, 9), score.parts["shares"].round(2).tolist()
    (0.0, [0.5, 0.5, 0.0])
    """
    layer = stack([hidden], operation="position_context", axes=3)[0]
    contexts, tokens, d = layer.shape
    if contexts < 2 or tokens < 2:
        raise InputError(
            "position_context",
            f"{contexts} contexts of {tokens} tokens: hidden {layer.shape}",
            "at least 2 of each",
            "Bring more contexts, or longer ones.",
        )
    mean = layer.mean(axis=(0, 1))
    position, context = layer.mean(axis=0) - mean, layer.mean(axis=1) - mean
    residual = layer - mean - position - context[:, None]
    power = np.array(
        [contexts * np.sum(position**2), tokens * np.sum(context**2), np.sum(residual**2)]
    )
    least = 1e-24 * max(float(power.sum()), contexts * tokens * float(mean @ mean))
    for name, size in (("position", power[0]), ("context", power[1])):
        if not size > least:
            raise InputError(
                "position_context",
                f"{name} parts that are all zero: hidden {layer.shape}",
                "hidden states that vary",
                "Look at how these vectors were made: the encoder may have collapsed.",
            )
    value = _angle(position, context)
    ci = None
    if contexts >= 2 * _GROUPS:
        ci = jackknife(value, [_left_out(layer)])
    held = [_held(position), _held(context)]
    chance = math.exp(math.lgamma(d / 2) - math.lgamma((d + 1) / 2)) / math.sqrt(math.pi)
    warnings: tuple[str, ...] = ()
    if value < chance:
        warnings = ("parts nearly orthogonal: what noise adds to the angle is not in the interval",)
    return Score(
        value=value,
        method="position_context",
        n=contexts * tokens,
        ci=ci,
        chance=chance,
        warnings=warnings,
        parts={
            "mean": mean, "position": position, "context": context, "residual": residual,
            "shares": power / power.sum(),
            "position_held": held[0], "context_held": held[1],
            "position_rank": 1 + int(np.sum(held[0] < _HELD)),
            "context_rank": 1 + int(np.sum(held[1] < _HELD)),
        },
    )  # fmt: skip


def _angle(position: np.ndarray, context: np.ndarray) -> float:
    return float(np.abs(unit_rows(position) @ unit_rows(context).T).mean())


def _left_out(layer: np.ndarray) -> np.ndarray:
    """The value without each of ``_GROUPS`` groups of contexts."""
    total, size = layer.sum(axis=0), len(layer)
    of_context = layer.mean(axis=1)
    values = []
    for group in range(_GROUPS):
        rest = np.arange(size) % _GROUPS != group
        places = (total - layer[~rest].sum(axis=0)) / rest.sum()
        mean = places.mean(axis=0)
        values.append(_angle(places - mean, of_context[rest] - mean))
    return np.array(values)


def _held(part: np.ndarray) -> np.ndarray:
    """Share of a part's variance in its first 1, 2, ... axes."""
    squares = np.linalg.svd(part, compute_uv=False) ** 2
    return np.asarray(np.cumsum(squares) / squares.sum())
