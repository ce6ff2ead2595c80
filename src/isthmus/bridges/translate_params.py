"""Carry weights from one model to another through the vocabulary that both know."""

from collections.abc import Sequence

import numpy as np

from isthmus.core.arrays import Array, like, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError, PairingError
from isthmus.core.registry import register

CARD = Card(
    name="translate_params",
    summary="Weights and heads of one model carried to another through the vocabulary they share.",
    paper=Paper("Analyzing Transformers in Embedding Space", "Dar et al.", 2023),
    spaces=0,
    cost="n d^2 + k d^2",
    memory="n d + d^2",
    min_rows=1,
)

_OPERATION = "translate_params"


@register(CARD)
def translate_params(
    weights: Array,
    source: Array,
    target: Array,
    *,
    words: tuple[Sequence[str], Sequence[str]] | None = None,
) -> Array:
    r"""Weight vectors of model A as weight vectors of model B, without training.

    A weight vector w of A says of every word v how strongly it responds, E_A w. What responds most
    alike in B is w' = E_B⁺ E_A w, the least-squares solution of E_B w' ≈ E_A w over shared words,
    the shortest one where they leave it open. A classifier's head moves this way as it is: its
    ``coef_`` is translated, its intercept stays.

    Parameters
    ----------
    weights : (k, dA) array, one weight vector a row, or (dA,)
    source : (n, dA) array E_A, a vector of A for every word
    target : (m, dB) array E_B
    words : the words of E_A's rows and of E_B's; those of both count. None: row i of either is the
        same word

    Returns
    -------
    (k, dB) or (dB,) array of the weights' kind and precision

    Raises
    ------
    PairingError
        When the vocabularies share no word, or without ``words`` have different sizes.
    InputError
        On a word given twice, on values that are not finite, or widths that do not fit.

    References
    ----------
    Dar et al. 2023, Analyzing Transformers in Embedding Space.

    Examples
    --------
    >>> import numpy as np
    >>> a = np.random.default_rng(0).normal(size=(50, 3))
    >>> turn = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
    >>> translate_params(np.array([1.0, 2.0, 3.0]), a, a @ turn).round(6).tolist()
    [-2.0, 1.0, 1.5]
    """
    one = len(getattr(weights, "shape", np.shape(weights))) == 1
    w = matrix("weights", weights[None] if one else weights, operation=_OPERATION)
    a, b = (
        to_numpy(matrix(name, side, operation=_OPERATION))
        for name, side in (("source", source), ("target", target))
    )
    precision = float(np.finfo(b.dtype).eps)
    if w.shape[1] != a.shape[1]:
        raise InputError(
            _OPERATION, f"weights {tuple(w.shape)} and source vectors {a.shape}", "equal widths"
        )
    i, j = _shared(words, len(a), len(b))
    a, b = a[i].astype(np.float64), b[j].astype(np.float64)
    responses = a @ to_numpy(w).astype(np.float64).T
    # Directions that are rounding of the vectors as they came would blow up.
    least = max(precision, max(b.shape) * float(np.finfo(np.float64).eps))
    found = np.linalg.lstsq(b, responses, rcond=least)[0].T
    return like(found[0] if one else found, w)


def _shared(
    words: tuple[Sequence[str], Sequence[str]] | None, n: int, m: int
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of the words both vocabularies have, in the order of the first."""
    if words is None:
        if n != m:
            raise PairingError(
                _OPERATION, f"vocabularies of {n} and {m} words", "one vector of each word in both",
                "Say which words they are: words=(those of source, those of target).",
            )  # fmt: skip
        return np.arange(n), np.arange(n)
    places = []
    for name, given, count in zip(("source", "target"), words, (n, m), strict=True):
        place = {word: row for row, word in enumerate(given)}
        if len(given) != count or len(place) != count:
            raise InputError(
                _OPERATION, f"{len(given)} words, {len(place)} of them different, for {count} "
                f"{name} vectors", "one word a vector, each once",
            )  # fmt: skip
        places.append(place)
    shared = [word for word in places[0] if word in places[1]]
    if not shared:
        raise PairingError(
            _OPERATION, "vocabularies without a word in common", "a shared vocabulary",
            "Look at case and word marks: 'cat', 'Cat' and '##cat' are different words.",
        )  # fmt: skip
    return tuple(np.array([place[word] for word in shared]) for place in places)  # type: ignore[return-value]
