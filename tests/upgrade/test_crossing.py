import numpy as np
import pytest

import isthmus
from isthmus.bridges.familiarity import Familiarity
from isthmus.core.errors import InputError
from isthmus.upgrade.crossfit import folds
from isthmus.upgrade.crossing import (
    ROTATION,
    Crossing,
    chained,
    confidence,
    crossed,
    learnable,
)

N = 300
RNG = np.random.default_rng(0)
MEANING = RNG.normal(size=(N, 8))
OLD = (MEANING @ RNG.normal(size=(8, 10)) + 0.5 * RNG.normal(size=(N, 10))).astype(np.float32)
NEW = (MEANING @ RNG.normal(size=(8, 12)) + 0.1 * RNG.normal(size=(N, 12))).astype(np.float32)
ASKED = RNG.permutation(N)[:40]
QUERIES = NEW[ASKED] + 0.05 * RNG.normal(size=(40, 12)).astype(np.float32)
ANSWERS = [{int(row): 1.0} for row in ASKED]


@pytest.fixture(scope="module")
def pairs():
    return isthmus.pair(isthmus.open(OLD), isthmus.open(NEW))


@pytest.fixture(scope="module")
def both(pairs):
    return crossed(pairs, QUERIES, ANSWERS, asked_by=None, budget=2, seed=0)


def test_no_document_is_translated_by_a_bridge_that_saw_it(pairs, both):
    _, there = both
    fold = folds(N, rng=0)
    for one in (0, 3):
        known = pairs.select(fold != one)
        own = isthmus.fit(known, method=there.name, holdout=0.1, seed=0)
        np.testing.assert_allclose(
            there.documents[fold == one], own.transform(OLD[fold == one]), rtol=1e-4, atol=1e-4
        )
    # One bridge that has seen everything places documents better than is true of others.
    flattering = isthmus.fit(pairs, method=there.name, holdout=0.01, seed=0).transform(OLD)
    assert np.abs(flattering - NEW).mean() < np.abs(there.documents - NEW).mean()


def test_a_query_crosses_by_a_bridge_that_never_saw_its_answer(pairs, both):
    here, _ = both
    assert here.name == ROTATION
    fold = folds(N, rng=0)
    back = isthmus.pair(pairs.target, pairs.source)
    for i in (0, 17):
        known = back.select(fold != fold[ASKED[i]])
        own = isthmus.fit(known, method=ROTATION, holdout=0.1, seed=0)
        np.testing.assert_allclose(
            here.queries[i], own.transform(QUERIES[i : i + 1])[0], rtol=1e-4, atol=1e-4
        )


def test_confidence_is_told_by_the_other_folds_alone():
    found = confidence(OLD)
    fold = folds(N, rng=0)
    own = Familiarity.of(OLD[fold != 2], OLD[:0], rng=0).confidence(OLD[fold == 2])
    np.testing.assert_allclose(found[fold == 2], own)
    # By a bridge fitted on half of the documents, that half would be trusted more.
    biased = Familiarity.of(OLD[:150], OLD[150:], rng=0).confidence(OLD)
    assert biased[:150].mean() > biased[150:].mean() + 0.2
    assert abs(found[:150].mean() - found[150:].mean()) < 0.1


def test_a_chain_through_a_copy_of_the_new_space_is_the_direct_way(pairs):
    names = np.arange(N)
    long = chained(pairs, [isthmus.open(NEW, ids=names)], method="affine", seed=0)
    direct = chained(pairs, [], method="affine", seed=0)
    np.testing.assert_allclose(long.documents, direct.documents, atol=2e-2)
    assert (long.name, direct.name) == ("chain of 2", "chain of 1")


def test_a_chain_through_half_of_the_documents_still_moves_all(pairs):
    half = isthmus.open(MEANING[::2], ids=np.arange(0, N, 2))
    found = chained(pairs, [half], method="affine", seed=0).documents
    assert np.abs(found - NEW).mean() < 0.7 * np.abs(NEW - NEW.mean(axis=0)).mean()


def test_a_chain_through_other_documents(pairs):
    few = isthmus.open(MEANING[:20], ids=np.arange(20))
    with pytest.raises(InputError, match="20 of these documents"):
        chained(pairs, [few], method="affine", seed=0)


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("affine", "affine"),
        ("residual_mlp", "residual_mlp"),
        ("mine", ROTATION),
        ("affine 2", ROTATION),
        ("unpaired", ROTATION),
        ("contrastive", ROTATION),
    ],
)
def test_what_learns_again_from_pairs_is_the_bridges_own_method_or_a_rotation(name, method):
    assert learnable(Crossing(name=name, documents=None, queries=None, to_old=None)) == method


def test_without_a_bridge_for_documents_a_rotation_learns():
    assert learnable(None) == ROTATION
