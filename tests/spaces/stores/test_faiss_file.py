"""Files of FAISS indexes, written here byte by byte: what is read, and what is never believed."""

import struct

import numpy as np
import pytest

from isthmus.core.errors import FormatError, InputError, StorageError
from isthmus.spaces.stores.faiss_file import METRICS, Recipe, read

D, N = 3, 7
X = np.random.default_rng(0).normal(size=(N, D)).astype(np.float32)
LIMIT = (1 << 63) - 1
IDS = [5, -(1 << 63), LIMIT, 0, -1, 7, 6]


def u64(*numbers):
    return struct.pack(f"<{len(numbers)}Q", *numbers)


def array(values, dtype):
    values = np.asarray(values, dtype)
    return u64(len(values)) + values.tobytes()


def head(letters, rows=N, dim=D, metric=1):
    return letters + struct.pack("<iqqq?i", dim, rows, 1 << 20, 1 << 20, True, metric)


def flat(x=X, letters=b"IxF2", metric=1):
    return head(letters, *x.shape, metric) + array(x.reshape(-1), "<f4")


def mapped(inner=None, ids=IDS, letters=b"IxMp", **about):
    return head(letters, **about) + (flat() if inner is None else inner) + array(ids, "<i8")


#: Node 4 has a level more than the others; the lowest has 4 neighbours a node, the next 2.
GRAPH = {
    "widths": [0, 4, 6], "levels": [1, 1, 1, 1, 2, 1, 1],
    "offsets": [0, 4, 8, 12, 16, 22, 26, 30],
    "neighbours": [1, 2, -1, -1] * 4 + [0, 1, 2, -1, -1, -1] + [4, 3, -1, -1] * 2,
    "last": [4, 1, 40, 16, 1],
}  # fmt: skip


def graph(x=X, inner=None, **changed):
    about = GRAPH | changed
    return (
        head(b"IHNf", *x.shape) + array([0.5, 0.5], "<f8") + array(about["widths"], "<i4")
        + array(about["levels"], "<i4") + array(about["offsets"], "<u8")
        + array(about["neighbours"], "<i4") + struct.pack("<5i", *about["last"])
        + (flat(x) if inner is None else inner)
    )  # fmt: skip


CENTRES = np.zeros((3, D), np.float32)
LISTS = ([4, 0], [], [6, 5, 1, 2, 3])


def lists(ids=LISTS, *, sizes=None, direct=bytes(9), quantizer=None, count=3, **changed):
    sizes = b"full" + array([len(some) for some in ids], "<u8") if sizes is None else sizes
    whole = head(b"IwFl", rows=changed.get("rows", N)) + u64(3, changed.get("probes", 2))
    whole += (flat(CENTRES) if quantizer is None else quantizer) + direct
    whole += changed.get("letters", b"ilar") + u64(count, changed.get("width", 4 * D)) + sizes
    for some in ids:
        whole += X[np.array(some, int) % N].tobytes() + np.array(some, "<i8").tobytes()
    return whole


@pytest.fixture
def at(tmp_path):
    def write(data):
        path = tmp_path / "a.faiss"
        path.unlink(missing_ok=True)  # to write over a file may wait for the disk
        path.write_bytes(data)
        return path

    return write


