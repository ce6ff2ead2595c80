import numpy as np
import pytest

from isthmus.anchors import label_covering
from isthmus.core.errors import InputError

X = np.random.default_rng(0).normal(size=(120, 5)) + np.repeat(np.eye(5)[:3] * 4, 40, axis=0)
LABELS = np.repeat(["a", "b", "c"], 40)


def test_every_class_has_its_share():
    labels = np.repeat(["many", "some", "few"], [90, 25, 5])
    for count, expected in ((3, [1, 1, 1]), (24, [18, 5, 1])):
        rows = label_covering(X, count, labels=labels)
        assert [int(np.sum(labels[rows] == kind)) for kind in ("many", "some", "few")] == expected


def test_the_central_row_comes_first_then_the_farthest():
    rows = label_covering(X, 9, labels=LABELS)
    u = X / np.linalg.norm(X, axis=1, keepdims=True)
    for kind in "abc":
        members = np.flatnonzero(kind == LABELS)
        own = [row for row in rows if LABELS[row] == kind]
        assert own[0] == members[np.argmax(u[members] @ u[members].mean(axis=0))]
        near = (u[members] @ u[own[:1]].T).max(axis=1)
        assert own[1] == members[np.argmin(near)]


def test_concepts_may_overlap_and_rows_may_show_none():
    shown = np.zeros((120, 2), bool)
    shown[:60, 0] = shown[40:100, 1] = True
    rows = label_covering(X, 30, labels=shown)
    assert len(set(rows.tolist())) == 30
    assert rows.max() < 100
    assert shown[rows].any(axis=0).all()
    assert sorted(label_covering(X, 100, labels=shown).tolist()) == list(range(100))


@pytest.mark.parametrize(
    ("count", "labels", "message"),
    [
        (2, LABELS, "per class"),
        (5, LABELS[:-1], "labels of shape"),
        (5, np.zeros((120, 2)), "booleans"),
        (101, np.arange(120)[:, None] < 100, "count=101"),
        (5, np.zeros((120, 1), bool), "count=5"),
    ],
)
def test_refusals(count, labels, message):
    with pytest.raises(InputError, match=message):
        label_covering(X, count, labels=labels)


def test_a_class_of_zero_rows_is_refused():
    x = X.copy()
    x[:40] = 0
    with pytest.raises(InputError, match="non-zero rows"):
        label_covering(x, 10, labels=LABELS)


def test_labels_that_cannot_be_sorted_are_refused():
    with pytest.raises(InputError, match="labels that cannot be sorted"):
        label_covering(np.eye(3), 2, labels=[None, "a", 1])
