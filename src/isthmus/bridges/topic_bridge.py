"""Topic bridge: vectors and texts land in one simplex, that of the topics of the texts."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from isthmus.bridges.all_or_nothing import all_or_nothing
from isthmus.bridges.rows import to_translate
from isthmus.bridges.stored import Stored
from isthmus.core.arrays import Array, like, matrix, namespace, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="topic_bridge",
    summary="Topic model of paired texts, and a softmax regression of vectors onto its topics.",
    paper=Paper(
        "Self-supervised learning of visual features through embedding images into text topic "
        "spaces",
        "Gomez et al.",
        2017,
    ),
    spaces=0,  # vectors on one side, texts on the other
    library="scikit-learn",
    cost="n d m",  # m: topics
    memory="n m + d m",
)


@register(CARD)
class TopicBridge(Stored, TransformerMixin, BaseEstimator):
    r"""The map x ↦ softmax(x W + b) that predicts the topics of the text that goes with x.

    Latent Dirichlet allocation on the texts gives each a distribution p over topics, without any
    label. W and b minimise the cross-entropy to it,

    .. math:: -\frac1n \sum_i \sum_t p_{it} \log \operatorname{softmax}(x_i W + b)_t
              + \frac{\alpha}{2} |W|^2,

    a convex problem (x centred, at unit mean square length). Texts go to the same simplex by the
    topic model (``encode_texts``), so that either can be searched by the other.

    Parameters
    ----------
    topics : number of topics
    alpha : penalty on W
    max_features : the most frequent words that count; a word in one text only never does
    passes : passes of the topic model over the texts
    rng : seed or Generator of the topic model

    Attributes
    ----------
    coef_ : (dx, t) float64;  intercept_ : (t,) float64
    components_ : (t, v) float64, the topic model's pseudo-counts of words
    vocabulary_ : (bytes,) int64, the v words in UTF-8, one a line; ``words()`` reads them
    concentration_ : the prior of a text's topics, 1 / topics

    Raises
    ------
    InputError
        On not one text a vector, texts without a word in common, fewer than 2 topics or rows, or
        values that are not finite.

    References
    ----------
    Gomez et al. 2017; Blei, Ng & Jordan 2003 for the topic model.

    Examples
    --------
    >>> texts = ["cat dog pet fur", "dog cat fur pet", "tax law court", "court tax law"] * 10
    >>> x = np.tile(np.eye(2), (10, 2)).reshape(40, 2)[[0, 2, 1, 3] * 10]
    >>> bridge = TopicBridge(topics=2).fit(x, texts)
    >>> topic = bridge.encode_texts(["a cat and its fur"]).argmax()
    >>> bool(topic == bridge.transform(x[:1]).argmax())
    True
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        "coef_": ("dx", "dy"), "intercept_": ("dy",), "components_": ("dy", "v"),
        "vocabulary_": ("bytes",), "concentration_": (),
    }  # fmt: skip

    coef_: np.ndarray
    intercept_: np.ndarray
    components_: np.ndarray
    vocabulary_: np.ndarray
    concentration_: float
    n_features_in_: int

    def __init__(
        self, *, topics: int = 20, alpha: float = 1e-4, max_features: int = 5000,
        passes: int = 20, rng: Seed = 0,
    ) -> None:  # fmt: skip
        self.topics = topics
        self.alpha = alpha
        self.max_features = max_features
        self.passes = passes
        self.rng = rng

    @all_or_nothing
    def fit(self, X: Array, texts: Sequence[str]) -> Self:
        """Fit on vectors X (n, dx) and the n texts that go with them."""
        x = to_numpy(matrix("X", X, operation="TopicBridge.fit")).astype(np.float64)
        texts = _texts(texts, "TopicBridge.fit")
        if len(texts) != len(x) or len(x) < 2 or self.topics < 2:
            raise InputError(
                "TopicBridge.fit", f"{len(x)} vectors, {len(texts)} texts, {self.topics} topics",
                "one text a vector, at least 2 of them and 2 topics",
            )  # fmt: skip
        shares = self._fit_topics(texts)
        self.n_features_in_ = x.shape[1]
        mean = x.mean(axis=0)
        length = float(np.sqrt(np.mean(np.sum((x - mean) ** 2, axis=1)))) or 1.0
        w, b = _softmax_regression((x - mean) / length, shares, self.alpha)
        self.coef_ = w / length
        self.intercept_ = b - mean @ self.coef_
        return self

    def transform(self, X: Array) -> Array:
        """Predicted topics of vectors X (n, dx): rows on the simplex, (n, t), of X's own kind."""
        x = to_translate(self, X)
        xp = namespace(x)
        scores = x @ like(self.coef_, x) + like(self.intercept_, x)
        raised = xp.exp(scores - xp.max(scores, axis=1, keepdims=True))
        return raised / xp.sum(raised, axis=1, keepdims=True)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Topics of texts: rows on the simplex, (n, t); a text without a known word is even."""
        from sklearn.decomposition import LatentDirichletAllocation

        check_is_fitted(self)
        counts = _counter(vocabulary=self.words()).transform(_texts(texts, "encode_texts"))
        model = LatentDirichletAllocation(self.components_.shape[0])
        # The fitted state of the model, which files keep as plain arrays.
        model.components_ = self.components_
        model.exp_dirichlet_component_ = _expected(self.components_)
        model.doc_topic_prior_ = self.concentration_
        model.n_features_in_ = self.components_.shape[1]
        model.random_state_ = np.random.RandomState(0)  # only used in fitting
        return np.asarray(model.transform(counts))

    def words(self) -> list[str]:
        """The words that count, in the order of the columns of ``components_``."""
        return bytes(self.vocabulary_.astype(np.uint8)).decode().split("\n")

    def _try(self) -> None:
        self.n_features_in_ = len(self.coef_)
        self.transform(np.ones((1, self.n_features_in_)))
        self.encode_texts([""])  # there is a word for every column

    def _fit_topics(self, texts: Sequence[str]) -> np.ndarray:
        from sklearn.decomposition import LatentDirichletAllocation

        counter = _counter(max_features=self.max_features, min_df=2)
        try:
            counts = counter.fit_transform(texts)
        except ValueError as error:
            raise InputError(
                "TopicBridge.fit", "texts that have no word in common", "words in several texts"
            ) from error
        seed = int(generator(self.rng).integers(2**31))
        model = LatentDirichletAllocation(
            self.topics, learning_method="batch", max_iter=self.passes, random_state=seed
        ).fit(counts)
        self.components_ = np.asarray(model.components_)
        self.concentration_ = float(model.doc_topic_prior_)
        joined = "\n".join(counter.get_feature_names_out()).encode()
        self.vocabulary_ = np.frombuffer(joined, np.uint8).astype(np.int64)
        return np.asarray(model.transform(counts))

    @property
    def _n_features_out(self) -> int:
        return int(self.coef_.shape[1])


def _counter(**options: Any) -> Any:
    from sklearn.feature_extraction.text import CountVectorizer

    return CountVectorizer(**options)


def _expected(components: np.ndarray) -> np.ndarray:
    """The exponential of E[log β] of each topic's words β under its Dirichlet posterior."""
    from scipy.special import psi

    return np.asarray(np.exp(psi(components) - psi(components.sum(axis=1, keepdims=True))))


def _texts(texts: Any, operation: str) -> Sequence[str]:
    found = [texts] if isinstance(texts, str) else list(texts)
    if isinstance(texts, str) or not all(isinstance(text, str) for text in found):
        raise InputError(operation, f"texts {str(texts)[:60]!r}", "a sequence of strings")
    return found


def _softmax_regression(
    x: np.ndarray, shares: np.ndarray, alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    """W (d, t) and b (t,) of smallest penalised cross-entropy to rows of shares (n, t)."""
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    n, d, t = len(x), x.shape[1], shares.shape[1]

    def objective(both: np.ndarray) -> tuple[float, np.ndarray]:
        w, b = both[: d * t].reshape(d, t), both[d * t :]
        logs = log_softmax(x @ w + b, axis=1)
        value = -np.sum(shares * logs) / n + alpha / 2 * np.sum(w**2)
        pull = (np.exp(logs) - shares) / n
        return value, np.concatenate([(x.T @ pull + alpha * w).ravel(), pull.sum(axis=0)])

    start = np.concatenate([np.zeros(d * t), np.log(shares.mean(axis=0))])
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    return found[: d * t].reshape(d, t), found[d * t :]
