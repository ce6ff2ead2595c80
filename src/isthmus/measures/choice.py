"""Choice: which measures see what a user cares about, and are blind to what they do not."""

from collections.abc import Sequence

from isthmus.core.card import GROUPS, Card
from isthmus.core.errors import InputError
from isthmus.core.registry import methods

#: Everyday words for the groups of a card.
WORDS = {
    "rotation": "orthogonal",
    "scale": "isotropic_scale",
    "shift": "translation",
    "offset": "translation",
    "permutation": "permutation",
    "axis-scale": "axis_scale",
    "norms": "row_scale",
    "linear": "invertible_linear",
    "affine": "affine",
}
#: Measures of two paired spaces by what they look at, in the order of the default panel; of each
#: kind a panel names one, the first where two are blind to equally much.
KINDS = (
    ("debiased_cka", "rsa", "distance_correlation", "cka", "rbf_cka", "minibatch_cka", "trsa"),
    ("mutual_knn", "rank_biased_overlap", "jaccard_knn", "cknna", "cycle_knn"),
    ("procrustes_angular", "procrustes_distance", "shape_distance", "bures_similarity",
     "alpha_shape"),
    ("ridge_r2", "pls_r2", "gulp"),
    ("information_imbalance", "r_nx_auc", "trustworthiness", "continuity"),
    ("permutation_procrustes", "soft_matching", "correlation_match", "mcc"),
    ("cca", "eigenspace_overlap", "svcca", "pwcca"),
    ("rtd", "ricci_compare"),
)  # fmt: skip
#: Of the kinds that qualify, a panel names this many.
_PANEL = 6


def groups(words: str | Sequence[str]) -> tuple[str, ...]:
    """The groups that a text like ``"rotation,scale"`` names.

    Raises InputError naming the known words.

    >>> groups("rotation, scale")
    ('orthogonal', 'isotropic_scale')
    """
    parts = words.split(",") if isinstance(words, str) else list(words)
    found = []
    for part in (one.strip().lower() for one in parts if one.strip()):
        group = WORDS.get(part.replace("_", "-"), part.replace("-", "_"))
        if group not in GROUPS:
            raise InputError("blind to", repr(part), f"some of {', '.join(WORDS)}")
        found.append(group)
    if not found:
        raise InputError("blind to", repr(words), f"some of {', '.join(WORDS)}")
    return tuple(found)


def blind_to(words: str | Sequence[str]) -> tuple[str, ...]:
    """Names of measures of two paired spaces that no such change of either space moves.

    Those that are blind to the least beyond what is asked come first, and of equals those of the
    default panel; one of each kind (all distances, nearest neighbours, the best rotation, a linear
    map, ...), so that they complement each other. Measures that need labels or the like, or both
    spaces moved at once, are left out.

    Raises
    ------
    InputError
        On an unknown word, or when no measure is blind to all of it.

    Examples
    --------
    >>> "debiased_cka" in blind_to("rotation,scale,shift")
    True
    """
    wanted = groups(words)
    fit = [m.card for m in methods("measures") if _qualifies(m.card, wanted)]
    if not fit:
        raise InputError("blind to", repr(words), "fewer words: no measure is blind to all of them")
    place = {name: (i, j) for i, kind in enumerate(KINDS) for j, name in enumerate(kind)}
    fit.sort(key=lambda card: (_excess(card, wanted), place.get(card.name, (len(KINDS), 0))))
    first: dict[object, str] = {}
    for card in fit:  # a measure of no kind, as of a plugin, is a kind of its own
        first.setdefault(place.get(card.name, (card.name,))[0], card.name)
    return tuple(first.values())[:_PANEL]


def _qualifies(card: Card, wanted: tuple[str, ...]) -> bool:
    if card.spaces != 2 or not card.paired or card.given or card.jointly:
        return False
    return all(card.declares(group, target=side) for group in wanted for side in (False, True))


def _excess(card: Card, wanted: tuple[str, ...]) -> int:
    from isthmus.core.card import closure

    asked = closure(wanted)
    return sum(
        card.declares(group, target=side) and group not in asked
        for group in GROUPS
        for side in (False, True)
    )
