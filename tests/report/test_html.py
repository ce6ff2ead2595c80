"""The whole page: order, offline, escaping, size, structure, atomic writing, a real browser."""

import dataclasses
import os
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import InputError, StorageError
from isthmus.report.html import report

VOID = {"meta", "link", "br", "hr", "img", "input", "base", "col", "source", "wbr"}
EVIL = "<script>alert(1)</script>\"'&$x$ \u202e\x00 \u6f22\u5b57 " + "long_name_" * 12


class Audit(HTMLParser):
    """What is wrong with a page: broken nesting, doubled ids, dead links, the network, no alt."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.levels: list[int] = []
        self.words: list[str] = []
        if not text.startswith("<!DOCTYPE html>\n<html lang="):
            self.faults.append("no doctype or language")
        if "content=\"default-src 'none'; style-src 'unsafe-inline';" not in text:
            self.faults.append("no policy against the network and scripts")
        if re.search(r"https?:|[\"'(]//|@import|data:", text):
            self.faults.append("something outside the file is named")
        self.feed(text)
        self.close()
        self.faults += [f"unclosed {tag}" for tag in self.open]
        self.faults += [f"id {i!r} twice" for i in {i for i in self.ids if self.ids.count(i) > 1}]
        self.faults += [f"dead link {i!r}" for i in set(self.links) - set(self.ids)]
        steps = zip(self.levels, self.levels[1:], strict=False)
        self.faults += [f"heading {a} to {b}" for a, b in steps if b > a + 1]
        if self.levels[:1] != [1] or self.levels.count(1) != 1:
            self.faults.append("not one first-level heading at the front")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self.open.append(tag)
        if tag in {"script", "link", "iframe", "object", "embed", "base", "form"}:
            self.faults.append(f"a {tag} element")
        self.faults += [f"handler {name}" for name in given if name.startswith("on")]
        if "id" in given:
            self.ids.append(given["id"])
        for name in ("href", "src"):
            if name in given and not given[name].startswith("#"):
                self.faults.append(f"{name} to {given[name]!r}")
            elif name in given:
                self.links.append(given[name][1:])
        self.links += re.findall(r"url\(#([^)]*)\)", " ".join(given.values()))
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag == "th" and "scope" not in given:
            self.faults.append("a table head without scope")
        if given.get("role") == "img" and len(given.get("aria-label", "")) < 10:
            self.faults.append("a picture without words")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes something else")

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def written(folder: Path, *results: Any, **options: Any) -> str:
    return report(folder / "report.html", *results, **options).read_text("utf-8")


@pytest.mark.parametrize("kind", ["minimal", "rich"])
def test_whole_page_is_sound(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    results = request.getfixturevalue(kind).values()
    text = written(tmp_path, *results)
    assert Audit(text).faults == []
    assert len(text.encode()) < 2_000_000


@pytest.mark.parametrize("kind", ["minimal", "rich"])
@pytest.mark.parametrize("name", ["space", "comparison", "choice", "evaluation", "evidence"])
def test_every_section_stands_alone(
    kind: str, name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    text = written(tmp_path, request.getfixturevalue(kind)[name])
    assert Audit(text).faults == []
    assert text.count('<section class="step"') == 1
    assert '<p class="lead">' in text


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ("<p><b>x</p>", "</p> closes something else"),
        ('<img src="x.png">', "src to 'x.png'"),
        ('<a href="#nowhere">x</a>', "dead link 'nowhere'"),
        ('<i id="a"></i><i id="a"></i>', "id 'a' twice"),
        ("<script>1</script>", "a script element"),
        ('<p style="background: url(https://x.org/y)">', "something outside the file is named"),
        ('<div role="img"></div>', "a picture without words"),
        ("<h3>x</h3>", "heading 1 to 3"),
        ("<th>x</th>", "a table head without scope"),
        ("", "no policy against the network and scripts"),
        ('<p onclick="x">y</p>', "handler onclick"),
    ],
)
def test_the_audit_rejects_bad_pages(wrong: str, fault: str) -> None:
    assert fault in Audit(f'<!DOCTYPE html>\n<html lang="en"><h1>t</h1>{wrong}</html>').faults


def test_sections_follow_the_path_whatever_the_order(rich: dict[str, Any], tmp_path: Path) -> None:
    text = written(tmp_path, *reversed(list(rich.values())))
    keys = re.findall(r'<section class="step" id="(\w+)"', text)
    assert keys == ["space", "comparison", "choice", "evaluation", "evidence"]


def test_verdict_and_its_picture_come_first(rich: dict[str, Any], tmp_path: Path) -> None:
    text = written(tmp_path, *rich.values())
    places = [
        text.index(words)
        for words in (
            "Translate the corpus with the affine bridge.</h2>",
            "How sure:",
            "Each way to serve against the status quo",
            '<section class="step"',
        )
    ]
    assert places == sorted(places)


def test_hostile_names_are_shown_and_never_obeyed(rich: dict[str, Any], tmp_path: Path) -> None:
    space = isthmus.open(np.eye(4), ids=[EVIL, EVIL, "a", "b"], name=EVIL, encoder=EVIL)
    panel = dataclasses.replace(
        rich["comparison"],
        scores=tuple((EVIL, score) for _, score in rich["comparison"].scores),
        verdict=(EVIL,), warnings=(EVIL,),
    )  # fmt: skip
    first = rich["evaluation"].rows[2]
    rows = (dataclasses.replace(first, strategy=EVIL, bridge=EVIL, summary=EVIL),)
    upgrade = dataclasses.replace(
        rich["evaluation"], rows=rows, recommended=EVIL, reason=EVIL, warnings=(EVIL,)
    )
    text = written(tmp_path, space, rich["space2"], panel, upgrade, title=EVIL)
    audit = Audit(text)
    assert audit.faults == []
    assert "<script" not in text
    assert "<script>alert(1)</script>" in "".join(audit.words)
    assert not re.search("[\x00\u202a-\u202e]", text)


def test_warnings_are_seen_at_the_top_and_in_place(rich: dict[str, Any], tmp_path: Path) -> None:
    text = written(tmp_path, *rich.values())
    top, _, rest = text.partition('<section class="step"')
    assert '<a href="#evaluation">1 under What retrieval gains or loses</a>' in top
    assert "zero vectors in 12 rows, first package-100, package-101" in rest


def test_same_results_give_the_same_page(rich: dict[str, Any], tmp_path: Path) -> None:
    assert written(tmp_path, *rich.values()) == written(tmp_path, *rich.values())


def test_front_door_is_callable_both_ways(minimal: dict[str, Any], tmp_path: Path) -> None:
    import isthmus.report.plots

    for call in (isthmus.report, __import__("sys").modules["isthmus.report"]):
        assert call(tmp_path / "r.html", minimal["choice"]) == tmp_path / "r.html"


def test_nothing_or_something_unknown_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no results"):
        report(tmp_path / "r.html")
    with pytest.raises(InputError, match=r"'int'.*Comparison, .*Choice, Evaluation"):
        report(tmp_path / "r.html", 3)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_page_and_nothing_else(
    minimal: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "r.html"
    target.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        report(target, minimal["choice"])
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]
    assert target.read_text() == "old"


@pytest.mark.parametrize("where", ["missing/r.html", ""])
def test_a_place_that_cannot_be_written_is_a_storage_error(
    where: str, minimal: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(StorageError, match="write the report"):
        report(tmp_path / where, minimal["choice"])
    assert not list(tmp_path.iterdir())


def test_permissions_follow_the_umask(minimal: dict[str, Any], tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        path = report(tmp_path / "r.html", minimal["choice"])
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


def browse(chromium: Path, page: Path, *options: str) -> str:
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--hide-scrollbars", f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    return done.stdout


PROBE = """<script>
const far = [...document.querySelectorAll("main *, header *")].filter(e =>
  !e.closest(".sheet, .plot") && e.getBoundingClientRect().right > innerWidth + 1);
