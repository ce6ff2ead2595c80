"""TorchDR: shared neighbours over k; its accuracy of neighbours is no vote."""

import numpy as np
import torchdr

from isthmus.measures import knn_probe, mutual_knn


def test_neighbours(compare, oracle, spaces):
    compare.same(
        "mutual_knn, euclidean", "neighborhood_preservation",
        ours=mutual_knn(*spaces, metric="euclidean"),
        theirs=torchdr.neighborhood_preservation(*spaces, K=10),
        oracle=oracle.mutual_knn(*spaces, 10), equation="overlap over k",
    )  # fmt: skip


def test_labels(compare, oracle, spaces):
    x, y = spaces
    labels = (y[:, 0] > np.median(y[:, 0])).astype(int)
    near = labels[oracle.neighbours(x, 9)]
    compare.differs(
        "knn_probe, k=9", "knn_label_accuracy", ours=knn_probe(x, labels, k=9),
        theirs=torchdr.knn_label_accuracy(x, labels, k=9, backend=None),
        oracle=oracle.voted(x, labels, 9), equation="Cover & Hart 1967", right="both",
        explained=np.mean(near == labels[:, None]), tolerance=1e-5,
        why="The share of neighbours of the row's own class, where a classifier lets them vote.",
    )  # fmt: skip
