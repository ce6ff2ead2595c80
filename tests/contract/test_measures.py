"""The measure contract over every registered measure, and proof that it rejects wrong ones."""

import numpy as np
import pytest

from isthmus.core.arrays import matrix, namespace, paired, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import Method, methods
from isthmus.core.score import Score
from isthmus.testing import measures as suite

MEASURES = [m for m in methods("measures") if m.card.spaces]


@pytest.mark.parametrize("method", MEASURES, ids=lambda m: m.name)
@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda c: c.__name__)
def test_contract(method, check):
    check(method)


def wrong(call, **changes):
    card = {
        "name": "wrong", "summary": "A wrong measure.", "paper": Paper("None", "Nobody", 2000),
        "invariant": ("orthogonal", "isotropic_scale", "translation"), "symmetric": True,
        "identical": 1.0, "cost": "n d^2 + d^2", "memory": "d^2", "min_rows": 2,
    }  # fmt: skip
    return Method("measures", Card(**(card | changes)), call)


def cka(x, y, *, centre=True):
    """Plain linear CKA: right in all but its bias at small n."""
    x, y = paired(x, y, operation="wrong")
    if centre:
        xp = namespace(x, y)
        x, y = x - xp.mean(x, axis=0), y - xp.mean(y, axis=0)
    products = [to_numpy(a.T @ b) for a, b in ((x, y), (x, x), (y, y))]
    size = [float((m * m).sum()) for m in products]
    return Score(value=size[0] / (size[1] * size[2]) ** 0.5, method="wrong", n=x.shape[0])


def numpy_only(x, y):
    if not isinstance(x, np.ndarray | list):
        return Score(value=0.0, method="wrong", n=x.shape[0])
    return cka(x, y)


def uncentred(x, y):
    return cka(x, y, centre=False)


def of_first_rows(x, y):
    score = cka(x, y)
    return Score(value=score.value + float(x[0][0]), method="wrong", n=score.n)


def writing(x, y):
    if isinstance(x, np.ndarray):
        x *= 2
    return cka(x, y)


def half_precise(x, y):
    x, y = paired(x, y, operation="wrong")
    if to_numpy(x).dtype == np.float32:
        return Score(value=cka(x, y).value + 0.01, method="wrong", n=x.shape[0])
    return cka(x, y)


def near_the_origin(x, y):
    """Right but for an offset: it centres in single precision."""
    x, y = (a.astype(np.float32) for a in (x, y))
    x, y = (a - a.sum(axis=0, dtype=np.float32) / np.float32(len(a)) for a in (x, y))
    return cka(x, y, centre=False)


def cancelling(x, y):
    """Right in double precision: scatters as the difference of two large numbers."""
    x, y = paired(x, y, operation="wrong")
    n, means = x.shape[0], [to_numpy(a).mean(axis=0) for a in (x, y)]
    pairs = (((x, y), (0, 1)), ((x, x), (0, 0)), ((y, y), (1, 1)))
    products = [to_numpy(a.T @ b) - n * np.outer(means[i], means[j]) for (a, b), (i, j) in pairs]
    size = [float((m * m).sum()) for m in products]
    return Score(value=size[0] / (size[1] * size[2]) ** 0.5, method="wrong", n=n)


def of_large_columns(x, y):
    """CKA of standard columns, but for those small beside the largest: more of them in float32."""
    sides = []
    for side in paired(x, y, operation="wrong"):
        held = to_numpy(side)
        held = held - held.mean(axis=0)
        spread = held.std(axis=0)
        kept = spread > np.sqrt(np.finfo(held.dtype).eps) * spread.max()
        sides.append(held[:, kept] / spread[kept])
    return cka(*sides)


def regularised(x, y):
    x, y = paired(x, y, operation="wrong")
    products = [to_numpy(a.T @ b) for a, b in ((x, y), (x, x), (y, y))]
    size = [float((m * m).sum()) for m in products]
    return Score(value=size[0] / ((size[1] * size[2]) ** 0.5 + 1), method="wrong", n=x.shape[0])


def of_partners(x, y):
    return cka(x, y)


def unlabelled(x, labels):
    x = matrix("x", x, operation="wrong")
    return Score(value=float(x[np.asarray(labels) == 0][:, 0].sum()), method="wrong", n=len(x))


def squared_distance(x, y):
    x, y = paired(x, y, operation="wrong")
    gap = float(((to_numpy(x) - to_numpy(y)) ** 2).sum())
    return Score(value=gap, method="wrong", n=len(x), length=gap)


