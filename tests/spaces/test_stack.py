"""Stacks: which paths are one, the order of their layers, and the items that all of them hold."""

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import FormatError, InputError, PairingError
from isthmus.spaces.stack import common, is_stack, open_stack


def rows(seed=0, n=6, d=3):
    return np.random.default_rng(seed).normal(size=(n, d))


def folder(path, *names):
    path.mkdir()
    for k, name in enumerate(names):
        np.save(path / name, rows(k))
    return path


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("layer1.npy", "layer2.npy"), True),
        (("Hidden_0.npy", "BLOCK-7.npy"), True),
        (("layer1.npy",), False),  # one file is no stack
        (("layer1.npy", "vectors.npy"), False),
        ((), False),
    ],
)
def test_a_folder_is_a_stack_by_the_names_of_its_files(tmp_path, names, expected):
    assert is_stack(folder(tmp_path / "model", *names)) is expected


def test_files_that_hold_no_vectors_do_not_count(tmp_path):
    path = folder(tmp_path / "model", "layer1.npy", "layer2.npy")
    (path / "README.md").write_text("of a model")
    assert is_stack(path)
    assert list(open_stack(path).layers) == ["layer1", "layer2"]


@pytest.mark.parametrize(("shape", "expected"), [((2, 5, 3), True), ((5, 3), False)])
def test_an_array_is_a_stack_by_its_dimensions(tmp_path, shape, expected):
    np.save(tmp_path / "a.npy", np.ones(shape))
    assert is_stack(tmp_path / "a.npy") is expected


def test_what_is_no_array_is_no_stack(tmp_path):
    (tmp_path / "text.npy").write_text("no array")
    np.save(tmp_path / "objects.npy", np.array([[[{}]]]), allow_pickle=True)
    for name in ("text.npy", "objects.npy", "absent.npy", "absent"):
        assert not is_stack(tmp_path / name)
        with pytest.raises(FormatError, match=r"no \(layers, n, d\) .npy array"):
            open_stack(tmp_path / name)


def test_layers_of_a_folder_come_in_natural_order(tmp_path):
    names = ("layer10.npy", "layer2.npy", "layer1.npy", "layer1b.npy", "layer5²7.npy")
    stack = open_stack(folder(tmp_path / "model", *names))
    assert stack.name == "model"
    assert list(stack.layers) == ["layer1", "layer1b", "layer2", "layer5²7", "layer10"]
    np.testing.assert_array_equal(stack.layers["layer10"].take(np.arange(6)), rows(0))


def test_layers_of_an_array_are_its_slices(tmp_path):
    array = np.random.default_rng(0).normal(size=(12, 5, 3)).astype(np.float32)
    np.save(tmp_path / "a.npy", array)
    layers = open_stack(tmp_path / "a.npy").layers
    assert list(layers) == [f"layer {i}" for i in range(12)]
    for i, layer in enumerate(layers.values()):
        np.testing.assert_array_equal(layer.take(np.arange(5)), array[i])


def test_two_files_of_one_layer_are_refused_by_name(tmp_path):
    path = folder(tmp_path / "model", "layer1.npy", "layer2.npy")
    np.savez(path / "layer1.npz", rows())
    with pytest.raises(InputError, match=r"layer1\.np[yz] and layer1\.np[yz]; expected one file"):
        open_stack(path)


def test_a_folder_without_vectors_says_what_belongs_there(tmp_path):
    with pytest.raises(FormatError, match=r"one file per layer \(\.npy, .*\.fvecs\)"):
        open_stack(folder(tmp_path / "model"))


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.ones((0, 5, 3)), r"shape \(0, 5, 3\); expected one layer or more"),
        (np.ones((2, 0, 3)), r"layer 0 with an array of shape \(0, 3\)"),
        (np.ones((2, 5, 3), complex), r"layer 0 with vectors of dtype complex128; expected float"),
    ],
)
def test_a_layer_that_cannot_be_used_is_named(tmp_path, array, said):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=said):
        open_stack(tmp_path / "a.npy")


def test_common_items_are_those_of_all_and_rows_follow_them():
    ids = (["a", "b", "c", "d"], ["d", "x", "b", "a"], ["b", "a", "d", "y", "z"])
    spaces = [isthmus.open(rows(n=len(i)), ids=i) for i in ids]
    kept, names = common(spaces)
    assert names.tolist() == ["a", "b", "d"]
    for side, numbers in zip(ids, kept, strict=True):
        assert [side[k] for k in numbers] == ["a", "b", "d"]


def test_one_space_has_all_its_items_in_common_with_itself():
    kept, names = common([isthmus.open(rows(n=3), ids=["c", "a", "b"])])
    assert [k.tolist() for k in kept] == [[0, 1, 2]]
    assert names.tolist() == ["c", "a", "b"]


def test_spaces_that_share_nothing_are_refused():
    def space(*ids):
        return isthmus.open(rows(n=len(ids)), ids=list(ids))

    with pytest.raises(PairingError):
        common([space("a", "b"), space("c", "d")])
    with pytest.raises(InputError, match="no id that all 3 spaces hold"):
        common([space("a", "b"), space("a", "c"), space("b", "d")])
