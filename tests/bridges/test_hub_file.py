"""Hub files: what comes back is what was written, and nothing else is let in or left behind."""

import dataclasses
import os

import numpy as np
import pytest
from safetensors.numpy import load, save_file

from isthmus.bridges import UniversalSpace, file
from isthmus.bridges.familiarity import Familiarity
from isthmus.core.errors import FormatError, InputError, StorageError
from isthmus.core.moments import Moments
from isthmus.spaces.fingerprint import Fingerprint


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A ridge hub of unlike widths with text ids and missing items, one space joined; its file."""
    rng = np.random.default_rng(0)
    latent, ids, spaces = rng.normal(size=(150, 3)), np.arange(150), {}
    for name, d, i in (("wide", 5, ids[:120]), ("ünlike", 3, ids[20:]), ("c", 4, ids[::2])):
        x = latent @ rng.normal(size=(3, d)) + 0.05 * rng.normal(size=(150, d)) + 2.0
        spaces[name] = [f"item {k}" for k in i], x[i]
    text, x = spaces.pop("c")
    hub = UniversalSpace(form="ridge", dim=4, holdout=0.3, seed=5).fit(spaces).add("c", x, text)
    return hub, hub.save(tmp_path_factory.mktemp("hubs") / "hub.isthmus")


def plain(value):
    """Anything a hub holds, as what compares by value, with dtypes."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, tuple | Familiarity):
        return plain(dict(enumerate(value)) if isinstance(value, tuple) else value.arrays())
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tolist()
    return value.as_dict() if isinstance(value, Fingerprint) else value


def test_everything_comes_back_and_arrays_go_by_the_number_of_the_space(made):
    hub, path = made
    again, arrays = UniversalSpace.load(path), load(path.read_bytes())
    assert plain(vars(again)) == plain(vars(hub))
    for i, name in enumerate(["wide", "ünlike", "c"]):
        np.testing.assert_array_equal(arrays[f"encoder.{i}"], hub.encoders_[name][0])
        np.testing.assert_array_equal(arrays[f"decoder_offset.{i}"], hub.decoders_[name][1])


def test_a_hub_of_moments_holds_no_items_and_comes_back_too(tmp_path):
    x = np.random.default_rng(1).normal(size=(40, 3))
    hub = UniversalSpace().fit_moments({("a", "b"): Moments.of(x, x[:, ::-1])})
    again = UniversalSpace.load(hub.save(tmp_path / "hub"))
    assert (again.items_.shape, again.codes_.shape, again.scores_) == ((0,), (0, 3), {})
    np.testing.assert_allclose(again.transform(np.float32(x), "a", "b"), x[:, ::-1], atol=1e-5)


def test_fingerprints_of_any_length_come_back(made, tmp_path):
    hub = UniversalSpace.load(made[1])
    for more in range(8):
        named = dataclasses.replace(hub.fingerprints_["c"], encoder="é" + "x" * more)
        hub.fingerprints_["c"] = named
        again = UniversalSpace.load(hub.save(tmp_path / "hub"))
        assert plain(again.fingerprints_) == plain(hub.fingerprints_)
    hub.fingerprints_["wide"] = hub.fingerprints_["c"]
    with pytest.raises(FormatError, match="a fingerprint of space 'wide' of another width"):
        UniversalSpace.load(hub.save(tmp_path / "hub"))


