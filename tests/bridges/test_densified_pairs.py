"""The student of densified pairs; how it grows them is in test_mutual_growth."""

import numpy as np

from isthmus.bridges import DensifiedPairs
from isthmus.bridges.densified_pairs import expand_pairs


def spaces(noise):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 8)) * np.geomspace(3, 0.5, 8) + 2
    turn = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    return x, (x + noise * rng.normal(size=x.shape)) @ turn - 1


def test_the_student_is_procrustes_on_all_pairs_by_their_confidence():
    x, y = spaces(0.4)
    bridge = DensifiedPairs().fit(x, y, pairs=(np.arange(10), np.arange(10)))
    (i, j), sure = bridge.pairs_.T, bridge.confidences_
    assert len(i) > 50
    assert sure[10:].max() < 1
    a, b = x[i] - np.average(x[i], 0, sure), y[j] - np.average(y[j], 0, sure)
    cross = sum(c * np.outer(u, v) for c, u, v in zip(sure, a, b, strict=True))
    u, _, vt = np.linalg.svd(cross)
    np.testing.assert_allclose(bridge.coef_, u @ vt, atol=1e-9)
    centre = np.average(x[i], 0, sure)
    np.testing.assert_allclose(
        bridge.transform(centre[None])[0], np.average(y[j], 0, sure), atol=1e-9
    )


def test_it_fits_the_pairs_that_expand_pairs_gives():
    x, y = spaces(0.4)
    known = np.arange(10), np.arange(10)
    bridge = DensifiedPairs(confidence=0.3).fit(x, y, pairs=known)
    i, j, sure = expand_pairs(x, y, known, confidence=0.3)
    np.testing.assert_array_equal(bridge.pairs_, np.stack([i, j], axis=1))
    np.testing.assert_array_equal(bridge.confidences_, sure)


def test_more_generations_annotate_more():
    x, y = spaces(0.2)
    known = np.arange(5), np.arange(5)
    found = [len(expand_pairs(x, y, known, generations=g)[0]) for g in (1, 5)]
    assert found[1] > found[0]
