r"""Containment probe: whether a passage's vector still tells which sentences are in the passage."""

from typing import Any

import numpy as np

from isthmus.core.arrays import Array, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.neighbors import unit
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.classes import accuracy
from isthmus.measures.rows import Z95

CARD = Card(
    name="containment_probe",
    summary="Held-out accuracy of telling from two vectors whether a sentence is in a passage.",
    paper=Paper(
        "Encouraging Paragraph Embeddings to Remember Sentence Identity Improves Classification",
        "Vu & Iyyer", 2019,
    ),
    cost="n d^2",
    memory="n d + d^2",
    invariant=("permutation", "isotropic_scale", "translation"),
    jointly=True,
    spaces=0,
    paired=False,
    chance=0.5,
    min_rows=8,
    caveat="Sentences of one passage are not independent: the interval counts passages.",
)  # fmt: skip

#: Penalties of the logistic regression, relative to the number of training pairs.
_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
_STEPS = 30


@register(CARD)
def containment_probe(
    p: Array, s: Array, passage: Any, *, position: Any = None, folds: int = 5, rng: Seed = 0
) -> Score:
    r"""Held-out share of right answers to: is this sentence in this passage?

    A logistic regression on products and absolute differences, both taken of unit vectors about
    their means,

    .. math:: \Pr(s \in p) = \sigma(w^\top [\,\hat p \odot \hat s,\ |\hat p - \hat s|\,] + b)

    is fitted on passages of all folds but one and asked about those of the last. Every sentence
    comes once with its own passage and once with another, drawn among passages of the same fold,
    so half of the answers are yes and chance is 1/2. No passage or sentence is in both sets. The
    penalty is chosen on a fifth of the training passages.

    The interval is over passages, the unit that is drawn (jackknife of a ratio). ``parts``:
    ``hits`` (m, 2) bool, of the true and of the foreign pair of each sentence; ``by_length``
    (3,), accuracy for the shortest, middle and longest third of passages by number of sentences;
    ``by_position`` (3,), recall of sentences in the first, middle and last third of their
    passage (in the order of ``position``, else as given).

    Parameters
    ----------
    p : (n, d) vectors of passages
    s : (m, d) vectors of sentences by the same encoder
    passage : (m,) row of ``p`` that each sentence is in
    position : (m,) place of each sentence within its passage
    folds : number of folds, at least 2
    rng : seed of folds and of foreign passages

    Raises
    ------
    InputError
        On non-finite values, unequal widths, row numbers out of range, folds below 2, or fewer than
        four passages a fold.

    References
    ----------
    Vu & Iyyer 2019.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> passage = np.repeat(np.arange(60), 3)
    >>> s = rng.normal(size=(180, 20))
    >>> mean = s.reshape(60, 3, 20).mean(axis=1)
    >>> containment_probe(mean, s, passage).value > 0.8
    True
    """
    p = matrix("p", p, operation="containment_probe")
    s = matrix("s", s, operation="containment_probe")
    p, s = to_numpy(p).astype(np.float64), to_numpy(s).astype(np.float64)
    of = np.asarray(passage)
    n, m = len(p), len(s)
    if p.shape[1] != s.shape[1]:
        raise InputError(
            "containment_probe", f"p {p.shape} and s {s.shape}", "one width, of one encoder",
            "Embed passages and sentences by the same encoder.",
        )  # fmt: skip
    if of.shape != (m,) or of.dtype.kind not in "iu" or of.min() < 0 or of.max() >= n:
        raise InputError(
            "containment_probe", f"passage of shape {of.shape} and dtype {of.dtype}",
            f"({m},) row numbers from 0 to {n - 1}", "Give each sentence the row of its passage.",
        )  # fmt: skip
    used = np.unique(of)
    if folds < 2 or len(used) < 4 * folds:
        raise InputError(
            "containment_probe",
            f"{folds} folds of {len(used)} passages with sentences: p {p.shape}, s {s.shape}",
            "2 folds or more, of 4 passages each", "Bring more passages, or take fewer folds.",
        )  # fmt: skip
    place = np.arange(m) if position is None else np.asarray(position)
    if place.shape != (m,):
        raise InputError(
            "containment_probe", f"position of shape {place.shape}", f"shape ({m},)",
            "Give one place for each sentence.",
        )  # fmt: skip
    draw = generator(rng)
    fold = np.full(n, -1)
    fold[draw.permutation(used)] = np.arange(len(used)) % folds
    other = _foreign(of, fold, folds, draw)
    hits = np.empty((m, 2), dtype=bool)
    for held in range(folds):
        inside = fold[of] == held
        # A fifth of the other passages chooses the penalty.
        spare = (fold[of] != held) & (np.searchsorted(used, of) % 5 == 0)
        train = ~inside & ~spare
        features = _Features(p[of[~inside]], s[~inside])
        sets = {
            name: np.stack([features(p[of[rows]], s[rows]), features(p[other[rows]], s[rows])])
            for name, rows in (("train", train), ("spare", spare), ("held", inside))
        }
        yes, no = sets["train"]
        fits = [_logistic(yes, no, penalty) for penalty in _PENALTIES]
        chosen = int(np.argmax([_right(w, sets["spare"]).mean() for w in fits]))
        yes, no = np.concatenate([sets["train"], sets["spare"]], axis=1)
        w = _logistic(yes, no, _PENALTIES[chosen])
        hits[inside] = _right(w, sets["held"]).T
    return _scored(hits, of, place)


