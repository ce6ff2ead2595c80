"""TorchDR: shared neighbours over k."""

import torchdr

from isthmus.measures import mutual_knn


def test_neighbours(compare, oracle, spaces):
    compare.same(
        "mutual_knn, euclidean", "neighborhood_preservation",
        ours=mutual_knn(*spaces, metric="euclidean"),
        theirs=torchdr.neighborhood_preservation(*spaces, K=10),
        oracle=oracle.mutual_knn(*spaces, 10), equation="overlap over k",
    )  # fmt: skip
