"""Alignment and uniformity: whether they tell good encoders from bad, and train good ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np

from isthmus.core.card import Paper
from isthmus.core.errors import MissingExtra
from isthmus.core.neighbors import neighbors, unit
from isthmus.evidence.corpora import digits
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from
from isthmus.measures.alignment import alignment
from isthmus.measures.alignment import loss as alignment_loss
from isthmus.measures.uniformity import loss as uniformity_loss
from isthmus.measures.uniformity import uniformity

SLUG = "alignment-and-uniformity"
PAPER = Paper(
    "Understanding Contrastive Representation Learning through Alignment and Uniformity on the "
    "Hypersphere",
    "Wang & Isola",
    2020,
    where="sections 4 and 5",
)
CLAIM = (
    "Over sixteen encoders of digits the sum of alignment and uniformity, negated, ranks them as "
    "their k-NN accuracy does (Spearman at least 0.6); training on the two directly comes within "
    "one point of InfoNCE; and no set of points is more uniform than the sphere's own distribution."
)
TRAIN = 1200
WIDTH = 32
STEPS = 300
BATCH = 256
#: Share of images moved along each axis by the views trained on, set where InfoNCE beats untrained
#: weights. The harsh ones move most images, and one pixel of eight hides a good part of a digit.
SHIFTED, HARSH = 0.2, 2 / 3


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an encoder is trained: weights of the three losses, InfoNCE's temperature, and steps."""

    infonce: float = 0.0
    alignment: float = 0.0
    uniformity: float = 0.0
    temperature: float = 0.5
    steps: int = STEPS


INFONCE, DIRECT = Recipe(infonce=1), Recipe(alignment=1, uniformity=1)
#: As in the paper: weighted sums of the three losses, some of them poor on purpose.
RECIPES = {
    "InfoNCE 0.5": INFONCE,
    "InfoNCE 0.1": Recipe(infonce=1, temperature=0.1),
    "InfoNCE 0.2": Recipe(infonce=1, temperature=0.2),
    "InfoNCE 1": Recipe(infonce=1, temperature=1.0),
    "InfoNCE, 10 steps": Recipe(infonce=1, steps=10),
    "InfoNCE, 50 steps": Recipe(infonce=1, steps=50),
    "alignment + uniformity": DIRECT,
    "alignment + 0.5 uniformity": Recipe(alignment=1, uniformity=0.5),
    "alignment + 0.25 uniformity": Recipe(alignment=1, uniformity=0.25),
    "alignment + 0.1 uniformity": Recipe(alignment=1, uniformity=0.1),
    "0.5 alignment + uniformity": Recipe(alignment=0.5, uniformity=1),
    "0.1 alignment + uniformity": Recipe(alignment=0.1, uniformity=1),
    "alignment alone": Recipe(alignment=1),
    "uniformity alone": Recipe(uniformity=1),
    "InfoNCE + alignment": Recipe(infonce=1, alignment=1),
    "untrained": Recipe(steps=0),
}

Encoder = Callable[[np.ndarray], np.ndarray]


