"""FIND interface: its forward pass against torch's own arithmetic, joining, files, refusals."""

import json

import numpy as np
import pytest
import torch

from isthmus.bridges import FindInterface, file
from isthmus.core.errors import FormatError, InputError, PairingError
from isthmus.core.neighbors import partner_ranks


@pytest.fixture(scope="module")
def world():
    """500 items under four nonlinear encoders of different widths."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(500, 4))
    return {name: np.tanh(latent @ rng.normal(size=(4, d)) / 2) + rng.normal(size=d)
            for name, d in (("a", 8), ("b", 10), ("c", 9), ("d", 12))}  # fmt: skip


@pytest.fixture(scope="module")
def find(world):
    ids = np.arange(400)
    return FindInterface(width=8, steps=80).fit({s: (ids, world[s][:400]) for s in "abc"})


def top1(find, world, a, b):
    test = slice(400, 500)
    ranks = partner_ranks(find.encode(world[a][test], a), find.encode(world[b][test], b))
    return float(np.mean(ranks == 1))


def test_unseen_items_find_themselves(find, world):
    raw = FindInterface(width=8, steps=1, rng=1).fit({s: world[s][:400] for s in "abc"})
    found = [top1(find, world, *pair) for pair in ("ab", "ba", "bc", "ca")]
    assert min(found) > 0.5
    assert np.mean(found) > np.mean([top1(raw, world, *p) for p in ("ab", "ba", "bc", "ca")])
    codes = find.encode(world["a"], "a")
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1)


def test_the_forward_pass_is_torch_attention(find, world):
    shared = {k: torch.asarray(v) for k, v in find.shared_.items()}
    adapter, offset = (torch.asarray(part) for part in find.adapters_["b"])
    x = torch.asarray(world["b"])
    tokens = (x @ adapter + offset).reshape(len(x), 2, 8)
    query = (shared["prompts"] @ shared["queries"]).expand(len(x), -1, -1)
    heads = torch.nn.functional.scaled_dot_product_attention(
        query, tokens @ shared["keys"], tokens @ shared["values"]
    )
    code = heads.reshape(len(x), -1) @ shared["merge"] + tokens.mean(dim=1)
    expected = torch.nn.functional.normalize(code, dim=1)
    ours = find.encode(x, "b")
    assert isinstance(ours, torch.Tensor)
    np.testing.assert_allclose(ours.numpy(), expected.numpy(), atol=1e-10)
    narrow = find.encode(world["b"].astype(np.float32), "b")
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, expected.numpy(), atol=1e-4)


def test_a_fourth_encoder_joins_and_nobody_moves(world, tmp_path):
    ids = np.array([f"i{k}" for k in range(400)])
    find = FindInterface(width=8, steps=60).fit({s: (ids, world[s][:400]) for s in "abc"})
    before, size = find.encode(world["a"], "a"), find.parameters()
    find.add("d", world["d"][:300], ids[:300], "c", world["c"][:400], ids)
    np.testing.assert_array_equal(find.encode(world["a"], "a"), before)
    assert find.parameters() - size == find.parameters("d") == 12 * 16 + 16
    assert min(top1(find, world, *pair) for pair in ("da", "bd")) > 0.5
    again = FindInterface.load(find.save(tmp_path / "find.isthmus"))
    np.testing.assert_array_equal(again.encode(world["d"], "d"), find.encode(world["d"], "d"))
    assert again.get_params() == find.get_params()
    with pytest.raises(InputError, match="a new name"):
        find.add("a", world["d"], ids, "c", world["c"], ids)


def test_the_same_seed_gives_the_same_interface(world):
    x = {s: world[s][:50] for s in "ab"}
    one, two = (FindInterface(width=4, steps=5, rng=3).fit(x) for _ in range(2))
    np.testing.assert_array_equal(one.encode(x["a"], "a"), two.encode(x["a"], "a"))
    other = FindInterface(width=4, steps=5, rng=4).fit(x)
    assert np.abs(one.encode(x["a"], "a") - other.encode(x["a"], "a")).max() > 1e-3


def test_damaged_files_are_refused(find, tmp_path):
    said, arrays = file.read(find.save(tmp_path / "find"))
    said.pop("crc32")
    for name in ("adapter.1", "shared.keys"):
        cut = {**arrays, name: arrays[name][:, :-1]}
        file.write(tmp_path / "cut", json.loads(json.dumps(said)), cut)
        with pytest.raises(FormatError):
            FindInterface.load(tmp_path / "cut")


def test_refusals(find, world):
    with pytest.raises(PairingError, match="groups of spaces: a; b"):
        FindInterface(steps=1).fit({"a": world["a"], "b": (np.arange(900, 1400), world["b"])})
    with pytest.raises(InputError, match="positive"):
        FindInterface(width=0).fit(world)
    with pytest.raises(InputError, match="one of"):
        find.encode(world["a"], "z")
    with pytest.raises(InputError, match="columns of 'a'"):
        find.encode(world["b"], "a")
    with pytest.raises(InputError, match="NaN"):
        find.encode(np.full((1, 8), np.nan), "a")
