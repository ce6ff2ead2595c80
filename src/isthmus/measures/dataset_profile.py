r"""Data set profile: what a labelled data set asks of a network, and what a network made of it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from isthmus.core.arrays import Array, matrix
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.label_sharpness import label_sharpness
from isthmus.measures.rows import called
from isthmus.measures.two_nn import two_nn

CARD = Card(
    name="dataset_profile",
    summary="Intrinsic dimension of data and representation, label sharpness, and scaling of loss.",
    paper=Paper(
        "The Effect of Intrinsic Dataset Properties on Generalization: Unraveling Learning "
        "Differences Between Natural and Medical Images", "Konz & Mazurowski", 2024,
    ),
    cost="n^2 d + n^2",
    memory="n d",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    spaces=0,
    given=("labels",),
    min_rows=12,
    caveat="The interval is that of the data's dimension; label sharpness grows with n.",
)  # fmt: skip


@register(CARD)
def dataset_profile(
    x: Array,
    labels: Any,
    representation: Array | None = None,
    *,
    losses: Mapping[int, float] | None = None,
) -> Score:
    r"""Intrinsic dimension of the data, with label sharpness and what a network adds, as parts.

    .. math:: d = \frac{m - 1}{\sum_{i \le m} \log\mu_{(i)} + (n - m) \log\mu_{(m)}}, \qquad
              \mu_i = \frac{r_2(i)}{r_1(i)}, \qquad
              K_F = \max_{i, j} \frac{[\, l_i \ne l_j \,]}{\|x_i - x_j\|}

    The value is d_data = ``two_nn(x)``. ``parts``: ``label_sharpness`` K_F; with a
    ``representation``, its dimension d_repr as ``representation_dimension`` and their ratio
    ``compression`` = d_repr / d_data, which the paper's theory bounds by 1; with ``losses``, the
    ``slope`` of log loss against log N, by least squares, and ``predicted_slope`` -1 / d_data, for
    the theory has the test loss fall no slower than K_F N^(-1/d).

    Parameters
    ----------
    x : (n, d) array of raw data
    labels : (n,) integers or strings of at least 2 classes
    representation : (n, e) array, what a network makes of the same rows
    losses : test loss (above 0) by number of training rows, at least 2 numbers

    Raises
    ------
    InputError
        As ``two_nn`` and ``label_sharpness`` do, on a representation of another number of rows, or
        on losses from fewer than 2 sizes or not above 0.

    References
    ----------
    Konz & Mazurowski 2024; dimensions there by maximum likelihood over 20 neighbours, here by
    ``two_nn``.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(300, 2)) @ np.ones((2, 5)) + 0.0
    >>> x = x + np.random.default_rng(1).normal(size=(300, 5))
    >>> score = dataset_profile(x, x[:, 0] > 0, x[:, :2], losses={100: 1.0, 400: 0.5})
    >>> score.parts["compression"] < 1, round(score.parts["slope"], 6)
    (True, -0.5)
    """
    x = matrix("x", x, operation="dataset_profile")
    with called("dataset_profile"):
        dimension = two_nn(x)
        parts: dict[str, Any] = {"label_sharpness": label_sharpness(x, labels).value}
    warnings = list(dimension.warnings)
    if representation is not None:
        z = matrix("representation", representation, operation="dataset_profile")
        if z.shape[0] != x.shape[0]:
            raise InputError(
                "dataset_profile", f"x {tuple(x.shape)}, representation {tuple(z.shape)}",
                "one representation a row", "Join them on their ids first: isthmus.pair(a, b).",
            )  # fmt: skip
        with called("dataset_profile"):
            found = two_nn(z)
        parts["representation_dimension"] = found.value
        parts["compression"] = found.value / dimension.value
        warnings += [f"representation: {warning}" for warning in found.warnings]
    if losses is not None:
        sizes = np.array(list(losses), dtype=np.float64)
        values = np.array(list(losses.values()), dtype=np.float64)
        sound = (sizes > 0) & (values > 0) & np.isfinite(values)
        if len(sizes) < 2 or not sound.all():
            raise InputError(
                "dataset_profile", f"losses {dict(losses)}", "losses above 0 at 2 sizes or more",
                "Train on another number of rows too, or leave losses out.",
            )  # fmt: skip
        parts["slope"] = float(np.polyfit(np.log(sizes), np.log(values), 1)[0])
        parts["predicted_slope"] = -1 / dimension.value
    return Score(
        value=dimension.value, method="dataset_profile", n=int(x.shape[0]), ci=dimension.ci,
        warnings=tuple(warnings), parts=parts,
    )  # fmt: skip
