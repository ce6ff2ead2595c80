"""Findings: what is wrong with a space, where, how badly, and what helps.

Shared by ``describe``, which says what a space is, and ``doctor``, which says what to do about it.
"""

from dataclasses import asdict, dataclass, field
from itertools import accumulate
from typing import Any

from isthmus.core.errors import InputError
from isthmus.spaces.defects import Defects

#: From what cannot be used, through what costs answers, to what is good to know.
SEVERITIES = ("broken", "harmful", "notable")
_NAMED = 5
#: Of these, so many that the text stays within a few lines; long ids are fewer.
_CHARACTERS = 150

#: Rows or dimensions written out in a recipe; more are called ``ids`` or ``dims`` in it.
_LISTED = 12

_KEPT = "x, ids = x[keep], ids[keep]"
_FIRST = "x, ids = x[np.sort(first)], ids[np.sort(first)]"
_UNIT = "x = x / np.linalg.norm(x, axis=1, keepdims=True)"
_AXES = """\
x = x - x.mean(axis=0)
values, v = np.linalg.eigh(x.T @ x / len(x))
keep = values > 1e-10 * values[-1]
"""

#: What helps, in words and in NumPy of 66 columns: x (n, d) are the vectors, ids (n,) their ids;
#: ``{dims}`` and ``{ids}`` stand for those at fault. Queries go through the map of the collection.
REMEDIES: dict[str, tuple[str, str]] = {
    "non_finite": (
        "Leave these rows out, or embed them again.",
        f"keep = np.isfinite(x).all(axis=1)\n{_KEPT}",
    ),
    "zero_vectors": (
        "Leave them out (often empty texts): they have no direction to search by.",
        f"keep = np.any(x != 0, axis=1)\n{_KEPT}",
    ),
    "repeated_ids": (
        "Keep one row of each id: isthmus pairs rows by id.",
        f"first = np.unique(ids, return_index=True)[1]\n{_FIRST}",
    ),
    "repeated_vectors": (
        "Deduplicate: keep the first of each, and let it answer for the others.",
        f"first = np.unique(x, axis=0, return_index=True)[1]\n{_FIRST}",
    ),
    "near_repeats": (
        "Deduplicate: keep one of each pair, or group them in the answers.",
        f"keep = ~np.isin(ids, {{ids}})\n{_KEPT}",
    ),
    "clumps": (
        "Look at these rows: texts from one template, or boilerplate, fill answers with one thing. "
        "Group them in the answers, or deduplicate.",
        "",
    ),
    "dead_dimensions": (
        "Drop these dimensions: no distance would notice. Where columns have units of their own, "
        "standardise all instead.",
        "x = np.delete(x, {dims}, axis=1)",
    ),
    "rogue_dimensions": (
        "Standardise the dimensions, or drop these, so that the others count in the cosine.",
        "x = x - x.mean(axis=0)\nx = x / np.maximum(x.std(axis=0), 1e-12)",
    ),
    "offset": (
        "Centre: so far from zero, 32-bit numbers lose the digits that differ.",
        "x = x - x.mean(axis=0)",
    ),
    "common_direction": (
        "Centre. Where that is not enough take off the top directions too (all-but-the-top, about "
        "d / 100 of them), or whiten.",
        "x = x - x.mean(axis=0)\n"
        "top = np.linalg.eigh(x.T @ x)[1][:, -max(1, len(x.T) // 100):]\nx = x - x @ top @ top.T",
    ),
    "level_neighbours": (
        "Search for other things than neighbours here, as for equal codes: such vectors are labels "
        "rather than places, and an index gives any of the rows that are level.",
        "",
    ),
    "hubs": (
        "Search by CSLS or mutual proximity, which take from each row what it is near to anyway; "
        "by Euclidean distance or inner product, centre and L2-normalise first.",
        f"x = x - x.mean(axis=0)\n{_UNIT}; s = x @ x.T\n"
        "near = np.sort(s, axis=1)[:, -11:-1].mean(axis=1)\n"
        "csls = 2 * s - near[:, None] - near",
    ),
    "collapse": (
        "Whiten, which gives the weak directions a voice, if they hold more than noise; else keep "
        "the strong ones alone.",
        f"{_AXES}x = x @ v[:, keep] / np.sqrt(values[keep])",
    ),
    "empty_directions": (
        "Rotate to the principal axes and drop the empty ones: distances stay.",
        f"{_AXES}x = x @ v[:, keep]",
    ),
    "norm_outliers": ("Look at these rows; where only direction matters, L2-normalise.", _UNIT),
    "norm_spread": ("L2-normalise, unless long vectors are meant to come first.", _UNIT),
    "two_spaces": (
        "Two encoders cannot be searched as one. Embed the smaller part again, or translate it: "
        "with some items under both encoders, fit a bridge (Orthogonal where both have one shape, "
        "else Affine) by isthmus fit, then isthmus translate.",
        "",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong: ``severity`` broken, harmful or notable, and a sentence.

    ``ids`` are the first rows at fault of ``count``, ``twins`` (where there are any) what each of
    them repeats, ``dims`` the dimensions at fault, ``figures`` the numbers the verdict rests on.
    """

    name: str
    severity: str
    says: str
    count: int = 0
    ids: tuple[Any, ...] = ()
    twins: tuple[Any, ...] = ()
    dims: tuple[int, ...] = ()
    figures: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES or self.name not in REMEDIES:
            raise InputError(
                "finding", f"{self.name!r}, {self.severity!r}",
                f"one of {', '.join(REMEDIES)}; {', '.join(SEVERITIES)}",
            )  # fmt: skip

    @property
    def remedy(self) -> str:
        """What helps, in a sentence."""
        return REMEDIES[self.name][0]

    @property
    def recipe(self) -> str:
        """The same in NumPy, at most two lines; empty where no line of code can know."""
        recipe = REMEDIES[self.name][1]
        for name, at in (("dims", self.dims), ("ids", self.ids)):
            recipe = recipe.replace(f"{{{name}}}", str(list(at)) if len(at) <= _LISTED else name)
        return recipe.replace("isin(ids, ids)", "isin(ids, repeats)")

    @property
    def where(self) -> str:
        """The first rows or dimensions at fault, as text."""
        named = [legible(one) for one in (self.ids or self.dims)[:_NAMED]]
        if self.twins:
            twins = map(legible, self.twins[:_NAMED])
            named = [f"{a} like {b}" for a, b in zip(named, twins, strict=True)]
        shown = max(1, sum(end <= _CHARACTERS for end in accumulate(map(len, named))))
        more = len(self.ids or self.dims) > shown
        return ", ".join(named[:shown]) + (", ..." if more else "")

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON, remedy and recipe included."""
        return {**asdict(self), "remedy": self.remedy, "recipe": self.recipe}

    def __str__(self) -> str:
        return f"{self.says} (first ids: {self.where})" if self.ids else self.says


def legible(name: Any) -> str:
    """An id as part of one line of text, whatever is in it, and of a line's length at most."""
    text = str(name)
    text = text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 3]}..."
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def counted(n: int, what: str) -> str:
    """``n`` of ``what``, in the plural where they are several."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def row_faults(defects: Defects) -> list[Finding]:
    """What one pass over all rows found in them: NaN, zero vectors, repeated ids."""
    faults = [
        ("non_finite", "NaN or infinity", defects.non_finite, defects.non_finite_ids),
        ("zero_vectors", "zero vectors", defects.zero_vectors, defects.zero_ids),
        ("repeated_ids", "repeated ids", defects.duplicate_ids, defects.duplicates),
    ]
    return [
        Finding(
            name=name,
            severity="broken",
            says=f"{what} in {counted(n, 'row')}",
            count=n,
            ids=tuple(ids),
        )
        for name, what, n, ids in faults
        if n
    ]
