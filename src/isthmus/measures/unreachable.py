r"""Unreachable rows: keys or documents that no query can ever rank first by inner product."""

import numpy as np
from threadpoolctl import threadpool_limits

from isthmus.core.arrays import (
    Array,
    all_equal,
    check_rows,
    matrix,
    namespace,
    row_blocks,
    to_numpy,
)
from isthmus.core.card import Card, Paper
from isthmus.core.engine import map_on_cores
from isthmus.core.errors import InputError
from isthmus.core.linalg import pair_products, symmetric_eigen
from isthmus.core.neighbors import unit
from isthmus.core.registry import register
from isthmus.core.score import Score

CARD = Card(
    name="unreachable",
    summary="Share of rows that no query ranks first by inner product, found exactly.",
    paper=Paper(
        "On the Expressivity Role of LayerNorm in Transformers' Attention", "Brody et al.", 2023
    ),
    cost="n^2 d",
    memory="n d",
    invariant=("affine",),
    spaces=1,
    paired=False,
    library="SciPy",
)

#: A query must win by this much, in units of the rows' spread and the pair's distance.
_MARGIN = 1e-9
#: Cells of one block of scores.
_CELLS = 1 << 21


@register(CARD)
def unreachable(vectors: Array) -> Score:
    r"""Share of rows that are nobody's best answer under inner product, 0 to 1.

    Row i wins for some query q, q · x_i > q · x_j for all j, exactly when it is a corner of the
    convex hull of the rows; a row inside the hull loses to one of the corners whatever the query.
    For each row a linear program seeks the query that wins by the largest margin t over the corners
    known so far,

    .. math:: \max_{q, t} t \quad\text{with}\quad
              q \cdot \frac{x_i - x_j}{|x_i - x_j|} \ge t, \quad |q|_\infty \le 1,

    and either none exists (t = 0) or the row that q ranks first among all is a new corner (Clarkson
    1994). So at most n + corners programs are solved, each no larger than the corners. Rows that
    win for a query along themselves need none, which is every row on a sphere; two more guesses are
    tried for the others. Equal rows count as one and are warned about: they share first place.

    Parts: ``reachable`` (n,) bool; ``queries`` (n, d), a query that ranks the row first, zeros for
    the unreachable. ``layernorm_project`` in this module makes every row reachable.

    Parameters
    ----------
    vectors : (n, d) array of keys or documents

    Raises
    ------
    InputError
        On fewer than 2 rows, non-finite values, or rows that are all equal.

    References
    ----------
    Brody et al. 2023; Clarkson 1994, "More output-sensitive geometric algorithms".

    Examples
    --------
    >>> import numpy as np
    >>> square = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1], [0.2, 0.1]])
    >>> unreachable(square).parts["reachable"].tolist()
    [True, True, True, True, False]
    """
    vectors = matrix("vectors", vectors, operation="unreachable")
    given = to_numpy(vectors)
    check_rows(2, operation="unreachable", vectors=given.shape)
    rows, back = given, np.arange(len(given))
    if len(np.unique(given.sum(axis=1))) < len(given):  # equal rows have equal sums
        rows, back = np.unique(given, axis=0, return_inverse=True)
    rows, back = rows.astype(np.float64), back.reshape(-1)
    white, frame = _whitened(rows, float(namespace(vectors).finfo(vectors.dtype).eps))
    queries = np.zeros_like(white)
    corner = np.zeros(len(rows), dtype=bool)
    raw = frame / np.einsum("ij,ij->j", frame, frame)  # frame's pseudo-inverse, transposed
    for guess in (
        lambda left: white[left],
        lambda left: unit(rows[left]) @ raw,
        lambda left: white[left] - white[len(white) - 1 - left],
    ):
        directions = guess(np.flatnonzero(~corner))
        best = _winners(white, directions)
        won = best >= 0
        corner[best[won]] = True
        queries[best[won]] = directions[won]
    for i in np.flatnonzero(~corner):
        while not corner[i]:
            query = _program(white[i], white[corner])
            first = -1 if query is None else int(_winners(white, query[None])[0])
            if query is None or first < 0 or corner[first]:
                break  # inside the hull of known corners, or beside it by less than rounding
            corner[first], queries[first] = True, query
    reached = corner[back]
    equal = len(given) - len(rows)
    return Score(
        value=float(np.mean(~reached)),
        method="unreachable",
        n=len(given),
        warnings=(f"{equal} rows repeat others and can only share first place",) if equal else (),
        parts={"reachable": reached, "queries": (queries @ frame.T)[back]},
    )


