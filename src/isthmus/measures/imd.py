r"""IMD: distance between two unpaired clouds from how heat spreads over their neighbour graphs."""

from typing import Any

import numpy as np

from isthmus.core.arrays import Array, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.neighbors import neighbors
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.rows import Spread, check_varied

CARD = Card(
    name="imd",
    summary="Distance between the heat traces of two spaces' neighbour graphs; rows unpaired.",
    paper=Paper("The Shape of Data: Intrinsic Distance for Data Distributions", "Tsitsulin et al.",
                2020),
    cost="n^2 d",
    memory="n d + n k",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    symmetric=True,
    metric=True,
    paired=False,
    identical=0.0,
    caveat="No sampling interval and no test; compare it with both noise levels in its parts.",
    min_rows=7,
)  # fmt: skip

#: Times at which heat is counted, as in the paper, and their weights.
_TIMES = np.geomspace(0.1, 10, 256)
_WEIGHTS = np.exp(-2 * (_TIMES + 1 / _TIMES))
#: Rows up to which the spectrum is exact, and the Lanczos quadrature beyond.
_EXACT, _PROBES, _STEPS = 1024, 32, 10
#: Neighbours listed for each of k, so that a half's are among them nearly always.
_LONGER = 4


@register(CARD)
def imd(x: Array, y: Array, *, k: int = 5, rng: Seed = 0) -> Score:
    r"""Intrinsic multi-scale distance between two clouds of any sizes and widths.

    .. math:: \max_{0.1 \le t \le 10} e^{-2(t + 1/t)} \Big|\frac{\mathrm{tr}\, e^{-t L_x}}{n_x} -
              \frac{\mathrm{tr}\, e^{-t L_y}}{n_y}\Big|

    L is the normalised Laplacian of the symmetric k-nearest-neighbour graph. Traces are exact up to
    1024 rows; beyond, by Lanczos quadrature with seeded probes, whose standard error at the
    deciding t is part ``error``. Parts ``noise_x`` and ``noise_y`` are the distance between two
    random halves of one side: less than that says nothing. It is a pseudo-metric: symmetric, with
    triangles, and 0 also between different clouds whose graphs have one spectrum.

    Parameters
    ----------
    x : (n, dx) array
    y : (m, dy) array, not paired
    k : neighbours per row, at most half of the rows minus 1
    rng : draws halves and probes

    Raises
    ------
    InputError
        On fewer than 2 k + 2 rows on a side (7 at least), non-finite values, or a side whose rows
        are all equal.

    References
    ----------
    Tsitsulin et al. 2020, "The Shape of Data"; Ubaru, Chen & Saad 2017 for the quadrature.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> float(imd(x, 2 * x[::-1] + 1)) < 1e-12 < float(imd(x, np.sign(x) + 0.1 * x))
    True
    """
    x, y = matrix("x", x, operation="imd"), matrix("y", y, operation="imd")
    needed = max(2 * k + 2, CARD.min_rows)
    if k < 1 or min(x.shape[0], y.shape[0]) < needed:
        raise InputError(
            "imd", f"k={k} with x {tuple(x.shape)} and y {tuple(y.shape)}", "2 k + 2 rows",
            "Lower k, or bring more rows.",
        )  # fmt: skip
    spread = Spread.of(x, y)
    # Neighbours of equal rows would be the lowest row numbers: a graph of the order of rows.
    check_varied("x", x, np.diag([spread.variance_x]), spread.mean_x, operation="imd")
    check_varied("y", y, np.diag([spread.variance_y]), spread.mean_y, operation="imd")
    seed = int(generator(rng).integers(2**63))
    traces, errors, noise = [], [], []
    for side in (x, y):
        # Both sides get equal draws: a trace must not depend on what it is compared with.
        draw, order = np.random.default_rng(seed), _order(side)
        longer = min(_LONGER * k, side.shape[0] - 1)
        near = to_numpy(neighbors(side, side, longer, exclude_self=True)[0])
        trace, error = _heat(near[:, :k], order, draw)
        traces.append(trace)
        errors.append(error)
        noise.append(_noise(side, near, order, k, draw))
    gap = _WEIGHTS * np.abs(traces[0] - traces[1])
    worst = int(np.argmax(gap))
    value = float(gap[worst])
    error = float(_WEIGHTS[worst] * np.hypot(errors[0][worst], errors[1][worst]))
    warnings: tuple[str, ...] = ()
    if value <= max(noise):
        warnings = (f"no more than between two halves of one side ({max(noise):.3g})",)
    return Score(
        value=value, method="imd", n=x.shape[0], length=value, warnings=warnings,
        parts={"error": error, "noise_x": noise[0], "noise_y": noise[1]},
    )  # fmt: skip


