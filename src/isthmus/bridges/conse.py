"""ConSE: a classifier's class probabilities as a bridge into the space of its labels."""

from isthmus.bridges.similarities import strongest
from isthmus.core.arrays import Array, matrix, namespace
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register

CARD = Card(
    name="conse",
    summary="Class probabilities of any classifier weight the label vectors of another space.",
    paper=Paper(
        "Zero-Shot Learning by Convex Combination of Semantic Embeddings",
        "Norouzi et al.",
        2014,
    ),
    spaces=0,
    cost="n k d",
    memory="n k",
    min_rows=1,
)

_OPERATION = "conse"


@register(CARD)
def conse(probabilities: Array, labels: Array, *, top: int = 10) -> Array:
    r"""Vectors in the labels' space: convex combinations of label vectors, without any training.

    f(x) = Σ_t p_t(x) s_t / Σ_t p_t(x) over the T most probable classes t of x, with s_t the vector
    of class t. The nearest vectors by cosine are then its labels, those of classes the classifier
    never saw among them; other items of that space can be searched as well.

    Parameters
    ----------
    probabilities : (n, k) array, not negative, of one row's classes; rows need not sum to one
    labels : (k, d) array of the same kind, vector t that of class t
    top : T, or all k when there are fewer; classes as probable as the last of them count too

    Returns
    -------
    (n, d) array of the probabilities' kind and precision

    Raises
    ------
    InputError
        On negative or non-finite probabilities, rows without any, numbers of classes that differ,
        or ``top`` below 1.

    References
    ----------
    Norouzi et al. 2014, Zero-Shot Learning by Convex Combination of Semantic Embeddings.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    >>> conse(np.array([[0.75, 0.25, 0.0]]), labels).tolist()
    [[0.75, 0.25]]
    >>> conse(np.array([[0.75, 0.25, 0.0]]), labels, top=1).tolist()
    [[1.0, 0.0]]
    """
    p = matrix("probabilities", probabilities, operation=_OPERATION)
    s = matrix("labels", labels, operation=_OPERATION)
    xp = namespace(p, s)
    if p.shape[1] != s.shape[0]:
        raise InputError(
            _OPERATION, f"probabilities of {p.shape[1]} classes and {s.shape[0]} label vectors",
            "one vector a class, in the order of the probabilities' columns",
        )  # fmt: skip
    if bool(xp.any(p < 0)):
        raise InputError(
            _OPERATION, "negative probabilities", "probabilities", "Give softmax(scores) instead."
        )
    if top < 1:
        raise InputError(_OPERATION, f"top={top}", "at least 1")
    kept = strongest(p, top)
    total = xp.sum(kept, axis=1, keepdims=True)
    if not bool(xp.all(total > 0)):
        raise InputError(
            _OPERATION, "a row whose probabilities are all zero", "a probable class in every row"
        )
    return (kept / total) @ xp.astype(s, p.dtype)
