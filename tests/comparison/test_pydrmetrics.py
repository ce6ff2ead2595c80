"""pyDRMetrics: co-ranking that divides by one row too few and counts ranks from 0."""

import pytest
from pyDRMetrics.coranking_matrix import coranking_matrix, coranking_matrix_metrics, ranking_matrix
from scipy.spatial.distance import cdist

from isthmus.measures import continuity, mutual_knn, r_nx_auc, trustworthiness


def found(spaces):
    ranks = [ranking_matrix(cdist(a, a)) for a in spaces]
    return coranking_matrix_metrics(coranking_matrix(*ranks))


def test_neighbours_kept(compare, oracle, spaces):
    _, _, kept, area, *_ = found(spaces)
    right = oracle.neighbours_kept(*spaces)
    compare.differs(
        "mutual_knn, euclidean", "coranking_matrix_metrics, QNN at K = 10", theirs=kept[9],
        ours=mutual_knn(*spaces, metric="euclidean"), oracle=right[9],
        equation="overlap over k", explained=right[9] * 60 / 59,
        why="The neighbours kept by all n rows are divided by n - 1 rows, so that a space reads "
        "1.017 against itself.",
    )  # fmt: skip
    assert found([spaces[0]] * 2)[2][9] == pytest.approx(60 / 59)
    compare.differs(
        "r_nx_auc", "coranking_matrix_metrics, AUC", theirs=area, ours=r_nx_auc(*spaces),
        oracle=oracle.r_nx_auc(*spaces), equation="Lee 2015", right="both",
        explained=right.mean() * 60 / 59,
        why="The mean of the share kept over all K alike, chance included, so that unrelated "
        "spaces read 1/2 and large neighbourhoods decide; over n - 1 rows, too.",
    )  # fmt: skip


def test_ranks_from_nought(compare, oracle, spaces):
    x, y = spaces
    n, k = len(x), 10
    kept = oracle.mutual_knn(x, y, k)

    def theirs(a, b):
        """Each rank one too near, and divided by another number."""
        excess = (1 - oracle.trustworthiness(a, b, k)) * n * k * (2 * n - 3 * k - 1) / 2
        return 1 - (excess - n * k * (1 - kept)) / ((k + 1) * (n - 1) * (n - 2 - k))

    trust, hold, *_ = found(spaces)
    for name, value, measure, pair in (
        ("T", trust, trustworthiness, (x, y)), ("C", hold, continuity, (y, x)),
    ):  # fmt: skip
        compare.differs(
            measure.__name__, f"coranking_matrix_metrics, {name} at K = 10", theirs=value[k],
            ours=measure(x, y, k=k),
            oracle=oracle.trustworthiness(*pair, k), equation="Venna & Kaski 2001",
            explained=theirs(*pair),
            why="Ranks beyond K are counted from 0 where the first is 1, and the sum is divided "
            "by (K + 1) (n - 1) (n - 2 - K), not by its largest value: here the worst there can "
            "be reads 0.16, not 0.",
        )  # fmt: skip
