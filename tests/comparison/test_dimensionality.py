"""dimensionality: the participation ratio corrected for few rows, and for few columns too."""

import dimensionality

from isthmus.measures import participation_ratio


def test_participation_ratio(compare, oracle, spaces):
    x = spaces[0]
    found = dimensionality.participation_ratio(x, return_all=True)
    compare.same(
        "participation_ratio", "participation_ratio, naive", theirs=found["naive"],
        ours=participation_ratio(x), oracle=oracle.participation_ratio(x),
        equation="tr(C)² / tr(C²)",
    )  # fmt: skip
    known = {
        "ours": participation_ratio(x, debias=True), "equation": "tr(Σ)² / tr(Σ²), unbiased parts",
        "oracle": oracle.participation_ratio_unbiased(x),
    }  # fmt: skip
    compare.same(
        "participation_ratio, debias", "participation_ratio, row", theirs=found["row"], **known
    )
    compare.differs(
        "participation_ratio, debias", "participation_ratio", theirs=found["both"], right="both",
        why="Columns are taken for a random sample of a larger population too. An encoder's "
        "columns are all there are, so the dimension read is far above their number.", **known,
    )  # fmt: skip
