import numpy as np
import pytest
import torch

from isthmus.evidence import ether
from isthmus.evidence.experiment import seeds_from

SEEDS = seeds_from(123, 2)


def steady(kind, rate, weights, data, seed):
    """An adaptation whose accuracy depends on the rate for LoRA alone."""
    return 0.9 if kind == "ether" or rate < 0.1 else 0.2


def restless(kind, rate, weights, data, seed):
    return 0.9 if rate < 0.1 else 0.2


def test_mirrors_are_exact():
    for seed in SEEDS:
        assert max(ether.mirror_exactness(seed)) < 1e-12


def test_the_claim_needs_every_bound(monkeypatch):
    untrained = [torch.zeros(64, 4), torch.zeros(4, 10)]
    monkeypatch.setattr(ether, "pretrained", lambda images, labels, seed: untrained)
    figures = ether.experiment(SEEDS, adapt=steady)
    claimed = [figure for figure in figures.values() if figure.claimed]
    assert len(claimed) == 4
    assert all(figure.met for figure in claimed)
    assert figures["noisy_lora_range"].value == pytest.approx(70)
    assert not ether.experiment(SEEDS, adapt=restless)["noisy_ether_range"].met
    stretched = ether.experiment(SEEDS, adapt=steady, mirror=lambda seed: (0.1, 0.2))
    assert not stretched["singular"].met
    assert not stretched["distance"].met


def test_changes_of_images():
    images = np.random.default_rng(0).random((4, 64))
    moved = ether.rolled(images, np.random.default_rng(0))
    np.testing.assert_array_equal(
        moved.reshape(-1, 8, 8)[:, :, 1], images.reshape(-1, 8, 8)[:, :, 0]
    )
    noisy = ether.noisy(images, np.random.default_rng(0))
    assert 0 <= noisy.min() <= noisy.max() <= 1
    assert 0.1 < np.abs(noisy - images).mean() < 0.3


@pytest.mark.parametrize("kind", ["ether", "lora"])
def test_adapting_trains(monkeypatch, kind):
    monkeypatch.setattr(ether, "EPOCHS", 6)
    made = torch.Generator().manual_seed(0)
    images = torch.randn(200, 64, generator=made)
    labels = (images[:, 0] > 0).long()
    weights = [torch.randn(64, 64, generator=made) / 8, torch.randn(64, 10, generator=made) / 8]
    data = (images, labels, images, labels)
    scores = torch.relu(images @ weights[0]) @ weights[1]
    before = float((scores.argmax(dim=1) == labels).float().mean())
    assert ether.adapted(kind, 0.03, weights, data, 0) > before + 0.05


def test_the_network_learns():
    images, labels = ether.digits()
    x, y = torch.tensor(images[:600], dtype=torch.float32), torch.tensor(labels[:600])
    one, two = ether.pretrained(x, y, 0)
    assert float(((torch.relu(x @ one) @ two).argmax(dim=1) == y).float().mean()) > 0.9
