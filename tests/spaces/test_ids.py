import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.errors import InputError
from isthmus.spaces import ids as module
from isthmus.spaces.columns import ArrayColumn, RangeColumn
from isthmus.spaces.ids import duplicates, hashed, join, normal

TEXTS = st.lists(st.text(max_size=20), min_size=1, max_size=30, unique=True)


def no_nul_at_end(texts):  # NumPy's fixed-width text cannot hold one
    return sorted({text.rstrip("\0") for text in texts})


@given(TEXTS)
@settings(max_examples=100, deadline=None)
def test_hash_depends_on_the_text_alone(texts):
    texts = no_nul_at_end([t for t in texts if t.isprintable()] or ["a"])
    together = hashed(np.array(texts), seed=3)
    objects = hashed(np.array(texts, dtype=object), seed=3)
    wide = hashed(np.array(texts, dtype="<U90"), seed=3)
    alone = [hashed(np.array([t]), seed=3)[0] for t in texts]
    assert together.tolist() == objects.tolist() == wide.tolist() == alone
    assert len(set(alone)) == len(texts)
    assert not set(alone) & set(hashed(np.array(texts), seed=4).tolist())


def test_hash_values_never_change():
    # Splits made by one version must be those of the next.
    assert hashed(np.array([0, 1, -1]), seed=0).tolist() == GOLDEN_INTS
    texts = np.array(["", "a", "été", "0123456789abcdef", "x" * 300], dtype=object)
    assert hashed(texts, seed=0).tolist() == GOLDEN_TEXTS


GOLDEN_INTS = [12035550249420947055, 627405149472732430, 3303439293501059696]
GOLDEN_TEXTS = [
    12035550249420947055,
    17106707319094771287,
    16561520778860562881,
    258490580942532625,
    2968081562499001139,
]


def test_hash_is_uniform():
    for ids in (np.arange(100_000), np.array([f"doc-{i}" for i in range(100_000)])):
        for seed in (0, 1):
            counts, _ = np.histogram(hashed(ids, seed=seed) / 2.0**64, bins=50, range=(0, 1))
            chi2 = ((counts - 2000) ** 2 / 2000).sum()
            assert 15 < chi2 < 100  # 49 degrees of freedom: both bounds beyond 1e-5


def test_seeds_are_independent():
    ids = np.array([str(i) for i in range(50_000)])
    a, b = (hashed(ids, seed=seed) / 2.0**64 for seed in (0, 1))
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.02


@pytest.mark.parametrize(
    ("given_ids", "expected"),
    [
        (np.array([1, 2], np.uint8), [1, 2]),
        (np.array([1, 2], ">i4"), [1, 2]),
        (np.array([7], np.uint64), [7]),
        (np.array([b"x", "é".encode()]), ["x", "é"]),
        (np.array(["x", "yy"], object), ["x", "yy"]),
    ],
)
def test_normal(given_ids, expected):
    got = normal(given_ids, where="t")
    assert got.tolist() == expected
    assert got.dtype == np.int64 or got.dtype.kind in "UO"


@pytest.mark.parametrize(
    "wrong",
    [
        np.array([1.5]),
        np.array([True]),
        np.array(["a", None], object),
        np.array(["a", 1], object),
        np.array([2**63], np.uint64),
        np.array([[1]]),
        np.array([b"\xff"]),
    ],
)
def test_normal_refuses(wrong):
    with pytest.raises(InputError):
        normal(wrong, where="t")


def test_lone_surrogates_are_a_typed_error():
    with pytest.raises(InputError, match="Unicode"):
        hashed(np.array(["\ud800"], object), seed=0)


@given(
    st.lists(st.integers(0, 40), max_size=40, unique=True),
    st.lists(st.integers(0, 40), max_size=40, unique=True),
    st.sampled_from([np.int64, str, object]),
)
@settings(max_examples=150, deadline=None)
def test_join_is_that_of_a_dict(a, b, kind):
    def column(values):
        values = values if kind is np.int64 else [f"id{v}" for v in values]
        return ArrayColumn(
            np.array(values, dtype=kind if values else (kind if kind is not str else "U4"))
        )

    place = {value: row for row, value in enumerate(b)}
    expected = [(row, place[value]) for row, value in enumerate(a) if value in place]
    got = join(column(a), column(b))
    assert list(zip(got.rows_source.tolist(), got.rows_target.tolist(), strict=True)) == expected
    assert not len(got.again_source)
    assert not len(got.again_target)


def test_join_with_virtual_ids():
    ids = ArrayColumn(np.array([7, 2, -1, 100, 0]))
    got = join(ids, RangeColumn(8))
    assert got.rows_source.tolist() == [0, 1, 4]
    assert got.rows_target.tolist() == [7, 2, 0]
    back = join(RangeColumn(8), ids)
    assert back.rows_source.tolist() == [0, 2, 7]
    assert back.rows_target.tolist() == [4, 1, 0]


@pytest.mark.parametrize("kind", [np.int64, str])
def test_duplicates_are_the_later_rows(kind):
    column = ArrayColumn(np.array([5, 3, 5, 4, 3, 5]).astype(kind))
    assert duplicates(column).tolist() == [2, 4, 5]


def test_colliding_hashes_neither_pair_nor_count_as_duplicates(monkeypatch):
    # A hash of 3 bits for the first lane: nearly everything collides under every seed, and
    # only the second lane (seed _GOLDEN) tells texts apart.
    true = module.hashed

    def weak(ids, *, seed):
        found = true(ids, seed=seed)
        return found if seed == module._GOLDEN else found % np.uint64(8)

    monkeypatch.setattr(module, "hashed", weak)
    column = ArrayColumn(np.array(["a", "b", "c", "d", "e", "f", "g", "a"]))
    assert duplicates(column).tolist() == [7]
    other = ArrayColumn(np.array(["v", "w", "x", "y", "z"]))
    assert not len(join(column, other).rows_source)


def test_a_false_collision_draws_another_hash(monkeypatch):
    true = module.hashed

    def collides_under_seed_0(ids, *, seed):
        return true(ids, seed=seed) % np.uint64(2) if seed == 0 else true(ids, seed=seed)

    monkeypatch.setattr(module, "hashed", collides_under_seed_0)
    a = [f"{i}" for i in range(20)]
    got = join(ArrayColumn(np.array(a)), ArrayColumn(np.array(a[::-1])))
    assert got.rows_source.tolist() == list(range(20))
    assert got.rows_target.tolist() == list(range(20))[::-1]


def test_plain_texts_need_no_pyarrow():
    code = (
        "import sys, numpy as np; from isthmus.spaces.ids import hashed; "
        "hashed(np.array(['a', 'b']), seed=0); assert 'pyarrow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
