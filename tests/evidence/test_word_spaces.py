import numpy as np
import pytest

from isthmus.bridges import ProductOfInvariances
from isthmus.evidence import word_spaces as evidence
from isthmus.evidence.words import Tokens

SEEDS = (5, 6, 7)


@pytest.fixture(scope="module")
def space():
    return np.random.default_rng(0).normal(size=(400, 12))


def turned(space, noise=0.0, seed=1):
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(space.shape[1],) * 2))[0]
    return (space + noise * rng.normal(size=space.shape)) @ turn


def naive(source, target, queries):
    def cosines(a, b):
        return (a @ b.T) / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)

    jaccard, mrr = [], []
    for q in queries:
        near = cosines(source[[q]], source)[0]
        across = cosines(source[[q]], target)[0]
        a, b = (set(np.argsort(-c)[:10].tolist()) for c in (near, across))
        jaccard.append(len(a & b) / len(a | b))
        mrr.append(1 / (1 + int((across > across[q]).sum())))
    own = cosines(source, target)
    rest = own[queries].sum(axis=1) - own[queries, queries]
    return np.mean(jaccard), np.mean(mrr), own[queries, queries].mean(), rest.mean() / 399


def test_agreement_is_its_definition(space):
    other = space + np.random.default_rng(1).normal(size=space.shape)
    queries = np.arange(0, 400, 7)
    assert evidence.agreement(space, other, queries) == pytest.approx(
        naive(space, other, queries), abs=1e-9
    )
    jaccard, mrr, cosine, _ = evidence.agreement(space, space, queries)
    assert (jaccard, mrr, cosine) == pytest.approx((1, 1, 1))


def test_ties_do_not_count_as_found():
    collapsed = np.ones((50, 3))
    assert evidence.agreement(collapsed, collapsed, np.arange(50))[1] == pytest.approx(1 / 50)


def test_a_turned_space_is_found_through_anchors_alone(space):
    rows = evidence.table((space, turned(space, noise=0.3)), SEEDS, anchors=60)
    assert rows["uniform"].shape == (2, 3, 4)
    figures = evidence.figures_of(rows, SEEDS, setting="test", n=400)
    claimed = [figure for figure in figures.values() if figure.claimed]
    assert len(claimed) == 12
    assert all(rows[name][:, :, 1].min() > 0.5 for name in evidence.SAMPLERS)
    assert rows["absolute"][:, :, 1].max() < 0.05
    assert figures["test/fasttext>word2vec/k-means/mrr ratio"].met


def test_products_are_the_bridges_codes_with_equal_weights(space):
    other = turned(space, noise=0.3)
    bridge = ProductOfInvariances(anchors=40, weights="equal").fit(space, other)
    chosen = (space[:, None] == bridge.source_anchors_).all(axis=2).argmax(axis=0)
    codes = evidence.product_codes((space, other), chosen)
    np.testing.assert_allclose(codes[0], bridge.encode_source(space), atol=1e-9)
    np.testing.assert_allclose(codes[1], bridge.encode_target(other), atol=1e-9)
    rows = evidence.table((space, other), SEEDS[:2], anchors=40)
    assert rows[evidence.PRODUCT][:, :, 1].min() > 0.5


def test_unrelated_spaces_do_not_pass(space):
    other = np.random.default_rng(9).normal(size=space.shape)
    rows = evidence.table((space, other), SEEDS, anchors=60)
    figures = evidence.figures_of(rows, SEEDS, setting="test", n=400)
    assert not any(figure.met for figure in figures.values() if figure.claimed)


def test_spaces_that_agree_already_do_not_pass(space):
    rows = evidence.table((space, space + 0.01), SEEDS, anchors=60)
    figures = evidence.figures_of(rows, SEEDS, setting="test", n=400)
    assert not any(figure.met for figure in figures.values() if figure.claimed)


def test_table_has_the_papers_rows_and_columns(space):
    rows = evidence.table((space, turned(space)), SEEDS[:2], anchors=20)
    lines = evidence.laid_out({"one text": rows, "two texts": rows})
    assert [line[1] for line in lines[1:6]] == [*evidence.PUBLISHED, evidence.PRODUCT]
    assert lines[5][-3:] == ["-"] * 3
    assert lines[0][2:5] == ["jaccard", "mrr", "cosine"]
    assert lines[2][-3:] == ["0.38 / 0.44", "0.93 / 0.97", "0.86 / 0.86"]
    assert len({len(line) for line in lines}) == 1


def test_trained_spaces_keep_word_order_and_width(monkeypatch):
    rng = np.random.default_rng(0)
    names = np.array(["apple", "pear", "plum", "iron", "zinc", "gold"])
    text = Tokens(tuple(tuple(names[rng.integers(0, 6, 200)].tolist()) for _ in range(6)))
    monkeypatch.setattr(evidence, "DIM", 4)
    for halves in (False, True):
        (fast, word), known = evidence.trained(text, halves=halves, seed=0)
        assert known == tuple(sorted(names.tolist()))
        assert fast.shape == word.shape == (6, 4)
