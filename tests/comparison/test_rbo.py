"""rbo: rank-biased overlap of two lists, here of every row's neighbours on both sides."""

import numpy as np
from rbo import RankingSimilarity

from isthmus.measures import rank_biased_overlap


def test_overlap_of_neighbours(compare, oracle, spaces):
    pairs = list(zip(*(oracle.neighbours(a, 10, "cosine") for a in spaces), strict=True))
    known = {
        "ours": rank_biased_overlap(*spaces),
        "oracle": oracle.rank_biased_overlap(*spaces, 10, 0.9), "equation": "Webber 2010, eq. 30",
    }  # fmt: skip
    found = [RankingSimilarity(list(a), list(b)) for a, b in pairs]
    compare.same(
        "rank_biased_overlap", "rbo(k=10, p=0.9, ext=True)",
        theirs=np.mean([one.rbo(k=10, p=0.9, ext=True) for one in found]), **known,
    )  # fmt: skip
    last = [len(set(a) & set(b)) / 10 for a, b in pairs]
    compare.differs(
        "rank_biased_overlap", "rbo(k=10, p=0.9)", right="both",
        theirs=np.mean([one.rbo(k=10, p=0.9) for one in found]),
        explained=known["oracle"] - 0.9**10 * np.mean(last),
        why="Nothing is taken to agree beyond depth k, so equal lists read 1 - p^k, 0.65 here, "
        "not 1.", **known,
    )  # fmt: skip
