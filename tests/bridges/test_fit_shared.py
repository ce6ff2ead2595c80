"""Shared blocks: what views share is kept and what they do not is dropped; refusals."""

import numpy as np
import pytest
import torch

from isthmus.bridges import file
from isthmus.bridges.fit_shared import Shared, _agreement, fit_shared
from isthmus.core.errors import FormatError, InputError

QUICK = {"steps": 150, "batch": 96, "hidden": 24, "rate": 1e-2}


@pytest.fixture(scope="module")
def views():
    """Two views of one latent in common and one each of their own, bent."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(800, 3))
    bend = [np.linalg.qr(rng.normal(size=(2, 2)))[0] for _ in range(2)]
    return z, [np.arcsinh(2 * z[:, [0, 1]] @ bend[0]), np.arcsinh(2 * z[:, [1, 2]] @ bend[1])]


def test_the_shared_latent_is_kept_and_the_others_are_not(views):
    z, sides = views
    fitted = fit_shared(sides, {(0, 1): 1}, **QUICK)
    for view in range(2):
        block = fitted.encode(view, sides[view])[0, 1][:, 0]
        found = [abs(np.corrcoef(block, z[:, k])[0, 1]) for k in range(3)]
        assert found[1] > 0.9
        assert max(found[0], found[2]) < 0.25


def test_views_agree_where_rows_are_partners_only(views):
    _, (one, two) = views
    for other, alike in ((two, True), (two[::-1], False)):
        fitted = fit_shared([one, other], {(0, 1): 1}, **QUICK)
        blocks = (fitted.encode(0, one), fitted.encode(1, other))
        agreement = abs(np.corrcoef(*(block[0, 1][:, 0] for block in blocks))[0, 1])
        assert (agreement > 0.8) == alike


def test_agreement_is_a_cross_entropy_of_squared_distances():
    rng = np.random.default_rng(1)
    one, two = rng.normal(size=(2, 9, 3))
    scores = -np.array([[np.sum((a - b) ** 2) for b in two] for a in one]) / 0.7
    both = [
        np.mean([np.log(np.exp(row).sum()) - row[i] for i, row in enumerate(s)])
        for s in (scores, scores.T)
    ]
    found = _agreement(torch, *(torch.tensor(side) for side in (one, two)), 0.7)
    assert float(found) == pytest.approx(np.mean(both))


def test_one_encoder_a_view_gives_all_its_blocks(views):
    _, (one, two) = views
    fitted = fit_shared([one, two, one], {(0, 1): 1, (2, 1, 0): 2}, steps=2)
    blocks = fitted.encode(1, torch.tensor(two, dtype=torch.float32))
    assert {names: tuple(b.shape) for names, b in blocks.items()} == {
        (0, 1): (800, 1), (0, 1, 2): (800, 2),
    }  # fmt: skip
    assert blocks[0, 1].dtype == torch.float32
    assert list(fitted.encode(2, one)) == [(0, 1, 2)]
    again = fit_shared([one, two, one], {(0, 1): 1, (2, 1, 0): 2}, steps=2)
    np.testing.assert_array_equal(again.encode(0, one)[0, 1], fitted.encode(0, one)[0, 1])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"blocks": {}}, "no block"),
        ({"blocks": {(0,): 1}}, "two or more of the views 0..1"),
        ({"blocks": {(0, 2): 1}}, "two or more of the views 0..1"),
        ({"blocks": {(0, 1): 0}}, "width of at least 1"),
        ({"views": [np.ones((4, 2))]}, "at least two views"),
        ({"views": [np.ones((4, 2)), np.ones((5, 2))]}, "paired by row"),
        ({"views": [np.ones((4, 2)), np.full((4, 2), np.nan)]}, "NaN"),
    ],
)
def test_refusals(change, says):
    given = {"views": [np.eye(4), np.eye(4)], "blocks": {(0, 1): 1}, **change}
    with pytest.raises(InputError, match=says):
        fit_shared(**given)


def test_foreign_vectors_are_refused(views):
    fitted = fit_shared(views[1], {(0, 1): 1}, steps=1)
    with pytest.raises(InputError, match="2 columns as fitted"):
        fitted.encode(0, np.ones((3, 5)))
    with pytest.raises(InputError, match="a view from 0 to 1"):
        fitted.encode(2, views[1][0])


@pytest.fixture(scope="module")
def stored(views, tmp_path_factory):
    """Three views of unlike widths, one of them in no block; and their file."""
    one, two = views[1]
    fitted = fit_shared([one, np.c_[two, one], two], {(0, 1): 2}, steps=3, hidden=5)
    return fitted, fitted.save(tmp_path_factory.mktemp("shared") / "blocks.isthmus")


def test_what_is_saved_comes_back_to_the_last_bit(views, stored):
    fitted, path = stored
    again = Shared.load(path)
    assert (again.blocks, again.sizes) == (fitted.blocks, fitted.sizes)
    for side, x in ((0, views[1][0]), (1, np.c_[views[1][1], views[1][0]])):
        np.testing.assert_array_equal(again.encode(side, x)[0, 1], fitted.encode(side, x)[0, 1])
    assert again.encode(2, views[1][1]) == {}
    assert again.save(path.with_name("again")).read_bytes() == path.read_bytes()


def test_damaged_files_are_refused(stored, tmp_path):
    good = stored[1].read_bytes()
    places = np.linspace(0, len(good) - 1, 30).astype(int)
    bad = [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in places]
    for content in (*bad, good[:-1], good[: len(good) // 2], b""):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(FormatError):
            Shared.load(tmp_path / "bad")


@pytest.mark.parametrize(
    ("key", "change", "says"),
    [
        ("method", lambda m: "schema", "method 'schema'"),
        ("blocks", lambda b: [], "no block"),
        ("blocks", lambda b: [[[0, 3], 2]], "two or more of the views"),
        ("blocks", lambda b: [[[0, 1], 3]], "view 0 of layers"),
        ("layers", lambda w: w[:-1], "ValueError"),
        ("layers", lambda w: [[2, 5, 4, 2], *w[1:]], "weights for layers"),
        ("sizes", lambda v: [0.0, *v[1:]], "size 0.0"),
        ("mean.1", lambda a: a[:-1], "view 1 of layers"),
        ("weights.2", lambda a: a[:-1], "ValueError"),
        ("weights.2", None, "KeyError"),
        ("more", lambda a: np.ones(2), "more"),
    ],
)
def test_files_that_no_fit_wrote_are_refused(stored, tmp_path, key, change, says):
    said, arrays = file.read(stored[1])
    where = said if key in said else arrays
    before = where.pop(key, None)
    where |= {key: change(before)} if change else {}
    file.write(tmp_path / "other", said, arrays)
    with pytest.raises(FormatError, match=rf"load shared blocks: got .*{says}"):
        Shared.load(tmp_path / "other")
