"""What a hub says of itself: plain data and a table, read back cell by cell."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from isthmus.bridges.hub_summary import as_text, facts
from isthmus.core.score import Score


def score(value, n=30, half=0.05, chance=0.1):
    ci = (value - half, value + half)
    return Score(value=value, method="true_pair_mrr", n=n, ci=ci, chance=chance)


def hub_of(widths, directions, joined=()):
    """A hub as the summary sees it: in one dimension, d_s e_s - 1 is what a middle s misses by."""
    names = tuple(widths)
    known = [s for s in names if s not in joined]
    return SimpleNamespace(
        form="ridge", dim_=1, items_=np.arange(12345), agreement_=0.75, names_=names,
        encoders_={s: (np.full((d, 1), 2.0), np.zeros(1)) for s, d in widths.items()},
        decoders_={s: (np.full((1, d), (0.5 + 0.1 * i) / d), np.zeros(d))
                   for i, (s, d) in enumerate(widths.items())},
        fingerprints_={s: SimpleNamespace(encoder=f"model {s}") for s in known},
        counts_={s: 4000 + d for s, d in widths.items()},
        missing_={s: 1000 * d for s, d in widths.items() if s in known},
        scores_={s: score(0.5 + d / 100) for s, d in widths.items() if s in known},
        direction_scores_={ends: {"mrr": kept} for ends, kept in directions.items()},
    )  # fmt: skip


@pytest.fixture
def hub():
    ways = {("a", "b"): score(0.21), ("b", "a"): score(0.32, n=41, half=0.08, chance=0.15)}
    return hub_of({"a": 3, "b": 5, "new": 2}, ways, joined=["new"])


def row(text, name, which=0):
    """The cells of the line that starts with this name."""
    found = [line for line in text.splitlines() if line.startswith(f"  {name} ")]
    return found[which][2 + 26 :].split()


def test_facts_are_those_of_the_hub_as_plain_data(hub):
    told = facts(hub)
    assert json.loads(json.dumps(told)) == told
    cycle = told.pop("worst_cycle")
    assert cycle["error"] == pytest.approx(2 * 0.7 - 1, abs=1e-12)
    assert cycle["path"][1] == "new"
    assert sorted(cycle["path"]) == ["a", "b", "new"]
    spaces, directions = told.pop("spaces"), told.pop("directions")
    assert told == {"kind": "hub", "form": "ridge", "dim": 1, "items": 12345, "agreement": 0.75}
    assert spaces[1] == {
        "name": "b", "dim": 5, "encoder": "model b", "items": 4005, "missing": 5000,
        "mrr": score(0.55).as_dict(),
    }  # fmt: skip
    assert spaces[2] == {
        "name": "new", "dim": 2, "encoder": None, "items": 4002, "missing": None, "mrr": None,
    }  # fmt: skip
    assert [(d["from"], d["to"], d["mrr"]["value"]) for d in directions] == [
        ("a", "b", 0.21), ("b", "a", 0.32),
    ]  # fmt: skip


def test_the_table_has_sources_by_row_and_targets_by_column(hub):
    text = as_text(facts(hub))
    first = text.splitlines()[0]
    assert first == "hub of 3 spaces, ridge, 1 dimensions, fitted on 12,345 items"
    assert row(text, "2 b") == ["5", "4,005", "5,000", "0.550"]
    assert row(text, "3 new") == ["2", "4,002"]
    # Its own column is blank; a dash is where nothing was held out.
    assert row(text, "1 a", 1) == ["0.210", "-"]
    assert row(text, "2 b", 1) == ["0.320", "-"]
    assert row(text, "3 new", 1) == ["-", "-"]
    ends = {line.index("0.210") for line in text.splitlines() if "0.210" in line}
    header = next(line for line in text.splitlines() if line.split() == ["1", "2", "3"])
    assert ends == {header.index("2") - 4}


def test_the_table_tells_the_widest_interval_the_highest_chance_and_all_pools(hub):
    text = as_text(facts(hub))
    assert "30 to 41 items a direction" in text
    assert "chance at most 0.150" in text
    assert "95 % intervals within ± 0.080" in text
    hub.direction_scores_.pop(("b", "a"))
    text = as_text(facts(hub))
    assert "  30 items a direction" in text
    assert "chance at most 0.100" in text
    assert "within ± 0.050" in text
    hub.direction_scores_.clear()
    assert "too few items to hold some out" in as_text(facts(hub))


def test_the_worst_of_all_cycles_is_told_by_number_where_there_are_three_spaces(hub):
    told = facts(hub)
    told["worst_cycle"] = {"error": 0.0123, "path": ["b", "new", "a"]}
    last = as_text(told).splitlines()[-1]
    assert last.startswith("worst cycle: 2 -> 3 -> 1 misses 2 -> 1 by 1.2e-02 of its size")
    two = facts(hub_of({"a": 3, "b": 5}, {("a", "b"): score(0.2)}))
    assert two["worst_cycle"] is None
    assert "cycle" not in as_text(two)


def test_long_names_are_cut_and_tables_of_many_spaces_go_on_below():
    names = ["x" * 23, "y" * 24, *(f"space {i}" for i in range(3, 10))]
    values = {(a, b): 0.1 + 0.01 * (9 * i + j)
              for i, a in enumerate(names) for j, b in enumerate(names) if a != b}  # fmt: skip
    hub = hub_of(dict.fromkeys(names, 4), {ends: score(v) for ends, v in values.items()})
    text = as_text(facts(hub))
    assert max(map(len, text.splitlines())) <= 80
    assert text.count(f"  1 {'x' * 23} ") == 3
    assert text.count(f"  2 {'y' * 22}… ") == 3
    assert text.count("y" * 23) == 0
    shown = row(text, "9 space 9", 1) + row(text, "9 space 9", 2)
    assert shown == [f"{values['space 9', name]:.3f}" for name in names[:8]]
    heads = [line.split() for line in text.splitlines() if line.split()[:1] in (["1"], ["8"])]
    assert ["1", "2", "3", "4", "5", "6", "7"] in heads
    assert ["8", "9"] in heads
