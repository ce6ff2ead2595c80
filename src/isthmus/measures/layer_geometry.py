r"""Layer geometry: the cloud of a prompt's tokens, layer by layer, against shuffled tokens."""

import math
from typing import Any

import numpy as np

from isthmus.core.arrays import to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.layers import LEAST, nearest, stack, unit_rows
from isthmus.measures.rows import Z95

CARD = Card(
    name="layer_geometry",
    summary="Dimension, neighbours and cosines of a prompt's tokens, layer by layer.",
    paper=Paper(
        "The Geometry of Tokens in Internal Representations of Large Language Models",
        "Viswanathan et al.", 2025,
    ),
    cost="n^2 d",
    memory="n d",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    spaces=0,
    paired=False,
    min_rows=LEAST,
)  # fmt: skip


@register(CARD)
def layer_geometry(hidden: Any, *, shuffled: Any = None, losses: Any = None, k: int = 10) -> Score:
    r"""Intrinsic dimension of a prompt's tokens in the middle layer, mean over prompts.

    .. math:: \frac1P \sum_p d_p, \qquad
              d_p = \frac{m - 1}{\sum_{t \le m} \log\mu_{(t)} + (T - m) \log\mu_{(m)}}, \qquad
              \mu_t = \frac{r_2(t)}{r_1(t)}

    over P prompts of T tokens, of whose ratios of neighbour distances the m = T - floor(T / 10)
    smallest are not censored, as in ``two_nn``.

    The middle layer is number layers // 2, from 0. The interval is Student's over prompts. Parts:

    - ``dimension`` (layers, prompts): TwoNN over the tokens of one prompt
    - ``overlap`` (layers - 1, prompts): share of a token's k nearest tokens that it keeps in the
      next layer, mean over tokens; by chance k / (tokens - 1), part ``overlap_chance``
    - ``cosine`` (layers, prompts): mean cosine over pairs of distinct tokens

    With ``shuffled``, the hidden states of the same prompts with their tokens in random order:
    ``shuffled_dimension``, and per layer ``excess``, the mean of shuffled minus plain dimension,
    with ``excess_ci`` (layers, 2) and ``excess_p`` of a paired, one-sided t test. With ``losses``:
    ``loss_rank_correlation``, Spearman's per layer between a prompt's loss and its dimension, with
    ``loss_rank_correlation_ci`` (layers, 2) by Fisher's z and standard error √((1 + r²/2)/(n - 3)).

    Parameters
    ----------
    hidden : (layers, prompts, tokens, d), as one array or one array per layer; at least 12 tokens
    shuffled : the same of the shuffled prompts
    losses : (prompts,) mean loss of each prompt; needs 5 prompts
    k : neighbours, below tokens - 1

    Raises
    ------
    InputError
        On other shapes, non-finite values, k out of range, or fewer than 12 distinct tokens in a
        prompt.

    References
    ----------
    Viswanathan et al. 2025, "The Geometry of Tokens"; Facco et al. 2017 for the dimension; Bonett &
    Wright 2000 for the standard error.

    Examples
    --------
    >>> import numpy as np
    >>> flat = np.random.default_rng(0).normal(size=(4, 6, 100, 2))
    >>> score = layer_geometry([flat[0], flat[1] @ np.array([[1.0, 2, 3], [0, 1, 5]])])
    >>> 1.7 < score.value < 2.3
    True
    """
    operation = "layer_geometry"
    layers = stack(hidden, operation=operation, axes=3)
    prompts, tokens = layers[0].shape[:2]
    if tokens < LEAST or not 1 <= k < tokens - 1:
        raise InputError(
            operation,
            f"{tokens} tokens, k={k}: layers {layers[0].shape}",
            f"{LEAST} tokens, 1 <= k < tokens - 1",
            "Bring longer prompts, or lower k.",
        )
    dimension, overlap = _clouds(layers, max(k, 2), k)
    parts: dict[str, Any] = {
        "dimension": dimension,
        "overlap": overlap,
        "overlap_chance": k / (tokens - 1),
        "cosine": np.stack([_mean_cosine(layer) for layer in layers]),
    }
    if shuffled is not None:
        control = stack(shuffled, operation=operation, axes=3, name="shuffled")
        if [layer.shape for layer in control] != [layer.shape for layer in layers]:
            raise InputError(
                operation,
                f"shuffled {len(control)} x {control[0].shape}",
                f"{len(layers)} x {layers[0].shape} like the prompts",
                "Shuffle the same prompts and run all layers on them.",
            )
        parts |= _against(dimension, _clouds(control, 2, 0)[0])
    if losses is not None:
        parts |= _with_losses(dimension, losses)
    middle = dimension[len(layers) // 2]
    ci = None
    if prompts > 1:
        half = _student(prompts) * float(middle.std(ddof=1)) / math.sqrt(prompts)
        ci = (float(middle.mean()) - half, float(middle.mean()) + half)
    warnings: tuple[str, ...] = ()
    if middle.mean() > math.log2(tokens):
        warnings = (f"{tokens} tokens are few for this dimension, which then reads low",)
    return Score(
        value=float(middle.mean()), method=operation, n=prompts, ci=ci, warnings=warnings,
        parts=parts,
    )  # fmt: skip


def _clouds(layers: list[np.ndarray], reach: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Dimension (layers, prompts), and overlap of each layer with the next where k > 0."""
    count, prompts = len(layers), len(layers[0])
    dimension = np.empty((count, prompts))
    overlap = np.empty((count - 1, prompts))
    for prompt in range(prompts):
        before = None
        for i, layer in enumerate(layers):
            found, dimension[i, prompt] = nearest(
                layer[prompt], reach, what=f"prompt {prompt}, layer {i}", operation="layer_geometry"
            )
            found = found[:, :k]
            if before is not None and k:
                kept = (found[:, :, None] == before[:, None, :]).any(axis=2)
                overlap[i - 1, prompt] = kept.mean()
            before = found
    return dimension, overlap


def _mean_cosine(layer: np.ndarray) -> np.ndarray:
    """Mean cosine over distinct tokens of each prompt, exact from the sum of unit tokens."""
    unit = unit_rows(layer)
    n = unit.shape[1]
    own = np.sum(unit**2, axis=(1, 2))  # counts nonzero tokens
    return np.asarray((np.sum(unit.sum(axis=1) ** 2, axis=1) - own) / (n * (n - 1)))


def _against(dimension: np.ndarray, control: np.ndarray) -> dict[str, np.ndarray]:
    gap = control - dimension
    excess, prompts = gap.mean(axis=1), gap.shape[1]
    found = {"shuffled_dimension": control, "excess": excess}
    if prompts > 1:
        from scipy.stats import t

        error = np.maximum(gap.std(axis=1, ddof=1), np.finfo(float).tiny) / math.sqrt(prompts)
        half = _student(prompts) * error
        found["excess_ci"] = np.stack([excess - half, excess + half], axis=1)
        found["excess_p"] = np.asarray(t.sf(excess / error, prompts - 1))
    return found


def _with_losses(dimension: np.ndarray, losses: Any) -> dict[str, np.ndarray]:
    known = hasattr(losses, "detach") or hasattr(losses, "__array_namespace__")
    values = np.asarray(to_numpy(losses) if known else losses, dtype=np.float64)
    prompts = dimension.shape[1]
    if values.shape != (prompts,) or prompts < 5 or not np.isfinite(values).all():
        raise InputError(
            "layer_geometry",
            f"losses of shape {values.shape} for {prompts} prompts",
            f"({prompts},) finite losses of at least 5 prompts",
            "Give one finite loss a prompt, of 5 prompts or more.",
        )
    if not np.ptp(values) > 0:
        raise InputError(
            "layer_geometry",
            f"{prompts} losses that are all equal",
            "losses that vary",
            "Bring prompts of other losses, or leave losses out.",
        )
    from scipy.stats import rankdata

    ranks = rankdata(values) - (prompts + 1) / 2
    others = rankdata(dimension, axis=1) - (prompts + 1) / 2
    size = np.sqrt(np.sum(others**2, axis=1) * np.sum(ranks**2))
    r = others @ ranks / np.where(size > 0, size, 1.0)
    z = np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12))
    half = Z95 * np.sqrt((1 + r**2 / 2) / (prompts - 3))
    return {
        "loss_rank_correlation": r,
        "loss_rank_correlation_ci": np.tanh(np.stack([z - half, z + half], axis=1)),
    }


def _student(n: int) -> float:
    from scipy.stats import t

    return float(t.ppf(0.975, n - 1))
