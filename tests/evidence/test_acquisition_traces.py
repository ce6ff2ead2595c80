import numpy as np
import pytest

from isthmus.evidence import acquisition_traces as evidence
from isthmus.evidence.corpora import digits

SIZES = {"train": 50, "test": 500}


def pixels(images, labels, *, seed, names):
    return {"pixels": lambda x: x}


def blind(images, labels, *, seed, names):
    """Vectors of the class alone: nothing of the processing is left in them."""
    means = np.stack(
        [images[labels == c].mean(axis=0) if c in labels else 0 * images[0] for c in range(10)]
    )
    return {"blind": lambda x: (x @ means.T) / np.linalg.norm(x, axis=1, keepdims=True)}


def test_each_image_has_one_processing_and_keeps_its_place():
    images = digits()[0][:200]
    changed, which = evidence.processed(images, np.random.default_rng(0))
    np.testing.assert_array_equal(changed[which == 0], images[which == 0])
    np.testing.assert_allclose(changed[which == 3], 0.8 * images[which == 3])
    assert sorted(set(which.tolist())) == [0, 1, 2, 3]
    assert not np.allclose(changed[which == 1], images[which == 1])


def test_strong_processing_meets_the_claim():
    strong = {
        "as it is": lambda images, rng: images,
        "lit": lambda images, rng: images + 0.7,
        "striped": lambda images, rng: images + np.tile([0.0, 0.9], 32),
        "inverted": lambda images, rng: 1 - images,
    }
    found = evidence.measured((1, 2), *digits(), zoo=pixels, processings=strong, **SIZES)
    figures = evidence.figures_of(found, (1, 2), n=500)
    assert figures["pixels probe"].value > 0.9
    assert figures["pixels fall"].value > 0.03
    assert figures["pixels rise"].value > -0.01


def test_no_processing_at_all_fails_it():
    same = {str(i): (lambda images, rng: images) for i in range(4)}
    found = evidence.measured((1, 2, 3), *digits(), zoo=pixels, processings=same, **SIZES)
    figures = evidence.figures_of(found, (1, 2, 3), n=500)
    assert figures["pixels probe"].value == pytest.approx(0.25, abs=0.06)
    assert not figures["pixels probe"].met
    assert not figures["pixels fall"].met
    assert abs(figures["pixels fall"].value) < 0.03


def test_an_encoder_that_keeps_less_of_it_gives_less_away():
    args = (1,), *digits()
    seen = evidence.measured(*args, zoo=pixels, **SIZES)["pixels"][0, 0]
    assert evidence.measured(*args, zoo=blind, **SIZES)["blind"][0, 0] < seen
