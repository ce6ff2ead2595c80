"""Symptoms: what is held against a space starts at its limit, no earlier, and names the rows."""

import numpy as np
import pytest

import isthmus
from isthmus.core.moments import Moments
from isthmus.core.score import Score
from isthmus.measures import symptoms
from isthmus.measures.survey import Survey, survey
from isthmus.measures.symptoms import K


def surveyed(n=100, d=8, **more):
    """A survey of nothing wrong."""
    usual = {
        "norms": np.linspace(1, 2, n), "keys": np.arange(n, dtype=np.uint64),
        "sketch": np.zeros((n, 8), np.float32), "mean": np.zeros(d), "sd": np.ones(d),
        "constant": np.zeros(d, bool), "share": np.full(d, 1 / d),
    }  # fmt: skip
    return Survey(unit_rows=False, unit=1.0, **{**usual, **more})


def score(value, **parts):
    return Score(value=value, method="a", n=100, parts=parts)


def at(d, **values):
    out = np.ones(d)
    for place, value in values.items():
        out[int(place[1:])] = value
    return out


def spheres(d=16, n=400, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def test_a_healthy_survey_says_nothing():
    assert symptoms.dimensions(surveyed()) == []
    assert symptoms.lengths(surveyed(), isthmus.open(spheres(n=100)), "cosine") == []


def test_dead_is_below_a_thousandth_of_the_median_of_those_that_vary():
    constant = np.arange(8) == 5
    sd = at(8, _2=0.9e-3, _3=1.1e-3, _5=0.0, _0=1e9)
    (found,) = symptoms.dimensions(surveyed(sd=sd, constant=constant))
    assert (found.name, found.dims, found.count) == ("dead_dimensions", (2, 5), 2)
    assert found.figures == {"constant": 1}
    assert found.says == (
        "2 of 8 dimensions are dead: 1 never change, 1 by less than a thousandth of the others"
    )


def test_where_nothing_varies_no_dimension_is_dead():
    assert symptoms.dimensions(surveyed(sd=np.zeros(8), constant=np.ones(8, bool))) == []


@pytest.mark.parametrize(
    ("d", "share", "rogue"),
    [(100, 0.21, True), (100, 0.19, False), (10, 0.49, False), (10, 0.51, True), (4, 1.0, False)],
)
def test_rogue_is_a_fifth_of_the_length_and_five_times_an_even_share(d, share, rogue):
    shares = np.full(d, (1 - share) / (d - 1))
    shares[3] = share
    found = symptoms.dimensions(surveyed(d=d, share=shares))
    assert [(one.name, one.dims) for one in found] == [("rogue_dimensions", (3,))] * rogue


@pytest.mark.parametrize(
    ("mean", "severity"), [(9.9, None), (-10.1, "notable"), (99, "notable"), (-101, "harmful")]
)
def test_far_is_ten_deviations_and_harm_a_hundred(mean, severity):
    found = symptoms.dimensions(surveyed(mean=at(8, _1=mean)))
    assert [(one.name, one.dims, one.severity) for one in found] == (
        [("offset", (1,), severity)] if severity else []
    )
    # A dead dimension is dropped and not centred.
    dead = surveyed(mean=at(8, _1=mean), sd=at(8, _1=1e-4))
    assert [one.name for one in symptoms.dimensions(dead)] == ["dead_dimensions"]


@pytest.mark.parametrize(
    ("cosine", "severity"), [(0.74, None), (0.75, "notable"), (0.9, "notable"), (0.91, "harmful")]
)
def test_a_common_direction_starts_at_three_quarters(cosine, severity):
    found = symptoms.common({"mean cosine": score(cosine, drift=0.5)})
    assert [one.severity for one in found] == ([severity] if severity else [])
    assert all(one.figures == {"mean_cosine": cosine, "drift": 0.5} for one in found)
    assert symptoms.common({}) == []


def test_equal_directions_leave_nothing_and_not_less():
    (found,) = symptoms.common({"mean cosine": score(1 + 2e-16)})
    assert "which leaves 0.00 to tell" in found.says


@pytest.mark.parametrize(
    ("skew", "severity"), [(4.9, None), (5.0, "notable"), (10.0, "notable"), (10.1, "harmful")]
)
def test_hubs_are_in_ten_times_the_lists_of_the_mean_row(skew, severity):
    counts = np.array([99, 300, 0, 100, 300, 5])
    ids = np.array(list("abcdef"))
    found = symptoms.hubs(score(skew, counts=counts, anti_hubs=0.25, level=0.5), ids)
    # Of level neighbours the first rows are hubs, which says nothing.
    (instead,) = symptoms.hubs(score(skew, counts=counts, anti_hubs=0.25, level=0.6), ids)
    assert (instead.name, instead.severity, instead.count) == ("level_neighbours", "notable", 4)
    assert [one.severity for one in found] == ([severity] if severity else [])
    if found:
        assert found[0].ids == ("b", "e", "d")  # the largest first, ties by row
        assert found[0].says == (
            "3 hubs among the 10 nearest of 100 rows or more, the first of 300; "
            "25% of rows are never found"
        )


def test_clumps_are_more_rows_than_two_neighbourhoods_hold():
    for low in (2 * K, 2 * K + 1):
        local = np.full(200, 10.0)
        local[:low] = np.linspace(1.9, 0.1, low)
        local[-1], local[-2] = 2.0, 0.0  # at the limit; not known
        found = symptoms.clumps(local, np.arange(200))
        assert len(found) == (low > 2 * K)
    assert found[0].ids == tuple(range(low))[::-1]
    assert found[0].figures == {"typical_dimension": 10.0, "share": low / 200}
    assert symptoms.clumps(np.zeros(50), np.arange(50)) == []


def seen_spectrum(x, rows=None, rank=None):
    space = isthmus.open(x)
    sample = x if rows is None else x[rows]
    facts = {} if rank is None else {"effective rank": score(rank)}
    scatter = Moments.of(sample).scatter_xx
    return symptoms.spectrum(scatter, len(sample), survey(space, unit_rows=False), facts)


def test_directions_are_counted_whatever_their_units():
    x = spheres()
    assert seen_spectrum(x) == []
    assert seen_spectrum(x * np.geomspace(1, 1e-6, 16)) == []
    x[:, 15] = x[:, 0] - x[:, 1]
    x[:, 14] = 3 * x[:, 2]
    (found,) = seen_spectrum(x)
    assert (found.name, found.count, found.says) == (
        "empty_directions", 2, "All vectors lie in 14 of 16 directions",
    )  # fmt: skip
    assert seen_spectrum(x[:31]) == []  # fewer than twice as many rows


def test_constant_columns_are_dead_and_not_empty():
    x = spheres()
    x[:, 3], x[:, 9] = 0.1, -7.3
    assert seen_spectrum(x) == []
    x[:, 1] = x[:, 0]
    (found,) = seen_spectrum(x)
    assert found.says == "All vectors lie in 13 of 16 directions"


def test_a_column_that_varies_outside_the_sample_is_not_empty():
    x = spheres()
    x[:, 3] = 0.0
    x[399, 3] = 1.0
    assert seen_spectrum(x, rows=slice(0, 200)) == []
    x[:, 1] = x[:, 0]
    assert "in 15 of 16 directions" in seen_spectrum(x, rows=slice(0, 200))[0].says


def test_a_collapse_is_told_instead_of_empty_directions():
    x = spheres()
    x[:, 1] = x[:, 0]
    for rank, name in ((0.79, "collapse"), (0.81, "empty_directions")):
        (found,) = seen_spectrum(x, rank=rank)
        assert found.name == name
        assert found.figures == {"filled": 15.0, "effective_rank": rank}


def norms_found(norms, compared="cosine"):
    space = isthmus.open(np.ones((len(norms), 2)), ids=[f"i{i}" for i in range(len(norms))])
    return symptoms.lengths(surveyed(n=len(norms), norms=np.asarray(norms)), space, compared)


@pytest.mark.parametrize(
    ("factor", "odd"), [(2.9, False), (3.1, True), (1 / 9.9, False), (1 / 10.1, True)]
)
def test_odd_norms_are_three_times_longer_or_ten_times_shorter(factor, odd):
    norms = 5 * np.exp(np.linspace(-0.1, 0.1, 201))
    norms[7] = 5 * factor
    found = norms_found(norms)
    assert [(one.name, one.ids) for one in found] == [("norm_outliers", ("i7",))] * odd
    # The middle of 201 has moved by half a step of the ladder.
    assert all(one.figures["worst"] == pytest.approx(factor, rel=2e-3) for one in found)


@pytest.mark.parametrize(("factor", "odd"), [(1.04, False), (1.06, True), (1 / 1.06, True)])
def test_among_equal_norms_a_twentieth_is_odd(factor, odd):
    norms = np.ones(300)
    norms[[4, 9]] = factor
    assert [one.ids for one in norms_found(norms)] == [("i4", "i9")] * odd


def test_odd_needs_eight_deviations_and_the_oddest_comes_first():
    off = np.random.default_rng(0).normal(size=2000)
    off[0], off[1], off[2] = 9, -11, 7
    (found,) = norms_found(np.exp(off))
    assert found.ids == ("i1", "i0")
    assert found.figures["worst"] == pytest.approx(np.exp(-11 - np.median(off)))


def test_zero_and_broken_rows_are_left_out_of_norms_but_keep_their_numbers():
    norms = np.ones(300)
    norms[:4] = 0, np.nan, np.inf, 7
    assert norms_found(norms)[0].ids == ("i3",)
    # Of fewer than 20 nothing is said.
    assert norms_found(norms[:22]) == []
    assert norms_found(norms[:23]) != []


@pytest.mark.parametrize(("ratio", "told"), [(3.9, False), (4.1, True)])
def test_uneven_norms_matter_to_inner_products_alone(ratio, told):
    norms = np.r_[np.ones(100), np.full(100, ratio)]
    assert norms_found(norms) == norms_found(norms, "euclidean") == []
    found = norms_found(norms, "inner")
    assert [(one.name, one.figures["ratio"]) for one in found] == (
        [("norm_spread", pytest.approx(ratio))] if told else []
    )


def test_repeats_are_harmful_from_one_percent():
    for n, severity in ((200, "notable"), (198, "harmful")):
        x = spheres(n=n)
        x[[50, 60]] = x[[3, 3]]
        found = survey(isthmus.open(x), unit_rows=False)
        (one,) = symptoms.repeats(isthmus.open(x), found, x, {}, 1.0)
        assert (one.severity, one.ids, one.twins) == (severity, (50, 60), (3, 3))
        assert one.says == "2 rows repeating an earlier vector"


def test_near_is_a_tenth_of_the_typical_nearest_distance():
    x = spheres(d=12, n=300)
    gaps = np.linalg.norm(x[:, None] - x[None], axis=2) + np.diag(np.full(300, np.inf))
    typical = np.median(gaps.min(axis=1))
    x[200] = x[10] + 0.09 * typical * np.eye(12)[0]
    x[201] = x[11] + 0.12 * typical * np.eye(12)[0]
    space = isthmus.open(x)
    facts = {"TwoNN dimension": score(12.0)}
    for scale in (1.0, 4.0):
        (one,) = symptoms.repeats(space, survey(space, unit_rows=False), x / scale, facts, scale)
        assert (one.name, one.ids, one.twins) == ("near_repeats", (200,), (10,))
        assert one.figures["within"] == pytest.approx(0.1 * one.figures["typical_nearest"])
    # In 4 dimensions rows come that near by chance: 0.083 is asked for, (0.01 / 300 log 2)^(1/4).
    facts = {"TwoNN dimension": score(4.0)}
    assert symptoms.repeats(space, survey(space, unit_rows=False), x, facts, 1.0) == []
    x[200] = x[10] + 0.08 * typical * np.eye(12)[0]
    space = isthmus.open(x)
    (one,) = symptoms.repeats(space, survey(space, unit_rows=False), x, facts, 1.0)
    assert one.figures["within"] == pytest.approx(0.0833 * typical, rel=0.02)


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (np.ones((1, 9)), "1 different vector of 9 dimensions is too few"),
        (np.ones((30, 9)), "1 different vector of 9 dimensions is too few"),
        (np.eye(9), "9 different vectors of 9 dimensions are too few"),
    ],
)
def test_equal_rows_are_one_vector_and_not_none(x, told):
    assert told in isthmus.doctor(x).mixture
