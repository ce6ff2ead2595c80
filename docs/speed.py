"""docs/results/speed.md: how fast measures and bridges are, from benchmarks/results."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "results" / "speed.md"
FIGURES = Path(__file__).parent.parent / "benchmarks" / "results"

#: Why a measure or a fit takes longer than a neighbour measure may beside its search (1.4), or one
#: of moments beside its products and factorisations (1 / 0.7).
WHY = {
    "distance_correlation": "writes and reads the distances of all pairs, which products do not",
    "imd": "builds graphs and their heat traces, which the search does not count",
    "information_imbalance": "ranks all rows by those distances, not the nearest alone; 1.2 to 1.4 "
    "by run",
    "mig": "counts each column against each factor",
    "origin_map": "tries five penalties on two halves",
    "r_nx_auc": "sorts the distances of all rows on both sides",
    "rbf_cka": "takes an exponential of each pair",
    "relative": "chooses anchors, encodes both sides and tries 21 penalties",
    "rtd": "reduces the boundary matrix of a sample; bare is the reading of the rows",
    "shape_distance": "a table of contrasts among groups of rows; 0.67 to 0.71 of the rate by run",
    "trsa": "sorts the distances of all pairs for its quantiles",
    "trustworthiness": "ranks all rows by those distances, not the nearest alone; 1.2 to 1.7 by "
    "run",
    "uniformity": "takes an exponential of each pair, and the product is of one side",
    "unreachable": "whitens the rows first, and proves who wins for each query",
}


def page() -> str:
    """The page's text; peers that did not run in time, or at all, are left to the JSON."""
    measures, bridges = (_figures(name) for name in ("measures", "bridges"))
    rows = [name for name, found in measures.items() if isinstance(found, dict)]
    return "\n".join(
        [
            "# How fast measures and bridges are",
            "",
            f"Measures of {measures['rows']:,} x {measures['dim']} {measures['dtype']}, bridges of "
            f"{bridges['rows']:,} pairs x {bridges['dim']}, two cores, each beside its limit in "
            "one process:",
            "",
            "    python benchmarks/measures.py",
            "    python benchmarks/bridges.py",
            "",
            "*Bare* is what the formula cannot do without: its products and factorisations, those "
            "of its interval too, or the exact search by FAISS. Wanted were 1.4 times a search and "
            "1.43 times products; what takes more is told with its reason. One run on a machine "
            "that others use too: ratios of other runs differ by a tenth.",
            "",
            "| measure | cost | seconds | bare | times bare | |",
            "|---|---|---|---|---|---|",
            *(_row(name, measures[name]) for name in sorted(rows)),
            "",
            "## Against public implementations",
            "",
            "| measure | against | times faster | theirs, times bare |",
            "|---|---|---|---|",
            *_peers(measures, rows),
            "",
            "## Bridges",
            "",
            "| fit | seconds | bare | times bare | |",
            "|---|---|---|---|---|",
            *(
                f"| {name} | {f['seconds']:.2f} | {f['bare_s']:.2f} | {f['times_bare']:.2f} | "
                f"{WHY.get(name, '')} |"
                for name, f in bridges["fits"].items()
            ),
            "",
            "Transforms, times the bare product: "
            + ", ".join(f"{n} {f['times_bare']:.2f}" for n, f in bridges["transforms"].items())
            + ".",
            "",
            "| relative codes, 1,024 anchors | times product and formula | times the product |",
            "|---|---|---|",
            *(
                f"| {name} | {f['times_bare']:.2f} | {f['times_product']:.2f} |"
                for name, f in bridges["relative"].items()
            ),
            "",
            "L1 and Linf are no products: their formula is SciPy's `cdist`.",
            "",
        ]
    )


def _figures(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIGURES / f"{name}.json").read_text("utf-8"))["figures"]
    return found


def _row(name: str, found: dict[str, Any]) -> str:
    start = f"| [{name}](../methods/measures/{name}.md) | `{found['cost']}` |"
    if "refused" in found:
        return f"{start} | | | takes at most 3,000 rows |"
    times = found["times_bare"]
    return (
        f"{start} {found['seconds']:.2f} | {found['bare_s']:.2f} | {times:.2f} | "
        f"{WHY.get(name, '') if times > 1.4 else ''} |"
    )


def _peers(measures: dict[str, Any], rows: list[str]) -> Iterator[str]:
    for name in sorted(rows):
        for peer, found in measures[name].get("peers", {}).items():
            if isinstance(found, dict):
                yield (
                    f"| {name} | {peer} | {found['times_faster']:.1f} | "
                    f"{found['theirs_times_bare']:.1f} |"
                )
