"""Store doctor: what only a store can have wrong, besides what is wrong with its vectors."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from textwrap import fill
from typing import Any, cast

import numpy as np

from isthmus.core.errors import InputError, IsthmusError
from isthmus.core.neighbors import METRICS, neighbors
from isthmus.core.random import Seed
from isthmus.core.score import Score
from isthmus.measures.doctor import Health, doctor
from isthmus.measures.findings import SEVERITIES
from isthmus.retrieval.bootstrap import interval
from isthmus.spaces.fingerprint import Fingerprint
from isthmus.spaces.open import open
from isthmus.spaces.sampling import spread_rows
from isthmus.spaces.space import Space
from isthmus.spaces.stores.columns import StoreColumn
from isthmus.spaces.stores.store import Facts, Store, shadow_name
from isthmus.upgrade.index_recall import K, index_recall

#: Rows that an encoder is recognised by, and neighbours under two metrics are compared on.
_SAMPLE = 5000
#: Recall that an index is seen to stay below: what costs answers, and what is good to know.
_POOR, _FAIR = 0.9, 0.97
#: Rows that an exact search goes through in some milliseconds: below, an index gains little.
_MANY = 10_000
#: Longest over shortest (99 % over 1 %) of lengths that count as one: every metric ranks alike.
_EQUAL = 1.01

#: What helps, by the name of the finding.
REMEDIES = {
    "foreign_vectors": "Find out what made these vectors before anything is searched or moved: a "
    "bridge on vectors of another encoder answers at random.",
    "no_metric": "Declare the metric that the encoder was made for, in the index or collection.",
    "other_metric": "Search by the metric that the encoder was made for, or scale the vectors to "
    "unit length, on which all metrics rank alike.",
    "no_index": "Build one where searches take too long (HNSW or IVF; in PostgreSQL: CREATE INDEX "
    "CONCURRENTLY ON table USING hnsw (column vector_cosine_ops)), or keep exact search.",
    "invalid_index": "Wait where it is being built (in PostgreSQL: pg_stat_progress_create_index), "
    "else build it anew: REINDEX INDEX CONCURRENTLY name. Each write pays for it already.",
    "lost_recall": "Search wider (efSearch, ef_search, nprobe, probes), or build the index anew: "
    "an IVF keeps the cells of the vectors it was trained on.",
    "no_vector": "Embed these rows, or remove them: no search finds them, and no job moves them.",
    "leftover": "If no job of this name is at work, finish it, roll it back or drop it: what lies "
    "there takes room. isthmus jobs lists those that this machine knows.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFinding:
    """One thing that is wrong with a store: ``severity`` broken, harmful or notable."""

    name: str
    severity: str
    says: str

    @property
    def remedy(self) -> str:
        """What helps, in a sentence."""
        return REMEDIES[self.name]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON, remedy included."""
        return {**asdict(self), "remedy": self.remedy}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """What a job has in a store: its ``shadow``, or (``live``) the old vectors it replaced.

    ``rows`` and ``recall`` (of its own index) are None where they could not be asked for.
    """

    job: str
    state: str
    rows: int | None
    recall: Score | None

    def __str__(self) -> str:
        what = "a shadow" if self.state == "shadow" else "serves; the old vectors are kept"
        rows = "" if self.rows is None else f", {self.rows:,} rows"
        if self.recall is not None:
            return f"{what}{rows}, recall@{K} {self.recall}"
        return f"{what}{rows}, recall not measured: no index to search, or not built yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreHealth:
    """How a store is: its own facts and findings, worst first, and the health of its vectors.

    ``encoder`` says which known encoder made the vectors, "" where none was given; ``agreement``
    is the share of the 10 nearest that the store's metric and the encoder's have in common, None
    where they are one or lengths are equal; ``recall`` that of the store's own search against exact
    search, None where it has none.
    """

    name: str
    store: str
    facts: Facts
    encoder: str
    lengths: str
    agreement: Score | None
    recall: Score | None
    leftovers: tuple[Leftover, ...]
    findings: tuple[StoreFinding, ...]
    health: Health = field(repr=False)

    def verdict(self) -> str:
        """How many findings of which severity, those on the vectors included."""
        every = [one.severity for one in self.findings]
        every += [one.severity for one in self.health.findings]
        counts = [(every.count(severity), severity) for severity in SEVERITIES]
        told = ", ".join(f"{count} {severity}" for count, severity in counts if count)
        return told or "nothing found wrong"

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "kind": "store health", "name": self.name, "store": self.store,
            "facts": asdict(self.facts), "encoder": self.encoder, "lengths": self.lengths,
            "agreement": self.agreement and self.agreement.as_dict(),
            "recall": self.recall and self.recall.as_dict(),
            "leftovers": [
                {"job": one.job, "state": one.state, "rows": one.rows,
                 "recall": one.recall and one.recall.as_dict()}
                for one in self.leftovers
            ],
            "findings": [one.as_dict() for one in self.findings],
            "health": self.health.as_dict(),
        }  # fmt: skip

    def lines(self) -> list[tuple[str, str]]:
        """What was measured, as pairs of a heading and its words."""
        facts = self.facts
        recall = "not measured: it has no search of its own, or no metric is known"
        found = [
            ("store", self.store),
            ("metric", facts.metric or "not declared"),
            ("lengths", self.lengths),
            ("index", facts.index or "none: search is exact"),
            (f"recall@{K}", recall if self.recall is None else f"{self.recall} queries"),
        ]
        if facts.normalised:
            found.insert(2, ("normalised", "by the store, to unit length: lengths are lost"))
        if self.agreement is not None:
            found.append(("metrics agree on", f"{self.agreement} queries"))
        if self.encoder:
            found.append(("made by", self.encoder))
        return found + [(f"job {one.job}", str(one)) for one in self.leftovers]

    def __str__(self) -> str:
        text = [f"{self.name}: {self.verdict()}"]
        text += [_row(f"  {name:<22}", words) for name, words in self.lines()]
        for found in self.findings:
            text += ["", _row(f"  {found.severity.upper():<10}", found.says + ".")]
            text.append(_row(f"  {'helps':<10}", found.remedy))
        return "\n".join([*text, "", "The vectors themselves", str(self.health)])


