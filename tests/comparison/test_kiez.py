"""kiez: skewness of neighbour counts, and the share of rows that nobody counts."""

import importlib

import pytest

from isthmus.measures import hubness


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_hubness(compare, oracle, spaces, hollow, metric):
    hollow("kiez")  # the package asks for a registry of classes
    score = importlib.import_module("kiez.analysis.estimation").hubness_score
    x = spaces[0]
    found, ours = score(oracle.neighbours(x, 10, metric), 60), hubness(x, metric=metric)
    compare.same(
        f"hubness, {metric}", 'hubness_score()["k_skewness"]', theirs=found["k_skewness"],
        ours=ours, oracle=oracle.hubness(x, 10, metric), equation="Radovanović 2010",
    )  # fmt: skip
    assert found["antihub_occurrence"] == ours.parts["anti_hubs"]
