"""The arithmetic of a hub: one rotation a space, so that all agree (generalised Procrustes)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from isthmus.core.errors import InputError, PairingError
from isthmus.core.linalg import procrustes, symmetric_eigen
from isthmus.core.moments import Moments

#: Sweeps over all spaces at most, and the relative gain in agreement that ends them.
_SWEEPS, _ENOUGH = 50, 1e-5
#: A pair of spaces with fewer common items has no spread, so it links nothing.
LEAST = 2

#: Moments of the common items of two spaces, by their two names, each two of them once.
Links = Mapping[tuple[str, str], Moments]


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a space lies in the universe: z = (x - centre) / spread · turn + place.

    ``centre`` (d,), ``spread`` a length, ``turn`` (d, k) with orthonormal rows (d <= k) or columns
    (d >= k), ``place`` (k,) where the centre goes.
    """

    centre: np.ndarray
    spread: float
    turn: np.ndarray
    place: np.ndarray

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Universe codes (n, k) of the rows x (n, d)."""
        coded: np.ndarray = ((x - self.centre) / self.spread) @ self.turn + self.place
        return coded


def check_connected(names: Sequence[str], links: Links) -> None:
    """PairingError that names the groups of spaces which no common items connect."""
    groups: list[set[str]] = [{name} for name in names]
    for (a, b), moments in links.items():
        if moments.n >= LEAST:
            joined = [group for group in groups if a in group or b in group]
            groups = [g for g in groups if g not in joined] + [set[str]().union(*joined)]
    if len(groups) > 1:
        listed = "; ".join(", ".join(sorted(group)) for group in sorted(groups, key=min))
        raise PairingError(
            "link spaces", f"no common items between these groups of spaces: {listed}",
            f"every space linked to the others by at least {LEAST} common items",
            "Check that ids name the same items, or leave the isolated spaces out.",
        )  # fmt: skip


def widths_of(links: Links) -> dict[str, int]:
    """The width of every space in ``links``; InputError unless each pair and width is told once."""
    widths: dict[str, set[int]] = {name: set() for link in links for name in link}
    for (a, b), moments in links.items():
        widths[a].add(moments.dims[0])
        widths[b].add(moments.dims[1])
    known = {tuple(sorted(link)) for link in links}
    if len(widths) < 2 or len(known) < len(links) or any(len(w) > 1 for w in widths.values()):
        raise InputError("UniversalSpace.fit_moments", f"moments of {list(links)}",
                         "one of each two spaces, each space of one width")  # fmt: skip
    return {name: width.pop() for name, width in widths.items()}


def frames(names: Sequence[str], links: Links, dim: int) -> tuple[dict[str, Frame], float, int]:
    r"""One frame a space, the agreement they reach, and the sweeps it took.

    Maximises Σ_{s<t} tr(W_sᵀ S_st W_t), the cross-scatters S_st of the common items of s and t at
    unit spreads, each about its own means. Given all others, W_s is the polar factor of
    Σ_t S_st W_t: every step has a closed form and none lowers the sum (Ten Berge 1977). The
    agreement is the sum over that of perfect copies, at most 1. Places then solve the least-squares
    problem of bringing the means of common items together.
    """
    widths = {**{a: m.dims[0] for (a, _), m in links.items()},
              **{b: m.dims[1] for (_, b), m in links.items()}}  # fmt: skip
    centres, spreads = _centres(names, links)
    cross: dict[tuple[str, str], np.ndarray] = {}
    for (a, b), moments in links.items():
        if moments.n >= LEAST:
            cross[a, b] = moments.scatter_xy / (spreads[a] * spreads[b])
            cross[b, a] = cross[a, b].T
    near = {s: [t for t in names if (s, t) in cross] for s in names}
    turns = _first_turns(names, near, cross, widths, dim)
    last, total, sweeps = -np.inf, 0.0, 0
    for _ in range(_SWEEPS):
        sweeps += 1
        for s in names:
            turns[s], _singular = procrustes(
                np.asarray(sum(cross[s, t] @ turns[t] for t in near[s]))
            )
        total = sum(
            float(np.vdot(turns[a], cross[a, b] @ turns[b])) for (a, b) in links if (a, b) in cross
        )
        if total - last <= _ENOUGH * abs(total):
            break
        last = total
    places = _places(names, links, centres, spreads, turns)
    found = {s: Frame(centres[s], spreads[s], turns[s], places[s]) for s in names}
    whole = sum(moments.n for pair, moments in links.items() if pair in cross)
    return found, total / whole, sweeps


def _centres(names: Sequence[str], links: Links) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Mean and root mean square distance to it, from the link with the most items."""
    centres, spreads = {}, {}
    for s in names:
        side, moments = max(
            ((pair.index(s), m) for pair, m in links.items() if s in pair), key=lambda e: e[1].n
        )
        centres[s] = moments.mean_y if side else moments.mean_x
        variance = moments.variance_y if side else moments.variance_x
        spreads[s] = float(np.sqrt(max(variance, 0.0) / moments.n))
        if spreads[s] <= 1e-12 * float(np.linalg.norm(centres[s])):
            raise InputError("UniversalSpace.fit", f"space {s!r} whose vectors are all equal",
                             "vectors that differ", "Leave that space out.")  # fmt: skip
    return centres, spreads


def _first_turns(
    names: Sequence[str], near: dict[str, list[str]], cross: dict[tuple[str, str], np.ndarray],
    widths: dict[str, int], dim: int,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Turns to begin with: the widest space's shared directions, then one space after another."""
    first = max(names, key=lambda s: widths[s])
    shared = sum(cross[first, t] @ cross[t, first] for t in near[first])
    basis = symmetric_eigen(np.asarray(shared))[1]
    kept = min(dim, widths[first])
    turns = {first: basis[:, :kept] @ np.eye(kept, dim)}
    while len(turns) < len(names):
        # The graph is connected, so some space always borders on those already placed.
        s = next(s for s in names if s not in turns and any(t in turns for t in near[s]))
        turns[s] = procrustes(
            np.asarray(sum(cross[s, t] @ turns[t] for t in near[s] if t in turns))
        )[0]
    return turns


def _places(
    names: Sequence[str], links: Links, centres: dict[str, np.ndarray], spreads: dict[str, float],
    turns: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:  # fmt: skip
    """The places c of all centres that bring the means of common items closest; they sum to 0."""
    number = {s: i for i, s in enumerate(names)}
    laplacian = np.zeros((len(names), len(names)))
    pull = np.zeros((len(names), next(iter(turns.values())).shape[1]))
    for (a, b), m in links.items():
        if m.n < LEAST:
            continue
        i, j = number[a], number[b]
        gap = ((m.mean_y - centres[b]) / spreads[b]) @ turns[b]
        gap = gap - ((m.mean_x - centres[a]) / spreads[a]) @ turns[a]  # wanted: c_a - c_b = gap
        laplacian[[i, j], [i, j]] += m.n
        laplacian[[i, j], [j, i]] -= m.n
        pull[i] += m.n * gap
        pull[j] -= m.n * gap
    places = np.linalg.pinv(laplacian, hermitian=True) @ pull
    return {s: places[i] for s, i in number.items()}