def store_of(space: Space) -> Store | None:
    """The store that ``space`` was opened from, None where it lies elsewhere."""
    column = space.vector_column
    return column.store if isinstance(column, StoreColumn) else None


def store_doctor(
    source: Any,
    *,
    known: Mapping[str, Fingerprint] | None = None,
    rows: int = 5000,
    queries: int = 200,
    rng: Seed = 0,
) -> StoreHealth:
    """What is wrong with a store: its encoder, metric, index, gaps and leftovers, and its vectors.

    Recall is that of the store's own search with its own settings: for ``queries`` stored vectors,
    the share of their 10 nearest others (by exact search over all rows, ties included) that it
    finds, with the bootstrap interval over queries.

    Parameters
    ----------
    source : an address, whose connection is closed again, or a Space opened from one
    known : fingerprints of encoders that may have made the vectors, by what to call them
    rows : sample for what ``isthmus.doctor`` measures
    queries : stored vectors that are searched for
    rng : seed or generator

    Raises
    ------
    InputError
        When ``source`` is no store.
    StorageError
        When the store cannot be read.

    Examples
    --------
    >>> import tempfile, isthmus
    >>> from isthmus.spaces.stores import create
    >>> from isthmus.spaces.stores.store import Rows
    >>> address = f"faiss://{tempfile.mkdtemp()}/corpus.faiss"
    >>> x = np.random.default_rng(0).normal(size=(300, 8)).astype("float32")
    >>> with create(address, dim=8, metric="euclidean", id_kind="int") as store:
    ...     store.upsert(Rows(np.arange(300), x))
    >>> store_doctor(address).recall.value
    1.0
    """
    space = source if isinstance(source, Space) else open(source)
    store = store_of(space)
    if store is None:
        raise InputError("doctor of a store", f"{space.name!r}, no store", "an address")
    if space is not source:
        with store:
            return store_doctor(space, known=known, rows=rows, queries=queries, rng=rng)
    facts = store.facts()
    health = doctor(space, rows=rows, rng=rng)
    findings: list[StoreFinding] = []
    some = np.asarray(space.take(spread_rows(len(space), _SAMPLE)))
    some = some[np.isfinite(some).all(axis=1)]
    encoder, metric = _encoder(some, known or {}, findings)
    lengths, agreement = _metric(some, facts, metric, health, queries, rng, findings)
    recall = index_recall(space, store, queries=queries, rng=rng)
    _judge_index(facts, findings)
    _judge_recall(recall, facts, "The index", findings)
    if facts.missing:
        findings.append(
            StoreFinding(
                name="no_vector", severity="notable", says=f"{facts.missing:,} rows have no vector"
            )
        )
    leftovers = tuple(_leftover(store, job, known or {}, queries, rng) for job in store.jobs())
    for one in leftovers:
        findings.append(
            StoreFinding(
                name="leftover", severity="notable",
                says=f"The job {one.job} has something in this store: {str(one).split(',')[0]}",
            )
        )  # fmt: skip
        if one.state == "shadow":
            _judge_recall(one.recall, facts, f"The shadow of {one.job}", findings)
    return StoreHealth(
        name=space.name, store=store.address.redacted, facts=facts, encoder=encoder,
        lengths=lengths, agreement=agreement, recall=recall, leftovers=leftovers, health=health,
        findings=tuple(sorted(findings, key=lambda one: SEVERITIES.index(one.severity))),
    )  # fmt: skip


