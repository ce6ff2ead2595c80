"""Figures of ``plan.py`` and ``plan_quick_look.py`` as tables of docs/plan.md, between marks."""

import json
from pathlib import Path

from record import RESULTS

PAGE = Path(__file__).parents[1] / "docs" / "plan.md"
MARKS = "<!-- figures of benchmarks/plan.py -->", "<!-- end of figures -->"
LOOK = "<!-- figures of benchmarks/plan_quick_look.py -->", "<!-- end of the quick look -->"
#: The plan's names of what the quick look compared.
NAMES = {
    "old": "status quo", "new": "full re-embedding", "bridged query": "orthogonal, query side",
    "old, rerank 20": "old, rerank 20", "interpolated": "orthogonal, interpolated",
}  # fmt: skip


def page(found):
    """Write the tables anew."""
    between(MARKS, [*halves(found), *(["", *few(found)] if "few" in found else [])])


def quick_look(found):
    """Write the figures of the quick look anew, beside the plan's."""
    cells = json.loads((RESULTS / "plan.json").read_text())["cells"]
    planned = cells["cranfield, lsa256 -> minilm"]["ndcg_best_setting"]
    lines = [
        "| | the quick look | again | by grades | by grades, bridges in folds |",
        "|---|---|---|---|---|",
    ]
    for name, one in found.items():
        figures = one["theirs"], one["yes_or_no"], one["graded"], planned[NAMES[name]]
        lines.append(" | ".join([f"| {name}", *(f"{value:.3f}" for value in figures)]) + " |")
    between(LOOK, lines)


def between(marks, lines):
    """Put ``lines`` between two marks of the page."""
    start, rest = PAGE.read_text().split(marks[0])
    text = "\n".join([marks[0], "", *lines, "", marks[1]])
    PAGE.write_text(start + text + rest.split(marks[1])[1])


def halves(found):
    """Planned on half of the queries and judged on the other half."""
    decided = found["enough"]
    lines = [
        f"Planned on half of the queries, judged on the other half, {found['splits']} splits of "
        f"{len(found['cells'])} changes of encoder (`benchmarks/plan.py`). Shares of the splits:",
        "",
        "| corpus, change | queries | nDCG@10 old, new | reached | ceiling | of both ends | "
        "decided | sure | shown | best on all queries |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name, one in found["cells"].items():
        means = one["ndcg_best_setting"]
        ends = f"{means['status quo']:.3f}, {means['full re-embedding']:.3f}"
        cells = [
            name, one["queries"], ends, one["reached"], one["ceiling"], one["reached_ends"],
            one["enough"]["share"], one["sure"], one["shown"], one["best_on_all"],
        ]  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return [
        *lines, "",
        "*reached*: the recommended strategy reaches 0.99 of the best of all strategies on the "
        "judged half, found in hindsight. *ceiling*: the same of the strategy that is best on all "
        "queries, had one known it: the judged half is a sample too, and of so many strategies one "
        "is always lucky there. *of both ends*: 0.99 of the better one of status quo and full "
        "re-embedding. *decided*: the plan said that the data are enough. *sure*: the mean "
        "probability that the plans gave themselves, which is about the truth; *shown*: what they "
        "would have given the judged half to show, with its own noise.",
        "",
        f"Over all: reached {found['reached']}, ceiling {found['ceiling']}, of both ends "
        f"{found['reached_ends']}; better than both ends {found['beats_both']}. Where the plan "
        f"said that the data decide ({decided['share']:.2f}): reached {decided['reached']}, of "
        f"both ends {decided['reached_ends']}.",
    ]  # fmt: skip


def few(found):
    """Planned on few queries where the truth is known, and whether probabilities were true."""
    told = found["few"]
    lines = [
        f"Planned on {told['queries']} queries, judged on all others of the two large corpora, "
        f"which is as good as the truth ({told['splits']} plans):",
        "",
        "| corpus, change | reached | ceiling | of both ends | decided | reached where decided | "
        "sure |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    rows = {name: one["few"] for name, one in found["cells"].items() if "few" in one}
    for name, one in [*rows.items(), ("all", told)]:
        cells = [
            name, one["reached"], one["ceiling"], one["reached_ends"], one["enough"]["share"],
            one["enough"]["reached"], one["sure"],
        ]  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return [
        *lines, "",
        "Are the probabilities true? Plans by what they said; a plan is true when its strategy "
        "reached 0.99 of the best.",
        "",
        "| judged by | said | plans | mean said | true |", "|---|---|---|---|---|",
        *bins("the truth: *sure*", told["reliability"]),
        *bins("the other half: *shown*", found["reliability"]),
        "",
        f"Brier score {told['reliability']['brier']} against the truth, "
        f"{found['reliability']['brier']} against the other half.",
    ]  # fmt: skip


def bins(name, found):
    return [
        f"| {name} | {b['from']} to {b['to']} | {b['plans']} | {b['said']} | {b['true']} |"
        for b in found["bins"]
    ]
