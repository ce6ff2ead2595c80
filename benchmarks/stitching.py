"""Zero-shot stitching: the head of one network on the encoder of another, through every bridge.

python benchmarks/stitching.py [--only digits mnist] [--rounds 0 1 2 3 4] [--page]

In each round every network is trained from two seeds: an MLP, a small CNN, and an autoencoder (its
head is trained on its codes), each with a hidden layer of 32 and of 64 units. The encoders of one
seed meet the heads of the other, in both directions. A bridge sees the same 300 training images in
both spaces; heads are logistic regressions on vectors, or on codes where a column says so, of 1,200
training images; accuracy is that on images no one has seen. Nothing is trained on stitched vectors.

What a round measured is kept at once, so a run that was cut off goes on. Figures go to
benchmarks/results/stitching.json and docs/results/stitching.md once all rounds are there
(``--page``: the page from the figures, computing nothing). Intervals are Student's, over rounds
that share no network.
"""

import argparse
import json
import os
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from record import RESULTS, record  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

from isthmus.bridges import Affine, Orthogonal, ProductOfInvariances, Relative  # noqa: E402
from isthmus.bridges.similarities import frame, framed, unframed  # noqa: E402
from isthmus.bridges.stitch import stitch  # noqa: E402
from isthmus.evidence.corpora import digits, mnist  # noqa: E402
from isthmus.evidence.experiment import over_seeds, seeds_from  # noqa: E402

FILE = RESULTS / "stitching.json"
#: Rounds of a run that was cut off, or goes piece by piece.
PARTIAL = RESULTS / "stitching.partial.jsonl"
PAGE = Path(__file__).parents[1] / "docs" / "results" / "stitching.md"
KINDS, WIDTHS = ("mlp", "cnn", "autoencoder"), (32, 64)
PAIRS, TAUGHT, ROUNDS = 300, 1200, 5
METHODS = {
    "absolute": "no bridge",
    "relative": "head on cosine codes",
    "relative, centred": "the same, each side from the mean of its pairs",
    "product": "head on codes by cosine, Euclidean, L1 and L∞, summed alike",
    "relative, decoded": "`Relative`",
    "inverse relative": "`Relative(decoder='inverse', centre=True)`",
    "product, decoded": "`ProductOfInvariances`",
    "linear": "least squares between standardised sides",
    "l-ortho": "the orthogonal matrix nearest to that",
    "ortho": "`Orthogonal` between standardised sides",
    "affine": "`Affine`, ridge with its penalty chosen",
}
GROUPS = ("other seed alone", "other width", "other kind", "other kind and width")


# --- networks -----------------------------------------------------------------------------------


