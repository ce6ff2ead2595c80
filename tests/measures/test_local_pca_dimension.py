import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.core.registry import ROUGH
from isthmus.measures import local_pca_dimension


def oracle(x, k, share):
    counts = []
    for row in x:
        near = np.argsort(np.linalg.norm(x - row, axis=1))[: k + 1]
        values = np.linalg.eigvalsh(np.cov(x[near].T))
        counts.append(np.sum(values > share * values.max()))
    return np.array(counts)


@pytest.mark.parametrize(("k", "share"), [(30, 0.05), (8, 0.3)])
def test_equals_the_counts_written_out(k, share):
    x = np.random.default_rng(0).normal(size=(90, 5)) * [1, 1, 0.5, 0.3, 0.1]
    score, counts = local_pca_dimension(x, k=k, share=share), oracle(x, k, share)
    np.testing.assert_array_equal(score.parts["local_dimension"], counts)
    assert score.value == counts.mean()


def test_noise_below_the_share_is_not_counted():
    rng = np.random.default_rng(1)
    sheet = np.column_stack([rng.uniform(size=(800, 2)), 0.005 * rng.normal(size=(800, 5))])
    assert local_pca_dimension(sheet).value == pytest.approx(2, abs=0.1)
    assert local_pca_dimension(sheet, share=0.001).value > 6


def test_more_dimensions_than_neighbours_are_warned_about():
    x = np.random.default_rng(2).normal(size=(200, 40))
    score = local_pca_dimension(x)
    assert score.value < 30
    assert "reads low" in score.warnings[0]
    assert all(text.endswith(ROUGH) for text in local_pca_dimension(x[:, :3]).warnings)


def test_duplicates_are_removed_and_read_alike():
    x = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    score = local_pca_dimension(np.vstack([x, x[:10]]))
    assert score.n == 60
    assert score.warnings[0] == "10 duplicate rows removed"
    local = score.parts["local_dimension"]
    np.testing.assert_array_equal(local[60:], local[:10])


def test_bad_input():
    x = np.random.default_rng(0).normal(size=(40, 3))
    with pytest.raises(InputError, match="local_pca_dimension: got 31 rows"):
        local_pca_dimension(x[:31])
    for options in ({"k": 1}, {"share": 0.0}, {"share": 1.0}):
        with pytest.raises(InputError, match="local_pca_dimension"):
            local_pca_dimension(x, **options)
