"""Products of invariances: codes by definition, weights that find what survives, refusals."""

import numpy as np
import pytest

from isthmus.bridges import ProductOfInvariances
from isthmus.bridges.bridge import Bridge, load
from isthmus.bridges.similarities import relative
from isthmus.core.errors import InputError
from isthmus.spaces.fingerprint import Fingerprint

FOUR = ("cosine", "euclidean", "l1", "linf")


def naive(x, anchors, weights, names=FOUR):
    parts = []
    for name, weight in zip(names, weights, strict=True):
        codes = relative(x, anchors, similarity=name)
        codes = [weight * (row - row.mean()) / row.std() for row in codes]
        parts.append(np.array(codes))
    return parts


@pytest.mark.parametrize("weights", ["agreement", "equal"])
def test_codes_are_their_definition(turned, weights):
    x, y, _ = turned
    summed = ProductOfInvariances(anchors=25, weights=weights).fit(x, y)
    beside = ProductOfInvariances(anchors=25, weights=weights, aggregate="concatenate").fit(x, y)
    parts = naive(x, summed.source_anchors_, summed.weights_)
    np.testing.assert_allclose(summed.encode_source(x), sum(parts), atol=1e-9)
    np.testing.assert_allclose(beside.encode_source(x), np.hstack(parts), atol=1e-9)
    parts = naive(y, summed.target_anchors_, summed.weights_)
    np.testing.assert_allclose(summed.encode_target(y), sum(parts), atol=1e-9)
    if weights == "equal":
        assert summed.weights_.tolist() == [1, 1, 1, 1]


def test_weights_are_the_agreement_of_both_sides_codes(turned):
    x, y, _ = turned
    bridge = ProductOfInvariances(anchors=25).fit(x, y)
    ones = (
        naive(x, bridge.source_anchors_, np.ones(4)),
        naive(y, bridge.target_anchors_, np.ones(4)),
    )
    agreement = [
        np.mean([np.corrcoef(p, q)[0, 1] for p, q in zip(a, b, strict=True)])
        for a, b in zip(*ones, strict=True)
    ]
    np.testing.assert_allclose(bridge.agreement_, agreement, atol=1e-9)
    raw = np.clip(agreement, 0, 1) / (1 - np.clip(agreement, 0, 1) + 1e-3)
    np.testing.assert_allclose(bridge.weights_, raw / raw.max(), atol=1e-6)


@pytest.mark.parametrize(
    ("act", "kept"),
    [
        (lambda x, q: x @ q, {"cosine", "euclidean"}),
        (lambda x, q: 7 * x, {*FOUR}),
        (lambda x, q: x + 10, {"euclidean", "l1", "linf"}),
        (lambda x, q: x * np.exp(np.random.default_rng(0).normal(size=(300, 1))), {"cosine"}),
    ],
    ids=["rotation", "scale", "shift", "row scale"],
)
def test_the_similarities_that_survive_rule(turned, act, kept):
    x, _, q = turned
    y = act(x, q)
    bridge = ProductOfInvariances(anchors=60).fit(x[:200], y[:200])
    heavy = {name for name, w in zip(FOUR, bridge.weights_, strict=True) if w > 0.5}
    assert heavy == kept
    assert bridge.score(x[200:], y[200:]) > 0.9


def test_no_agreement_is_no_preference(turned):
    x, _, _ = turned
    bridge = ProductOfInvariances(anchors=30, similarities=["l1"]).fit(x, -np.exp(x))
    assert np.isfinite(bridge.transform(x)).all()
    bridge.agreement_ = np.array([-0.2])
    assert bridge._weighed().tolist() == [1]


def test_any_similarities_and_a_file(turned, tmp_path):
    x, y, _ = turned
    fitted = ProductOfInvariances(
        anchors=30, similarities=["kernel", "angular"], aggregate="concatenate", sampler="k_means"
    ).fit(x, y)
    assert fitted.encode_source(x).shape == (300, 60)
    bridge = Bridge(fitted, source=Fingerprint.of(x), target=Fingerprint.of(y), pairs=300)
    again = load(bridge.save(tmp_path / "saved.isthmus"))
    np.testing.assert_array_equal(again.transform(x), bridge.transform(x))
    assert again.map.get_params() == fitted.get_params()


def test_zero_rows_copies_and_few_pairs(turned):
    x, y, _ = turned
    x = x.copy()
    x[:100] = 0
    bridge = ProductOfInvariances().fit(x, y)
    assert len(bridge.source_anchors_) == 200
    assert np.isfinite(bridge.transform(x)).all()
    few = ProductOfInvariances().fit(y[:2], y[1:3])
    assert np.isfinite(few.transform(y)).all()
    with pytest.raises(InputError, match="zero vectors"):
        ProductOfInvariances().fit(np.zeros((5, 3)), np.ones((5, 3)))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"similarities": "cosine"}, "a list of at least one"),
        ({"similarities": []}, "a list of at least one"),
        ({"similarities": ["dot"]}, "one of cosine"),
        ({"aggregate": "mean"}, "sum or concatenate"),
        ({"weights": "learnt"}, "agreement or equal"),
        ({"anchors": 0}, "at least 1"),
        ({"sampler": "magic"}, "uniform"),
    ],
)
def test_refused_parameters(turned, options, says):
    x, y, _ = turned
    with pytest.raises(InputError, match=says):
        ProductOfInvariances(**options).fit(x, y)


def test_codes_of_a_wrong_width_are_refused(turned):
    x, y, _ = turned
    with pytest.raises(InputError, match="4 columns, the target's dims"):
        ProductOfInvariances(anchors=20).fit(x, y[:, :4]).encode_target(y)
