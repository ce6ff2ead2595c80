"""Read a model's weights as the words they respond to."""

from collections.abc import Sequence

import numpy as np

from isthmus.core.arrays import Array, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register

CARD = Card(
    name="read_params",
    summary="The words that weight vectors respond to most, read off the model's own embeddings.",
    paper=Paper("Analyzing Transformers in Embedding Space", "Dar et al.", 2023),
    spaces=0,
    cost="n k d",
    memory="n k",
    min_rows=1,
)

_OPERATION = "read_params"


@register(CARD)
def read_params(
    weights: Array, vectors: Array, words: Sequence[str], *, top: int = 10
) -> list[list[tuple[str, float]]]:
    r"""The ``top`` words of each weight vector by their response E w, the largest first.

    Parameters
    ----------
    weights : (k, d) array, one weight vector a row, or (d,) for one
    vectors : (n, d) array E, a vector for every word
    words : the n words
    top : how many, at most n

    Returns
    -------
    k lists of (word, response); words that respond equally come in their order

    Raises
    ------
    InputError
        On widths that do not fit, not one word a vector, ``top`` out of range, or values that are
        not finite.

    References
    ----------
    Dar et al. 2023, Analyzing Transformers in Embedding Space.

    Examples
    --------
    >>> import numpy as np
    >>> vectors = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    >>> read_params(np.array([2.0, 0.0]), vectors, ["cat", "dog", "car"], top=2)
    [[('cat', 2.0), ('dog', 1.8)]]
    """
    one = len(getattr(weights, "shape", np.shape(weights))) == 1
    w, e = (
        to_numpy(matrix(name, side, operation=_OPERATION)).astype(np.float64)
        for name, side in (("weights", np.asarray(weights)[None] if one else weights),
                           ("vectors", vectors))
    )  # fmt: skip
    if w.shape[1] != e.shape[1] or len(words) != len(e):
        raise InputError(
            _OPERATION, f"weights {w.shape}, vectors {e.shape} and {len(words)} words",
            "equal widths, and one word a vector",
        )  # fmt: skip
    if not 1 <= top <= len(e):
        raise InputError(_OPERATION, f"top={top}", f"1 <= top <= {len(e)} words")
    found = []
    for responses in w @ e.T:
        best = np.argsort(-responses, kind="stable")[:top]
        found.append([(words[i], float(responses[i])) for i in best.tolist()])
    return found
