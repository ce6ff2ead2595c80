"""Retrieval by every bridge between real text spaces, with no known pair, a few, and all.

python benchmarks/crosslingual.py [--only NAME ...] [--pairs 0 20 ...] [--missing] [--page]

Debian's package descriptions under LSA models fitted apart on the German, French and English texts,
and under MiniLM. Of the ids in common 1,000 are held out: a description is translated and its own
partner looked for among the 1,000, by cosine. A bridge that learns from pairs alone is given the
pairs; one that reads other rows too is given every training row of both sides, in shuffled order.
Where a bridge has codes of both sides (relative representations), search among the codes is a line
of its own. Each figure is a mean over seeds, which draw the held-out ids, the pairs and its
own randomness; the interval is Student's over seeds. A fit of more than LIMIT seconds of one core
is given up.
"""

import argparse
import json
import os
import signal
import time
import warnings
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402
from record import RESULTS  # noqa: E402

from isthmus.core.errors import InputError, NoReliableBridge  # noqa: E402
from isthmus.core.neighbors import partner_ranks  # noqa: E402
from isthmus.core.registry import method, methods  # noqa: E402
from isthmus.evidence.corpora import debian  # noqa: E402

DIRECTIONS = (("de-lsa256", "en-lsa256"), ("de-lsa256", "en-minilm384"))
PAIRS = (0, 5, 20, 100, 1000, -1)  # -1: all
HELD_OUT, SEEDS, LIMIT = 1000, 3, 600
#: Training rows a side at most, so that every direction takes about as long.
ROWS = 20_000
FILE = RESULTS / "crosslingual.json"
PAGE = Path(__file__).parents[1] / "docs" / "results" / "bridges-on-real-data.md"


def spaces(source, target):
    """The rows of both spaces whose ids are in both, paired, float32."""
    (a, x), (b, y) = debian(source), debian(target)
    _, i, j = np.intersect1d(a, b, return_indices=True)
    return x[i].astype(np.float32), y[j].astype(np.float32)


class OutOfTime(Exception):
    """A fit took more than LIMIT seconds."""


def _stop(*_):
    raise OutOfTime


def one(task):
    """One fit: how well held-out partners are found."""
    name, source, target, known, seed = task
    row = {"method": name, "source": source, "target": target, "pairs": known, "seed": seed}
    found = method("bridges", name)
    x, y = spaces(source, target)
    rng = np.random.default_rng(1000 + seed)
    order = rng.permutation(len(x))[: ROWS + HELD_OUT]
    test, train = order[:HELD_OUT], order[HELD_OUT:]
    count = len(train) if known < 0 else known
    signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    start = time.process_time()
    try:
        estimator = found.call(**({"rng": seed} if "rng" in found.call().get_params() else {}))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if found.card.pairs == "all":
                estimator.fit(x[train[:count]], y[train[:count]])
            else:
                # No order is left that would give partners away.
                i, j = rng.permutation(len(train)), rng.permutation(len(train))
                pairs = (np.argsort(i)[:count], np.argsort(j)[:count])
                estimator.fit(x[train[i]], y[train[j]], pairs=pairs)
        row["seconds"] = round(time.process_time() - start, 2)
        row |= ranked(estimator.transform(x[test]), y[test])
        if hasattr(estimator, "confidence_"):
            row["confidence"] = round(float(estimator.confidence_), 4)
        if hasattr(estimator, "encode_target"):
            codes = estimator.encode_source(x[test]), estimator.encode_target(y[test])
            row["codes"] = ranked(*codes)
    except OutOfTime:
        row["given_up"] = LIMIT
    except NoReliableBridge as error:
        row |= {"abstained": str(error)[:300], "seconds": round(time.process_time() - start, 2)}
    except InputError as error:
        row["refused"] = str(error)[:300]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return row


def ranked(translated, truth):
    ranks = partner_ranks(np.asarray(translated), np.asarray(truth))
    return {
        "top1": float(np.mean(ranks == 1)), "mrr": float(np.mean(1 / ranks)),
        "mean_rank": float(np.mean(ranks)),
    }  # fmt: skip


def key(row):
    return row["source"], row["target"], row["method"], row["pairs"], row["seed"]


