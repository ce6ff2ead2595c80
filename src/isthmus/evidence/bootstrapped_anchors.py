"""Bootstrapped anchors: ten known pairs do nearly what three hundred true anchors do."""

from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np

from isthmus.bridges.bootstrapped_anchors import BootstrappedAnchors
from isthmus.bridges.relative import relative
from isthmus.core.card import Paper
from isthmus.core.neighbors import partner_ranks
from isthmus.evidence.corpora import MissingData, debian
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from

SLUG = "bootstrapped-anchors"
PAPER = Paper(
    "Bootstrapping Parallel Anchors for Relative Representations", "Cannistraci et al.", 2023
)
CLAIM = (
    "Between two rotated 300-dimensional spaces of 2,000 points (standard deviations falling with "
    "the square root of the direction's number, noise of 30 %), anchors grown from ten known pairs "
    "raise the MRR of relative codes by at least 0.2 over the ten alone and reach at least 80 % of "
    "that of 300 true anchors."
)
ROWS, DIM, KNOWN, ANCHORS, NOISE = 2000, 300, 10, 300, 0.3
#: Beside the claim: from LSA of descriptions in these languages to that of the English ones.
LANGUAGES, HELD_OUT = {"fr": "French", "de": "German"}, 1000

Spaces = tuple[np.ndarray, np.ndarray]
#: From both spaces, the known pairs (i, j) and a seed to parallel anchors (m, dx), (m, dy).
Grow = Callable[[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray], int], Spaces]


def rotated(seed: int, *, rows: int = ROWS, dim: int = DIM, noise: float = NOISE) -> Spaces:
    """A Gaussian space (n, d) and its rotated copy with noise of that share of its length."""
    rng = np.random.default_rng(seed)
    scales = np.arange(1, dim + 1) ** -0.5
    x = rng.normal(size=(rows, dim)) * scales
    turn = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    return x, (x + noise * rng.normal(size=(rows, dim)) * scales) @ turn


def bootstrapped(
    x: np.ndarray, y: np.ndarray, known: tuple[np.ndarray, np.ndarray], seed: int
) -> Spaces:
    """Anchors of the bridge, moved back to where the spaces' means are."""
    bridge = BootstrappedAnchors(anchors=ANCHORS, rng=seed).fit(x, y, pairs=known)
    a, b = bridge.anchor_pairs()
    return a, b


def code_ranks(x: np.ndarray, y: np.ndarray, anchors: Spaces) -> np.ndarray:
    """Rank of every row's partner among the relative codes of both spaces, which are centred."""
    a, b = relative(x - x.mean(axis=0), anchors[0]), relative(y - y.mean(axis=0), anchors[1])
    return partner_ranks(a, b)


def code_mrr(x: np.ndarray, y: np.ndarray, anchors: Spaces) -> float:
    """Mean reciprocal of ``code_ranks``."""
    return float(np.mean(1 / code_ranks(x, y, anchors)))


def anchor_sets(x: np.ndarray, y: np.ndarray, seed: int, grow: Grow) -> tuple[Spaces, ...]:
    """The known pairs of x (n, dx) and y (n, dy), the anchors grown from them, and true ones."""
    rng = np.random.default_rng(seed)
    order, mixed = rng.permutation(len(x)), rng.permutation(len(x))
    # The grower sees the target in an order that says nothing.
    place = np.argsort(mixed)
    few, many = order[:KNOWN], order[:ANCHORS]
    grown = grow(x, y[mixed], (few, place[few]), seed)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    return (x[few], y[few]), grown, (x[many], y[many])


def texts(seeds: Sequence[int], *, grow: Grow = bootstrapped) -> dict[str, Figure]:
    """Top-1 among held-out descriptions with the same three, from either language to English."""
    figures = {}
    ids, english = debian("en-lsa256")
    for short, language in LANGUAGES.items():
        theirs, vectors = debian(f"{short}-lsa256")
        _, i, j = np.intersect1d(theirs, ids, return_indices=True)
        found = []
        for seed in seeds:
            rows = np.random.default_rng(seed).permutation(len(i))[: ROWS + HELD_OUT]
            x, y = (s.astype(np.float64) for s in (vectors[i[rows]], english[j[rows]]))
            sets = anchor_sets(x[HELD_OUT:], y[HELD_OUT:], seed, grow)
            held = x[:HELD_OUT], y[:HELD_OUT]
            found.append([float(np.mean(code_ranks(*held, one) == 1)) for one in sets])
        for values, name, what in zip(
            np.transpose(found).tolist(), ("known", "grown", "true"),
            (f"{KNOWN} known pairs", f"{ANCHORS} grown anchors", f"{ANCHORS} true anchors"),
            strict=True,
        ):  # fmt: skip
            figures[f"{short}-{name}"] = over_seeds(
                f"{language} to English, top-1 with {what}", values, n=HELD_OUT, seeds=seeds
            )
    return figures


def experiment(
    seeds: Sequence[int], *, grow: Grow = bootstrapped, rows: int = ROWS, dim: int = DIM
) -> dict[str, Figure]:
    """MRR with the known pairs alone, with grown anchors and with true ones, spaces per seed."""
    found = []
    for seed in seeds:
        x, y = rotated(seed, rows=rows, dim=dim)
        mrr = [code_mrr(x, y, anchors) for anchors in anchor_sets(x, y, seed, grow)]
        found.append((*mrr, mrr[1] - mrr[0], mrr[1] / mrr[2]))
    known, more, true, gain, share = np.transpose(found).tolist()
    return {
        "known": over_seeds(f"MRR with {KNOWN} known pairs", known, n=rows, seeds=seeds),
        "grown": over_seeds(f"MRR with {ANCHORS} grown anchors", more, n=rows, seeds=seeds),
        "true": over_seeds(f"MRR with {ANCHORS} true anchors", true, n=rows, seeds=seeds),
        "gain": over_seeds("gain over the known pairs", gain, n=rows, seeds=seeds, at_least=0.2),
        "share": over_seeds("share of the true anchors'", share, n=rows, seeds=seeds, at_least=0.8),
    }


def run(*, seed: int = 0) -> Evidence:
    """The claim on five pairs of spaces, and beside it, where they are, real ones three times."""
    started = perf_counter()
    figures = experiment(seeds_from(seed, 5))
    value = {name: figure.value for name, figure in figures.items()}
    real = ""
    try:
        more = texts(seeds_from(seed, 3))
    except MissingData:
        more = {}
    for short, language in LANGUAGES.items() if more else ():
        known, grown, true = (more[f"{short}-{name}"] for name in ("known", "grown", "true"))
        low, high = grown.ci or (np.nan, np.nan)
        real += (
            f" On Debian's descriptions under LSA, {language} to English, top-1 of {HELD_OUT:,} "
            f"held out is {known.value:.3f}, {grown.value:.3f} [{max(low, 0):.2f}, "
            f"{min(high, 1):.2f}] and {true.value:.3f} with the same three."
        )
    return recorded(
        SLUG, PAPER, CLAIM, seed=seed, started=started, figures=figures | more,
        what_holds=(
            f"{KNOWN} known pairs give an MRR of {value['known']:.3f}, {ANCHORS} anchors grown "
            f"from them {value['grown']:.3f}, {ANCHORS} true anchors {value['true']:.3f}. Anchors "
            "follow in closed form from a Sinkhorn matching; the paper finds them by gradient "
            "descent. Without the closing rounds, which hold the anchors to a rotation as the two "
            "spaces here are, two other seeds gave a gain of .19 and a share of .82; those rounds "
            "were added after that look." + real
        ),
    )  # fmt: skip
