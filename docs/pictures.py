"""Draw docs/images/: one picture for each method whose page is clearer with one.

    python docs/pictures.py [NAME ...]

Every curve is computed by the method itself. A function here draws one picture, named like the
first of its methods; its docstring is the caption on their pages (docs/generate.py).
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
import numpy as np

from isthmus import measures

FOLDER = Path(__file__).parent / "images"
SEEDS = range(20)
_RC: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "isthmus", "font.size": 9, "axes.spines.top": False,
    "axes.spines.right": False, "legend.frameon": False, "figure.figsize": (6.4, 3.0),
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"],
    "axes.prop_cycle": mpl.cycler(
        color=["#0072b2", "#c94f00", "#00845f", "#626b76"],
        linestyle=["-", (0, (5, 2)), (0, (1, 1.5)), "-."],
    ),
}  # fmt: skip
Rng = np.random.Generator
Draw = Callable[[Any], None]
#: Method -> what draws its picture.
PICTURES: dict[str, Draw] = {}


def picture(*others: str) -> Callable[[Draw], Draw]:
    """Enter ``draw(axes)`` for the method of its name and for ``others``."""

    def enter(draw: Draw) -> Draw:
        PICTURES.update(dict.fromkeys((draw.__name__, *others), draw))
        return draw

    return enter


def blobs(rng: Rng, n: int = 400, d: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Points of three classes and their labels."""
    labels = rng.integers(0, 3, n)
    return rng.normal(size=(n, d)) + 4 * np.eye(3, d)[labels], labels


def mean_over(seeds: Any, value: Callable[[Rng], float]) -> float:
    return float(np.mean([value(np.random.default_rng(seed)) for seed in seeds]))


@picture("debiased_cka")
def cka(axes: Any) -> None:
    """Between unrelated spaces CKA is near 1 at few rows; debiased CKA is 0 at any number."""
    rows = np.unique(np.geomspace(10, 1000, 9).astype(int))
    for name in ("cka", "debiased_cka"):
        call = getattr(measures, name)
        axes.plot(rows, [mean_over(SEEDS, lambda r, n=n, c=call: float(
            c(*r.normal(size=(2, n, 100))))) for n in rows], label=name)  # fmt: skip
    axes.plot(rows, [measures.cka(*np.random.default_rng(0).normal(size=(2, n, 100))).chance
                     for n in rows], label="chance that cka states")  # fmt: skip
    axes.set(xscale="log", xlabel="rows", ylabel="value", title="Unrelated spaces, 100 dimensions")
    axes.legend()


@picture()
def participation_ratio(axes: Any) -> None:
    """A sample of few rows reads too few dimensions; debias=True does not."""
    rows = np.unique(np.geomspace(10, 2000, 9).astype(int))
    for debias in (False, True):
        axes.plot(rows, [mean_over(SEEDS, lambda r, n=n, b=debias: float(
            measures.participation_ratio(r.normal(size=(n, 50)), debias=b))) for n in rows],
            label=f"debias={debias}")  # fmt: skip
    axes.axhline(50, color="#626b76", lw=0.8)
    axes.set(xscale="log", xlabel="rows", ylabel="value", title="White noise, 50 dimensions")
    axes.legend()


@picture()
def two_nn(axes: Any) -> None:
    """High dimensions read too low at any practical number of rows."""
    from isthmus.measures.two_nn import bias_curve

    true = np.arange(1, 61, 3.0)
    axes.plot(true, true, color="#626b76", lw=0.8, label="right")
    for n in (100, 1000, 10_000):
        axes.plot(true, bias_curve(n, tuple(true)), label=f"n = {n:,}")
    axes.set(xlabel="dimension of Gaussian rows", ylabel="value", title="What TwoNN reads")
    axes.legend()


@picture()
def mutual_knn(axes: Any) -> None:
    """The share of kept neighbours grows with k, and so does the level of chance."""
    x = np.random.default_rng(0).normal(size=(500, 8))
    ks = np.unique(np.geomspace(1, 250, 12).astype(int))
    for noise in (0.1, 0.5, 2.0):
        y = x + noise * np.random.default_rng(1).normal(size=x.shape)
        axes.plot(ks, [float(measures.mutual_knn(x, y, k=int(k))) for k in ks],
                  label=f"noise {noise}")  # fmt: skip
    axes.plot(ks, ks / 499, label="chance, k / (n - 1)")
    axes.set(xscale="log", xlabel="k", ylabel="value", title="A space and a noisy copy, 500 rows")
    axes.legend()


