import numpy as np
import pytest

from isthmus.evidence import clustering_sensitivity_sampling as paper


@pytest.fixture(scope="module")
def space():
    rng = np.random.default_rng(0)
    z = paper.clustered(rng, rows=1200)
    return z, paper.heavy_loss(z, rng)


def test_the_loss_is_heavy_tailed_and_smooth(space):
    z, loss = space
    assert loss.max() > 20 * np.median(loss)
    step = 1e-4 * np.random.default_rng(1).normal(size=z.shape[1])
    both = paper.heavy_loss(np.concatenate([z, z + step]), np.random.default_rng(2))
    assert np.abs(both[:1200] / both[1200:] - 1).max() < 1e-2


def test_the_uniform_error_is_the_textbook_one(space):
    z, loss = space
    found = paper.relative_error(paper.uniformly, z, loss, range(400))
    assert found == pytest.approx(loss.std() / loss.mean() / np.sqrt(paper.SAMPLE), rel=0.15)


def test_sensitivity_is_better_and_wrong_losses_are_not(space):
    z, loss = space
    plain = paper.relative_error(paper.uniformly, z, loss, range(200))
    assert paper.relative_error(paper.by_sensitivity, z, loss, range(8)) < 0.8 * plain

    def misled(z, k, m, losses, seed):
        return paper.by_sensitivity(z, k, m, lambda items: 1 / losses(items), seed)

    assert paper.relative_error(misled, z, loss, range(6)) > plain


def test_a_uniform_draw_does_not_meet_the_claim():
    figures = paper.experiment([1, 2], draw=paper.uniformly, rows=500, draws=20)
    assert not figures["ratio"].met
    assert figures["ratio"].value == pytest.approx(1)
