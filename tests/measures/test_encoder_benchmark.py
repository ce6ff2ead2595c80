import sys

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau
from sklearn.metrics import roc_auc_score

from isthmus.core.errors import InputError
from isthmus.measures import encoder_benchmark
from isthmus.measures.encoder_benchmark import CATEGORIES, Task, _pairs, _retrieval

FILE = sys.modules["isthmus.measures.encoder_benchmark"]
LABELS = np.arange(120) % 3
X = np.eye(3)[LABELS] + 0.35 * np.random.default_rng(0).normal(size=(120, 3))
ENCODERS = {
    "all": lambda x: x,
    "two": lambda x: x[:, :2],
    "one": lambda x: x[:, :1] + 0.1,
    "none": lambda x: np.random.default_rng(1).normal(size=x.shape),
}


def tasks(*categories):
    return [Task(category=name, inputs=X, labels=LABELS, prompts=np.eye(3)) for name in categories]


def test_every_category_puts_the_whole_vector_before_noise():
    score = encoder_benchmark(ENCODERS, tasks(*CATEGORIES))
    table = score.parts["table"]
    assert table.shape == (5, 4)
    assert ((table >= 0) & (table <= 1)).all()
    assert (table[:, 0] > table[:, 3] + 0.1).all()
    assert (score.parts["ranks"][:, 0] == 1).all()
    assert score.warnings == ()
    np.testing.assert_allclose(score.parts["ranks"].sum(axis=1), 10)


def test_value_is_the_mean_tau_over_pairs_of_categories():
    score = encoder_benchmark(ENCODERS, tasks("probe", "retrieval", "pairs"))
    a, b, c = score.parts["table"]
    taus = [kendalltau(*pair).statistic for pair in ((a, b), (a, c), (b, c))]
    assert score.value == pytest.approx(np.mean(taus), abs=1e-12)


def test_several_tasks_of_a_category_are_averaged():
    score = encoder_benchmark(ENCODERS, tasks("retrieval", "pairs", "retrieval"))
    rows = score.parts["tasks"]
    np.testing.assert_allclose(score.parts["table"], [(rows[0] + rows[2]) / 2, rows[1]])


def test_z_of_unrelated_categories_is_standard(monkeypatch):
    rng = np.random.default_rng(2)
    monkeypatch.setattr(FILE, "_scored", lambda *_: float(rng.uniform()))
    z = [encoder_benchmark(ENCODERS, tasks("probe", "pairs", "retrieval")).z for _ in range(400)]
    assert abs(np.mean(z)) < 0.2
    assert 0.85 < np.std(z) < 1.15


def test_categories_that_disagree_are_named(monkeypatch):
    known = {"probe": {"a": 0.9, "b": 0.8, "c": 0.1}, "pairs": {"a": 0.5, "b": 0.7, "c": 0.5}}
    monkeypatch.setattr(FILE, "_scored", lambda task, name, *_: known[task.category][name])
    score = encoder_benchmark(dict.fromkeys("abc", lambda x: x), tasks("probe", "pairs"))
    assert score.parts["ranks"].tolist() == [[1, 2, 3], [2.5, 1, 2.5]]
    assert "(probe: a, pairs: b)" in score.warnings[0]


def test_pairs_is_the_area_under_the_curve_of_the_cosine():
    rows = X - X.mean(axis=0)
    u = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    i, j = np.triu_indices(120, 1)
    exact = roc_auc_score(LABELS[i] == LABELS[j], (u[i] * u[j]).sum(axis=1))
    drawn = _pairs(rows, LABELS, np.random.default_rng(0))
    assert drawn == pytest.approx(exact, abs=0.03)
    assert (
        _pairs(rows, np.random.default_rng(1).permutation(LABELS), np.random.default_rng(0)) < 0.6
    )


def test_retrieval_is_precision_at_ten():
    u = X / np.linalg.norm(X, axis=1, keepdims=True)
    far = -u @ u.T
    np.fill_diagonal(far, np.inf)
    near = np.argsort(far, axis=1)[:, :10]
    expected = (LABELS[near] == LABELS[:, None]).mean()
    assert _retrieval(X, LABELS, np.random.default_rng(0)) == pytest.approx(expected)


def test_torch_gives_the_same():
    chosen = [
        Task(category=c, inputs=torch.asarray(X), labels=LABELS) for c in ("retrieval", "pairs")
    ]
    encoders = {name: ENCODERS[name] for name in ("all", "two", "one")}
    same = encoder_benchmark(encoders, chosen).parts["table"]
    plain = encoder_benchmark(encoders, tasks("retrieval", "pairs")).parts["table"]
    np.testing.assert_allclose(same, plain, atol=1e-12)


def test_bad_input():
    good = tasks("probe", "pairs")
    with pytest.raises(InputError, match="encoder_benchmark.*2 encoders.*3 encoders or more"):
        encoder_benchmark({n: ENCODERS[n] for n in ("all", "two")}, good)
    with pytest.raises(InputError, match="encoder_benchmark.*2 categories"):
        encoder_benchmark(ENCODERS, good[:1])
    with pytest.raises(InputError, match="encoder_benchmark.*'song'.*zero_shot"):
        encoder_benchmark(ENCODERS, [*good, Task(category="song", inputs=X, labels=LABELS)])
    with pytest.raises(InputError, match="encoder_benchmark.*0 prompts for 3"):
        encoder_benchmark(ENCODERS, [*good, Task(category="zero_shot", inputs=X, labels=LABELS)])
    with pytest.raises(InputError, match="encoder_benchmark.*one a row"):
        encoder_benchmark({**ENCODERS, "bad": lambda x: x[:5]}, good)
    with pytest.raises(InputError, match="encoder_benchmark.*same score"):
        encoder_benchmark(dict.fromkeys("abc", lambda x: x), good)
