"""UDPReg: registers two partly overlapping clouds by matching the components of their mixtures."""

from typing import ClassVar, NamedTuple, Self

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.coordinates import Coordinates
from isthmus.bridges.linear import LinearMap, origin_of
from isthmus.bridges.map import Map
from isthmus.bridges.rows import Pairing, all_rows
from isthmus.bridges.sinkhorn import sinkhorn
from isthmus.core.arrays import Array
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError, NoReliableBridge
from isthmus.core.linalg import procrustes
from isthmus.core.neighbors import neighbors
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="udpreg",
    summary="Rotation and overlap of two clouds without pairs, by matching Gaussian mixtures.",
    paper=Paper(
        "Unsupervised Deep Probabilistic Approach for Partial Point Cloud Registration",
        "Mei et al.",
        2023,
    ),
    invariant=("orthogonal", "translation"),
    equivariant=("orthogonal", "translation"),
    cost="n^2 d + d^3",
    memory="n d + d^2",
    library="scikit-learn",
    pairs="none",
)

#: Rows a side that mixtures are fitted to, and that poses are judged on, at most.
_ROWS = 2000
#: Softness of the matching of components, from coarse to fine, against the spread of the clouds.
_COOLING = (0.12, 0.06, 0.03, 0.015)
#: A row counts as met where a target row lies within this many typical gaps between target rows.
_MET = 2.0
#: Rows are drawn by the nearest target row with a weight that falls to exp(-1/2) at these gaps.
_TIGHTENING = (6.0, 4.0, 3.0, 2.0, 1.5, 1.5, 1.0, 1.0, 1.0, 1.0)
#: Nearest rows whose mean draws a row: one alone is noise where dims are many.
_DRAWING = 5
#: Poses that are tightened, of all that components gave.
_FINALISTS = 3
#: How far apart distances between components may lie to agree, against the spread of the clouds.
_TOLERANCES = (0.05, 0.1, 0.2)
_MIRRORS = 8


#: Means (k, d) and weights (k,).
Mixture = tuple[np.ndarray, np.ndarray]


class Pose(NamedTuple):
    """The map x ↦ x turn + shift, and the share of rows of either cloud that it brings together."""

    turn: np.ndarray
    shift: np.ndarray
    overlap: float

    def of(self, x: np.ndarray) -> np.ndarray:
        """Where rows x (n, d) come to lie."""
        result: np.ndarray = x @ self.turn + self.shift
        return result


