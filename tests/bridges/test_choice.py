"""Choosing: honest ranks, the one-standard-error rule, and refusing shuffled rows."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest

from isthmus.bridges import Affine, Orthogonal
from isthmus.bridges.choice import (
    chance_mrr,
    check_relation,
    choose,
    forecast,
    pair_score,
)
from isthmus.bridges.shortlist import shortlist, with_few_pairs
from isthmus.core.errors import InputError, NoRelationFound
from isthmus.core.neighbors import partner_ranks


def test_chance_level_matches_shuffling():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 5))
    mean, deviation = chance_mrr(400)
    got = [(1 / partner_ranks(x, rng.normal(size=(400, 5)))).mean() for _ in range(20)]
    assert np.mean(got) == pytest.approx(mean, abs=4 * deviation / np.sqrt(20 * 400))


def test_false_alarms_are_rare_and_true_relations_pass():
    rng = np.random.default_rng(2)
    for _ in range(30):
        ranks = 1 / rng.integers(1, 201, size=200)
        check_relation(pair_score(np.ones(200), 200), "test")
        with pytest.raises(NoRelationFound, match="No relation found"):
            check_relation(pair_score(ranks, 200), "test")


def test_the_simplest_within_one_standard_error_wins(turned):
    x, y, _ = turned
    y = y + 0.1 * np.random.default_rng(3).normal(size=y.shape)
    choice = choose(x, y)
    assert choice.chosen == "orthogonal"
    assert [row.name for row in choice.rows] == [name for name, _ in shortlist(300, (6, 6))]
    assert sum(row.chosen for row in choice.rows) == 1
    assert "orthogonal" in choice.reason
    json.dumps(choice.as_dict())


def test_a_clearly_better_method_beats_a_simpler_one():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(600, 6))
    y = x @ (rng.normal(size=(6, 6)) * np.geomspace(10, 0.1, 6)) + 0.01 * rng.normal(size=(600, 6))
    choice = choose(x, y, among=[("orthogonal", Orthogonal()), ("affine", Affine())])
    assert choice.chosen == "affine"
    assert choice.rows[0].lead.ci[1] < 0


@pytest.mark.parametrize("n", [12, 60, 700])
def test_shuffled_rows_are_refused(turned, n):
    x = np.random.default_rng(5).normal(size=(n, 6))
    y = np.random.default_rng(6).normal(size=(n, 6))
    with pytest.raises(NoRelationFound, match="really are the same item"):
        choose(x, y)


def test_few_pairs_are_enough_for_an_obvious_relation(turned):
    x, y, _ = turned
    assert choose(x[:20], y[:20]).chosen == "orthogonal"
    with pytest.raises(InputError, match="at least 10"):
        choose(x[:9], y[:9])


def test_the_table_fits_80_columns(turned):
    x, y, _ = turned
    assert max(map(len, str(choose(x, y)).splitlines())) <= 80


def test_a_budget_leaves_out_what_would_take_longer(turned, monkeypatch):
    x, y, _ = turned

    class Slow(Affine):
        def fit(self, X, y, *, pairs=None):
            clock[0] += len(X) / 10  # seconds
            return super().fit(X, y, pairs=pairs)

    Slow.card = Affine.card
    clock = [0.0]
    monkeypatch.setattr("isthmus.bridges.choice.time.perf_counter", lambda: clock[0])
    among = [("orthogonal", Orthogonal()), ("slow", Slow()), ("affine", Affine())]
    choice = choose(x, y, among=among, budget=60)
    assert [row.name for row in choice.rows] == ["orthogonal", "affine"]
    (name, seconds) = choice.skipped[0]
    assert name == "slow"
    # Five folds and the last fit, each of about 300 rows.
    assert seconds == pytest.approx(6 * 30, rel=0.05)
    assert "slow       not tried: about 1" in str(choice)
    with_none = choose(x, y, among=among[1:], budget=1e-3)  # all spent by the first
    assert with_none.skipped == (("affine", None),)
    assert "affine not tried: no time left" in str(with_none)
    assert choose(x, y, among=among, budget=1000).rows[1].name == "slow"


@pytest.mark.parametrize(
    ("cost", "power", "growth"),
    # As the card says; faster than it allows; faster, as its m allows; slower, as small parts are.
    [("n^2 d + n d", 2, 16), ("n d^2 + d^3", 2, 4), ("n d m + n m^2", 3, 64), ("n^2", 0.5, 16)],
)
def test_a_forecast_grows_as_measured_within_what_the_card_says(
    turned, monkeypatch, cost, power, growth
):
    x, y, _ = turned
    sizes = []

    class Timed(Orthogonal):
        def fit(self, X, y, *, pairs=None):
            sizes.append(len(X))
            clock[0] += (len(X) / 75) ** power  # seconds
            return super().fit(X, y)

    Timed.card = replace(Orthogonal.card, cost=cost)
    clock = [0.0]
    monkeypatch.setattr("isthmus.bridges.choice.time.perf_counter", lambda: clock[0])
    found = forecast(Timed(), x, y, (x[:0], y[:0]), budget=100.0)
    # From a quarter of the rows, which takes a second; 300 rows are four times as many.
    assert sizes == [10, 10, 18, 37, 75]
    assert found == pytest.approx(growth)
    sizes.clear()
    forecast(Timed(), x, y, (x[:0], y[:0]), budget=1e-6)
    assert len(sizes) == 2  # the forecast itself may not take long either


def test_what_only_the_first_call_takes_is_not_forecast(turned, monkeypatch):
    x, y, _ = turned

    class Imports(Affine):
        def fit(self, X, y, *, pairs=None):
            clock[0] += len(X) / 100 + (0 if calls else 200)  # seconds
            calls.append(len(X))
            return super().fit(X, y)

    Imports.card = replace(Affine.card, cost="n d^2")
    calls, clock = [], [0.0]
    monkeypatch.setattr("isthmus.bridges.choice.time.perf_counter", lambda: clock[0])
    found = forecast(Imports(), x, y, (x[:0], y[:0]), budget=100.0)
    assert found == pytest.approx(3)
    assert min(calls) == calls[0]  # on no more rows than need be


def test_a_small_budget_is_kept_on_the_real_clock():
    rng = np.random.default_rng(7)
    x = rng.normal(size=(6000, 96)) * np.geomspace(3, 0.1, 96)
    y = x @ np.linalg.qr(rng.normal(size=(96, 96)))[0] + 0.3 * rng.normal(size=x.shape)
    began = time.perf_counter()
    choice = choose(x[:2000], y[:2000], unpaired=(x[2000:], y[2000:]), budget=2.0)
    # Self-learning on 6,000 rows takes longer; ten times the budget, for other processes.
    assert time.perf_counter() - began < 20
    assert "self_learning" in dict(choice.skipped)


def test_rows_without_partner_go_to_those_that_read_them(turned):
    x, y, _ = turned
    seen = []

    class Some(Orthogonal):
        def fit(self, X, y, *, pairs=None):
            seen.append((len(X), len(y), len(pairs[0])))
            return super().fit(X, y, pairs=pairs)

    Some.card = replace(Orthogonal.card, pairs="some")
    among = [("orthogonal", Orthogonal()), ("some", Some())]
    choose(x[:100], y[:100], among=among, unpaired=(x[100:150], y[200:]))
    assert seen == [(130, 180, 80)] * 5


def test_the_shortlist_follows_the_data():
    def names(*given, **more):
        return [name for name, _ in shortlist(*given, **more)]

    closed = ["orthogonal", "canonical", "low_rank", "affine", "relative"]
    assert names(400, (64, 64)) == closed
    assert names(100, (64, 32)) == [*closed, "kernel_ridge"]
    assert names(600, (32, 64)) == [*closed, "local_mixture", "residual_mlp"]
    assert names(100, (64, 64), unpaired=5000)[-1] == "self_learning"
    assert with_few_pairs(0, unpaired=50) == ("unpaired",)
    assert with_few_pairs(5, unpaired=5000)[0] == "self_learning"
    assert with_few_pairs(5, unpaired=0) == ("kernel_ridge",)