@picture()
def information_imbalance(axes: Any) -> None:
    """A space predicts a part of itself and not the other way round."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 3))
    cases = {
        "a rotation": x @ np.linalg.qr(rng.normal(size=(3, 3)))[0],
        "a part of it": x[:, :1],
        "noisy": x + 0.5 * rng.normal(size=x.shape),
        "unrelated": rng.normal(size=x.shape),
    }
    for i, (name, y) in enumerate(cases.items()):
        there, back = measures.information_imbalance(x, y), measures.information_imbalance(y, x)
        axes.plot(float(there), float(back), ls="", marker="osD^"[i], label=name)
    axes.plot([0, 1], [0, 1], color="#d5dae0", lw=0.8, zorder=0)
    axes.set(xlabel="space -> other", ylabel="other -> space", xlim=(-0.05, 1.1),
             ylim=(-0.05, 1.1), title="0: predicts all neighbours, 1: none")  # fmt: skip
    axes.legend(loc="upper center")


@picture()
def alpha_shape(axes: Any) -> None:
    """Towards alpha 0 the sizes of directions stop to matter."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 6))
    pairs = {
        "columns rescaled": x * np.geomspace(1, 30, 6),
        "noisy": x + 0.7 * rng.normal(size=x.shape),
    }
    alphas = np.linspace(0, 1, 11)
    for name, y in pairs.items():
        scores = [measures.alpha_shape(x, y, alpha=float(a)) for a in alphas]
        axes.plot(alphas, [float(s) for s in scores], label=name)
    axes.plot(alphas, [s.chance for s in scores], label="chance")
    axes.set(xlabel="alpha", ylabel="angle, radians", ylim=(0, None),
             title="From whole spans (0) to shapes (1)")  # fmt: skip
    axes.legend()


