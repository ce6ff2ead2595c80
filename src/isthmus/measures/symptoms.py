"""Symptoms: what is held against a space, each with the limit it is held to.

Shared by ``doctor``, which measures and calls them; holds no method of its own.
"""

from collections.abc import Mapping

import numpy as np

from isthmus.core.linalg import symmetric_eigen
from isthmus.core.score import Score
from isthmus.measures.findings import Finding, counted
from isthmus.measures.local_distances import nearest
from isthmus.measures.survey import Survey, exact_repeats, near_repeats
from isthmus.spaces.space import Space

#: Nearest neighbours that hubs are counted by; local dimensions take twice as many.
K = 10
#: At most so many ids a finding.
IDS = 1000
#: Rows this share of the typical nearest distance apart are near repeats ...
_NEAR = 0.1
#: ... or closer, where even rows of so low a dimension would come that near: this many in all.
_CHANCE = 0.01

# Limits. Real spaces they were set on: digits (pixels), MNIST, TF-IDF with SVD of Python's
# docstrings, of Cranfield and of Debian's packages in three languages, MiniLM of the same packages.
#: Standard deviation over the median one of dimensions that vary; digits reach down to 0.006.
_DEAD = 1e-3
#: Share of squared length in one dimension; SVD spaces reach 0.13, unscaled tables 0.97.
_ROGUE = 0.2
#: ... and times the share of an even one, so that spaces of few dimensions have none.
_ROGUE_TIMES = 5.0
#: Mean over standard deviation: from here 32-bit numbers lose a digit, and two.
_OFFSET = (10.0, 100.0)
#: Mean cosine: texts 0.06 to 0.16, MNIST 0.39, digits 0.69; unscaled tables above 0.95.
_COMMON = (0.75, 0.9)
#: Skewness of 10-occurrences by cosine: 0.7 to 4 in the real spaces above.
_HUBS = (5.0, 10.0)
#: A hub is among the 10 nearest of ten times as many rows as the mean one.
_HUB = 10 * K
#: Share of rows whose neighbours are chosen among rows at one distance.
_LEVEL = 0.5
#: Effective rank over width: MNIST, the lowest, 0.2.
_COLLAPSE = 0.05
#: Eigenvalue of the correlations over the largest: nothing but rounding in 32 bits.
_EMPTY = 1e-10
#: Local dimension over the median: 0.23 to 0.35 at the 0.1 % lowest of digits, MNIST, Cranfield;
#: families of near-equal texts are below it.
_CLUMP = 0.2
#: Norms in deviations (scaled MAD of log norm), and factors off the median, above and below.
_ODD, _LONG, _SHORT = 8.0, 3.0, 10.0
#: The same where all norms are equal up to 1 %.
_CONSTANT = 1.05
#: Norm at 99 % over that at 1 %.
_UNEVEN = 4.0


def repeats(
    space: Space, found: Survey, z: np.ndarray, facts: Mapping[str, Score], scale: float
) -> list[Finding]:
    """Rows that repeat earlier ones; ``z`` is the sample over ``scale``."""
    again, first = exact_repeats(space, found)
    findings = _pairs("repeated_vectors", "repeating an earlier vector", again, first, space, {})
    if "TwoNN dimension" in facts:
        n, m = len(z), max(float(facts["TwoNN dimension"]), 1.0)
        total = int(found.usable.sum())
        # Between all rows it is nearer than in the sample, (n / total)^(1/m) times in dimension m.
        near = nearest(z, 1, operation="doctor", least=2).distances
        typical = scale * float(np.median(near)) * (n / total) ** (1 / m)
        # Of even rows log 2 share^m have a neighbour within that share of the median distance.
        share = min(_NEAR, (_CHANCE / total / np.log(2)) ** (1 / m))
        near_rows = near_repeats(space, found, within=share * typical, without=again)
        figures = {"within": share * typical, "typical_nearest": typical}
        what = "nearly repeating an earlier vector"
        findings += _pairs("near_repeats", what, *near_rows, space, figures)
    return findings


