"""What bridges trained against critics share: the map's form, its start, training, and trust.

In principal coordinates u of the source a map is v = u W + b + silu(u H + c) O; both ways are kept
folded into the spaces' own coordinates, y = (x - o) L + silu((x - o) H + c) O + b.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from isthmus.bridges.coordinates import Coordinates
from isthmus.bridges.mlp import (
    Activation,
    falling,
    forward,
    initial,
    learnable,
    numbers,
    silu,
    small_steps,
    torch_for,
)
from isthmus.bridges.rows import Pairing, all_rows, to_translate
from isthmus.core.arrays import Array, like, matrix
from isthmus.core.errors import InputError, NoReliableBridge
from isthmus.core.linalg import RidgePath, procrustes
from isthmus.core.moments import Moments
from isthmus.core.neighbors import neighbors, unit
from isthmus.core.random import Seed, generator

#: W, b, H, c, O of one way in coordinates; tensors in training, arrays before and after.
Way = list[Any]
#: What a bridge trains: from tensors, batches (u, v, then of known pairs, perhaps empty) and SiLU
#: to its own loss and to (critic, real, fake) of every game that it plays against a critic.
Losses = Callable[[list[Any], Any, Any, Any, Any, Any], tuple[Any, list[tuple[int, Any, Any]]]]

#: Held-out rows a side that confidence is computed on, at most, and target rows to compare with.
_HELD_OUT, _REFERENCE = 500, 2000
#: Wrong maps that the found one must beat.
_WRONG = 8
#: Standard errors by which wrong maps must differ from right ones for the spaces to tell them.
_BELIEF = 3.0
_CRITIC = 48
#: Axes whose signs are all tried, choices of signs that are followed up, how, and target rows
#: whose mean draws a row.
_LEADING, _STARTS, _ROUNDS, _FEW, _DRAWING = 8, 6, 12, 500, 10


class AdversarialMap:
    """Mixin, beside ``Map``, of an estimator whose ``train`` finds both ways between two clouds.

    A subclass has the parameters ``components``, ``hidden``, ``steps``, ``batch``, ``rate``,
    ``least`` and ``rng``, and provides ``train(u, v, start, i, j, steps, rng) -> (way, way back)``.
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        "origin_": ("dx",), "linear_": ("dx", "dy"), "hidden_": ("dx", "h"), "bias_": ("h",),
        "out_": ("h", "dy"), "intercept_": ("dy",),
        "back_origin_": ("dy",), "back_linear_": ("dy", "dx"), "back_hidden_": ("dy", "h"),
        "back_bias_": ("h",), "back_out_": ("h", "dx"), "back_intercept_": ("dx",),
        "confidence_": (),
    }  # fmt: skip

    confidence_: float
    intercept_: np.ndarray
    components: int
    hidden: int
    steps: int
    batch: int
    rate: float
    least: float
    rng: Seed

    def train(
        self,
        u: np.ndarray,
        v: np.ndarray,
        start: tuple[np.ndarray, np.ndarray],
        pairs: tuple[np.ndarray, np.ndarray],
        steps: int,
        rng: np.random.Generator,
    ) -> tuple[Way, Way]:
        """Both ways between coordinates u (n, k) and v (m, l), from linear ones ``start``."""
        raise NotImplementedError

    def fit(self, X: Array, y: Array, *, pairs: Pairing = None) -> Self:
        """Fit on the rows of X (n, dx) and y (m, dy); ``pairs`` known among them, or ``()``.

        Raises NoReliableBridge where neither the spaces nor known pairs tell that the map is right.
        """
        name = f"{type(self).__name__}.fit"
        torch_for(name)
        x, y, i, j = all_rows(self, X, y, pairs)
        for option in ("components", "hidden", "steps", "batch"):
            if not getattr(self, option) >= 1:
                raise InputError(name, f"{option}={getattr(self, option)}", "at least 1")
        rng = generator(self.rng)
        source, target = (Coordinates.of(side, self.components) for side in (x, y))
        u, v = source.of_rows(x), target.of_rows(y)
        known = u[i], v[j]
        (u_held, u_seen), (v_held, v_seen) = (_split(side, rng) for side in (u, v))
        start = self._start(source, target, u_seen, v_seen, known, rng)
        ways = self.train(u_seen, v_seen, start, known, self.steps, rng)
        # The witness sees half of the rows, starts from what they say, and draws its own numbers.
        halves = [side[rng.permutation(len(side))[: (len(side) + 1) // 2]] for side in (u, v)]
        first = self._start(source, target, halves[0], halves[1], known, rng)
        witness = self.train(halves[0], halves[1], first, known, (self.steps + 1) // 2, rng)
        signs = confidence(ways, witness, u_held, v_held, v_seen, moment_map(u_seen, v_seen), rng)
        self.confidence_ = min(signs.values())
        # Where every row, or more pairs than the map has directions, is vouched for, it counts.
        vouched = len(i) == min(len(x), len(y)) or len(i) > max(u.shape[1], v.shape[1])
        if self.confidence_ < self.least and not vouched:
            raise NoReliableBridge(
                name, ", ".join(f"{sign} {value:.2f}" for sign, value in signs.items()),
                f"each at least {self.least:g}",
                "Give known pairs=(i, j), more rows, or spaces that share more.",
            )  # fmt: skip
        self._keep("", ways[0], source, target)
        self._keep("back_", ways[1], target, source)
        return self

    def transform(self, X: Array) -> Array:
        """Translate X (n, dx) into the target space, (n, dy), of X's own kind and precision."""
        return self._apply("", to_translate(self, X))  # type: ignore[arg-type]

    def inverse_transform(self, X: Array) -> Array:
        """Carry target vectors (n, dy) into the source space, (n, dx), by the map trained so."""
        check_is_fitted(self)  # type: ignore[arg-type]
        y = matrix("X", X, operation=f"{type(self).__name__}.inverse_transform")
        if y.shape[1] != self._n_features_out:
            raise InputError(
                f"{type(self).__name__}.inverse_transform", f"X {tuple(y.shape)}",
                f"{self._n_features_out} columns, the target's dim",
            )  # fmt: skip
        return self._apply("back_", y)

    def _start(
        self,
        source: Coordinates,
        target: Coordinates,
        u: np.ndarray,
        v: np.ndarray,
        known: tuple[np.ndarray, np.ndarray],
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Linear maps there and back to start from: what pairs say, or what the clouds say."""
        if len(known[0]):
            return paired_start(u, v, *known)
        w = unpaired_start(u, v, rng)
        return w, w.T

    def _apply(self, way: str, x: Array) -> Array:
        origin, linear, hidden, bias, out, intercept = (
            like(getattr(self, f"{way}{name}_"), x)
            for name in ("origin", "linear", "hidden", "bias", "out", "intercept")
        )
        centred = x - origin
        return centred @ linear + silu(centred @ hidden + bias) @ out + intercept

    def _keep(self, prefix: str, way: Way, source: Coordinates, target: Coordinates) -> None:
        linear, shift, hidden, bias, out = way
        into, back = source.axes / source.scale, target.axes.T * target.scale
        for name, value in {
            "origin": source.mean, "linear": into @ linear @ back, "hidden": into @ hidden,
            "bias": bias, "out": out @ back, "intercept": shift @ back + target.mean,
        }.items():  # fmt: skip
            setattr(self, f"{prefix}{name}_", np.ascontiguousarray(value))

    @property
    def _n_features_out(self) -> int:
        return len(self.intercept_)


def translated(way: Way, u: Any, *, activation: Activation = silu) -> Any:
    """Where a way leads from u (n, k): u W + b + silu(u H + c) O, of tensors or arrays."""
    linear, shift, hidden, bias, out = way
    return u @ linear + shift + activation(u @ hidden + bias) @ out


def new_way(linear: np.ndarray, hidden: int, rng: np.random.Generator) -> Way:
    """A way that is ``linear`` (k, l) at first."""
    k, dims = linear.shape
    inner, bias, out, shift = initial((k, hidden, dims), rng, silent=True)
    return [linear, shift, inner, bias, out]


def moment_map(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The map (k, l) of each principal axis onto the one of equal rank, with its deviation."""
    w = np.zeros((u.shape[1], v.shape[1]))
    both = min(w.shape)
    here, there = u.std(axis=0)[:both], v.std(axis=0)[:both]
    ratio = np.divide(there, here, out=np.zeros(both), where=here > 0)
    w[np.arange(both), np.arange(both)] = np.clip(ratio, 0.0, 5.0)
    return w


def unpaired_start(u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A map (k, l) with orthonormal rows or columns that lays the cloud u on the cloud v.

    Axes of equal rank are matched. Which way each of the leading ones points is settled by trying
    all 2^8 choices of signs and keeping those under which rows of both clouds lie nearest to each
    other in these axes alone. Each of the best then turns by Procrustes to where its rows' nearest
    target rows are, over and over, in all axes; the one that ends nearest is kept.
    """
    moments = moment_map(u, v)
    found = [_drawn(u, v, w, _ROUNDS, _FEW, rng) for w in _oriented(u, v, moments, rng)]
    found = sorted(found, key=lambda w: nearness(u @ w, v))[:2]
    found = [drawn(u, v, w, rng) for w in found]
    return min(found, key=lambda w: nearness(u @ w, v))


def drawn(u: np.ndarray, v: np.ndarray, w: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The map w (k, l) turned to where its rows' nearest target rows are, over and over."""
    return _drawn(u, v, w, 15, 1000, rng)


def _oriented(
    u: np.ndarray, v: np.ndarray, moments: np.ndarray, rng: np.random.Generator
) -> list[np.ndarray]:
    """The best choices of signs of the leading axes, as maps (k, l) of these axes alone."""
    leading = min(_LEADING, *moments.shape)
    scale = np.diag(moments)[:leading]
    a = _some(u, 300, rng)[:, :leading] * scale
    b = _some(v, 600, rng)[:, :leading]
    choices = 1.0 - 2.0 * ((np.arange(2**leading)[:, None] >> np.arange(leading)) & 1)
    squares = np.sum(a * a, axis=1)[:, None] + np.sum(b * b, axis=1)
    scores = []
    for signs in choices:
        gaps = squares - 2 * (a * signs) @ b.T
        both = (np.sqrt(np.maximum(gaps.min(axis=axis), 0)).mean() for axis in (0, 1))
        scores.append(float(sum(both)))
    maps = []
    for best in np.argsort(scores, kind="stable")[:_STARTS]:
        w = np.zeros_like(moments)
        w[np.arange(leading), np.arange(leading)] = choices[best] * scale
        maps.append(w)
    return maps


def _drawn(
    u: np.ndarray, v: np.ndarray, w: np.ndarray, rounds: int, rows: int, rng: np.random.Generator
) -> np.ndarray:
    for _ in range(rounds):
        a, b = _some(u, rows, rng), _some(v, 4 * rows, rng)
        near = neighbors(unit(a @ w), unit(b), min(_DRAWING, len(b)))[0]
        w, _ = procrustes(a.T @ b[near].mean(axis=1))
    return w


def paired_start(
    u: np.ndarray, v: np.ndarray, a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Linear maps there and back from pairs a (p, k), b (p, l): ridge, or a turn where p is small.

    The turn is the Procrustes solution of the pairs' cross-scatter plus that of as many imagined
    pairs as there are axes, on which axes of equal rank agree; few pairs so correct the moments.
    """
    if len(a) >= 2 * max(u.shape[1], v.shape[1]):
        both = (RidgePath(Moments.of(*sides)) for sides in ((a, b), (b, a)))
        there, back = (path.coef(path.best_alpha_gcv()) for path in both)
        return there, back
    w = moment_map(u, v)
    prior = min(w.shape) * (u.std(axis=0) ** 2)[:, None] * w
    turn, _ = procrustes(a.T @ b + prior)
    return turn, turn.T


def play(
    operation: str,
    trained: list[np.ndarray],
    critics: Sequence[int],
    losses: Losses,
    clouds: tuple[np.ndarray, np.ndarray],
    pairs: tuple[np.ndarray, np.ndarray],
    *,
    steps: int,
    batch: int,
    rate: float,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """``trained`` after ``steps`` of training against critics of vectors of widths ``critics``.

    Critics learn to answer 1 to real and 0 to fake vectors, maps to make them answer 1, both by
    least squares (Mao et al. 2017), beside the loss that ``losses`` gives.
    """
    torch = torch_for(operation)
    asked = partial(forward, activation=torch.nn.functional.leaky_relu)
    tensors = learnable(torch, trained)
    judges = [learnable(torch, initial((width, _CRITIC, _CRITIC, 1), rng)) for width in critics]
    maker = torch.optim.Adam(tensors, lr=rate, betas=(0.5, 0.99), eps=1e-6)
    judge = torch.optim.Adam([w for one in judges for w in one], lr=2 * rate, betas=(0.5, 0.99),
                             eps=1e-6)  # fmt: skip
    sides = [torch.from_numpy(side) for side in (*clouds, *pairs)]
    with small_steps(torch, tensors, batch):
        for step in range(steps):
            maker.param_groups[0]["lr"] = rate * falling(step, steps)
            drawn = [
                side[rng.integers(len(side), size=min(batch, len(side)))] for side in sides[:2]
            ]
            rows = rng.integers(max(len(sides[2]), 1), size=min(batch, len(sides[2])))
            a, b = (side[rows] for side in sides[2:])
            loss, games = losses(tensors, drawn[0], drawn[1], a, b, torch.nn.functional.silu)
            verdict = sum(
                ((asked(judges[c], real.detach()) - 1) ** 2).mean()
                + (asked(judges[c], fake.detach()) ** 2).mean()
                for c, real, fake in games
            )
            judge.zero_grad()
            verdict.backward()
            judge.step()
            for c, _, fake in games:
                loss = loss + ((asked(judges[c], fake) - 1) ** 2).mean()
            maker.zero_grad()
            loss.backward()
            maker.step()
    return numbers(tensors)


def nearness(found: np.ndarray, real: np.ndarray, *, rng: Seed = 0) -> float:
    """Mean distance to the nearest row of the other cloud, both ways, of at most 500 rows each."""
    drawn = [_some(side, _HELD_OUT, rng) for side in (found, real)]
    return float(_gaps(drawn[0], drawn[1]).mean() + _gaps(drawn[1], drawn[0]).mean()) / 2


def confidence(
    ways: tuple[Way, Way],
    witness: tuple[Way, Way],
    u: np.ndarray,
    v: np.ndarray,
    reference: np.ndarray,
    moments: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, float]:
    """Signs, each in [0, 1], that ``ways`` are right, from held-out u (n, k), v (m, l), unpaired.

    ``fit``: of the distance by which wrong maps with the right moments (axes mirrored at random)
    lie farther from target rows than target rows do from each other, the share that the map closes;
    0 where wrong maps lie no farther. ``cycle``: variance that comes back by the way back.
    ``agreement``: mean cosine with what the witness, trained apart, makes of the same rows.
    """
    found = translated(ways[0], u)
    wrong = [(u @ moments) * rng.choice([-1.0, 1.0], moments.shape[1]) for _ in range(_WRONG)]
    reference = _some(reference, _REFERENCE, rng)
    right = _distances(v, reference)
    astray = np.mean([_distances(one, reference) for one in wrong], axis=0)
    gap = float(astray.mean() - right.mean())
    error = float(np.sqrt(right.var() / len(right) + astray.var() / len(astray)))
    closed = (astray.mean() - _distances(found, reference).mean()) / gap if gap > 0 else 0.0
    returned = translated(ways[1], found)
    total = float(np.sum((u - u.mean(axis=0)) ** 2))
    kept = 1 - float(np.sum((returned - u) ** 2)) / total if total > 0 else 0.0
    other = translated(witness[0], u)
    same = float(np.sum(unit(found) * unit(other), axis=1).mean())
    signs = {"fit": closed if gap > _BELIEF * error else 0.0, "cycle": kept, "agreement": same}
    return {sign: float(np.clip(value, 0.0, 1.0)) for sign, value in signs.items()}


def _distances(found: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Distances (n,) of each row to its nearest of ``reference``, and back from as many of them."""
    back = _gaps(reference[: len(found)], found)
    there = _gaps(found, reference)
    return there + back.mean()


def _gaps(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(neighbors(x, y, 1)[1])[:, 0]


def _split(rows: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A fifth of the rows, at most 500, and the others."""
    order = rng.permutation(len(rows))
    held = min(max(len(rows) // 5, 1), _HELD_OUT)
    return rows[order[:held]], rows[order[held:]]


def _some(rows: np.ndarray, count: int, rng: Seed) -> np.ndarray:
    if len(rows) <= count:
        return rows
    return rows[generator(rng).choice(len(rows), size=count, replace=False)]
