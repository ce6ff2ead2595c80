import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import isthmus
from isthmus.cli.main import main

N, DX, DY = 400, 12, 8
_RNG = np.random.default_rng(0)
_MIX = np.linalg.qr(_RNG.normal(size=(DX, DX)))[0][:, :DY]
X = (_RNG.normal(size=(N, DX)) * np.geomspace(3, 0.1, DX) + _RNG.normal(size=DX)).astype(np.float32)
Y = (X @ _MIX + 0.05 * _RNG.normal(size=(N, DY))).astype(np.float32)
IDS = np.array([f"d{i}" for i in range(N)])


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out, parse_constant=lambda text: pytest.fail(f"{text} in JSON"))


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    np.savez(folder / "old.npz", vectors=X, ids=IDS)
    np.savez(folder / "new.npz", vectors=Y, ids=IDS)
    isthmus.fit(folder / "old.npz", folder / "new.npz", method="affine").save(folder / "b.isthmus")
    return folder


@pytest.fixture
def here(tmp_path, made, monkeypatch):
    """The current folder, holding old.npz, new.npz and b.isthmus from the one to the other."""
    folder = tmp_path / "here"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def cli(capsys, monkeypatch):
    """``isthmus`` with these arguments, in this process."""

    def run(*arguments):
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["isthmus", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        code = left.value.code
        return Answer(0 if code is None else code, said.out, said.err)

    return run


def tree(folder):
    return {
        str(f.relative_to(folder)): f.read_bytes() for f in Path(folder).rglob("*") if f.is_file()
    }


@pytest.fixture
def refused(cli, here):
    """A command that must end with ``code`` and a message of class ``kind``, and write nothing."""

    def run(code, kind, *arguments):
        before = tree(here)
        answer = cli(*arguments)
        assert (answer.code, answer.out) == (code, ""), answer
        # A verb may remark on its input first; the message is what comes last.
        assert f"\n{kind}: " in "\n" + answer.err, answer.err
        assert tree(here) == before
        assert sorted(p.name for p in here.iterdir()) == sorted({n.split("/")[0] for n in before})
        return " ".join(answer.err.split())

    return run


@pytest.fixture
def save(here):
    """Save vectors (and ids) as an .npz in the current folder."""

    def write(name, vectors, ids=IDS):
        keys = {} if ids is None else {"ids": np.asarray(ids)}
        np.savez(here / name, vectors=vectors, **keys)
        return name

    return write


@pytest.fixture
def narrow():
    def check(text):
        assert text.strip()
        wide = [line for line in text.splitlines() if len(line) > 80]
        assert not wide, wide

    return check


@pytest.fixture
def x():
    """The vectors of old.npz, to change at will."""
    return X.copy()


@pytest.fixture
def y():
    return Y.copy()


@pytest.fixture
def ids():
    return IDS.copy()
