"""qc-procrustes: the same rotations and permutations, as squared errors."""

import numpy as np
import procrustes

from isthmus.measures import permutation_procrustes, procrustes_angular, procrustes_distance


def test_rotations(compare, oracle, spaces):
    x, y = spaces
    compare.same(
        "procrustes_distance", "orthogonal", ours=procrustes_distance(x, y),
        theirs=np.sqrt(procrustes.orthogonal(x, y, translate=True).error / 60),
        oracle=oracle.procrustes(x, y), equation="Schönemann 1966",
    )  # fmt: skip
    chord = procrustes.orthogonal(x, y, translate=True, scale=True).error  # 4 sin²(θ / 2)
    compare.same(
        "procrustes_angular", "orthogonal(scale=True)", ours=procrustes_angular(x, y),
        theirs=2 * np.arcsin(np.sqrt(chord) / 2), equation="Williams 2021",
        oracle=np.arccos(oracle.cosine_of_shapes(x, y)),
    )  # fmt: skip


def test_permutations(compare, oracle, spaces):
    x, y = spaces
    compare.same(
        "permutation_procrustes", "permutation", ours=permutation_procrustes(x, y),
        theirs=np.sqrt(procrustes.permutation(x, y, translate=True).error / 60),
        oracle=oracle.permutation_procrustes(x, y), equation="Williams 2021",
    )  # fmt: skip
