import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import isthmus
from isthmus.core.errors import FormatError

V = np.random.default_rng(0).standard_normal((30, 2))


def test_files_in_the_order_of_their_numbers(tmp_path):
    for part in (10, 2, 1):
        rows = slice(part, part + 5)
        table = pa.table({"id": range(part, part + 5), "v": list(V[rows])})
        pq.write_table(table, tmp_path / f"part-{part}.parquet")
    space = isthmus.open(tmp_path)
    assert space.ids.tolist() == [*range(1, 6), *range(2, 7), *range(10, 15)]
    np.testing.assert_array_equal(space.vectors(), V[space.ids])
    np.testing.assert_array_equal(space.take([14, 0]), V[[14, 1]])


@pytest.mark.parametrize("other", [{"id": [1], "v": [[1.0]]}, {"id": ["a"], "v": [[1.0, 2.0]]}])
def test_files_that_differ_are_refused(tmp_path, other):
    pq.write_table(pa.table({"id": [0], "v": [[1.0, 2.0]]}), tmp_path / "0.parquet")
    pq.write_table(pa.table(other), tmp_path / "1.parquet")
    with pytest.raises(FormatError, match="differ"):
        isthmus.open(tmp_path)
