"""Can an unpaired fit tell whether it is right? Confidence against true accuracy on real spaces.

python benchmarks/abstention.py             runs the cases that benchmarks/results lacks
python benchmarks/abstention.py --only WORD  those whose name holds WORD
python benchmarks/abstention.py --page      writes docs/results/unpaired.md from the results

A case is two spaces. ``Unpaired(least=0)`` is fitted without a pair; accuracy is the share of
held-out rows whose partner is the nearest of 300 by cosine. Unrelated spaces have accuracy 0.
What a few known pairs add is measured on round clouds and on two of the cases.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
from abstention_page import CLOUDS, HELD_OUT, PAGE, PAIRS, STARTS, page

from isthmus.bridges.mini_vec2vec import MiniVec2vec
from isthmus.bridges.self_training import Matches, Side
from isthmus.bridges.unpaired import Unpaired
from isthmus.bridges.unpaired_signals import signals
from isthmus.core.neighbors import partner_ranks
from isthmus.evidence.corpora import debian, digits, mnist
from isthmus.evidence.networks import autoencoder, classifier, hidden

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "abstention.json"

#: Source rows, target rows, and held-out pairs of both (empty where nothing is related).
Case = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def split(x: np.ndarray, y: np.ndarray, rows: int, *, disjoint: bool = False) -> Case:
    """Held-out pairs, and ``rows`` a side in an order of its own, of the same items or not."""
    rng = np.random.default_rng(0)
    order = rng.permutation(len(x))
    held, rest = order[:HELD_OUT], order[HELD_OUT:]
    if disjoint:
        half = min(rows, len(rest) // 2)
        mine, theirs = rest[:half], rest[half : 2 * half]
    else:
        mine = rest[:rows]
        theirs = rng.permutation(mine)
    return x[mine], y[theirs], x[held], y[held]


def text(a: str, b: str, rows: int, *, disjoint: bool = False) -> Case:
    """Debian's descriptions in two spaces."""
    (ids_a, x), (ids_b, y) = debian(a), debian(b)
    _, i, j = np.intersect1d(ids_a, ids_b, return_indices=True)
    return split(x[i].astype(np.float32), y[j].astype(np.float32), rows, disjoint=disjoint)


