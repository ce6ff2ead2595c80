"""Stitching: a head trained in one space answers for vectors of another; scikit-learn, torch."""

import numpy as np
import pytest
import torch
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import isthmus
from isthmus.bridges import Affine, Orthogonal, ProductOfInvariances, Relative
from isthmus.bridges.stitch import stitch
from isthmus.core.errors import InputError


@pytest.fixture
def labels(turned):
    return (turned[0][:, 0] > turned[0][:, 0].mean()).astype(int)


def test_a_head_answers_as_in_its_own_space(turned, labels):
    x, y, _ = turned
    head = LogisticRegression().fit(y, labels)
    for bridge in (Orthogonal().fit(x, y), isthmus.fit(x, y, method="orthogonal")):
        stitched = stitch(head, bridge)
        np.testing.assert_array_equal(stitched.predict(x), head.predict(y))
        np.testing.assert_allclose(stitched.predict_proba(x), head.predict_proba(y), atol=1e-8)
        np.testing.assert_allclose(stitched.predict_log_proba(x), head.predict_log_proba(y))
        np.testing.assert_allclose(stitched.decision_function(x), head.decision_function(y))
        assert stitched.score(x, labels) == head.score(y, labels)
        assert stitched.n_features_in_ == 6
        assert stitched.classes_.tolist() == [0, 1]
        assert is_classifier(stitched)
    assert head.score(x, labels) < 0.9  # without the bridge


def test_only_what_the_head_has(turned, labels):
    x, y, _ = turned
    bridge = Orthogonal().fit(x, y)
    reduced = stitch(PCA(2).fit(y), bridge)
    np.testing.assert_allclose(reduced.transform(x), PCA(2).fit(y).transform(y), atol=1e-8)
    assert not hasattr(reduced, "predict")
    assert not hasattr(stitch(RidgeClassifier().fit(y, labels), bridge), "predict_proba")
    assert is_regressor(stitch(LinearRegression().fit(y, labels), bridge))


def test_cloning_keeps_both_parts(turned, labels):
    x, y, _ = turned
    head = LogisticRegression().fit(y, labels)
    stitched = stitch(head, Orthogonal().fit(x, y))
    assert clone(stitched).head is head
    assert set(stitched.get_params(deep=False)) == {"head", "bridge", "codes"}
    assert stitched.get_params()["head__C"] == 1.0
    piped = make_pipeline(StandardScaler(with_mean=False, with_std=False), stitched)
    assert piped.fit(x, labels).score(x, labels) == head.score(y, labels)


@pytest.mark.parametrize("kind", [Relative, ProductOfInvariances])
def test_a_head_on_codes(turned, labels, kind):
    x, y, _ = turned
    bridge = kind(anchors=40).fit(x, y)
    head = LogisticRegression(max_iter=1000).fit(bridge.encode_target(y), labels)
    stitched = stitch(head, bridge, codes=True)
    expected = head.predict(bridge.encode_source(x))
    np.testing.assert_array_equal(stitched.predict(x), expected)
    module = stitch(torch.nn.Linear(40, 2).double(), bridge, codes=True)
    assert module(torch.asarray(x)).shape == (300, 2)


def test_refusals(turned, labels):
    x, y, _ = turned
    head = LogisticRegression().fit(y, labels)
    with pytest.raises(InputError, match="head for 6 dims on a bridge that gives vectors of 4"):
        stitch(head, Affine().fit(x, y[:, :4]))
    with pytest.raises(InputError, match="codes of 40"):
        stitch(head, Relative(anchors=40).fit(x, y), codes=True)
    with pytest.raises(InputError, match="head for 5 dims"):
        stitch(torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(5, 2)), Orthogonal().fit(x, y))
    with pytest.raises(InputError, match="not fitted"):
        stitch(head, Orthogonal())
    with pytest.raises(InputError, match="not fitted"):
        stitch(head, "a bridge")
    with pytest.raises(InputError, match="relative or product"):
        stitch(head, Orthogonal().fit(x, y), codes=True)
    with pytest.raises(InputError, match="scikit-learn estimator or"):
        stitch(np.argmax, Orthogonal().fit(x, y))
    with pytest.raises(InputError):
        stitch(head, Orthogonal().fit(x, y)).predict(x[:, :3])


def test_a_module_is_its_head_after_the_bridge(turned):
    x, y, _ = turned
    head = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2))
    for bridge in (Orthogonal().fit(x, y), isthmus.fit(x, y, method="affine")):
        stitched = stitch(head, bridge)
        inputs = torch.asarray(x, dtype=torch.float32)
        with torch.no_grad():
            expected = head(torch.asarray(bridge.transform(x), dtype=torch.float32))
            assert torch.allclose(stitched(inputs), expected, atol=1e-4)
            folded = stitched(inputs.reshape(3, 100, 6))
        assert torch.allclose(folded.reshape(300, 2), expected, atol=1e-4)
    # The bridge belongs to no optimiser and to no file of the head's.
    assert {name for name, _ in stitched.named_parameters()} == {
        f"head.{name}" for name, _ in head.named_parameters()
    }
    assert all(name.startswith("head.") for name in stitched.state_dict())
    with pytest.raises(InputError, match=r"\(\.\.\., 6\)"):
        stitched(torch.zeros(3, 5))


@pytest.mark.parametrize(
    "bridge",
    [
        Orthogonal(),
        Relative(anchors=30),
        Relative(anchors=30, similarity="angular", standardise=True),
        Relative(anchors=30, similarity="kernel", top=5, power=2),
        ProductOfInvariances(anchors=30),
    ],
    ids=lambda bridge: str(bridge)[:60],
)
def test_gradients_flow_and_are_right(turned, bridge):
    x, y, _ = turned
    stitched = stitch(torch.nn.Linear(6, 1).double(), bridge.fit(x, y))
    inputs = torch.asarray(x[:2] + 0.01).requires_grad_()
    stitched(inputs).sum().backward()
    gradient = inputs.grad.numpy()
    step, moved = 1e-6, np.zeros_like(gradient)
    with torch.no_grad():
        for place in np.ndindex(moved.shape):
            gap = torch.zeros(2, 6, dtype=torch.float64)
            gap[place] = step
            there, back = (stitched(inputs + way * gap).sum() for way in (1, -1))
            moved[place] = float(there - back) / (2 * step)
    np.testing.assert_allclose(gradient, moved, rtol=1e-4, atol=1e-6)


def test_gradients_stay_finite_at_the_anchors(turned):
    x, y, _ = turned
    for similarity in ("cosine", "angular", "euclidean", "l1", "linf", "kernel"):
        bridge = Relative(anchors=30, similarity=similarity).fit(x, y)
        inputs = torch.asarray(bridge.source_anchors_[:3]).requires_grad_()
        stitch(torch.nn.Linear(6, 1).double(), bridge)(inputs).sum().backward()
        assert torch.isfinite(inputs.grad).all(), similarity


def test_a_bridge_that_forgets_its_offset_is_seen(turned, labels):
    x, y, _ = turned
    broken = Orthogonal().fit(x, y)
    broken.intercept_ = np.zeros(6)
    head = LogisticRegression().fit(y, labels)
    assert stitch(head, broken).score(x, labels) < head.score(y, labels) - 0.1