def layernorm_project(vectors: Array) -> Array:
    r"""Rows less their own mean over columns, at length √d: LayerNorm without gain and bias.

    All rows then lie on one sphere, where each wins for the query along itself. Raises InputError
    on a row whose entries are all equal, as it has no direction left.

    >>> layernorm_project(np.array([[3.0, 1.0], [0.0, 9.0]])).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    vectors = matrix("vectors", vectors, operation="layernorm_project")
    xp = namespace(vectors)
    middle = vectors - xp.mean(vectors, axis=1, keepdims=True)
    length = xp.sqrt(xp.mean(middle * middle, axis=1, keepdims=True))
    size = xp.max(xp.abs(vectors), axis=1, keepdims=True)
    flat = to_numpy(length <= 8 * xp.finfo(vectors.dtype).eps * size).reshape(-1)
    if flat.any():
        raise InputError(
            "layernorm_project",
            f"{int(flat.sum())} rows of equal entries (first: row {int(np.flatnonzero(flat)[0])})",
            "entries that differ within a row",
            "Drop these rows first: LayerNorm makes them zero.",
        )
    return middle / length


def _whitened(rows: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n, r) centred and of unit covariance, and the frame F (d, r) with rows F ~ white.

    Directions that rounding to a precision of ``eps`` alone can have made are none. Corners of a
    hull stay corners under an affine map, and programs like numbers of one size.
    """
    middle = rows - rows.mean(axis=0)
    size = float(np.abs(middle).max())
    if not size > 1e-14 * float(np.abs(rows).max()):
        raise all_equal("vectors", rows.shape, operation="unreachable")
    middle /= size
    # Any full frame serves, so squares will do where they leave no direction in doubt.
    squares, vectors = symmetric_eigen(middle.T @ middle)
    s, vt = np.sqrt(squares), vectors.T
    if not squares[-1] > 1e-8 * squares[0]:
        with threadpool_limits(1, user_api="blas"):  # panels so narrow that threads wait, not work
            _, s, vt = np.linalg.svd(np.linalg.qr(middle, mode="r"), full_matrices=False)
    rounding = max(2 * eps, max(rows.shape) * np.finfo(float).eps)
    kept = s > rounding * float(s[0]) * max(1.0, float(np.abs(rows).max()) / size)
    frame = vt[kept].T / s[kept] * np.sqrt(len(rows))
    return middle @ frame, frame / size


def _winners(white: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Which row each query ranks first; of rows level up to rounding the longest, a corner.

    -1 for a query that ranks nothing, such as zero. A product in float32 proposes; all that its
    rounding leaves in question are scored in float64.
    """
    lengths = np.einsum("ij,ij->i", white, white)
    peak, coarse = float(np.sqrt(lengths.max())), white.astype(np.float32)
    rounding = (white.shape[1] + 8) * float(np.finfo(np.float32).eps) * peak

    def work(part: slice) -> np.ndarray:
        asked = unit(queries[part])
        rough = asked.astype(np.float32) @ coarse.T
        query, row = np.nonzero(rough >= rough.max(axis=1, keepdims=True) - 2 * rounding)
        scores = pair_products(asked, query, white, row)
        starts = np.flatnonzero(np.diff(query, prepend=-1))
        level = scores >= np.maximum.reduceat(scores, starts)[query] - 1e-13 * peak
        longest = np.lexsort((row, -np.where(level, lengths[row], -1.0), query))[starts]
        return np.where(asked.any(axis=1), row[longest], -1)

    blocks = list(row_blocks(len(queries), max(1, _CELLS // len(white))))
    return np.concatenate([np.empty(0, np.int64), *map_on_cores(work, blocks, white)])


def _program(row: np.ndarray, corners: np.ndarray) -> np.ndarray | None:
    """The query that ranks ``row`` above all ``corners`` by the largest margin, or None."""
    from scipy.optimize import linprog

    width = len(row)
    apart = unit(row - corners)
    answer = linprog(
        np.append(np.zeros(width), -1.0),
        A_ub=np.column_stack([-apart, np.ones(len(apart))]),
        b_ub=np.zeros(len(apart)),
        bounds=[(-1.0, 1.0)] * width + [(0.0, None)],
        method="highs-ds",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if not answer.success:
        raise InputError(
            "unreachable",
            f"a program that ends in {answer.message}",
            "an optimum",
            "Bring the vectors to like size first.",
        )
    return np.asarray(answer.x[:width]) if answer.x[width] > _MARGIN else None
