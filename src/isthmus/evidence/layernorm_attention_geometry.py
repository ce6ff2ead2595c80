"""LayerNorm and attention: keys inside the hull of the others can never be attended to most."""

from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np

from isthmus.core.card import Paper
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from
from isthmus.measures.unreachable import layernorm_project, unreachable

SLUG = "layernorm-attention-geometry"
PAPER = Paper(
    "On the Expressivity Role of LayerNorm in Transformers' Attention", "Brody et al.", 2023
)
CLAIM = (
    "Of 1,000 Gaussian keys in 4 dimensions more than 85 % can never score highest under any "
    "query; after LayerNorm none. Linear programs of another form agree on every key checked."
)

Normalise = Callable[[np.ndarray], np.ndarray]


def mixture_exists(keys: np.ndarray, i: int) -> bool:
    """Whether key i is a weighted mean of the others: then some other beats it for every query."""
    from scipy.optimize import linprog

    apart = np.delete(keys, i, axis=0) - keys[i]
    # Weighted by distance, so that near neighbours do not vanish within the solver's tolerance.
    apart = apart / np.linalg.norm(apart, axis=1, keepdims=True)
    answer = linprog(
        np.zeros(len(apart)),
        A_eq=np.vstack([apart.T, np.ones(len(apart))]),
        b_eq=np.append(np.zeros(keys.shape[1]), 1.0),
        options={"primal_feasibility_tolerance": 1e-10},
    )
    return int(answer.status) == 0


def experiment(
    seeds: Sequence[int],
    *,
    keys: int = 1000,
    checked: int = 200,
    normalise: Normalise = layernorm_project,
) -> dict[str, Figure]:
    """Shares that no query reaches before and after ``normalise``.

    Programs of the dual form have their say on ``checked`` keys drawn from each.
    """
    found = np.empty((len(seeds), 4))
    for row, seed in zip(found, seeds, strict=True):
        rng = np.random.default_rng(seed)
        plain = rng.standard_normal((keys, 4))
        for at, cloud in enumerate((plain, normalise(plain))):
            score = unreachable(cloud)
            row[at] = score.value
            drawn = rng.choice(keys, min(checked, keys), replace=False)
            said = [mixture_exists(cloud, int(i)) for i in drawn]
            row[2 + at] = np.mean(np.array(said) == ~score.parts["reachable"][drawn])
    return {
        "before": over_seeds(
            "share no query ranks first", found[:, 0].tolist(), n=keys, seeds=seeds, at_least=0.85
        ),
        "after": over_seeds(
            "the same after LayerNorm", found[:, 1].tolist(), n=keys, seeds=seeds, at_most=0.0
        ),
        "agreement": over_seeds(
            "keys on which a program of the other form agrees", found[:, 2].tolist(),
            n=min(checked, keys), seeds=seeds, at_least=1.0,
        ),
        "agreement_after": over_seeds(
            "the same after LayerNorm", found[:, 3].tolist(), n=min(checked, keys), seeds=seeds,
            at_least=1.0,
        ),
    }  # fmt: skip


def run(*, seed: int = 0) -> Evidence:
    """The claim on five draws of keys."""
    started = perf_counter()
    figures = experiment(seeds_from(seed, 5))
    return recorded(
        SLUG,
        PAPER,
        CLAIM,
        seed=seed,
        started=started,
        figures=figures,
        what_holds=(
            f"{figures['before'].value:.1%} of the keys can never score highest; after LayerNorm "
            f"{figures['after'].value:.1%}. Programs that seek a query and programs that seek a "
            "mixture of other keys agree on every key drawn."
        ),
    )
