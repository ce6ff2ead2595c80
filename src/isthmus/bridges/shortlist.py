"""Which bridges are worth trying on the data at hand."""

from sklearn.base import BaseEstimator

from isthmus.core.registry import method

#: In closed form, in order of simplicity: fewer free numbers, fewer assumptions broken.
CLOSED = ("orthogonal", "low_rank", "affine", "relative")


def shortlist(
    pairs: int, dims: tuple[int, int], *, unpaired: int = 0
) -> list[tuple[str, BaseEstimator]]:
    """(name, unfitted estimator) of what may win, simplest first.

    Parameters
    ----------
    pairs : known pairs
    dims : (dx, dy)
    unpaired : rows without a known partner on the side that has fewer

    Examples
    --------
    >>> [name for name, _ in shortlist(5000, (64, 64))][:2]
    ['orthogonal', 'low_rank']
    """
    names = list(CLOSED)
    return [(name, method("bridges", name).call()) for name in names]


def with_few_pairs(pairs: int, *, unpaired: int) -> str:
    """The name of the bridge to take where too few pairs are known to hold some out."""
    if not pairs:
        return "unpaired"
    return "self_learning" if unpaired >= 100 else "kernel_ridge"