def tasks(options, known):
    done = {key(row) for row in known} if options.missing else set()
    for count in options.pairs:
        for seed in range(options.seeds):
            for source, target in DIRECTIONS:
                for found in methods("bridges"):
                    if found.card.spaces != 2 or (options.only and found.name not in options.only):
                        continue
                    if count == 0 and found.card.pairs != "none":
                        continue
                    if (source, target, found.name, count, seed) not in done:
                        yield found.name, source, target, count, seed


def page(rows):
    """The tables, one a direction: best first by the mean over the columns."""
    lines = [
        "# Every bridge on real text spaces", "",
        "Written by `python benchmarks/crosslingual.py` from its",
        "[figures](../../benchmarks/results/crosslingual.json). Debian's package descriptions",
        "under LSA models fitted apart on German, French and English texts, and under MiniLM;",
        f"top-1 among {HELD_OUT:,} held-out descriptions, mean over seeds [95 % interval]; chance",
        "is .001. The best of each column is **bold**. `-`: the bridge refuses so few pairs;",
        "*abstains*: it says that it cannot tell a right map from a wrong one; `>` : a fit took",
        f"more than {LIMIT} s of one core. *(codes)*: search among relative codes instead of",
        "translations. An empty cell was not run. `flow_bridge` is not here: it matches clouds,",
        "and proves no correspondence of rows.", "",
    ]  # fmt: skip
    for source, target in DIRECTIONS:
        mine = [r for r in rows if (r["source"], r["target"]) == (source, target)]
        if not mine:
            continue
        mine += [
            {**r, **r["codes"], "method": f"{r['method']} (codes)"} for r in mine if "codes" in r
        ]
        counts = [c for c in PAIRS if any(r["pairs"] == c for r in mine)]
        names = sorted({r["method"] for r in mine})
        cells = {(n, c): [r for r in mine if (r["method"], r["pairs"]) == (n, c)]
                 for n in names for c in counts}  # fmt: skip
        score = {k: np.mean([r["top1"] for r in v if "top1" in r] or [np.nan])
                 for k, v in cells.items()}  # fmt: skip
        best = {c: np.nanmax([score[n, c] for n in names] + [0.0]) for c in counts}
        names.sort(key=lambda n: -np.nansum([score[n, c] for c in counts]))
        head = " | ".join("all" if c < 0 else "no pair" if c == 0 else f"{c:,}" for c in counts)
        lines += [f"## {source} to {target}", "", f"| bridge | {head} |",
                  "|---|" + "---|" * len(counts)]  # fmt: skip
        for n in names:
            texts = [_cell(cells[n, c], best[c]) for c in counts]
            lines.append(f"| {n} | " + " | ".join(texts) + " |")
        lines.append("")
    return "\n".join(lines)


def _cell(rows, best):
    values = np.array([r["top1"] for r in rows if "top1" in r])
    if not len(values):
        for said, text in (("abstained", "*abstains*"), ("given_up", ">"), ("refused", "-")):
            if any(said in r for r in rows):
                return text
        return ""
    text = f"{values.mean():.3f}"
    if len(values) > 1:
        from scipy.stats import t

        half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
        text += f" [{max(values.mean() - half, 0):.2f}, {min(values.mean() + half, 1):.2f}]"
    text = f"**{text}**" if values.mean() >= best - 1e-12 else text
    silent = sum("abstained" in r for r in rows)
    return text + (f" ({silent} of {len(rows)} abstain)" if silent else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", nargs="*", default=(), help="these bridges")
    parser.add_argument("--pairs", type=int, nargs="*", default=PAIRS, help="-1 for all")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--missing", action="store_true", help="only what has no figure yet")
    parser.add_argument("--page", action="store_true", help="write the page, fit nothing")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    known = json.loads(FILE.read_text())["rows"] if FILE.is_file() else []
    if not options.page:
        from multiprocessing import get_context

        with get_context("spawn").Pool(options.workers, maxtasksperchild=20) as pool:
            for row in pool.imap_unordered(one, list(tasks(options, known)), chunksize=1):
                known = sorted([*(r for r in known if key(r) != key(row)), row], key=key)
                print(json.dumps(row), flush=True)
                data = {"command": "python benchmarks/crosslingual.py", "rows": known}
                FILE.write_text(json.dumps(data, indent=1) + "\n")
    PAGE.write_text(page(known))


if __name__ == "__main__":
    main()
