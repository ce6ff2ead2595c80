"""pytorch-cka: debiased CKA, clamped to 0..1."""

import numpy as np
import torch

from isthmus.measures import debiased_cka


def test_features(compare, oracle, spaces):
    from cka import cka_from_features

    known = {"equation": "Song 2012, eq. 5"}
    compare.same(
        "debiased_cka", "cka_from_features", ours=debiased_cka(*spaces),
        oracle=oracle.debiased_cka(*spaces),
        theirs=cka_from_features(*(torch.asarray(a) for a in spaces)).squeeze(), **known,
    )  # fmt: skip
    pairs = np.random.default_rng(0).normal(size=(20, 2, 50, 8))
    right = [oracle.debiased_cka(*pair) for pair in pairs]
    clamped = [float(cka_from_features(*(torch.asarray(a) for a in p)).squeeze()) for p in pairs]
    compare.differs(
        "debiased_cka", "cka_from_features, mean over 20 unrelated pairs",
        theirs=np.mean(clamped), ours=np.mean([float(debiased_cka(*pair)) for pair in pairs]),
        oracle=np.mean(right), explained=np.mean(np.maximum(right, 0)),
        why="Clamped to 0..1. An unbiased estimate of 0 is negative half of the time; cutting "
        "those off makes the rest biased upwards again.", **known,
    )  # fmt: skip
