r"""Concept levels: unseen concepts in sets of growing semantic distance from those seen."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.linear_probe import linear_probe

CARD = Card(
    name="cog_levels",
    summary="Unseen concepts sorted into levels by Lin similarity to the nearest concept seen.",
    paper=Paper(
        "Concept Generalization in Visual Representation Learning", "Sariyildiz et al.", 2021
    ),
    cost="n m",
    memory="n + m",
    spaces=0,
    paired=False,
    min_rows=2,
)


@register(CARD)
def cog_levels(
    seen: Sequence[Hashable],
    candidates: Sequence[Hashable],
    taxonomy: Mapping[Hashable, Sequence[Hashable]],
    *,
    counts: Mapping[Hashable, float] | None = None,
    levels: int = 5,
) -> Score:
    r"""Candidates in ``levels`` equal sets, from most to least like the concepts already seen.

    .. math:: \mathrm{sim}(c) = \max_{s \in S}
              \frac{2\,\mathrm{IC}(\mathrm{lca}(c, s))}{\mathrm{IC}(c) + \mathrm{IC}(s)},
              \qquad \mathrm{IC}(c) = -\log \frac{N(c)}{N(\mathrm{root})}

    Lin's similarity, with the common ancestor of largest information content; N(c) counts a concept
    and all below it, each once plus its ``counts``. The value is the mean similarity of the first
    level less that of the last: what the sequence spans. ``parts``: ``similarity`` (n,) and
    ``level`` (n,), 0 the nearest, by candidate. Levels differ in size by one at most; equal
    similarities stay in the order given.

    Parameters
    ----------
    seen, candidates : concepts that an encoder was trained on, and others
    taxonomy : parents of every concept, empty for a root; no cycles
    counts : how often each concept itself occurs, 0 where missing
    levels : number of sets

    Raises
    ------
    InputError
        On concepts the taxonomy does not know, candidates that were seen, a cycle, nothing seen,
        or fewer candidates than levels.

    References
    ----------
    Sariyildiz et al. 2021; Lin 1998, "An Information-Theoretic Definition of Similarity".

    Examples
    --------
    >>> tree = {"all": [], "animal": ["all"], "tool": ["all"]}
    >>> tree |= {"dog": ["animal"], "cat": ["animal"], "saw": ["tool"]}
    >>> cog_levels(["dog"], ["saw", "cat"], tree, levels=2).parts["level"].tolist()
    [1, 0]
    """
    known = [one for one in (*seen, *candidates) if one not in taxonomy]
    again = sorted(map(str, set(seen) & set(candidates)))
    if known or again or not len(seen) or levels < 2 or len(candidates) < levels:
        raise InputError(
            "cog_levels",
            f"{len(seen)} seen, {len(candidates)} candidates, {levels} levels; not in the "
            f"taxonomy: {known[:3]}; both seen and candidate: {again[:3]}",
            "known concepts, some seen, the others unseen, 2 levels or more with one each",
        )
    order = _upwards(taxonomy)
    content = _content(order, taxonomy, counts or {})
    # The most specific seen concept under each ancestor gives the largest similarity there:
    # 2 IC(a) / (IC(c) + IC(s)) grows as IC(s) falls.
    least: dict[Hashable, float] = {}
    for one in seen:
        for above in _ancestors(one, taxonomy):
            least[above] = min(least.get(above, np.inf), content[one])
    similarity = np.array(
        [
            max(
                (
                    2 * content[above] / (content[one] + least[above])
                    if content[one] + least[above] > 0
                    else 1.0
                )
                for above in _ancestors(one, taxonomy)
                if above in least
            )
            if any(above in least for above in _ancestors(one, taxonomy))
            else 0.0
            for one in candidates
        ]
    )
    level = np.empty(len(candidates), dtype=np.int64)
    ranks = np.argsort(-similarity, kind="stable")
    for number, rows in enumerate(np.array_split(ranks, levels)):
        level[rows] = number
    near, far = (float(similarity[level == side].mean()) for side in (0, levels - 1))
    return Score(
        value=near - far, method="cog_levels", n=len(candidates),
        parts={"similarity": similarity, "level": level},
    )  # fmt: skip


def probe_levels(x: Any, labels: Any, level: Any, *, folds: int = 5, rng: int = 0) -> list[Score]:
    """An encoder's generalisation curve: held-out linear-probe accuracy within every level.

    Parameters
    ----------
    x : (n, d) vectors
    labels : (n,) concept of each row
    level : (n,) level of its concept, 0 the nearest
    folds, rng : as in ``linear_probe``

    Raises
    ------
    InputError
        On a level for every row that is missing, and as ``linear_probe`` does.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(80, 4))
    >>> [s.n for s in probe_levels(x, np.arange(80) % 4, np.arange(80) % 4 // 2)]
    [40, 40]
    """
    x, labels, level = (np.asarray(side) for side in (x, labels, level))
    if not len(x) == len(labels) == len(level):
        raise InputError(
            "probe_levels", f"{len(x)} rows, {len(labels)} labels, {len(level)} levels",
            "one of each a row",
        )  # fmt: skip
    return [
        linear_probe(x[level == one], labels[level == one], folds=folds, rng=rng)
        for one in np.unique(level)
    ]


def _upwards(taxonomy: Mapping[Hashable, Sequence[Hashable]]) -> list[Hashable]:
    """All concepts, each before its parents."""
    children = dict.fromkeys(taxonomy, 0)
    for above in taxonomy.values():
        for parent in above:
            if parent not in children:
                raise InputError(
                    "cog_levels", f"parent {parent!r}", "parents that the taxonomy lists too"
                )
            children[parent] += 1
    order = [one for one, count in children.items() if not count]
    for one in order:  # grows as it is walked
        for parent in taxonomy[one]:
            children[parent] -= 1
            if not children[parent]:
                order.append(parent)
    if len(order) < len(children):
        raise InputError("cog_levels", "a taxonomy with a cycle", "parents that lead to a root")
    return order


def _content(
    order: list[Hashable],
    taxonomy: Mapping[Hashable, Sequence[Hashable]],
    counts: Mapping[Hashable, float],
) -> dict[Hashable, float]:
    """Information content of every concept."""
    # A concept below two parents of one ancestor counts there once: its ancestors are a set.
    total = dict.fromkeys(order, 0.0)
    for one in order:
        own = 1.0 + counts.get(one, 0.0)
        for above in _ancestors(one, taxonomy):
            total[above] += own
    whole = sum(1.0 + counts.get(one, 0.0) for one in order)
    return {one: -float(np.log(total[one] / whole)) + 0.0 for one in order}


def _ancestors(one: Hashable, taxonomy: Mapping[Hashable, Sequence[Hashable]]) -> set[Hashable]:
    """A concept and all above it."""
    found, pending = {one}, [one]
    while pending:
        for parent in taxonomy[pending.pop()]:
            if parent not in found:
                found.add(parent)
                pending.append(parent)
    return found
