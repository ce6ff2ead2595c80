import json
from importlib import import_module

import numpy as np
import pytest
from scipy.stats import t

from isthmus.core.card import Paper
from isthmus.core.errors import InputError
from isthmus.evidence import Evidence, Figure, reproduce, slugs
from isthmus.evidence.experiment import over_seeds, paper_file, recorded, seeds_from

PAPER = Paper("A title", "Someone", 2000)


def figure(value=1.0, **bounds):
    return Figure(what="a number", value=value, n=3, seeds=(0, 1), **bounds)


def evidence(**figures):
    return recorded(
        "a-slug", PAPER, "It is so.", seed=0, started=0.0, figures=figures, what_holds="This."
    )


@pytest.mark.parametrize(
    ("bounds", "met"),
    [
        ({"at_least": 1.0}, True),
        ({"at_least": 1.1}, False),
        ({"at_most": 1.0}, True),
        ({"at_most": 0.9}, False),
        ({"ci": (0.8, 1.2), "at_least": 0.9}, False),
        ({"ci": (0.8, 1.2), "at_least": 0.8}, True),
        ({"ci": (0.8, 1.2), "at_most": 1.1}, False),
        ({"at_least": 0.0, "at_most": 0.5}, False),
    ],
)
def test_a_bound_is_met_only_by_the_whole_interval(bounds, met):
    assert figure(**bounds).met is met


def test_nan_meets_no_bound():
    assert not figure(float("nan"), at_least=0.0).met
    assert not figure(float("nan"), at_most=0.0).met


def test_holds_needs_every_bound_and_at_least_one():
    good, bad = figure(at_least=0.0), figure(at_least=2.0)
    assert evidence(a=good, b=figure()).holds
    assert not evidence(a=good, b=bad).holds
    assert not evidence(a=figure()).holds


def test_over_seeds_gives_the_student_interval():
    values = [0.2, 0.5, 0.9]
    made = over_seeds("x", values, n=7, seeds=(1, 2, 3))
    half = t.ppf(0.975, 2) * np.std(values, ddof=1) / np.sqrt(3)
    assert made.value == pytest.approx(np.mean(values))
    assert made.ci == pytest.approx((np.mean(values) - half, np.mean(values) + half))


def test_interval_covers_the_mean_in_95_of_100_repetitions():
    rng = np.random.default_rng(0)
    intervals = [
        over_seeds("x", list(rng.normal(3, 1, 5)), n=1, seeds=range(5)).ci for _ in range(1000)
    ]
    assert 0.93 < np.mean([low <= 3 <= high for low, high in intervals]) < 0.97


@pytest.mark.parametrize("values", [[1.0], [], [1.0, 2.0, 3.0]])
def test_over_seeds_refuses_what_has_no_interval(values):
    with pytest.raises(InputError, match="at least two seeds"):
        over_seeds("x", values, n=1, seeds=(0, 1)[: len(values)])


def test_seeds_are_reproducible_distinct_and_fit_every_library():
    assert seeds_from(0, 10) == seeds_from(0, 10)
    assert seeds_from(0, 10)[:5] == seeds_from(0, 5)
    drawn = {s for seed in range(20) for s in seeds_from(seed, 10)}
    assert len(drawn) == 200
    assert max(drawn) < 2**32


def test_record_is_plain_json_with_its_verdicts():
    record = evidence(a=figure(at_least=2.0), b=figure(float("nan")), c=figure(ci=(0.0, 2.0)))
    data = json.loads(json.dumps(record.as_dict(), allow_nan=False))
    assert data["holds"] is False
    assert data["figures"]["a"]["met"] is False
    assert data["figures"]["b"]["value"] is None
    assert data["figures"]["c"]["met"] is None
    assert data["figures"]["c"]["ci"] == [0.0, 2.0]
    assert data["command"] == "isthmus reproduce a-slug"


def test_text_names_what_failed_even_among_many_bounds():
    many = {str(i): figure(at_least=0.0) for i in range(20)}
    record = recorded(
        "a-slug", PAPER, "It is so.", seed=3, started=0.0, what_holds="This.",
        figures={**many, "bad": figure(7.5, at_most=2.0)}, table=[["a", "b"], ["1", "2"]],
    )  # fmt: skip
    text = str(record)
    assert "DOES NOT HOLD" in text
    assert "20 of 21 bounds met" in text
    assert "7.5, must be at most 2: NOT MET" in text
    assert text.count("must be") == 1
    assert "isthmus reproduce a-slug --seed 3" in text


def test_every_file_is_infrastructure_or_complete_evidence():
    for slug in slugs():
        module = paper_file(slug)
        assert slug == module.SLUG
        assert isinstance(module.PAPER, Paper)
        assert module.CLAIM.endswith(".")
        assert callable(module.run)


def test_listing_imports_no_evidence(monkeypatch):
    called = []
    monkeypatch.setattr(
        "isthmus.evidence.experiment.import_module",
        lambda name: called.append(name) or import_module(name),
    )
    assert {"relrep", "alignment-and-uniformity", "shape-distance-estimators"} <= set(slugs())
    assert called == ["isthmus.evidence"]


def test_unknown_slug_names_the_known_ones():
    with pytest.raises(InputError, match="relrep"):
        reproduce("no-such-paper")


def test_reproduce_passes_the_seed_on(monkeypatch):
    def run(*, seed):
        return evidence(a=figure(float(seed), at_least=5.0))

    monkeypatch.setattr(paper_file("relrep"), "run", run)
    assert isinstance(reproduce("relrep"), Evidence)
    assert not reproduce("relrep").holds
    assert reproduce("relrep", seed=5).holds
