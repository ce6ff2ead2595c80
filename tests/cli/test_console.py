import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from isthmus.cli import console
from isthmus.cli.console import duration, progress, show, wrapped
from isthmus.core.errors import InputError


@dataclass
class Result:
    data: dict

    def as_dict(self):
        return self.data

    def __str__(self):
        return "for people"


def test_json_is_clean_whatever_is_in_it(capsys):
    inner = Result({"nan": float("nan"), "inf": np.float64("inf")})
    data = {"a": np.float32(1.5), "b": np.arange(2), "c": (1, None), "d": Path("x"), "e": inner}
    show(Result(data | {"f": True, "g": np.array([np.nan])}), as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found == {
        "a": 1.5, "b": [0, 1], "c": [1, None], "d": "x", "e": {"nan": None, "inf": None},
        "f": True, "g": [None],
    }  # fmt: skip


def test_text_for_people(capsys):
    show(Result({}), as_json=False)
    assert capsys.readouterr().out == "for people\n"


def test_wrapped_keeps_names_whole():
    path = "/a-long/" * 15
    assert path in wrapped(f"see {path} for more").splitlines()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_on_a_terminal(monkeypatch):
    seconds = iter([0.0, 1.0, 2.0, 2.01, 3.0])
    monkeypatch.setattr(console.time, "perf_counter", lambda: next(seconds))
    monkeypatch.setattr(console.sys, "stderr", Terminal())
    with progress("translate", 10_000) as advance:
        for done in (100, 1100, 1200, 3100):
            advance(done)
    lines = [line.strip() for line in console.sys.stderr.getvalue().split("\r")]
    # 1000 rows in two seconds after the first call, 8900 to go.
    assert lines[1] == "translate 1,100 of 10,000 rows, 500/s, 0:18 left"
    assert lines[2] == "translate 3,100 of 10,000 rows, 1,000/s, 0:07 left"
    assert lines[3:] == ["", ""]


def test_no_progress_elsewhere(capsys):
    with progress("translate", 10) as advance:
        advance(5)
    assert capsys.readouterr() == ("", "")


def test_long_waits_have_hours():
    assert console._clock(3723) == "1:02:03"


def test_durations():
    assert [duration(t, operation="x") for t in ("90", "90s", "1.5m", "1h")] == [90, 90, 90, 3600]
    for wrong in ("", "s", "-1s", "0", "nan", "5 days", "inf"):
        with pytest.raises(InputError, match="like 60s"):
            duration(wrong, operation="x")
