import numpy as np
import pytest

from isthmus.evidence.corpora import MissingData
from isthmus.evidence.pretrained import (
    TASKS,
    Network,
    Target,
    accuracies,
    fine_tuned,
    pretrained,
    study,
    wide_digits,
)

IMAGES, LABELS = wide_digits()


def test_wide_digits_are_the_digits():
    square = IMAGES.reshape(-1, 28, 28)
    assert square[:, 2:26:3, 2:26:3].max() == 1.0
    assert (square[:, :2] == 0).all()
    np.testing.assert_array_equal(square[:, 2, 2:26:3], square[:, 4, 4:26:3])


@pytest.mark.parametrize("task", TASKS)
def test_every_task_trains_a_network_of_its_own(task):
    network = pretrained(task, IMAGES[:400], LABELS[:400], seed=1, steps=2)
    again = pretrained(task, IMAGES[:400], LABELS[:400], seed=1, steps=2)
    vectors = network.encode(IMAGES[:5])
    assert vectors.shape == (5, 32)
    np.testing.assert_array_equal(vectors, again.encode(IMAGES[:5]))
    assert np.array_equal(vectors, Network(1).encode(IMAGES[:5])) == (task == "untrained")


def test_fine_tuning_learns_and_leaves_the_network_alone():
    network = Network(0)
    before = network.encode(IMAGES[:5])
    right = fine_tuned(
        network, IMAGES[:400], LABELS[:400], IMAGES[400:800], LABELS[400:800], seed=0
    )
    assert 0.7 < right <= 1
    np.testing.assert_array_equal(network.encode(IMAGES[:5]), before)
    shuffled = np.random.default_rng(0).permutation(LABELS[:400])
    wrong = fine_tuned(network, IMAGES[:400], shuffled, IMAGES[400:800], LABELS[400:800], seed=0)
    assert wrong < 0.3


def test_accuracies_are_one_a_network():
    target = Target((IMAGES[:50], LABELS[:50]), (IMAGES[50:150], LABELS[50:150]))
    one, two = accuracies([Network(0), Network(0)], target, seed=0)
    assert one == two > 0.2


def test_a_study_holds_out_what_it_judges_by():
    try:
        networks, targets = study(3, each=4, steps=1, source=500)
    except MissingData as error:
        pytest.skip(str(error))
    assert len(networks) == 8
    assert set(targets) == {"mnist", "large", "digits"}
    images, labels = targets["large"].labelled
    assert np.bincount(labels).tolist() == [4] * 5
    both = np.concatenate([images, targets["large"].test[0]])
    assert len(np.unique(both, axis=0)) == len(both)