def network(kind, width, images, labels, seed, epochs):
    """A trained encoder from images (n, p) to its last hidden layer (n, width)."""
    torch.manual_seed(seed)
    pixels, classes = images.shape[1], 10
    side = int(pixels**0.5)
    nn = torch.nn
    if kind == "cnn":
        small = (side + 3) // 4
        encoder = nn.Sequential(
            nn.Unflatten(1, (1, side)), nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(),
            nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(), nn.Flatten(),
            nn.Linear(16 * small**2, width), nn.ReLU(),
        )  # fmt: skip
    else:
        last = nn.ReLU() if kind == "mlp" else nn.Tanh()
        encoder = nn.Sequential(nn.Linear(pixels, 128), nn.ReLU(), nn.Linear(128, width), last)
    if kind == "autoencoder":
        tail = nn.Sequential(nn.Linear(width, 128), nn.ReLU(), nn.Linear(128, pixels))
        epochs = 2 * epochs
    else:
        tail = nn.Linear(width, classes)
    x = torch.tensor(images, dtype=torch.float32)
    shaped = x.reshape(-1, side, side) if kind == "cnn" else x
    y = torch.tensor(labels)
    optimiser = torch.optim.Adam([*encoder.parameters(), *tail.parameters()], lr=2e-3)
    order = np.random.default_rng(seed)
    for _ in range(epochs):
        for rows in np.array_split(order.permutation(len(x)), max(1, len(x) // 64)):
            out = tail(encoder(shaped[rows]))
            loss = (
                nn.functional.mse_loss(out, x[rows])
                if kind == "autoencoder"
                else nn.functional.cross_entropy(out, y[rows])
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    def encode(some):
        some = torch.tensor(some, dtype=torch.float32)
        with torch.no_grad():
            return encoder(
                some.reshape(-1, side, side) if kind == "cnn" else some
            ).double().numpy()  # fmt: skip

    return encode


def head(x, labels):
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=200, tol=1e-2)).fit(
        x, labels
    )


# --- maps as the papers have them ---------------------------------------------------------------


class Standardised:
    """A linear map between standardised sides: least squares, its nearest rotation, or another."""

    def __init__(self, how):
        self.how = how

    def fit(self, x, y):
        """On pairs (n, dx) and (n, dy)."""
        self._frames = [frame(side, centre=True, standardise=True) for side in (x, y)]
        x, y = (framed(side, *f) for side, f in zip((x, y), self._frames, strict=True))
        if self.how == "ortho":
            self._w = Orthogonal().fit(x, y).coef_
        else:
            self._w = np.linalg.lstsq(x, y, rcond=None)[0]
        if self.how == "l-ortho":
            u, _, v = np.linalg.svd(self._w, full_matrices=False)
            self._w = u @ v
        self.n_features_in_, self._n_features_out = self._w.shape
        return self

    def transform(self, x):
        """Rows (n, dx) as rows (n, dy)."""
        return unframed(framed(x, *self._frames[0]) @ self._w, *self._frames[1])


def bridges():
    """Fresh maps by name that carry vectors into the head's own space."""
    return {
        "relative, decoded": Relative(anchors=PAIRS),
        "inverse relative": Relative(anchors=PAIRS, decoder="inverse", centre=True),
        "product, decoded": ProductOfInvariances(anchors=PAIRS),
        "linear": Standardised("linear"), "l-ortho": Standardised("l-ortho"),
        "ortho": Standardised("ortho"), "affine": Affine(),
    }  # fmt: skip


def coders():
    """Fresh bridges by name whose codes the head is trained on: alike for every encoder."""
    return {
        "relative": Relative(anchors=PAIRS),
        "relative, centred": Relative(anchors=PAIRS, centre=True),
        "product": ProductOfInvariances(anchors=PAIRS, weights="equal"),
    }


# --- one round ----------------------------------------------------------------------------------


def data(name):
    """Images, labels, training images, epochs."""
    if name == "digits":
        images, labels = digits()
        return images.astype(np.float32), labels, 1200, 40
    images, labels = mnist()
    return images, labels, 6000, 8


def one_round(name, number):
    """Accuracy by (encoder, head, method) of one round; the head's own under "native"."""
    images, labels, count, epochs = data(name)
    first = seeds_from(number, 1)[0]
    order = np.random.default_rng(first).permutation(len(images))
    train, test = order[:count], order[count : count + 1000]
    pairs, taught = train[:PAIRS], train[:TAUGHT]
    spaces, heads = {}, {}
    for side, seed in enumerate(seeds_from(first, 2)):
        for kind in KINDS:
            for width in WIDTHS:
                encode = network(kind, width, images[train], labels[train], seed, epochs)
                space = encode(images)
                spaces[side, kind, width] = space
                one = {"vectors": head(space[taught], labels[taught])}
                for method, bridge in coders().items():
                    # Codes of the head's own side do not depend on what is bridged to it.
                    own = bridge.fit(space[pairs], space[pairs]).encode_target(space[taught])
                    one[method] = head(own, labels[taught])
                heads[side, kind, width] = one
    found = []
    for source in spaces:
        for target in spaces:
            if source[0] == target[0]:
                continue
            x, y, own = spaces[source], spaces[target], heads[target]
            right = {"native": own["vectors"].score(y[test], labels[test])}
            if source[2] == target[2]:
                right["absolute"] = own["vectors"].score(x[test], labels[test])
            for method, bridge in (coders() | bridges()).items():
                fitted = bridge.fit(x[pairs], y[pairs])
                codes = method in coders()
                stitched = stitch(own[method if codes else "vectors"], fitted, codes=codes)
                right[method] = stitched.score(x[test], labels[test])
            for method, value in right.items():
                found.append([*source[1:], *target[1:], method, float(value)])
    return found


# --- figures ------------------------------------------------------------------------------------


def group(kind, width, other, other_width):
    if kind == other:
        return GROUPS[0] if width == other_width else GROUPS[1]
    return GROUPS[2] if width == other_width else GROUPS[3]


def figures_of(kept):
    """Mean accuracy with its interval by data, group (or pair of kinds) and method."""
    cells = {}
    for name, number, rows in kept:
        for kind, width, other, other_width, method, value in rows:
            both = (group(kind, width, other, other_width), f"{kind} > {other}")
            for place in both:
                cells.setdefault((name, place, method), {}).setdefault(number, []).append(value)
    figures = {}
    for (name, place, method), rounds in cells.items():
        values = [float(np.mean(rounds[number])) for number in sorted(rounds)]
        if len(values) < 2:
            continue
        one = over_seeds("", values, n=len(rounds[min(rounds)]), seeds=sorted(rounds))
        figures.setdefault(name, {}).setdefault(place, {})[method] = {
            "mean": round(one.value, 4), "ci": [round(end, 4) for end in one.ci],
            "rounds": len(values), "stitches": one.n,
        }  # fmt: skip
    return figures


def page(figures):
    text = __doc__.split("\n\n")
    lines = [
        "# Zero-shot stitching, measured", "",
        "Written by `benchmarks/stitching.py --page` from",
        "[stitching.json](../../benchmarks/results/stitching.json).", "", text[2].strip(), "",
        "Accuracy in per cent, mean and half of its 95 % interval over rounds, which share no",
        "network. *Native* is the head on its own encoder. *Absolute* is no bridge at all, which",
        "exists only where widths agree.", "",
    ]  # fmt: skip
    for name, places in figures.items():
        columns = ["native", *METHODS]
        for title, chosen in (
            ("by what differs", [g for g in GROUPS if g in places]),
            ("by kind of encoder > head", [p for p in places if p not in GROUPS]),
        ):
            lines += [f"## {name}, {title}", "", "| | " + " | ".join(chosen) + " |"]
            lines += ["|---|" + "---|" * len(chosen)]
            for method in columns:
                cells = [_cell(places[place], method) for place in chosen]
                if any(cell != "-" for cell in cells):
                    lines.append(f"| {method} | " + " | ".join(cells) + " |")
            lines.append("")
    lines += ["## The rows", ""]
    lines += [f"- **{method}**: {what}" for method, what in METHODS.items()]
    lines += ["", "`python benchmarks/stitching.py` makes all of it anew; bold is the best bridge."]
    return "\n".join(lines) + "\n"


def _cell(place, method):
    if method not in place:
        return "-"
    one = place[method]
    half = (one["ci"][1] - one["ci"][0]) / 2
    text = f"{100 * one['mean']:.1f} ± {100 * half:.1f}"
    best = max(value["mean"] for name, value in place.items() if name != "native")
    return f"**{text}**" if method != "native" and one["mean"] == best else text


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", nargs="*", default=("digits", "mnist"))
    parser.add_argument("--rounds", nargs="*", type=int, default=range(ROUNDS))
    parser.add_argument("--page", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = PARTIAL.read_text().splitlines() if PARTIAL.is_file() else []
    kept = [json.loads(line) for line in lines]
    for name in () if options.page else options.only:
        for number in options.rounds:
            if any(one[:2] == [name, number] for one in kept):
                continue
            start = time.perf_counter()
            kept.append([name, number, one_round(name, number)])
            with PARTIAL.open("a") as file:
                file.write(json.dumps(kept[-1]) + "\n")
            print(f"{name}, round {number}: {time.perf_counter() - start:.0f} s", flush=True)
    if options.page and not kept:
        PAGE.write_text(page(json.loads(FILE.read_text())["figures"]))
        return
    figures = figures_of(sorted(kept, key=lambda one: one[:2]))
    if len(kept) == 2 * ROUNDS:
        record("stitching", figures, whole=True)
        PARTIAL.unlink()
        PAGE.write_text(page(figures))


if __name__ == "__main__":
    main()