const cut = [...document.querySelectorAll(".sheet, .plot, figure")].filter(e =>
  e.scrollWidth > e.clientWidth + 1);
document.title = [document.documentElement.scrollWidth - innerWidth, far.length, cut.length];
</script></body>"""


def overflow(chromium: Path, text: str, folder: Path, width: int) -> tuple[int, int, int]:
    """Pixels the page is too wide, elements beyond its edge, boxes whose inside scrolls."""
    page = folder / f"probe-{width}.html"
    text = re.sub('<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    page.write_text(text.replace("</body>", PROBE))
    dom = browse(chromium, page, "--dump-dom", f"--window-size={width},900")
    found = re.search(r"<title>([-\d]+),(\d+),(\d+)</title>", dom)
    assert found, "the probe did not run"
    wide, far, cut = map(int, found.groups())
    return wide, far, cut


def test_fits_the_screen_and_the_printed_page(
    chromium: Path, rich: dict[str, Any], tmp_path: Path
) -> None:
    text = written(tmp_path, *rich.values())
    assert overflow(chromium, text, tmp_path, 1100) == (0, 0, 0)
    assert overflow(chromium, text, tmp_path, 500)[:2] == (0, 0)
    # The print rules at the width that A4 leaves between the margins: nothing may be cut there.
    printed = text.replace("@media print", "@media all")
    assert overflow(chromium, printed, tmp_path, 688) == (0, 0, 0)
    wide = printed.replace("<tbody>", "<tbody><tr><td>" + "x" * 300 + "</td></tr>", 1)
    assert overflow(chromium, wide, tmp_path, 688) != (0, 0, 0)


def test_prints_on_a4(chromium: Path, rich: dict[str, Any], tmp_path: Path) -> None:
    page = report(tmp_path / "report.html", *rich.values())
    browse(chromium, page, "--no-pdf-header-footer", f"--print-to-pdf={tmp_path / 'r.pdf'}")
    printed = (tmp_path / "r.pdf").read_bytes()
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed)
    assert {(round(float(w)), round(float(h))) for w, h in boxes} == {(595, 842)}
    assert len(boxes) >= 6