def _order(x: Array) -> np.ndarray:
    """Row numbers by distance from the mean, so that the order in which rows came is no matter."""
    rows = to_numpy(x).astype(np.float64)
    rows = rows - rows.mean(axis=0)
    return np.argsort(np.einsum("ij,ij->i", rows, rows), kind="stable")


def _noise(
    x: Array, near: np.ndarray, order: np.ndarray, k: int, draw: np.random.Generator
) -> float:
    """The distance between two random halves of x; its neighbours are ``near``, ascending."""
    halves = np.array_split(draw.permutation(order), 2)
    # Halves are in random order already.
    one, two = (
        _heat(_near_within(x, near, half, k), np.arange(len(half)), draw)[0] for half in halves
    )
    return float(np.max(_WEIGHTS * np.abs(one - two)))


def _near_within(x: Array, near: np.ndarray, half: np.ndarray, k: int) -> np.ndarray:
    """Each row's k nearest (h, k) among the rows ``half`` (h,) of x, numbered within it."""
    place = np.full(len(near), -1)
    place[half] = np.arange(len(half))
    listed = place[near[half]]
    inside = listed >= 0
    first = np.argsort(~inside, axis=1, kind="stable")[:, :k]
    found = np.take_along_axis(listed, first, axis=1)
    # Few of a longer list's rows have less than k of it in their half: those are searched for.
    short = np.flatnonzero(inside.sum(axis=1) < k)
    if len(short):
        rows = to_numpy(x)[half]
        more = to_numpy(neighbors(rows[short], rows, k + 1)[0])
        # A copy with a lower number may stand before a row itself, or push it off the list.
        own = np.argsort(more == short[:, None], axis=1, kind="stable")[:, :k]
        found[short] = np.take_along_axis(more, own, axis=1)
    return found


def _heat(near: Array, order: np.ndarray, draw: np.random.Generator) -> tuple[np.ndarray, Any]:
    """Trace of exp(-tL) over n at every time, and its standard error; ``near`` (n, k)."""
    from scipy.sparse import csr_array, diags_array

    near = to_numpy(near)
    n, k = near.shape
    links = (np.ones(n * k), (np.repeat(np.arange(n), k), near.ravel()))
    half = csr_array(links, shape=(n, n))
    graph = half.maximum(half.T)
    scale = diags_array(1 / np.sqrt(graph.sum(axis=1)))
    flow = (scale @ graph @ scale).tocsr()  # 1 - L
    if n <= _EXACT:
        values = np.linalg.eigvalsh(np.eye(n) - flow.toarray())
        return np.exp(-_TIMES[:, None] * values).mean(axis=1), np.zeros(len(_TIMES))
    probes = np.empty((n, _PROBES))
    probes[order] = draw.choice([-1.0, 1.0], (n, _PROBES)) / np.sqrt(n)
    found = _quadrature(flow, probes)
    return found.mean(axis=1), found.std(axis=1, ddof=1) / np.sqrt(_PROBES)


def _quadrature(flow: Any, q: np.ndarray) -> np.ndarray:
    """qᵀ exp(-t (1 - flow)) q for every time and every unit column of q (n, p), (times, p)."""
    alphas, betas = [], []
    basis = [q]
    for step in range(_STEPS):
        new = flow @ basis[-1]
        alphas.append(np.sum(new * basis[-1], axis=0))
        for _ in range(2):  # Lanczos vectors lose their right angles without help
            for old in basis:
                new = new - old * np.sum(new * old, axis=0)
        size = np.linalg.norm(new, axis=0)
        betas.append(size)
        if step + 1 < _STEPS:
            basis.append(new / np.where(size > 0, size, 1.0))
    small = np.zeros((q.shape[1], _STEPS, _STEPS))
    for i in range(_STEPS):
        small[:, i, i] = alphas[i]
        if i:
            small[:, i, i - 1] = small[:, i - 1, i] = betas[i - 1]
    values, vectors = np.linalg.eigh(small)
    return np.einsum(
        "tpj,pj->tp", np.exp(-_TIMES[:, None, None] * (1 - values)), vectors[:, 0] ** 2
    )
