"""Files of usearch indexes, written here byte by byte: what is read, and what is never believed."""

import struct

import numpy as np
import pytest

from isthmus.core.errors import FormatError, InputError, StorageError
from isthmus.spaces.stores.usearch_file import METRICS, Recipe, read

D, N = 3, 7
X = np.random.default_rng(0).normal(size=(N, D)).astype(np.float32)
LIMIT = (1 << 63) - 1
FREE = (1 << 64) - 1
IDS = [5, LIMIT, 1 << 53, 0, (1 << 53) + 1, 7, 6]
#: Node 4 is on a level above the others' and leads there to itself alone.
LEVELS = [0, 0, 0, 0, 1, 0, 0]
F32, F16, BF16 = 11, 12, 4


def u64(*numbers):
    return struct.pack(f"<{len(numbers)}Q", *numbers)


def neighbours(room, met):
    return struct.pack(f"<I{room}I", len(met), *met, *[0] * (room - len(met)))


def nodes(ids, levels, degree, lowest, met=None):
    """Nodes in a ring, or leading where ``met`` says for (node, level)."""
    whole = b""
    for slot, (key, level) in enumerate(zip(ids, levels, strict=True)):
        whole += struct.pack("<Qh", key, level)
        for floor in range(level + 1):
            ring = [(slot + 1) % len(ids)] if floor == 0 else []
            room = degree if floor else lowest
            whole += neighbours(room, (met or {}).get((slot, floor), ring))
    return whole


def index(
    x=X, ids=IDS, levels=LEVELS, *, sizes="<2I", degree=2, lowest=4, metric="c", scalar=F32,
    dim=D, width=None, removed=0, present=None, magic=b"usearch\2\0\x1a\0", kinds=(14, 15), multi=0,
    size=None, top=None, entry=None, met=None, graph=None,
):  # fmt: skip
    """A whole file; each part may be another than the rest says."""
    rows, top = len(x), max(levels, default=0) if top is None else top
    entry = list(levels).index(max(levels)) if entry is None and levels else entry or 0
    head = magic.ljust(13, b"\0") + bytes([ord(metric), scalar, *kinds])
    head += u64(rows - removed if present is None else present, removed, dim) + bytes([multi])
    return (
        struct.pack(sizes, rows, x[:1].nbytes if width is None else width) + x.tobytes()
        + head + bytes(64 - len(head))
        + u64(rows if size is None else size, degree, lowest, top, entry)
        + struct.pack(f"<{len(levels)}h", *levels)
        + (nodes(ids, levels, degree, lowest, met) if graph is None else graph)
    )  # fmt: skip


@pytest.fixture
def at(tmp_path):
    def write(data):
        path = tmp_path / "a.usearch"
        path.unlink(missing_ok=True)  # to write over a file may wait for the disk
        path.write_bytes(data)
        return path

    return write


# -- what is read -----------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", ["<2I", "<2Q"])
@pytest.mark.parametrize("metric", "cei")
def test_keys_and_vectors_are_those_that_were_written_to_the_last_bit(sizes, metric, at):
    found = read(at(index(sizes=sizes, metric=metric)))
    assert (found.ids.dtype, found.ids.tolist()) == (np.int64, IDS)
    assert found.vectors.read(0, N).tobytes() == X.tobytes()
    assert np.array_equal(found.vectors.take(np.array([6, 0, 6])), X[[6, 0, 6]])
    assert (found.dim, found.metric) == (D, METRICS[ord(metric)])
    assert (found.recipe, found.index) == (Recipe(2), "HNSW (connectivity=2)")
    assert (found.positions, found.refuses) == (False, "")


def test_halves_are_the_float32_that_they_equal(at):
    halves = X.astype("<f2")
    halves[0] = [65504, 2**-24, -0.0]
    found = read(at(index(halves, scalar=F16)))
    assert found.vectors.read(0, N).tobytes() == halves.astype(np.float32).tobytes()
    upper = (X.view("<u4") >> 16).astype("<u2")
    upper[0] = [0x7F7F, 1, 0x8000]
    told = read(at(index(upper, scalar=BF16)))
    exact = (upper.astype("<u4") << 16).view("<f4")
    assert told.vectors.take(np.arange(N)).tobytes() == exact.tobytes()
    for layout, kind in ((found, "f16"), (told, "bf16")):
        assert layout.vectors.dtype == np.float32
        assert layout.index == f"HNSW (connectivity=2, {kind})"
        assert layout.refuses == f"an index that rounds vectors to {kind}"


@pytest.mark.parametrize(("x", "scalar"), [(X, F32), (X.astype("<f2"), F16)])
def test_rows_that_were_removed_are_not_there(x, scalar, at):
    ids = [FREE, 9, FREE, 3, 4, LIMIT, FREE]
    found, kept = read(at(index(x, ids, scalar=scalar, removed=3))), [1, 3, 4, 5]
    assert found.ids.tolist() == [9, 3, 4, LIMIT]
    assert (found.vectors.shape, found.vectors.dtype) == ((4, D), np.float32)
    assert np.array_equal(found.vectors.read(0, 4), x[kept].astype(np.float32))
    assert np.array_equal(found.vectors.read(1, 3), x[[3, 4]].astype(np.float32))
    assert np.array_equal(found.vectors.take(np.array([3, 0])), x[[5, 1]].astype(np.float32))
    none = read(at(index(x, [FREE] * N, scalar=scalar, removed=N)))
    assert none.ids.shape == (0,)
    assert none.vectors.read(0, 0).shape == (0, D)


