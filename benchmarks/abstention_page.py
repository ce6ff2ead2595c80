"""The page docs/results/unpaired.md, from the figures of ``abstention.py``."""

import json
from pathlib import Path

import numpy as np

from isthmus.bridges.agreement import LEAST

PAGE = Path(__file__).parent.parent / "docs" / "results" / "unpaired.md"
HELD_OUT = 300
#: Held-out top-1 from which a map counts as right.
RIGHT = 0.5
STARTS = 20
#: How many pairs are known in a round cloud, and of which seeds the clouds are: those that were
#: looked at while the method was made, and others.
PAIRS = (0, 1, 2, 3, 5)
CLOUDS = {"looked at while this was made": range(20), "not looked at": range(100, 120)}
SEEN = ("confidence", "cycle", "neighbours", "assignment")


def sides(results: dict[str, dict[str, float]], signal: str) -> tuple[np.ndarray, np.ndarray]:
    """A signal of the right maps and of the wrong ones."""
    right = np.array([r[signal] for r in results.values() if r["top1"] >= RIGHT])
    return right, np.array([r[signal] for r in results.values() if r["top1"] < RIGHT])


def curve(
    results: dict[str, dict[str, float]], signal: str = "confidence"
) -> list[tuple[float, float, float]]:
    """(threshold, share of wrong maps accepted, share of right ones kept), threshold falling."""
    right, wrong = sides(results, signal)
    levels = sorted({*right.tolist(), *wrong.tolist()}, reverse=True)
    return [(t, float(np.mean(wrong >= t)), float(np.mean(right >= t))) for t in levels]


def signal_rows(results: dict[str, dict[str, float]]) -> list[str]:
    """The page's table of the signals."""
    rows = [
        "| signal | AUC | kept at 0 % wrong | at 10 % | lowest right | highest wrong |",
        "|---|---|---|---|---|---|",
    ]
    for signal in SEEN:
        right, wrong = sides(results, signal)
        above = (right[:, None] > wrong) + 0.5 * (right[:, None] == wrong)
        kept = [[p for p in curve(results, signal) if p[1] <= most][-1][2] for most in (0.0, 0.1)]
        rows.append(
            f"| {signal} | {above.mean():.3f} | {kept[0]:.0%} | {kept[1]:.0%} | {right.min():.3f} "
            f"| {wrong.max():.3f} |"
        )
    return rows


def few_rows(results: dict[str, dict[str, float]]) -> list[str]:
    """The page's tables of few known pairs."""
    rows = []
    for said, seeds in CLOUDS.items():
        top1 = np.array([[results[f"{k} pairs #{s}"]["top1"] for s in seeds] for k in PAIRS])
        rows += [
            f"{len(seeds)} clouds {said}:", "",
            "| pairs | top-1 | interval | right | fell by 0.1 or more |", "|---|---|---|---|---|",
        ]  # fmt: skip
        for pairs, top in zip(PAIRS, top1, strict=True):
            half = 1.96 * top.std(ddof=1) / np.sqrt(len(top))
            rows.append(
                f"| {pairs} | {top.mean():.3f} | {top.mean() - half:.3f} to {top.mean() + half:.3f}"
                f" | {np.mean(top >= RIGHT):.0%} | {np.mean(top < top1[0] - 0.1):.0%} |"
            )
        rows.append("")
    heads = " | ".join(f"{k} known" for k in PAIRS)
    rows += [
        "Real spaces, one draw each, five rows in common: top-1 of 295 and confidence.",
        "",
    ]
    rows += [f"| spaces | {heads} |", "|---" * (1 + len(PAIRS)) + "|"]
    for name in dict.fromkeys(key.rpartition(", ")[0] for key in results if "known" in key):
        found = [results[f"{name}, {k} known"] for k in PAIRS]
        cells = " | ".join(f"{r['top1']:.3f}, {r['confidence']:.3f}" for r in found)
        rows.append(f"| {name} | {cells} |")
    return rows


#: What the page says of the method beside its figures.
DEPARTURES = (
    "`mini_vec2vec` departs from the published steps in three things: while its map turns, all",
    "rounds see one fixed draw of 2,048 source and 10,000 target rows, not 10,000 new source rows",
    "each time among all targets; those rounds step by 1.5 and are half as many, where the",
    "published average is a step of 0.5; and a second map, from random halves of both sides,",
    "gives the confidence, and is kept where its rows come nearer.",
    "`benchmarks/published_mini_vec2vec.py` has the steps as published.",
)
#: Where ``bridges.py`` keeps what came of those beside ours.
BRIDGES = Path(__file__).parent / "results" / "bridges.json"


def beside_published() -> list[str]:
    """Both on the same clusters of rows, draw by draw."""
    figures = json.loads(BRIDGES.read_text("utf-8"))["figures"]
    draws = [figures["published_60000"], *figures["published_6000"]["seeds"]]
    rows = [
        f"| {r['rows']:,} x {r['dim']} | {r['cosine']:.3f} | {r['published_cosine']:.3f} "
        f"| {r['times_faster']:.1f} |"
        for r in draws
    ]
    return [
        "Cosine of mapped rows and their partners, which neither was given, on clusters of rows of "
        "which one side is turned (`python benchmarks/bridges.py`, one draw a row; the smaller "
        "ones ran beside other work):", "",
        "| rows a side | ours | as published | times faster |", "|---|---|---|---|", *rows, "",
    ]  # fmt: skip


