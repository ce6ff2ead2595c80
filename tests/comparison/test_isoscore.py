"""IsoScore: the authors' own."""

from IsoScore.IsoScore import IsoScore

from isthmus.measures import iso_score


def test_iso_score(compare, oracle, spaces):
    x = spaces[0]
    compare.same(
        "iso_score", "IsoScore", theirs=IsoScore(x), ours=iso_score(x),
        oracle=(oracle.participation_ratio(x) - 1) / 4, equation="Rudman 2022",
    )  # fmt: skip
