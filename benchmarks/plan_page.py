"""Figures of ``plan.py`` and its sisters as tables of docs/plan.md, between marks.

python benchmarks/plan_page.py

Writes the tables of ``plan.py`` anew from ``results/plan.json``.
"""

import json
from pathlib import Path

from record import RESULTS

PAGE = Path(__file__).parents[1] / "docs" / "plan.md"
MARKS = "<!-- figures of benchmarks/plan.py -->", "<!-- end of figures -->"
LOOK = "<!-- figures of benchmarks/plan_quick_look.py -->", "<!-- end of the quick look -->"
CHAIN = "<!-- figures of benchmarks/plan_chain.py -->", "<!-- end of the chain -->"
#: The orders of re-embedding that were measured.
ORDERS = "confidence", "class mean", "random"
#: The plan's names of what the quick look compared.
NAMES = {
    "old": "status quo", "new": "full re-embedding", "bridged query": "orthogonal, query side",
    "old, rerank 20": "old, rerank 20", "interpolated": "orthogonal, interpolated",
}  # fmt: skip


def page(found):
    """Write the tables anew."""
    between(
        MARKS,
        [*halves(found), *(["", *few(found)] if "few" in found else []), "", *areas(found)],
    )


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


def chain(found):
    """Write the figures of the chain anew."""
    lines = ["| documents translated | nDCG@10 |", "|---|---|"]
    lines += [f"| {way} | {value:.3f} |" for way, value in found["ndcg"].items()]
    gap = found["chain_minus_direct"]
    told = f"{gap['mean']:+.4f} [{gap['ci_low']:+.4f}, {gap['ci_high']:+.4f}]"
    between(CHAIN, [*lines, "", f"The chain against the direct bridge: {told}."])


def between(marks, lines):
    """Put ``lines`` between two marks of the page."""
    start, rest = PAGE.read_text().split(marks[0])
    text = "\n".join([marks[0], "", *lines, "", marks[1]])
    PAGE.write_text(start + text + rest.split(marks[1])[1])


def halves(found):
    """Planned on half of the queries and judged on the other half."""
    decided = found["enough"]
    # Figures are kept to four places, so that a tie may look like a ten-thousandth.
    rows = [row for one in found["cells"].values() for row in one["splits"]]
    better = [row for row in rows if row["of_ends"] / row["of_best"] > 1 + 1.5e-4]
    taken = sum(row["of_ends"] > 1 + 1e-9 for row in better)
    hard = [r for c in found["cells"].values() if c["corpus"] == "cranfield" for r in c["splits"]]
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
        f"Over all: reached {found['reached']} ({_reached(rows, found)}; on Cranfield "
        f"{_reached(hard, found)}), ceiling {found['ceiling']}, of both ends "
        f"{found['reached_ends']}. Better than both ends {found['beats_both']}; of the "
        f"{len(better)} splits in which some strategy turned out better than both on the judged "
        f"half, {taken / len(better):.3f}. Where the plan said that the data decide "
        f"({decided['share']:.2f}): reached {decided['reached']}, of both ends "
        f"{decided['reached_ends']}.",
    ]  # fmt: skip


def _reached(rows, found):
    return f"{sum(row['of_best'] >= found['goal'] for row in rows)} of {len(rows)}"


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


def areas(found):
    """Quality while a part is re-embedded: the ends, and the area by order."""
    lines = [
        "Areas under nDCG@10 against the share re-embedded, the rest translated: the mean of the "
        "curve, which an order raises by re-embedding first what gains most. *none*, *all*: the "
        "two ends, which no order changes.",
        "",
        f"| corpus, change | none | {' | '.join(ORDERS)} | all |",
        "|---" * (len(ORDERS) + 3) + "|",
    ]  # fmt: skip
    for name, one in found["cells"].items():
        best = one["ndcg_best_setting"]
        translated = next(v for way, v in best.items() if way.endswith(", corpus side"))
        cells = translated, *(one["areas"][order] for order in ORDERS), best["full re-embedding"]
        lines.append(" | ".join([f"| {name}", *(f"{value:.3f}" for value in cells)]) + " |")
    orders = [one["areas"] for one in found["cells"].values()]
    first = sum(max(of, key=of.get) == "confidence" for of in orders)
    return [
        *lines, "",
        f"Lowest confidence first has the largest area in {first} of {len(found['cells'])} "
        "changes. The order by traffic is not measured here: these corpora have no query log.",
    ]  # fmt: skip


def bins(name, found):
    return [
        f"| {name} | {b['from']} to {b['to']} | {b['plans']} | {b['said']} | {b['true']} |"
        for b in found["bins"]
    ]


if __name__ == "__main__":
    page(json.loads((RESULTS / "plan.json").read_text()))