def test_damaged_and_foreign_files_are_refused(made, tmp_path):
    good, path = made[1].read_bytes(), tmp_path / "hub"
    bad = [good[:n] for n in (0, 7, 100, len(good) // 2, len(good) - 1)] + [good + b"\0"]
    places = np.linspace(0, len(good) - 1, 40).astype(int)
    bad += [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in places]
    save_file({"encoder.0": np.eye(2)}, path)
    bad += [path.read_bytes(), made[0].bridge("wide", "c").save(path).read_bytes(), b"\x80\x04K."]
    for content in bad:
        path.write_bytes(content)
        with pytest.raises(FormatError):
            UniversalSpace.load(path)


#: What is changed (None: left out), and what the refusal says.
CHANGES = [
    ("method", lambda m: "orthogonal", "method 'orthogonal'"), ("method", None, "KeyError 'method"),
    ("names", lambda n: ["wide", "c", "c"], "names"), ("names", lambda n: n[:1], "names"),
    ("dim", lambda k: k - 1, "'wide' of shapes"), ("dim", lambda k: float("inf"), "OverflowError"),
    ("params", lambda p: {**p, "form": "affine"}, "form 'affine'"), ("items", None, "codes"),
    ("scores", lambda s: {"c": {**s["c"], "colour": 1}}, "colour"), ("centre.2", None, "centre.2"),
    ("spreads", lambda s: {"wide": 1}, "KeyError"), ("items", lambda a: a[:, None], "codes"),
    ("encoder.1", lambda a: a.T, "'ünlike' of shapes"), ("codes", lambda a: a[:-1], "codes"),
    ("encoder_offset.0", lambda a: a[:-1], "'wide' of"), ("extra", lambda a: np.ones(2), "extra"),
    ("decoder.2", lambda a: a[:, :-1], "'c' of"), ("decoder_offset.2", lambda a: a[None], "'c' of"),
    ("centre.0", lambda a: a[1:], "'wide' of"), ("rows.1", lambda a: a[:, :-1], "familiarity"),
    ("rows.1", None, "distances.1"), ("encoder.0", lambda a: a.astype(int), "no real numbers"),
    ("scores", lambda s: {"c": {**s["c"], "value": "x"}}, "a score of"),
    ("scores", lambda s: {"other": s["c"]}, "scores of"), ("items", lambda a: a * 1.0, "codes"),
    ("spreads", lambda s: {**s, "c": 0.0}, "spreads"),
    ("params", lambda p: {**p, "holdout": 7}, "holdout 7"),
    ("fingerprint.0", lambda a: np.frombuffer(b"[" * 800_000, "<i8"), "ValueError"),
    ("fingerprint.0", lambda a: a[:-3], "JSONDecodeError"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "change", "says"), CHANGES)
def test_files_that_no_hub_wrote_are_refused_for_what_they_say(made, key, change, says, tmp_path):
    said, arrays = file.read(made[1])
    where = said if key in said else arrays
    before = where.pop(key, None)
    where |= {key: change(before)} if change else {}
    file.write(tmp_path / "hub", said, arrays)
    with pytest.raises(FormatError, match=rf"^load hub: got .*{says}.*Fit the hub anew"):
        UniversalSpace.load(tmp_path / "hub")


def test_numbers_of_numpy_are_numbers(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 3))
    hub = UniversalSpace(dim=np.int64(2), seed=np.int64(3)).fit({"a": x, "b": x[:, ::-1]})
    again = UniversalSpace.load(hub.save(tmp_path / "hub"))
    assert (again.dim, again.seed) == (2, 3)


def test_what_could_not_be_read_again_does_not_take_the_place_of_what_can(made, tmp_path):
    hub, path = UniversalSpace.load(made[1]), tmp_path / "hub"
    before = hub.save(path).read_bytes()
    hub.encoders_["c"][0][0, 0] = np.nan
    with pytest.raises(InputError, match=r"save bridge: got encoder.2 \(4, 4\) with NaN"):
        hub.save(path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["hub"]


def test_a_write_that_fails_leaves_the_older_file_and_no_other(made, tmp_path, monkeypatch):
    hub, path = UniversalSpace.load(made[1]), tmp_path / "hub"
    before = hub.save(path).read_bytes()
    hub.agreement_ = 0.0
    monkeypatch.setattr(os, "fsync", lambda file: os.fstat(-1))
    for place in (path, tmp_path / "no" / "hub"):
        with pytest.raises(StorageError, match="nothing was changed"):
            hub.save(place)
    assert [one.name for one in tmp_path.iterdir()] == ["hub"]
    assert path.read_bytes() == before
