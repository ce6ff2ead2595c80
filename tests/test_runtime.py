"""The runtime: the answers of the full library, nothing loaded but NumPy, refusals with reasons."""

import subprocess
import sys

import numpy as np
import pytest

import isthmus
from isthmus import runtime
from isthmus.bridges import file
from isthmus.core.errors import FormatError, InputError, StorageError

HEAVY = (
    "scipy",
    "sklearn",
    "pyarrow",
    "safetensors",
    "faiss",
    "torch",
    "array_api_compat",
    "typer",
)


@pytest.fixture(scope="module")
def x():
    rng = np.random.default_rng(0)
    return rng.normal(size=(300, 12)) * np.linspace(3, 0.5, 12) + 0.3


@pytest.fixture(scope="module")
def folder(tmp_path_factory, x):
    """Bridges of every linear kind, one far from the origin, and one that is not linear."""
    folder = tmp_path_factory.mktemp("bridges")
    y = np.hstack([x[:, ::-1] * 2, x[:, :3]]) + 1
    for method in ("orthogonal", "affine", "low_rank", "canonical", "kernel_ridge"):
        isthmus.fit(x, y, method=method).save(folder / method)
    isthmus.fit(x + 1e6, y, method="affine").save(folder / "far")
    return folder


@pytest.mark.parametrize("method", ["orthogonal", "affine", "low_rank", "canonical"])
def test_answers_as_the_bridge_does(folder, x, method):
    light, full = runtime.load(folder / method), isthmus.load(folder / method)
    for kind, tolerance in ((np.float32, 1e-5), (np.float64, 1e-12)):
        rows = x.astype(kind)
        expected = full.transform(rows)
        scale = np.abs(expected).max()
        many = light(rows)
        assert many.dtype == kind
        np.testing.assert_allclose(many, expected, atol=tolerance * scale)
        one = light(rows[7])
        assert one.dtype == kind
        assert one.shape == (15,)
        np.testing.assert_allclose(one, expected[7], atol=tolerance * scale)
    assert repr(light) == f"<LinearMap {method}: a space (12) -> a space (15)>"


def test_a_space_far_from_zero_in_double_precision(folder, x):
    """There the origin is taken off before the product, as the bridge does it."""
    light, full = runtime.load(folder / "far"), isthmus.load(folder / "far")
    assert full.map.origin_.any()
    rows = x + 1e6
    np.testing.assert_allclose(light(rows), full.transform(rows), atol=1e-6)


def test_float32_far_from_zero_is_no_worse_than_the_bridge(folder, x):
    light, full = runtime.load(folder / "far"), isthmus.load(folder / "far")
    rows = (x + 1e6).astype(np.float32)
    np.testing.assert_allclose(light(rows), full.transform(rows), atol=1e-3)
    np.testing.assert_allclose(light(rows[0]), full.transform(rows[:1])[0], atol=1e-3)


def test_nothing_heavy_is_loaded(folder):
    code = f"""
import sys
import numpy as np
known = set(sys.modules)
from isthmus import runtime
translated = runtime.load({str(folder / "affine")!r})(np.ones(12, np.float32))
assert translated.shape == (15,)
new = set(sys.modules) - known
heavy = [name for name in {HEAVY!r} if name in sys.modules]
ours = sorted(name for name in new if name.startswith("isthmus"))
assert not heavy, heavy
print(*ours)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        "isthmus", "isthmus.core", "isthmus.core.bridge_file", "isthmus.core.errors",
        "isthmus.core.json_text", "isthmus.runtime",
    ]  # fmt: skip


def test_a_bridge_that_is_no_product_names_the_library(folder):
    with pytest.raises(FormatError, match="kernel_ridge.*isthmus.load"):
        runtime.load(folder / "kernel_ridge")


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_what_is_not_finite_is_refused(folder, wrong, kind):
    light = runtime.load(folder / "affine")
    rows = np.ones((3, 12), kind)
    rows[1, 4] = wrong
    for x in (rows, rows[1]):
        with pytest.raises(InputError, match="NaN or infinity"):
            light(x)


@pytest.mark.parametrize(
    "wrong", [np.ones(11), np.ones((2, 13)), np.ones((1, 1, 12)), np.ones(12, int), np.float32(3)]
)
def test_other_widths_and_kinds_are_refused(folder, wrong):
    with pytest.raises(InputError, match=r"expected float32 or float64 of shape \(12,\)"):
        runtime.load(folder / "affine")(wrong)


def test_rows_out_of_order_in_memory_and_none_at_all(folder, x):
    light = runtime.load(folder / "affine")
    rows = x[:10]
    np.testing.assert_allclose(light(np.asfortranarray(rows)), light(rows))
    np.testing.assert_allclose(light(np.repeat(rows[0], 2)[::2]), light(rows[0]))
    assert light(rows[:0]).shape == (0, 15)


def test_weights_beyond_float32_are_refused_by_float32_queries_alone(folder, tmp_path):
    said, arrays = file.read(folder / "affine")
    file.write(tmp_path / "b", said, arrays | {"coef_": np.full((12, 15), 1e200)})
    light = runtime.load(tmp_path / "b")
    assert np.isfinite(light(np.ones(12))).all()
    with pytest.raises(InputError, match="expected float64 of shape"):
        light(np.ones(12, np.float32))
    with pytest.raises(InputError, match="too large"):
        light(np.full(12, 1e200))


@pytest.mark.parametrize(
    "change",
    [
        {"coef_": np.zeros((12, 14))}, {"coef_": np.zeros(180)}, {"origin_": np.zeros(11)},
        {"intercept_": np.zeros((15, 1))}, {"intercept_": np.zeros(15, np.int64)},
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_refused(folder, tmp_path, change):
    said, arrays = file.read(folder / "affine")
    file.write(tmp_path / "b", said, arrays | change)
    with pytest.raises(FormatError, match="do not fit"):
        runtime.load(tmp_path / "b")


@pytest.mark.parametrize(
    "change", [{"source": None}, {"target": {"dim": 3}}, {"method": 3}, {"source": {"dim": 12.0}}]
)
def test_descriptions_that_do_not_fit_are_refused(folder, tmp_path, change):
    said, arrays = file.read(folder / "affine")
    file.write(tmp_path / "b", said | change, arrays)
    if change == {"source": {"dim": 12.0}}:  # equal numbers are equal
        runtime.load(tmp_path / "b")
        return
    with pytest.raises(FormatError, match="do not fit"):
        runtime.load(tmp_path / "b")


def test_files_that_are_not_there_or_not_ours(folder, tmp_path):
    with pytest.raises(StorageError):
        runtime.load(tmp_path / "missing")
    data = bytearray((folder / "affine").read_bytes())
    data[-1] ^= 1
    (tmp_path / "b").write_bytes(data)
    with pytest.raises(FormatError, match="checksum"):
        runtime.load(tmp_path / "b")
