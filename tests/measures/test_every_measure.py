"""What holds for every measure of the room beyond the public contract."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from isthmus.core.registry import methods

MINE = [m for m in methods("measures") if m.call.__module__.startswith("isthmus.")]
ROOM = [m for m in MINE if m.card.spaces]
PAIRED = [m for m in ROOM if m.card.spaces == 2 and m.card.paired]
TESTS = Path(__file__).parent
SIMULATED = json.loads(
    (TESTS.parents[1] / "benchmarks" / "results" / "calibration.json").read_text()
)["rows"]
#: The share of simulations asked for, and the name of the share of scores that warned.
BANDS = {"coverage": (0.93, 0.97, "warned"), "size": (0.04, 0.06, "tests_warned")}


def views(n=64, d=6):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(n, d)) * np.arange(1, d + 1) ** -0.5 + 0.3
    y = x @ rng.normal(size=(d, d)) + 0.4 * rng.normal(size=(n, d)) - 0.5
    return x, y


def given(m):
    """What the card names besides the spaces, related to the rows of ``views``."""
    x, y = views()
    high = (x[:, :3] > np.median(x[:, :3], axis=0)).astype(int)
    known = {
        "labels": high[:, 0] + high[:, 1],
        "factors": high,
        "groups": np.arange(len(x)) // 2,
        "confound": y[:, :2] ** 2,
    }
    return {key: known[key] for key in m.card.given}


def sides(m, x, y):
    return (x,) if m.card.spaces == 1 else (x, y)


@pytest.mark.parametrize("m", ROOM, ids=lambda m: m.name)
def test_float32_half_and_integers_are_accepted(m):
    x, y = views()
    call = partial(m.call, **given(m))
    exact = float(call(*sides(m, x, y)))
    single = float(call(*sides(m, x.astype(np.float32), y.astype(np.float32))))
    assert single == pytest.approx(exact, rel=1e-3, abs=1e-3)
    half = float(call(*sides(m, x.astype(np.float16), y.astype(np.float16))))
    assert half == pytest.approx(exact, rel=0.1, abs=0.05)
    whole = [np.round(50 * a).astype(np.int32) for a in (x, y)]
    assert np.isfinite(float(call(*sides(m, *whole))))


@pytest.mark.parametrize("m", ROOM, ids=lambda m: m.name)
def test_chance_length_and_interval_agree_with_the_card(m):
    x, y = views()
    score = m.call(*sides(m, x, x + 0.3 * y if m.card.jointly else y), **given(m))
    assert (score.length is not None) == m.card.metric
    assert score.n == 64
    if m.card.chance is not None:
        assert score.chance == m.card.chance
    if score.ci is not None:
        assert score.ci[0] <= score.value <= score.ci[1]
    if score.z is not None:
        assert score.z > 3
        assert score.p < 0.01


@pytest.mark.parametrize("m", PAIRED, ids=lambda m: m.name)
def test_an_object_with_both_sides_serves_as_pairs(m):
    class Both:
        x, y = views()

    call = partial(m.call, **given(m))
    assert float(call(Both())) == float(call(Both.x, Both.y))


@pytest.mark.parametrize("m", MINE, ids=lambda m: m.name)
def test_has_a_test_of_its_own(m):
    """Where the contract does not reach, and for the oracle, which no contract can know."""
    assert (TESTS / f"test_{m.name}.py").is_file()


def unsaid(card, rows):
    """Cells of ``benchmarks/calibration.py`` off their band that neither card nor scores admit."""
    found = []
    for row in rows:
        for kind, (low, high, warned) in BANDS.items():
            if kind in row and not low <= row[kind] <= high:
                warns = row[warned] >= 0.99 or card.is_rough(row["n"], row["d"])
                if not (card.caveat and warns):
                    found.append((kind, row["n"], row["d"], row[kind]))
    return found


@pytest.mark.parametrize("m", ROOM, ids=lambda m: m.name)
def test_intervals_and_tests_off_their_level_are_admitted(m):
    """By a caveat in the card, and by a warning on the scores of that regime."""
    assert unsaid(m.card, [row for row in SIMULATED if row["method"] == m.name]) == []


def test_an_interval_off_its_level_cannot_hide():
    rows = [{"n": 50, "d": 20, "coverage": 0.88, "warned": 0.5, "size": 0.05, "tests_warned": 0.0}]
    silent = replace(ROOM[0].card, caveat="", rough=None)
    assert unsaid(silent, rows) == [("coverage", 50, 20, 0.88)]
    assert unsaid(replace(silent, caveat="it is off"), rows)  # scores do not warn
    assert unsaid(silent, [rows[0] | {"warned": 1.0}])  # the card does not say so
    assert not unsaid(replace(silent, caveat="it is off", rough=(100, 0)), rows)
    assert not unsaid(silent, [rows[0] | {"coverage": 0.94}])


def test_some_measures_are_off_their_level_somewhere():
    """Else the figures are missing, and the check above would pass over nothing."""
    assert sum("coverage" in row for row in SIMULATED) > 60
