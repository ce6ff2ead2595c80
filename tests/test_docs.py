"""The generated pages say what the code says."""

import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from isthmus.core.registry import methods
from isthmus.testing.measures import given_to

DOCS = Path(__file__).parent.parent / "docs"
MINE = [m for m in methods("measures") if m.call.__module__.startswith("isthmus.")]
#: The guides, and the tables that benchmarks write.
PAGES = [*DOCS.glob("*.md"), *DOCS.glob("results/*.md")]


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_current(generator):
    written = {str(p.relative_to(generator.FOLDER)): p.read_text("utf-8")
               for p in generator.FOLDER.rglob("*.md")}  # fmt: skip
    expected = generator.pages()
    stale = [name for name in expected if written.get(name) != expected[name]]
    assert not stale, f"run `make docs`: {stale}"
    assert set(written) == set(expected), "run `make docs`"


def test_the_page_of_evidence_is_current(generator):
    claims = generator.claims
    assert claims.EVIDENCE.read_text("utf-8") == claims.evidence(), "run `make docs`"
    for name, text in claims.tables().items():
        assert (claims.RESULTS / name).read_text("utf-8") == text, "run `make docs`"


def test_the_page_of_speeds_is_current_and_gives_a_reason_for_each_that_is_slow(generator):
    speed = generator.speed
    text = speed.page()
    assert speed.PAGE.read_text("utf-8") == text, "run `make docs`"
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| [")]
    reasons = [row[-1].strip() for row in rows if not row[-2].strip() or float(row[-2]) > 1.45]
    assert len(reasons) > 5
    assert all(reasons)


def test_links_in_the_guides_lead_somewhere():
    root = DOCS.parent
    for path in [root / "README.md", root / "CONTRIBUTING.md", *PAGES]:
        for link in re.findall(r"\]\(([^)#:]+)\)", path.read_text("utf-8")):
            assert (path.parent / link).exists(), f"{path.name} links to {link}"


def test_every_picture_is_drawn_for_a_method_that_exists(generator):
    known = {m.name for m in methods("measures")}
    assert set(generator.PICTURES) <= known
    drawn = {draw.__name__ for draw in generator.PICTURES.values()}
    found = {path.stem for path in (DOCS / "images").glob("*.svg")}
    shown = {name for name in found if any(
        f"images/{name}.svg" in page.read_text("utf-8") for page in PAGES
    )}  # fmt: skip
    assert drawn <= found, "run docs/pictures.py"
    assert found <= drawn | shown, "a picture that no page shows"


def test_the_page_of_stores_is_current(generator):
    assert generator.STORES_PAGE.read_text("utf-8") == generator.stores(), "run `make docs`"


def test_the_page_of_calibration_is_current_and_leaves_no_measure_out(generator):
    calibration = generator.calibration
    rows = calibration.simulated_rows()
    assert calibration.PAGE.read_text("utf-8") == calibration.page(rows), "run `make docs`"
    shown = {row["method"] for row in rows if {"coverage", "size"} & set(row)}
    silent, beside = set(calibration.NEITHER), set(calibration.UNSIMULATED)
    assert shown | silent | beside >= {m.name for m in MINE}
    # Where an interval is given but no figure, a reason is; where neither is given, neither is.
    assert not shown & (silent | beside)
    assert not silent & beside


def test_a_cell_without_a_figure_has_its_reason(generator):
    page = generator.calibration.page
    cell = {"method": "rsa", "n": 50, "d": 20, "size": 0.05, "tests": 4000, "tests_warned": 0.0}
    lacking = "- rsa, test, n=500 d=20, n=50 d=500, n=500 d=500: not simulated yet"
    assert lacking in page([cell])
    cells = [cell | {"n": n, "d": d} for n, d in generator.calibration.REGIMES]
    assert "- rsa" not in page(cells)
    assert "- rsa" not in page([*cells[:3], {"method": "rsa", "n": 500, "d": 500, "refused": "d"}])


def test_a_page_marks_what_lies_outside_its_band(generator):
    rows = [
        {"method": "rsa", "n": 50, "d": 20, "coverage": 0.929, "intervals": 1000, "size": 0.061,
         "tests": 4000},
        {"method": "rsa", "n": 50, "d": 500, "coverage": 0.95, "intervals": 1000},
        {"method": "rsa", "n": 500, "d": 20, "refused": "too many"},
    ]  # fmt: skip
    assert generator.calibration.table("rsa", rows)[2:] == [
        "| 50 x 20 | **92.9** | **6.1** | 1000 |",
        "| 50 x 500 | 95.0 | - | 1000 |",
        "| 500 x 20 | refused | refused | - |",
        "| 500 x 500 | ... | ... | - |",
    ]
    assert generator.calibration.table("cka", rows) == []


def test_every_measure_has_a_formula_and_says_what_leaves_it_unchanged(generator):
    for m in MINE:
        page = generator.page(m)
        assert ".. math::" in page, m.name
        assert "| Unchanged under" in page, m.name
        assert all(group.replace("_", " ") in page for group in m.card.invariant), m.name


def test_what_a_page_says_of_chance_is_what_scores_hold(generator):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 6))
    spaces = x, x @ rng.normal(size=(6, 6)) + rng.normal(size=(60, 6))
    wrong = []
    for m in MINE:
        if m.card.chance is not None:
            assert m.name not in generator.NO_CHANCE
            continue
        if m.card.spaces:
            has = m.call(*spaces[: m.card.spaces], **given_to(m.card, spaces)).chance is not None
        else:
            has = "chance=" in inspect.getsource(sys.modules[m.call.__module__])
        if has == (m.name in generator.NO_CHANCE):
            wrong.append(m.name)
    assert wrong == []
    assert set(generator.NO_CHANCE) <= {m.name for m in MINE}


