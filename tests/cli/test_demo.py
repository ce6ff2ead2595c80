import sys

import pytest


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_a_missing_extra(cli, here, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    answer = cli("demo", "-o", "out", "--documents", "20")
    assert (answer.code, answer.out) == (7, "")
    assert "Install it with: pip install 'isthmus[demo]'" in answer.err.splitlines()
    assert not (here / "out").exists()