@pytest.mark.parametrize("sizes", ["<2I", "<2Q"])
@pytest.mark.parametrize("width", [0, 4 * D])
def test_an_index_of_nothing_is_an_index(sizes, width, at):
    data = index(X[:0], [], [], sizes=sizes, width=4 * D, top=FREE, degree=16, lowest=32)
    found = read(at(data))
    assert (found.ids.shape, found.vectors.read(0, 0).shape) == ((0,), (0, D))
    assert (found.dim, found.recipe) == (D, Recipe(16))
    if not width:
        with pytest.raises(FormatError, match="0 rows of 0 bytes"):
            read(at(index(X[:0], [], [], sizes=sizes, width=0)))


def test_one_row_of_one_dimension_is_an_index(at):
    found = read(at(index(X[:1, :1], [LIMIT], [0], dim=1)))
    assert (found.ids.tolist(), found.vectors.read(0, 1).tolist()) == ([LIMIT], [[X[0, 0]]])


def test_more_nodes_than_are_looked_over_at_once(at, monkeypatch):
    monkeypatch.setattr("isthmus.spaces.stores.usearch_file._NODES", 3)
    levels = [0, 2, 0, 1, 2, 0, 1]
    met = {(1, 1): [3, 6], (1, 2): [4], (3, 1): [1, 4], (4, 2): [1], (0, 0): [6, 5, 4, 3]}
    assert read(at(index(levels=levels, met=met))).ids.tolist() == IDS
    for wrong in ({(6, 1): [5]}, {(4, 2): [3]}, {(0, 0): [7]}):
        with pytest.raises(FormatError, match="leads outside itself"):
            read(at(index(levels=levels, met=met | wrong)))


# -- what is never believed -------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [index(), index(sizes="<2Q"), index(X.astype("<f2"), scalar=F16), index(X[:0], [], [],
     width=4 * D), index(ids=[FREE, 1, 2, 3, 4, 5, 6], removed=1)],
    ids=["f32", "64 bits", "f16", "nothing", "removed"],
)  # fmt: skip
def test_a_file_cut_anywhere_or_with_a_byte_too_many_is_refused(data, at):
    assert read(at(data)).dim == D
    for cut in range(len(data)):
        with pytest.raises(FormatError, match=r"^read a\.usearch: got "):
            read(at(data[:cut]))
    with pytest.raises(FormatError, match="1 bytes too many; expected an index and no more"):
        read(at(data + b"\0"))


@pytest.mark.parametrize("value", [1 << 20, (1 << 64) - 1])
def test_no_number_in_a_file_makes_it_cost_more_than_the_file(value, at, peak_of):
    data = index()
    most = 10 * len(data) + (1 << 18)
    first, second = 8 + X.nbytes, 8 + X.nbytes + 64 + 40  # the head, and the nodes
    for place in [*range(8), *range(first - 8, second + 40), *range(second + 40, len(data) - 7, 5)]:
        changed = at(data[:place] + u64(value) + data[place + 8 :])
        assert peak_of(read, changed) < most, place


UNSOUND = {
    "a version to come": (index(magic=b"usearch\3\0"), "an index of usearch 2"),
    "one of 2^8 versions on": (index(magic=b"usearch\2\1"), "an index of usearch 2"),
    "keys of another kind": (index(kinds=(15, 15)), "64-bit keys"),
    "slots of another kind": (index(kinds=(14, 14)), "64-bit keys"),
    "fewer rows": (index(present=6), "7 rows of 12 bytes for 6 vectors of 3 dimensions"),
    "more removed": (index(removed=1, present=7), "7 rows of 12 bytes for 7 vectors"),
    "present beyond 64 bits": (index(removed=8, present=FREE), "an index of usearch 2"),
    "another width": (index(dim=4), "12 bytes for 7 vectors of 4 dimensions"),
    "half of the width": (index(scalar=F16), "12 bytes for 7 vectors of 3 dimensions"),
    "no dimensions": (index(X[:, :0], dim=0, width=0), "7 vectors of 0 dimensions"),
    "too many": (index(X[:0], [], [], dim=(1 << 16) + 1, width=4 * ((1 << 16) + 1)), "65537 dim"),
    "none removed of those counted": (index(removed=1), "7 keys for 6 vectors"),
    "another magic": (index(magic=b"Usearch\2\0"), "no usearch index, or truncated"),
    "no matrix": (index()[8 + X.nbytes :], "no usearch index, or truncated"),
    "someone's": (b"PK\3\4" + bytes(99), "no usearch index, or truncated"),
    "zeros": (bytes(200), "no usearch index, or truncated"),
}  # fmt: skip


