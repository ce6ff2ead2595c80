"""Every verb that takes a space takes the address of a store, and shows none of its secrets."""

import json

import numpy as np
from typer.testing import CliRunner

import isthmus
from isthmus.cli.main import app
from isthmus.spaces.stores import create
from isthmus.spaces.stores.store import Rows

RNG = np.random.default_rng(0)
X = (RNG.normal(size=(400, 12)) * np.linspace(3, 0.3, 12) + 0.4).astype(np.float32)
Y = (X @ RNG.normal(size=(12, 8))).astype(np.float32)


def run(*words):
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_verbs_take_addresses(tmp_path):
    ends = []
    for name, vectors in (("old", X), ("new", Y), ("third", X * 2)):
        address = f"faiss://{tmp_path}/{name}"
        with create(address, dim=vectors.shape[1], metric="inner", id_kind="int") as store:
            store.upsert(Rows(np.arange(400), vectors))
        ends.append(address)
    third = ends.pop()
    bridge, out = str(tmp_path / "b.isthmus"), tmp_path / "out"
    run("fit", *ends, "-o", bridge, "--method", "affine")
    assert json.loads(run("info", ends[0], "--json"))["metric"] == "inner"
    assert "procrustes" in run("compare", *ends, "--rows", "200")
    run("compare", *ends, third, "--rows", "100")
    run("translate", ends[0], "-b", bridge, "-o", str(out))
    assert np.allclose(isthmus.open(out).vectors(), Y, atol=1e-3)
    said = run("evaluate", *ends, "-b", bridge, "--json")
    assert json.loads(said)["kind"] == "evaluation"


def test_an_address_that_cannot_be_opened_is_told_without_its_secret():
    for verb in (["info"], ["doctor"], ["compare", "x.npy"], ["evaluate", "-b", "x", "x.npy"]):
        done = CliRunner().invoke(app, [*verb, "nosuch://me:sesame@host/base/docs?token=sesame"])
        assert done.exit_code in (3, 6)
        assert "sesame" not in done.output
