"""Write docs/disagreements.md from what `make compare` measured.

python docs/disagreements.py
"""

import json
from itertools import groupby
from pathlib import Path

HERE = Path(__file__).parent
FOUND = HERE.parent / "benchmarks/results/disagreements.json"
PAGE = HERE / "disagreements.md"

HEAD = """\
# Where public implementations differ

Written by `make compare` from `{source}`; every number was
measured in that run, on the same 60 rows of 5 columns unless the line says otherwise. The oracle is
a few lines of NumPy in float64 written from the equation (`tests/comparison/oracles.py`), and it
decides: Isthmus is held to it within 1e-6, as is every implementation in the last table (the few
that compute in float32 within what that allows). A difference that is listed here is asserted, so
that the day it is gone the comparison says so. netrep, ReSi, platonic-rep and LogME are on no
package registry and were not run.

{counts}
"""

TABLE = """\
| implementation | theirs | Isthmus | oracle | difference | equation | why |
|-|-|-|-|-|-|-|
"""


def number(value: float | str) -> str:
    if isinstance(value, str):
        return value
    if 1e-3 <= abs(value) < 1e4:
        return f"{value:.6f}"
    return f"{value:.2e}" if value else "0"


def row(one: dict) -> str:
    name = f"{one['peer']} {one['version']}, {one['function']}".replace("|", "\\|")
    gap = "" if one["difference"] is None else number(one["difference"])
    cells = [name, number(one["theirs"]), number(one["ours"]), number(one["oracle"]), gap]
    return "| " + " | ".join([*cells, one["equation"].replace("|", "\\|"), one["why"]]) + " |\n"


def tables(rows: list[dict]) -> str:
    parts = []
    for measure, group in groupby(rows, key=lambda one: one["measure"]):
        parts.append(f"### {measure}\n\n" + TABLE + "".join(map(row, group)))
    return "\n".join(parts)


def agreement(rows: list[dict]) -> str:
    lines = ["| measure | implementation | value | difference from the oracle |\n|-|-|-|-|\n"]
    for one in rows:
        name = f"{one['peer']} {one['version']}, {one['function']}".replace("|", "\\|")
        cells = [one["measure"], name, number(one["oracle"]), number(one["difference"])]
        lines.append("| " + " | ".join(cells) + " |\n")
    return "".join(lines)


def page(found: list[dict]) -> str:
    names = ("defect", "definition", "same")
    kinds = {name: [one for one in found if one["kind"] == name] for name in names}
    counts = (
        f"{len(kinds['defect'])} results are wrong by the equation that they are named after, "
        f"{len(kinds['definition'])} follow another one under the same name, and "
        f"{len(kinds['same'])} agree."
    )
    head = HEAD.format(source="benchmarks/results/disagreements.json", counts=counts)
    return (
        f"{head}\n## Wrong by their own equation\n\nIsthmus is right.\n\n{tables(kinds['defect'])}"
        "\n## Another definition under the same name\n\nBoth are right by the equation that each "
        f"follows; the column says which one Isthmus follows.\n\n{tables(kinds['definition'])}"
        f"\n## Equal\n\n{agreement(kinds['same'])}"
    )


def main() -> None:
    PAGE.write_text(page(json.loads(FOUND.read_text())["comparisons"]))


if __name__ == "__main__":
    main()
