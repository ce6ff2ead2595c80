r"""Layer profile: how one-sided and how high-dimensional each layer of a model is."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from isthmus.core.arrays import all_equal, check_rows
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.linalg import symmetric_eigen
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.anisotropy import anisotropy
from isthmus.measures.layers import LEAST, nearest, rows_of

CARD = Card(
    name="layer_profile",
    summary="Anisotropy and intrinsic dimension of every layer, and of every checkpoint.",
    paper=Paper(
        "The Shape of Learning: Anisotropy and Intrinsic Dimensions in Transformer-Based Models; "
        "Anisotropy Is Inherent to Self-Attention in Transformers",
        "Razzhigaev et al.; Godey et al.", 2024,
    ),
    cost="n d^2 + m^2 d",
    memory="n d",
    invariant=("orthogonal", "row_scale"),
    spaces=0,
    paired=False,
    min_rows=LEAST,
)  # fmt: skip

#: From here on a layer is flagged: cosines mostly see the common direction, or one axis rules.
_COMMON, _RULING = 0.2, 0.5


@register(CARD)
def layer_profile(hidden_states: Any, *, most: int = 2000, rng: Seed = 0) -> Score:
    r"""Mean cosine over all pairs of rows of a layer, averaged over layers, and a profile of each.

    .. math:: \frac1L \sum_l \frac{\|\sum_i u_{li}\|^2 - n}{n (n - 1)}, \quad
              u_{li} = h_{li} / \|h_{li}\|

    Parts, one value per layer, or (checkpoints, layers) where checkpoints are given:

    - ``mean_cosine``: over distinct rows, exact; ``mean_cosine_ci`` its jackknife interval
    - ``centred_cosine``: the same after the mean row is subtracted
    - ``drift``: length of the mean direction, 0 to 1
    - ``top_share``: share of the variance on its first axis, σ₁² / Σ σ_k² of the centred rows, 1/d
      to 1
    - ``dimension``: TwoNN on at most ``most`` rows drawn by ``rng``, the same rows in every layer

    The value is that of the last checkpoint; chance, 0, is that of evenly spread directions.
    Warnings flag layers to centre before cosines are taken (mean cosine from 0.2 on) and layers
    that one axis rules (top share from 0.5 on). Rows of one sequence are not independent, which the
    intervals ignore.

    Parameters
    ----------
    hidden_states : (layers, rows, d) or (layers, sequences, tokens, d), as one array or one array
        per layer; or a mapping from checkpoint to such a stack
    most : rows behind the dimension; it reads a finer scale the more there are

    Raises
    ------
    InputError
        On shapes that differ between layers or checkpoints, non-finite values, fewer than 12 rows,
        fewer than 12 different ones among those behind the dimension, or a layer whose rows are all
        equal.

    References
    ----------
    Godey et al. 2024, "Anisotropy Is Inherent to Self-Attention in Transformers"; Razzhigaev et al.
    2024, "The Shape of Learning"; Facco et al. 2017 for the dimension.

    Examples
    --------
    >>> import numpy as np
    >>> first = np.random.default_rng(0).normal(size=(200, 5))
    >>> score = layer_profile([first, first + 4])
    >>> score.parts["mean_cosine"].round(1).tolist()
    [0.0, 1.0]
    """
    many = isinstance(hidden_states, Mapping)
    stacks = list(hidden_states.values()) if many else [hidden_states]
    if not stacks or most < LEAST:
        raise InputError(
            "layer_profile", f"{len(stacks)} checkpoints, most={most}", f"1 and {LEAST} or more"
        )
    draw = generator(rng)
    picked: np.ndarray | None = None
    found: list[list[dict[str, Any]]] = []
    for one in stacks:
        layers = rows_of(one, operation="layer_profile")
        n = len(layers[0])
        check_rows(LEAST, operation="layer_profile", layers=layers[0].shape)
        if picked is None:
            picked = np.sort(draw.choice(n, min(n, most), replace=False))
            shape = (n, len(layers))
        if (n, len(layers)) != shape:
            raise InputError(
                "layer_profile",
                f"{(n, len(layers))} rows and layers after {shape}",
                "equally many at every checkpoint",
                "Run the same rows through the same layers of every checkpoint.",
            )
        found.append([_layer(rows, picked, i) for i, rows in enumerate(layers)])
    parts = {key: np.array([[layer[key] for layer in one] for one in found]) for key in found[0][0]}
    if not many:
        parts = {key: values[0] for key, values in parts.items()}
    last = found[-1]
    warnings = [
        f"layer {i} has mean cosine {layer['mean_cosine']:.2f}: centre it before cosines"
        for i, layer in enumerate(last) if layer["mean_cosine"] >= _COMMON
    ] + [
        f"layer {i} has {layer['top_share']:.0%} of its variance on one axis"
        for i, layer in enumerate(last) if layer["top_share"] >= _RULING
    ]  # fmt: skip
    return Score(
        value=float(np.mean([layer["mean_cosine"] for layer in last])),
        method="layer_profile",
        n=shape[0],
        chance=0.0,
        warnings=tuple(warnings),
        parts=parts,
    )


def _layer(rows: np.ndarray, picked: np.ndarray, number: int) -> dict[str, Any]:
    middle = rows - rows.mean(axis=0)
    if not np.abs(middle).max() > 1e-12 * np.abs(rows).max():
        raise all_equal(f"layer {number}", rows.shape, operation="layer_profile")
    raw = anisotropy(rows)
    values, _ = symmetric_eigen(middle.T @ middle)
    _, dimension = nearest(rows[picked], 2, what=f"layer {number}", operation="layer_profile")
    return {
        "mean_cosine": raw.value,
        "mean_cosine_ci": raw.ci or (-1.0, 1.0),
        "centred_cosine": anisotropy(middle).value,
        "drift": float(raw.parts["drift"]),
        "top_share": float(values[0] / values.sum()),
        "dimension": dimension,
    }
