"""Results of every class, as bare as they may be and as rich as a real run fills them."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isthmus
from isthmus.bridges.choice import Candidate, Choice
from isthmus.core.score import Score
from isthmus.evidence.experiment import Evidence, Figure
from isthmus.measures.compare import Comparison
from isthmus.retrieval.bootstrap import Difference
from isthmus.spaces.space import Space
from isthmus.upgrade.evaluation import Evaluation, Fit, Row

SUMMARY = {
    "status quo": "the old encoder on the old documents",
    "naive swap": "new queries on the old documents, untranslated",
    "corpus side": "new queries on the translated old documents",
    "query side": "translated new queries on the untouched old documents",
    "fused": "mean of old and translated new query on the old documents",
    "full re-embedding": "every document embedded anew: the ceiling",
}
PANEL = (
    ("debiased_cka", 0.412, (0.39, 0.43), 0.0, 310.2, 0.0),
    ("mutual_knn", 0.235, (0.22, 0.25), 0.0033, 88.0, 1e-9),
    ("procrustes_angular", 0.87, (0.85, 0.89), 1.5, None, None),
    ("ridge_r2 source->target", 0.53, (0.52, 0.54), 0.0, None, None),
    ("ridge_r2 target->source", 0.31, (0.30, 0.32), 0.0, None, None),
    ("information_imbalance source->target", 0.42, (0.4, 0.44), 1.0, None, None),
    ("participation_ratio source", 21.3, (20.9, 21.7), None, None, None),
    ("uniformity source", -3.21, None, None, None, None),
)
MRR = (("orthogonal", 0.43), ("low_rank", 0.615), ("affine", 0.61), ("relative", 0.31))


@dataclass
class Ranked:
    """A fit that also hands out the rank of every held-out pair."""

    fit: Fit
    ranks: np.ndarray

    def __getattr__(self, name: str) -> Any:
        return getattr(self.fit, name)


@pytest.fixture(scope="session")
def minimal() -> dict[str, Any]:
    """Every result with as little in it as it may have."""
    score = Score(value=0.5, method="debiased_cka", n=10)
    lead = Score(value=0.0, method="lead", n=10)
    ceiling = "full re-embedding"
    row = Row(strategy=ceiling, kind=ceiling, summary="", recall=score, ndcg=score, mrr=score)
    return {
        "space": isthmus.open(np.ones((1, 1)), name="one"),
        "comparison": Comparison((("debiased_cka", score),), (), True, (), 10, 10),
        "choice": Choice((Candidate("affine", score, 0.4, lead, 0.1, True),), "affine", ""),
        "evaluation": Evaluation(
            rows=(row,), relevance="provisional", n_queries=10, n_documents=20, k=10,
            reference=ceiling, recommended=ceiling, reason="re-embed.", fits=(),
        ),
        "evidence": Evidence(
            slug="x", title="X", claim="X.", figures={}, what_holds="", seconds=0.0,
            command="isthmus reproduce x",
        ),
    }  # fmt: skip


@pytest.fixture(scope="session")
def rich() -> dict[str, Any]:
    """Every result as a real run fills it, with defects and warnings."""
    rng = np.random.default_rng(0)
    old, new = spaces(rng)
    return {
        "space": old,
        "space2": new,
        "comparison": comparison(),
        "choice": choice(),
        "evaluation": evaluation(rng),
        "evidence": evidence(),
    }


def spaces(rng: np.random.Generator) -> tuple[Space, Space]:
    old = rng.normal(size=(3000, 64)) * np.geomspace(3, 0.05, 64)
    new = rng.normal(size=(3000, 96)) * np.geomspace(1, 0.2, 96)
    new /= np.linalg.norm(new, axis=1, keepdims=True)
    old[100:112], old[:, 60:] = 0.0, 0.0
    old[5:8, 3] = np.nan
    ids = np.array([f"package-{i}" for i in range(3000)])
    lsa = {"name": "packages-lsa256", "encoder": "TF-IDF + SVD", "metric": "cosine"}
    mini = {"name": "packages-minilm384", "encoder": "all-MiniLM-L6-v2", "metric": "cosine"}
    return (
        isthmus.open(old.astype(np.float32), ids=ids, **lsa),
        isthmus.open(new.astype(np.float16), ids=ids, **mini),
    )


def comparison() -> Comparison:
    scores = [
        (label, Score(value=v, ci=ci, chance=c, z=z, p=p, method=label.split()[0], n=3000))
        for label, v, ci, c, z, p in PANEL
    ]
    said = (
        "The spaces are related (debiased_cka z 310.2).",
        "Overall geometry differs for the greater part: debiased CKA between 0.39 and 0.43.",
        "The source predicts the target better than the other way round.",
    )
    warned = ("two_nn source: 8 duplicate rows removed",)
    return Comparison(tuple(scores), said, True, warned, 10_000, 3000)


def choice() -> Choice:
    best = max(value for _, value in MRR)
    rows = []
    for name, value in MRR:
        gap, half = value - best, 0.02
        ci = (gap - half, gap + half) if gap else None
        score = Score(
            value=value, ci=(value - half, value + half), chance=0.011, method="mrr", n=600
        )
        lead = Score(value=gap, ci=ci, method="lead", n=600)
        rows.append(Candidate(name, score, value * 0.8, lead, 0.4, name == "affine"))
    reason = "affine: within one standard error of low_rank, the best on 600 held-out pairs."
    return Choice(tuple(rows), "affine", reason)


def strategy(name: str, kind: str, value: float, **more: Any) -> Row:
    half, gap = 0.02, value - 0.52
    score = Score(value=value, ci=(value - half, value + half), method="ndcg", n=400)
    gaps = Difference(mean=gap, ci=(gap - half, gap + half), p=0.01, n=400)
    return Row(
        strategy=name, kind=kind, summary=SUMMARY[kind], recall=score, ndcg=score, mrr=score,
        differences=dict.fromkeys(("recall", "ndcg", "mrr"), gaps) if gap else None,
        negative_flips=0.03 if gap else 0.0, overlap=score, **more,
    )  # fmt: skip


def evaluation(rng: np.random.Generator) -> Evaluation:
    swap = Row(
        strategy="naive swap", kind="naive swap", summary=SUMMARY["naive swap"],
        impossible="96 against 64 dimensions",
    )  # fmt: skip
    return Evaluation(
        rows=(
            strategy("status quo", "status quo", 0.52),
            swap,
            strategy("affine, corpus side", "corpus side", 0.61, bridge="affine"),
            strategy("affine, query side", "query side", 0.53, bridge="affine"),
            strategy("affine, fused", "fused", 0.58, bridge="affine"),
            strategy("orthogonal, corpus side", "corpus side", 0.44, bridge="orthogonal"),
            strategy("full re-embedding", "full re-embedding", 0.64),
        ),
        relevance="known item",
        n_queries=400,
        n_documents=10_000,
        k=10,
        reference="status quo",
        recommended="affine, corpus side",
        reason="translate the corpus with affine and search it with new queries: nDCG@10 +0.090 "
        "[+0.070, +0.110] over the status quo, keeps 95% of full re-embedding; full re-embedding "
        "would still gain +0.030 [+0.010, +0.050].",
        fits=(fit("affine", 0.1, rng), fit("orthogonal", 1.2, rng)),  # type: ignore[arg-type]
        warnings=("The bridge 'orthogonal' carries no holdout rule.",),
    )


def fit(name: str, difficulty: float, rng: np.random.Generator) -> Ranked:
    ranks = np.ceil(rng.lognormal(difficulty, 1.4, 600).clip(0.5, 600))
    return Ranked(
        Fit(
            bridge=name,
            direction="old to new",
            cosine=Score(value=0.7, ci=(0.69, 0.71), method="cosine", n=600),
            fitted_cosine=0.74,
            rank=Score(value=9.2, ci=(8.1, 10.6), method="true_pair_rank.mean", n=600),
            median_rank=2.0,
            top1=Score(value=0.48, ci=(0.44, 0.52), chance=1 / 600, n=600, method="top1"),
            n=600,
        ),
        ranks,
    )


def evidence() -> Evidence:
    seeds = (1, 2, 3)
    return Evidence(
        slug="relrep",
        title="Relative representations",
        claim="Relative codes let a head trained on one encoder work on another.",
        figures={
            "kept": Figure(
                what="accuracy kept", value=0.94, ci=(0.92, 0.96), n=360, seeds=seeds, at_least=0.9
            ),
            "absolute": Figure(
                what="absolute stitching",
                value=0.43,
                ci=(0.35, 0.51),
                n=9,
                seeds=seeds,
                at_most=0.4,
            ),
            "plain": Figure(what="own accuracy", value=0.96, n=360, seeds=(1,)),
        },
        what_holds="Relative codes keep 94 %; absolute stitching keeps more than claimed.",
        seconds=12.3,
        command="isthmus reproduce relrep",
        table=(("anchors", "cosine"), ("uniform", "0.91")),
    )


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The path of a headless Chromium, or a skip that says what is missing."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no {', '.join(names)} on the PATH")
    return Path(found)
