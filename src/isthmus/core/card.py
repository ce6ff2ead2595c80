"""Cards: what a method is, as data.

A card drives validation, command-line help, the docs page and the contract suites, so a claim made
here (an invariance, a cost, an extreme value) is a claim that a test tries to break.
"""

import re
from dataclasses import asdict, dataclass
from typing import Any

from isthmus.core.errors import InputError

#: Transformation groups a card may name. Each maps to the smaller groups it contains.
GROUPS: dict[str, tuple[str, ...]] = {
    "permutation": (),
    "orthogonal": ("permutation",),
    "isotropic_scale": (),
    "axis_scale": ("isotropic_scale",),
    "row_scale": ("isotropic_scale",),
    "translation": (),
    "invertible_linear": ("orthogonal", "axis_scale"),
    "affine": ("invertible_linear", "translation"),
}


#: ``rough`` of a method whose interval or test was off its level at every size tried.
ALWAYS = (10**9, 0)

#: What a method may take besides the spaces.
GIVEN = ("confound", "factors", "groups", "labels")

#: What correspondence between source and target rows a bridge may ask for, and what that means.
PAIRS = {
    "all": "learn from known pairs alone",
    "some": "learn from some known pairs and from all other rows",
    "none": "need no pair; any known one helps",
}
#: The kinds of bridges, in words: by the pairs that they ask for, and those of another shape.
KINDS = (*PAIRS.values(), "take something else than two spaces")

_TERM = r"[ndmk](\^\d)?( [ndmk](\^\d)?)*"
_COST = re.compile(rf"{_TERM}( \+ {_TERM})*")


def closure(groups: tuple[str, ...]) -> frozenset[str]:
    """All groups that ``groups`` contain, themselves included."""
    found: set[str] = set()
    pending = list(groups)
    while pending:
        group = pending.pop()
        found.add(group)
        pending += GROUPS[group]
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Paper:
    """Where a method comes from: title, authors, year, and where in the paper its formula is."""

    title: str
    authors: str
    year: int
    where: str = ""

    def __str__(self) -> str:
        return f"{self.authors} {self.year}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What every method declares about itself.

    ``invariant`` lists the groups that may act on the source (or the only) space without changing
    the result; ``invariant_target`` those on the target space, equal to ``invariant`` when None.
    With ``jointly=True`` the group acts on both spaces at once with the same element. For a bridge
    ``invariant`` speaks of refitting on a transformed source, and ``equivariant`` of a transformed
    target: the translated vectors then move along with it.

    ``spaces`` counts the (n, d) matrices a measure takes; 0 when it takes something else, such as a
    stack of layers or a function. ``given`` names what it takes besides: ``labels`` (n,) classes,
    ``factors`` (n, g) ground truth, ``groups`` (n,) that rows come in, ``confound`` (n, e) a space
    to discount. With ``paired=False`` the rows of the spaces have no partners.

    ``pairs`` says what correspondence a bridge takes: ``all`` learns from known pairs alone;
    ``some`` from a few known pairs and from all other rows; ``none`` needs no pair, and any helps.

    ``quick`` are parameters (name, value) under which a method that trains is checked on small
    data, where its defaults would take long.

    ``library`` names who does the arithmetic where the method leaves it to another package.
    ``caveat`` says where interval, test or chance level cannot be trusted; scores warn there.
    ``rough`` gives (rows, rows per dimension) below either of which simulations saw the interval or
    the test off its level; the registry makes every score from fewer warn, and it needs a caveat.

    ``cost`` and ``memory`` are products of powers of n (rows), d (width), m (anchors), k, or sums
    of such, written like ``"n d^2 + d^3"``; memory counts what is needed beyond the input.
    """

    name: str
    summary: str
    paper: Paper
    cost: str
    memory: str
    invariant: tuple[str, ...] = ()
    invariant_target: tuple[str, ...] | None = None
    equivariant: tuple[str, ...] = ()
    jointly: bool = False
    spaces: int = 2
    given: tuple[str, ...] = ()
    library: str = ""
    caveat: str = ""
    rough: tuple[float, float] | None = None
    symmetric: bool = False
    metric: bool = False
    paired: bool = True
    pairs: str = "all"
    quick: tuple[tuple[str, Any], ...] = ()
    streams: bool = False
    chance: float | None = None
    identical: float | None = None
    min_rows: int = 2

    def __post_init__(self) -> None:
        sides = (self.invariant, self.invariant_target or (), self.equivariant)
        if not all(isinstance(side, tuple) for side in sides):
            raise InputError(
                f"card {self.name!r}", f"groups {sides}", "tuples, like ('orthogonal',)"
            )
        strange = sorted(set(self.given) - set(GIVEN))
        if strange:
            raise InputError(f"card {self.name!r}", f"given {strange}", f"some of {list(GIVEN)}")
        if self.rough is not None and not self.caveat:
            raise InputError(
                f"card {self.name!r}", "rough without a caveat", "a caveat that says so"
            )
        if self.pairs not in PAIRS:
            raise InputError(
                f"card {self.name!r}", f"pairs {self.pairs!r}", f"one of {', '.join(PAIRS)}"
            )
        for text in (self.cost, self.memory):
            if not _COST.fullmatch(text):
                raise InputError(
                    f"card {self.name!r}",
                    f"cost or memory {text!r}",
                    "a sum of products of n, d, m, k, like 'n d^2 + d^3'",
                )
        declared = [group for side in sides for group in side]
        unknown = sorted(set(declared) - set(GROUPS))
        if unknown:
            raise InputError(
                f"card {self.name!r}", f"groups {unknown}", f"some of {sorted(GROUPS)}"
            )

    @property
    def counted(self) -> bool:
        """Whether the arithmetic is this method's own, so that its cost can be counted."""
        return not asdict(self)["library"]

    @property
    def kind(self) -> str:
        """What a bridge of this card asks for, in words."""
        return KINDS[list(PAIRS).index(self.pairs)] if self.spaces == 2 else KINDS[-1]

    def as_dict(self) -> dict[str, Any]:
        """The card as plain JSON-ready data."""
        return asdict(self)

    def is_rough(self, n: int, d: int) -> bool:
        """Whether interval and test are off their levels at n rows of d dimensions."""
        return self.rough is not None and (n < self.rough[0] or n < self.rough[1] * d)

    def declares(self, group: str, *, target: bool = False) -> bool:
        """Whether ``group`` acting on the source (or target) is declared to change nothing."""
        side = self.invariant
        if target and self.invariant_target is not None:
            side = self.invariant_target
        return group in closure(side)
