r"""Encoder benchmark: encoders by categories of tasks, and whether the categories agree."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from isthmus.core.arrays import Array, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.neighbors import neighbors, unit
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.classes import codes
from isthmus.measures.rows import upper_tail

CARD = Card(
    name="encoder_benchmark",
    summary="Encoders scored on probes, clusters, retrieval, pairs and zero-shot, ranks compared.",
    paper=Paper("MIEB: Massive Image Embedding Benchmark", "Xiao et al.", 2025),
    cost="n^2 d",
    memory="n d",
    invariant=("permutation", "isotropic_scale"),
    spaces=0,
    chance=0.0,
    library="scikit-learn",
    caveat="z and p are of categories whose rankings of the encoders have nothing in common; "
    "ties make z a little small.",
)

#: Pairs drawn for the category ``pairs``, half of them of one class.
_PAIRS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Inputs with labels, and the category they are put to.

    ``category`` is one of ``CATEGORIES``. ``inputs`` (n, p) are what encoders take, ``labels``
    (n,) their classes. ``prompts`` (g, p) say each class in the encoders' own input, in the order
    of the sorted labels; only ``zero_shot`` needs them.
    """

    category: str
    inputs: Array
    labels: Any
    prompts: Array | None = None


@register(CARD)
def encoder_benchmark(
    encoders: Mapping[str, Callable[[Any], Array]], tasks: Sequence[Task], *, rng: Seed = 0
) -> Score:
    r"""Mean Kendall's τ between categories in how they rank the encoders, 1 where all agree.

    .. math:: \frac{2}{c (c - 1)} \sum_{a < b} \tau_b(T_a, T_b)

    with T (categories, encoders) the mean score over each category's tasks, all between 0 and 1:

    * ``probe``: held-out accuracy of logistic regression on standardised vectors
    * ``clustering``: V-measure of k-means with as many clusters as classes
    * ``retrieval``: precision at 10 of the nearest other rows by cosine
    * ``pairs``: area under the ROC curve of the cosine, pairs of one class against pairs of two
    * ``zero_shot``: accuracy of naming a row by the prompt with the largest cosine

    Under rankings that have nothing in common the value has mean 0 and variance
    2 (2m + 5) / (9 m (m - 1)) over the number of pairs of categories, with m encoders, which gives
    z and p. Parts: ``table`` (c, m), ``ranks`` (c, m) with 1 the best and ties sharing their mean,
    ``tau`` (c, c), ``categories`` and ``encoders`` their names, ``tasks`` (t, m) every score.
    To judge a bridge, pass the same encoder with and without it.

    Parameters
    ----------
    encoders : functions from inputs (n, p) to vectors (n, d), by name; 3 or more
    tasks : tasks of 2 categories or more
    rng : seed of folds, clusters and pairs, the same for every encoder

    Raises
    ------
    InputError
        On fewer than 3 encoders or 2 categories, an unknown category, non-finite vectors, labels
        of other length, missing prompts, or a category on which all encoders score alike.

    References
    ----------
    Xiao et al. 2025, "MIEB: Massive Image Embedding Benchmark"; Kendall 1938.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(90) % 3
    >>> x = np.eye(3)[labels] + 0.4 * rng.normal(size=(90, 3))
    >>> encoders = {"all": lambda x: x, "two": lambda x: x[:, :2], "one": lambda x: x[:, :1]}
    >>> tasks = [Task(category=c, inputs=x, labels=labels) for c in ("probe", "clustering")]
    >>> encoder_benchmark(encoders, tasks).parts["ranks"].tolist()
    [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]
    """
    categories = list(dict.fromkeys(task.category for task in tasks))
    strange = [name for name in categories if name not in CATEGORIES]
    if strange or len(categories) < 2 or len(encoders) < 3:
        raise InputError(
            "encoder_benchmark",
            f"{len(encoders)} encoders and tasks of categories {categories}",
            f"3 encoders or more, 2 categories or more of {', '.join(CATEGORIES)}",
            "Bring more encoders, or tasks of other categories.",
        )
    seeds = [int(s) for s in generator(rng).integers(2**31, size=len(tasks))]
    scores = np.array(
        [
            [_scored(task, name, encode, seed) for name, encode in encoders.items()]
            for task, seed in zip(tasks, seeds, strict=True)
        ]
    )
    table = np.stack(
        [scores[[task.category == name for task in tasks]].mean(axis=0) for name in categories]
    )
    tau = _agreement(table, categories)
    pairs = list(combinations(range(len(categories)), 2))
    value = float(np.mean([tau[pair] for pair in pairs]))
    m = len(encoders)
    z = value / np.sqrt(2 * (2 * m + 5) / (9 * m * (m - 1)) / len(pairs))
    ranks = _ranks(table)
    first = {int(np.argmin(row)) for row in ranks}
    names = tuple(encoders)
    warnings: tuple[str, ...] = ()
    if len(first) > 1:
        listed = ", ".join(
            f"{c}: {names[int(np.argmin(r))]}" for c, r in zip(categories, ranks, strict=True)
        )
        warnings = (f"no encoder is first everywhere ({listed}): choose by the use you have",)
    return Score(
        value=value,
        method="encoder_benchmark",
        n=m,
        chance=0.0,
        z=float(z),
        p=upper_tail(float(z)),
        warnings=warnings,
        parts={
            "table": table,
            "ranks": ranks,
            "tau": tau,
            "categories": tuple(categories),
            "encoders": names,
            "tasks": scores,
        },
    )


