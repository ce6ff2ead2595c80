"""vec2vec: two spaces meet in a latent one, with critics, cycles and geometry instead of pairs."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.adversarial import AdversarialMap, Way, play
from isthmus.bridges.map import Map
from isthmus.bridges.mlp import initial
from isthmus.core.arrays import Array
from isthmus.core.card import Card, Paper
from isthmus.core.neighbors import partner_ranks
from isthmus.core.random import Seed
from isthmus.core.registry import register
from isthmus.core.score import Score

CARD = Card(
    name="vec2vec",
    summary="Unpaired translation through a shared latent space: critics, cycles and geometry.",
    paper=Paper("Harnessing the Universal Geometry of Embeddings", "Jha et al.", 2025),
    invariant=("orthogonal", "isotropic_scale", "translation"),
    equivariant=("orthogonal", "isotropic_scale", "translation"),
    cost="n d^2 + d^3",
    memory="n d + d^2",
    library="torch",
    pairs="none",
    quick=(("steps", 6), ("hidden", 8)),
)

#: Weights of the losses as published: reconstruction, cycle, geometry, geometry over a cycle.
_RECONSTRUCTION, _CYCLE, _GEOMETRY, _CYCLE_GEOMETRY = 1.0, 10.0, 1.0, 10.0
_PAIRED = 10.0


@register(CARD)
class Vec2vec(AdversarialMap, Map, TransformerMixin, BaseEstimator):
    r"""Translation F₁₂ = B₂ ∘ T ∘ A₁ through a latent space that both spaces share.

    Linear adapters A, B of each space and one residual layer T between them, T(u) = u + silu(u H +
    c) O, are trained in principal coordinates on

    critics(F₁₂ x, F₂₁ y, A₁ x) + |F₁₁ x - x|² + 10 |F₂₁ F₁₂ x - x|² + VSP(x, F₁₂ x)
    + 10 VSP(x, F₂₁ F₁₂ x), and the same for y,

    where critics tell translated from real vectors by least squares and VSP is the mean squared
    change of inner products within a batch. Known pairs add 10 |F₁₂ x - y|² and decide the start.
    The paper starts anywhere, with a million rows on many GPUs; here, without pairs, principal axes
    of equal rank are matched at first, all choices of signs of the leading ones tried, the best
    turned to where nearest target rows are, and what ends nearest is trained.

    Parameters
    ----------
    components : principal directions of each space that are translated, at most
    hidden : units of T
    steps, batch, rate : of the training by Adam
    least : confidence below which ``fit`` without enough known pairs gives no bridge; set after
        a look at fits on real spaces: the surest of 15 unrelated ones had 0.56, right ones more
    rng : seed or Generator

    Attributes
    ----------
    confidence_ : the weakest of three signs computed without pairs, see ``adversarial.confidence``
    linear_, hidden_, out_, ... : the map y = (x - o) L + silu((x - o) H + c) O + b, both ways

    Raises
    ------
    NoReliableBridge
        When nothing tells the map that was found from a wrong one.
    InputError
        On rows that are not finite, or contradictory pairs.
    MissingExtra
        When torch is not installed; applying and loading do not need it.

    References
    ----------
    Jha et al. 2025, Harnessing the Universal Geometry of Embeddings; weights as in its code.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.gamma(0.5, size=(600, 3)) * [3, 2, 1]
    >>> y = rng.gamma(0.5, size=(500, 3)) * [3, 2, 1]
    >>> turn = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    >>> bridge = Vec2vec(steps=50).fit(x, y @ turn, pairs=())
    >>> float(np.corrcoef(bridge.transform(x).ravel(), (x @ turn).ravel())[0, 1]) > 0.9
    True
    """

    def __init__(
        self,
        *,
        components: int = 64,
        hidden: int = 64,
        steps: int = 1000,
        batch: int = 128,
        rate: float = 3e-4,
        least: float = 0.6,
        rng: Seed = 0,
    ) -> None:
        self.components = components
        self.hidden = hidden
        self.steps = steps
        self.batch = batch
        self.rate = rate
        self.least = least
        self.rng = rng

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
        k, width = u.shape[1], v.shape[1]
        latent = min(k, width)
        # The narrower space's coordinates are the latent ones at first.
        if k <= width:
            ins, outs = (np.eye(k), start[1]), (np.eye(k), start[0])
        else:
            ins, outs = (start[0], np.eye(width)), (start[1], np.eye(width))
        inner, bias, out, _ = initial((latent, self.hidden, latent), rng, silent=True)
        trained = [
            *(np.concatenate([w, np.zeros((1, latent))]) for w in ins),
            *(np.concatenate([w, np.zeros((1, w.shape[1]))]) for w in outs),
            inner, bias, out,
        ]  # fmt: skip
        a1, a2, b1, b2, inner, bias, out = play(
            "Vec2vec.fit", trained, (width, k, latent), _losses, (u, v), pairs, steps=steps,
            batch=self.batch, rate=self.rate, rng=rng,
        )  # fmt: skip
        return _folded(a1, b2, inner, bias, out), _folded(a2, b1, inner, bias, out)

    def leak_risk(self, X: Array, y: Array) -> Score:
        """Share of leaked source vectors X (n, dx) that someone without any pair can put a name to.

        y (n, dy) are the true partners, as whoever owns the vectors can compute them: a vector is
        given away when its translation is closer by cosine to its own partner than to any other's.
        """
        ranks = np.asarray(partner_ranks(self.transform(X), y))
        given, n = float(np.mean(ranks == 1)), len(ranks)
        spread = 1.96 * np.sqrt(max(given * (1 - given), 1 / n) / n)
        return Score(
            value=given, method="leak_risk", n=n, chance=1 / n,
            ci=(max(given - spread, 0.0), min(given + spread, 1.0)),
            parts={"mean_rank": float(ranks.mean())},
        )  # fmt: skip


def _losses(
    tensors: list[Any], u: Any, v: Any, u_pair: Any, v_pair: Any, silu: Any
) -> tuple[Any, list[tuple[int, Any, Any]]]:
    a1, a2, b1, b2, inner, bias, out = tensors

    def into(z: Any, a: Any) -> Any:
        """T after an adapter, of which the last row is the shift."""
        h = z @ a[:-1] + a[-1]
        return h + silu(h @ inner + bias) @ out

    def onto(h: Any, b: Any) -> Any:
        return h @ b[:-1] + b[-1]

    latent_u, latent_v = into(u, a1), into(v, a2)
    to_v, to_u = onto(latent_u, b2), onto(latent_v, b1)
    back_u, back_v = onto(into(to_v, a2), b1), onto(into(to_u, a1), b2)
    loss = _RECONSTRUCTION * (_error(onto(latent_u, b1), u) + _error(onto(latent_v, b2), v))
    loss = loss + _CYCLE * (_error(back_u, u) + _error(back_v, v))
    loss = loss + _GEOMETRY * (_geometry(u, to_v) + _geometry(v, to_u))
    loss = loss + _CYCLE_GEOMETRY * (_geometry(u, back_u) + _geometry(v, back_v))
    if len(u_pair):
        there, back = onto(into(u_pair, a1), b2), onto(into(v_pair, a2), b1)
        loss = loss + _PAIRED * (_error(there, v_pair) + _error(back, u_pair))
    games = [(0, v, to_v), (1, u, to_u), (2, latent_v, latent_u), (2, latent_u, latent_v)]
    return loss, games


def _error(found: Any, wanted: Any) -> Any:
    return ((found - wanted) ** 2).mean()


def _geometry(z: Any, moved: Any) -> Any:
    """Mean squared change of inner products, which are near 1 on the diagonal."""
    return ((z @ z.T / z.shape[1] - moved @ moved.T / moved.shape[1]) ** 2).mean()


def _folded(
    a: np.ndarray, b: np.ndarray, inner: np.ndarray, bias: np.ndarray, out: np.ndarray
) -> Way:
    """B ∘ T ∘ A as one linear map and one hidden layer."""
    linear, shift = a[:-1] @ b[:-1], a[-1] @ b[:-1] + b[-1]
    return [linear, shift, a[:-1] @ inner, a[-1] @ inner + bias, out @ b[:-1]]
