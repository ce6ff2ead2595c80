"""Local mixture bridge: one map for each region of the source, blended, none far from the whole."""

from typing import ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.map import Map
from isthmus.bridges.rows import Pairing, paired_rows, to_translate
from isthmus.core.arrays import Array, like, namespace, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.linalg import RidgePath, procrustes
from isthmus.core.moments import Moments
from isthmus.core.options import Limit
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="local_mixture",
    summary="A map for each source cluster, softly gated and shrunk towards one map for all.",
    paper=Paper("Adaptive Mixtures of Local Experts", "Jacobs et al.", 1991),
    invariant=("orthogonal", "isotropic_scale", "translation"),
    equivariant=("orthogonal", "isotropic_scale", "translation"),
    library="scikit-learn",
    cost="k n d^2 + k d^3",
    memory="k d^2 + n k",
    min_rows=2,
)

#: How much the map for all weighs in each local one, in rows a cluster of average size has.
_PULLS = (0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, np.inf)
#: Mean rows a cluster needs before there is a second one.
_LEAST = 50


@register(CARD)
class LocalMixture(Map, TransformerMixin, BaseEstimator):
    r"""The map x ↦ x W + b + Σ_c g_c(x) ((x - m_c) D_c + e_c), local corrections of one map.

    k-means finds centres m_c of the source; the gates are soft, g_c ∝ exp(-|x - m_c|²/(2 σ²)) with
    2 σ² the mean squared distance of a row to its centre. W, b is the map for all: ridge regression
    as in ``Affine``, or Procrustes. Cluster c then fits the rows by their weights g_c, pulled
    towards it by κ rows' worth of the average scatter:

        affine      D_c = (S_c + κ S_n)⁻¹ (C_c - S_c W), hence zero for κ = ∞
        orthogonal  W + D_c the Procrustes rotation of C_c + κ C_n

    with S_c, C_c the weighted centred (cross-)scatters in the cluster, S_n and C_n their averages
    over clusters, and e_c what is left in the mean, n_c/(n_c + κ n/k) of it. κ = ∞, which is the
    map for all, is tried beside seven smaller ones on a fifth of the pairs held back. The largest κ
    within one standard error of the best is used: few pairs, or one map that fits everywhere, end
    as ``Affine`` or ``Orthogonal`` does.

    Parameters
    ----------
    clusters : k, or None for one in 50 pairs, at most 8
    kind : ``affine`` or ``orthogonal``
    pull : κ, ``inf`` for one map everywhere, or None to choose it
    rng : seed or Generator of the clustering and of the held-out fifth

    Attributes
    ----------
    centres_ : (k, dx);  width_ : σ
    maps_ : (k, dx, dy), W + D_c;  constants_ : (k, dy), b + e_c - m_c D_c
    locality_ : 1/(1 + κ): 0 is the map for all

    Raises
    ------
    InputError
        On an unknown kind, fewer than one cluster, or on rows that are not finite, not paired, or
        fewer than 2.

    References
    ----------
    Jacobs et al. 1991.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(400, 3))
    >>> x[:200] += 6
    >>> y = np.where(x[:, :1] > 3, x, -x)  # one half is mirrored
    >>> LocalMixture(clusters=2).fit(x, y).score(x[:100], y[:100]) > 0.8
    True
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        "centres_": ("k", "dx"), "width_": (), "maps_": ("k", "dx", "dy"),
        "constants_": ("k", "dy"), "locality_": (),
    }  # fmt: skip

    centres_: np.ndarray
    width_: float
    maps_: np.ndarray
    constants_: np.ndarray
    locality_: float
    n_features_in_: int

    def __init__(
        self,
        *,
        clusters: int | None = None,
        kind: Literal["affine", "orthogonal"] = "affine",
        pull: Limit | None = None,
        rng: Seed = 0,
    ) -> None:
        self.clusters = clusters
        self.kind = kind
        self.pull = pull
        self.rng = rng

    def fit(self, X: Array, y: Array, *, pairs: Pairing = None) -> Self:
        """Fit on the pairs of X (n, dx) and y (m, dy)."""
        if self.kind not in ("affine", "orthogonal") or not (self.pull is None or self.pull >= 0):
            raise InputError(
                "LocalMixture", f"kind {self.kind!r}, pull {self.pull}",
                "affine or orthogonal, pull >= 0",
            )  # fmt: skip
        x, target = paired_rows(self, X, y, pairs)
        source, truth = (to_numpy(side).astype(np.float64) for side in (x, target))
        rng = generator(self.rng)
        self._cluster(source, rng)
        gates = self._gates(source)
        if len(self.centres_) == 1:
            pull = np.inf
        elif self.pull is not None:
            pull = float(self.pull)
        else:
            pull = self._choose(source, truth, gates, rng)
        self.maps_, self.constants_ = self._experts(source, truth, gates, pull)
        self.locality_ = float(1 / (1 + pull))
        return self

    def transform(self, X: Array) -> Array:
        """Translate X (n, dx) into the target space, (n, dy), of X's own kind and precision."""
        x = to_translate(self, X)
        gates = self._gates(x)
        maps, constants = like(self.maps_, x), like(self.constants_, x)
        result = gates @ constants
        for c in range(maps.shape[0]):
            result = result + gates[:, c][:, None] * (x @ maps[c, ...])
        return result

    def _cluster(self, source: np.ndarray, rng: np.random.Generator) -> None:
        distinct = len(np.unique(source, axis=0))
        count = min(max(len(source) // _LEAST, 1), 8) if self.clusters is None else self.clusters
        if count < 1:
            raise InputError("LocalMixture", f"clusters={self.clusters}", "clusters >= 1")
        from sklearn.cluster import KMeans

        seed, count = int(rng.integers(2**31)), min(count, distinct)
        found = KMeans(count, n_init=1, random_state=seed).fit(source)
        self.centres_ = np.asarray(found.cluster_centers_)
        self.width_ = float(np.sqrt(found.inertia_ / len(source) / 2)) or 1.0

    def _gates(self, x: Array) -> Array:
        """Weights of the clusters for each row, (n, k), summing to one."""
        xp, centres = namespace(x), like(self.centres_, x)
        middle = xp.mean(centres, axis=0)
        near = centres - middle
        # |x|² is common to all clusters of one row.
        logits = (x - middle) @ near.T - 0.5 * xp.sum(near * near, axis=1)[None, :]
        logits = logits / self.width_**2
        gates = xp.exp(logits - xp.max(logits, axis=1, keepdims=True))
        return gates / xp.sum(gates, axis=1, keepdims=True)

    def _choose(
        self, source: np.ndarray, truth: np.ndarray, gates: np.ndarray, rng: np.random.Generator
    ) -> float:
        order = rng.permutation(len(source))
        held, rest = np.split(order, [max(1, len(order) // 5)])
        errors = []
        for pull in _PULLS:
            maps, constants = self._experts(source[rest], truth[rest], gates[rest], pull)
            guess = gates[held] @ constants
            for c, one in enumerate(maps):
                guess += gates[held, c][:, None] * (source[held] @ one)
            errors.append(np.sum((guess - truth[held]) ** 2, axis=1))
        lags = np.array(errors) - errors[int(np.argmin(np.mean(errors, axis=1)))]
        near = lags.mean(axis=1) <= lags.std(axis=1) / lags.shape[1] ** 0.5
        return float(_PULLS[int(np.flatnonzero(near)[-1])])

    def _experts(
        self, source: np.ndarray, truth: np.ndarray, gates: np.ndarray, pull: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Maps (k, dx, dy) and constants (k, dy)."""
        moments = Moments.of(source, truth, keeps="source")
        path = RidgePath(moments)
        alpha = path.best_alpha_gcv()
        affine = self.kind == "affine"
        whole = path.coef(alpha) if affine else procrustes(moments.scatter_xy)[0]
        constant = path.mean_y - path.mean_x @ whole
        k = gates.shape[1]
        if np.isinf(pull):
            return np.repeat(whole[None], k, axis=0), np.repeat(constant[None], k, axis=0)
        mass = np.maximum(gates.sum(axis=0), 1e-12)
        centres, means = (gates.T @ side / mass[:, None] for side in (source, truth))
        own, cross = np.empty((k, source.shape[1], source.shape[1])), np.empty((k, *whole.shape))
        for c in range(k):
            left = source - centres[c]
            weighted = gates[:, c][:, None] * left
            own[c], cross[c] = weighted.T @ left, weighted.T @ (truth - means[c])
        damp = pull * own.mean(axis=0) + alpha * np.trace(own.mean(axis=0)) / own.shape[1] * np.eye(
            own.shape[1]
        )
        if not own.any():
            damp = np.eye(own.shape[1])
        corrections = [
            np.linalg.solve(own[c] + damp, cross[c] - own[c] @ whole)
            if affine
            else procrustes(cross[c] + pull * cross.mean(axis=0))[0] - whole
            for c in range(k)
        ]
        left_over = means - centres @ whole - constant
        steps = left_over * (mass / (mass + pull * len(source) / k))[:, None]
        maps = whole + np.stack(corrections)
        shifts = np.einsum("cd,cde->ce", centres, np.stack(corrections))
        return maps, constant + steps - shifts

    @property
    def _n_features_out(self) -> int:
        return int(self.constants_.shape[1])
