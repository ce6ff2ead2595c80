"""Write docs/disagreements.md from what `make compare` measured.

python docs/disagreements.py
"""

import json
from collections.abc import Iterable
from functools import cache
from itertools import groupby
from pathlib import Path

HERE = Path(__file__).parent
FOUND = HERE.parent / "benchmarks/results/disagreements.json"
PAGE = HERE / "disagreements.md"

HEAD = """\
# Where public implementations differ

Every number here was measured by `make compare`, but for those [read, not run](#read-not-run):
{total} results of {peers} public packages, on the same 60 rows of 5 columns unless a line says
otherwise. What is right is decided by an oracle,
a few lines of NumPy in float64 written straight from the equation
([tests/comparison](../tests/comparison)). Isthmus is held to it within 1e-6.

- **{same} agree** with the equation within 1e-6, or within what float32 allows.
- **{definition} follow another definition** under the same name. Both are right; the equation
  named is the one that Isthmus follows.
- **{defect} are wrong** by the equation that they are named after, or fail where it has a value.

Options are in brackets. A bridge is compared by its translations of all rows, read as one weighted
sum of their cells. Differences are asserted, and so are their explanations wherever one can be
computed: the day a package changes, the comparison fails and this page follows.

"""

TABLE = """\
| implementation | gives | the equation gives | off by | |
|-|-|-|-|-|
"""

VERDICT = {"defect": "**Wrong.** ", "definition": "**Another definition.** "}

READ = """\
## Read, not run

netrep, ReSi, platonic-rep and LogME are on no package registry, so `make compare` cannot run them.
What follows was read in their sources; each figure is that of their formula, written again, on
drawn rows, and none is that of a run. The tests hold Isthmus to what is right, and those of
`test_read_not_run.py` hold the formulas to these figures.

| package | in its source | what follows | held by |
|-|-|-|-|
| platonic-rep, metrics.py | CKA and CKNNA divide by the root of the two norms + 1e-6, in whatever \
unit the features are | debiased CKA of 200 unit rows of 64 dims with themselves falls from 1.00 \
to .61 and .0002 as they shrink to a tenth and a hundredth | \
`tests/comparison/test_read_not_run.py::test_an_absolute_guard_makes_a_space_unlike_itself`, \
`tests/measures/test_debiased_cka.py::test_shrinking_features_do_not_matter`, \
`tests/measures/test_cknna.py::test_scale_changes_nothing_where_an_absolute_guard_would` |
| LogME, LogME.py, the default path | log α counts for all d columns, log(α + β σ²) for the \
min(n, d) singular values alone; the other path of the class sums over all d | with d > n the \
evidence is (d - n) log α / 2n too high, so that shuffled labels of wide features look good | \
`tests/comparison/test_read_not_run.py::\
test_evidence_over_the_singular_values_alone_rewards_width`, \
`tests/measures/test_log_me.py::test_shuffled_labels_of_wide_features_do_not_look_good` |
| ReSi, gulp.py | the squared distance is returned, and declared a metric | squares break the \
triangle inequality | \
`tests/measures/test_gulp.py::test_the_square_breaks_the_triangle_and_the_root_does_not` |
| ReSi, statistics.py | uniformity takes rows at their lengths, and each with itself | every wide \
space reads log(1 / n), so that any two differ by 0 | \
`tests/comparison/test_read_not_run.py::\
test_uniformity_of_wide_features_that_are_not_unit_is_minus_log_n` |
| ReSi, distance_correlation.py | declared to change with scale | it does not | \
`tests/comparison/test_read_not_run.py::test_distance_correlation_does_not_see_a_scale` |
| ReSi, rsa.py | correlations of rows, declared blind to translation | one bias vector moves them \
| \
`tests/measures/test_rsa.py::\
test_a_bias_moves_cosines_and_correlations_but_not_euclidean_distances` |
| ReSi, cca.py | PWCCA's weights are taken from columns that are not centred, and translation \
declared to be without effect | one bias vector of the first space moves it | \
`tests/measures/test_pwcca.py::test_one_bias_vector_changes_nothing` |

ReSi also declares linear regression and the norm of the difference of similarity matrices to
change with translation, and aligned cosine with scale, which they do not. Here no card can: the
contract suite (`tests/contract/test_measures.py::test_contract`) breaks every group that a card
does not declare and keeps every one that it does.
"""

KNOWN = """\
## Known elsewhere, and how ours is held

Defects that no number above shows, and those that were known and are mended.

| package | what is known | how ours is held |
|-|-|-|
| dadapy 0.3.4, `compute_id_2NN()` | its error is that of subsets of the rows; of all rows, the \
default, it is given as exactly 0.0 | an interval about the value: \
`tests/comparison/test_dadapy.py::test_two_nn`; [how often it covers](results/calibration.md) |
| scikit-dimension 0.5.0, `TwoNN()` | 40 dimensions in 1,000 Gaussian rows read under 35, and \
nothing is said of it | ours reads low there too, and warns with the corrected value: \
`tests/comparison/test_skdim.py::test_high_dimensions_read_low`, \
`tests/measures/test_two_nn.py::test_high_dimensions_are_warned_about_with_the_corrected_value` |
| scikit-dimension, `TwoNN()` of equal rows in float32 | NaN was known; 0.5.0 gives what it \
gives in float64 | `tests/comparison/test_mended.py::test_equal_rows_in_float32_are_no_nan`, \
`tests/measures/test_two_nn.py::test_duplicates_are_removed_and_counted` |
| TorchDR, `neighborhood_preservation` | was documented as Jaccard over code that divides the \
overlap by k; 0.5 says itself that it is not | \
`tests/comparison/test_mended.py::test_overlap_is_not_called_jaccard`, \
`tests/measures/test_mutual_knn.py::test_equals_set_overlap_not_jaccard` |
| netrep (read, not run) | the error for arrays of wrong shapes crashes while it is made | \
refusals that name both shapes: `tests/core/test_arrays.py::test_paired`, \
`tests/measures/test_debiased_cka.py::test_unequal_rows_and_nan_are_refused` |
"""

