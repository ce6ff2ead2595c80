"""What docs/ says of the claims that were run, from docs/results and docs/results/fresh.

These are docs/evidence.md, the lines on methods' pages on how the claim of their paper came out,
and the pages of claims whose figures make a table. `make evidence` writes docs/results; fresh/ is
the same on a seed that nothing was looked at with.
"""

import json
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from isthmus.core.registry import Method, methods
from isthmus.evidence import slugs

RESULTS = Path(__file__).parent / "results"
EVIDENCE = Path(__file__).parent / "evidence.md"
#: How claims came out, in the order of docs/evidence.md, with what a method's page says of each.
OUTCOMES = {
    "Held": "holds",
    "Held on a substitute": "holds on a substitute for its data",
    "Held on seed 0 and not on a fresh one": "held on seed 0 and not on a fresh one",
    "Did not hold as stated": "does not hold as stated",
}
#: Claims whose figures make a table of their own, with the title of their page and how to read it.
TABLES = {
    "bootstrapped-anchors": (
        "Anchors grown from ten known pairs, against 300 true ones",
        "A seed draws its own spaces, or of texts its own rows, and its own known pairs; *of* "
        "counts the rows whose partners are sought. German and French are no part of the claim.",
    ),
    "word-spaces": (
        "Two kinds of word vectors, by codes relative to anchors",
        "A cell is fastText-like to word2vec-like / back, mean ± standard deviation over ten sets "
        "of 300 anchors. *absolute* are raw vectors; *product of invariances* are codes by four "
        "similarities at once, of uniform anchors; *other words* is the mean cosine to the codes "
        "of all other words; the paper's columns are from corpora of billions of words.",
    ),
}
#: Claims whose paper no card cites, with the method that they exercise.
UNCITED = {"cross-subject-adapters": "bridges/universal_space"}
#: What a record of evidence says where the data that its claim names could not be had.
_SUBSTITUTE = re.compile(r"MNIST,? (which was|is) not at hand")


@cache
def exercised() -> dict[str, list[str]]:
    """Slugs of the claims by the methods, ``room/method``, whose card cites the claim's paper."""
    found: dict[str, list[str]] = {}
    for slug in slugs():
        paper = import_module(f"isthmus.evidence.{slug.replace('-', '_')}").PAPER
        for m in methods():
            name = f"{m.room}/{m.name}"
            if paper.title in m.card.paper.title.split("; ") or UNCITED.get(slug) == name:
                found.setdefault(name, []).append(slug)
    return found


def of(entry: Method) -> list[str]:
    """A line for each claim of a method's paper that was run: how it came out, and what holds."""
    lines = []
    for slug in exercised().get(f"{entry.room}/{entry.name}", []):
        if result := read(RESULTS / f"{slug}.json"):
            said = OUTCOMES[outcome(result)]
            link = f"[{slug}](../../evidence.md#{slug})"
            lines += ["", f"Claim, run: {link}: {said}; what holds: {result['what_holds']}"]
    return lines


def evidence() -> str:
    """docs/evidence.md from docs/results/*.json: every claim that was run and how it came out."""
    results = [json.loads(path.read_text("utf-8")) for path in sorted(RESULTS.glob("*.json"))]
    groups: dict[str, list[dict[str, Any]]] = {title: [] for title in OUTCOMES}
    for result in results:
        groups[outcome(result)].append(result)
    marked = sum(map(substituted, groups["Did not hold as stated"]))
    lines = [
        "# Published claims, run", "",
        "Written by `make docs` from [results](results), which `make evidence` makes. A claim is",
        "the paper's in our words, with bounds proposed before anything was run; a bound is met",
        "when the whole 95 % interval over seeds keeps it. What does not hold as stated is left as",
        "it came out, with what does.", "",
        f"Of {len(results)} claims {len(groups['Held'])} hold, and "
        f"{len(groups['Held on a substitute'])} more on a substitute for data that could not be "
        "had: of the data that were meant nothing is shown. "
        f"{len(groups['Held on seed 0 and not on a fresh one'])} held at first and not on a fresh "
        f"seed. Of those that did not hold {marked} were run on a substitute too, and are marked.",
        "", *_fresh(results), "",
    ]  # fmt: skip
    for title, found in groups.items():
        lines += [f"## {title}", ""] if found else []
        for result in found:
            lines += [f"### {result['slug']}", "", f"*{result['title']}*", "", result["claim"], ""]
            lines += ["**On a substitute.**", ""] if substituted(result) else []
            lines += ["| figure | value | bound | |", "|---|---|---|---|"]
            lines += [_figure(figure) for figure in _bounded(result)]
            lines += ["", f"What holds: {result['what_holds']}", "", f"`{result['command']}`", ""]
            if result["slug"] in TABLES:
                lines += [f"[All figures in a table](results/{result['slug']}.md)", ""]
            lines += _again(result)
    return "\n".join(lines)


def read(path: Path) -> dict[str, Any] | None:
    """A record of a claim that was run; None where there is no such file."""
    return json.loads(path.read_text("utf-8")) if path.is_file() else None