SIGNALS = (
    "Three more signals need no pair (`signals_` of a fit whose starts agree on less than 0.6; a",
    "refusal names them). *Cycle*: the share of source rows to which their best target row leads",
    "back, there by the map of one half of the matches, back by that of the other. *Neighbours*:",
    "what a matched row and its match have in common of their 10 nearest matched rows, beyond",
    "chance. *Assignment*: the correlation of the cosines between matched rows on either side.",
    "They show right maps where the two sides have no item in common, which agreement does not.",
    "None makes a bridge: they ask whether the matches keep the shape, and so does a mirror image.",
    "On a synthetic cloud with one symmetric axis the map that mirrors this axis is wrong and has",
    "more cycle and assignment than right maps below (`tests/bridges/test_unpaired_signals.py`).",
)
FEW = (
    "A round cloud of 300 rows in 8 dims and its turned copy with noise of 0.3: no axis and no row",
    "stands out. 20 of them, 6 rounds, `least=0`, 100 held-out rows. Known pairs are in every",
    "round, and the cosines to them stand beside what each start compares. The interval is 1.96",
    "standard errors over the clouds; the last column compares each cloud with itself at no pair.",
)


def page(kept: dict[str, dict[str, dict[str, float]]]) -> str:
    """docs/results/unpaired.md."""
    results = kept["cases"]
    right = [r for r in results.values() if r["top1"] >= RIGHT]
    lines = [
        "# Without pairs: when to believe a bridge", "",
        "`python benchmarks/abstention.py` measures what its",
        "[figures](../../benchmarks/results/abstention.json) lack (without the file all, in over "
        "an hour), with", "`--only WORD` the cases whose name holds WORD; `--page` then writes "
        "this page.", "",
        "`unpaired` and `mini_vec2vec` give a `confidence_`: the share of source rows for which "
        "two fits that", "know nothing of each other choose the same target row, beyond chance. "
        "`unpaired` also believes a", "single fit whose matches bear each other out: the share of "
        "rows matched, times the share that the", "map of the other half of the matches finds "
        f"again, above one half and doubled. Below `least` ({LEAST:g})",
        "they raise `NoReliableBridge`. The one half was chosen after a look at some of the cases "
        "below (wrong maps", "reached 0.31 there, right ones 0.4 and more).", "",
        f"{len(results)} pairs of real spaces, no pair known; a map is right when the nearest of "
        f"{HELD_OUT} held-out", f"rows is the partner at least {RIGHT:.0%} of the time: "
        f"{len(right)} right, {len(results) - len(right)} wrong.", "",
    ]  # fmt: skip
    for most in (0.0, 0.1):
        threshold, _, good = [p for p in curve(results) if p[1] <= most][-1]
        lines += [
            f"**At {100 * most:.0f} % of wrong maps accepted, {100 * good:.0f} % of right ones "
            f"kept** (confidence at least {threshold:.3f}).", "",
        ]  # fmt: skip
    bad, good = (
        np.mean(
            [r["confidence"] >= LEAST for r in results.values() if (r["top1"] >= RIGHT) == side]
        )
        for side in (False, True)
    )
    lines += [
        f"At the default {LEAST:g}: {bad:.0%} of wrong ones accepted, {good:.0%} of right ones "
        "kept.", "",
        "| spaces | top-1 of 300 | confidence | matched | seconds |", "|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {name} | {r['top1']:.3f} | {r['confidence']:.3f} | {r['matched']:,} of {r['rows']:,} "
        f"| {r['seconds']:.0f} |"
        for name, r in results.items()
    ]
    seen = {name: r for name, r in results.items() if "cycle" in r}
    right, wrong = sides(seen, "cycle")
    lines += [
        "", "## Signals of an end", "", *SIGNALS, "",
        f"{len(seen)} cases: {len(right)} right, {len(wrong)} wrong.", "",
        *signal_rows(seen), "", "Right ones among them that are refused:", "",
        "| spaces | confidence | cycle | neighbours | assignment |", "|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {name} | " + " | ".join(f"{r[signal]:.3f}" for signal in SEEN) + " |"
        for name, r in seen.items()
        if r["top1"] >= RIGHT and r["confidence"] < LEAST
    ]
    if kept.get("few"):
        lines += ["", "## A few known pairs", "", *FEW, "", *few_rows(kept["few"])]
    runs = kept["starts"]
    if runs:
        lines += ["", "## mini_vec2vec over random starts", "", *DEPARTURES, "",
                  *beside_published(),
                  f"Fitted with `least=0`; those below the default {LEAST:g} would raise "
                  "`NoReliableBridge`, right or not.", "",
                  "| spaces | starts | right | accepted at the default | median top-1 | lowest "
                  "| highest |", "|---|---|---|---|---|---|---|"]  # fmt: skip
        for name in dict.fromkeys(key.partition(" #")[0] for key in runs):
            found = [r for key, r in runs.items() if key.startswith(name + " #")]
            if found:
                top = [r["top1"] for r in found]
                good = np.mean(np.array(top) >= RIGHT)
                accepted = np.mean([r["confidence"] >= LEAST for r in found])
                lines.append(
                    f"| {name} | {len(top)} | {good:.0%} | {accepted:.0%} | {np.median(top):.3f} "
                    f"| {min(top):.3f} | {max(top):.3f} |"
                )
    return "\n".join(lines) + "\n"
