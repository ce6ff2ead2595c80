"""Text-graph bridge: sets of triples and texts in one space, to search and to compare."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from isthmus.bridges.all_or_nothing import all_or_nothing
from isthmus.bridges.mlp import torch_for
from isthmus.bridges.stored import Stored
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.neighbors import neighbors, unit
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="text_graph_bridge",
    summary="Contrastive embedding of sets of triples and of texts; scores how well they agree.",
    paper=Paper(
        "Joint Representations of Text and Knowledge Graphs for Retrieval and Evaluation",
        "Le Scao & Gardent",
        2023,
    ),
    spaces=0,  # triples on one side, texts on the other
    library="torch",
    cost="k n d",  # k: steps, d: words of a text
    memory="n d + m k",  # m: hashed features, k: dim
)

#: (subject, relation, object), all strings.
Triple = tuple[str, str, str]


@register(CARD)
class TextGraphBridge(Stored, BaseEstimator):
    r"""Triples G and texts T at unit codes f(G), g(T) that are alike where they say the same.

    A set of triples is written out as words, in any order. Either side becomes a bag of hashed
    words weighted by tf-idf, and is sent into the shared space by a matrix of its own. Both begin
    as one and the same random projection, so that before training the cosine is that of shared
    words; symmetric InfoNCE over batches of pairs then learns which different words belong
    together, by Adam.

    Parameters
    ----------
    dim : width of the shared space
    features : number of hashed features
    temperature : of InfoNCE
    steps, batch, rate : of Adam
    rng : seed or Generator of the projection and the batches

    Attributes
    ----------
    graph_head_, text_head_ : (features, dim) float32
    idf_ : (features,) float64, log((1 + n) / (1 + n_f)) + 1 over both sides' documents

    Raises
    ------
    InputError
        On not one text a set, fewer than 2 pairs, a set without a triple, or what is no triple.
    MissingExtra
        When torch is absent on fitting; applying needs none.

    References
    ----------
    Le Scao & Gardent 2023.

    Examples
    --------
    >>> graphs = [[("cat", "is a", "feline")], [("dog", "is a", "canine")]] * 20
    >>> texts = ["small animal that purrs", "small animal that barks"] * 20
    >>> bridge = TextGraphBridge(dim=16, features=1024, steps=20).fit(graphs, texts)
    >>> told = bridge.score(graphs[0], texts[0])
    >>> told > bridge.score(graphs[0], texts[1])
    True
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        "graph_head_": ("f", "k"), "text_head_": ("f", "k"), "idf_": ("f",),
    }  # fmt: skip

    graph_head_: np.ndarray
    text_head_: np.ndarray
    idf_: np.ndarray

    def __init__(
        self, *, dim: int = 256, features: int = 2**15, temperature: float = 0.05,
        steps: int = 700, batch: int = 256, rate: float = 1e-2, rng: Seed = 0,
    ) -> None:  # fmt: skip
        self.dim = dim
        self.features = features
        self.temperature = temperature
        self.steps = steps
        self.batch = batch
        self.rate = rate
        self.rng = rng

    @all_or_nothing
    def fit(self, graphs: Sequence[Iterable[Triple]], texts: Sequence[str]) -> Self:
        """Fit on sets of triples and the text that goes with each."""
        written, texts = [linearised(g) for g in graphs], _texts(texts)
        if len(written) != len(texts) or len(texts) < 2:
            raise InputError(
                "TextGraphBridge.fit", f"{len(written)} sets of triples and {len(texts)} texts",
                "one text a set, at least 2",
            )  # fmt: skip
        rng = generator(self.rng)
        counts = [_counted(side, self.features) for side in (written, texts)]
        documents = sum(np.bincount(c.indices, minlength=self.features) for c in counts)
        self.idf_ = np.log((1 + 2 * len(texts)) / (1 + documents)) + 1
        start = (rng.normal(size=(self.features, self.dim)) / np.sqrt(self.dim)).astype(np.float32)
        bags = [_weighted(c, self.idf_) for c in counts]
        self.graph_head_, self.text_head_ = self._trained(start, bags, rng)
        return self

    def encode_graphs(self, graphs: Sequence[Iterable[Triple]]) -> np.ndarray:
        """Unit codes (n, dim) of sets of triples; a set of unknown words is zero."""
        check_is_fitted(self)
        return self._codes([linearised(g) for g in graphs], self.graph_head_)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Unit codes (n, dim) of texts; a text without a word is zero."""
        check_is_fitted(self)
        return self._codes(_texts(texts), self.text_head_)

    def search(self, queries: Sequence[Any], candidates: Sequence[Any], k: int = 10) -> np.ndarray:
        """Numbers (n, k) of the candidates nearest to each query, best first.

        Queries and candidates are texts or sets of triples, each side of one kind.
        """
        codes = [
            self.encode_texts(side) if isinstance(next(iter(side), None), str)
            else self.encode_graphs(side)
            for side in (queries, candidates)
        ]  # fmt: skip
        return np.asarray(neighbors(codes[0], codes[1], k, metric="cosine")[0])

    def score(self, triples: Iterable[Triple], text: str) -> float:
        """Cosine of a set of triples with a text: how far it says what they say, -1 to 1."""
        return float(self.encode_graphs([triples])[0] @ self.encode_texts([text])[0])

    def _try(self) -> None:
        self.score([("a", "b", "c")], "a")

    def _codes(self, texts: Sequence[str], head: np.ndarray) -> np.ndarray:
        return unit(np.asarray(_weighted(_counted(texts, len(head)), self.idf_) @ head))

    def _trained(
        self, start: np.ndarray, bags: list[Any], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        torch = torch_for("TextGraphBridge.fit")
        heads = [torch.from_numpy(start.copy()).requires_grad_() for _ in bags]
        optimiser = torch.optim.SparseAdam(heads, lr=self.rate)
        n = bags[0].shape[0]
        truth = torch.arange(min(self.batch, n))
        for _ in range(self.steps):
            rows = rng.choice(n, len(truth), replace=False)
            u, v = (
                torch.nn.functional.normalize(_gathered(torch, head, bag[rows]), dim=1)
                for head, bag in zip(heads, bags, strict=True)
            )
            scores = u @ v.T / self.temperature
            cross = torch.nn.functional.cross_entropy
            loss = (cross(scores, truth) + cross(scores.T, truth)) / 2
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        one, two = (head.detach().numpy() for head in heads)
        return one, two


def linearised(triples: Iterable[Triple]) -> str:
    """A set of triples as one text, in alphabetical order so that theirs does not matter.

    >>> linearised([("dog", "is a", "canine"), ("cat", "is a", "feline")])
    'cat is a feline . dog is a canine'
    """
    given = [triples] if isinstance(triples, str) else list(triples)
    sound = all(
        not isinstance(t, str) and len(t) == 3 and all(isinstance(part, str) for part in t)
        for t in given
    )
    if not given or not sound:
        raise InputError(
            "linearise", f"{str(given)[:60]}", "at least one (subject, relation, object) of strings"
        )
    return " . ".join(sorted(" ".join(t) for t in given))


def _counted(texts: Sequence[str], features: int) -> Any:
    """Which hashed words, underscores read as spaces, each text holds, (n, features) sparse."""
    from sklearn.feature_extraction.text import HashingVectorizer

    hashing = HashingVectorizer(
        n_features=features, alternate_sign=False, norm=None, binary=True, token_pattern=r"[^\W_]+"
    )
    return hashing.transform(texts).tocsr()


def _weighted(counts: Any, idf: np.ndarray) -> Any:
    """Rows of counts times idf at length one, float32."""
    from sklearn.preprocessing import normalize

    scaled = counts.copy().astype(np.float64)
    scaled.data *= idf[scaled.indices]
    return normalize(scaled).astype(np.float32)


def _gathered(torch: Any, head: Any, bag: Any) -> Any:
    """``bag`` (m, f) sparse times ``head`` (f, k), with a sparse gradient."""
    return torch.nn.functional.embedding_bag(
        torch.from_numpy(bag.indices.astype(np.int64)), head,
        torch.from_numpy(bag.indptr[:-1].astype(np.int64)), mode="sum", sparse=True,
        per_sample_weights=torch.from_numpy(bag.data),
    )  # fmt: skip


def _texts(texts: Any) -> list[str]:
    found = [] if isinstance(texts, str) else list(texts)
    if isinstance(texts, str) or not all(isinstance(text, str) for text in found):
        raise InputError("TextGraphBridge", f"texts {str(texts)[:60]!r}", "a sequence of strings")
    return found