def _pairs(
    name: str, what: str, later: np.ndarray, earlier: np.ndarray, space: Space,
    figures: dict[str, float],
) -> list[Finding]:  # fmt: skip
    if not len(later):
        return []
    share = len(later) / len(space)
    return [
        Finding(
            name=name, severity="harmful" if share > 0.01 else "notable",
            says=f"{counted(len(later), 'row')} {what}", count=len(later),
            ids=tuple(space.take_ids(later[:IDS]).tolist()),
            twins=tuple(space.take_ids(earlier[:IDS]).tolist()),
            figures={"share": share, **figures},
        )
    ]  # fmt: skip


def dimensions(found: Survey) -> list[Finding]:
    """Dimensions that are dead, that rule the cosine, or that are far from zero."""
    d = len(found.sd)
    findings = []
    # Of the median: a few loud dimensions do not make the others dead.
    varied = found.sd[~found.constant]
    typical = float(np.median(varied)) if len(varied) else 0.0
    dead = found.constant | (found.sd < _DEAD * typical)
    if typical > 0 and dead.any():
        constant = int(found.constant.sum())
        count = int(dead.sum())
        says = f"{count} of {d} dimensions are dead: {constant} never change"
        if constant < count:
            says += f", {count - constant} by less than a thousandth of the others"
        findings.append(
            Finding(
                name="dead_dimensions", severity="notable", count=count,
                dims=_numbers(dead), figures={"constant": constant},
                says=says,
            )
        )  # fmt: skip
    rogue = (found.share > _ROGUE) & (found.share * d > _ROGUE_TIMES)
    if rogue.any():
        held = float(found.share[rogue].sum())
        findings.append(
            Finding(
                name="rogue_dimensions", severity="harmful", count=int(rogue.sum()),
                says=f"{int(rogue.sum())} of {d} dimensions with {held:.0%} of a vector's squared "
                "length, which so rule the cosine",
                dims=_numbers(rogue), figures={"share": held},
            )
        )  # fmt: skip
    live = found.sd > 0
    ratio = np.zeros(d)
    with np.errstate(over="ignore"):
        ratio[live] = np.abs(found.mean[live]) / found.sd[live]
    # A dead dimension is dropped, not centred.
    far = live & ~dead & (ratio > _OFFSET[0])
    if far.any():
        worst = float(ratio[far].max())
        findings.append(
            Finding(
                name="offset", severity="harmful" if worst > _OFFSET[1] else "notable",
                says=f"{counted(int(far.sum()), 'dimension')} far from zero, by up to {worst:.0f} "
                "standard deviations",
                count=int(far.sum()), dims=_numbers(far), figures={"mean_over_sd": worst},
            )
        )  # fmt: skip
    return findings


def common(facts: Mapping[str, Score]) -> list[Finding]:
    """A direction that all vectors share."""
    cosine = facts.get("mean cosine")
    if cosine is None or float(cosine) < _COMMON[0]:
        return []
    value = float(cosine)
    return [
        Finding(
            name="common_direction", severity="harmful" if value > _COMMON[1] else "notable",
            says=f"All vectors point much the same way: two of them have a mean cosine of "
            f"{value:.2f}, which leaves {max(1 - value, 0.0):.2f} to tell them apart",
            figures={"mean_cosine": value, **cosine.parts},
        )
    ]  # fmt: skip


def hubs(found: Score, ids: np.ndarray) -> list[Finding]:
    """Rows that are the neighbours of far more rows than others are, where distances tell."""
    level = found.parts["level"]
    if level > _LEVEL:  # then the hubs are the first rows, and no others
        return [
            Finding(
                name="level_neighbours", severity="notable", count=round(level * len(ids)),
                says=f"{level:.0%} of rows have more rows at one distance than fit among their {K} "
                "nearest: which are found hangs on the order of rows",
                figures={"share": level},
            )
        ]  # fmt: skip
    if float(found) < _HUBS[0]:
        return []
    counts = found.parts["counts"]
    order = np.argsort(-counts, kind="stable")
    high = order[counts[order] >= _HUB]
    return [
        Finding(
            name="hubs", severity="harmful" if float(found) > _HUBS[1] else "notable",
            says=f"{counted(len(high), 'hub')} among the {K} nearest of {_HUB} rows or more, the "
            f"first of {counts.max():.0f}; {found.parts['anti_hubs']:.0%} of rows are never found",
            count=len(high), ids=tuple(ids[high[:IDS]].tolist()),
            figures={"skewness": float(found), "anti_hubs": found.parts["anti_hubs"],
                     "most": float(counts.max())},
        )
    ]  # fmt: skip


