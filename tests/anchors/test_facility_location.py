import numpy as np

from isthmus.anchors import facility_location


def test_equals_the_plain_greedy_choice():
    x = np.random.default_rng(3).normal(size=(90, 4))
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    cosines, best, chosen = u @ u.T, np.full(90, -1.0), []
    for _ in range(20):
        gains = np.maximum(cosines - best, 0).sum(axis=1)
        gains[chosen] = -1
        chosen.append(int(np.argmax(gains)))
        best = np.maximum(best, cosines[chosen[-1]])
    assert facility_location(x, 20).tolist() == chosen