@pytest.mark.parametrize("what", UNSOUND)
def test_what_does_not_fit_together_is_refused(what, at):
    data, said = UNSOUND[what]
    with pytest.raises(FormatError, match=said):
        read(at(data))


@pytest.mark.parametrize(
    "changed",
    [
        {"size": 6}, {"size": 8}, {"size": FREE}, {"degree": 0}, {"degree": 4097},
        {"degree": FREE, "graph": b""}, {"lowest": 4097},
        {"lowest": 0, "met": {(n, 0): [] for n in range(N)}},
        {"levels": [-1, 0, 0, 0, 1, 0, 0], "graph": b""}, {"top": 0}, {"top": 2}, {"top": FREE},
        {"entry": 7}, {"entry": 3}, {"entry": FREE},
        {"met": {(0, 0): [N]}}, {"met": {(6, 0): [1, 2, 3, (1 << 32) - 1]}},
        {"met": {(4, 1): [3]}},  # a neighbour on the upper level that is not on it
        {"graph": nodes(IDS, LEVELS, 2, 4).replace(struct.pack("<Qh", 5, 0),
                                                  struct.pack("<Qh", 5, 1))},
        {"graph": nodes(IDS, LEVELS, 2, 4)[:10] + struct.pack("<I", 5)
                  + nodes(IDS, LEVELS, 2, 4)[14:]},
    ],
    ids=lambda changed: str(changed)[:60],
)  # fmt: skip
def test_a_graph_that_leads_outside_itself_is_refused(changed, at):
    with pytest.raises(FormatError, match="a graph that leads outside itself"):
        read(at(index(**changed)))


def test_a_graph_narrower_than_usearch_can_build_is_refused(at):
    """usearch builds none of connectivity 1, and such a recipe would say so."""
    with pytest.raises(FormatError, match="the graph of the vectors"):
        read(at(index(degree=1)))
    assert read(at(index(degree=2))).recipe == Recipe(2)


def test_no_more_levels_are_followed_than_usearch_draws(at):
    for top, sound in ((63, True), (64, False), (3000, False)):
        path = at(index(X[:1], [1], [top]))
        if sound:
            assert read(path).ids.tolist() == [1]
        else:
            with pytest.raises(FormatError, match="leads outside itself"):
                read(path)


# -- what isthmus has no use for --------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "given", "expected"),
    [
        ({"scalar": 1}, "vectors kept as single bits", "f32, f16 or bf16"),
        ({"scalar": 10}, "vectors kept as float64", "f32, f16 or bf16"),
        ({"scalar": 23}, "vectors kept as 8-bit integers", "f32, f16 or bf16"),
        ({"scalar": 255}, "vectors kept as numbers of the kind 255", "f32, f16 or bf16"),
        ({"metric": "h"}, "the metric 'h'", "cos, l2sq or ip"),
        ({"metric": "\0"}, r"the metric '\x00'", "cos, l2sq or ip"),
        ({"metric": "ÿ"}, "the metric 'ÿ'", "cos, l2sq or ip"),
        ({"multi": 1}, "an index of several vectors a key", "one a key"),
    ],
)
def test_another_kind_of_index_is_refused_with_the_cure(changed, given, expected, at):
    with pytest.raises(InputError) as raised:
        read(at(index(**changed)))
    assert raised.value.operation == "read a.usearch"
    assert (raised.value.given, raised.value.expected) == (given, expected)
    assert raised.value.cure == "Start from the vectors that the index was built from."


@pytest.mark.parametrize("key", [LIMIT + 1, FREE - 1, FREE])
def test_a_key_beyond_int64_is_refused(key, at):
    with pytest.raises(InputError, match=r"of 7 vectors, some beyond 2\^63; expected keys below 2"):
        read(at(index(ids=[*IDS[:6], key])))


def test_a_key_of_two_vectors_is_named(at):
    with pytest.raises(InputError, match=r"2 keys of two vectors \(first: 0, 5\); expected one"):
        read(at(index(ids=[5, 1, 0, 5, 2, 0, 3])))


# -- the file itself --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["none", "folder", "é 'a\".usearch"])
def test_what_cannot_be_opened_is_told(name, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError) as raised:
        read(tmp_path / name)
    assert raised.value.operation == f"read {name}"
    assert raised.value.expected == "a readable file"


def test_a_file_cut_after_it_was_read_gives_no_rows(at):
    ids = [FREE, *IDS[1:]]
    path = at(index(ids=ids, removed=1))
    found = read(path)
    path.write_bytes(path.read_bytes()[:60])
    for ask in (lambda: found.vectors.read(0, 6), lambda: found.vectors.take(np.array([5]))):
        with pytest.raises(FormatError, match="truncated"):
            ask()


def test_such_a_file_is_one_to_usearch_too(at):
    theirs = pytest.importorskip("usearch.index", reason="usearch is not installed")
    found = theirs.Index.restore(str(at(index(metric="e"))))
    assert (len(found), found.ndim, found.connectivity) == (N, D, 2)
    assert np.array_equal(np.vstack([found.get(key) for key in IDS]), X)
    assert found.search(X, 1).keys[:, 0].tolist() == IDS
