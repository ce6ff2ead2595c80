"""Two questions to every measure on real spaces: which layer is this, and will it bridge?

python benchmarks/study.py [--quick] [--workers 2] [--only NAME ...] [--page]

1. Layers: the layers of digit and MNIST networks, trained from different seeds, are matched across
   seeds by every two-space measure. Right is the layer of the same depth.
2. Recall: for every pair of spaces of the same texts (layers of MiniLM, its static distillate,
   LSA of several widths and halves of the corpus, damaged copies) or the same images (pixels, PCA,
   networks over seeds), every measure looks at 1,000 paired rows; then bridges are fitted on those
   rows and asked to find 1,000 other rows' partners. Spearman's correlation of measure and recall
   over pairs, with an interval from resampling spaces (not pairs, which share spaces).

Two layers of one model, or a space and a damaged copy, are alike and bridge well for a reason that
no measure is needed to see. So the correlation is given over all pairs, over pairs of different
models alone, and inside kinds of pairs (layer with layer, layer with LSA, ...).

Figures and the answers behind them go to benchmarks/results/study.json; docs/results/study.md and
its picture are written from them (``--page``: from the answers kept, computing nothing). Measures
named by ``--only`` join the answers kept.
"""

import argparse
import json
import os
import time
import warnings
from itertools import combinations, permutations
from multiprocessing import get_context
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402
from record import RESULTS  # noqa: E402
from study_page import ASKED, BRIDGES, PAGE, SEEN, SLOW, draw, figures_of, page  # noqa: E402
from study_spaces import image_spaces, layer_stacks, text_spaces  # noqa: E402

from isthmus.core.errors import IsthmusError  # noqa: E402
from isthmus.core.registry import method, methods  # noqa: E402

FILE = RESULTS / "study.json"
#: Answers of a run that was cut off, which the next one goes on from.
PARTIAL = RESULTS / "study.partial.jsonl"


# --- what is asked ------------------------------------------------------------------------------


def similarity(one, x, y):
    """The measure as one number, the mean of both directions; None where it refuses."""
    ways = [(x, y)] if one.card.symmetric else [(x, y), (y, x)]
    try:
        return float(np.mean([float(one.call(*way)) for way in ways]))
    except IsthmusError:
        return None


def _one(task):
    kind, name, a, b = task
    x, y = _SPACES[kind][a], _SPACES[kind][b]
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name.startswith("bridge:"):
            value = _recalled(name.partition(":")[2], x, y)
        else:
            value = similarity(method("measures", name), x[:SEEN], y[:SEEN])
    return kind, name, a, b, value, time.process_time() - start


def _recalled(name, x, y):
    """Share of held-out rows whose partner is the nearest of all held-out rows, after the map."""
    from isthmus.core.neighbors import partner_ranks

    try:
        bridge = method("bridges", name).call().fit(x[:SEEN], y[:SEEN])
        moved = np.asarray(bridge.transform(x[SEEN:]))
    except IsthmusError:  # no bridge, so nothing is found
        return 0.0
    ranks = partner_ranks(moved.astype(np.float64), y[SEEN:].astype(np.float64))
    return float(np.mean(np.asarray(ranks) <= 1))


_SPACES = {}


def _start(path):
    for file in Path(path).glob("*.npz"):
        with np.load(file) as data:
            _SPACES[file.stem] = {name: data[name] for name in data.files}


def main():
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="few spaces, for a look")
    parser.add_argument("--only", nargs="*", default=())
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--page", action="store_true", help="from the answers kept")
    options = parser.parse_args()
    if options.page:
        data = json.loads(FILE.read_text())
        write(data["answers"])
        return
    known = [m for m in methods("measures") if m.card.spaces == 2 and not m.card.given]
    names = [m.name for m in known if not options.only or m.name in options.only]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        rows = SEEN + ASKED
        spaces = {"texts": text_spaces(rows), "images": image_spaces(rows)}
        stacks = layer_stacks()
        if options.quick:
            spaces = {kind: dict(list(one.items())[::3]) for kind, one in spaces.items()}
        for kind, one in (spaces | {f"layers-{k}": s for k, s in stacks.items()}).items():
            np.savez(Path(folder) / f"{kind}.npz", **one)
        print(f"spaces made in {time.perf_counter() - start:.0f} s", flush=True)
        answers = _answers(folder, spaces, stacks, names, options)
    if options.quick:
        print(page(figures_of(answers), answers))
        return
    if options.only and FILE.is_file():  # more measures of the same pairs
        known = json.loads(FILE.read_text())["answers"]
        slow = set(known["too slow"]) - set(options.only) | set(answers["too slow"])
        answers = known | {
            "values": known["values"] | answers["values"],
            "itself": known["itself"] | answers["itself"],
            "too slow": sorted(slow),
        }
    write(answers)


