"""Identifiable blocks: which groups of latents several partial views can tell apart."""

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import register

CARD = Card(
    name="identifiable_blocks",
    summary="Blocks of latents that views with known parts identify, and by which rule.",
    paper=Paper(
        "Multi-View Causal Representation Learning with Partial Observability", "Yao et al.", 2024
    ),
    spaces=0,  # takes which view shows which latents, and no vectors
    cost="k^2",  # k: blocks found, at most two to the number of latents
    memory="k",
    min_rows=1,
)

#: Beyond this many blocks the answer is of no use to anybody and takes minutes.
_MOST = 1000


@register(CARD)
def identifiable_blocks(
    view_to_latents: Mapping[Any, Iterable[Any]], *, independent: bool = False
) -> dict[frozenset[Any], str]:
    r"""Every block of latents identified up to a bijection of the block, with the rule that does.

    - *view*: all latents of one view, which its own encoder keeps;
    - *shared*: what a set of views has in common, V_1 ∩ ... ∩ V_m, by contrast of these views;
    - *intersection* A ∩ B of identified blocks;
    - *complement* A \\ B of identified blocks B ⊂ A, only where A \\ B and B are ``independent``;
    - *union* A ∪ B of identified blocks.

    The rules are applied until nothing new comes out. The empty block is left out. A block's rule
    is the first that gives it, in the order above.

    Parameters
    ----------
    view_to_latents : the names of the latents behind each view
    independent : whether all latents are mutually independent, without which no complement counts

    Returns
    -------
    dict from a block to its rule, smallest blocks first

    Raises
    ------
    InputError
        On no view, a view without latents, or more than 1,000 blocks.

    References
    ----------
    Yao et al. 2024, the identifiability algebra.

    Examples
    --------
    >>> blocks = identifiable_blocks({"image": "abc", "text": "bcd"})
    >>> {"".join(sorted(block)): rule for block, rule in blocks.items()}
    {'bc': 'shared', 'abc': 'view', 'bcd': 'view', 'abcd': 'union'}
    >>> frozenset("a") in identifiable_blocks({"image": "abc", "text": "bcd"}, independent=True)
    True
    """
    views = {name: frozenset(latents) for name, latents in view_to_latents.items()}
    empty = [name for name, latents in views.items() if not latents]
    if not views or empty:
        raise InputError(
            "identifiable blocks", f"views without latents: {empty}" if empty else "no view",
            "the latents behind each view",
        )  # fmt: skip
    found: dict[frozenset[Any], str] = {}
    for block in views.values():
        found.setdefault(block, "view")
    for shared in shared_blocks(views).values():
        found.setdefault(shared, "shared")
    found.pop(frozenset(), None)
    while fresh := _derived(found, independent):
        found |= fresh
        if len(found) > _MOST:
            raise InputError(
                "identifiable blocks", f"more than {_MOST} blocks", "fewer latents or views"
            )
    return dict(sorted(found.items(), key=lambda item: (len(item[0]), sorted(map(str, item[0])))))


def shared_blocks(views: Mapping[Any, Iterable[Any]]) -> dict[tuple[Any, ...], frozenset[Any]]:
    """What every set of at least two views has in common, by the views' names in their order.

    >>> {k: sorted(v) for k, v in shared_blocks({0: "ab", 1: "bc", 2: "b"}).items()}
    {(0, 1): ['b'], (0, 2): ['b'], (1, 2): ['b'], (0, 1, 2): ['b']}
    """
    parts = {name: frozenset(latents) for name, latents in views.items()}
    return {
        names: frozenset.intersection(*(parts[name] for name in names))
        for size in range(2, len(parts) + 1)
        for names in combinations(parts, size)
    }


def _derived(found: Mapping[frozenset[Any], str], independent: bool) -> dict[frozenset[Any], str]:
    """What one rule, the first that gives anything, makes of all pairs of blocks."""
    pairs = list(combinations(found, 2))
    nested = [(a, b) if b <= a else (b, a) for a, b in pairs if a <= b or b <= a]
    rules = {
        "intersection": (a & b for a, b in pairs),
        "complement": (a - b for a, b in nested if independent),
        "union": (a | b for a, b in pairs),
    }  # fmt: skip
    for rule, blocks in rules.items():
        fresh = {block: rule for block in blocks if block and block not in found}
        if fresh:
            return fresh
    return {}
