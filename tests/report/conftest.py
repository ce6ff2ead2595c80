"""Stand-ins of every result class, minimal and rich: the report asks for their shape only."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isthmus.bridges.choice import Candidate, Choice
from isthmus.core.score import Score
from isthmus.retrieval.bootstrap import Difference
from isthmus.upgrade.evaluation import Evaluation, Fit, Row


@dataclass
class Defects:
    rows: int = 0
    non_finite: int = 0
    zero_vectors: int = 0
    duplicate_ids: int = 0
    constant_dims: int = 0
    norm_min: float = 0.9
    norm_median: float = 1.0
    norm_max: float = 1.2
    mean_over_sd: float = 0.4


@dataclass
class Space:
    name: str
    x: np.ndarray
    encoder: str | None = None
    metric: str | None = None
    faults: Defects = field(default_factory=Defects)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def dim(self) -> int:
        return self.x.shape[1]

    @property
    def dtype(self) -> Any:
        return self.x.dtype

    def take(self, rows: Any) -> np.ndarray:
        return self.x[rows]

    def defects(self) -> Defects:
        return self.faults


@dataclass
class Comparison:
    scores: tuple[tuple[str, Score], ...]
    verdict: tuple[str, ...]
    related: bool = True
    warnings: tuple[str, ...] = ()


@dataclass
class Ranked:
    """A fit that also hands out the rank of every held-out pair."""

    fit: Fit
    ranks: np.ndarray

    def __getattr__(self, name: str) -> Any:
        return getattr(self.fit, name)


def strategy(name: str, kind: str, value: float, *, against: float = 0.52, **more: Any) -> Row:
    half, gap = 0.02, value - against
    score = Score(value=value, ci=(value - half, value + half), method="ndcg", n=400)
    gaps = Difference(mean=gap, ci=(gap - half, gap + half), p=0.01, n=400)
    differences = {metric: gaps for metric in ("recall", "ndcg", "mrr")} if gap else None
    return Row(
        strategy=name, kind=kind, summary=SUMMARY[kind], recall=score, ndcg=score, mrr=score,
        differences=differences, negative_flips=0.03 if gap else 0.0, overlap=score, **more,
    )  # fmt: skip


SUMMARY = {
    "status quo": "the old encoder on the old documents",
    "naive swap": "new queries on the old documents, untranslated",
    "corpus side": "new queries on the translated old documents",
    "query side": "translated new queries on the untouched old documents",
    "fused": "mean of old and translated new query on the old documents",
    "full re-embedding": "every document embedded anew: the ceiling",
}


@pytest.fixture(scope="session")
def minimal() -> dict[str, Any]:
    """Every result with as little in it as it may have."""
    return results(rich=False)


@pytest.fixture(scope="session")
def rich() -> dict[str, Any]:
    """Every result as a real run fills it, with warnings and hostile names."""
    return results(rich=True)


def results(*, rich: bool) -> dict[str, Any]:
    score = Score(value=0.5, method="debiased_cka", n=10)
    if not rich:
        return {
            "space": Space("one", np.ones((1, 1))),
            "comparison": Comparison((("debiased CKA", score),), ()),
            "choice": Choice(
                (Candidate("orthogonal", score, 0.4, Score(value=0.0, method="lead", n=10), 0.1, True),),
                "orthogonal", "",
            ),
            "evaluation": Evaluation(
                rows=(Row(strategy="full re-embedding", kind="full re-embedding", summary="",
                          recall=score, ndcg=score, mrr=score),),
                relevance="provisional", n_queries=10, n_documents=20, k=10,
                reference="full re-embedding", recommended="full re-embedding", reason="re-embed.",
                fits=(),
            ),
        }
    rng = np.random.default_rng(0)
    old = rng.normal(size=(3000, 64)) * np.geomspace(3, 0.05, 64)
    new = rng.normal(size=(3000, 96)) * np.geomspace(1, 0.2, 96)
    new /= np.linalg.norm(new, axis=1, keepdims=True)
    faults = Defects(non_finite=3, zero_vectors=12, duplicate_ids=0, constant_dims=2)
    panel = (
        ("debiased CKA", 0.412, (0.39, 0.43), 0.0, 310.2, 0.0, "debiased_cka"),
        ("mutual k-NN", 0.235, (0.22, 0.25), 0.0033, 88.0, 1e-9, "mutual_knn"),
        ("Procrustes angle", 0.87, (0.85, 0.89), 1.5, None, None, "procrustes_angular"),
        ("ridge R², source to target", 0.53, (0.52, 0.54), 0.0, None, None, "ridge_r2"),
        ("ridge R², target to source", 0.31, (0.30, 0.32), 0.0, None, None, "ridge_r2"),
        ("information imbalance, source to target", 0.42, (0.4, 0.44), 1.0, None, None,
         "information_imbalance"),
        ("participation ratio, source", 21.3, (20.9, 21.7), None, None, None, "participation_ratio"),
        ("uniformity, source", -3.21, None, None, None, None, "uniformity"),
    )  # fmt: skip
    mrr = (("identity", 0.01, 0.01), ("orthogonal", 0.43, 0.02), ("affine", 0.61, 0.02),
           ("low_rank", 0.615, 0.02), ("relative", 0.31, 0.02))  # fmt: skip
    return {
        "space": Space("packages-lsa256", old.astype(np.float32), "TF-IDF + SVD", "cosine", faults),
        "space2": Space("packages-minilm384", new.astype(np.float16), "all-MiniLM-L6-v2", "cosine"),
        "comparison": Comparison(
            tuple((label, Score(value=v, ci=ci, chance=c, z=z, p=p, method=m, n=3000))
                  for label, v, ci, c, z, p, m in panel),
            ("The spaces are clearly related: their arrangement of the same items agrees far beyond "
             "chance.", "Source predicts target better than the other way round (R² 0.53 against "
             "0.31), so a bridge from source to target loses less."),
            True,
            ("The neighbour measures were computed on a sample of 3,000 of 10,000 pairs.",),
        ),
        "choice": Choice(
            tuple(Candidate(name, Score(value=v, ci=(v - e, v + e), method="mrr", n=600, chance=0.011),
                            v * 0.8, Score(value=v - 0.615, method="lead", n=600,
                                           ci=(v - 0.615 - e, v - 0.615 + e) if v != 0.615 else None),
                            0.4, name == "affine")
                  for name, v, e in mrr),
            "affine",
            "affine: within one standard error of low_rank, the best on 600 held-out pairs, and "
            "simpler.",
        ),
        "evaluation": Evaluation(
            rows=(
                strategy("status quo", "status quo", 0.52),
                Row(strategy="naive swap", kind="naive swap", summary=SUMMARY["naive swap"],
                    impossible="96 against 64 dimensions"),
                strategy("affine, corpus side", "corpus side", 0.61, bridge="affine"),
                strategy("affine, query side", "query side", 0.53, bridge="affine"),
                strategy("affine, fused", "fused", 0.58, bridge="affine"),
                strategy("orthogonal, corpus side", "corpus side", 0.44, bridge="orthogonal"),
                strategy("full re-embedding", "full re-embedding", 0.64),
            ),
            relevance="known item", n_queries=400, n_documents=10_000, k=10,
            reference="status quo", recommended="affine, corpus side",
            reason="translate the corpus with affine and search it with new queries: nDCG@10 +0.090 "
            "[+0.070, +0.110] over the status quo, keeps 95% of full re-embedding; full "
            "re-embedding would still gain +0.030 [+0.010, +0.050].",
            fits=tuple(
                Ranked(Fit(bridge=name, direction="old to new",
                           cosine=Score(value=0.7, ci=(0.69, 0.71), method="cosine", n=600),
                           rank=Score(value=9.2, ci=(8.1, 10.6), method="true_pair_rank.mean", n=600),
                           median_rank=2.0, n=600,
                           top1=Score(value=0.48, ci=(0.44, 0.52), chance=1 / 600, n=600,
                                      method="true_pair_rank.top1")),
                       np.ceil(rng.lognormal(mu, 1.4, 600).clip(0.5, 600)))
                for name, mu in (("affine", 0.1), ("orthogonal", 1.2))
            ),
            warnings=("The bridge 'orthogonal' carries no holdout rule: its own training pairs may be "
                      "among the queries.",),
        ),
    }  # fmt: skip


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The path of a headless Chromium, or a skip that says what is missing."""
    import shutil

    found = shutil.which("chromium") or shutil.which("chromium-browser")
    found = found or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no chromium, chromium-browser or google-chrome on the PATH")
    return Path(found)