TAIL = """\
## Not compared

On no package registry: netrep, ReSi, platonic-rep and LogME (read, above), IMD's msid and the code
of RTD.
disentanglement_lib needs TensorFlow 1 (disent carries its measures on), scikit-hubness a
scikit-learn of 2020 (kiez carries its own on), mini-vec2vec a Python above the one that this page
was made with. For these measures no other implementation was found that a registry has; their
oracles are in `tests/measures`:

{alone}.
"""


def number(value: float | str) -> str:
    if isinstance(value, str):
        return value
    if 1e-3 <= abs(value) < 1e4:
        return f"{value:.6f}"
    return f"{value:.2e}" if value else "0"


def cell(text: str) -> str:
    return text.replace("|", "\\|")


@cache
def comparisons() -> list[dict]:
    return json.loads(FOUND.read_text())["comparisons"]


def base(one: dict) -> str:
    """The method that a comparison is of, without its options."""
    return one["measure"].split(",")[0].split(" (")[0]


def sections() -> dict[str, list[dict]]:
    """Comparisons by method."""
    ordered = sorted(comparisons(), key=lambda one: (base(one), one["measure"]))
    return {name: list(group) for name, group in groupby(ordered, key=base)}


def variant(one: dict) -> str:
    """What of its method it compares: options or a part, if any."""
    return one["measure"].removeprefix(base(one)).strip(", ").strip("()")


def package(one: dict) -> str:
    return f"{one['peer']} {one['version']}"


def functions(rows: Iterable[dict]) -> str:
    """Packages with their functions, and what each function was asked for."""
    named = {}
    for one in rows:
        options = named.setdefault(package(one), {}).setdefault(one["function"], [])
        options += [f" [{variant(one)}]"] if variant(one) else []
    return cell("; ".join(
        f"*{name}* " + ", ".join(each + "".join(options) for each, options in found.items())
        for name, found in sorted(named.items())
    ))  # fmt: skip


def row(one: dict) -> str:
    gap = "" if one["difference"] is None else number(one["difference"])
    right = f"{number(one['oracle'])}, {one['equation']}"
    cells = [
        functions([one]),
        number(one["theirs"]),
        cell(right),
        gap,
        VERDICT[one["kind"]] + one["why"],
    ]
    return "| " + " | ".join(cells) + " |\n"


def section(name: str, rows: list[dict]) -> str:
    same = [one for one in rows if one["kind"] == "same"]
    rest = sorted((one for one in rows if one["kind"] != "same"), key=lambda one: one["kind"])
    agree = f"Equal: {functions(same)}.\n\n" if same else ""
    return f"### {name}\n\n{agree}{TABLE}{''.join(map(row, rest))}\n"


def agreement(name: str, rows: list[dict]) -> str:
    gap = number(max(one["difference"] for one in rows))
    return f"| {name} | {functions(rows)} | {gap} |\n"


def by_package(found: Iterable[dict]) -> str:
    lines = ["| package | agree | another definition | wrong |\n|-|-|-|-|\n"]
    for name, group in groupby(sorted(found, key=lambda one: package(one).lower()), key=package):
        kinds = [one["kind"] for one in group]
        counts = [str(kinds.count(kind) or "") for kind in ("same", "definition", "defect")]
        lines.append(f"| {name} | {' | '.join(counts)} |\n")
    return "".join(lines)


def compared(name: str, room: str = "measures") -> str:
    """Results of public implementations of a method, with a link; empty where there is none."""
    known = sections()
    own = f"{name} bridge" if room == "bridges" and f"{name} bridge" in known else name
    rows = known.get(own, [])
    if not rows:
        return ""
    apart = sum(one["kind"] != "same" for one in rows)
    if not apart:
        return f"[{len(rows)} equal](../../disagreements.md#equal-everywhere)"
    return f"{len(rows) - apart} equal, [{apart} not](../../disagreements.md#{own})"


def page() -> str:
    from isthmus.core.registry import methods

    found, known = comparisons(), sections()
    kinds = [one["kind"] for one in found]
    parts = [
        HEAD.format(
            total=len(found), peers=len({one["peer"] for one in found}),
            **{kind: kinds.count(kind) for kind in ("same", "definition", "defect")},
        ),
        by_package(found), "\n## Measures and bridges that differ somewhere\n\n",
    ]  # fmt: skip
    apart = {name for name, rows in known.items() if {one["kind"] for one in rows} != {"same"}}
    parts += [section(name, rows) for name, rows in known.items() if name in apart]
    parts += ["## Equal everywhere\n\n| | implementations | largest difference |\n|-|-|-|\n"]
    parts += [agreement(name, rows) for name, rows in known.items() if name not in apart]
    alone = [f"`{one.name}`" for one in methods("measures") if one.name not in known]
    return "".join([*parts, "\n", READ, "\n", KNOWN, "\n", TAIL.format(alone=", ".join(alone))])


def main() -> None:
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