def network(kind: str, seed: int, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Hidden rows of a network of that kind and seed, trained on these images."""
    if kind == "classifier":
        return hidden(classifier(images, labels, epochs=20, seed=seed), images, layer=1)
    return hidden(autoencoder(images, epochs=20, seed=seed), images, layer=2)


def pictures(data: str, a: str, b: str, seeds: tuple[int, int], *, disjoint: bool = False) -> Case:
    """Hidden layers of two networks trained apart on digits or on part of MNIST."""
    images, labels = digits() if data == "digits" else (s[:4000] for s in mnist())
    x, y = (network(k, s, images, labels) for k, s in zip((a, b), seeds, strict=True))
    return split(x, y, 3000, disjoint=disjoint)


def copy(name: str, noise: float, rows: int = 2500) -> Case:
    """A space and a rotated copy of it, with noise of that share of its standard deviation."""
    x = debian(name)[1][:: max(1, len(debian(name)[1]) // 4000)].astype(np.float32)
    rng = np.random.default_rng(1)
    turn = np.linalg.qr(rng.normal(size=(x.shape[1],) * 2))[0]
    y = x @ turn + noise * x.std() * rng.normal(size=x.shape)
    return split(x, y, rows)


def unrelated(x: np.ndarray, y: np.ndarray) -> Case:
    """Two spaces without a common item."""
    rng = np.random.default_rng(2)
    x, y = (s[rng.permutation(len(s))[:1800]].astype(np.float32) for s in (x, y))
    return x, y, x[:0], y[:0]


def shuffled(x: np.ndarray) -> np.ndarray:
    """Columns shuffled one by one along the principal axes: the spectrum without the structure."""
    rng = np.random.default_rng(3)
    x = x[rng.permutation(len(x))[:4000]].astype(np.float64)
    _, _, axes = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    return np.asarray(rng.permuted(x @ axes.T, axis=0))


def cases() -> dict[str, Callable[[], Case]]:
    """Every case by name."""
    found: dict[str, Callable[[], Case]] = {}
    for data in ("digits", "mnist"):
        for k in range(4):
            for a, b in (
                ("classifier", "classifier"), ("autoencoder", "autoencoder"),
                ("classifier", "autoencoder"),
            ):  # fmt: skip
                found[f"{data}: {a} {k} -> {b} {k + 10}"] = lambda d=data, a=a, b=b, k=k: pictures(
                    d, a, b, (k, k + 10)
                )
        found[f"{data}: classifiers, disjoint"] = lambda d=data: pictures(
            d, "classifier", "classifier", (0, 1), disjoint=True
        )
    names = ("de-lsa256", "en-lsa256", "fr-lsa256", "en-minilm384")
    for a in names:
        for b in names:
            if a != b:
                found[f"text: {a} -> {b}"] = lambda a=a, b=b: text(a, b, 6000)
    for a, b in (("de-lsa256", "en-lsa256"), ("en-lsa256", "fr-lsa256"), ("en-lsa256", "en-lsa256"),
                 ("en-minilm384", "en-minilm384")):  # fmt: skip
        found[f"text, disjoint: {a} -> {b}"] = lambda a=a, b=b: text(a, b, 5000, disjoint=True)
    for noise in (0.0, 0.3, 1.0, 2.0, 4.0):
        for a in ("en-lsa256", "en-minilm384"):
            found[f"rotated, noise {noise:g}: {a}"] = lambda a=a, s=noise: copy(a, s)
    for k, name in enumerate(names):
        found[f"unrelated: digits -> {name}"] = lambda n=name: unrelated(digits()[0], debian(n)[1])
        found[f"unrelated: {name} -> mnist"] = lambda n=name: unrelated(debian(n)[1], mnist()[0])
        other = names[k - 1]
        found[f"unrelated: {name} -> shuffled {other}"] = lambda n=name, o=other: unrelated(
            debian(n)[1], shuffled(debian(o)[1])
        )
        found[f"unrelated: {name} -> its shuffle"] = lambda n=name: unrelated(
            debian(n)[1], shuffled(debian(n)[1])
        )
    found["unrelated: digits -> mnist"] = lambda: unrelated(digits()[0], mnist()[0])
    found["unrelated: mnist -> digits"] = lambda: unrelated(mnist()[0], digits()[0])
    return found


class Watched(Unpaired):
    """Looks at the signals of every end, also where its starts agree and nothing more is asked."""

    def _found(
        self, x: Side, y: Side, i: np.ndarray, j: np.ndarray, rng: np.random.Generator
    ) -> tuple[Matches, float]:
        found, confidence = super()._found(x, y, i, j, rng)
        started = perf_counter()
        self.looked_ = signals(x, y, found, np.random.default_rng(0))
        self.looking_ = perf_counter() - started
        return found, confidence


def measure(make: Callable[[], Case]) -> dict[str, float]:
    """Confidence, matches, accuracy, seconds and signals of one case."""
    x, y, x_held, y_held = make()
    started = perf_counter()
    bridge = Watched(least=0.0).fit(x, y, pairs=())
    seconds = perf_counter() - started - bridge.looking_
    top1 = 0.0
    if len(x_held):
        top1 = float(np.mean(partner_ranks(bridge.transform(x_held), y_held.astype(x.dtype)) < 1.5))
    return {
        "confidence": round(bridge.confidence_, 4), "matched": bridge.matched_,
        "rows": min(len(x), len(y)), "top1": round(top1, 4), "seconds": round(seconds, 1),
        **{name: round(value, 4) for name, value in bridge.looked_.items()},
    }  # fmt: skip


def cloud(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A round cloud in 8 dims, its turned, noisy copy, and an order of the copy's first 300 rows.

    No axis and no row stands out: the least that a few known pairs can have to help.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(400, 8))
    y = x @ np.linalg.qr(rng.normal(size=(8, 8)))[0] + 0.3 * rng.normal(size=x.shape)
    return x, y, rng.permutation(300)


def few(seed: int, pairs: int) -> dict[str, float]:
    """Top-1 of 100 held-out rows of a round cloud with that many known pairs, and confidence."""
    x, y, order = cloud(seed)
    known = order[:pairs], np.arange(pairs)
    bridge = Unpaired(rounds=6, least=0.0).fit(x[:300], y[order], pairs=known)
    top1 = float(np.mean(partner_ranks(bridge.transform(x[300:]), y[300:]) < 1.5))
    return {"confidence": round(bridge.confidence_, 4), "top1": round(top1, 4)}


def few_real(make: Callable[[], Case], pairs: int) -> dict[str, float]:
    """A case whose two sides share five of the held-out rows, with that many of them known."""
    x, y, x_held, y_held = make()
    x, y = np.r_[x_held[:5], x], np.r_[y_held[:5], y]
    bridge = Unpaired(least=0.0).fit(x, y, pairs=(np.arange(pairs), np.arange(pairs)))
    ranks = partner_ranks(bridge.transform(x_held[5:]), y_held[5:].astype(x.dtype))
    return {"confidence": round(bridge.confidence_, 4), "top1": round(np.mean(ranks < 1.5), 4)}


#: Real spaces on which few known pairs are tried.
REAL: dict[str, Callable[[], Case]] = {
    "digits: classifiers, disjoint": lambda: pictures(
        "digits", "classifier", "classifier", (0, 1), disjoint=True
    ),
    "rotated, noise 1: en-lsa256, 1,500 rows": lambda: copy("en-lsa256", 1.0, 1500),
}


def starts() -> dict[str, Callable[[], Case]]:
    """Pairs of real spaces on which mini_vec2vec is started 20 times, and a space with its copy."""
    return {
        "digits classifiers": lambda: pictures("digits", "classifier", "classifier", (0, 10)),
        "mnist classifiers": lambda: pictures("mnist", "classifier", "classifier", (0, 10)),
        "de-lsa256 -> en-lsa256": lambda: text("de-lsa256", "en-lsa256", 6000),
        "rotated en-lsa256, noise 0.3": lambda: copy("en-lsa256", 0.3),
    }


def start(make: Callable[[], Case], seed: int) -> dict[str, float]:
    """One random start of mini_vec2vec."""
    x, y, x_held, y_held = make()
    bridge = MiniVec2vec(least=0.0, rng=seed).fit(x, y, pairs=())
    top1 = float(np.mean(partner_ranks(bridge.transform(x_held), y_held.astype(x.dtype)) < 1.5))
    return {"confidence": round(bridge.confidence_, 4), "top1": round(top1, 4)}


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--seconds", type=float, default=1e9, help="start no case after so many")
    given = parser.parse_args()
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"cases": {}, "starts": {}}
    if given.page:
        PAGE.write_text(page(kept))
        return
    began = perf_counter()
    todo: list[tuple[str, str, Callable[[], dict[str, float]]]] = [
        ("cases", name, lambda make=make: measure(make)) for name, make in cases().items()
    ]
    todo += [
        ("starts", f"{name} #{seed}", lambda make=make, seed=seed: start(make, seed))
        for name, make in starts().items()
        for seed in range(STARTS)
    ]
    todo += [
        ("few", f"{pairs} pairs #{seed}", lambda pairs=pairs, seed=seed: few(seed, pairs))
        for pairs in PAIRS
        for seeds in CLOUDS.values()
        for seed in seeds
    ]
    todo += [
        ("few", f"{name}, {pairs} known", lambda make=make, pairs=pairs: few_real(make, pairs))
        for name, make in REAL.items()
        for pairs in PAIRS
    ]
    for kind, name, run in todo:
        if given.only not in name or perf_counter() - began > given.seconds:
            continue
        known = kept.setdefault(kind, {}).get(name, {})
        if known and (kind != "cases" or "cycle" in known):
            continue
        found = run()
        # Another process may have added its own in the meantime.
        kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else kept
        kept["command"] = "python benchmarks/abstention.py"
        kept.setdefault(kind, {})[name] = found | known
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
        print(name, found, flush=True)


if __name__ == "__main__":
    main()
