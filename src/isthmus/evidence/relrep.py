"""Relative representations: spaces trained apart become comparable as similarities to anchors."""

from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np

from isthmus.anchors.uniform import uniform
from isthmus.bridges.product_of_invariances import ProductOfInvariances
from isthmus.bridges.similarities import relative
from isthmus.core.card import Paper
from isthmus.evidence.corpora import digits
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from
from isthmus.evidence.networks import autoencoder, hidden

SLUG = "relrep"
PAPER = Paper(
    "Relative representations enable zero-shot latent space communication",
    "Moschella et al.",
    2023,
    where="eq. 1 and section 5",
)
CLAIM = (
    "Rotating and rescaling a space changes its cosine codes by less than 1e-6, and a head trained "
    "on 64-anchor cosine codes of one digits autoencoder keeps at least 90 % of its accuracy on "
    "those of another one, where a head on raw codes keeps less than 40 %."
)
ANCHORS = 64
TRAIN = 1200

Codes = Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]


def two_autoencoders(
    images: np.ndarray, train: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Codes (n, 32) of all ``images`` under two autoencoders that differ in their seed alone."""
    first, second = seeds_from(seed, 2)
    return tuple(  # type: ignore[return-value]
        hidden(autoencoder(images[train], seed=s), images, layer=2) for s in (first, second)
    )


def rotation_change(x: np.ndarray, anchors: np.ndarray, *, seed: int) -> tuple[float, float]:
    """Largest change of a code of ``x`` (n, d) when space and anchors are moved together.

    The first number is for a random rotation and a random scale from 0.01 to 100; the second, the
    control, for a shift by one standard deviation, which cosine codes do not cancel.
    """
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.standard_normal((x.shape[1], x.shape[1])))[0]
    moved = x @ rotation * 10.0 ** rng.uniform(-2, 2)
    shifted = x + x.std(axis=0) * rng.choice([-1.0, 1.0], x.shape[1])
    codes = relative(x, x[anchors])
    turned, control = relative(moved, moved[anchors]), relative(shifted, shifted[anchors])
    return float(np.abs(codes - turned).max()), float(np.abs(codes - control).max())


def head_accuracy(
    own: np.ndarray, other: np.ndarray, labels: np.ndarray, train: np.ndarray, test: np.ndarray
) -> tuple[float, float]:
    """Accuracy of a linear head fitted to ``own`` (n, m), on ``own`` and on ``other``."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    head.fit(own[train], labels[train])
    return head.score(own[test], labels[test]), head.score(other[test], labels[test])


def product(
    a: np.ndarray, b: np.ndarray, train: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Product-of-invariances codes (n, 64) of both spaces; those of ``b`` come to ``a``'s head."""
    bridge = ProductOfInvariances(anchors=ANCHORS, rng=seed).fit(b[train], a[train])
    return bridge.encode_target(a), bridge.encode_source(b)


def experiment(seeds: Sequence[int], *, codes: Codes = two_autoencoders) -> dict[str, Figure]:
    """Everything measured, one split, pair of encoders and anchor set per seed."""
    images, labels = digits()
    rows: list[tuple[float, ...]] = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(images))
        train, test = order[:TRAIN], order[TRAIN:]
        a, b = codes(images, train, seed)
        anchors = train[uniform(a[train], ANCHORS, rng=rng)]
        turned, shifted = rotation_change(a, anchors, seed=seed)
        own, stitched = head_accuracy(
            relative(a, a[anchors]), relative(b, b[anchors]), labels, train, test
        )
        own_raw, stitched_raw = head_accuracy(a, b, labels, train, test)
        own_product, stitched_product = head_accuracy(
            *product(a, b, train, seed), labels, train, test
        )
        rows.append(
            (
                turned, shifted, own, stitched, stitched / own, own_raw, stitched_raw / own_raw,
                stitched_product / own_product,
            )
        )  # fmt: skip
    columns: list[list[float]] = np.transpose(rows).tolist()
    turns, shifts, owns, stitches, kept, owns_raw, kept_raw, kept_product = columns
    n, s = len(images) - TRAIN, tuple(seeds)
    return {
        "rotation": Figure(
            what="largest change of a code under rotation and rescaling, worst seed",
            value=max(turns),
            n=len(images),
            seeds=s,
            at_most=1e-6,
        ),
        "shift": Figure(
            what="the same under a shift, which cosine does not cancel, mildest seed",
            value=min(shifts),
            n=len(images),
            seeds=s,
        ),
        "own": over_seeds("accuracy of the head on its own relative codes", owns, n=n, seeds=s),
        "stitched": over_seeds("its accuracy on the other encoder's", stitches, n=n, seeds=s),
        "kept": over_seeds("accuracy kept on relative codes", kept, n=n, seeds=s, at_least=0.9),
        "own_raw": over_seeds("accuracy of a head on its own raw codes", owns_raw, n=n, seeds=s),
        "kept_raw": over_seeds("accuracy kept on raw codes", kept_raw, n=n, seeds=s, at_most=0.4),
        "kept_product": over_seeds(
            "accuracy kept on codes by four similarities", kept_product, n=n, seeds=s
        ),
    }


def run(*, seed: int = 0) -> Evidence:
    """The claim on ten seeds; about eight seconds."""
    started = perf_counter()
    figures = experiment(seeds_from(seed, 10))
    kept, raw = figures["kept"].value, figures["kept_raw"].value
    return recorded(
        SLUG,
        PAPER,
        CLAIM,
        seed=seed,
        started=started,
        figures=figures,
        what_holds=(
            f"A head stitched through {ANCHORS} shared anchors keeps {kept:.0%} of its accuracy, "
            f"through raw codes {raw:.0%}, through codes by four similarities "
            f"{figures['kept_product'].value:.0%}; a shift of the space is not cancelled."
        ),
    )
