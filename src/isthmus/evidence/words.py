"""Word spaces trained here on real text: the documentation inside Python and its numeric packages.

Both models are closed forms of what the well-known trainers minimise. Skip-gram with negative
sampling factorises the pointwise mutual information of words and contexts (Levy & Goldberg 2014),
so a truncated SVD of that matrix is the word2vec-like space; with word vectors constrained to sums
of character n-gram vectors, as fastText has them, it is the fastText-like one.
"""

import re
import sysconfig
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from isthmus.evidence.corpora import documented, sources

PACKAGES = ("numpy", "scipy", "sklearn")
WINDOW = 5
_TOKEN = re.compile(r"[a-z]{2,}")
_COMMENT = re.compile(r"^[ \t]*#(.*)$", re.M)


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text as words: ``texts`` (one list of words per source file), and their number."""

    texts: tuple[tuple[str, ...], ...]

    @property
    def total(self) -> int:
        """How many words there are."""
        return sum(map(len, self.texts))

    def halves(self, *, seed: int) -> tuple["Tokens", "Tokens"]:
        """Two parts without a file in common, each file drawn to one of them."""
        side = np.random.default_rng(seed).permutation(len(self.texts)) % 2
        parts = [
            tuple(t for t, s in zip(self.texts, side, strict=True) if s == half) for half in (0, 1)
        ]
        return Tokens(parts[0]), Tokens(parts[1])


def python_text() -> Tokens:
    """The docstrings and comments of Python's library, numpy, scipy and scikit-learn, lower-cased.

    Python's language reference, which it installs as ``pydoc_data/topics.py``, is among them. The
    sources are parsed, never imported; tests are left out.
    """
    stdlib = Path(sysconfig.get_paths()["stdlib"])
    roots = [stdlib]
    for package in PACKAGES:
        spec = find_spec(package)
        if spec is not None and spec.submodule_search_locations:
            roots.append(Path(spec.submodule_search_locations[0]))
    texts = []
    for root in roots:
        for path in sources(root):
            words = _TOKEN.findall(_prose(path, root).lower())
            if words:
                texts.append(tuple(words))
    return Tokens(tuple(texts))


def _prose(path: Path, root: Path) -> str:
    source = path.read_text(encoding="utf-8", errors="replace")
    if path.name == "topics.py":
        return source.replace("\\n", " ")
    return "\n".join(
        [text for _, text in documented(path, root)]
        + [comment.group(1) for comment in _COMMENT.finditer(source)]
    )


def vocabulary(parts: Iterable[Tokens], *, least: int) -> tuple[str, ...]:
    """Words of three letters or more seen at least ``least`` times in every part, sorted."""
    kept: set[str] | None = None
    for part in parts:
        counts = Counter(word for text in part.texts for word in text if len(word) > 2)
        known = {word for word, count in counts.items() if count >= least}
        kept = known if kept is None else kept & known
    return tuple(sorted(kept or ()))


def mutual_information(tokens: Tokens, words: Sequence[str]) -> Any:
    """Positive pointwise mutual information (V, V) of words and their contexts, sparse.

    ``max(0, log p(w, c) / (p(w) p_a(c)))``, where ``p_a`` is the context distribution raised to
    0.75, and a context at distance ``j`` in a window of 5 counts ``(6 - j) / 5``, as word2vec's
    random windows do on average (Levy, Goldberg & Dagan 2015, sections 2 and 3).

    Examples
    --------
    >>> tokens = Tokens((("red", "apple", "red", "apple"),))
    >>> mutual_information(tokens, ("apple", "red")).shape
    (2, 2)
    """
    from scipy.sparse import coo_array, csr_array

    index = {word: i for i, word in enumerate(words)}
    # The words left out still take up their places in the window; -1 also parts the files.
    stream = np.array(
        [i for text in tokens.texts for i in (*(index.get(w, -1) for w in text), *[-1] * WINDOW)]
    )
    counts = csr_array((len(words), len(words)), dtype=np.float64)
    for distance in range(1, WINDOW + 1):
        left, right = stream[:-distance], stream[distance:]
        both = (left >= 0) & (right >= 0)
        weight = np.full(int(both.sum()), (WINDOW + 1 - distance) / WINDOW)
        counts = counts + coo_array((weight, (left[both], right[both])), shape=counts.shape).tocsr()
    counts = (counts + counts.T).tocoo()
    word = np.asarray(counts.sum(axis=1)).ravel()
    context = np.asarray(counts.sum(axis=0)).ravel() ** 0.75
    row, column = counts.coords
    information = np.log(counts.data * context.sum() / (word[row] * context[column]))
    positive = information > 0
    kept = (information[positive], (row[positive], column[positive]))
    return csr_array(kept, shape=counts.shape)


def word2vec_like(information: Any, *, dim: int, seed: int) -> np.ndarray:
    """Word vectors (V, dim) ``U sqrt(S)`` of the truncated SVD of ``information`` (V, V)."""
    from sklearn.utils.extmath import randomized_svd

    left, strength, _ = randomized_svd(information, dim, random_state=seed)
    return np.asarray(left * np.sqrt(strength))


def fasttext_like(
    information: Any, words: Sequence[str], *, dim: int, seed: int, ridge: float = 1.0
) -> np.ndarray:
    """Word vectors (V, dim) that are sums of character n-gram vectors, fitted to ``information``.

    The words' vectors are ``G Z`` with ``G`` (V, n-grams) their n-grams of 3 to 6 characters and
    the word itself, rows of unit length. For a fixed target the ridge solution is
    ``G Z = K (K + ridge I)^-1 target`` with ``K = G G'``; the target is the mutual information, and
    its truncated SVD gives the vectors (Bojanowski et al. 2017, section 3.2).
    """
    from scipy.linalg import cho_factor, cho_solve

    grams = subwords(words)
    kernel = (grams @ grams.T).toarray().astype(np.float32)
    factor = cho_factor(kernel + np.float32(ridge) * np.eye(len(words), dtype=np.float32))
    target = information.toarray().astype(np.float32)
    # K (K + r I)^-1 T = T - r (K + r I)^-1 T saves one product of the two largest matrices here.
    smoothed = target - np.float32(ridge) * cho_solve(factor, target)
    return word2vec_like(smoothed, dim=dim, seed=seed)


def subwords(words: Sequence[str], *, buckets: int = 2**18) -> Any:
    """Each word's n-grams of 3 to 6 characters and itself, hashed: sparse (V, buckets), unit rows.

    Examples
    --------
    >>> grams = subwords(["walk", "walking", "zoo"])
    >>> (grams @ grams.T).toarray().round(2)[0].argsort().tolist()
    [2, 1, 0]
    """
    from scipy.sparse import csr_array

    rows, columns = [], []
    for row, word in enumerate(words):
        marked = f"<{word}>"
        grams = {marked} | {
            marked[i : i + size] for size in range(3, 7) for i in range(len(marked) - size + 1)
        }
        rows += [row] * len(grams)
        columns += [crc32(gram.encode()) % buckets for gram in sorted(grams)]
    rows_of = np.array(rows)
    weight = 1 / np.sqrt(np.bincount(rows_of, minlength=len(words)))
    return csr_array((weight[rows_of], (rows_of, np.array(columns))), shape=(len(words), buckets))
