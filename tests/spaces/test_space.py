import numpy as np
import pytest

import isthmus
from isthmus.core.errors import InputError

V = np.random.default_rng(0).standard_normal((20, 3))


def test_blocks_cover_every_row_once():
    space = isthmus.open(V, ids=[f"i{k}" for k in range(20)])
    for rows in (1, 7, 20, 100):
        blocks = list(space.blocks(rows=rows))
        assert [b.start for b in blocks] == list(range(0, 20, rows))
        np.testing.assert_array_equal(np.concatenate([b.vectors for b in blocks]), V)
        assert np.concatenate([b.ids for b in blocks]).tolist() == space.ids.tolist()
    part = list(space.blocks(rows=4, start=3, stop=9))
    assert [(b.start, len(b)) for b in part] == [(3, 4), (7, 2)]
    assert list(space.blocks(start=5, stop=5)) == []


@pytest.mark.parametrize(
    "wrong", [{"rows": 0}, {"start": -1}, {"stop": 21}, {"start": 5, "stop": 4}]
)
def test_refused_blocks(wrong):
    with pytest.raises(InputError, match="blocks"):
        list(isthmus.open(V).blocks(**wrong))


def test_take_by_number():
    space = isthmus.open(V, ids=np.arange(20) * 10)
    np.testing.assert_array_equal(space.take([3, 3, 0]), V[[3, 3, 0]])
    assert space.take_ids([3, 0]).tolist() == [30, 0]
    assert space.take([]).shape == (0, 3)
    for wrong in ([20], [-1]):
        with pytest.raises(InputError, match=r"row -?\d+"):
            space.take(wrong)


def test_duplicate_ids_are_named():
    space = isthmus.open(V[:4], ids=["a", "b", "a", "b"])
    with pytest.raises(InputError, match=r"2 rows that repeat an earlier id \(first: 'a', 'b'\)"):
        space.check_ids()
    isthmus.open(V).check_ids()
    isthmus.open(V, ids=range(20)).check_ids()
