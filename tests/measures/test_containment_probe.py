import numpy as np
import pytest
from scipy.optimize import minimize

from isthmus.core.errors import InputError
from isthmus.measures import containment_probe
from isthmus.measures.containment_probe import _foreign, _logistic


def passages(n=80, each=4, d=16, seed=0, noise=0.0):
    rng = np.random.default_rng(seed)
    s = rng.normal(size=(n * each, d))
    p = s.reshape(n, each, d).mean(axis=1)
    return p + noise * rng.normal(size=p.shape), s, np.repeat(np.arange(n), each)


def test_means_keep_their_sentences_and_noise_keeps_none():
    p, s, of = passages(d=48)
    kept = containment_probe(p, s, of)
    assert kept.value > 0.85
    assert kept.ci[0] < kept.value < kept.ci[1]
    assert kept.p < 1e-10
    blind = containment_probe(np.random.default_rng(1).normal(size=p.shape), s, of)
    assert abs(blind.value - 0.5) < 0.06
    assert blind.p > 0.01


def test_more_noise_keeps_less():
    values = [containment_probe(*passages(noise=noise)).value for noise in (0.0, 0.5, 2.0)]
    assert values[0] > values[1] > values[2]


def test_a_probe_that_saw_the_answers_would_be_noticed():
    """Wide vectors of noise are told apart perfectly by a fit judged on its own rows."""
    rng = np.random.default_rng(2)
    p, s, of = rng.normal(size=(40, 200)), rng.normal(size=(120, 200)), np.repeat(range(40), 3)
    assert abs(containment_probe(p, s, of).value - 0.5) < 0.12
    x = np.c_[p[of] * s, p[np.roll(of, 3)] * s].reshape(240, 200)
    y = np.tile([1, 0], 120)
    w = _logistic(x[y == 1], x[y == 0], 1e-6)
    assert np.mean((x @ w > 0) == y) > 0.9


def test_the_fit_is_the_minimum_of_its_loss():
    rng = np.random.default_rng(0)
    yes, no = rng.normal(0.5, 1, size=(40, 4)), rng.normal(size=(40, 4))
    x, y = np.r_[yes, no], np.r_[np.ones(40), np.zeros(40)]

    def loss(w):
        return (
            np.sum(np.logaddexp(0, x @ w) - y * (x @ w))
            + 0.05 * 80 / 2 * w[:-1] @ w[:-1] + 1e-9 * 80 / 2 * w[-1] ** 2
        )  # fmt: skip

    assert _logistic(yes, no, 0.05) == pytest.approx(minimize(loss, np.zeros(4)).x, abs=1e-4)


def test_foreign_passages_are_of_the_same_fold_and_never_their_own():
    of = np.repeat(np.arange(12), 3)
    fold = np.arange(12) % 3
    other = _foreign(of, fold, 3, np.random.default_rng(0))
    assert (other != of).all()
    assert (fold[other] == fold[of]).all()


def test_long_passages_keep_less_and_the_first_sentence_may_keep_more():
    rng = np.random.default_rng(0)
    sizes = np.repeat([2, 5, 12], 30)
    of = np.repeat(np.arange(90), sizes)
    s = rng.normal(size=(len(of), 24))
    weight = np.where(np.r_[True, of[1:] != of[:-1]], 6.0, 1.0)
    p = np.stack([np.average(s[of == k], axis=0, weights=weight[of == k]) for k in range(90)])
    found = containment_probe(p, s, of)
    short, _, long = found.parts["by_length"]
    first, middle, last = found.parts["by_position"]
    assert short > long + 0.1
    assert first > max(middle, last) + 0.1
    # Told back to front, the first third is the last.
    turned = containment_probe(p, s, of, position=-np.arange(len(of)))
    assert turned.parts["by_position"][2] > turned.parts["by_position"][0]


def test_lengths_that_many_passages_share_leave_no_third_empty():
    sizes = np.array([3] * 30 + [4] * 15 + [5] * 15)
    of = np.repeat(np.arange(60), sizes)
    rng = np.random.default_rng(0)
    s = rng.normal(size=(len(of), 8))
    p = np.stack([s[of == k].mean(axis=0) for k in range(60)])
    found = containment_probe(p, s, of)
    hits = found.parts["hits"].mean(axis=1)
    expected = [hits[sizes[of] == size].mean() for size in (3, 4, 5)]
    assert found.parts["by_length"] == pytest.approx(expected)


def test_parts_add_up():
    found = containment_probe(*passages())
    assert found.parts["hits"].shape == (320, 2)
    assert found.value == found.parts["hits"].mean()
    assert (found.n, found.chance) == (320, 0.5)


def test_level_of_the_test():
    rng = np.random.default_rng(3)
    of = np.repeat(np.arange(24), 2)
    p = [
        containment_probe(rng.normal(size=(24, 3)), rng.normal(size=(48, 3)), of, rng=k).p
        for k in range(40)
    ]
    assert np.mean(np.array(p) <= 0.05) < 0.2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"s": np.ones((320, 3))}, "one width"),
        ({"passage": np.arange(320)}, "row numbers from 0 to 79"),
        ({"passage": np.zeros(3, int)}, "row numbers"),
        ({"folds": 1}, "2 folds"),
        ({"folds": 30}, "4 passages each"),
        ({"position": [1]}, "position of shape"),
    ],
)
def test_bad_input(change, words):
    p, s, of = passages()
    with pytest.raises(InputError, match=f"containment_probe.*{words}"):
        containment_probe(**{"p": p, "s": s, "passage": of} | change)
