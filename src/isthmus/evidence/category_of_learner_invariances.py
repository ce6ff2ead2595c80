"""Learners' invariances: what a space may undergo before a regression on it notices."""

from collections.abc import Sequence
from time import perf_counter

import numpy as np

from isthmus.core.card import Paper
from isthmus.evidence.corpora import digits
from isthmus.evidence.experiment import Evidence, Figure, recorded, seeds_from
from isthmus.measures.learner_invariances import Learner, learner_invariances

SLUG = "category-of-learner-invariances"
PAPER = Paper(
    "Characterizing the invariances of learning algorithms using category theory", "Harris", 2019
)
CLAIM = (
    "Predictions of ordinary least squares change by less than 1e-8 under any invertible linear "
    "map of the features; those of ridge regression by less than 1e-8 under orthogonal maps alone, "
    "and by more than 1e-3 under general ones."
)
ROWS, COMPONENTS = 400, 20
GENERAL = ("axis_scale", "invertible_linear")
#: Of ridge; fixed, for one that follows the data's scale would follow rescalings too.
PENALTY = 10.0


def ols(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Least squares without an intercept: the paper's linear regression."""
    return np.asarray(new @ np.linalg.lstsq(x, y, rcond=None)[0])


def ridge(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Ridge regression without an intercept, at a fixed penalty."""
    gram = x.T @ x
    return np.asarray(new @ np.linalg.solve(gram + PENALTY * np.eye(len(gram)), x.T @ y))


def sample(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """``ROWS`` digits in their principal components, and how often each is an even one."""
    images, labels = digits()
    rows = np.random.default_rng(seed).permutation(len(images))[:ROWS]
    centred = images - images.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:COMPONENTS]
    return centred[rows] @ axes.T, np.where(labels[rows] % 2 == 0, 1.0, -1.0)


def experiment(
    seeds: Sequence[int], *, least_squares: Learner = ols, penalised: Learner = ridge
) -> dict[str, Figure]:
    """Largest and smallest changes of both learners over the seeds."""
    found = {
        name: [learner_invariances(learner, *sample(s), rng=s).parts["changes"] for s in seeds]
        for name, learner in (("ols", least_squares), ("ridge", penalised))
    }

    def worst(name: str, *groups: str) -> float:
        return max(change[group] for change in found[name] for group in groups)

    def least(name: str, group: str) -> float:
        return min(change[group] for change in found[name])

    def figure(
        what: str, value: float, at_least: float | None = None, at_most: float | None = None
    ) -> Figure:
        return Figure(
            what=what, value=value, n=ROWS, seeds=tuple(seeds), at_least=at_least, at_most=at_most
        )

    return {
        "ols_linear": figure(
            "change of least squares under invertible linear maps, worst seed",
            worst("ols", "orthogonal", "isotropic_scale", *GENERAL), at_most=1e-8,
        ),
        "ridge_orthogonal": figure(
            "change of ridge under orthogonal maps, worst seed",
            worst("ridge", "orthogonal", "permutation"), at_most=1e-8,
        ),
        "ridge_linear": figure(
            "change of ridge under invertible linear maps, mildest seed",
            least("ridge", "invertible_linear"), at_least=1e-3,
        ),
        "ridge_axis_scale": figure(
            "the same under a factor for each column", least("ridge", "axis_scale"), at_least=1e-3
        ),
        "ridge_scale": figure(
            "the same under one factor for all columns", least("ridge", "isotropic_scale"),
            at_least=1e-3,
        ),
        "ols_translation": figure(
            "change of least squares without an intercept under a shift, mildest seed",
            least("ols", "translation"),
        ),
    }  # fmt: skip


def run(*, seed: int = 0) -> Evidence:
    """The claim on five seeds; seconds."""
    started = perf_counter()
    figures = experiment(seeds_from(seed, 5))
    value = {name: figure.value for name, figure in figures.items()}
    return recorded(
        SLUG, PAPER, CLAIM, seed=seed, started=started, figures=figures,
        what_holds=(
            "On digits, in units of the spread of predictions, least squares moves by at most "
            f"{value['ols_linear']:.0e} under every linear map; ridge by at most "
            f"{value['ridge_orthogonal']:.0e} under rotations but at least "
            f"{value['ridge_linear']:.2g} under general maps and "
            f"{value['ridge_scale']:.2g} under one factor for all columns. Without an intercept a "
            f"shift moves least squares by {value['ols_translation']:.2g}."
        ),
    )  # fmt: skip
