"""Double ellipsoid: conformity from one cosine per vector, and two modalities on offset shells."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from isthmus.core.card import Paper
from isthmus.core.neighbors import unit
from isthmus.core.score import Score
from isthmus.evidence.corpora import docstrings
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from
from isthmus.measures.modality_geometry import modality_geometry

SLUG = "double-ellipsoid-conformity"
PAPER = Paper("The Double-Ellipsoid Geometry of CLIP", "Levi & Gilboa", 2024)
CLAIM = (
    "On uncentred anisotropic shells and on LSA and PCA vectors of 5000 texts the cosine of a "
    "vector with the mean correlates with its exact average cosine at 0.98 or more and takes at "
    "most a hundredth of the time; two offset modalities are linearly separable at 99 % or more."
)
ROWS, WIDTH = 5000, 128
#: How far the two modalities lie from the origin, as a share of the shell's radius.
OFFSET = 0.8

Estimate = Callable[[np.ndarray], np.ndarray]


def shell(rng: np.random.Generator, direction: np.ndarray, *, rows: int = ROWS) -> np.ndarray:
    """Rows (n, d) on a thin ellipsoid whose centre is ``OFFSET`` along a unit ``direction``."""
    axes = (
        np.geomspace(1.0, 0.2, WIDTH) * (WIDTH / np.sum(np.geomspace(1.0, 0.2, WIDTH) ** 2)) ** 0.5
    )
    sphere = unit(rng.normal(size=(rows, WIDTH))) * (1 + 0.03 * rng.normal(size=(rows, 1)))
    turn = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0]
    return np.asarray((sphere * axes) @ turn + OFFSET * direction)


def texts(seed: int, *, rows: int = ROWS) -> dict[str, np.ndarray]:
    """LSA and PCA vectors (n, d) of randomly chosen docstrings, summaries and bodies.

    LSA is the truncated SVD of TF-IDF; PCA takes the axes of the centred matrix, found from a wider
    SVD, and leaves the rows where they are: centred rows have no mean to be alike to.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    known = docstrings()
    documents = known.documents + known.queries
    picked = np.random.default_rng(seed).permutation(len(documents))[:rows]
    words = TfidfVectorizer(min_df=2, max_df=0.3, sublinear_tf=True)
    counts = words.fit_transform([documents[i] for i in picked])
    wide = TruncatedSVD(min(WIDTH + 20, counts.shape[1] - 1), random_state=seed % 2**32)
    found = wide.fit_transform(counts)
    axes = np.linalg.svd(found - found.mean(axis=0), full_matrices=False)[2][:WIDTH]
    return {"LSA": found[:, :WIDTH], "PCA": found @ axes.T}


def every_pair(rows: np.ndarray) -> np.ndarray:
    """Mean cosine (n,) of each row with every other, from all pairs, in blocks."""
    u = unit(rows)
    total = np.concatenate([(u[i : i + 512] @ u.T).sum(axis=1) for i in range(0, len(u), 512)])
    return np.asarray((total - np.einsum("ij,ij->i", u, u)) / (len(u) - 1))


def cosine_to_mean(rows: np.ndarray) -> np.ndarray:
    """Cosine (n,) of each row with the mean of all."""
    mean = rows.mean(axis=0)
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows)) * np.linalg.norm(mean)
    return np.asarray((rows @ mean) / np.where(length > 0, length, 1.0))


def timed(call: Callable[[np.ndarray], np.ndarray], rows: np.ndarray, repeats: int) -> Any:
    """The result and the shortest of several times, in seconds."""
    best = np.inf
    result = np.zeros(0)
    for _ in range(repeats):
        started = perf_counter()
        result = call(rows)
        best = min(best, perf_counter() - started)
    return result, best


def experiment(
    seeds: Sequence[int],
    *,
    rows: int = ROWS,
    estimate: Estimate = cosine_to_mean,
    measure: Callable[..., Score] = modality_geometry,
) -> dict[str, Figure]:
    """Correlation and speed on each kind of vectors, and separability of two offset shells."""
    correlation: dict[str, list[float]] = {}
    faster: dict[str, list[float]] = {}
    apart: dict[str, list[float]] = {"separable": [], "agree": [], "thickness": [], "mismatch": []}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        one, other = unit(rng.normal(size=(2, WIDTH)))
        first, second = shell(rng, one, rows=rows), shell(rng, other, rows=rows)
        for name, vectors in {"shell": first, **texts(seed, rows=rows)}.items():
            exact, slow = timed(every_pair, vectors, 2)
            guess, fast = timed(estimate, vectors, 7)
            correlation.setdefault(name, []).append(float(np.corrcoef(exact, guess)[0, 1]))
            faster.setdefault(name, []).append(slow / fast)
        score = measure(first, second)
        apart["separable"].append(float(score))
        gap = np.abs(score.parts["conformity_x"] - every_pair(first)).max()
        apart["agree"].append(float(gap))
        apart["thickness"].append(score.parts["thickness_x"])
        apart["mismatch"].append(score.parts["conformity_distance"])

    def figure(what: str, values: Sequence[float], bound: float | None = None) -> Figure:
        return over_seeds(what, values, n=rows, seeds=seeds, at_least=bound)

    figures = {}
    for name, values in correlation.items():
        figures[f"{name} correlation"] = figure(
            f"{name}: Pearson of cosine to mean and exact average cosine", values, 0.98
        )
        # Times scatter with what else the machine does; every seed must reach the bound.
        figures[f"{name} speed"] = Figure(
            what=f"{name}: time of all pairs over time of the estimate, worst seed",
            value=min(faster[name]), n=rows, seeds=tuple(seeds), at_least=100.0,
        )  # fmt: skip
    return figures | {
        "separable": figure(
            "separability of two offset shells, each row left out", apart["separable"], 0.99
        ),
        "agree": figure(
            "largest difference of the one-pass exact conformity from all pairs", apart["agree"]
        ),
        "thickness": figure("thickness of a shell", apart["thickness"]),
        "mismatch": figure("area between the two conformities", apart["mismatch"]),
    }


def run(*, seed: int = 0) -> Evidence:
    """The claim on five seeds."""
    started = perf_counter()
    figures = experiment(seeds_from(seed, 5))
    f = {name: figure.value for name, figure in figures.items()}
    kinds = [name.partition(" ")[0] for name in figures if name.endswith("correlation")]
    said = "; ".join(
        f"{kind} Pearson {f[f'{kind} correlation']:.4f}, {f[f'{kind} speed']:.0f} times as fast"
        for kind in kinds
    )
    return recorded(
        SLUG, PAPER, CLAIM, seed=seed, started=started, figures=figures,
        what_holds=(
            f"{said}. Two shells {f['thickness']:.3f} thick, {OFFSET} radii off centre, are told "
            f"apart at {100 * f['separable']:.2f} %. The exact average needs no pairs either: "
            f"u · Σu in one pass, as modality_geometry computes it, is within {f['agree']:.0e}."
        ),
    )  # fmt: skip
