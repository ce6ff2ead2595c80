"""docs/results/calibration.md from the figures of ``calibration.py``, and what is in none of them.

Without the simulation, so that the pages of the methods can show their own rows.
"""

import json
import textwrap
from pathlib import Path

from isthmus.core.registry import method

REGIMES = tuple((n, d) for d in (20, 500) for n in (50, 500))
HIDDEN = 10
#: Simulations a cell gets whatever it takes.
LEAST = 200
FILE = Path(__file__).parent / "results" / "calibration.json"
PAGE = Path(__file__).parents[1] / "docs" / "results" / "calibration.md"
INTERVAL_BAND, SIZE_BAND = (0.93, 0.97), (0.04, 0.06)
#: Measures defined by their n rows, which have no population to speak of.
AT_N = {
    **dict.fromkeys(
        ("mutual_knn", "jaccard_knn", "rank_biased_overlap", "cknna", "cycle_knn", "hubness",
         "trustworthiness", "continuity", "r_nx_auc", "information_imbalance",
         "reconstruction_map"), "neighbours among n rows"),
    **dict.fromkeys(
        ("two_nn", "gride", "mle_dimension", "local_pca_dimension", "ldreg", "t_regs"),
        "the scale of n rows' neighbours"),
    **dict.fromkeys(("ridge_r2", "pls_r2", "knn_probe", "linear_probe", "dci", "log_me",
                     "rank_axis"), "fits to n rows"),
    "curation_fit": "clusters of n rows",
    "rtd": "batches of a size",
}  # fmt: skip
#: Why no figure of a measure that gives an interval or a test is there: it takes no two spaces.
UNSIMULATED = {
    "containment_probe": "interval and test: it takes passages and their sentences",
    "cosine_audit": "interval, which is over pairs drawn: it takes the factors of a model",
    "dataset_profile": "the interval is that of `two_nn`, simulated there",
    "encoder_benchmark": "test: it takes encoders and tasks",
    "layer_geometry": "interval: it takes stacks of layers and prompts",
    "layer_profile": "the intervals of its parts are those of `anisotropy`, simulated there",
    "position_context": "interval: it takes stacks of layers and contexts; its own test checks "
    "the coverage in one",
    "reconstruction_map": "interval: it takes a graph",
    "rmqm": "interval: it takes an encoder and its inputs",
    "trace_probe": "interval and test are those of `linear_probe`, simulated there",
}
#: Measures that give neither interval nor test, so that there is nothing to simulate.
NEITHER = (
    "cog_levels", "gromov_wasserstein", "imd", "label_sharpness", "layer_report",
    "learner_invariances", "ped_transform", "ricci_compare", "riemannian_spd",
    "stochastic_shape_distance", "t_regs", "unreachable", "utilized_rank", "whitened_cosine",
)  # fmt: skip
#: Why an interval ("coverage") or a test ("size") has no figure in some regimes.
PARTLY = {
    (
        "crossnobis",
        "size",
    ): "in ten groups of five rows a pair of classes shares too few for a test",
    ("gaussian_wasserstein", "coverage"): "no interval where rows are not more than dimensions",
    ("minibatch_cka", "coverage"): "it takes 16 batches of 64 rows, so there is none at 500 rows; "
    "its own test checks the coverage at more",
    ("rtd", "coverage"): "it takes 2 batches of 64 rows, so there is none at 50",
}


def simulated_rows():
    """Every cell that has been simulated."""
    return json.loads(FILE.read_text("utf-8"))["rows"] if FILE.is_file() else []


def outside(row, kind):
    """Whether a cell lies outside the band of its kind, "coverage" or "size"."""
    low, high = INTERVAL_BAND if kind == "coverage" else SIZE_BAND
    return kind in row and not low <= row[kind] <= high


