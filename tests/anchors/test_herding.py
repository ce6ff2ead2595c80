import numpy as np

from isthmus.anchors import herding


def test_herding_equals_the_formula():
    x = np.random.default_rng(0).normal(size=(60, 4)) + 0.5
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    cosines = u @ u.T
    kernel = np.exp((cosines - 1) / (1 - cosines.mean()))
    chosen = []
    for t in range(15):
        value = kernel.mean(axis=1) - kernel[:, chosen].sum(axis=1) / (t + 1)
        value[chosen] = -np.inf
        chosen.append(int(np.argmax(value)))
    assert herding(x, 15).tolist() == chosen


def test_herding_follows_the_mean_better_than_chance():
    x = np.random.default_rng(1).normal(size=(400, 5)) + np.eye(5)[0]
    u = x / np.linalg.norm(x, axis=1, keepdims=True)

    def gap(rows):
        return np.linalg.norm(u[rows].mean(axis=0) - u.mean(axis=0))

    drawn = [gap(np.random.default_rng(s).choice(400, 20, replace=False)) for s in range(50)]
    assert gap(herding(x, 20)) < np.quantile(drawn, 0.05)


def test_many_rows_are_herded_from_a_sample(monkeypatch):
    import sys

    x = np.random.default_rng(2).normal(size=(300, 4))
    whole = herding(x, 10)
    file = sys.modules[herding.__module__]
    monkeypatch.setattr(file, "_WHOLE", 100)
    monkeypatch.setattr(file, "_LANDMARKS", 300)
    assert herding(x, 10).tolist() == whole.tolist()
    monkeypatch.setattr(file, "_LANDMARKS", 50)
    assert len(set(herding(x, 10, rng=1).tolist())) == 10
