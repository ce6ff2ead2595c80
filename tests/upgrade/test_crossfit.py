import numpy as np

from isthmus.upgrade.crossfit import FEW, crest, crossfit, folds, picked


def judged(values, chosen):
    return float(values[np.arange(len(values)), chosen].mean())


def test_folds_are_nearly_equal_and_repeatable():
    fold = folds(103, rng=1)
    assert sorted(np.bincount(fold).tolist()) == [20, 20, 21, 21, 21]
    assert (fold == folds(103, rng=1)).all()
    assert (fold != folds(103, rng=2)).any()


NAMES, WEIGHTS = tuple("abcd"), tuple(i / 10 for i in range(11))


def test_each_fold_takes_what_is_best_elsewhere():
    values = np.random.default_rng(0).random((60, 4))
    fold = folds(60)
    chosen, best = crossfit(values, fold, NAMES)
    for i in range(60):
        assert chosen[i] == values[fold != fold[i]].mean(axis=0).argmax()
    assert best == values.mean(axis=0).argmax()


def test_a_weight_is_the_crest_of_the_parabola_through_all():
    for seed in range(20):
        values = np.random.default_rng(seed).random((5, 11))
        means = values.mean(axis=0)
        curve = np.polyval(np.polyfit(WEIGHTS, means, 2), WEIGHTS)
        assert crest(values, WEIGHTS) == curve.argmax()


def test_the_crest_is_nearer_the_best_weight_than_the_highest_mean():
    """True quality falls off evenly on both sides of 0.7; queries differ in which weight helps."""
    truth = 0.4 - 0.1 * (np.array(WEIGHTS) - 0.7) ** 2
    ours, plain = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        values = truth + 0.1 * rng.normal(size=(90, 11))
        ours.append(truth.max() - truth[crest(values, WEIGHTS)])
        plain.append(truth.max() - truth[values.mean(axis=0).argmax()])
    assert np.mean(ours) < 0.6 * np.mean(plain)


def test_equal_weights_take_the_middle_and_equal_names_the_first():
    assert crest(np.full((20, 11), 0.3), WEIGHTS) == 5
    assert crest(np.full((20, 4), 0.3), NAMES) == 0
    assert crest(np.full((20, 1), 0.3), ()) == 0


def test_choosing_among_noise_gains_nothing_and_peeking_would():
    ours, peeking = [], []
    for seed in range(200):
        values = np.random.default_rng(seed).normal(size=(40, 8))
        ours.append(judged(values, crossfit(values, folds(40, rng=seed), tuple("abcdefgh"))[0]))
        peeking.append(values.mean(axis=0).max())
    error = np.std(ours) / np.sqrt(len(ours))
    assert np.mean(ours) <= 3 * error
    # A choice judged on the queries that it was made on, which this must not be.
    assert np.mean(peeking) > 10 * error


def test_few_queries_take_the_middle_weight_or_the_first_name():
    values = np.tile(np.arange(11.0), (FEW - 1, 1))
    for settings, expected in ((WEIGHTS, 5), (tuple("abcdefghijk"), 0)):
        chosen, best = crossfit(values, folds(FEW - 1), settings)
        assert best == expected
        assert (chosen == expected).all()


def test_picked_takes_each_query_from_its_own_setting():
    lists = (np.zeros((3, 2), int), np.ones((3, 2), int))
    assert picked(lists, np.array([0, 1, 0])).tolist() == [[0, 0], [1, 1], [0, 0]]