def write(answers):
    """Figures, page and picture from the answers."""
    figures = figures_of(answers)
    data = {"command": "python benchmarks/study.py", "figures": figures, "answers": answers}
    FILE.write_text(json.dumps(data) + "\n")
    PARTIAL.unlink(missing_ok=True)
    PAGE.write_text(page(figures, answers))
    draw(figures, answers)


def _answers(folder, spaces, stacks, names, options):
    """Every answer as plain data: of each kind the spaces, and of each measure one per pair."""
    pairs = {kind: list(combinations(one, 2)) for kind, one in spaces.items()}
    layered = {
        f"layers-{kind}": [
            (a, b) for a, b in combinations(one, 2) if a.partition("-")[0] != b.partition("-")[0]
        ]
        for kind, one in stacks.items()
    }
    lines = PARTIAL.read_text().splitlines() if PARTIAL.is_file() else []
    found = {tuple(task): value for *task, value in map(json.loads, lines)}
    with get_context("spawn").Pool(options.workers, _start, (folder,)) as pool:
        widest = sorted(spaces["texts"], key=lambda name: spaces["texts"][name].shape[1])[-2:]
        first = [("texts", name, *widest) for name in names]
        seconds = dict.fromkeys(names, float("inf"))
        for _ in range(2):  # the first time a worker imports what a measure needs
            for _, name, _, _, _, took in pool.imap_unordered(_one, first):
                seconds[name] = min(seconds[name], took)
        slow = sorted(name for name in names if seconds[name] > SLOW and not options.only)
        kept = [name for name in names if name not in slow]
        print({name: round(took, 2) for name, took in seconds.items()}, flush=True)
        tasks = [
            (kind, name, a, b)
            for kind, some in (pairs | ({} if options.quick else layered)).items()
            for a, b in some
            for name in kept
        ]
        if not options.only or options.quick:
            tasks += [
                (kind, f"bridge:{name}", *way)
                for kind, one in spaces.items()
                for way in permutations(one, 2)
                for name in BRIDGES
            ]
        # A measure with itself says which way it grows.
        tasks += [
            (kind, name, some[0][0], some[0][0]) for kind, some in layered.items() for name in kept
        ]
        tasks = [task for task in tasks if task not in found]
        print(f"{len(tasks)} questions; too slow: {slow}", flush=True)
        start = time.perf_counter()
        with PARTIAL.open("a") as kept_file:
            for done, (*task, value, _) in enumerate(pool.imap_unordered(_one, tasks, 8)):
                found[tuple(task)] = value
                kept_file.write(json.dumps([*task, value]) + "\n")
                if done % 500 == 0:
                    print(f"  {done} {time.perf_counter() - start:.0f} s", flush=True)
                    kept_file.flush()
    recall = {
        kind: []
        if options.only and not options.quick
        else [
            # What either direction's best bridge recalls, on average.
            float(np.mean([max(found[kind, f"bridge:{name}", *way] for name in BRIDGES)
                           for way in ((a, b), (b, a))]))
            for a, b in some
        ]
        for kind, some in pairs.items()
    }  # fmt: skip
    everything = pairs if options.quick else pairs | layered
    return {
        "spaces": {kind: list(one) for kind, one in spaces.items()},
        "pairs": everything,
        "values": {
            name: {
                kind: [_short(found[kind, name, a, b]) for a, b in some]
                for kind, some in everything.items()
            }
            for name in kept
        },
        "itself": {
            name: {kind: found[kind, name, some[0][0], some[0][0]]
                   for kind, some in layered.items()}
            for name in kept
        },
        "recall": recall,
        "too slow": slow,
    }  # fmt: skip


def _short(value):
    return None if value is None else float(f"{value:.6g}")


if __name__ == "__main__":
    main()
