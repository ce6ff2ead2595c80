import numpy as np

from isthmus.upgrade.reduced import forms

RNG = np.random.default_rng(0)
DOCUMENTS, QUERIES = RNG.normal(size=(50, 8)) * np.arange(1, 9) + 2, RNG.normal(size=(5, 8))


def test_each_form_keeps_what_its_bits_allow():
    prefix, int8, binary = forms(DOCUMENTS, QUERIES)
    assert (prefix.bits, int8.bits, binary.bits) == (4 * 32, 64, 8)
    np.testing.assert_array_equal(prefix.documents, DOCUMENTS[:, :4])
    np.testing.assert_array_equal(prefix.queries, QUERIES[:, :4])
    step = np.abs(DOCUMENTS).max(axis=0) / 127
    levels = int8.documents / step
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-9)
    assert np.abs(levels).max() <= 127 + 1e-9
    assert (np.abs(int8.documents - DOCUMENTS) <= step / 2 + 1e-12).all()
    assert set(np.unique(binary.documents)) == {-1.0, 1.0}
    assert ((binary.documents > 0) == (DOCUMENTS.mean(axis=0) < DOCUMENTS)).all()
    np.testing.assert_allclose(binary.queries, QUERIES - DOCUMENTS.mean(axis=0))


def test_a_column_of_zeros_and_a_single_column():
    zeros = np.zeros((4, 1))
    assert all(np.isfinite(form.documents).all() for form in forms(zeros, zeros))
    assert forms(zeros, zeros)[0].documents.shape == (4, 1)


def test_rows_in_half_precision_are_reduced_like_the_same_numbers_in_single():
    # A column whose largest entry is so small that its 127th part is no float16.
    documents = (DOCUMENTS * np.where(np.arange(8) == 3, 1e-7, 1)).astype(np.float16)
    queries = QUERIES.astype(np.float16)
    wide = forms(documents.astype(np.float32), queries.astype(np.float32))
    for form, wanted in zip(forms(documents, queries), wide, strict=True):
        np.testing.assert_array_equal(form.documents, wanted.documents)
        np.testing.assert_array_equal(form.queries, wanted.queries)
