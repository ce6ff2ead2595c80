"""What holds for every measure of the room beyond the public contract."""

import json
import re
import runpy
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from isthmus.core.arrays import to_numpy
from isthmus.core.errors import InputError
from isthmus.core.registry import Method, methods
from isthmus.core.score import Score

MINE = [m for m in methods("measures") if m.call.__module__.startswith("isthmus.")]
ROOM = [m for m in MINE if m.card.spaces]
PAIRED = [m for m in ROOM if m.card.spaces == 2 and m.card.paired]
TESTS = Path(__file__).parent
SIMULATED = json.loads(
    (TESTS.parents[1] / "benchmarks" / "results" / "calibration.json").read_text()
)["rows"]
#: What is simulated, and the name of the share of scores that warned.
WARNED = {"coverage": "warned", "size": "tests_warned"}
#: What a caveat may say of an interval or a test; ``verdict`` tells which.
VERDICTS = {
    "coverage": (
        "interval hardly ever covers", "interval covers too seldom", "interval covers too often",
    ),
    "size": ("test is conservative", "test rejects too often"),
}  # fmt: skip
#: Where a caveat may say that something is off.
PLACE = re.compile(r"at (?:every size|(\d+) rows|(\d+) rows of (\d+) dims|(\d+) dims)")


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


#: Values that one repeated point has by right, or that say themselves what it is.
OF_A_POINT = {
    "anisotropy": "1, its largest", "effective_rank": "1, its least", "vne": "0, its least",
    "knn_probe": "z = 0", "mig": "0, its least", "t_regs": "a loss, high where rows are equal",
    "energy_distance": "a point is a population too", "mmd": "a point is a population too",
    "modality_geometry": "modalities apart, each a point or not",
}  # fmt: skip

#: How the measures that take more than plain spaces are called, by name.
OTHERS = runpy.run_path(str(TESTS.parent / "contract" / "test_invariances.py"))


def of_learner(call, rng):
    x = rng.normal(size=(40, 3)) + 0.3

    def nearest(x, y, new):
        return y[np.linalg.norm(new[:, None] - x, axis=2).argmin(axis=1)]

    return [x], lambda x: call(nearest, x, np.tanh(x[:, 0])).value


ADAPTERS = OTHERS["ADAPTERS"] | {"learner_invariances": of_learner}
#: What float32 may cost them, relative to the largest number.
SINGLE = 1e-5


def handing(call, convert):
    """``call``, given all floating arrays in another kind, those that functions return too."""

    def other(one):
        if isinstance(one, np.ndarray) and one.dtype.kind == "f":
            return convert(one)
        if isinstance(one, list | tuple):
            return type(one)(other(part) for part in one)
        if isinstance(one, dict):
            return {key: other(part) for key, part in one.items()}
        if callable(one):
            return lambda *rows: other(one(*map(to_numpy, rows)))
        return one

    return lambda *given, **options: call(*map(other, given), **options)


def check_torch(m, adapter):
    """The numbers of NumPy float64, of torch float64 and of torch float32 are the same."""
    import torch

    found = []
    for convert in (np.asarray, torch.asarray, lambda a: torch.asarray(a, dtype=torch.float32)):
        spaces, numbers = adapter(handing(m.call, convert), np.random.default_rng(0))
        found.append(np.asarray(numbers(*spaces)))
    exact, size = found[0], max(float(np.abs(found[0]).max()), 1.0)
    for kind, after, room in zip(("float64", "float32"), found[1:], (1e-8, SINGLE), strict=True):
        gap = float(np.abs(after - exact).max()) / size
        assert gap <= room, f"{m.name} moves by {gap:.2g} on torch {kind}"


def test_only_what_takes_no_arrays_has_no_other_kind():
    assert set(OTHERS["OTHERS"]) - set(ADAPTERS) == {"cog_levels"}


@pytest.mark.parametrize("name", ADAPTERS)
def test_torch_gives_the_same_where_the_suite_does_not_reach(name):
    check_torch(OTHERS["OTHERS"][name], ADAPTERS[name])


@pytest.mark.parametrize("kind", ["float64", "float32"])
def test_an_answer_that_depends_on_the_kind_is_rejected(kind):
    def call(x, y):
        off = not isinstance(x, np.ndarray) and kind in str(x.dtype)
        return Score(value=float(to_numpy(x).sum()) + off, method="wrong", n=len(x))

    wrong = Method("measures", replace(ROOM[0].card, name="wrong"), call)
    with pytest.raises(AssertionError, match=f"wrong moves by .* on torch {kind}"):
        check_torch(wrong, OTHERS["of_targets"])


