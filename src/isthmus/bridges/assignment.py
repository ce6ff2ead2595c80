"""Quadratic assignment by 2-opt: which numbering of one similarity matrix makes it another's."""

import numpy as np

_STEPS = 10_000


def quadratic_assignment(
    a: np.ndarray, b: np.ndarray, starts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    r"""Permutations p with large Σ_kl a_kl b_{p(k) p(l)}, by steepest 2-opt from every start.

    Swapping the partners of r and s gains, with c_kl = b_{p(k) p(l)} and g = a c,

    .. math:: 2 (g_{rs} + g_{sr} - g_{rr} - g_{ss}) + \text{corrections for k, l in \{r, s\}},

    so one batched product per step gives the gain of every swap of every start; each start takes
    its best one until none gains. The ends are 2-optimal, like those of SciPy's
    ``quadratic_assignment(method="2opt")``, which takes the first gain it meets.

    Parameters
    ----------
    a, b : (..., n, n) symmetric, leading dims like those of ``starts`` or broadcast to them
    starts : (..., n) permutations

    Returns
    -------
    permutations : (..., n)
    scores : (...) float64

    >>> a = np.diag([3.0, 2.0, 1.0])
    >>> quadratic_assignment(a, a[::-1, ::-1], np.array([[0, 1, 2]]))[0].tolist()
    [[2, 1, 0]]
    """
    lead, n = starts.shape[:-1], starts.shape[-1]
    a = np.broadcast_to(a, (*lead, n, n)).reshape(-1, n, n)
    b = np.broadcast_to(b, (*lead, n, n)).reshape(-1, n, n)
    found = starts.reshape(-1, n).copy()
    active = np.arange(len(found))
    slack = 1e-12 * np.abs(a).sum(axis=(1, 2)) * np.abs(b).max(axis=(1, 2), initial=0.0)
    for _ in range(_STEPS):
        gains = _gains(a[active], _permuted(b[active], found[active])).reshape(len(active), -1)
        best = gains.argmax(axis=1)
        improves = gains[np.arange(len(active)), best] > slack[active]
        active, best = active[improves], best[improves]
        if not len(active):
            break
        r, s = best // n, best % n
        found[active, r], found[active, s] = found[active, s], found[active, r]
    scores = np.einsum("zkl,zkl->z", a, _permuted(b, found))
    return found.reshape(*lead, n), scores.reshape(lead)


def _permuted(b: np.ndarray, p: np.ndarray) -> np.ndarray:
    """b_{p(k) p(l)}, (z, n, n)."""
    which = np.arange(len(b))[:, None, None]
    c: np.ndarray = b[which, p[:, :, None], p[:, None, :]]
    return c


def _gains(a: np.ndarray, c: np.ndarray) -> np.ndarray:
    """What swapping the partners of r and s gains, (z, n, n)."""
    g = a @ c
    own, da, dc = (np.diagonal(one, axis1=1, axis2=2) for one in (g, a, c))
    gain = g + g.swapaxes(1, 2) - own[:, :, None] - own[:, None, :]
    gain -= (da[:, :, None] - a) * (c - dc[:, :, None])  # k = r
    gain -= (a - da[:, None, :]) * (dc[:, None, :] - c)  # k = s
    gain *= 2
    gain += (da[:, :, None] - da[:, None, :]) * (dc[:, None, :] - dc[:, :, None])
    return gain
