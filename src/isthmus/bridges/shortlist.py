"""Which bridges are worth trying on the data at hand."""

from sklearn.base import BaseEstimator

from isthmus.core.registry import method

#: In closed form, in order of simplicity: fewer free numbers, fewer assumptions broken.
CLOSED = ("orthogonal", "low_rank", "affine", "relative")
#: Pairs per dimension below which, and from which, further bridges join; and rows without partner.
_FEW_PER_DIM, _MANY_PER_DIM, _UNPAIRED = 4, 8, 100


def shortlist(
    pairs: int, dims: tuple[int, int], *, unpaired: int = 0
) -> list[tuple[str, BaseEstimator]]:
    """(name, unfitted estimator) of what may win, simplest first.

    Labels have no say: candidates are judged by finding the very partner, where a class names many
    rows, and every one of them learns from pairs. Where classes are what is known, call
    ``label_embedding`` or ``conse``, and choose anchors by ``anchor_curve(..., labels=...)``.

    Parameters
    ----------
    pairs : known pairs
    dims : (dx, dy)
    unpaired : rows without a known partner on the side that has fewer

    Examples
    --------
    >>> [name for name, _ in shortlist(5000, (64, 64))][:2]
    ['orthogonal', 'canonical']
    """
    width = max(dims)
    names = list(CLOSED)
    # Whitening and kernels shine where pairs are few for the dims, and cost little there.
    names.insert(1, "canonical")
    if pairs < _FEW_PER_DIM * width:
        names.append("kernel_ridge")
    # More numbers to fit than a matrix has want many pairs.
    if pairs >= _MANY_PER_DIM * width:
        names += ["local_mixture", "residual_mlp"]
    if unpaired >= _UNPAIRED:
        names.append("self_learning")
    return [(name, method("bridges", name).call()) for name in names]


def with_few_pairs(pairs: int, *, unpaired: int) -> tuple[str, ...]:
    """Names of the bridges to take where too few pairs are known to hold some out, best first.

    A later one is for those whom time does not allow an earlier one.
    """
    if not pairs:
        return ("unpaired",)
    return ("self_learning", "kernel_ridge") if unpaired >= _UNPAIRED else ("kernel_ridge",)