@register(CARD)
class Udpreg(LinearMap, Map, TransformerMixin, BaseEstimator):
    r"""The rigid map x ↦ x R + t that lays one cloud on another where they overlap.

    Both clouds are described by Gaussian mixtures. Components with means μ_i, ν_j and mixing
    weights are matched by Sinkhorn on |μ_i R + t - ν_j|², where weight may stay unmatched at a
    price, and R, t are the weighted Procrustes solution of the plan; both alternate while the
    matching is cooled. The pose is then tightened on the rows themselves, each drawn by its nearest
    target row with a Gaussian weight. Of several starts (no turn, principal axes, random turns) the
    one is kept that brings most rows within twice the typical gap between target rows.

    R is orthogonal; a mirrored pose is not ruled out, for spaces of vectors may be mirrored.

    Of the paper: mixtures, their matching by Sinkhorn under the mixing weights with unmatched mass,
    the pose in closed form from matched components. Not of it: the network that predicts each
    point's posterior over components, and its three losses (one posterior in Euclidean and feature
    space, centroids shared by both clouds, contrast of neighbours' features). They need a family of
    clouds to train on; two clouds have no features but their rows, so posteriors are those of a
    mixture fitted to each, in any number of dims. A mixture that both clouds share, its weights,
    means and variances learned by EM together with the pose, was tried after the tightening and
    instead of it: its median turn on the evidence's clouds was clearly better in neither 3 nor 8
    dims, so the simpler form stayed.

    Known pairs join the Procrustes step; where every row is paired, or more pairs are known than
    dims, they alone decide.

    Parameters
    ----------
    components : of each mixture, at most a tenth of its rows
    starts : random turns tried besides the two systematic starts
    least : confidence below which ``fit`` without enough known pairs gives no bridge
    rng : seed or Generator

    Attributes
    ----------
    coef_ : (dx, dy), R;  intercept_ : (dy,), t;  origin_ : (dx,)
    overlap_ : estimated share of the two clouds' rows that have a place in the other cloud
    confidence_ : the smaller of two signs: the share of met rows that mirrored poses do not meet,
        and how far two fits on disjoint halves of the rows agree (1 at no angle, 0 from 45 degrees)

    Raises
    ------
    NoReliableBridge
        When mirrored poses fit as well, or two halves of the rows give different poses.
    InputError
        On unequal dims without pairs for every row, or rows that are not finite.

    References
    ----------
    Mei et al. 2023, Unsupervised deep probabilistic approach for partial point cloud registration.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> middle = rng.normal(size=(8, 3)) * 3
    >>> x, y = (middle[rng.integers(8, size=400)] + 0.3 * rng.normal(size=(400, 3)) for _ in "ab")
    >>> c, s = np.cos(0.5), np.sin(0.5)
    >>> turn = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
    >>> bool(np.allclose(Udpreg().fit(x, y @ turn, pairs=()).coef_, turn, atol=0.05))
    True
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        **LinearMap.STATE, "overlap_": (), "confidence_": (),
    }  # fmt: skip

    overlap_: float
    confidence_: float

    def __init__(
        self, *, components: int = 24, starts: int = 4, least: float = 0.3, rng: Seed = 0
    ) -> None:
        self.components = components
        self.starts = starts
        self.least = least
        self.rng = rng

    def fit(self, X: Array, y: Array, *, pairs: Pairing = None) -> Self:
        """Fit on the rows of X (n, dx) and y (m, dy); ``pairs`` known among them, or ``()``.

        Raises NoReliableBridge where neither the clouds nor known pairs tell that a pose is right.
        """
        x, y, i, j = all_rows(self, X, y, pairs)
        if self.components < 2 or self.starts < 0:
            raise InputError(
                "Udpreg.fit", f"components={self.components}, starts={self.starts}",
                "at least 2 components and no negative number of starts",
            )  # fmt: skip
        if len(i) == min(len(x), len(y)) or len(i) > max(x.shape[1], y.shape[1]):
            turn, _ = procrustes((x[i] - x[i].mean(axis=0)).T @ (y[j] - y[j].mean(axis=0)))
            # What was told is as sure as who told it.
            shift = y[j].mean(axis=0) - x[i].mean(axis=0) @ turn
            self._hold(x, turn, shift, 1.0)
            self.overlap_ = len(i) / max(len(x), len(y))
            return self
        if x.shape[1] != y.shape[1]:
            raise InputError(
                "Udpreg.fit", f"X {x.shape}, Y {y.shape}, {len(i)} known pairs",
                "equal dims: a rotation keeps them", "Take vec2vec, or give more pairs.",
            )  # fmt: skip
        pose, signs = self._register(x, y, (x[i], y[j]))
        trust = min(signs.values())
        if trust < self.least:
            raise NoReliableBridge(
                "Udpreg.fit", ", ".join(f"{sign} {value:.2f}" for sign, value in signs.items()),
                f"each at least {self.least:g}",
                "Give known pairs=(i, j), more rows, or clouds that overlap more.",
            )  # fmt: skip
        self._hold(x, pose.turn, pose.shift, trust)
        self.overlap_ = pose.overlap
        return self

    def _register(
        self, x: np.ndarray, y: np.ndarray, known: tuple[np.ndarray, np.ndarray]
    ) -> tuple[Pose, dict[str, float]]:
        rng = generator(self.rng)
        x, y = (side[rng.permutation(len(side))[:_ROWS]] for side in (x, y))
        pose = gmm_register(
            x, y, components=self.components, starts=self.starts, known=known, rng=rng
        )
        gap = _gap(y)
        met = _met(pose.of(x), y, gap).mean()
        frame = Coordinates.of(y)
        placed = frame.of_rows(pose.of(x))
        rest = pose.of(x) - frame.rows_of(placed)
        mirrored = []
        for _ in range(_MIRRORS):
            signs = rng.choice([-1.0, 1.0], placed.shape[1])
            signs[rng.integers(len(signs))] = -1.0
            mirrored.append(_met(frame.rows_of(placed * signs) + rest, y, gap).mean())
        chance = float(np.mean(mirrored))
        error = np.sqrt((met * (1 - met) + chance * (1 - chance)) / len(x))
        halves = [
            gmm_register(
                x[k::2], y[k::2], components=self.components, starts=self.starts, known=known,
                rng=rng,
            )
            for k in (0, 1)
        ]  # fmt: skip
        apart = max(angle(pose.turn, one.turn) for one in halves)
        fit = 1 - chance / met if met - chance > 3 * error else 0.0
        return pose, {"fit": float(fit), "agreement": float(np.clip(1 - apart / 45, 0, 1))}

    def _hold(self, x: np.ndarray, turn: np.ndarray, shift: np.ndarray, trust: float) -> None:
        self.coef_, self.confidence_ = turn, float(trust)
        self.origin_ = origin_of(x.mean(axis=0), float(x.std(axis=0).mean()))
        self.intercept_ = shift + self.origin_ @ turn


def gmm_register(
    x: np.ndarray,
    y: np.ndarray,
    *,
    components: int = 24,
    starts: int = 4,
    known: tuple[np.ndarray, np.ndarray] | None = None,
    rng: Seed = 0,
) -> Pose:
    """The pose that lays cloud x (n, d) on y (m, d), and their overlap; see ``Udpreg``.

    ``known`` are paired rows (p, d) of both. It always answers: whether to believe it is for
    ``Udpreg`` to tell.
    """
    rng = generator(rng)
    mixtures = _mixture(x, components, rng), _mixture(y, components, rng)
    gap = _gap(y)
    here, there = Coordinates.of(x), Coordinates.of(y)
    means = [weights @ centres for centres, weights in mixtures]
    turns = [np.eye(x.shape[1])]
    if here.axes.shape == there.axes.shape and here.axes.shape[1] == x.shape[1]:
        turns.append(here.axes @ there.axes.T)
    turns += [np.linalg.qr(rng.normal(size=(x.shape[1], x.shape[1])))[0] for _ in range(starts)]
    if known is not None and len(known[0]):
        turns.append(procrustes((known[0] - means[0]).T @ (known[1] - means[1]))[0])
    poses = [(turn, means[1] - means[0] @ turn) for turn in turns]
    for tolerance in _TOLERANCES:
        plan = _consistent(*mixtures, tolerance)
        poses.append(_pose(mixtures[0][0], mixtures[1][0], plan, known))
    matched = [_matched(*mixtures, pose, known) for pose in poses]
    met = [_met(x @ turn + shift, y, gap).mean() for turn, shift in matched]
    best = np.argsort(met)[::-1][:_FINALISTS]
    found = [_tightened(x, y, matched[k], gap, known) for k in best]
    return max(found, key=lambda pose: pose.overlap)


def angle(a: np.ndarray, b: np.ndarray) -> float:
    """The largest angle, in degrees, by which the turns a and b (d, d) differ; 180 if one mirrors.

    Examples
    --------
    >>> round(angle(np.eye(2), np.array([[0.0, 1.0], [-1.0, 0.0]])))
    90
    """
    return float(np.degrees(np.abs(np.angle(np.linalg.eigvals(a.T @ b))).max()))


def _mixture(rows: np.ndarray, components: int, rng: np.random.Generator) -> Mixture:
    """Means (k, d) and weights (k,) of a Gaussian mixture with round components."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    count = max(min(components, len(rows) // 10), 1)
    model = GaussianMixture(
        count, covariance_type="spherical", max_iter=50, tol=1e-3,
        reg_covar=1e-6 * float(rows.var()) + 1e-12, random_state=int(rng.integers(2**31)),
    )  # fmt: skip
    with warnings.catch_warnings():
        # A mixture that still moves a little describes a cloud as well.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows)
    return model.means_, model.weights_


