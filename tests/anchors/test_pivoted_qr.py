import numpy as np

from isthmus.anchors import pivoted_qr


def test_equals_lapack(rows):
    from scipy.linalg import qr

    found = pivoted_qr(rows, 12, rng=0)
    # LAPACK starts where it likes; here the first pivot is drawn, so it is taken off first.
    first = rows[found[0]]
    rest = rows - np.outer(rows @ first, first)
    expected = qr(rest.T, pivoting=True, mode="r")[1][:11]
    np.testing.assert_array_equal(found[1:], expected)


def test_a_new_block_begins_when_the_span_is_full(rows):
    found = pivoted_qr(rows, 24, rng=0)
    for block in (found[:12], found[12:]):
        assert np.linalg.matrix_rank(rows[block]) == 12