def _encoder(
    some: np.ndarray, known: Mapping[str, Fingerprint], findings: list[StoreFinding]
) -> tuple[str, str | None]:
    """Which of the known encoders made the rows, in words, and the metric it declares."""
    if not known or not len(some):
        return "", None
    matches = {name: print_.matches(some) for name, print_ in known.items()}
    fitting = {name: match for name, match in matches.items() if match.ok}
    sure = {name: match for name, match in fitting.items() if match.decided}
    if fitting:
        told = sure or fitting
        metrics = {known[name].metric for name in told}
        words = " or ".join(told) if sure else f"{' or '.join(told)}, which cannot be told"
        reason = next(iter(told.values())).reason
        return f"{words}. {reason}", metrics.pop() if len(metrics) == 1 else None
    reasons = " ".join(match.reason for match in matches.values())
    findings.append(
        StoreFinding(
            name="foreign_vectors", severity="broken",
            says=f"The vectors are not those of {' or '.join(matches)}",
        )
    )  # fmt: skip
    return f"none of those given. {reasons}", None


def _metric(
    some: np.ndarray, facts: Facts, encoders: str | None, health: Health, queries: int, rng: Seed,
    findings: list[StoreFinding],
) -> tuple[str, Score | None]:  # fmt: skip
    """What the lengths of vectors are, and how far that lets metrics differ."""
    if facts.metric is None:
        findings.append(
            StoreFinding(name="no_metric", severity="notable", says="Nothing declares a metric")
        )
    low, middle, high = health.norms or (0.0, 0.0, 0.0)
    if low > 0 and high <= _EQUAL * low:
        return f"all {middle:.4g}: by cosine, product and distance the ranking is one", None
    words = f"{low:.4g} (1 %) .. {middle:.4g} .. {high:.4g} (99 %): metrics rank differently"
    wanted = encoders if encoders in METRICS else "cosine"
    if facts.metric not in METRICS or facts.metric == wanted or len(some) <= K:
        return words, None
    picked = spread_rows(len(some), queries)
    near = [
        _others(neighbors(some[picked], some, K + 1, metric=metric)[0], picked)  # type: ignore[arg-type]
        for metric in (facts.metric, wanted)
    ]
    shared = np.array([len(np.intersect1d(a, b)) / K for a, b in zip(*near, strict=True)])
    agreement = Score(
        value=float(shared.mean()), ci=interval(shared, rng=rng), n=len(shared),
        method=f"overlap@{K}",
    )  # fmt: skip
    stated = encoders in METRICS
    if agreement.value < _FAIR:
        findings.append(
            StoreFinding(
                name="other_metric", severity="harmful" if stated else "notable",
                says=f"By {facts.metric}, {1 - agreement.value:.0%} of the {K} nearest are others "
                f"than by {wanted}, {'as its encoder declares' if stated else 'the usual metric'}",
            )
        )  # fmt: skip
    return words, agreement


def _judge_index(facts: Facts, findings: list[StoreFinding]) -> None:
    if facts.invalid:
        findings.append(
            StoreFinding(
                name="invalid_index", severity="harmful",
                says=f"No search uses the index {', '.join(facts.invalid)}: its build failed, or "
                "goes on",
            )
        )  # fmt: skip
    if facts.index is None and facts.rows >= _MANY:
        findings.append(
            StoreFinding(
                name="no_index", severity="notable",
                says=f"No index of the vectors: each search reads all {facts.rows:,}",
            )
        )  # fmt: skip


def _judge_recall(
    recall: Score | None, facts: Facts, what: str, findings: list[StoreFinding]
) -> None:
    if recall is None or recall.ci is None or recall.ci[1] >= _FAIR:
        return
    findings.append(
        StoreFinding(
            name="lost_recall", severity="harmful" if recall.ci[1] < _POOR else "notable",
            says=f"{what} finds {recall.value:.1%} of the {K} nearest that exact search by "
            f"{facts.metric} finds",
        )
    )  # fmt: skip


def _leftover(
    store: Store, job: str, known: Mapping[str, Fingerprint], queries: int, rng: Seed
) -> Leftover:
    """What a job has in the store, and how well its index searches."""
    state = "shadow"
    try:
        state = store.state(job)
        space = open(_elsewhere(store, job, state))
        with cast(Store, store_of(space)) as other:
            recall = index_recall(space, other, queries=queries, rng=rng)
            return Leftover(job=job, state=state, rows=len(space), recall=recall)
    except IsthmusError:  # empty, half written, or of a kind that only its job can open
        return Leftover(job=job, state=state, rows=None, recall=None)


def _elsewhere(store: Store, job: str, state: str) -> Any:
    if store.traits().shadow == "column":
        raise InputError("open a shadow", "a column", "a collection or file of its own")
    name = shadow_name(store.address.collection, job, old=state == "live")
    return store.address.elsewhere(collection=name)


def _others(near: np.ndarray, own: np.ndarray) -> np.ndarray:
    """The neighbours (q, k+1) but for the row itself, or the last where it is not among them."""
    drop = near == own[:, None]
    drop[~drop.any(axis=1), -1] = True
    return near[~drop].reshape(len(near), -1)


def _row(head: str, words: str) -> str:
    return fill(
        words, 80, initial_indent=head, subsequent_indent=" " * len(head),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
