"""T-REGS: whether lengthening the minimum spanning tree undoes a collapse."""

from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np

from isthmus.core.card import Paper
from isthmus.core.neighbors import unit
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from
from isthmus.measures.effective_rank import effective_rank
from isthmus.measures.t_regs import t_regs_gradient
from isthmus.measures.uniformity import uniformity

SLUG = "t-regs"
PAPER = Paper(
    "T-REGS: Minimum Spanning Tree Regularization for Self-Supervised Learning",
    "Mordacq et al.",
    2025,
)
CLAIM = (
    "256 points in 16 dimensions that have nearly collapsed (effective rank below 2) reach an "
    "effective rank above 15 in 500 steps of T-REGS, and are then at least as uniform on the "
    "sphere as a uniform sample of as many points."
)
POINTS, WIDTH, STEPS = 256, 16, 500
#: Length of a step, in units of what one edge of the tree pulls with; it falls to 0 linearly.
RATE = 0.2

Gradient = Callable[[np.ndarray], tuple[float, np.ndarray]]


def collapsed(rng: np.random.Generator) -> np.ndarray:
    """Unit rows (256, 16) near one direction, spread a little along a second, hardly elsewhere."""
    scale = np.full(WIDTH, 0.003)
    scale[0], scale[1] = 0.0, 0.1
    rows = rng.normal(size=(POINTS, WIDTH)) * scale
    rows[:, 0] += 1.0
    turn = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0]
    return np.asarray(unit(rows) @ turn)


def spread(
    x: np.ndarray, *, gradient: Gradient = t_regs_gradient, steps: int = STEPS
) -> np.ndarray:
    """The rows after ``steps`` of plain descent."""
    for step in range(steps):
        x = x - RATE * (1 - step / steps) * len(x) * gradient(x)[1]
    return x


def experiment(
    seeds: Sequence[int], *, gradient: Gradient = t_regs_gradient, steps: int = STEPS
) -> dict[str, Figure]:
    """Effective rank before and after, and uniformity against that of uniform points."""
    before, after, ours, theirs, off = [], [], [], [], []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        start = collapsed(rng)
        x = spread(start, gradient=gradient, steps=steps)
        before.append(float(effective_rank(start)))
        after.append(float(effective_rank(x)))
        ours.append(float(uniformity(x)))
        samples = [float(uniformity(rng.normal(size=(POINTS, WIDTH)))) for _ in range(20)]
        theirs.append(float(np.mean(samples)))
        off.append(float(np.linalg.norm(x, axis=1).mean()))
    gain = (np.array(ours) - np.array(theirs)).tolist()
    return {
        "before": over_seeds(
            "effective rank at the start", before, n=POINTS, seeds=seeds, at_most=2.0
        ),
        "after": over_seeds(
            f"effective rank after {steps} steps", after, n=POINTS, seeds=seeds, at_least=15.0
        ),
        "gain": over_seeds(
            "uniformity (lower is better) minus that of uniform samples", gain, n=POINTS,
            seeds=seeds, at_most=0.0,
        ),
        "uniformity": over_seeds("uniformity after", ours, n=POINTS, seeds=seeds),
        "sampled": over_seeds("uniformity of uniform samples", theirs, n=POINTS, seeds=seeds),
        "length": over_seeds("mean length of the rows after", off, n=POINTS, seeds=seeds),
    }  # fmt: skip


def run(*, seed: int = 0) -> Evidence:
    """The claim on five seeds."""
    started = perf_counter()
    figures = experiment(seeds_from(seed, 5))
    f = {name: figure.value for name, figure in figures.items()}
    return recorded(
        SLUG, PAPER, CLAIM, seed=seed, started=started, figures=figures,
        what_holds=(
            f"Effective rank {f['before']:.2f} becomes {f['after']:.2f} of {WIDTH}; uniformity "
            f"{f['uniformity']:.3f} against {f['sampled']:.3f} of uniform samples (lower is more "
            f"even). Rows end at mean length {f['length']:.2f}, as the tree pulls them outward "
            "against the sphere term. Plain descent with the closed-form gradient."
        ),
    )  # fmt: skip
