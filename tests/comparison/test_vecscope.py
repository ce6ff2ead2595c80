"""vecscope: hubs right; its mean cosine is of as many random pairs as there are rows."""

import numpy as np
from vecscope import diagnostics

from isthmus.measures import anisotropy, hubness, participation_ratio


def test_hubness(compare, oracle, spaces):
    x = spaces[0]
    compare.same(
        "hubness, cosine", "hubness()", theirs=diagnostics.hubness(x)["skewness"],
        ours=hubness(x), oracle=oracle.hubness(x, 10, "cosine"), equation="Radovanović 2010",
    )  # fmt: skip


def test_anisotropy(compare, oracle, spaces):
    x = spaces[0]
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    found = diagnostics.anisotropy(x)
    rng = np.random.default_rng(0)
    one, two = (u[rng.integers(0, 60, 60)] for _ in range(2))
    cosines = np.sum(one * two, axis=1)
    compare.differs(
        "anisotropy", 'anisotropy()["mean_random_cosine"]', theirs=found["mean_random_cosine"],
        ours=anisotropy(x), oracle=oracle.mean_cosine(x), equation="mean over all pairs",
        right="both", explained=cosines[cosines < 1 - 1e-12].mean(),
        why="The mean over n random pairs of n (n - 1) / 2: another seed gives another value. "
        "Over all pairs it follows from the sum of the directions, in one pass.",
    )  # fmt: skip
    compare.same(
        "anisotropy, drift", 'anisotropy()["mean_vector_norm"]', theirs=found["mean_vector_norm"],
        ours=anisotropy(x).parts["drift"], oracle=np.linalg.norm(u.mean(axis=0)),
        equation="|mean direction|",
    )  # fmt: skip
    compare.same(
        "participation_ratio", 'anisotropy()["effective_rank"] of directions',
        theirs=found["effective_rank"], ours=participation_ratio(u),
        oracle=oracle.participation_ratio(u), equation="tr(C)² / tr(C²)",
    )  # fmt: skip