def _scored(task: Task, name: str, encode: Callable[[Any], Array], seed: int) -> float:
    def vectors(inputs: Array) -> np.ndarray:
        held = to_numpy(
            matrix(f"vectors of {name!r}", encode(inputs), operation="encoder_benchmark")
        )
        if len(held) != len(inputs):
            raise InputError(
                "encoder_benchmark",
                f"{len(held)} vectors of {name!r}",
                f"{len(inputs)}, one a row",
                "Return one vector for each input.",
            )
        return held.astype(np.float64)

    rows = vectors(task.inputs)
    numbers, _ = codes(task.labels, len(rows), operation="encoder_benchmark", min_rows=12)
    if task.category != "zero_shot":
        return _OF_LABELS[task.category](rows, numbers, np.random.default_rng(seed))
    if task.prompts is None or len(task.prompts) != numbers.max() + 1:
        raise InputError(
            "encoder_benchmark",
            f"{0 if task.prompts is None else len(task.prompts)} prompts for "
            f"{numbers.max() + 1} classes",
            "one prompt a class, in the order of the sorted labels",
            "Give the task one prompt for each class.",
        )
    # Towards the rows' own mean: what all inputs share says nothing about their class.
    return _zero_shot(rows - rows.mean(axis=0), numbers, vectors(task.prompts) - rows.mean(axis=0))


def _probe(rows: np.ndarray, numbers: np.ndarray, draw: np.random.Generator) -> float:
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds = min(3, int(np.bincount(numbers).min()))
    if folds < 2:
        raise InputError(
            "encoder_benchmark",
            f"{len(rows)} rows with a class of one row",
            "2 rows or more of each class",
            "Bring more rows of it, or leave the class out.",
        )
    cut = StratifiedKFold(folds, shuffle=True, random_state=int(draw.integers(2**31)))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200))
    with warnings.catch_warnings():
        # Two hundred steps are the probe's budget, the same for all encoders.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return float(cross_val_score(model, rows, numbers, cv=cut).mean())


def _clustering(rows: np.ndarray, numbers: np.ndarray, draw: np.random.Generator) -> float:
    from sklearn.cluster import KMeans
    from sklearn.metrics import v_measure_score

    seed = int(draw.integers(2**31))
    found = KMeans(int(numbers.max()) + 1, n_init=3, random_state=seed).fit(rows).labels_
    return float(v_measure_score(numbers, found))


def _retrieval(rows: np.ndarray, numbers: np.ndarray, draw: np.random.Generator) -> float:
    near = neighbors(rows, rows, 10, metric="cosine", exclude_self=True)[0]
    return float((numbers[near] == numbers[:, None]).mean())


def _pairs(rows: np.ndarray, numbers: np.ndarray, draw: np.random.Generator) -> float:
    from scipy.stats import rankdata

    n, rows = len(rows), unit(rows)
    first, second = draw.integers(n, size=(2, 40 * _PAIRS))
    alike = (numbers[first] == numbers[second]) & (first != second)
    apart = numbers[first] != numbers[second]
    kept = [np.flatnonzero(one)[: _PAIRS // 2] for one in (alike, apart)]
    if not all(len(one) for one in kept):
        raise InputError(
            "encoder_benchmark",
            f"{n} rows, no two of one class",
            "classes of 2 rows",
            "Bring more rows of each class.",
        )
    both = np.concatenate(kept)
    ranks = rankdata(np.einsum("ij,ij->i", rows[first[both]], rows[second[both]]))
    a, b = len(kept[0]), len(kept[1])
    return float((ranks[:a].sum() - a * (a + 1) / 2) / (a * b))


def _zero_shot(rows: np.ndarray, numbers: np.ndarray, prompts: np.ndarray) -> float:
    named = np.argmax(unit(rows) @ unit(prompts).T, axis=1)
    return float((named == numbers).mean())


_OF_LABELS: dict[str, Callable[[np.ndarray, np.ndarray, np.random.Generator], float]] = {
    "probe": _probe,
    "clustering": _clustering,
    "retrieval": _retrieval,
    "pairs": _pairs,
}
CATEGORIES = (*_OF_LABELS, "zero_shot")


def _agreement(table: np.ndarray, categories: Sequence[str]) -> np.ndarray:
    from scipy.stats import kendalltau

    flat = [c for c, row in zip(categories, table, strict=True) if row.min() == row.max()]
    if flat:
        raise InputError(
            "encoder_benchmark",
            f"the same score of all {table.shape[1]} encoders on {flat}",
            "scores that differ",
            "Bring a task on which they differ, or look whether they collapsed.",
        )
    return np.array([[float(kendalltau(a, b).statistic) for b in table] for a in table])


def _ranks(table: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    return np.stack([rankdata(-row) for row in table])