@pytest.mark.parametrize("m", PAIRED, ids=lambda m: m.name)
def test_one_pair_is_refused_with_its_shapes_and_a_cure(m):
    x, y = views()
    one = {key: value[:1] for key, value in given(m).items()}
    with pytest.raises(InputError, match=rf"^{m.name}: .*\(1, 6\)") as caught:
        m.call(x[:1], y[:1], **one)
    assert caught.value.cure


def first(one, n):
    """The first n rows of all that has rows."""
    if isinstance(one, np.ndarray):
        return one[:n] if one.ndim == 1 else one[..., :n, :]
    return [first(part, n) for part in one] if isinstance(one, list) else one


def with_nan(x):
    x = x.copy()
    x[..., 1, 0] = np.nan
    return x


#: What may be wrong with the rows (..., n, d) of a side.
SPOILED = {
    "equal": lambda x: np.repeat(x[..., :1, :], x.shape[-2], axis=-2),
    "nan": with_nan,
    "short": lambda x: x[..., :-1, :],
}
#: Those whose least rows are not those of the arrays that ``first`` cuts.
COUNTS_OTHERS = {
    "encoder_benchmark": "the tasks bring the rows", "layer_report": "sequences, not tokens",
}  # fmt: skip


def bad_calls(m):
    """What is wrong with a call of the measure, and the call."""
    if m.name in ADAPTERS:
        adapter, few = ADAPTERS[m.name], m.card.min_rows - 1

        def spoiled(spoil, call=m.call):
            spaces, numbers = adapter(call, np.random.default_rng(0))
            return numbers(*map(spoil, spaces))

        for what, spoil in SPOILED.items():
            yield what, partial(spoiled, spoil)
        if few and m.name not in COUNTS_OTHERS:

            def call(*given, **options):
                return m.call(*(first(one, few) for one in given), **options)

            yield "few", partial(spoiled, lambda x: x, call)
        return
    both, more, few = sides(m, *views()), given(m), m.card.min_rows - 1
    for what, spoil in SPOILED.items():
        yield what, partial(m.call, *map(spoil, both), **more)
        yield what, partial(m.call, spoil(both[0]), *both[1:], **more)
        yield what, partial(m.call, both[0], *map(spoil, both[1:]), **more)
    if few:
        fewer = {key: first(value, few) for key, value in more.items()}
        yield "few", partial(m.call, *(first(x, few) for x in both), **fewer)


def check_refusals(m):
    """NaN and too few rows are refused, the rest perhaps, with a count or shape and a cure."""
    refused = []
    for what, call in bad_calls(m):
        try:
            call()
        except InputError as error:
            refused.append((what, error))
    for _, error in refused:
        assert str(error).startswith(f"{m.name}: "), error
        assert re.search(r"\(\d+,|\d+ [a-z]", error.given), f"no shape in: {error}"
        assert error.cure, f"no cure in: {error}"
    taken = {what for what, _ in bad_calls(m)} - {what for what, _ in refused}
    assert not taken & {"nan", "few"}, f"{m.name} takes {taken}"


@pytest.mark.parametrize("m", [*ROOM, *map(OTHERS["OTHERS"].get, ADAPTERS)], ids=lambda m: m.name)
def test_refusals_name_the_measure_the_shapes_and_a_cure(m):
    check_refusals(m)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (("cka", "1 rows", "more", "Bring more."), "cka: got"),
        (("wrong", "rows all equal", "rows that vary", "Look at them."), "no shape in"),
        (("wrong", "1 rows", "more"), "no cure in"),
        ((), "wrong takes"),
    ],
)
def test_a_refusal_without_one_of_them_is_rejected(said, words):
    def call(x):
        if said:
            raise InputError(*said)

    wrong = Method("measures", replace(ROOM[0].card, name="wrong", spaces=1, given=()), call)
    with pytest.raises(AssertionError, match=words):
        check_refusals(wrong)


@pytest.mark.parametrize("m", ROOM, ids=lambda m: m.name)
def test_a_space_of_one_point_is_refused_or_said(m):
    x, _ = views()
    point = np.ones_like(x) * np.arange(1.0, 7.0)
    try:
        score = m.call(*sides(m, point, x), **given(m))
    except InputError as error:
        said = str(error).startswith(f"{m.name}: ")
    else:
        said = any("nominal level" not in warning for warning in score.warnings)
    assert said != (m.name in OF_A_POINT)


