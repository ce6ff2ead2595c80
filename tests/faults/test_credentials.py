"""What is said and written of a collection behind a password: everything, but not the password."""

import gc
import json
import logging
import re
import shutil
import sys

import numpy as np
import pytest
from ground import SECRET, N, vectors

import isthmus
from isthmus.cli.main import main
from isthmus.core.errors import IsthmusError

# A verb leaves its connections to the end of its process, which is the tests' here.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def said(monkeypatch, capsys, caplog, tmp_path):
    """All that the verb wrote: to the screen, the log and into files."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["isthmus", *map(str, words)])
        with pytest.raises(SystemExit):
            main()
        gc.collect()
        told = capsys.readouterr()
        files = {f.name: f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()}
        texts = {name: data.decode(errors="replace") for name, data in files.items()}
        return {"out": told.out, "err": told.err, "log": caplog.text, **texts}

    return run


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A bridge's file, for verbs that want one."""
    bridge = isthmus.fit(vectors(), vectors() + 1, method="affine")
    return bridge.save(tmp_path_factory.mktemp("bridge") / "b.isthmus")


@pytest.fixture
def new(postgres, tmp_path):
    x = vectors() @ np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))[0]
    x += 0.05 * np.random.default_rng(1).normal(size=x.shape)
    np.savez(tmp_path / "new.npz", vectors=x.astype(np.float32), ids=postgres.ids)
    np.savez(tmp_path / "others.npz", vectors=x, ids=np.arange(N))
    isthmus.fit(vectors(), x, method="affine").save(tmp_path / "b.isthmus")
    return "new.npz"


def test_a_plan_as_text_json_and_html(secret, said, new, faults):
    plan = "plan", secret, new, "-b", "b.isthmus", "--report", "plan.html", "--save", "plan.json"
    for more in ((), ("--json",)):
        found = said(*plan, *more)
        assert found["out"]
        assert json.loads(found["plan.json"])["kind"] == "plan"
        assert re.search(r"docs\d", found["plan.html"])  # the collection is named there
        assert not [where for where, text in found.items() if SECRET in text]
        faults("credentials kept", len(found))


@pytest.mark.parametrize(
    "wrong",
    [("others.npz",), ("nowhere.npz",), ("new.npz", "--k", "400"), ("new.npz", "--chain", "{0}x"),
     ("new.npz", "-q", "{0}", "--old-queries", "{0}x"), ("new.npz", "-b", "{0}")],
)  # fmt: skip
def test_what_a_plan_refuses(secret, said, new, faults, wrong):
    found = said("plan", secret, *(word.format(secret) for word in wrong))
    assert "Error" in found["err"]
    assert not [where for where, text in found.items() if SECRET in text]
    faults("credentials kept", len(found))


@pytest.mark.parametrize(
    "words",
    [("compare", "{0}", "new.npz"), ("evaluate", "{0}", "new.npz", "-b", "b.isthmus"),
     ("doctor", "{0}"), ("info", "{0}")],
)  # fmt: skip
def test_reports_of_other_verbs(secret, said, new, faults, words):
    report = ("--report", "report.html") if words[0] in ("compare", "evaluate") else ()
    found = said(*(word.format(secret) for word in words), *report)
    assert found["out"], found["err"]
    assert re.search(r"docs\d", found["report.html" if report else "out"])
    assert not [where for where, text in found.items() if SECRET in text]
    faults("credentials kept", len(found))


@pytest.mark.parametrize(
    "words",
    [("fit", "{0}", "new.npz", "-o", "c.isthmus", "--method", "affine"),
     ("translate", "{0}", "-b", "b.isthmus", "-o", "moved"),
     ("anchors", "{0}", "new.npz", "--curve", "--samplers", "uniform", "--sizes", "10",
      "--repeats", "2"),
     ("hub", "a={0}", "b={0}", "c=new.npz", "-o", "hub.isthmus"),
     ("upgrade", "{0}", "b.isthmus", "--dry-run"), ("upgrade", "{0}", "b.isthmus", "--job", "j")],
)  # fmt: skip
def test_verbs_that_write(secret, said, new, faults, words):
    found = said(*(word.format(secret) for word in words))
    assert found["out"], found["err"]
    assert not [where for where, text in found.items() if SECRET in text]
    faults("credentials kept", len(found))


@pytest.mark.parametrize(
    "words",
    [("fit", "{0}", "new.npz", "-o", "{0}"), ("fit", "{0}", "others.npz", "-o", "c.isthmus"),
     ("translate", "{0}", "-b", "{0}", "-o", "moved"),
     ("translate", "{0}", "-b", "b.isthmus", "-o", "{0}"), ("anchors", "{0}", "{0}x", "--curve"),
     ("hub", "a={0}", "b={0}", "c=new.npz", "-o", "{0}"), ("hub", "{0}", "{0}x", "-o", "h"),
     ("upgrade", "{0}", "{0}"), ("upgrade", "{0}x", "b.isthmus"), ("upgrade", "--cutover", "{0}"),
     ("jobs", "{0}"), ("jobs", "--pause", "{0}"), ("jobs", "--resume", "{0}"),
     ("demo", "-o", "{0}"), ("methods", "--room", "{0}"), ("reproduce", "{0}"),
     ("reproduce", "relrep", "--save", "{0}")],
)  # fmt: skip
def test_what_other_verbs_refuse(said, fitted, tmp_path, faults, words):
    """No server is wanted: where these do reach for one, there is none."""
    np.savez(tmp_path / "new.npz", vectors=vectors())
    np.savez(tmp_path / "others.npz", vectors=vectors())
    shutil.copy(fitted, tmp_path / "b.isthmus")
    place = f"pgvector://me:{SECRET}@127.0.0.1:1/base/docs"
    found = said(*(word.format(place) for word in words))
    assert "Error" in found["err"]
    assert not [where for where, text in found.items() if SECRET in where + text]
    assert not [path for path in tmp_path.rglob("*") if SECRET in str(path)]
    faults("credentials kept", len(found))


def test_a_password_that_is_told_would_be_found(secret, said, new, monkeypatch):
    def talkative(source, **options):
        raise IsthmusError("open", str(source), "anything else")

    monkeypatch.setattr("isthmus.open", talkative)
    assert [where for where, text in said("plan", secret, new).items() if SECRET in text] == ["err"]
