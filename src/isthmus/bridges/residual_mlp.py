"""Residual bridge: a rotation, and a small network for what the rotation misses."""

from typing import Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from isthmus.bridges.descent import Forward, descend, split
from isthmus.bridges.map import Map
from isthmus.bridges.orthogonal import Orthogonal
from isthmus.bridges.rows import Pairing, paired_rows, to_translate
from isthmus.core.arrays import Array, like, namespace, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="residual_mlp",
    summary="A skip connection plus a one-hidden-layer network, trained on pairs (Drift-Adapter).",
    paper=Paper(
        "Drift-Adapter: A Practical Approach to Near Zero-Downtime Embedding Model Upgrades in "
        "Vector Databases",
        "Vejendla",
        2025,
    ),
    invariant=("orthogonal", "translation"),
    equivariant=("translation",),
    library="torch",
    cost="n d k",
    memory="n d + d k",
    min_rows=2,
    quick=(("steps", 10), ("hidden", 16)),
)


@register(CARD)
class ResidualMlp(Map, TransformerMixin, BaseEstimator):
    r"""The map x ↦ s ⊙ (z + r g(z/q W_1 + b_1) W_2 + r b_2) + mean_y with z = (x - mean_x) B.

    g is the GELU (tanh form), W_1 has ``hidden`` columns, and W_2, b_2 begin at zero, s at one: the
    bridge begins as its skip connection B and learns what that misses. Units q and r are the root
    mean squares of z and of what B leaves. B is the Procrustes rotation of the training pairs, or
    the identity, as in the paper, for encoders that share their axes. AdamW on the mean squared
    error of four fifths of the pairs; of all it passes through, the parameters with the least error
    on the other fifth are kept, so there it is never worse than B alone.

    Parameters
    ----------
    hidden : width of the hidden layer
    skip : ``orthogonal`` or ``identity`` (needs equal dims)
    scaling : learn the diagonal s, else 1
    steps, rate : of AdamW at most, and its learning rate
    rng : seed or Generator of the split, the start and the batches

    Attributes
    ----------
    skip_ : (dx, dy) float64, B;  mean_x_, mean_y_ : the means
    hidden_weights_, hidden_bias_ : (dy, hidden), (hidden,), W_1/q and b_1
    out_weights_, out_bias_ : (hidden, dy), (dy,), r W_2 and r b_2
    scale_ : (dy,), s

    Raises
    ------
    InputError
        On an unknown skip, unequal dims with the identity, or on rows that are not finite, not
        paired, or fewer than 2.
    MissingExtra
        When torch is not installed; translating and loading do not need it.

    References
    ----------
    Vejendla 2025.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(300, 4))
    >>> y = np.tanh(2 * x)[:, ::-1]
    >>> bridge = ResidualMlp(hidden=32, steps=200).fit(x, y)
    >>> bool(np.mean((bridge.transform(x) - y) ** 2) < 0.1)
    True
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        "skip_": ("dx", "dy"), "mean_x_": ("dx",), "mean_y_": ("dy",),
        "hidden_weights_": ("dy", "hidden"), "hidden_bias_": ("hidden",),
        "out_weights_": ("hidden", "dy"), "out_bias_": ("dy",), "scale_": ("dy",),
    }  # fmt: skip

    skip_: np.ndarray
    mean_x_: np.ndarray
    mean_y_: np.ndarray
    hidden_weights_: np.ndarray
    hidden_bias_: np.ndarray
    out_weights_: np.ndarray
    out_bias_: np.ndarray
    scale_: np.ndarray
    n_features_in_: int

    def __init__(
        self,
        *,
        hidden: int = 256,
        skip: Literal["orthogonal", "identity"] = "orthogonal",
        scaling: bool = True,
        steps: int = 1000,
        rate: float = 1e-3,
        rng: Seed = 0,
    ) -> None:
        self.hidden = hidden
        self.skip = skip
        self.scaling = scaling
        self.steps = steps
        self.rate = rate
        self.rng = rng

    def fit(self, X: Array, y: Array, *, pairs: Pairing = None) -> Self:
        """Train on the pairs of X (n, dx) and y (m, dy)."""
        x, target = paired_rows(self, X, y, pairs)
        source, truth = (to_numpy(side).astype(np.float64) for side in (x, target))
        dx, dy = source.shape[1], truth.shape[1]
        if self.skip not in ("orthogonal", "identity") or (self.skip == "identity" and dx != dy):
            raise InputError(
                "ResidualMlp", f"skip {self.skip!r} from {dx} to {dy} dims",
                "orthogonal, or identity between equal dims",
            )  # fmt: skip
        if self.hidden < 1:
            raise InputError("ResidualMlp", f"hidden={self.hidden}", "hidden >= 1")
        rng = generator(self.rng)
        train, judge = split(len(source), rng)
        self.mean_x_, self.mean_y_ = source[train].mean(axis=0), truth[train].mean(axis=0)
        turn = np.eye(dx) if self.skip == "identity" else None
        self.skip_ = Orthogonal().fit(source[train], truth[train]).coef_ if turn is None else turn
        z, left = (source - self.mean_x_) @ self.skip_, truth - self.mean_y_
        unit_in = _root_mean_square(z[train])
        unit_out = _root_mean_square((left - z)[train])
        start = {
            "w1": rng.normal(size=(dy, self.hidden)) / dy**0.5, "b1": np.zeros(self.hidden),
            "w2": np.zeros((self.hidden, dy)), "b2": np.zeros(dy),
        }  # fmt: skip
        if self.scaling:
            start["s"] = np.ones(dy)
        found = descend(
            _forward(unit_in, unit_out), start, z / unit_out, left / unit_out, train=train,
            judge=judge, steps=self.steps, rate=self.rate, rng=rng, operation="ResidualMlp.fit",
        )  # fmt: skip
        self.hidden_weights_, self.hidden_bias_ = found["w1"] / unit_in, found["b1"]
        self.out_weights_, self.out_bias_ = found["w2"] * unit_out, found["b2"] * unit_out
        self.scale_ = found.get("s", np.ones(dy))
        return self

    def transform(self, X: Array) -> Array:
        """Translate X (n, dx) into the target space, (n, dy), of X's own kind and precision."""
        x = to_translate(self, X)
        xp = namespace(x)
        skip, mean_x, mean_y, w1, b1, w2, b2, scale = (
            like(a, x)
            for a in (
                self.skip_, self.mean_x_, self.mean_y_, self.hidden_weights_, self.hidden_bias_,
                self.out_weights_, self.out_bias_, self.scale_,
            )
        )  # fmt: skip
        z = (x - mean_x) @ skip
        h = z @ w1 + b1
        h = 0.5 * h * (1 + xp.tanh((2 / np.pi) ** 0.5 * (h + 0.044715 * h * h * h)))
        return scale * (z + h @ w2 + b2) + mean_y

    @property
    def _n_features_out(self) -> int:
        return int(self.skip_.shape[1])


def _forward(unit_in: float, unit_out: float) -> Forward:
    """The network on z in units of ``unit_out``."""

    def forward(z: Any, w: dict[str, Any]) -> Any:
        from torch.nn.functional import gelu

        hidden = gelu(z * (unit_out / unit_in) @ w["w1"] + w["b1"], approximate="tanh")
        whole = z + hidden @ w["w2"] + w["b2"]
        return whole * w["s"] if "s" in w else whole

    return forward


def _root_mean_square(rows: np.ndarray) -> float:
    return float(np.sqrt(np.mean(rows**2))) or 1.0
