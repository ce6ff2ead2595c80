import numpy as np

from isthmus.upgrade.cost import new_per_query, seconds_each, seconds_in_batch, vector_bytes


def test_candidates_met_before_are_not_embedded_again():
    assert new_per_query(np.array([[1, 2], [2, 1], [3, 1]])) == 1.0
    assert new_per_query(np.arange(6).reshape(3, 2)) == 2.0


def test_bytes_of_vectors():
    assert vector_bytes(1_000_000, 768) == 3_072_000_000


def test_a_query_is_timed_alone_and_a_batch_per_query():
    seen = []
    assert seconds_each(lambda row: seen.append(row.shape), np.zeros((5, 3))) >= 0
    assert set(seen) == {(1, 3)}
    seen.clear()
    assert seconds_in_batch(lambda rows: seen.append(rows.shape), np.zeros((500, 3))) >= 0
    assert set(seen) == {(64, 3)}