def page(rows):
    """docs/results/calibration.md from the rows."""
    count = {
        kind: [outside(row, kind) for row in rows if kind in row] for kind in ("coverage", "size")
    }
    paragraphs = (
        "Written by `python benchmarks/calibration.py` from its "
        "[figures](../../benchmarks/results/calibration.json), by simulation: two spaces of n rows "
        f"and d dimensions that share part of {HIDDEN} hidden directions, or nothing. Asked are 93 "
        "to 97 % for the coverage of the 95 % interval, and 4 to 6 % for the share of unrelated "
        "spaces with p <= 0.05. What lies outside is **bold**: there the card of the measure says "
        "so, and its scores carry a warning (`W`).",
        f"Within the bands: {count['coverage'].count(False)} of {len(count['coverage'])} cells of "
        f"coverage, {count['size'].count(False)} of {len(count['size'])} of size.",
        "The interval is asked to cover the value of the whole population, however biased the "
        "value is at n. In round brackets, where the two differ: how often it covers its own mean. "
        "A measure marked *n* is defined by its n rows (neighbours among them, maps fitted to "
        "them), so it has no population, and covering its mean is what is asked, as where the "
        "population takes too long to compute (°). `-`: no interval or no test is given; "
        "`refused`: the measure raises, for it cannot work there; `...`: not simulated yet. In "
        "square brackets the simulations of a cell that has fewer than 1,000: with 1,000 a "
        f"coverage is good to 1.4 points either way, with {LEAST} to 3.",
    )
    lines = ["# Calibration: do the intervals cover, do the tests keep their size?", ""]
    for paragraph in paragraphs:
        lines += [*textwrap.wrap(paragraph, 88), ""]
    for kind, head in (("coverage", "Coverage of the 95 % interval, %"),
                       ("size", "Share of unrelated spaces with p <= 0.05, %")):  # fmt: skip
        lines += [
            f"## {head}", "",
            "| measure | " + " | ".join(f"n={n} d={d}" for n, d in REGIMES) + " |",
            "|---|" + "---|" * len(REGIMES),
        ]  # fmt: skip
        for name in sorted({row["method"] for row in rows if kind in row}):
            mine = {(row["n"], row["d"]): row for row in rows if row["method"] == name}
            cells = [_cell(mine.get(regime), kind) for regime in REGIMES]
            mark = " *n*" if name in AT_N and kind == "coverage" else ""
            lines.append(f"| {name}{mark} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join([*lines, *_unsimulated(rows)])


def _unsimulated(rows):
    """The section of what has no figure, and why."""
    lines = ["## Not simulated", "", "Some regimes:", ""]
    for name in sorted({row["method"] for row in rows}):
        mine = {(row["n"], row["d"]): row for row in rows if row["method"] == name}
        for kind, what in (("coverage", "interval"), ("size", "test")):
            if any(kind in row for row in mine.values()) or (name, kind) in PARTLY:
                lack = ", ".join(f"n={n} d={d}" for n, d in REGIMES if _lacks(mine, (n, d), kind))
                why = PARTLY.get((name, kind), "not simulated yet")
                lines += [f"- {name}, {what}, {lack}: {why}"] if lack else []
    lines += [
        "",
        "Measures that do not take the simulated spaces:",
        "",
        *(f"- {name}: {why}" for name, why in UNSIMULATED.items()),
        "",
    ]
    nothing = ", ".join(NEITHER[:-1]) + f" and {NEITHER[-1]} give neither interval nor test."
    return [*lines, *textwrap.wrap(nothing, 88), ""]


def _lacks(mine, regime, kind):
    row = mine.get(regime, {})
    return kind not in row and "refused" not in row


def table(name, rows):
    """The table of one measure for its own page: a line per regime; empty without a figure."""
    mine = {(row["n"], row["d"]): row for row in rows if row["method"] == name}
    if not any(kind in row for row in mine.values() for kind in ("coverage", "size")):
        return []
    lines = ["| rows x dims | the interval covers, % | p <= 0.05 by chance, % | simulations |",
             "|---|---|---|---|"]  # fmt: skip
    for n, d in sorted(REGIMES):
        row = mine.get((n, d))
        cells = [_shown(row, kind) for kind in ("coverage", "size")]
        counts = [row[k] for k in ("intervals", "tests") if k in row] if row else []
        lines.append(f"| {n} x {d} | {cells[0]} | {cells[1]} | {min(counts, default=0) or '-'} |")
    return lines


def _shown(row, kind):
    """A figure, bold outside its band, or why there is none."""
    if row is None:
        return "..."
    if kind not in row:
        return "refused" if "refused" in row else "-"
    text = f"{100 * row[kind]:.1f}"
    return f"**{text}**" if outside(row, kind) else text


def _cell(row, kind):
    text = _shown(row, kind)
    if row is None or kind not in row:
        return text
    if kind == "coverage" and row["target"] != "population" and row["method"] not in AT_N:
        text += "°"
    if kind == "coverage" and abs(row["coverage_of_mean"] - row["coverage"]) > 0.005:
        text += f" ({100 * row['coverage_of_mean']:.1f})"
    count = row["intervals" if kind == "coverage" else "tests"]
    return text + (f" [{count}]" if count < 1000 else "") + (" W" if warned(row, kind) else "")


def warned(row, kind):
    """Whether scores warn in this cell: most of those simulated did, or the card says so now."""
    share = row["warned" if kind == "coverage" else "tests_warned"]
    return share > 0.5 or method("measures", row["method"]).card.is_rough(row["n"], row["d"])
