"""Verdict: what the scores of two spaces say in words, from intervals and z, never bare values."""

from collections.abc import Iterator

import numpy as np

from isthmus.core.arrays import Array, to_numpy
from isthmus.core.registry import method
from isthmus.core.score import Score
from isthmus.measures.disagreement import Disagreement
from isthmus.measures.findings import legible

#: All tests of a panel together call shuffled rows related one in a hundred times.
_LEVEL = 0.01
#: Distances that are 0 where one space is the other but for this, the least change first.
_SAME = {
    "permutation_procrustes": "the order of its dimensions and shift",
    "procrustes_distance": "rotation and shift",
    "procrustes_angular": "rotation, shift and scale",
}

FORWARD, BACKWARD = "source->target", "target->source"


def verdict(
    known: dict[str, Score], x: Array, y: Array, parts: Disagreement | None
) -> tuple[bool, list[str]]:
    """Whether the spaces are related, and what the labelled scores say, in sentences."""
    if x.shape == y.shape and bool(np.array_equal(to_numpy(x), to_numpy(y))):
        return True, ["The same space, bit for bit."]
    tests = {
        name: score.p for name, score in known.items()
        if score.p is not None and _of_relation(name)
    }  # fmt: skip
    same = [but for name, but in _SAME.items() if name in known and _zero(known[name], x, y)]
    related = bool(same) or _told_from_chance(list(tests.values()))
    said = []
    if same:
        said.append(f"The same space up to {same[0]}.")
    elif not tests:
        said.append("Nothing measured here tests for a relation: no verdict on that.")
    else:
        best = min(tests, key=lambda name: (tests[name], -(known[name].z or 0.0)))
        z = known[best].z
        told = f"{best} p {tests[best]:.2g}" if z is None else f"{best} z {z:.1f}"
        if not related:
            told += "; chance is 0" if z is not None else ""
            told = f"the strongest of {len(tests)} tests: {told}" if len(tests) > 1 else told
            said.append(
                f"NO RELATION FOUND: these rows look shuffled or unrelated ({told}). "
                "Check that the ids pair the right rows."
            )
            return False, said + [text for text in _ridge(known) if "predicts at least" in text]
        said.append(f"The spaces are related ({told}).")
    said += [*_geometry(known), *_ridge(known), *_direction(known), *_sizes(known)]
    return related, [*said, *_where(parts, y)]


def _of_relation(label: str) -> bool:
    """Whether the p of a measure is of paired rows, against the same rows in another order."""
    card = method("measures", label.partition(" ")[0]).card
    return card.spaces == 2 and card.paired


def _told_from_chance(p: list[float]) -> bool:
    """Simes 1986 on all p at once: unlike Bonferroni's bound it lets many p of 1/101 pass."""
    return bool((np.sort(p) * len(p) < _LEVEL * np.arange(1, len(p) + 1)).any())


def _where(parts: Disagreement | None, y: Array) -> Iterator[str]:
    """In how few directions, and around which items, the spaces part."""
    if parts is None:
        return
    d = int(y.shape[1])
    # Noise spreads over all dimensions; a change in few of them is worth saying.
    few = parts.directions and parts.directions <= max(1, d // 10)
    if parts.left is not None and parts.left < 0.2 and few:
        share = "under 0.1%" if parts.left < 1e-3 else f"{parts.left:.1%}"
        carry = "carries" if parts.directions == 1 else "carry"
        yield (
            f"Beyond rotation, shift and scale {share} of the target's variance differs: "
            f"{parts.directions} of {d} dimensions {carry} the difference."
        )
    if parts.items and parts.kept.mean() > 0.05 and parts.shares[0] < 0.5 * parts.kept.mean():
        shown = ", ".join(legible(item) for item in parts.items[:5])
        more = len(parts.items) - 5
        these = f"these {len(parts.items)} items" if len(parts.items) > 1 else "this item"
        yield (
            f"The neighbours disagree most around {these}: {shown}"
            + (f" and {more} more." if more > 0 else ".")
        )


def _zero(score: Score, x: Array, y: Array) -> bool:
    """Whether a distance is 0 but for rounding, in units of what unrelated spaces have."""
    eps = max(float(np.finfo(to_numpy(side[:1, :]).dtype).eps) for side in (x, y))
    return score.value < max(1e-6, 1e3 * eps) * (score.chance or 1.0)


def _geometry(known: dict[str, Score]) -> Iterator[str]:
    cka, knn = known.get("debiased_cka"), known.get("mutual_knn")
    if cka is not None and cka.ci is not None:
        low, high = cka.ci
        if low > 0.9:
            word = "Overall geometry is nearly the same"
        elif low > 0.5:
            word = "Overall geometry is largely shared"
        elif high < 0.5:
            word = "Overall geometry differs for the greater part"
        else:
            word = "Overall geometry is shared in part"
        yield f"{word}: debiased CKA between {low:.2f} and {high:.2f}."
    if knn is not None and knn.ci is not None and knn.chance is not None:
        low, high = knn.ci
        beyond = "more than" if low > knn.chance else "no more, within error, than"
        yield (
            f"Rows keep {low:.0%} to {high:.0%} of their nearest neighbours, {beyond} the "
            f"{knn.chance:.1%} of chance."
        )
    both = known.get("alignment")
    if both is not None and both.p is not None and both.p >= _LEVEL:
        yield "Equal width, but not the same axes: without a bridge their vectors cannot be mixed."


def _ridge(known: dict[str, Score]) -> Iterator[str]:
    there, back = (known.get(f"ridge_r2 {way}") for way in (FORWARD, BACKWARD))
    for score, names in ((there, ("source", "target")), (back, ("target", "source"))):
        if score is not None and score.ci is not None and score.ci[0] >= 0.01:
            # Rounded down, for the sentence says "at least"; but 0.57 is 57 %.
            share = int(100 * score.ci[0] + 1e-9)
            yield (
                f"A linear map of the {names[0]} predicts at least {share} % of the "
                f"{names[1]}'s variance."
            )
    order = _apart(there, back)
    if order:
        better, other = ("source", "target") if order > 0 else ("target", "source")
        yield f"The {better} predicts the {other} better than the other way round."


def _direction(known: dict[str, Score]) -> Iterator[str]:
    there, back = (known.get(f"information_imbalance {way}") for way in (FORWARD, BACKWARD))
    order = _apart(back, there)
    if order:
        better, other = ("source", "target") if order > 0 else ("target", "source")
        yield (
            f"The {better}'s neighbourhoods contain more of the {other}'s than the other way round."
        )


def _sizes(known: dict[str, Score]) -> Iterator[str]:
    for name, text in (
        ("participation_ratio", "spreads its variance over more directions"),
        ("two_nn", "is of higher intrinsic dimension"),
        ("uniformity", "crowds more in direction"),
    ):
        order = _apart(known.get(f"{name} source"), known.get(f"{name} target"))
        if order:
            yield f"The {'source' if order > 0 else 'target'} {text} than the other."


def _apart(a: Score | None, b: Score | None) -> int:
    """1 when the interval of a lies above that of b, -1 when below, 0 when they touch."""
    if a is None or b is None or a.ci is None or b.ci is None:
        return 0
    return int(a.ci[0] > b.ci[1]) - int(b.ci[0] > a.ci[1])
