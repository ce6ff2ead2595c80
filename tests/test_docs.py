"""The generated pages say what the code says."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
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
    assert generator.EVIDENCE.read_text("utf-8") == generator.evidence(), "run `make docs`"


def test_links_in_the_guides_lead_somewhere():
    import re

    root = DOCS.parent
    for path in [root / "README.md", root / "CONTRIBUTING.md", *PAGES]:
        for link in re.findall(r"\]\(([^)#:]+)\)", path.read_text("utf-8")):
            assert (path.parent / link).exists(), f"{path.name} links to {link}"


def test_every_picture_is_drawn_for_a_method_that_exists(generator):
    from isthmus.core.registry import methods

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
