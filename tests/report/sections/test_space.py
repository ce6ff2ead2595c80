"""The collections' section: facts, complaints, spectrum and lengths, down to degenerate sets."""

import warnings
from typing import Any

import numpy as np
import pytest

import isthmus
from isthmus.report.sections import space as section


def test_complaints_name_count_and_first_ids() -> None:
    x = np.eye(5)
    x[1, 0], x[2] = np.nan, 0.0
    built = section.build([isthmus.open(x, ids=["a", "b", "c", "d", "d"], name="old")])
    assert built.warnings == (
        "old: NaN or infinity in 1 row, first b: they cannot be used.",
        "old: zero vectors in 1 row, first c: they have no direction.",
        "old: repeated ids in 1 row, first d: their pairs are unsure.",
        "old: dimensions that never change and carry nothing: 2.",
    )


def test_spread_in_closed_form() -> None:
    # Four directions of equal variance, four of none.
    x = np.zeros((8, 8))
    x[:4, :4], x[4:, :4] = np.eye(4), -np.eye(4)
    assert section._spread("it", section._eigenvalues(x)) == (
        "it spreads its variance as 4.0 equal directions would (participation ratio); "
        "4 of 8 carry 90 % of it."
    )


def test_eigenvalues_agree_whichever_side_is_smaller() -> None:
    x = np.random.default_rng(0).normal(size=(6, 9))
    whole = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2 / np.abs(x).max() ** 2
    assert section._eigenvalues(x) == pytest.approx(whole)
    assert section._eigenvalues(x.T[:6]) is not None


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((4, 3)), np.ones((4, 3)), np.ones((1, 3)), np.full((4, 3), np.nan),
        np.eye(4) * 1e200, np.eye(4) * 1e-200, np.eye(4, dtype=np.float16) * 60000,
        np.eye(3, 400), np.eye(4) + 1e6,
    ],
)  # fmt: skip
def test_degenerate_sets_are_shown(x: np.ndarray, tmp_path: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = isthmus.report(tmp_path / "r.html", isthmus.open(x)).read_text()
    assert ">nan<" not in text.lower()
    assert ">inf<" not in text.lower()


def test_equal_names_are_told_apart() -> None:
    x = isthmus.open(np.eye(3), name="it")
    assert section.build([x, x]).tables[0].columns == ("", "it (1)", "it (2)")


def test_sample_is_spread_over_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(section, "ROWS", 5)
    x = np.arange(101.0)[:, None] * [1.0, 2.0]
    assert section._sample(isthmus.open(x))[:, 0].tolist() == [0, 25, 50, 75, 100]
