import numpy as np

from isthmus.evidence import multimarginal_interpolants as paper


class Stub:
    def __init__(self, clouds, wrong=()):
        self.clouds, self.wrong = clouds, wrong

    def transport(self, x, *, source, target):
        return x if (source, target) in self.wrong else self.clouds[target][: len(x)]


def test_samples_of_the_target_meet_every_bound():
    figures = paper.experiment((1, 2), fit=lambda clouds, seed: Stub(clouds))
    assert sum(figure.claimed for figure in figures.values()) == 6
    assert all(figure.met for figure in figures.values() if figure.claimed)
    assert figures["around"].value > 0.5  # another sample of a cloud is no way back


def test_one_direction_that_does_nothing_fails_the_claim():
    figures = paper.experiment((1, 2), fit=lambda clouds, seed: Stub(clouds, [(2, 1)]))
    assert not figures["cut_21"].met
    assert figures["cut_12"].met
    assert figures["worst"].value < 0.1


def test_mixtures_are_fresh_and_apart():
    train, test = paper.mixtures(0, 500)
    assert [one.shape for one in train] == [(500, 2)] * 3
    assert not np.array_equal(train[0], test[0])
    middles = [one.mean(axis=0) for one in train]
    gaps = [np.linalg.norm(a - b) for a in middles for b in middles if a is not b]
    assert min(gaps) > 4