class _Features:
    """Products and differences of unit vectors about the means of the training rows."""

    def __init__(self, p: np.ndarray, s: np.ndarray) -> None:
        self._means = p.mean(axis=0), s.mean(axis=0)

    def __call__(self, p: np.ndarray, s: np.ndarray) -> np.ndarray:
        a, b = (unit(side - mean) for side, mean in zip((p, s), self._means, strict=True))
        root = np.sqrt(p.shape[1])  # so that a feature is of the order of one
        return np.c_[a * b * root, np.abs(a - b), np.ones(len(a))] * np.sqrt(root)


def _foreign(of: np.ndarray, fold: np.ndarray, folds: int, draw: np.random.Generator) -> np.ndarray:
    """For each sentence a passage of the same fold that it is not in."""
    other = np.empty_like(of)
    for held in range(folds):
        rows = np.flatnonzero(fold[of] == held)
        among = np.unique(of[rows])
        step = draw.integers(1, len(among), size=len(rows))
        other[rows] = among[(np.searchsorted(among, of[rows]) + step) % len(among)]
    return other


def _logistic(yes: np.ndarray, no: np.ndarray, penalty: float) -> np.ndarray:
    """Weights (k,) of the ridge logistic regression, by Newton's method."""
    x = np.concatenate([yes, no])
    y = np.r_[np.ones(len(yes)), np.zeros(len(no))]
    w, ridge = np.zeros(x.shape[1]), penalty * len(x) * np.eye(x.shape[1])
    ridge[-1, -1] = 1e-9 * len(x)  # the constant is free
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(x @ w, -40, 40)))
        slope = x.T @ (chance - y) + ridge @ w
        step = np.linalg.solve((x * (chance * (1 - chance))[:, None]).T @ x + ridge, slope)
        w = w - step
        if float(np.abs(step).max()) < 1e-8 * (1 + float(np.abs(w).max())):
            break
    return w


def _right(w: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Whether each true pair is called so, and each foreign one not, (2, m)."""
    said = pairs @ w
    return np.stack([said[0] > 0, said[1] <= 0])


def _scored(hits: np.ndarray, of: np.ndarray, place: np.ndarray) -> Score:
    truth = np.tile([1, 0], len(hits))
    found = accuracy(np.where(hits.ravel(), truth, 1 - truth), truth, "containment_probe", ())
    _, numbers, sizes = np.unique(of, return_inverse=True, return_counts=True)
    right = np.bincount(numbers, weights=hits.mean(axis=1))
    value, count = float(hits.mean()), len(sizes)
    # A ratio of sums over passages: its residuals are the influences.
    rest = (right - value * sizes) / sizes.mean()
    half = Z95 * float(np.sqrt(rest @ rest / (count * (count - 1))))
    order = np.lexsort((place, numbers))
    rank = np.empty(len(of))
    rank[order] = np.arange(len(of)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    third = np.minimum(3 * rank // sizes[numbers], 2)
    # Middle ranks, so that a third is not empty where few lengths are shared by many passages.
    ordered = np.sort(sizes)
    middle = (np.searchsorted(ordered, sizes) + np.searchsorted(ordered, sizes, "right")) / 2
    long = np.minimum((3 * middle / count).astype(int), 2)[numbers]
    return Score(
        value=value, method="containment_probe", n=len(of), chance=0.5, z=found.z, p=found.p,
        ci=(value - half, value + half),
        parts={
            "hits": hits,
            "by_length": _means(hits.mean(axis=1), long),
            "by_position": _means(hits[:, 0].astype(float), third),
        },
    )  # fmt: skip


def _means(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The mean of each of three groups; -1 where one is empty."""
    return np.array(
        [float(values[group == g].mean()) if (group == g).any() else -1.0 for g in range(3)]
    )