SPARSE = lists(sizes=b"sprs" + array([2, 5, 0, 2], "<u8"))
#: What is read: the recipe's kind, its text, and X's rows in the file's order.
WHOLE = {
    "flat": (flat(), "flat", None, range(N)),
    "flat of inner products": (flat(letters=b"IxFI", metric=0), "flat", None, range(N)),
    "flat of any letters": (flat(letters=b"IxFl"), "flat", None, range(N)),
    "graph": (graph(), "hnsw", "HNSW (M=2, efConstruction=40, efSearch=16)", range(N)),
    "lists": (lists(), "ivf", "IVF (nlist=3, nprobe=2)", [4, 0, 6, 5, 1, 2, 3]),
    "sparse lists": (SPARSE, "ivf", "IVF (nlist=3, nprobe=2)", [4, 0, 6, 5, 1, 2, 3]),
    "lists and an array": (lists(direct=b"\1" + array(range(N), "<u8")), "ivf", None, None),
    "lists and a table": (
        lists(direct=b"\2" + u64(0) + u64(2) + bytes(32)), "ivf", None, None,
    ),
    "lists over a graph": (
        lists(quantizer=graph(
            CENTRES, levels=[1, 1, 1], offsets=[0, 4, 8, 12], neighbours=[1, 2, -1, -1] * 3,
            last=[0, 0, 40, 16, 1],
        )), "ivf",
        "IVF (nlist=3, nprobe=2) over HNSW (M=2, efConstruction=40, efSearch=16)", None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", WHOLE)
def test_ids_and_vectors_are_those_that_were_written(kind, at):
    data, recipe, told, order = WHOLE[kind]
    found = read(at(data))
    order = list([4, 0, 6, 5, 1, 2, 3] if order is None else order)
    assert found.ids.tolist() == order
    assert found.ids.dtype == np.int64
    assert np.array_equal(found.vectors.read(0, N), X[order])
    assert np.array_equal(found.vectors.take(np.array([6, 0])), X[order][[6, 0]])
    assert (found.dim, found.recipe.kind) == (D, recipe)
    assert found.metric == ("inner" if "inner" in kind else "euclidean")
    assert found.positions == (recipe != "ivf")
    assert found.index == told or (told is None and recipe == "ivf")


@pytest.mark.parametrize("letters", [b"IxMp", b"IxM2"])
def test_a_map_gives_any_ids_of_64_bits(letters, at):
    found = read(at(mapped(letters=letters)))
    assert found.ids.tolist() == IDS
    assert not found.positions
    assert found.recipe == Recipe(ids=letters.decode())
    assert read(at(mapped(graph()))).ids.tolist() == IDS
    # Lists keep positions in the map.
    assert read(at(mapped(lists()))).ids.tolist() == [IDS[i] for i in [4, 0, 6, 5, 1, 2, 3]]


def test_an_index_of_nothing_is_an_index(at):
    none = X[:0]
    empty = {"levels": [], "offsets": [0], "neighbours": [], "last": [-1, -1, 40, 16, 1]}
    for data in (
        flat(none), mapped(flat(none), [], rows=0), graph(none, **empty), lists([[]] * 3, rows=0),
        mapped(lists([[]] * 3, rows=0), [], rows=0),
    ):  # fmt: skip
        found = read(at(data))
        assert found.ids.shape == (0,)
        assert found.vectors.read(0, 0).shape == (0, D)


@pytest.mark.parametrize("kind", [*WHOLE, "map"])
def test_a_file_cut_anywhere_or_with_a_byte_too_many_is_refused(kind, at):
    data = mapped() if kind == "map" else WHOLE[kind][0]
    for cut in range(len(data)):
        with pytest.raises(FormatError):
            read(at(data[:cut]))
    with pytest.raises(FormatError, match="1 bytes too many"):
        read(at(data + b"\0"))


@pytest.mark.parametrize("kind", [*WHOLE, "map"])
@pytest.mark.parametrize("value", [1 << 20, (1 << 64) - 1])
def test_no_number_in_a_file_makes_it_cost_more_than_the_file(kind, value, at, peak_of):
    data = mapped() if kind == "map" else WHOLE[kind][0]
    # Ten times the file of headroom for arrays and their masks, and what Python itself takes.
    most = 10 * len(data) + (1 << 18)
    for place in range(len(data) - 7):
        changed = at(data[:place] + u64(value) + data[place + 8 :])
        assert peak_of(read, changed) < most, place


UNSOUND = {
    "no dimensions": (flat(X[:, :0]), "7 vectors of 0 dimensions"),
    "too many": (head(b"IxF2", 0, (1 << 16) + 1) + u64(0), "65,537 dimensions"),
    "fewer than no rows": (head(b"IxF2", -1) + u64(0), "-1 vectors"),
    "too few numbers": (head(b"IxF2") + array(X[:6].reshape(-1), "<f4"), "18 numbers"),
    "a map of too few": (mapped(ids=IDS[:6]), "6 ids for 7 vectors"),
    "a map in a map": (mapped(mapped()), "one map, an id a vector"),
    "a map that counts otherwise": (mapped(rows=8), "7 vectors of 3 and metric 1 inside"),
    "a map of another width": (mapped(dim=4), "7 vectors of 3 and metric 1 inside"),
    "a map of another metric": (mapped(metric=0), "metric 1 inside"),
    "positions outside": (mapped(lists([[4, 0], [], [7, 5, 1, 2, 3]])), "positions outside"),
    "positions below": (mapped(lists([[4, 0], [], [-1, 5, 1, 2, 3]])), "positions outside"),
    "no centres": (lists(quantizer=flat(CENTRES[:2])), "2 centres"),
    "more lists": (lists(count=4), "4 lists"),
    "centres of another width": (lists(quantizer=flat(CENTRES[:, :2])), "3 lists"),
    "narrow vectors": (lists(width=4 * D - 1), "11 bytes a vector"),
    "no probes": (lists(probes=0), "3 lists"),
    "lists elsewhere": (lists(letters=b"ilod"), "lie elsewhere"),
    "sizes of no form": (lists(sizes=b"more" + u64(0)), "form b'more'"),
    "half a pair": (lists(sizes=b"sprs" + array([2, 5, 0], "<u8")), "form b'sprs'"),
    "a list beyond": (lists(sizes=b"sprs" + array([3, 5], "<u8")), "a list 3"),
    "a size beyond": (lists(sizes=b"full" + u64(3, 2, 0, 1 << 40)), "truncated"),
    "a size below": (lists(sizes=b"full" + u64(3, 2, 0, (1 << 64) - 1)), "truncated"),
    "lists over lists": (lists(quantizer=lists()), "centres"),
    "a graph over a map": (graph(inner=mapped()), "leads outside"),
    "too deep": (mapped(mapped(mapped(mapped(mapped(mapped()))))), "inside one another"),
    "someone's": (b"PK\3\4" + bytes(99), r"begins with b'PK\\x03\\x04'"),
}  # fmt: skip


@pytest.mark.parametrize("what", UNSOUND)
def test_what_does_not_fit_together_is_refused(what, at):
    data, said = UNSOUND[what]
    with pytest.raises(FormatError, match=said):
        read(at(data))


@pytest.mark.parametrize(
    "changed",
    [
        {"widths": [0]}, {"widths": [0, 4, 4]}, {"widths": [1, 4, 6]}, {"widths": [0, 4]},
        {"widths": [0, 4, (1 << 20) + 1]}, {"widths": [0, 4, -6]},
        {"levels": [1] * 7}, {"levels": [0, 1, 1, 1, 2, 1, 1]}, {"levels": [1, 1, 1, 1, 3, 1, 1]},
        {"levels": [1] * 6}, {"offsets": [0, 4, 8, 12, 16, 22, 26]},
        {"offsets": [1, 5, 9, 13, 17, 23, 27, 31]}, {"offsets": [0, 4, 8, 12, 16, 22, 26, 31]},
        {"offsets": [0, 4, 8, 12, 16, 22, 26, 1 << 63]},
        {"neighbours": GRAPH["neighbours"][:-1]},
        {"neighbours": [7, *GRAPH["neighbours"][1:]]},
        {"neighbours": [-2, *GRAPH["neighbours"][1:]]},
        # A neighbour on the upper level that is not on it.
        {"neighbours": [*GRAPH["neighbours"][:20], 0, *GRAPH["neighbours"][21:]]},
        {"last": [0, 1, 40, 16, 1]}, {"last": [7, 1, 40, 16, 1]}, {"last": [-1, 1, 40, 16, 1]},
        {"last": [4, 2, 40, 16, 1]}, {"last": [4, 1, 0, 16, 1]}, {"last": [4, 1, 40, 0, 1]},
        {"last": [4, 1, 40, (1 << 20) + 1, 1]},
    ],
    ids=str,
)  # fmt: skip
def test_a_graph_that_leads_outside_itself_is_refused(changed, at):
    with pytest.raises(FormatError, match="leads outside itself"):
        read(at(graph(**changed)))


def one_level(breadth):
    return {
        "widths": [0, breadth], "levels": [1] * N, "offsets": range(0, breadth * N + 1, breadth),
        "neighbours": [-1] * breadth * N, "last": [0, 0, 40, 16, 1],
    }  # fmt: skip


@pytest.mark.parametrize("breadth", [1, 2, 3])
def test_a_graph_narrower_than_faiss_can_build_is_refused(breadth, at):
    """FAISS ends the process when it builds one of M = 0 or 1, and such a recipe says so."""
    with pytest.raises(FormatError, match="an HNSW graph"):
        read(at(graph(**one_level(breadth))))
    assert read(at(graph(**one_level(4)))).recipe.m == 2


def test_no_more_levels_are_followed_than_faiss_makes(at):
    for top, sound in ((62, True), (70, False)):
        widths = [0, *range(4, 4 + top)]
        data = graph(
            X[:1], widths=widths, levels=[top], offsets=[0, widths[-1]],
            neighbours=[-1] * widths[-1], last=[0, top - 1, 40, 16, 1],
        )  # fmt: skip
        if sound:
            assert read(at(data)).recipe.m == 2
        else:
            with pytest.raises(FormatError, match="leads outside itself"):
                read(at(data))


def test_an_id_of_two_vectors_is_named(at):
    for data, said in (
        (mapped(ids=[4, 4, 4, LIMIT, LIMIT, 1, 2]), rf"3 ids .*first: 4, 4, {LIMIT}\)"),
        (lists([[4, 0], [], [4, 5, 1, 2, 3]]), r"1 ids of two vectors \(first: 4\)"),
        (mapped(lists([[4, 0], [], [4, 5, 1, 2, 3]])), r"first: -1\)"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said):
            read(at(data))


@pytest.mark.parametrize("metric", [2, -1, 1 << 30])
def test_a_metric_that_isthmus_does_not_know_is_named(metric, at):
    assert metric not in METRICS
    with pytest.raises(InputError, match=f"metric {metric}.*L2 or inner product"):
        read(at(flat(metric=metric)))


@pytest.mark.parametrize("letters", [b"IxSQ", b"IwPQ", b"IxRF", b"IBxF"])
@pytest.mark.parametrize("within", [lambda inner: inner, mapped])
def test_codes_are_refused_wherever_they_lie(letters, within, at):
    with pytest.raises(InputError, match=f"kind {letters.decode()}.*Start from the file"):
        read(at(within(letters + bytes(40))))


def test_a_file_that_is_not_there_or_a_folder_is_told(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(StorageError, match=f"read {path.name}"):
            read(path)
