import numpy as np

from isthmus.upgrade.crossfit import FEW, crossfit, folds, picked


def judged(values, chosen):
    return float(values[np.arange(len(values)), chosen].mean())


def test_folds_are_nearly_equal_and_repeatable():
    fold = folds(103, rng=1)
    assert sorted(np.bincount(fold).tolist()) == [20, 20, 21, 21, 21]
    assert (fold == folds(103, rng=1)).all()
    assert (fold != folds(103, rng=2)).any()


def test_each_fold_takes_what_is_best_elsewhere():
    values = np.random.default_rng(0).random((60, 4))
    fold = folds(60)
    chosen, best = crossfit(values, fold)
    for i in range(60):
        assert chosen[i] == values[fold != fold[i]].mean(axis=0).argmax()
    assert best == values.mean(axis=0).argmax()


def test_choosing_among_noise_gains_nothing_and_peeking_would():
    ours, peeking = [], []
    for seed in range(200):
        values = np.random.default_rng(seed).normal(size=(40, 8))
        ours.append(judged(values, crossfit(values, folds(40, rng=seed))[0]))
        peeking.append(values.mean(axis=0).max())
    error = np.std(ours) / np.sqrt(len(ours))
    assert np.mean(ours) <= 3 * error
    # A choice judged on the queries that it was made on, which this must not be.
    assert np.mean(peeking) > 10 * error


def test_few_queries_take_the_first_setting():
    values = np.tile([0.0, 1.0], (FEW - 1, 1))
    chosen, best = crossfit(values, folds(FEW - 1))
    assert best == 0
    assert not chosen.any()


def test_picked_takes_each_query_from_its_own_setting():
    lists = (np.zeros((3, 2), int), np.ones((3, 2), int))
    assert picked(lists, np.array([0, 1, 0])).tolist() == [[0, 0], [1, 1], [0, 0]]
