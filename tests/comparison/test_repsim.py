"""repsim: CKA and CCA of many spaces at once, in C++."""

import numpy as np
import repsim

from isthmus.measures import cca, cka, debiased_cka, pwcca, svcca


def test_cka(compare, oracle, spaces):
    x, y = spaces
    compare.same(
        "cka", 'cka("linear", "gretton")', theirs=repsim.cka([x, y], "linear", "gretton")[0, 1],
        ours=cka(x, y), oracle=oracle.cka(x, y), equation="Kornblith 2019",
    )  # fmt: skip
    grams = [a @ a.T for a in spaces]
    sizes = [np.linalg.norm(oracle.double_centred(k)) / 59 for k in grams]
    compare.differs(
        "debiased_cka", 'cka("linear", "song")',
        theirs=repsim.cka([x, y], "linear", "song")[0, 1], ours=debiased_cka(x, y),
        oracle=oracle.debiased_cka(x, y), equation="Song 2012, eq. 5",
        explained=oracle.hsic_unbiased(*grams) / (sizes[0] * sizes[1]),
        why="The unbiased HSIC of x with y is divided by biased ones of each with itself, so "
        "that a space compared with its own copy does not read 1.",
    )  # fmt: skip
    copy = repsim.cka([x, x.copy()], "linear", "song")[0, 1]
    assert abs(copy - 1) > 1e-3
    # Sizes below 1e-6 are cut off by an absolute floor.
    small = repsim.cka([1e-4 * x, 1e-4 * y], "linear", "gretton")[0, 1]
    assert abs(small - oracle.cka(x, y)) > 1e-3


def test_cca(compare, oracle, spaces):
    x, y = spaces
    rho = oracle.correlations(x, y)
    known = {"ours": cca(x, y), "oracle": np.mean(rho**2), "equation": "Pillai's trace over r"}
    compare.same("cca", 'cca("yanai")', theirs=repsim.cca([x, y], "yanai")[0, 1], **known)
    compare.differs(
        "cca", 'cca("pillai")', theirs=repsim.cca([x, y], "pillai")[0, 1], explained=rho.mean(),
        why="The mean of ρ under the name of Pillai's trace, which is the sum of ρ².", **known,
    )  # fmt: skip


def test_svcca(compare, oracle, spaces):
    x, y = spaces
    right = oracle.correlations(oracle.truncated(x, 0.99), oracle.truncated(y, 0.99))
    compare.same(
        "svcca", 'svcca("yanai")', theirs=repsim.svcca([x, y], "yanai")[0, 1], ours=svcca(x, y),
        oracle=np.mean(right**2), equation="Raghu 2017, with ρ²",
    )  # fmt: skip


def test_pwcca(compare, oracle, spaces):
    x, y = spaces
    compare.differs(
        "pwcca", "pwcca", theirs=repsim.pwcca([x, y])[0, 1], ours=pwcca(x, y),
        oracle=oracle.pwcca(x, y), equation="Morcos 2018", right="both",
        explained=(oracle.pwcca(x, y) + oracle.pwcca(y, x)) / 2,
        why="The mean of both directions, where the paper weights by one space.",
    )  # fmt: skip
