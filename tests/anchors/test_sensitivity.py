import numpy as np
import pytest

from isthmus.anchors.clusters import cluster_centres, nearest_centre
from isthmus.anchors.sensitivity import sensitivities, sensitivity_sample
from isthmus.core.errors import InputError

RNG = np.random.default_rng(0)
Z = np.repeat(RNG.normal(size=(8, 4)) * 5, 50, axis=0) + RNG.normal(size=(400, 4))


def test_chances_equal_the_formula():
    losses, squared = np.array([1.0, 1.0, 4.0]), np.array([0.0, 2.0, 4.0])
    np.testing.assert_allclose(sensitivities(losses, squared, slope=0.5), [1 / 9, 2 / 9, 6 / 9])
    np.testing.assert_allclose(sensitivities(losses, squared), [1 / 12, 3 / 12, 8 / 12])
    np.testing.assert_allclose(sensitivities(np.zeros(3), squared), [0, 1 / 3, 2 / 3])
    np.testing.assert_allclose(sensitivities(np.zeros(3), np.zeros(3)), 1 / 3)


def test_the_estimate_is_unbiased_and_beats_a_uniform_one():
    loss = np.exp(0.3 * Z[:, 0])
    ours, plain = [], []
    for seed in range(200):
        rows, weights = sensitivity_sample(Z, 10, 30, lambda items: loss[items], rng=seed)
        ours.append(weights @ loss[rows])
        plain.append(loss[np.random.default_rng(seed).integers(400, size=30)].mean())
    assert np.mean(ours) == pytest.approx(loss.mean(), rel=0.05)
    assert np.std(ours) < 0.7 * np.std(plain)


def test_losses_are_asked_for_at_rows_in_the_middle_of_clusters():
    asked = []

    def losses(items):
        asked.append(items)
        return np.ones(len(items))

    rows, weights = sensitivity_sample(Z, 8, 20, losses, rng=1)
    assert len(asked) == 1
    assert len(set((asked[0] // 50).tolist())) >= 6
    assert rows.shape == weights.shape == (20,)


def test_a_seed_decides():
    one, two, other = (
        sensitivity_sample(Z, 5, 40, lambda items: np.ones(len(items)), rng=seed)[0]
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("k", "m", "losses", "options"),
    [
        (0, 5, np.ones, {}),
        (401, 5, np.ones, {}),
        (5, 0, np.ones, {}),
        (5, 5, lambda n: -np.ones(n), {}),
        (5, 5, lambda n: np.full(n, np.nan), {}),
        (5, 5, lambda n: np.ones(n + 1), {}),
        (5, 5, np.ones, {"slope": -1.0}),
    ],
)
def test_refusals(k, m, losses, options):
    with pytest.raises(InputError):
        sensitivity_sample(Z, k, m, lambda items: losses(len(items)), **options)


def test_clusters_cost_about_what_scikit_learn_finds():
    from sklearn.cluster import KMeans

    def cost(centres):
        own = nearest_centre(Z, centres)
        return np.sum((Z - centres[own]) ** 2)

    ours = np.mean([cost(cluster_centres(Z, 8, np.random.default_rng(s))) for s in range(5)])
    theirs = np.mean([KMeans(8, n_init=1, random_state=s).fit(Z).inertia_ for s in range(5)])
    assert ours < 1.3 * theirs
