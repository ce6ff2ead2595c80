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


def test_numbers_json_cannot_hold_become_null():
    data = Score(value=float("nan"), method="m", n=1, z=float("inf"), ci=(float("-inf"), 0.0))
    text = json.dumps(data.as_dict(), allow_nan=False)
    assert json.loads(text)["value"] is None
    assert json.loads(text)["ci"] == [None, 0.0]


def test_parts_are_named_and_survive_json():
    score = Score(value=1.0, method="m", n=2, parts={"rows": np.array([1.0, np.nan]), "a": 2})
    assert json.loads(json.dumps(score.as_dict()))["parts"] == {"rows": [1.0, None], "a": 2}
    assert "rows" not in str(score)
    assert score == Score(value=1.0, method="m", n=2)
