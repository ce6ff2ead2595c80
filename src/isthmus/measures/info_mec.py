r"""InfoMEC: modularity, explicitness and compactness of a space, from information."""

from typing import Any

import numpy as np

from isthmus.core.arrays import Array, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.factors import Information, against_shuffles, table

CARD = Card(
    name="info_mec",
    summary="Whether each column knows one factor alone, and each factor one column alone.",
    paper=Paper("Disentanglement via Latent Quantization", "Hsu et al.", 2023),
    cost="n d k",
    memory="n d",
    spaces=1,
    given=("factors",),
    invariant=("permutation", "isotropic_scale", "translation"),
    min_rows=20,
    library="scikit-learn",
    caveat="Columns below a twentieth of the widest range do not count, so the value depends on "
    "their units. No interval: maxima over columns have none that is known.",
)

#: A column counts when its range is above this share of the widest.
_ACTIVE = 1 / 20


@register(CARD)
def info_mec(x: Array, factors: Any, *, bins: int = 20, rng: Seed = 0) -> Score:
    r"""Modularity by information, 0 to 1, with explicitness and compactness as parts.

    .. math:: M = \frac{\frac1d \sum_j \frac{\max_k I_{jk}}{\sum_k I_{jk}} - \frac1g}{1 - \frac1g},
              \quad C = \frac{\frac1g \sum_k \frac{\max_j I_{jk}}{\sum_j I_{jk}} - \frac1d}
              {1 - \frac1d}, \quad E = 1 - \frac1g \sum_k \frac{L_k}{H(v_k)}

    I_jk is the information of active column j about factor k over its entropy H(v_k), and L_k the
    log loss of a linear classifier (logistic regression of the standardised columns with a unit
    penalty) on rows it has not seen: each half is predicted from the other. The paper scores E on
    the rows fitted, so that it rises with width alone; held out it may be negative. Information is
    the plug-in estimate over bins of equal counts, as in ``mig``; the paper uses nearest neighbours
    where columns are continuous. At few rows a bin it reads high everywhere and holds M and C down,
    which is safer than cutting it off at 0: noise with most of it cut off looks modular.
    ``chance``, z and p of the modularity are from 199 seeded shuffles.
    ``parts``: ``modularity``, ``explicitness``, ``compactness``, ``information`` (d, g) and
    ``active`` (d,) bool.

    Parameters
    ----------
    x : (n, d) array with 2 active columns or more
    factors : (n, g) integers, strings or numbers; g at least 2
    bins : at most so many levels of a column, at least 2
    rng : seed of the shuffles and the halves

    Raises
    ------
    InputError
        On fewer than 20 rows, 2 active columns or 2 factors, non-finite values, factors of other
        length or that never vary, or fewer than 2 bins.

    References
    ----------
    Hsu et al. 2023, "Disentanglement via Latent Quantization".

    Examples
    --------
    >>> import numpy as np
    >>> factors = np.random.default_rng(0).integers(4, size=(600, 2))
    >>> mixed = factors @ np.array([[1, 1], [1, -1]])
    >>> info_mec(factors, factors).value > 0.95, info_mec(mixed, factors).value < 0.2
    (True, True)
    """
    x = to_numpy(matrix("x", x, operation="info_mec")).astype(np.float64)
    if len(x) < CARD.min_rows or bins < 2:
        raise InputError(
            "info_mec",
            f"x {x.shape}, bins={bins}",
            "20 rows and 2 bins or more",
            "Bring more rows, or choose 2 bins or more.",
        )
    known = table(factors, len(x), operation="info_mec")
    ranges = np.ptp(x, axis=0)
    active = ranges > _ACTIVE * ranges.max()
    if active.sum() < 2 or known.shape[1] < 2:
        raise InputError(
            "info_mec", f"x {x.shape} with {active.sum()} active columns, {known.shape[1]} factors",
            "2 or more of both", "Standardise columns of unlike units.",
        )  # fmt: skip
    shared = Information(x[:, active], known, bins)
    found = shared.matrix() / shared.entropy
    modularity, compactness = _purity(found), _purity(found.T)
    keys = np.column_stack([shared.factors, shared.codes.sum(axis=1)])
    draw = generator(rng)
    explicitness = _explicitness(x[:, active], shared, np.lexsort(keys.T), draw)
    chance, z, p = against_shuffles(
        modularity,
        lambda orders: (_purity(one / shared.entropy) for one in shared.matrices(orders)),
        keys,
        draw,
    )
    whole = np.zeros((x.shape[1], known.shape[1]))
    whole[active] = found
    idle = int((~active).sum())
    return Score(
        value=modularity, method="info_mec", n=len(x), chance=chance, z=z, p=p,
        parts={
            "modularity": modularity, "explicitness": explicitness, "compactness": compactness,
            "information": whole, "active": active,
        },
        warnings=(f"{idle} of {len(active)} columns hardly vary and do not count",) if idle else (),
    )  # fmt: skip


def _purity(information: np.ndarray) -> float:
    """Mean over rows of their largest share, 0 where all are equal and 1 where one has all."""
    total = information.sum(axis=1)
    even = 1 / information.shape[1]
    share = np.full(len(total), even)  # a column that knows nothing is no one's
    np.divide(information.max(axis=1), total, out=share, where=total > 0)
    return float(share.mean() - even) / (1 - even)


def _explicitness(
    x: np.ndarray, shared: Information, order: np.ndarray, draw: np.random.Generator
) -> float:
    """One minus the held-out log loss of each factor over its entropy, mean over factors."""
    from sklearn.linear_model import LogisticRegression

    spread = x.std(axis=0)
    unit = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    halves = np.array_split(order[draw.permutation(len(x))], 2)
    kept = []
    for k, entropy in enumerate(shared.entropy):
        target, losses = shared.factors[:, k], []
        for old, new in (halves, halves[::-1]):
            values = np.unique(target[old])
            # A value that was not seen gets what one more row of each value would give it.
            guess = np.full((len(new), int(target.max()) + 1), 1 / (len(old) + len(values)))
            if len(values) > 1:
                fitted = LogisticRegression(max_iter=1000).fit(unit[old], target[old])
                guess[:, values] = fitted.predict_proba(unit[new])
            else:
                guess[:, values] = 1.0
            guess /= guess.sum(axis=1, keepdims=True)
            losses.append(-np.log(guess[np.arange(len(new)), target[new]]))
        kept.append(1 - float(np.concatenate(losses).mean()) / float(entropy))
    return float(np.mean(kept))
