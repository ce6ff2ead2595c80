r"""Trace probe: can a nuisance be read from the vectors, and does it pull neighbours astray?"""

from typing import Any

import numpy as np

from isthmus.core.arrays import Array, matrix, row_blocks, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.neighbors import neighbors
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register
from isthmus.core.score import Score
from isthmus.measures.classes import codes
from isthmus.measures.linear_probe import linear_probe
from isthmus.measures.rows import called

CARD = Card(
    name="trace_probe",
    summary="How well nuisance metadata is read from vectors, and how it pulls neighbours.",
    paper=Paper(
        "Processing and acquisition traces in visual encoders: What does CLIP know about your "
        "camera?", "Ramos et al.", 2025,
    ),
    cost="n d^2 + n^2 d",
    memory="n d",
    invariant=("orthogonal", "isotropic_scale", "translation"),
    spaces=0,
    min_rows=12,
    caveat="The interval takes hits as independent. Rows that are versions of one item answer "
    "each other: give each item one version.",
)  # fmt: skip

#: Entries of one block of distances.
_CELLS = 1 << 21
_SCENES = ("toward", "neutral", "away")


@register(CARD)
def trace_probe(
    vecs: Array, metadata: Any, labels: Any = None, *, k: int = 10, rng: Seed = 0
) -> Score:
    r"""Held-out accuracy of a linear probe of the metadata; chance is exact over shuffles.

    .. math:: \frac1n \sum_i [\hat t_{-i}(x_i) = t_i], \quad
              \mathrm{neighbours\_alike} = \frac{1}{nk} \sum_i \sum_{j \in N_k(i)} [t_j = t_i]

    The value, interval, chance, z and p are ``linear_probe``'s with the metadata (codec, camera,
    size, encoder version) as classes. Parts say what the trace does to searches:

    ``neighbours_alike`` is the share of the k nearest rows (Euclidean) that share the row's trace,
    ``alike_by_chance`` what it would be were they drawn at random. With ``labels``, each row is
    classified by its k nearest among three sets of other rows, each holding equally many of its
    own class and of other classes: ``toward``, where those of its class share its trace and the
    others do not; ``away``, the reverse; and ``neutral``, regardless of trace. The parts of these
    names are accuracies; were the trace without effect, all three would be equal.

    Parameters
    ----------
    vecs : (n, d) array
    metadata : (n,) integers or strings of at least 2 kinds
    labels : (n,) classes that searches are meant to find, or None
    k : neighbours, below n
    rng : seed of the folds and of which rows stay in each set

    Raises
    ------
    InputError
        On non-finite values, rows that are all equal, metadata or labels of other length or one
        kind, k out of range, or where no row has others of its class with and without its trace.

    References
    ----------
    Ramos et al. 2025, "Processing and acquisition traces in visual encoders".

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> camera, kind = rng.integers(2, size=(2, 200))
    >>> x = rng.normal(size=(200, 4)) + np.column_stack([3 * camera, kind, kind, kind])
    >>> score = trace_probe(x, camera, kind)
    >>> score.value > 0.9, score.parts["toward"] > score.parts["away"]
    (True, True)
    """
    x = matrix("vecs", vecs, operation="trace_probe")
    n = x.shape[0]
    traces, sizes = codes(metadata, n, operation="trace_probe", min_rows=12)
    if not 1 <= k < n:
        raise InputError(
            "trace_probe",
            f"k={k} with vecs {tuple(x.shape)}",
            "1 <= k < rows",
            "Lower k, or bring more rows.",
        )
    draw = generator(rng)
    with called("trace_probe"):
        probe = linear_probe(x, traces, rng=draw)
    near = to_numpy(neighbors(x, x, k, exclude_self=True)[0])
    parts = {
        "neighbours_alike": float((traces[near] == traces[:, None]).mean()),
        "alike_by_chance": float(np.sum(sizes * (sizes - 1)) / (n * (n - 1))),
    }
    warnings = probe.warnings
    if labels is not None:
        kinds, _ = codes(labels, n, operation="trace_probe", min_rows=12)
        found = _scenes(to_numpy(x).astype(np.float64), traces, kinds, k, draw)
        asked = found[0] >= 0
        if not asked.any():
            raise InputError(
                "trace_probe",
                f"{n} rows, none with others of its class, and of others, of both traces",
                "metadata that vary within classes",
                "Bring rows of each class with other metadata, or leave labels out.",
            )
        parts |= {
            name: float(hits[asked].mean()) for name, hits in zip(_SCENES, found, strict=True)
        }
        lost = parts["neutral"] - parts["away"]
        if lost > 0.02:
            warnings += (
                f"where the trace runs against the classes, {100 * lost:.1f} points of k-NN "
                "accuracy are lost: remove it (or balance it) before comparing rows across it",
            )
    return Score(
        value=probe.value,
        method="trace_probe",
        n=n,
        ci=probe.ci,
        chance=probe.chance,
        z=probe.z,
        p=probe.p,
        warnings=warnings,
        parts={**probe.parts, **parts},
    )


def _scenes(
    x: np.ndarray, traces: np.ndarray, kinds: np.ndarray, k: int, draw: np.random.Generator
) -> np.ndarray:
    """Hits (3, n) of the three searches, 1 or 0, and -1 for rows that lack one of the sets."""
    from scipy.spatial.distance import cdist

    n = len(x)
    # Columns in random order, so that keeping the first few of a set draws them.
    order = draw.permutation(n)
    base, seen, kind = x[order], traces[order], kinds[order]
    hits = np.full((3, n), -1)
    for rows in row_blocks(n, max(1, _CELLS // n)):
        own = np.arange(rows.start, rows.stop)[:, None]
        mine = (kind == kinds[rows, None]) & (order != own)
        other = kind != kinds[rows, None]
        same = seen == traces[rows, None]
        p, q = (np.minimum((s & same).sum(1), (s & ~same).sum(1)) for s in (mine, other))
        sets = (
            _first(mine & same, p) | _first(other & ~same, q),
            _first(mine, p) | _first(other, q),
            _first(mine & ~same, p) | _first(other & same, q),
        )
        far = cdist(x[rows], base)
        fine = (p > 0) & (q > 0)
        for scene, held in enumerate(sets):
            right = _vote(np.where(held, far, np.inf), kind, k) == kinds[rows]
            hits[scene, rows] = np.where(fine, right, -1)
    return hits


def _first(mask: np.ndarray, count: np.ndarray) -> np.ndarray:
    """The first ``count`` (b,) true entries of each row of ``mask`` (b, n)."""
    return np.asarray(mask & (np.cumsum(mask, axis=1) <= count[:, None]))


def _vote(far: np.ndarray, kind: np.ndarray, k: int) -> np.ndarray:
    """The class most frequent among the k nearest columns, ties to the nearest among the tied."""
    near = np.argsort(far, axis=1, kind="stable")[:, :k]
    there = np.isfinite(np.take_along_axis(far, near, axis=1))
    cast = (kind[near][:, :, None] == np.arange(kind.max() + 1)) & there[:, :, None]
    nearest = np.where(cast.any(axis=1), np.argmax(cast, axis=1), k)
    return np.asarray(np.argmax(cast.sum(axis=1) - nearest / (k + 1), axis=1))