@pytest.mark.parametrize(
    ("name", "words"), [("cosine_audit", "rank 1"), ("reconstruction_map", "point one way")]
)
def test_a_point_beside_other_things_is_said(name, words):
    spaces, numbers = ADAPTERS[name](warned(OTHERS["OTHERS"][name].call), np.random.default_rng(0))
    assert words not in str(numbers(*spaces))
    assert words in str(numbers(*map(SPOILED["equal"], spaces)))


def warned(call):
    """``call`` with its warnings where adapters take the value."""
    return lambda *given: replace(call(*given), value=call(*given).warnings)


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


def verdict(kind, share):
    """What a caveat has to say of an interval or a test with this share of simulations, if any."""
    hardly, seldom, often = VERDICTS["coverage"]
    conservative, liberal = VERDICTS["size"]
    if kind == "coverage":
        return hardly if share < 0.1 else seldom if share < 0.93 else often if share > 0.97 else ""
    return conservative if share < 0.04 else liberal if share > 0.06 else ""


def admits(caveat, words, n, d):
    """Whether a caveat says ``words`` of n rows of d dims, as in

    "the interval covers too seldom at 50 rows and at 500 dims; the test is conservative at 500 rows
    of 20 dims".
    """
    places = [
        PLACE.fullmatch(place)
        for clause in re.findall(rf"{words} ([^.;]*)", caveat)
        for place in clause.split(" and ")
    ]
    return any(
        (found[1] or found[2]) in (None, str(n)) and (found[3] or found[4]) in (None, str(d))
        for found in places
        if found
    )


def unsaid(card, rows):
    """Cells of ``benchmarks/calibration.py`` where figures, card and scores do not say the same.

    A caveat that admits what no figure shows is as wrong as one that is silent.
    """
    found = []
    for row in rows:
        for kind, warned in WARNED.items():
            if kind not in row:
                continue
            cell = row["n"], row["d"]
            off = verdict(kind, row[kind])
            said = [words for words in VERDICTS[kind] if admits(card.caveat, words, *cell)]
            warns = row[warned] >= 0.99 or card.is_rough(*cell)
            if said != [off] * bool(off) or (off and not warns):
                found.append((kind, *cell, row[kind]))
    return found


@pytest.mark.parametrize("m", ROOM, ids=lambda m: m.name)
def test_intervals_and_tests_off_their_level_are_admitted(m):
    """By the card's caveat in words, and by a warning on the scores of that regime."""
    assert unsaid(m.card, [row for row in SIMULATED if row["method"] == m.name]) == []


def test_an_interval_off_its_level_cannot_hide():
    rows = [
        {"n": n, "d": d, "coverage": covers, "warned": 0.5, "size": size, "tests_warned": 0.0}
        for n, d, covers, size in ((50, 20, 0.88, 0.05), (500, 20, 0.95, 0.03))
    ]
    true = (
        "Rows are few. Simulated: the interval covers too seldom at 50 rows; the test is "
        "conservative at 500 rows of 20 dims."
    )
    card = replace(ROOM[0].card, caveat=true, rough=(1000, 0))
    assert not unsaid(card, rows)
    for wrong, where in (
        ("Rows are few; it is off.", [("coverage", 50, 20, 0.88), ("size", 500, 20, 0.03)]),
        (true.replace("interval", "value"), [("coverage", 50, 20, 0.88)]),  # names another thing
        (true.replace("test is", "test was"), [("size", 500, 20, 0.03)]),
        (true.replace("seldom", "often"), [("coverage", 50, 20, 0.88)]),  # the other way
        (true.replace("too seldom", "97 % or more"), [("coverage", 50, 20, 0.88)]),
        (true.replace(" at 50 rows", ""), [("coverage", 50, 20, 0.88)]),  # not where
        (true.replace("at 500 rows of 20", "at 500"), [("size", 500, 20, 0.03)]),
        (true.replace("at 50 rows;", "at every size;"), [("coverage", 500, 20, 0.95)]),  # stale
    ):
        assert unsaid(replace(card, caveat=wrong), rows) == where, wrong
    assert len(unsaid(replace(card, rough=None), rows)) == 2  # scores do not warn
    hardly = [rows[0] | {"coverage": 0.02}]
    assert unsaid(replace(card, caveat=true.partition(";")[0]), hardly)  # an understatement


def test_some_measures_are_off_their_level_somewhere():
    """Else the figures are missing, and the check above would pass over nothing."""
    assert sum("coverage" in row for row in SIMULATED) > 60
