"""ckatorch: right by the Frobenius norm, biased by HSIC whatever `unbiased` says."""

import numpy as np
import torch
from scipy.spatial.distance import cdist

from isthmus.measures import cka, debiased_cka, minibatch_cka, rbf_cka

SONG = "Song 2012, eq. 5"


def tensors(spaces):
    return [torch.asarray(side) for side in spaces]


def test_linear(compare, oracle, spaces):
    from ckatorch.core import cka_base

    known = {"ours": cka(*spaces), "oracle": oracle.cka(*spaces), "equation": "Kornblith 2019"}
    for method in ("fro_norm", "hsic"):
        value = cka_base(*tensors(spaces), method=method)
        compare.same("cka", f'cka_base(method="{method}")', theirs=value, **known)


def test_unbiased(compare, oracle, spaces):
    from ckatorch.core import cka_base

    known = {
        "ours": debiased_cka(*spaces), "oracle": oracle.debiased_cka(*spaces), "equation": SONG,
    }  # fmt: skip
    value = cka_base(*tensors(spaces), unbiased=True)
    compare.same("debiased_cka", "cka_base(unbiased=True)", theirs=value, **known)
    rng = np.random.default_rng(0)
    unrelated = rng.normal(size=(2, 50, 1000))
    compare.differs(
        "debiased_cka", 'cka_base(unbiased=True, method="hsic"), unrelated spaces',
        theirs=cka_base(*tensors(unrelated), unbiased=True, method="hsic"),
        ours=debiased_cka(*unrelated), oracle=oracle.debiased_cka(*unrelated), equation=SONG,
        explained=oracle.cka(*unrelated),
        why="With this method the flag is not read: the value is biased CKA, near 1 for unrelated "
        "spaces of few rows.",
    )  # fmt: skip


def test_batches(compare, oracle, spaces):
    from ckatorch.core import cka_batch

    x, y = spaces
    compare.same(
        "debiased_cka", "cka_batch, one batch",
        theirs=cka_batch(*(a[None] for a in tensors(spaces))),
        ours=debiased_cka(x, y), oracle=oracle.debiased_cka(x, y), equation=SONG,
    )  # fmt: skip
    stacked = [a.reshape(3, 20, 5) for a in tensors(spaces)]
    batches = [range(start, start + 20) for start in (0, 20, 40)]
    right = oracle.minibatch_cka(x, y, batches)
    assert abs(float(cka_batch(*stacked)) - right) < 1e-9
    # Ours draws its batches; of all rows in one batch it has no choice.
    compare.same(
        "minibatch_cka, batch=60", "cka_batch, one batch",
        theirs=cka_batch(*(a[None] for a in tensors(spaces))), ours=minibatch_cka(x, y, batch=60),
        oracle=oracle.minibatch_cka(x, y, [range(60)]), equation="Nguyen 2021",
    )  # fmt: skip


def test_rbf(compare, oracle, spaces):
    from ckatorch.core import cka_base

    def kernel(a):
        squared = np.sort(cdist(a, a, "sqeuclidean").ravel())
        return oracle.gaussian(a, np.sqrt(squared[(len(squared) - 1) // 2]))

    compare.differs(
        "rbf_cka", 'cka_base(kernel="rbf", unbiased=True)',
        theirs=cka_base(*tensors(spaces), kernel="rbf", unbiased=True), ours=rbf_cka(*spaces),
        oracle=oracle.unbiased(*(oracle.gaussian(a) for a in spaces)), equation=SONG, right="both",
        explained=oracle.unbiased(*(kernel(a) for a in spaces)),
        why="The width is the median over all ordered pairs, among them each row with itself at "
        "distance 0, where ours is the median over pairs of different rows.",
    )  # fmt: skip
