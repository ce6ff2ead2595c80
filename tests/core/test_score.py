"""Scores print, convert, and are distances only where they may be."""

import json

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.core.score import Score


def test_a_score_is_a_number_with_its_doubt():
    score = Score(value=0.5, method="m", n=10, ci=(0.4, 0.6), chance=0.1, z=3.0, p=0.001)
    assert float(score) == 0.5
    assert str(score) == "0.5 [0.4, 0.6]  chance 0.1  z 3  n=10"
    assert json.loads(json.dumps(score.as_dict()))["ci"] == [0.4, 0.6]


def test_distance_exists_only_for_metrics():
    assert Score(value=0.2, method="m", n=3, length=0.8).distance() == 0.8
    with pytest.raises(InputError, match="metric=True"):
        Score(value=0.2, method="m", n=3).distance()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), np.float32("-inf")])
@pytest.mark.parametrize(
    ("name", "wrap"),
    [
        ("value", lambda bad: bad), ("ci", lambda bad: (0.0, bad)), ("chance", lambda bad: bad),
        ("z", lambda bad: bad), ("p", lambda bad: bad), ("length", lambda bad: bad),
        ("parts", lambda bad: {"rows": np.array([1.0, bad])}), ("parts", lambda bad: {"a": bad}),
    ],
)  # fmt: skip
def test_no_number_of_a_score_is_nan_or_infinite(name, wrap, bad):
    with pytest.raises(InputError, match=rf"^m: .*{name}.*NaN or infinity.*Divide them") as caught:
        Score(**{"value": 1.0, "method": "m", "n": 2} | {name: wrap(bad)})
    assert name in caught.value.given


def test_parts_are_named_and_survive_json():
    parts = {"rows": np.array([1.0, 3.0]), "a": 2, "kinds": np.array(["x"]), "text": "nan"}
    score = Score(value=1.0, method="m", n=2, parts=parts)
    held = json.loads(json.dumps(score.as_dict(), allow_nan=False))["parts"]
    assert held == {"rows": [1.0, 3.0], "a": 2, "kinds": ["x"], "text": "nan"}
    assert "rows" not in str(score)
    assert score == Score(value=1.0, method="m", n=2)
