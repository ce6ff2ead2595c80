"""dcor: distance correlation and energy, biased and not, as the papers have them."""

import dcor

from isthmus.measures import distance_correlation, energy_distance


def test_distance_correlation(compare, oracle, spaces):
    known = {
        "ours": distance_correlation(*spaces), "oracle": oracle.distance_correlation(*spaces),
        "equation": "Székely & Rizzo 2013",
    }  # fmt: skip
    theirs = dcor.u_distance_correlation_sqr(*spaces)
    compare.same("distance_correlation", "u_distance_correlation_sqr", theirs=theirs, **known)
    compare.differs(
        "distance_correlation", "distance_correlation_sqr", right="both",
        theirs=dcor.distance_correlation_sqr(*spaces),
        explained=oracle.distance_correlation_biased(*spaces),
        why="The biased form, which nears 1 for unrelated spaces of many columns and few rows.",
        **known,
    )  # fmt: skip


def test_energy(compare, oracle, spaces):
    score = energy_distance(*spaces)
    compare.same(
        "energy_distance", 'energy_distance(estimation_stat="U")', ours=score,
        theirs=dcor.energy_distance(*spaces, estimation_stat="U"), oracle=oracle.energy(*spaces),
        equation="Székely & Rizzo 2013",
    )  # fmt: skip
    compare.same(
        "energy_distance, biased", "energy_distance", theirs=dcor.energy_distance(*spaces),
        ours=score.length**2, oracle=oracle.energy(*spaces, distinct=False),
        equation="Székely & Rizzo 2013",
    )  # fmt: skip