def _matched(
    source: Mixture,
    target: Mixture,
    pose: tuple[np.ndarray, np.ndarray],
    known: tuple[np.ndarray, np.ndarray] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Turn and shift by matching components, coarse to fine."""
    (mu, a), (nu, b) = source, target
    spread = _spread(target)
    turn, shift = pose
    for heat in _COOLING:
        for _ in range(3):
            cost = cdist(mu @ turn + shift, nu, "sqeuclidean")
            plan = sinkhorn(
                cost, a, b, epsilon=heat * spread, spare=2 * heat * spread, most=50,
                tolerance=1e-4,
            )  # fmt: skip
            if not plan.sum() > 1e-6:
                return turn, shift
            turn, shift = _pose(mu, nu, plan, known)
    return turn, shift


def _consistent(source: Mixture, target: Mixture, tolerance: float) -> np.ndarray:
    """A plan (k, l) of components whose distances to each other agree, which no turn changes.

    The leading eigenvector of the agreement between pairs of matches (Leordeanu & Hebert 2005),
    brought to the mixing weights by Sinkhorn.
    """
    (mu, a), (nu, b) = source, target
    here, there = cdist(mu, mu), cdist(nu, nu)
    width = tolerance * np.sqrt(_spread(target))
    agree = np.exp(-0.5 * ((here[:, None, :, None] - there[None, :, None, :]) / width) ** 2)
    # A component agrees with itself whatever it is matched to: that says nothing.
    agree *= (here > 0)[:, None, :, None] * (there > 0)[None, :, None, :]
    agree = agree.reshape(len(a) * len(b), -1)
    score = np.ones(len(agree))
    for _ in range(30):
        score = agree @ score
        score = score / (score.max() or 1.0)
    return sinkhorn(
        -score.reshape(len(a), len(b)), a, b, epsilon=0.1, spare=-0.2, most=50, tolerance=1e-4
    )


def _spread(mixture: Mixture) -> float:
    """Sum of the variances of a mixture's means."""
    means, weights = mixture
    return float(np.sum(weights @ (means - weights @ means) ** 2)) or 1.0


def _pose(
    x: np.ndarray,
    y: np.ndarray,
    plan: np.ndarray,
    known: tuple[np.ndarray, np.ndarray] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted Procrustes of a plan (n, m); known pairs weigh as much as the plan does."""
    mass = plan.sum()
    here, there = plan.sum(axis=1) @ x / mass, plan.sum(axis=0) @ y / mass
    cross = x.T @ (plan / mass) @ y - np.outer(here, there)
    if known is not None and len(known[0]):
        p, q = known[0] - here, known[1] - there
        cross = cross + p.T @ q / len(p)
    turn, _ = procrustes(cross)
    return turn, there - here @ turn


def _tightened(
    x: np.ndarray,
    y: np.ndarray,
    pose: tuple[np.ndarray, np.ndarray],
    gap: float,
    known: tuple[np.ndarray, np.ndarray] | None,
) -> Pose:
    """The pose after rows were drawn by their nearest target rows, ever more strictly."""
    turn, shift = pose
    k = min(_DRAWING, len(x), len(y))
    for reach in _TIGHTENING:
        moved = x @ turn + shift
        nearest, far = neighbors(moved, y, k)
        back, off = neighbors(y, moved, k)
        weights = np.exp(-0.5 * (np.concatenate([far[:, 0], off[:, 0]]) / (reach * gap)) ** 2)
        if weights.sum() < x.shape[1]:
            break
        here = np.concatenate([x, x[back].mean(axis=1)])
        there = np.concatenate([y[nearest].mean(axis=1), y])
        total = weights / weights.sum()
        mean, goal = total @ here, total @ there
        cross = ((here - mean) * total[:, None]).T @ (there - goal)
        if known is not None and len(known[0]):
            cross = cross + (known[0] - mean).T @ (known[1] - goal) / len(known[0])
        turn, _ = procrustes(cross)
        shift = goal - mean @ turn
    moved = x @ turn + shift
    overlap = np.concatenate([_met(moved, y, gap), _met(y, moved, gap)]).mean()
    return Pose(turn, shift, float(overlap))


def _gap(y: np.ndarray) -> float:
    """Median distance between a row and its nearest other."""
    if len(y) < 2:
        return 1.0
    gaps = neighbors(y, y, 1, exclude_self=True)[1]
    return float(np.median(gaps)) or float(y.std()) or 1.0


def _met(x: np.ndarray, y: np.ndarray, gap: float) -> np.ndarray:
    """Whether each row of x lies where y has rows, (n,) of 0 and 1."""
    return np.asarray(neighbors(x, y, 1)[1][:, 0] <= _MET * gap, dtype=np.float64)
