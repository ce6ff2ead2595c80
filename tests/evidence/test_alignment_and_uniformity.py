import sys

import numpy as np
import pytest
from scipy.integrate import quad

from isthmus.core.errors import MissingExtra
from isthmus.evidence import alignment_and_uniformity as evidence
from isthmus.evidence.corpora import digits
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(99, 3)


@pytest.mark.parametrize("dim", [2, 3, 5, 32])
def test_limit_is_the_integral_over_the_sphere(dim):
    # The cosine of two uniform directions has density (1 - c^2)^((d - 3) / 2).
    density = lambda a: np.sin(a) ** (dim - 2)  # noqa: E731
    top = quad(lambda a: density(a) * np.exp(-2 * (2 - 2 * np.cos(a))), 0, np.pi)[0]
    assert evidence.limit(dim) == pytest.approx(np.log(top / quad(density, 0, np.pi)[0]))
    assert evidence.limit(dim) > -4


def test_sphere_figures_hold_and_can_fail(monkeypatch):
    assert all(figure.met for figure in evidence.sphere(SEEDS, dims=(3,)).values())
    monkeypatch.setattr(evidence, "limit", lambda dim: -1.0)
    wrong = evidence.sphere(SEEDS, dims=(3,))
    assert not wrong["sphere gap"].met
    assert not wrong["undercut"].met

    def swapped(dim, rng):
        sets = points(dim, rng)
        return {**sets, "uniform": sets["clustered"], "clustered": sets["uniform"]}

    points = evidence.point_sets
    monkeypatch.undo()
    monkeypatch.setattr(evidence, "point_sets", swapped)
    assert not evidence.sphere(SEEDS, dims=(3,))["excess clustered"].met


def test_energy_counts_each_point_with_itself():
    points = np.random.default_rng(0).normal(size=(30, 4))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    gaps = np.square(points[:, None] - points[None]).sum(axis=2)
    assert evidence.energy(points) == pytest.approx(np.log(np.exp(-2 * gaps).mean()))


def test_views_move_a_share_of_the_images_by_one_pixel():
    image = np.zeros((4000, 64))
    image[:, 27] = 10.0
    seen = evidence.views(image, np.random.default_rng(0), shifted=0.2).argmax(axis=1)
    assert set(seen) == {27 + r + d for r in (-1, 0, 1) for d in (-8, 0, 8)}
    assert np.mean(seen == 27) == pytest.approx(0.64, abs=0.03)
    still = evidence.views(image, np.random.default_rng(0), shifted=0.0) - image
    assert still.std() == pytest.approx(0.1, rel=0.02)


def test_rank_agreement_sees_order_and_its_reverse():
    order = np.array([[[0.1 * i, -1.0, 1 - 0.1 * i] for i in range(6)]])
    assert evidence.rank_agreement(order) == pytest.approx([1.0])
    order[:, :, 2] *= -1
    assert evidence.rank_agreement(order) == pytest.approx([-1.0])


def test_missing_torch_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"isthmus\[torch\]"):
        evidence.trained(digits()[0][:50], evidence.DIRECT, seed=0)


def test_infonce_is_its_formula():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    u, v = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in rng.normal(size=(2, 5, 3)))
    z = np.concatenate([u, v])
    terms = []
    for i in range(10):
        others = [np.exp(z[i] @ z[j] / 0.5) for j in range(10) if j != i]
        terms.append(-np.log(np.exp(z[i] @ z[(i + 5) % 10] / 0.5) / sum(others)))
    found = evidence.infonce(torch.tensor(u), torch.tensor(v), temperature=0.5)
    assert float(found) == pytest.approx(np.mean(terms))


def test_training_does_what_each_loss_says():
    pytest.importorskip("torch")
    recipes = {
        "close": evidence.Recipe(alignment=1, steps=60),
        "spread": evidence.Recipe(uniformity=1, steps=60),
        "both": evidence.Recipe(alignment=1, uniformity=1, steps=60),
        "none": evidence.Recipe(steps=0),
    }
    result = evidence.experiment(SEEDS[:1], recipes)[0]
    alignment, uniformity, accuracy = (
        dict(zip(recipes, column, strict=True)) for column in result.T
    )
    assert alignment["close"] < 0.01 < alignment["both"] < alignment["spread"]
    assert uniformity["spread"] < uniformity["both"] < uniformity["none"] < uniformity["close"]
    assert accuracy["both"] > 0.9
    again = evidence.experiment(SEEDS[:1], {"close": recipes["close"]})
    assert again.shape == (1, 1, 3)


def test_labels_without_relation_leave_accuracy_at_chance():
    images, labels = digits()
    order = np.random.default_rng(0).permutation(len(images))
    shuffled = np.random.default_rng(1).permutation(labels)
    accuracy = evidence.judged(lambda x: x, images, shuffled, order, seed=0)[2]
    assert accuracy < 0.2 < evidence.judged(lambda x: x, images, labels, order, seed=0)[2]
