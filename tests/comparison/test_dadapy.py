"""dadapy: the same dimension and imbalance; its "bootstrap" is no bootstrap."""

import dadapy
import numpy as np
from scipy.spatial.distance import cdist

from isthmus.measures import gride, information_imbalance, two_nn


def test_two_nn(compare, oracle, spaces):
    x = spaces[0]
    data = dadapy.Data(x, maxk=10, verbose=False)
    n = len(x)
    compare.same(
        "two_nn, discard=0", 'compute_id_2NN("ml", mu_fraction=1)', ours=two_nn(x, discard=0),
        theirs=data.compute_id_2NN(algorithm="ml", mu_fraction=1.0)[0],
        oracle=oracle.two_nn(x, 0), equation="Facco 2017, likelihood",
    )  # fmt: skip
    r = np.sort(cdist(x, x), axis=1)
    logs = np.sort(np.log(r[:, 2] / r[:, 1]))[: int(0.9 * n)]
    rise = -np.log(1 - np.arange(1, len(logs) + 1) / n)
    value, error, _ = data.compute_id_2NN()
    compare.differs(
        "two_nn", "compute_id_2NN()", theirs=value, ours=two_nn(x), oracle=oracle.two_nn(x, 0.1),
        equation="Facco 2017, likelihood", right="both", explained=logs @ rise / (logs @ logs),
        why="A least-squares line through the origin of the empirical distribution, as the paper "
        "draws it; its errors are correlated and uneven.",
    )  # fmt: skip
    # An error of exactly nothing when all rows are used, and none of an interval.
    assert error == 0.0
    assert two_nn(x).ci[0] < float(two_nn(x)) < two_nn(x).ci[1]


def test_gride(compare, oracle, spaces):
    x = spaces[0]
    ids, _, _ = dadapy.Data(x, maxk=20, verbose=False).return_id_scaling_gride(range_max=16)
    compare.differs(
        "gride", "return_id_scaling_gride, ranks 2 and 4", theirs=ids[1], ours=gride(x),
        oracle=oracle.gride(x, 2, 4), equation="Denti 2022, likelihood", right="both",
        explained=oracle.gride(x, 2, 4, fewer=1, cut=True),
        why="One row fewer counts in the term log d, as is unbiased at ranks 1 and 2 but not at "
        "others, and far ratios are left out; ours is the maximum of the likelihood.",
    )  # fmt: skip


def test_information_imbalance(compare, oracle, spaces):
    x, y = spaces
    both = dadapy.MetricComparisons(coordinates=np.hstack([x, y]), maxk=len(x) - 1)
    found = both.return_inf_imb_two_selected_coords(list(range(5)), list(range(5, 10)))
    for theirs, pair, name in ((found[0], (x, y), "x → y"), (found[1], (y, x), "y → x")):
        compare.same(
            "information_imbalance", f"return_inf_imb_two_selected_coords, {name}", theirs=theirs,
            ours=information_imbalance(*pair), oracle=oracle.information_imbalance(*pair),
            equation="Glielmo 2022",
        )  # fmt: skip
