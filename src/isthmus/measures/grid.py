"""Grid: every layer of one model against every layer of another, errors over the whole grid."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.core.arrays import Array, matrix, take, to_numpy
from isthmus.core.errors import InputError
from isthmus.core.neighbors import neighbors
from isthmus.core.random import Seed, generator
from isthmus.core.registry import method
from isthmus.core.score import Score
from isthmus.measures.doubts import doubts, marked, shuffled, tell
from isthmus.measures.inference import false_discovery, holm, row_orders
from isthmus.measures.rows import compacted

#: Rows that the permutations see. What they are for, the law of the largest of all standardised
#: cells, hardly changes with n, and an order of 500 rows costs a sixteenth of one of 2,000.
_PERMUTED = 500
_LEVEL = 0.05
#: Layers a table of 80 columns has room for.
_WIDE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Layers of a source (rows) against layers of a target (columns) under one measure.

    ``values``, ``z``, ``p`` are (rows, columns); ``p_any`` bounds the chance of a single false
    finding in the whole grid, ``p_share`` the expected share of false ones among the found. NaN
    where the measure has no test, or none by the groups given. ``best`` is the column most like
    each row, ``intervals`` (rows, columns, 2). With ``itself`` both sides are one model, and a
    layer's best is another. The first of the ``warnings`` are ``doubts`` about the rows themselves,
    which are printed before any number.
    """

    method: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: np.ndarray
    intervals: np.ndarray
    z: np.ndarray
    p: np.ndarray
    p_any: np.ndarray
    p_share: np.ndarray
    best: np.ndarray
    n: int
    corrected_by: str
    itself: bool
    warnings: tuple[str, ...]
    doubts: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "kind": "grid", "method": self.method, "rows": list(self.rows),
            "columns": list(self.columns), "n": self.n, "corrected_by": self.corrected_by,
            "itself": self.itself,
            **{name: getattr(self, name).tolist() for name in
               ("values", "intervals", "z", "p", "p_any", "p_share", "best")},
            "warnings": list(self.warnings),
        }  # fmt: skip

    def sentences(self) -> list[str]:
        """What the grid says, in words."""
        tested = np.isfinite(self.p_any).any()
        sure = int(np.sum(self.p_any <= _LEVEL))  # 19 orders reach .05 and no less
        said = []
        depth = list(range(len(self.rows)))
        if tested and not sure and not self.itself:  # where the best cells lie then means nothing
            said.append("NO RELATION FOUND: check that the rows of both models are paired.")
        elif self.itself:
            beside = int(np.sum(np.abs(self.best - depth) == 1))
            said.append(f"{beside} of {len(self.rows)} layers are most like a layer beside them.")
        elif len(self.rows) == len(self.columns) > 1:
            same = int(np.sum(self.best == depth))
            said.append(
                f"{same} of {len(self.rows)} layers are most like the layer of equal depth."
            )
        elif len(self.columns) > 1 and len(self.rows) > 1:
            steps = np.diff(self.best)
            said.append(
                "Deeper layers match deeper layers."
                if (steps >= 0).all()
                else "Depth does not order the matches."
            )
        if tested:
            likely = int(np.sum(self.p_share < _LEVEL))
            said.append(
                f"Related beyond doubt: {sure} of {self.values.size} cells (one false finding in "
                f"twenty such grids, {self.corrected_by}); {likely} cells at a false discovery "
                "rate of 5 %."
            )
        return said

    def __str__(self) -> str:
        from textwrap import wrap

        wide = len(self.columns) > _WIDE
        shown = np.linspace(0, len(self.columns) - 1, min(len(self.columns), _WIDE)).astype(int)
        label = max(min(max(map(len, self.rows)), 16), 5)
        width = max(4, min(9, (80 - label) // max(len(shown), 1)))
        head = "".join(self.columns[j][-(width - 1) :].rjust(width) for j in shown)
        lines = marked(self.doubts)
        lines += [""] * bool(lines)
        lines += [f"{self.method}, n={self.n:,}; * the best match of each row", ""]
        lines.append(" " * label + head)
        for i, name in enumerate(self.rows):
            cells = ""
            for j in shown:
                mark = "*" if self.best[i] == j else ""
                cells += f"{mark}{_cell(self.values[i, j])}".rjust(width)
            lines.append(name[-label:].ljust(label) + cells)
        if wide:
            lines.append(f"({len(shown)} of {len(self.columns)} columns; --json has all)")
        lines.append("")
        for sentence in self.sentences():
            lines += wrap(sentence, 80, initial_indent="* ", subsequent_indent="  ")
        lines += marked(self.warnings[len(self.doubts) :])
        return "\n".join(lines)


def compare_layers(
    source: Any,
    target: Any = None,
    *,
    measure: str = "debiased_cka",
    rows: int = 2000,
    permutations: int = 499,
    groups: Any = None,
    names: tuple[Sequence[str], Sequence[str]] | None = None,
    rng: Seed = 0,
    told: Callable[[str], None] | None = None,
) -> Grid:
    """Every layer of one model against every layer of another, on the same n items.

    The chance that the largest of all cells is as large without any relation comes from
    ``permutations`` orders of the target's items, one order for all cells at once (the maximum
    statistic, Westfall & Young 1993), for debiased CKA and mutual k-NN; for other measures that
    have a p it comes from Holm's bound. Heat maps take the false discovery rate.

    Parameters
    ----------
    source, target : (layers, n, d) arrays, or sequences of (n, d_l) arrays; ``target`` None
        compares the layers of the source with each other
    measure : a measure of two paired spaces
    rows : with more items, so many are drawn by ``rng``
    permutations : random orders for the test
    groups : (n,) group ids, where items are not exchangeable but groups of them are; z and p are
        then by orders of whole groups, and other measures than those two have none
    names : names of the layers of both sides; "0", "1", ... when None
    rng : seed or Generator
    told : called with every doubt about the rows before anything is computed on them

    Raises
    ------
    InputError
        On layers of unequal n, non-finite values (naming the layer), or a measure that is not of
        two paired spaces.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(3, 60, 8))
    >>> compare_layers(x, x, permutations=19).best.tolist()
    [0, 1, 2]
    """
    one = method("measures", measure)
    if one.card.spaces != 2 or not one.card.paired or one.card.given:
        raise InputError(
            "compare layers", f"measure {one.name!r}", "one of two paired spaces and nothing else"
        )
    if permutations < 19:
        raise InputError("compare layers", f"permutations={permutations}", "at least 19, for p .05")
    sides = [_layers("source", source), _layers("target", source if target is None else target)]
    counts = {int(layer.shape[0]) for side in sides for layer in side}
    if len(counts) != 1:
        raise InputError(
            "compare layers",
            f"layers of {sorted(counts)} rows",
            "the same items in every layer",
            "Join them on their ids first: isthmus.pair(a, b).",
        )
    labels = names or tuple([str(i) for i in range(len(side))] for side in sides)
    if [len(side) for side in labels] != [len(side) for side in sides]:
        raise InputError(
            "compare layers", f"names {[len(side) for side in labels]}",
            f"one for each of the {[len(side) for side in sides]} layers", "Give one name a layer.",
        )  # fmt: skip
    n = counts.pop()
    named = list(zip(("source", "target"), labels, sides, strict=True))[
        : 1 if target is None else 2
    ]
    doubted = doubts({f"{w} {k}": layer for w, label, side in named
                      for k, layer in zip(label, side, strict=True)})  # fmt: skip
    draw = generator(rng)
    if n > rows:
        chosen = _some(n, rows, groups, draw)
        sides = [[take(layer, chosen) for layer in side] for side in sides]
        groups = None if groups is None else np.asarray(groups)[chosen]
        n = len(chosen)
    if target is not None:
        doubted += shuffled(*sides)
    tell(doubted, told)
    count = len(sides[0])
    call, layers, cautions = compacted(one, sides[0] + sides[1])
    sides = [layers[:count], layers[count:]]
    scores = [[call(a, b) for b in sides[1]] for a in sides[0]]
    values = _each(scores, lambda s: s.value)
    z, p = _each(scores, lambda s: s.z), _each(scores, lambda s: s.p)
    intervals = np.stack(
        [_each(scores, lambda s: s.ci and s.ci[0]), _each(scores, lambda s: s.ci and s.ci[1])],
        axis=-1,
    )
    untested = groups is not None and one.name not in FORMS
    if untested:  # what takes rows for exchangeable says nothing here
        z, p = np.full_like(z, np.nan), np.full_like(p, np.nan)
    p_any, by = np.full_like(p, np.nan), ""
    if np.isfinite(p).all():
        if one.name in FORMS:
            p, p_any, z = _largest(one.name, sides, z, permutations, groups, draw)
            by = f"maximum over {permutations} orders of " + (
                "rows" if groups is None else "groups"
            )
        else:
            p_any, by = holm(p), "Holm's bound"
    share = false_discovery(p) if by else np.full_like(p, np.nan)
    like = -values if one.card.identical == 0 else values.copy()
    itself = target is None and len(values) > 1
    if itself:
        np.fill_diagonal(like, -np.inf)
    said = {text for line in scores for score in line for text in score.warnings}
    warnings = [*doubted, *sorted(said | cautions)]
    if untested:
        warnings.append(f"{one.name}: no z or p by groups; {' and '.join(FORMS)} have them")
    return Grid(
        method=one.name, rows=tuple(labels[0]), columns=tuple(labels[1]), values=values,
        intervals=intervals, z=z, p=p, p_any=p_any, p_share=share, best=like.argmax(axis=1), n=n,
        corrected_by=by, itself=itself, warnings=tuple(warnings), doubts=tuple(doubted),
    )  # fmt: skip


def _layers(name: str, stack: Any) -> list[Array]:
    layers = [stack[i] for i in range(len(stack))]
    if not layers:
        raise InputError(
            "compare layers",
            f"{name} without layers",
            "one (n, d) matrix a layer",
            "Pass a list with one matrix a layer.",
        )
    return [
        matrix(f"{name} layer {i}", layer, operation="compare layers")
        for i, layer in enumerate(layers)
    ]


def _some(n: int, rows: int, groups: Any, rng: np.random.Generator) -> np.ndarray:
    """About ``rows`` of n row numbers, whole groups of them where there are groups."""
    if groups is None:
        return np.sort(rng.choice(n, rows, replace=False))
    _, place = np.unique(np.asarray(groups), return_inverse=True)
    order = rng.permutation(int(place.max()) + 1)
    reached = np.cumsum(np.bincount(place)[order])
    return np.flatnonzero(np.isin(place, order[: max(int(np.sum(reached <= rows)), 1)]))


def _each(scores: list[list[Score]], part: Callable[[Score], float | None]) -> np.ndarray:
    return np.array(
        [[np.nan if part(s) is None else part(s) for s in line] for line in scores], dtype=float
    )


def _largest(
    name: str,
    sides: list[list[Array]],
    z: np.ndarray,
    permutations: int,
    groups: Any,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The p of each cell, alone and against the largest of all, from orders common to all; its z.

    That z is the one given, or with groups the one that their orders give.
    """
    form = FORMS[name]
    n = int(sides[0][0].shape[0])
    rows = np.arange(n)
    if n > _PERMUTED and groups is None:
        rows = np.sort(rng.choice(n, _PERMUTED, replace=False))
    left, right = (
        np.stack([form(to_numpy(layer)[rows]) for layer in side]).astype(np.float32)
        for side in sides
    )
    m = len(rows)
    flat = left.reshape(len(left), -1)
    drawn = np.empty((permutations, len(left), len(right)))
    for i, order in enumerate(row_orders(m, permutations, groups=groups, rng=rng)):
        moved = right[:, order][:, :, order].reshape(len(right), -1)
        drawn[i] = flat @ moved.T
    spread = drawn.std(axis=0, ddof=1)
    standard = (drawn - drawn.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    observed = z
    if groups is not None:  # rows that come in groups vary more than rows alone: the exact z is off
        observed = (flat @ right.reshape(len(right), -1).T - drawn.mean(axis=0)) / np.where(
            spread > 0, spread, 1.0
        )
    largest = standard.max(axis=(1, 2))
    single = (1 + (standard >= observed).sum(axis=0)) / (permutations + 1)
    overall = (1 + (largest[:, None, None] >= observed).sum(axis=0)) / (permutations + 1)
    return single, overall, observed


def _centred_gram(x: np.ndarray) -> np.ndarray:
    """The U-centred Gram matrix (n, n) with empty diagonal (Székely & Rizzo 2014, eq. 2.1)."""
    n = len(x)
    x = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
    gram = x @ x.T
    np.fill_diagonal(gram, 0.0)
    sums = gram.sum(axis=0)
    gram -= (sums[:, None] + sums[None, :]) / (n - 2) - sums.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(gram, 0.0)
    return gram / np.linalg.norm(gram)


def _graph(x: np.ndarray, k: int = 10) -> np.ndarray:
    """Adjacency (n, n) of the k-nearest-neighbour graph by cosine."""
    near, _ = neighbors(x, x, min(k, len(x) - 2), metric="cosine", exclude_self=True)
    graph = np.zeros((len(x), len(x)))
    np.put_along_axis(graph, near, 1.0, axis=1)
    return graph


#: Measures that are the inner product of one matrix of each side, which permutations only reorder.
FORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "debiased_cka": _centred_gram,
    "mutual_knn": _graph,
}


def _cell(value: float) -> str:
    text = f"{value:.2f}" if abs(value) < 10 else f"{value:.3g}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text
