"""A hub of N spaces against N(N-1) direct fits: retrieval, closed cycles, and joining from few pairs.

    python benchmarks/hub.py

Two worlds: Debian's package descriptions under four encoders (German, French, English LSA of 256
dimensions, English MiniLM of 384; 8,437 common ids, needs ISTHMUS_DATA), and MNIST's test images
under six networks trained apart. 1,000 items are held out and are each other's distractors.
"""  # noqa: E501

import time
from itertools import permutations

import numpy as np
from record import record

from isthmus.bridges import Affine, Orthogonal, UniversalSpace
from isthmus.core.neighbors import partner_ranks
from isthmus.evidence.corpora import debian, mnist
from isthmus.evidence.networks import autoencoder, classifier, hidden

HELD, JOIN, REPEATS = 1000, 50, 3


def debian_spaces():
    found = {name: debian(name) for name in ("de-lsa256", "fr-lsa256", "en-lsa256", "en-minilm384")}
    ids = sorted(set.intersection(*(set(i.tolist()) for i, _ in found.values())))
    rows = {n: {key: row for row, key in enumerate(i.tolist())} for n, (i, _) in found.items()}
    return {n: x[[rows[n][key] for key in ids]].astype(np.float64) for n, (_, x) in found.items()}


def mnist_spaces(train=5000):
    """Six networks of different seeds, kinds and widths, trained on one half, seen on the other."""
    images, labels = mnist()
    spaces = {}
    for seed, width in enumerate((64, 48, 32)):
        net = classifier(images[:train], labels[:train], layers=(128, width), epochs=8, seed=seed)
        spaces[f"classifier{width}"] = hidden(net, images[train:], layer=2)
        net = autoencoder(images[:train], layers=(128, width, 128), epochs=8, seed=seed + 3)
        spaces[f"autoencoder{width}"] = hidden(net, images[train:], layer=2)
    return spaces


def scored(translated, truth):
    ranks = partner_ranks(translated, truth)
    return float((ranks == 1).mean()), float((1 / ranks).mean())


def timed(run):
    start = time.perf_counter()
    found = run()
    return found, time.perf_counter() - start


def directions(spaces, seed=0):
    """Top-1 and MRR of every direction by each way, fitting times, and cycle errors."""
    order = np.random.default_rng(seed).permutation(len(next(iter(spaces.values()))))
    held, rest = order[:HELD], order[HELD:]
    train = {n: x[rest] for n, x in spaces.items()}
    pairs = list(permutations(spaces, 2))
    seconds, maps = {}, {}
    # Direct fits learn from all these rows: so does the hub, but for its own proof.
    widest = max(x.shape[1] for x in spaces.values())
    for name, params in {
        "hub orthogonal": {},
        "hub orthogonal, widest": {"dim": widest},
        "hub ridge": {"form": "ridge"},
    }.items():
        hub, seconds[name] = timed(lambda p=params: UniversalSpace(holdout=1e-9, **p).fit(train))
        maps[name] = {p: hub._map(*p) for p in pairs}
    for name, kind in (("direct orthogonal", Orthogonal), ("direct affine", Affine)):
        maps[name], seconds[name] = timed(
            lambda k=kind: {(a, b): k().fit(train[a], train[b]) for a, b in pairs}
        )
    table = {
        name: {
            " -> ".join(p): scored(m.transform(spaces[p[0]][held]), spaces[p[1]][held])
            for p, m in found.items()
        }
        for name, found in maps.items()
    }
    cycles = {name: cycle_error(found, spaces, held) for name, found in maps.items()}
    return table, cycles, seconds


def cycle_error(maps, spaces, held):
    """Mean over A, B, C of |A->B->C - A->C| over the spread of A->C, on held-out rows."""
    found = []
    for a, b, c in permutations(spaces, 3):
        straight = maps[a, c].transform(spaces[a][held])
        way = maps[b, c].transform(maps[a, b].transform(spaces[a][held]))
        found.append(
            np.linalg.norm(way - straight) / np.linalg.norm(straight - straight.mean(axis=0))
        )
    return {"mean": float(np.mean(found)), "max": float(np.max(found))}


def joining(spaces):
    """Each space in turn joins a hub of the others from 50 items; against direct fits on those."""
    order = np.random.default_rng(0).permutation(len(next(iter(spaces.values()))))
    held, rest = order[:HELD], order[HELD:]
    ways = {"hub orthogonal": {}, "hub ridge": {"form": "ridge"}}
    hubs, found = {}, {}
    for new in spaces:
        others = {n: (rest, x[rest]) for n, x in spaces.items() if n != new}
        for way, params in ways.items():
            hubs[way] = UniversalSpace(holdout=1e-9, **params).fit(others)
        for seed in range(REPEATS):
            some = np.random.default_rng(seed).choice(rest, JOIN, replace=False)
            maps = {}
            for way, hub in hubs.items():
                hub.add(f"new{seed}", spaces[new][some], some)
                names = {n: n for n in others} | {new: f"new{seed}"}
                maps[way] = lambda a, b, h=hub, known=names: h._map(known[a], known[b])
            for way, kind in (("direct orthogonal", Orthogonal), ("direct affine", Affine)):
                maps[way] = lambda a, b, k=kind, i=some: k().fit(spaces[a][i], spaces[b][i])
            for way, make in maps.items():
                for side in ("from it", "to it"):
                    ends = [(new, b) if side == "from it" else (b, new) for b in others]
                    values = [
                        scored(make(a, b).transform(spaces[a][held]), spaces[b][held])
                        for a, b in ends
                    ]
                    found.setdefault(f"{way}, {side}", {}).setdefault(new, []).append(
                        np.mean(values, axis=0).tolist()
                    )
    return {
        way: {n: np.mean(v, axis=0).tolist() for n, v in by.items()} for way, by in found.items()
    }


def main():
    figures = {"held_out": HELD, "join_pairs": JOIN, "join_repeats": REPEATS}
    for world, load in (("debian", debian_spaces), ("mnist", mnist_spaces)):
        spaces = load()
        table, cycles, seconds = directions(spaces)
        joins = joining(spaces)
        means, join_means = (
            {way: np.mean(list(by.values()), axis=0).tolist() for way, by in found.items()}
            for found in (table, joins)
        )
        figures[world] = {
            "items": len(next(iter(spaces.values()))),
            "widths": {n: x.shape[1] for n, x in spaces.items()},
            "mean_top1_mrr": means,
            "cycle_error": cycles,
            "fit_seconds": seconds,
            "join_mean_top1_mrr": join_means,
            "top1_mrr_by_direction": table,
            "join_top1_mrr_by_space": joins,
        }
    record("hub", figures)


if __name__ == "__main__":
    main()