def fresh(slug: str) -> dict[str, Any] | None:
    """A claim's record on a seed that nothing was looked at with; None where it was not run."""
    return read(RESULTS / "fresh" / f"{slug}.json")


def outcome(result: dict[str, Any]) -> str:
    """How a claim came out: its heading in docs/evidence.md."""
    if not result["holds"]:
        return "Did not hold as stated"
    if (again := fresh(result["slug"])) and not again["holds"]:
        return "Held on seed 0 and not on a fresh one"
    return "Held on a substitute" if substituted(result) else "Held"


def _bounded(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The figures that a claim puts a bound on."""
    return [figure for figure in result["figures"].values() if figure["met"] is not None]


def _fresh(results: list[dict[str, Any]]) -> list[str]:
    """How many of the claims hold again on a fresh seed, and how many bounds of the others."""
    run = [(result, again) for result in results if (again := fresh(result["slug"]))]
    held = [again["holds"] for result, again in run if result["holds"]]
    others = [again["holds"] for result, again in run if not result["holds"]]
    kept = [f["met"] for result, again in run if not result["holds"] for f in _kept(result, again)]
    lines = [
        "Seed 0, which these figures are of, was looked at while the experiments were written. Of",
        f"{len(held)} claims that held and were run again on a seed that was not, "
        f"{sum(held)} hold.",
    ]
    if others:
        verb = "holds" if sum(others) == 1 else "hold"
        lines += [
            f"Of {len(others)} that did not hold and were run again too, {sum(others)} {verb} "
            f"there; of the {len(kept)} bounds that they had met, {sum(kept)} are met again."
        ]
    return lines


def _kept(result: dict[str, Any], again: dict[str, Any]) -> list[dict[str, Any]]:
    """The figures of ``again`` whose bounds ``result`` met."""
    old = result["figures"]
    return [f for name, f in again["figures"].items() if name in old and old[name]["met"]]


def _again(result: dict[str, Any]) -> list[str]:
    """What a claim's run on a fresh seed found, where there is one: the bounds that it missed.

    Of a claim that did not hold, whether the bounds that were met are met again, and what holds.
    """
    again = fresh(result["slug"])
    if again is None:
        return []
    bound = _bounded(again) if result["holds"] else _kept(result, again)
    what = "bounds are met" if result["holds"] else "bounds that were met are met again"
    missed = [_figure(f) for f in bound if not f["met"]]
    said = f"On a fresh seed {len(bound) - len(missed)} of {len(bound)} {what}"
    lines = [f"{said}{':' if missed else '.'}", ""] if bound else ["On a fresh seed:", ""]
    if missed:
        lines += ["| figure | value | bound | |", "|---|---|---|---|", *missed, ""]
    if not result["holds"]:
        claim = "The claim as stated holds there. " if again["holds"] else ""
        lines += [f"{claim}What holds there: {again['what_holds']}", ""]
    return [*lines, f"`{again['command']}`", ""]


def substituted(result: dict[str, Any]) -> bool:
    """Whether a claim was run on other data than it names, by what its record says of itself."""
    return bool(_SUBSTITUTE.search(result["what_holds"]))


def _value(figure: dict[str, Any]) -> str:
    text = "-" if figure["value"] is None else f"{figure['value']:.3g}"
    return text + (" [{:.3g}, {:.3g}]".format(*figure["ci"]) if figure["ci"] else "")


def _figure(figure: dict[str, Any]) -> str:
    bounds = [(">=", figure["at_least"]), ("<=", figure["at_most"])]
    bound = ", ".join(f"{sign} {value:g}" for sign, value in bounds if value is not None)
    what = figure["what"].replace("|", "\\|")
    met = "met" if figure["met"] else "**not met**"
    return f"| {what} | {_value(figure)} | {bound} | {met} |"


def tables() -> dict[str, str]:
    """The pages of the claims whose figures make a table, by their names below docs/results."""
    found = {}
    for slug, (title, reading) in TABLES.items():
        result = json.loads((RESULTS / f"{slug}.json").read_text("utf-8"))
        head, *rows = result["table"] or _listed(result)
        lines = [
            f"# {title}", "",
            f"Written by `make docs` from [its record]({slug}.json), which",
            f"`{result['command']} --save docs/results` makes. The claim, its bounds and a fresh "
            f"seed: [evidence](../evidence.md#{slug}).", "", result["claim"], "",
            reading, "",
            f"| {' | '.join(head)} |", "|---" * len(head) + "|",
            *(f"| {' | '.join(row)} |" for row in rows), "",
            f"What holds: {result['what_holds']}", "",
        ]  # fmt: skip
        found[f"{slug}.md"] = "\n".join(lines)
    return found


def _listed(result: dict[str, Any]) -> list[list[str]]:
    """All figures of a claim that lays out no table of its own, header first."""
    rows = [["figure", "mean [95 % interval]", "of", "seeds"]]
    for figure in result["figures"].values():
        what, n, seeds = figure["what"], f"{figure['n']:,}", str(len(figure["seeds"]))
        rows.append([what, _value(figure), n, seeds])
    return rows