def clumps(local: np.ndarray, ids: np.ndarray) -> list[Finding]:
    """Rows of extremely low local dimension; high ones are within the noise of the estimate."""
    known = local > 0
    typical = float(np.median(local[known])) if known.any() else 0.0
    low = np.flatnonzero(known & (local < _CLUMP * typical))
    # Such rows come in groups of at least the neighbours asked for, or are no clump.
    if len(low) <= 2 * K:
        return []
    return [
        Finding(
            name="clumps", severity="notable",
            says=f"{len(low):,} of {len(local):,} sampled rows sit in clumps: their neighbours "
            f"fill less than a fifth of the {typical:.0f} dimensions they do elsewhere",
            count=len(low), ids=tuple(ids[low[np.argsort(local[low])][:IDS]].tolist()),
            figures={"typical_dimension": typical, "share": len(low) / len(local)},
        )
    ]  # fmt: skip


def spectrum(
    scatter: np.ndarray, n: int, found: Survey, facts: Mapping[str, Score]
) -> list[Finding]:
    """Directions that a space has by its width and does not use; needs twice as many rows."""
    d, rank = len(scatter), facts.get("effective rank")
    live = np.diag(scatter) > 0
    if n < 2 * d or not live.any():
        return []
    # Of the correlations: a column in small units is not empty.
    root = np.sqrt(np.diag(scatter)[live])
    correlations, _ = symmetric_eigen(scatter[np.ix_(live, live)] / np.outer(root, root))
    # A column that varies in other rows than the sampled ones is not empty either.
    unseen = int((~live & ~found.constant).sum())
    filled = int((correlations > _EMPTY * correlations[0]).sum()) + unseen
    figures = {"filled": float(filled)}
    if rank is not None:
        figures["effective_rank"] = float(rank)
    if rank is not None and float(rank) < _COLLAPSE * d:
        return [
            Finding(
                name="collapse", severity="harmful", figures=figures,
                says=f"The space has collapsed: its {d} dimensions are used like {float(rank):.1f}",
            )
        ]  # fmt: skip
    if filled < int((~found.constant).sum()):
        return [
            Finding(
                name="empty_directions", severity="notable", count=d - filled, figures=figures,
                says=f"All vectors lie in {filled} of {d} directions",
            )
        ]  # fmt: skip
    return []


def lengths(found: Survey, space: Space, compared: str) -> list[Finding]:
    """Norms far from all others, and norms that differ too much to compare by inner product."""
    rows = np.flatnonzero(found.usable)
    if len(rows) < 20:
        return []
    logs = np.log(found.norms[rows])
    off = logs - np.median(logs)
    spread = 1.4826 * float(np.median(np.abs(off)))
    low, high = (float(q) for q in np.quantile(off, [0.01, 0.99]))
    constant = high - low < 0.01
    limits = [np.log(_CONSTANT if constant else factor) for factor in (_SHORT, _LONG)]
    odd = (np.abs(off) > _ODD * spread) & ((off > limits[1]) | (off < -limits[0]))
    findings = []
    if odd.any():
        order = np.argsort(-np.abs(off[odd]), kind="stable")
        worst = float(np.exp(off[odd][order[0]]))
        findings.append(
            Finding(
                name="norm_outliers", severity="harmful", count=int(odd.sum()),
                says=f"{counted(int(odd.sum()), 'row')} with a norm off all others, the oddest "
                f"{worst:.3g} times the median",
                ids=tuple(space.take_ids(rows[odd][order[:IDS]]).tolist()),
                figures={"worst": worst, "spread": spread},
            )
        )  # fmt: skip
    if compared == "inner" and high - low > np.log(_UNEVEN):
        ratio = float(np.exp(high - low))
        findings.append(
            Finding(
                name="norm_spread", severity="notable", figures={"ratio": ratio},
                says=f"Long vectors are {ratio:.1f} times as long as short ones (99 % over 1 %), "
                "which inner products feel",
            )
        )  # fmt: skip
    return findings


def _numbers(mask: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.flatnonzero(mask))