def views(images: np.ndarray, rng: np.random.Generator, *, shifted: float = SHIFTED) -> np.ndarray:
    """``images`` (n, 64), that share moved a pixel up or down, and left or right; noise sd 0.1."""
    padded = np.pad(images.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    down, right = 1 + rng.choice(
        (-1, 0, 1), (2, len(images)), p=(shifted / 2, 1 - shifted, shifted / 2)
    )
    rows = down[:, None, None] + np.arange(8)[None, :, None]
    columns = right[:, None, None] + np.arange(8)[None, None, :]
    moved = padded[np.arange(len(images))[:, None, None], rows, columns]
    noisy: np.ndarray = moved.reshape(images.shape) + rng.normal(0, 0.1, images.shape)
    return noisy


def trained(images: np.ndarray, recipe: Recipe, *, seed: int, shifted: float = SHIFTED) -> Encoder:
    """An MLP (64, 128, 32) with unit outputs, trained on pairs of views of ``images`` (n, 64)."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtra(f"reproduce {SLUG}", "torch", "torch") from error
    rng = np.random.default_rng(seed)
    sizes = (images.shape[1], 128, WIDTH)
    weights = [
        torch.tensor(rng.normal(0, np.sqrt(2 / a), (a, b)), dtype=torch.float32)
        for a, b in pairwise(sizes)
    ]
    biases = [torch.zeros(b) for b in sizes[1:]]
    parameters = [p.requires_grad_() for p in (*weights, *biases)]

    def forward(x: Any) -> Any:
        hidden = torch.relu(x @ weights[0] + biases[0])
        return torch.nn.functional.normalize(hidden @ weights[1] + biases[1], dim=1)

    optimiser = torch.optim.Adam(parameters, lr=3e-3)
    total: Any
    for _ in range(recipe.steps):
        batch = images[rng.choice(len(images), min(BATCH, len(images)), replace=False)]
        u, v = (
            forward(torch.tensor(views(batch, rng, shifted=shifted), dtype=torch.float32))
            for _ in range(2)
        )
        total = torch.zeros(())
        if recipe.infonce:
            total = total + recipe.infonce * infonce(u, v, temperature=recipe.temperature)
        if recipe.alignment:
            total = total + recipe.alignment * alignment_loss(u, v)
        if recipe.uniformity:
            spread = (uniformity_loss(u) + uniformity_loss(v)) / 2
            total = total + recipe.uniformity * spread
        optimiser.zero_grad()
        total.backward()
        optimiser.step()

    def encode(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            codes: np.ndarray = forward(torch.tensor(x, dtype=torch.float32)).double().numpy()
        return codes

    return encode


def infonce(u: Any, v: Any, *, temperature: float) -> Any:
    """InfoNCE of paired unit rows (n, d), torch: all other rows of both views are negatives.

    ``mean_i -log(exp(z_i.z_i' / T) / sum_{j != i} exp(z_i.z_j / T))`` over both views' 2n rows.
    """
    import torch

    z = torch.cat([u, v])
    logits = (z @ z.T / temperature).fill_diagonal_(-torch.inf)
    partner = torch.arange(len(z)).roll(len(u))
    return torch.nn.functional.cross_entropy(logits, partner)


def judged(
    encode: Encoder,
    images: np.ndarray,
    labels: np.ndarray,
    order: np.ndarray,
    *,
    seed: int,
    shifted: float = SHIFTED,
) -> tuple[float, float, float]:
    """Alignment and uniformity on held-out images, and 5-NN accuracy from the training images."""
    train, test = order[:TRAIN], order[TRAIN:]
    rng = np.random.default_rng(seed)
    u, v = (encode(views(images[test], rng, shifted=shifted)) for _ in range(2))
    nearest = neighbors(encode(images[test]), encode(images[train]), 5, metric="cosine")[0]
    votes = (labels[train][nearest][:, :, None] == np.arange(10)).sum(axis=1)
    accuracy = float((votes.argmax(axis=1) == labels[test]).mean())
    return float(alignment(u, v)), float(uniformity(u)), accuracy


def experiment(
    seeds: Sequence[int], recipes: Mapping[str, Recipe], *, shifted: float = SHIFTED
) -> np.ndarray:
    """Alignment, uniformity and accuracy of every recipe: (seeds, recipes, 3)."""
    images, labels = digits()
    results = []
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(len(images))
        train = images[order[:TRAIN]]
        own = seeds_from(seed, len(recipes))
        encoders = [
            trained(train, recipe, seed=s, shifted=shifted)
            for recipe, s in zip(recipes.values(), own, strict=True)
        ]
        results.append(
            [judged(e, images, labels, order, seed=seed, shifted=shifted) for e in encoders]
        )
    return np.array(results)


def rank_agreement(results: np.ndarray) -> list[float]:
    """Spearman's rho of -(alignment + uniformity) and accuracy over the recipes, per seed."""
    from scipy.stats import spearmanr

    return [float(spearmanr(-(r[:, 0] + r[:, 1]), r[:, 2]).statistic) for r in results]


def limit(dim: int, *, t: float = 2.0) -> float:
    """Uniformity of the sphere's own distribution in ``dim`` dims, its least possible value.

    ``log(exp(-2t) 0F1(; dim/2; t^2))`` (the paper's appendix A).

    Examples
    --------
    >>> round(limit(3), 4)  # on the sphere in space: log((1 - exp(-8)) / 8)
    -2.0798
    """
    from scipy.special import hyp0f1

    return float(-2 * t + np.log(hyp0f1(dim / 2, t**2)))


def energy(points: np.ndarray) -> float:
    """``uniformity`` of ``points`` (n, d) with each point's pair with itself counted in.

    Only so is it the potential of a distribution (here n equal masses), which cannot undercut the
    ``limit``; distinct pairs alone may.
    """
    n = len(points)
    return float(np.log((n * (n - 1) * np.exp(float(uniformity(points))) + n) / n**2))


def point_sets(dim: int, rng: np.random.Generator, *, n: int = 2000) -> dict[str, np.ndarray]:
    """Sets of points: uniform ones, the best known even ones, and ones that are neither."""
    normal = rng.standard_normal((n, dim))
    centres = rng.standard_normal((5, dim))
    return {
        "uniform": unit(normal),
        "axes": np.concatenate([np.eye(dim), -np.eye(dim)]),
        "clustered": unit(centres[rng.integers(5, size=n)] + 0.3 * normal),
        "half sphere": unit(np.concatenate([np.abs(normal[:, :1]), normal[:, 1:]], axis=1)),
        "stretched": unit(normal * np.linspace(0.2, 2, dim)),
        "collapsed": unit(1 + 1e-3 * normal),
    }


def sphere(seeds: Sequence[int], *, dims: Sequence[int] = (2, 8, 32)) -> dict[str, Figure]:
    """How far each set lies above the limit: uniform points on it, all others clearly above."""
    over: dict[str, list[float]] = {}
    gap: list[float] = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        sets = {dim: point_sets(dim, rng) for dim in dims}
        gap.append(max(abs(float(uniformity(s["uniform"])) - limit(d)) for d, s in sets.items()))
        for name in sets[dims[0]]:
            over.setdefault(name, []).append(
                min(energy(s[name]) - limit(d) for d, s in sets.items())
            )
    worst = min(min(values) for values in over.values())
    n = 2000
    figures = {
        "sphere gap": over_seeds(
            f"largest |uniformity - limit| of {n} uniform points in {list(dims)} dims",
            gap, n=n, seeds=seeds, at_most=0.02,
        ),
        "undercut": Figure(
            what="least excess of any set's potential over the limit, worst seed",
            value=worst, n=n, seeds=tuple(seeds), at_least=-1e-9,
        ),
    }  # fmt: skip
    for name in ("clustered", "half sphere", "stretched", "collapsed"):
        excess = np.array(over[name]) - np.array(over["uniform"])
        figures[f"excess {name}"] = Figure(
            what=f"least excess of {name} over uniform points, worst seed",
            value=float(excess.min()), n=n, seeds=tuple(seeds), at_least=0.0,
        )  # fmt: skip
    return figures


def run(*, seed: int = 0) -> Evidence:
    """The claim on five seeds, sixteen trainings each; about 150 s on one core."""
    started = perf_counter()
    seeds = seeds_from(seed, 5)
    results = experiment(seeds, RECIPES)
    harsh = experiment(seeds[:3], RECIPES, shifted=HARSH)
    names = list(RECIPES)
    accuracy = results[:, :, 2]
    ours, theirs = (accuracy[:, names.index(n)] for n in ("alignment + uniformity", "InfoNCE 0.5"))
    fully = [name for name, r in RECIPES.items() if r.infonce and r.steps == STEPS]
    best = max(fully, key=lambda name: accuracy[:, names.index(name)].mean())
    n = len(digits()[0]) - TRAIN
    figures = {
        "spearman": over_seeds(
            "Spearman's rho of -(alignment + uniformity) and 5-NN accuracy over the encoders",
            rank_agreement(results), n=len(RECIPES), seeds=seeds, at_least=0.6,
        ),
        "direct": over_seeds("accuracy, trained on the two", list(ours), n=n, seeds=seeds),
        "infonce": over_seeds("accuracy, trained on InfoNCE", list(theirs), n=n, seeds=seeds),
        "difference": over_seeds(
            "accuracy of the first minus the second", list(ours - theirs), n=n, seeds=seeds,
            at_least=-0.01,
        ),
        "difference to best": over_seeds(
            f"accuracy of the first minus {best}, the best temperature on these seeds",
            list(ours - accuracy[:, names.index(best)]),
            n=n,
            seeds=seeds,
        ),
        "spearman harsh": over_seeds(
            f"the same rho with views that move {HARSH:.0%} of the images, not {SHIFTED:.0%}",
            rank_agreement(harsh), n=len(RECIPES), seeds=seeds[:3],
        ),
        **sphere(seeds),
    }  # fmt: skip
    mean = results.mean(axis=0)
    table = [["encoder", "alignment", "uniformity", "5-NN accuracy"]]
    table += [
        [name, *(f"{value:.3f}" for value in mean[i])]
        for i, name in sorted(enumerate(names), key=lambda item: -mean[item[0], 2])
    ]
    return recorded(
        SLUG,
        PAPER,
        CLAIM,
        seed=seed,
        started=started,
        figures=figures,
        table=table,
        what_holds=(
            f"Spearman {figures['spearman'].value:.2f} over {len(RECIPES)} encoders, and "
            f"{figures['spearman harsh'].value:.2f} where the views are so harsh that InfoNCE "
            f"itself reaches {harsh[:, 0, 2].mean():.3f}, untrained weights "
            f"{harsh[:, -1, 2].mean():.3f}; training on "
            f"alignment and uniformity differs from InfoNCE by {100 * (ours - theirs).mean():+.1f} "
            f"points ({100 * figures['difference to best'].value:+.1f} from its best temperature); "
            f"uniform points lie {figures['sphere gap'].value:.3f} from the closed form, "
            "and no other set undercuts it."
        ),
    )