def uncertain_of_itself(x, y):
    score = cka(x, y)
    return Score(value=score.value, method="wrong", n=score.n, ci=(score.value - 0.2, score.value))


def interval_elsewhere(x, y):
    score = cka(x, y)
    return Score(value=score.value, method="wrong", n=score.n, ci=(2.0, 3.0))


def one_width(x, y):
    return Score(value=float((np.asarray(x) * np.asarray(y)).sum()), method="wrong", n=len(x))


def offset(x, y):
    return Score(value=cka(x, y).value + 0.1, method="wrong", n=x.shape[0])


def lopsided(x, y):
    x, y = paired(x, y, operation="wrong")
    return Score(value=cka(x, y).value + float((x * x).sum()), method="wrong", n=x.shape[0])


def gram(x, y):
    x, y = paired(x, y, operation="wrong")
    return Score(value=float((x @ x.T).sum() * (y @ y.T).sum()), method="wrong", n=x.shape[0])


def tolerant(x, y):
    x, y = (np.nan_to_num(matrix("x", s, operation="wrong", finite=False)) for s in (x, y))
    return cka(x, y)


WRONG = [
    (suite.check_returns_score, interval_elsewhere, {}),
    (suite.check_returns_score, lambda x, y: 0.5, {}),
    (suite.check_invariances, uncentred, {}),
    (suite.check_invariances, cka, {"invariant": ("affine",)}),
    (suite.check_invariances, cka, {"invariant": ("orthogonal", "translation")}),
    (suite.check_row_order, of_first_rows, {}),
    (suite.check_row_order, of_partners, {"paired": False}),
    (suite.check_layouts, writing, {}),
    (suite.check_far_and_scaled, near_the_origin, {}),
    (suite.check_far_and_scaled, regularised, {}),
    (suite.check_precision, half_precise, {}),
    (suite.check_precision, cancelling, {}),
    (suite.check_hard_rows, of_large_columns, {}),
    (suite.check_array_kinds, numpy_only, {}),
    (suite.check_widths, one_width, {}),
    (suite.check_identical, offset, {}),
    (suite.check_identical, uncertain_of_itself, {}),
    (suite.check_symmetric, lopsided, {}),
    (suite.check_symmetric, cka, {"symmetric": False}),
    (suite.check_metric, squared_distance, {"metric": True}),
    (suite.check_metric, squared_distance, {}),
    (suite.check_cost, gram, {}),
    (suite.check_cost, cka, {"cost": "n d"}),
    (suite.check_cost, numpy_only, {}),
    (suite.check_refusals, tolerant, {}),
    (suite.check_refusals, cka, {"min_rows": 10}),
    (suite.check_refusals, of_partners, {"paired": False}),
    (suite.check_refusals, unlabelled, {"spaces": 1, "given": ("labels",), "paired": False}),
]


@pytest.mark.parametrize(("check", "call", "changes"), WRONG)
def test_contract_rejects(check, call, changes):
    with pytest.raises((AssertionError, InputError) if "paired" in changes else AssertionError):
        check(wrong(call, **changes))


def test_a_right_measure_passes_where_the_wrong_ones_fail():
    for check in suite.CHECKS:
        if check is not suite.check_invariances:
            check(wrong(cka))
    check = suite.check_invariances
    check(wrong(cka, invariant=("orthogonal", "isotropic_scale", "translation")))


def test_every_check_has_a_wrong_measure():
    assert {check for check, _, _ in WRONG} == set(suite.CHECKS)


def test_a_refusal_must_be_typed():
    def crashes(x, y):
        raise ZeroDivisionError

    with pytest.raises((ZeroDivisionError, InputError)):
        suite.check_refusals(wrong(crashes))


def test_the_measure_of_the_contributing_guide_is_right(monkeypatch):
    """What newcomers copy satisfies the contract, and its example test passes."""
    from pathlib import Path

    from isthmus import measures
    from isthmus.core import registry

    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))
    guide = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text("utf-8")
    measure, test = (block.partition("```")[0] for block in guide.split("```python\n")[1:3])
    names = {"__name__": "isthmus.measures.mean_cosine"}
    exec(compile(measure, "CONTRIBUTING.md", "exec"), names)
    found = registry.method("measures", "mean_cosine")
    for check in suite.CHECKS:
        check(found)
    monkeypatch.setattr(measures, "mean_cosine", names["mean_cosine"], raising=False)
    exec(compile(test, "CONTRIBUTING.md", "exec"), names)
    names["test_equals_the_formula"]()