@picture()
def gulp(axes: Any) -> None:
    """At a large ridge only large directions matter."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 10)) * np.geomspace(3, 0.1, 10)
    others = {
        "loses its largest direction": np.delete(x, 0, 1),
        "loses its smallest": x[:, :-1],
    }
    ridges = np.geomspace(1e-4, 10, 13)
    for name, y in others.items():
        axes.plot(ridges, [float(measures.gulp(x, y, lam=float(p))) for p in ridges],
                  label=name)  # fmt: skip
    axes.set(xscale="log", xlabel="lam", ylabel="distance",
             title="How far two spaces predict alike, by the ridge of the probe")  # fmt: skip
    axes.legend()


@picture("svcca")
def cca(axes: Any) -> None:
    """With few rows per dimension unrelated spaces correlate."""
    rng = np.random.default_rng(0)
    rows = np.unique(np.geomspace(60, 2000, 9).astype(int))
    for name in ("cca", "svcca"):
        call = getattr(measures, name)
        scores = [call(*rng.normal(size=(2, n, 50))) for n in rows]
        axes.plot(rows, [float(s) for s in scores], label=name)
    axes.plot(rows, 50 / (rows - 1), label="chance, d / (n - 1)")
    axes.set(xscale="log", xlabel="rows", ylabel="value", title="Unrelated spaces, 50 dimensions")
    axes.legend()


@picture()
def hubness(axes: Any) -> None:
    """With more dimensions a few rows become neighbours of very many others."""
    bins = np.arange(0, 201, 5)
    for d in (3, 20, 300):
        x = np.random.default_rng(0).normal(size=(1500, d))
        score = measures.hubness(x, metric="euclidean")
        counts = np.histogram(score.parts["counts"], bins)[0]
        axes.stairs(counts, bins, label=f"{d} dims, skewness {float(score):.1f}")
    axes.set(yscale="log", xlabel="rows that have it among their 10 nearest", ylabel="rows",
             title="Gaussian rows, n = 1,500, by Euclidean distance")  # fmt: skip
    axes.legend()


@picture()
def gride(axes: Any) -> None:
    """Noise fills all dimensions at small scales; at larger ones the plane shows."""
    rng = np.random.default_rng(0)
    plane = rng.uniform(size=(2000, 2)) @ np.linalg.qr(rng.normal(size=(10, 2)))[0].T
    for noise in (0.0, 0.005, 0.02):
        score = measures.gride(plane + noise * rng.normal(size=plane.shape))
        axes.plot(score.parts["far"], score.parts["dimension"], marker="o", label=f"noise {noise}")
    axes.set(xscale="log", xlabel="rank of the farther neighbour", ylabel="dimension",
             ylim=(0, None), title="A plane in 10 dimensions, with noise")  # fmt: skip
    axes.legend()


@picture("trustworthiness", "continuity")
def r_nx_auc(axes: Any) -> None:
    """How many neighbours are kept beyond chance, at every size of neighbourhood at once."""
    rng = np.random.default_rng(0)
    x, _ = blobs(rng, d=10)
    cases = {
        "noise in every column": x + 0.7 * rng.normal(size=x.shape),
        "two columns kept": x[:, :2],
        "what tells classes kept": _within(rng, x),
    }
    for name, y in cases.items():
        score = measures.r_nx_auc(x, y)
        curve = score.parts["curve"]
        axes.plot(np.arange(1, len(curve) + 1), curve, label=f"{name}, {float(score):.2f}")
    axes.set(xscale="log", xlabel="K", ylabel="R(K)", title="Three classes, 400 rows")
    axes.legend()


def _within(rng: Rng, x: np.ndarray) -> np.ndarray:
    """Rows moved by noise as large as their class, so that classes alone are left."""
    return x + 3 * rng.normal(size=x.shape) * (np.arange(x.shape[1]) > 2)


@picture()
def trsa(axes: Any) -> None:
    """Distances below one quantile count as none, those above the other as merely far."""
    from isthmus.measures.trsa import geo_topological_rdm

    x, _ = blobs(np.random.default_rng(0), n=120, d=5)
    apart = np.linalg.norm(x[:, None] - x, axis=2)[np.triu_indices(len(x), 1)]
    order = np.argsort(apart)
    for lower, upper in ((0.0, 1.0), (0.2, 0.8), (0.45, 0.55)):
        levelled = geo_topological_rdm(x, lower, upper)[np.triu_indices(len(x), 1)]
        name = {0.0: ", all kept as in rsa", 0.2: ", the default"}.get(lower, "")
        axes.plot(apart[order], levelled[order], label=f"lower={lower}, upper={upper}{name}")
    axes.set(xlabel="distance of two rows", ylabel="what trsa takes for it", xlim=(0, None),
             ylim=(-0.02, 1.3), title="Three classes, 120 rows: all pairs")  # fmt: skip
    axes.legend(loc="upper left")


@picture()
def unreachable(axes: Any) -> None:
    """A row inside the hull of the others is first for no query, however it points."""
    x = np.random.default_rng(0).normal(size=(40, 2)) * (1.6, 1)
    score = measures.unreachable(x)
    reachable, queries = score.parts["reachable"], score.parts["queries"]
    corners = x[reachable]
    around = corners[np.argsort(np.arctan2(*(corners - corners.mean(axis=0)).T))]
    axes.fill(*around.T, facecolor="#eaf3f9", edgecolor="#0072b2", lw=0.8, zorder=0)
    axes.plot(*x[~reachable].T, "x", color="#c94f00", label=f"never first: {score.value:.0%}")
    axes.plot(*corners.T, "o", color="#0072b2", label="first, for a query along its arrow")
    ways = queries[reachable] / np.linalg.norm(queries[reachable], axis=1, keepdims=True)
    for corner, way in zip(corners, 0.6 * ways, strict=True):
        axes.annotate("", corner + way, corner, arrowprops={"arrowstyle": "->", "lw": 0.8})
    axes.set(title="40 rows by inner product", aspect="equal", xlim=(-5, 10.5), ylim=(-3.2, 3))
    axes.axis("off")
    axes.legend(loc="center right")


@picture()
def rtd(axes: Any) -> None:
    """The bars whose lengths rtd adds: the longest is the loop that a gap keeps open."""
    from unittest.mock import patch

    from gudhi.sklearn import RipsPersistence

    turns = np.linspace(0, 2 * np.pi, 40, endpoint=False) * np.array([[1], [0.8]])
    noise = 0.02 * np.random.default_rng(0).normal(size=(2, 40, 2))
    ring, gapped = np.stack([np.cos(turns), np.sin(turns)], axis=-1) + noise
    seen, fit = [], RipsPersistence.fit_transform

    def watched(self: Any, given: Any) -> Any:
        seen.append(fit(self, given))
        return seen[-1]

    with patch.object(RipsPersistence, "fit_transform", watched):
        score = measures.rtd(ring, gapped, batch=40, batches=1)
    ways = {"where the ring is nearer": 1, "where the one with a gap is": 0}
    at = 0
    for (name, way), color in zip(ways.items(), ("#0072b2", "#c94f00"), strict=True):
        bars = seen[way][0]
        bars = bars[np.argsort(bars[:, 0])]
        label = f"{name}: {np.sum(bars[:, 1] - bars[:, 0]):.2f}"
        axes.hlines(at + np.arange(len(bars)), *bars.T, color=color, lw=2, label=label)
        at += len(bars) + 1
    axes.set(xlabel="threshold, in 0.9 quantiles of the distances", yticks=[], xlim=(0, None),
             title=f"A ring and a ring with a gap, 40 rows; rtd = {float(score):.2f}")  # fmt: skip
    axes.spines["left"].set_visible(False)
    axes.legend()


@picture()
def layer_profile(axes: Any) -> None:
    """A layer is flagged where cosines mostly see one common direction, or one axis rules."""
    rng = np.random.default_rng(0)
    common, axis = rng.normal(size=(2, 24))
    rows = rng.normal(size=(400, 24))
    layers = [
        rows + max(0, i - 2) * 0.25 * common + max(0, i - 7) * 0.7 * rows[:, :1] * axis
        for i in range(12)
    ]
    score = measures.layer_profile(layers)
    for key, flag in (("mean_cosine", "mean cosine"), ("top_share", "variance on one axis")):
        values = score.parts[key]
        line = axes.plot(values, label=key)[0]
        flagged = [int(text.split()[1]) for text in score.warnings if flag.split()[-1] in text]
        axes.plot(flagged, values[flagged], "o", color=line.get_color())
    axes.plot(
        score.parts["dimension"] / score.parts["dimension"].max(), label="dimension / largest"
    )
    axes.plot([], [], "o", color="#626b76", label="flagged")
    axes.set(
        xlabel="layer", ylim=(0, 1.05), title="Layers that a direction, then an axis, takes over"
    )
    axes.legend(loc="center left")


@picture()
def modality_geometry(axes: Any) -> None:
    """Two modalities of one space lie about two means off the origin, a gap apart."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 120, 40)) * 0.1
    x[:, 0] += 0.6
    y[:, 0] -= 0.2
    y[:, 1] += 0.5
    score = measures.modality_geometry(x, y)
    means = np.stack([x.mean(axis=0), y.mean(axis=0)])
    plane = np.linalg.qr(means.T)[0]
    for side, name in ((x, "x"), (y, "y")):
        share = score.parts[f"offset_{name}"]
        axes.plot(*(side @ plane).T, "o" if name == "x" else "^", ms=3, alpha=0.5,
                  label=f"{name}, offset {share:.2f}")  # fmt: skip
    axes.plot(*(means @ plane).T, "k-o", ms=5, lw=1.5, label=f"gap {score.parts['gap']:.2f}")
    axes.plot(0, 0, "k+", ms=9, label="origin")
    axes.set(aspect="equal", title=f"{float(score):.0%} of rows on their own side of a plane",
             xlabel="plane of the origin and both means, of 40 dimensions")  # fmt: skip
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def main(names: list[str]) -> None:
    """Draw the named pictures, or all."""
    FOLDER.mkdir(exist_ok=True)
    drawn = {draw.__name__: draw for name, draw in PICTURES.items() if not names or name in names}
    for name, draw in drawn.items():
        with mpl.rc_context(_RC):
            figure, axes = plt.subplots(layout="constrained")
            draw(axes)
            figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})
            plt.close(figure)


if __name__ == "__main__":
    main(sys.argv[1:])
