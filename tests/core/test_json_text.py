"""JSON from strangers: values as Python reads them, bombs refused before they cost anything."""

import json
import tracemalloc

import numpy as np
import pytest

from isthmus.core.json_text import clip, loads, loads_within, unique
from isthmus.core.score import Score

HONEST = [
    {}, [], 3, "é", None, {"a": [1, 2.5, None, True], "b": {"c": "x" * 1000, "d": "\U0001f600"}},
    {"checksums": list(range(10**9, 10**9 + 5000))}, {"rows": np.linspace(0, 1, 5000).tolist()},
    {f"tensor.{k}": {"dtype": "F64", "shape": [20, 20], "data_offsets": [k, k + 8]}
     for k in range(500)},
    [Score(value=k / 7, method="true_pair_mrr", n=k, ci=(k / 11, k / 13), chance=1 / 17).as_dict()
     for k in range(1, 3000)],  # a hub of thirty spaces
]  # fmt: skip


@pytest.mark.parametrize("value", HONEST, ids=range(len(HONEST)))
@pytest.mark.parametrize("indent", [None, 1])
def test_honest_texts_are_read_as_they_are(value, indent):
    text = json.dumps(value, indent=indent).encode()
    assert loads(text) == value
    assert unique(loads(text), text)
    if text.decode().isascii():
        assert loads_within(text.decode()) == value


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000, b'{"a":' * 100_000, b"[" + b"[]," * 10**6 + b"0]", b"\xff", "é".encode(),
        b"{" + b",".join(b'"%d":0' % k for k in range(200_000)) + b"}",
        b"{" + b",".join(b'"%020d":0' % k for k in range(200_000)) + b"}",
        b"[" + b'"ab",' * 10**6 + b"0]", b"[" + b"-6," * 10**6 + b"0]", b"", b"[1", b"9" * 10**6,
    ],
    ids=range(12),
)  # fmt: skip
def test_bombs_cost_nothing(text):
    tracemalloc.start()
    with pytest.raises(ValueError):  # noqa: PT011 - which one does not matter
        loads(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * len(text) + (1 << 20)


def test_equal_keys_are_found_at_any_depth():
    for text in (b'{"a":1,"a":1}', b'[{"b":{"c:d":1,"c:d":2}}]', b'{"a":1,"\\u0061":2}'):
        assert not unique(loads(text), text)
    assert unique({"a:b": "c:d"}, b'{"a:b": "c:d"}')


def test_messages_stay_short():
    assert clip("x" * 10**6) == "'" + "x" * 79
    assert len(clip(list(range(10**6)))) <= 80
    assert clip(3) == "3"
