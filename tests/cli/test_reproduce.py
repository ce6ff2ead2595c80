import json

import pytest

from isthmus.core.errors import MissingExtra
from isthmus.evidence import experiment
from isthmus.evidence.experiment import Evidence, Figure, slugs


@pytest.fixture
def runs(monkeypatch):
    """Evidence that takes no time; ``relrep`` holds, nothing else does."""
    seen = []

    def reproduce(slug, *, seed=0):
        seen.append((slug, seed))
        value = 1.0 if slug == "relrep" else 0.0
        figure = Figure(what="it", value=value, n=1, seeds=(seed,), at_least=0.5)
        return Evidence(
            slug=slug, title="T", claim="C.", figures={"it": figure}, what_holds="W.",
            seconds=0.0, command=f"isthmus reproduce {slug}",
        )  # fmt: skip

    monkeypatch.setattr(experiment, "reproduce", reproduce)
    return seen


def test_list(cli, narrow):
    answer = cli("reproduce", "--list")
    assert (answer.code, answer.err) == (0, "")
    narrow(answer.out)
    found = cli("reproduce", "--list", "--json").json
    assert [entry["slug"] for entry in found] == list(slugs())
    for entry in found:
        assert entry["claim"] == experiment.paper_file(entry["slug"]).CLAIM
        assert f"{entry['slug']}\n" in answer.out


def test_one_that_holds(cli, runs):
    answer = cli("reproduce", "relrep", "--seed", "4")
    assert (answer.code, answer.err) == (0, "running relrep ...\n")
    assert "relrep: HOLDS" in answer.out
    assert runs == [("relrep", 4)]


def test_all_and_one_that_does_not_hold(cli, here, runs):
    answer = cli("reproduce", "--all", "--json", "--save", "results/new")
    assert answer.code == 1
    assert [e["slug"] for e in answer.json] == list(slugs())
    assert [e["holds"] for e in answer.json] == [slug == "relrep" for slug in slugs()]
    saved = json.loads((here / "results" / "new" / "relrep.json").read_text())
    assert saved["holds"] is True


def test_an_unknown_slug(cli, runs):
    answer = cli("reproduce", "alchemy")
    assert (answer.code, answer.out, runs) == (3, "", [])
    assert "'alchemy'; expected one of" in answer.err


def test_a_place_that_cannot_be_written(cli, here, runs):
    answer = cli("reproduce", "relrep", "--save", "old.npz/results")
    assert answer.code == 6
    assert "StorageError" in answer.err


def test_a_missing_extra(cli, monkeypatch):
    def absent(slug, *, seed=0):
        raise MissingExtra("reproduce relrep", "torch", "torch")

    monkeypatch.setattr(experiment, "reproduce", absent)
    answer = cli("reproduce", "relrep")
    assert (answer.code, answer.out) == (7, "")
    assert "pip install 'isthmus[torch]'" in answer.err
