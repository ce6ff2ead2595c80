"""rsatoolbox: the RSA family, right but for pooled quantiles; "euclidean" means squared."""

import numpy as np
import pytest
import rsatoolbox

from isthmus.measures import bures_similarity, cka, crossnobis, rsa, trsa, whitened_cosine

METHODS = {
    "pearson": "corr", "spearman": "spearman", "kendall_tau_a": "tau-a", "rho_a": "rho-a",
    "cosine": "cosine",
}  # fmt: skip


def rdm(x, method="euclidean"):
    return rsatoolbox.rdm.calc_rdm(rsatoolbox.data.Dataset(x), method=method)


def compared(one, two, method):
    return float(np.squeeze(rsatoolbox.rdm.compare(one, two, method=method)))


@pytest.mark.parametrize("comparison", METHODS)
@pytest.mark.parametrize("distance", ["squared_euclidean", "correlation"])
def test_rsa(compare, oracle, spaces, distance, comparison):
    x, y = spaces
    by = {
        "pearson": None, "spearman": oracle.rank_correlation, "rho_a": oracle.rank_correlation,
        "kendall_tau_a": oracle.kendall_tau_a, "cosine": oracle.cosine,
    }[comparison]  # fmt: skip
    metric, name = {
        "squared_euclidean": ("sqeuclidean", "euclidean"),
        "correlation": ("correlation", "correlation"),
    }[distance]
    theirs = compared(rdm(x, name), rdm(y, name), METHODS[comparison])
    compare.same(
        f"rsa, {distance}, {comparison}", "calc_rdm, then compare", theirs=theirs,
        ours=rsa(x, y, distance=distance, comparison=comparison),
        oracle=oracle.rsa(x, y, metric, by), equation="correlation over pairs",
    )  # fmt: skip


def test_euclidean_means_squared(compare, oracle, spaces):
    x, y = spaces
    compare.differs(
        "rsa", 'calc_rdm("euclidean"), compare("corr")', theirs=compared(rdm(x), rdm(y), "corr"),
        ours=rsa(x, y), oracle=oracle.rsa(x, y), equation="correlation over pairs", right="both",
        explained=oracle.rsa(x, y, "sqeuclidean"),
        why="Its distance called Euclidean is the square of it over the number of columns, which "
        "the correlation of distances is not blind to.",
    )  # fmt: skip


def test_second_moments(compare, oracle, spaces):
    x, y = spaces
    compare.same(
        "bures_similarity", 'compare("bures")', theirs=compared(rdm(x), rdm(y), "bures"),
        ours=bures_similarity(x, y), oracle=oracle.cosine_of_shapes(x, y),
        equation="|XᵀY|_* / |X||Y|",
    )  # fmt: skip
    compare.same(
        "cka", 'compare("cosine_cov") of squared distances',
        theirs=compared(rdm(x), rdm(y), "cosine_cov"), ours=cka(x, y), oracle=oracle.cka(x, y),
        equation="Kornblith 2019",
    )  # fmt: skip


def test_trsa(compare, oracle, spaces):
    x, y = spaces
    y = 3 * y  # the two scales are nobody's choice
    clip = rsatoolbox.rdm.geotopological_transform
    known = {
        "ours": trsa(x, y, distance="squared_euclidean"), "equation": "Lin & Kriegeskorte 2023",
        "oracle": oracle.rsa(x, y, "sqeuclidean", lambda a, b: np.corrcoef(
            oracle.clipped(a, 0.2, 0.8), oracle.clipped(b, 0.2, 0.8))[0, 1]),
    }  # fmt: skip
    alone = compared(clip(rdm(x), 0.2, 0.8), clip(rdm(y), 0.2, 0.8), "corr")
    compare.same(
        "trsa, squared_euclidean", "geotopological_transform of one RDM", theirs=alone, **known
    )
    both = clip(rsatoolbox.rdm.concat(rdm(x), rdm(y)), 0.2, 0.8)

    def pooled(a, b):
        low, high = np.quantile(np.concatenate([a, b]), [0.2, 0.8])
        return np.corrcoef(*(np.clip((d - low) / (high - low), 0, 1) for d in (a, b)))[0, 1]

    compare.differs(
        "trsa, squared_euclidean", "geotopological_transform of two RDMs at once",
        theirs=compared(both[0], both[1], "corr"),
        explained=oracle.rsa(x, y, "sqeuclidean", pooled),
        why="The quantiles are pooled over all RDMs of an object, so that each space's thresholds "
        "move with the scale of the others.", **known,
    )  # fmt: skip


def test_crossnobis(compare, oracle, spaces):
    labels, groups = np.repeat(np.arange(4), 15), np.tile(np.arange(5), 12)
    found, right, ours = [], [], []
    for x in spaces:
        rest = np.vstack([x[labels == c] - x[labels == c].mean(axis=0) for c in range(4)])
        data = rsatoolbox.data.Dataset(x, obs_descriptors={"class": labels, "run": groups})
        found.append(rsatoolbox.rdm.calc_rdm(
            data, method="crossnobis", descriptor="class", cv_descriptor="run",
            noise=np.linalg.inv(rest.T @ rest / (len(x) - 4)),
        ))  # fmt: skip
        right.append(oracle.crossnobis(x, labels, groups))
        ours.append(crossnobis(x, labels=labels, groups=groups))
    compare.same(
        "crossnobis", 'calc_rdm("crossnobis")', theirs=found[0].dissimilarities.mean(),
        ours=ours[0], oracle=right[0].mean(), equation="Walther 2016",
    )  # fmt: skip
    compare.same(
        "whitened_cosine", 'compare("cosine_cov") of crossnobis RDMs',
        theirs=compared(*found, "cosine_cov"), oracle=oracle.whitened_cosine(*right),
        ours=whitened_cosine(*spaces, labels=labels, groups=groups), equation="Diedrichsen 2021",
    )  # fmt: skip


def test_bootstrap_of_few_conditions(compare, oracle, spaces):
    """A row bootstrap pairs copies of a row; rsatoolbox drops those pairs as NaN."""
    x, y = (a[:4] for a in spaces)
    few = []
    for side in (x, y):
        data = rsatoolbox.data.Dataset(side, obs_descriptors={"row": np.arange(4)})
        few.append(rsatoolbox.rdm.calc_rdm(data, method="euclidean", descriptor="row"))
    drawn = [side.subsample_pattern("row", [0, 0, 1, 1]) for side in few]
    assert np.isnan(drawn[0].dissimilarities).sum() == 2  # each row with its own copy
    drawn = [side.subsample_pattern("row", [0, 0, 0, 1]) for side in few]
    compare.differs(
        "rsa, 4 rows", "compare after a bootstrap of rows", theirs=compared(*drawn, "corr"),
        explained=0.0, ours=rsa(x, y, distance="squared_euclidean"),
        oracle=oracle.rsa(x, y, "sqeuclidean"),
        equation="correlation over pairs",
        why="A sample with two different rows has one distance, repeated, and no correlation, "
        "which is returned as 0; with few rows such samples are drawn. Ours leaves one row out.",
    )  # fmt: skip
