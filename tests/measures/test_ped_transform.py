import numpy as np
import pytest
import torch

from isthmus.core.errors import InputError
from isthmus.measures import ped_transform


def classes(n=60, d=4, g=3, gap=0.4, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % g
    return rng.normal(size=(n, d)) + gap * rng.normal(size=(g, d))[labels] + 2, labels


def oracle(x, labels, reach, step, steps):
    """Moves class by class, in loops."""
    x, groups = x.copy(), np.unique(labels)
    radius = {c: np.sqrt(x[labels == c].var(axis=0).sum()) for c in groups}
    unit = np.sqrt(np.mean([r**2 for r in radius.values()]))
    energies, first = [], None

    def state():
        means = {c: x[labels == c].mean(axis=0) for c in groups}
        energy, moves = 0.0, dict.fromkeys(groups, 0.0)
        for a in groups:
            for b in groups:
                if a != b:
                    gap = means[a] - means[b]
                    far = np.linalg.norm(gap)
                    overlap = max(reach * (radius[a] + radius[b]) - far, 0)
                    moves[a] = moves[a] + overlap * gap / far
                    energy += overlap**2 / 4
        return energy / unit**2 / (len(groups) * (len(groups) - 1) / 2), moves

    for _ in range(steps):
        energy, moves = state()
        energies.append(energy)
        length = sum(np.linalg.norm(m) for m in moves.values())
        first = first or length
        if length == 0 or length < 0.5 * first:
            break
        for c in groups:
            x[labels == c] += step * moves[c]
    return x, [*energies, state()[0]]


@pytest.mark.parametrize("step", [0.05, 0.4])
def test_equals_the_loops(step):
    x, labels = classes()
    moved, energies = oracle(x, labels, 0.6, step, 6)
    score = ped_transform(x, labels, step=step)
    assert score.parts["moved"] == pytest.approx(moved, abs=1e-12)
    assert score.parts["energies"] == pytest.approx(energies, abs=1e-12)
    assert score.value == pytest.approx(energies[0])


def test_energy_falls_and_classes_keep_their_shape():
    x, labels = classes()
    score = ped_transform(x, labels, step=0.05)
    assert (np.diff(score.parts["energies"]) <= 0).all()
    assert score.parts["energies"][-1] < 0.8 * score.value
    moved = score.parts["moved"]
    assert np.std(moved[labels == 0], axis=0) == pytest.approx(np.std(x[labels == 0], axis=0))


def test_classes_far_apart_stay_where_they_are():
    x, labels = classes(gap=20)
    score = ped_transform(x, labels)
    assert score.value == 0
    np.testing.assert_array_equal(score.parts["moved"], x)


def test_two_balls_move_as_computed_by_hand():
    x = np.array([[-1.0], [1.0], [0.0], [2.0]])  # radii 1, means 0 and 1
    score = ped_transform(x, [0, 0, 1, 1], reach=1.0, step=0.25, steps=1)
    assert score.value == pytest.approx(0.5)  # overlap 1
    assert score.parts["moved"].ravel() == pytest.approx([-1.25, 0.75, 0.25, 2.25])


def test_attraction_would_raise_the_energy():
    x, labels = classes()
    moved = ped_transform(x, labels, step=0.1).parts["moved"]
    assert ped_transform(2 * x - moved, labels).value > ped_transform(x, labels).value


def test_torch_stays_torch():
    x, labels = classes()
    moved = ped_transform(torch.asarray(x), labels).parts["moved"]
    assert isinstance(moved, torch.Tensor)
    assert moved.numpy() == pytest.approx(ped_transform(x, labels).parts["moved"])


def test_bad_input():
    x, labels = classes()
    for options in ({"reach": 0.0}, {"step": 0.6}, {"step": 0.0}, {"steps": -1}):
        with pytest.raises(InputError, match="ped_transform"):
            ped_transform(x, labels, **options)
    with pytest.raises(InputError, match="do not vary"):
        ped_transform(np.eye(3)[labels], labels)
    with pytest.raises(InputError, match="ped_transform"):
        ped_transform(x, labels[1:])
