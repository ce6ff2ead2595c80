"""Run the demo: docstrings under two encoders, digits under two networks, a report of each."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.bridges.bridge import Bridge
from isthmus.bridges.fitting import fit
from isthmus.bridges.shortlist import CLOSED
from isthmus.demo.encoders import Encoder, lsa, minilm
from isthmus.evidence import corpora, networks
from isthmus.measures.compare import Comparison, compare
from isthmus.measures.describe import Description, describe
from isthmus.report.html import report
from isthmus.spaces.pairs import Pairs, pair
from isthmus.spaces.space import Space
from isthmus.upgrade.evaluate import evaluate
from isthmus.upgrade.evaluation import Evaluation
from isthmus.upgrade.plan import plan
from isthmus.upgrade.planned import Plan
from isthmus.upgrade.translate import translate

Say = Callable[[str], None]
#: Seconds that the plan may take to choose a bridge.
_BUDGET = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One modality taken along the whole path."""

    title: str
    old: Description
    new: Description
    comparison: Comparison
    chosen: Bridge
    evaluation: Evaluation
    plan: Plan
    report: Path

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "title": self.title, "report": str(self.report),
            "old": self.old.as_dict(), "new": self.new.as_dict(),
            "comparison": self.comparison.as_dict(), "bridge": self.chosen.as_dict(),
            "evaluation": self.evaluation.as_dict(), "plan": self.plan.as_dict(),
        }  # fmt: skip

    def __str__(self) -> str:
        rule = "=" * 80
        return "\n\n".join(
            [
                f"{rule}\n{self.title}\n{rule}",
                "How the two spaces relate",
                str(self.comparison),
                "Which bridge carries the old vectors across",
                str(self.chosen.choice),
                "What each bridge would give you",
                str(self.evaluation),
                "Which way to serve, and what it costs",
                str(self.plan),
            ]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """Both modalities, the files written, and the time taken."""

    parts: tuple[Part, ...]
    folder: Path
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "kind": "demo", "seconds": self.seconds,
            "parts": [part.as_dict() for part in self.parts],
        }  # fmt: skip

    def __str__(self) -> str:
        end = (
            f"Done in {self.seconds:.0f} s. Open in a browser:\n"
            + "".join(f"  {part.report}\n" for part in self.parts)
            + f"The files are in {self.folder}/: try\n"
            f"  isthmus info {self.folder}/docstrings-old.npz\n"
            f"  isthmus compare {self.folder}/docstrings-old.npz {self.folder}/docstrings-new.npz"
        )
        return "\n\n".join([*map(str, self.parts), end])


def run(out: Path, *, documents: int = 2000, seed: int = 0, say: Say = print) -> Demo:
    """Take text and images along the whole path, write every file to ``out``, and report.

    Text: docstrings of Python's standard library; the summary line asks for the body. The old
    encoder is TF-IDF with truncated SVD, the new one a transformer. Images: digits under the hidden
    layers of two networks trained apart. ``say`` receives a line per step.
    """
    start = time.perf_counter()
    transformer = minilm()  # a missing extra is said before anything is written
    out.mkdir(parents=True, exist_ok=True)
    parts = (
        _text(out, transformer, documents=documents, seed=seed, say=say),
        _images(out, seed=seed, say=say),
    )
    return Demo(parts=parts, folder=out, seconds=time.perf_counter() - start)


def _text(out: Path, transformer: Encoder, *, documents: int, seed: int, say: Say) -> Part:
    texts = corpora.docstrings()
    picked = np.random.default_rng(seed).permutation(len(texts.ids))[:documents]
    ids = np.array(texts.ids)[picked]
    bodies = [texts.documents[i] for i in picked]
    summaries = [texts.queries[i] for i in picked]
    say(f"docstrings: {len(ids):,} of {len(texts.ids):,}; embedding them with two encoders ...")
    old_encoder = lsa(bodies, seed=seed)
    for name, encoder, title in (
        ("old", old_encoder, "tf-idf + svd"),
        ("new", transformer, "minilm"),
    ):
        for kind, rows in (("docstrings", bodies), ("queries", summaries)):
            _save(out / f"{kind}-{name}.npz", encoder(rows), ids, title)
        say(f"docstrings: embedded with {title}")
    return _path(
        "Text: docstrings of Python's standard library, TF-IDF + SVD -> MiniLM",
        out, "docstrings", seed=seed, say=say,
        queries=_opened(out, "queries-new"), source_queries=_opened(out, "queries-old"),
    )  # fmt: skip


def _images(out: Path, *, seed: int, say: Say) -> Part:
    say("digits: training two networks apart ...")
    images, labels = corpora.digits()
    ids = np.array([f"digit-{i:04d}" for i in range(len(images))])
    # Equal widths, as when a model is replaced by its successor: a naive swap is then possible.
    for name, epochs, own in (("old", 15, seed), ("new", 30, seed + 1)):
        network = networks.classifier(images, labels, layers=(64,), epochs=epochs, seed=own)
        encoder = f"mlp, seed {own}"
        _save(out / f"digits-{name}.npz", networks.hidden(network, images, layer=1), ids, encoder)
    return _path(
        "Images: handwritten digits, one network of 64 units -> another trained apart",
        out, "digits", seed=seed, say=say,
    )  # fmt: skip


def _path(
    title: str,
    out: Path,
    name: str,
    *,
    seed: int,
    say: Say,
    queries: Space | None = None,
    source_queries: Space | None = None,
) -> Part:
    old, new = _opened(out, f"{name}-old"), _opened(out, f"{name}-new")
    pairs = pair(old, new)
    say(f"{name}: comparing, fitting {len(CLOSED)} bridges each way, translating ...")
    comparison = compare(pairs, rng=seed)
    chosen = fit(pairs, seed=seed)
    chosen.save(out / f"{name}.isthmus")
    translate(old, chosen, out / f"{name}-translated")
    evaluation = evaluate(
        old, new, _both_ways(pairs, seed),
        queries=queries, source_queries=source_queries, rng=seed,
    )  # fmt: skip
    say(f"{name}: planning ...")
    planned = plan(old, new, queries=queries, old_queries=source_queries, budget=_BUDGET, rng=seed)
    path = report(
        out / f"report-{name}.html", old, new, comparison, chosen.choice, evaluation, planned,
        title=title,
    )  # fmt: skip
    return Part(
        title=title, old=describe(old), new=describe(new), comparison=comparison,
        chosen=chosen, evaluation=evaluation, plan=planned, report=path,
    )  # fmt: skip


def _both_ways(pairs: Pairs, seed: int) -> list[Bridge]:
    back = Pairs(pairs.target, pairs.source, pairs.rows_target, pairs.rows_source)
    return [fit(way, method=name, seed=seed) for name in CLOSED for way in (pairs, back)]


def _save(path: Path, vectors: np.ndarray, ids: np.ndarray, encoder: str) -> None:
    np.savez(path, vectors=vectors.astype(np.float32), ids=ids, encoder=np.array(encoder))


def _opened(out: Path, name: str) -> Space:
    from isthmus.spaces.open import open

    return open(out / f"{name}.npz")
