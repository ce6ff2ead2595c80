"""What speaks for a hub: items it never saw, paths that meet again, rows that look familiar."""

from collections.abc import Callable, Mapping, Sequence
from itertools import permutations

import numpy as np

from isthmus.bridges.choice import check_relation, pair_score
from isthmus.bridges.familiarity import Familiarity
from isthmus.bridges.items import Encode, Rows, with_others
from isthmus.core.neighbors import partner_ranks
from isthmus.core.score import Score

#: Held-out items that a score rests on at most, and items below which chance is not ruled out.
_HELD_OUT, _PROOF = 1000, 20
#: With fewer shared rows than this, all rows of a space say what it looks like.
_KNOWN = 2000

#: Scores by name of every direction (source, target).
Directions = dict[tuple[str, str], dict[str, Score]]
#: Weights and offset by the name of a space, as ``UniversalSpace`` keeps them.
Sides = Mapping[str, tuple[np.ndarray, np.ndarray]]
#: From vectors (n, dx), the source's name and the target's to vectors (n, dy).
Translate = Callable[[np.ndarray, str, str], np.ndarray]


def prove(
    held: Mapping[str, Rows], encode: Encode, translate: Translate
) -> tuple[dict[str, Score], Directions]:
    """Scores of every space in the universe and of every direction, on held-out rows.

    Raises NoRelationFound when a space's items are not found better than by chance.
    """
    scores: dict[str, Score] = {}
    directions: Directions = {}
    for s, (x, others) in with_others(held, encode):
        if len(x) > 1:
            ranks = 1 / partner_ranks(encode(s, x[:_HELD_OUT]), others[:_HELD_OUT])
            scores[s] = pair_score(ranks, len(ranks))
            if len(ranks) >= _PROOF:
                check_relation(scores[s], f"space {s!r} into the hub")
    for a, b in permutations(held, 2):
        i, j = (side[:_HELD_OUT] for side in held[a].common(held[b]))
        if len(i) > 1:
            translated = translate(held[a].vectors[i], a, b)
            ranks = 1 / partner_ranks(translated, held[b].vectors[j])
            directions[a, b] = {"mrr": pair_score(ranks, len(ranks))}
    return scores, directions


def familiar(train: Rows, held: Rows, shared: np.ndarray, *, seed: int) -> Familiarity:
    """What rows of a space look like: those of the ``shared`` keys, all where these are few."""
    common = np.isin(train.keys, shared)
    if common.sum() < _KNOWN:
        return Familiarity.of(train.vectors, held.vectors, rng=seed)
    beside = np.isin(held.keys, shared)
    return Familiarity.of(train.vectors[common], held.vectors[beside], rng=seed)


def path_error(encoders: Sides, decoders: Sides, path: Sequence[str]) -> float:
    """|E_a D_b E_b ... D_z - E_a D_z| over |E_a D_z| (Frobenius) along ``path`` a, b, ..., z.

    E (d, k) and D (k, d) are the weights of encoders and decoders, their offsets play no part.
    """
    first, *middles, last = path
    way = encoders[first][0]
    for middle in middles:
        way = way @ (decoders[middle][0] @ encoders[middle][0])
    leave = decoders[last][0]
    straight = encoders[first][0] @ leave
    return float(np.linalg.norm(way @ leave - straight) / np.linalg.norm(straight))


def worst_cycle(encoders: Sides, decoders: Sides) -> tuple[float, tuple[str, str, str]]:
    """The largest ``path_error`` over all a, b, c that differ, and these.

    Norms come from Gram matrices (k, k), so that N spaces cost N^2 products and not N^3:
    |F D|^2 is the inner product of F'F and D D'.
    """
    after = {c: d @ d.T for c, (d, _) in decoders.items()}
    straight = {a: e.T @ e for a, (e, _) in encoders.items()}
    worst, path = -1.0, ("", "", "")
    for b, a in permutations(encoders, 2):
        missed = decoders[b][0] @ encoders[b][0]
        missed[np.diag_indices_from(missed)] -= 1
        off = encoders[a][0] @ missed
        gram = off.T @ off
        for c in encoders:
            if c not in (a, b):
                share = float(np.vdot(gram, after[c]) / np.vdot(straight[a], after[c]))
                if (error := max(share, 0.0) ** 0.5) > worst:
                    worst, path = error, (a, b, c)
    return worst, path