def test_every_public_helper_is_on_the_page_of_its_method(generator):
    lines = {line: m for m in methods() for line in generator.also(m)}
    for name in (
        "trsa import geo_topological_rdm", "cog_levels import probe_levels",
        "alignment import loss", "uniformity import loss", "vne import vne_gradient",
        "ldreg import ldreg_gradient", "t_regs import t_regs_gradient",
        "unreachable import layernorm_project", "cosine_audit import rescaled",
    ):  # fmt: skip
        assert f"from isthmus.measures.{name}" in lines
    for line, m in lines.items():
        page = generator.page(m)
        assert line in page
        text = inspect.getdoc(generator.also(m)[line])
        assert text, f"{line} has no docstring"
        assert text in page
    # In a fresh process: a name of a room is its method, not the file.
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)


def test_evidence_on_other_data_than_the_claim_names_is_not_counted_as_held(generator):
    page = generator.claims.EVIDENCE.read_text("utf-8")
    held, substituted = page.partition("## Held on a substitute")[::2]
    substituted = substituted.partition("\n## ")[0]
    for slug in ("mieb", "label-sharpness"):
        assert f"### {slug}\n" in substituted
        assert f"### {slug}\n" not in held
    assert "### relrep\n" in held
    assert not generator.claims.substituted({"what_holds": "On MNIST a map raises the mAP."})


def test_a_claim_that_misses_on_a_fresh_seed_is_not_counted_as_held(generator, monkeypatch):
    claims = generator.claims
    missed = {"value": 0.1, "ci": None, "at_least": 0.5, "at_most": None, "met": False}
    met = missed | {"value": 0.6, "met": True}
    record = {"slug": "s", "holds": True, "what_holds": "", "figures": {"a": met, "b": met}}
    again = record | {"holds": False, "what_holds": "Half.", "command": "run"}
    again["figures"] = {"a": met | {"what": "a"}, "b": missed | {"what": "b"}}
    monkeypatch.setattr(claims, "fresh", lambda slug: None)
    assert claims.outcome(record) == "Held"
    assert claims.outcome(record | {"holds": False}) == "Did not hold as stated"
    assert claims._again(record) == []
    monkeypatch.setattr(claims, "fresh", lambda slug: again)
    assert claims.outcome(record) == "Held on seed 0 and not on a fresh one"
    assert claims._again(record)[0] == "On a fresh seed 1 of 2 bounds are met:"
    # Of a claim that did not hold, only bounds that were met are looked at again.
    record |= {"holds": False, "figures": {"a": met, "b": missed}}
    lines = claims._again(record)
    assert lines[0] == "On a fresh seed 1 of 1 bounds that were met are met again."
    assert "What holds there: Half." in lines
    assert "did not hold and were run again too, 0 hold there" in claims._fresh([record])[-1]


def test_the_pages_of_methods_say_how_the_claims_of_their_papers_came_out(generator):
    claims, known = generator.claims, {f"{m.room}/{m.name}": m for m in methods()}
    run = {path.stem for path in claims.RESULTS.glob("*.json")}
    assert {slug for of in claims.exercised().values() for slug in of} >= run
    headings = re.findall(r"^### (\S+)$", claims.EVIDENCE.read_text("utf-8"), re.M)
    for name, of in claims.exercised().items():
        page = generator.page(known[name])
        assert page.count("Claim, run: ") == len(of), name
        for slug in of:
            assert f"](../../evidence.md#{slug}): " in page
            assert slug in headings
    assert "Claim, run" not in generator.page(known["measures/cka"])
    trsa = generator.page(known["measures/trsa"])
    assert "[trsa](../../evidence.md#trsa): does not hold as stated; what holds: " in trsa


def test_a_sample_of_rows_reads_means_over_pairs_right_and_neighbours_not(generator):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 6))
    spaces = x, x @ rng.normal(size=(6, 6)) / 2 + rng.normal(size=(120, 6))
    samples = [rng.choice(120, 40, replace=False) for _ in range(8)]
    known = {m.name: m for m in MINE}
    for name in (*generator.MEANS_OVER_PAIRS, "mutual_knn", "cycle_knn", "cknna"):
        m = known[name]
        own = spaces[: m.card.spaces]
        values = [float(m.call(*(side[rows] for side in own))) for rows in samples]
        off = abs(np.mean(values) - float(m.call(*own))) / np.std(values, ddof=1)
        assert (off < 1) == (name in generator.MEANS_OVER_PAIRS), (name, off)
    text = {name: generator.page(known[name]) for name in ("rsa", "ldreg", "procrustes_angular")}
    assert "a mean over pairs" in text["rsa"]
    assert "reads another value" in text["ldreg"]
    assert "not needed for many rows" in text["procrustes_angular"]
    assert "which cost `d^3`" in text["procrustes_angular"]


def test_the_tests_that_disagreements_name_exist():
    page = (DOCS / "disagreements.md").read_text("utf-8")
    named = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", page)
    assert len(named) > 8
    for path, name in named:
        assert f"def {name}(" in (DOCS.parent / path).read_text("utf-8"), f"{path}::{name}"
