"""cca-zoo: canonical correlations."""

from cca_zoo.linear import CCA

from isthmus.measures import cca


def test_cca(compare, oracle, spaces):
    compare.same(
        "cca (mean ρ)", "CCA.score", theirs=CCA(n_components=5).fit(spaces).score(spaces),
        ours=cca(*spaces).parts["mean_rho"], oracle=oracle.correlations(*spaces).mean(),
        equation="Hotelling 1936",
    )  # fmt: skip
