"""What bridges share that embed both sides into one space and decode from there."""

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from isthmus.bridges.mlp import (
    Weights,
    forward,
    initial,
    learnable,
    measured,
    numbers,
    pack,
    small_steps,
    torch_for,
    unpack,
)
from isthmus.bridges.rows import Pairing, paired_rows, to_translate
from isthmus.core.arrays import Array, like, matrix, namespace, to_numpy
from isthmus.core.errors import InputError
from isthmus.core.linalg import RidgePath
from isthmus.core.moments import Moments
from isthmus.core.neighbors import directions
from isthmus.core.random import Seed, generator


def cross_entropy(scores: Array) -> Array:
    """Mean over rows of the negative log softmax of ``scores`` (n, n) at the diagonal, 0-d.

    >>> round(float(cross_entropy(np.zeros((4, 4)))), 6) == round(float(np.log(4)), 6)
    True
    """
    xp = namespace(scores)
    peak = xp.max(scores, axis=1, keepdims=True)
    total = xp.log(xp.sum(xp.exp(scores - peak), axis=1)) + peak[:, 0]
    return xp.mean(total - xp.linalg.diagonal(scores))


class JointSpace:
    """Mixin, beside ``Map``, of an estimator with a head per side that both lead to one sphere.

    A head is linear, or has one hidden layer where ``hidden`` > 0; each side is centred and brought
    to unit mean square entry before it. ``loss(torch, u, v, step, rng)`` of a subclass gives what
    training lowers, from unit codes (m, k) of a batch of pairs. Transform is a ridge decoder from
    the source's unit codes to the target, its penalty by generalised cross-validation.
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]] = {
        "source_mean_": ("dx",), "source_size_": (), "source_weights_": ("p",),
        "target_mean_": ("dy",), "target_size_": (), "target_weights_": ("q",),
        "decoder_": ("k", "dy"), "offset_": ("dy",),
    }  # fmt: skip

    source_mean_: np.ndarray
    source_size_: float
    source_weights_: np.ndarray
    target_mean_: np.ndarray
    target_size_: float
    target_weights_: np.ndarray
    decoder_: np.ndarray
    offset_: np.ndarray
    n_features_in_: int
    dim: int
    hidden: int
    steps: int
    batch: int
    rate: float
    rng: Seed

    def loss(self, torch: Any, u: Any, v: Any, step: int, rng: np.random.Generator) -> Any:
        """What one step lowers; each bridge has its own."""
        raise NotImplementedError

    def fit(self, X: Array, y: Array, *, pairs: Pairing = None) -> Self:
        """Train both heads on the pairs of X (n, dx) and y (m, dy), and fit the decoder."""
        name = type(self).__name__
        if self.dim < 1 or self.hidden < 0 or self.steps < 0 or self.batch < 2:
            raise InputError(
                name, f"dim={self.dim}, hidden={self.hidden}, steps={self.steps}, "
                f"batch={self.batch}", "dim >= 1, hidden >= 0, steps >= 0 and batch >= 2",
            )  # fmt: skip
        x, target = (to_numpy(s).astype(np.float64) for s in paired_rows(self, X, y, pairs))
        rng = generator(self.rng)
        self.source_mean_, self.source_size_ = measured(x)
        self.target_mean_, self.target_size_ = measured(target)
        sides = (
            (x - self.source_mean_) / self.source_size_,
            (target - self.target_mean_) / self.target_size_,
        )
        heads = [initial(self._sizes(side.shape[1]), rng) for side in sides]
        heads = self._trained(heads, sides, rng)
        self.source_weights_, self.target_weights_ = (pack(head) for head in heads)
        codes = np.asarray(directions(forward(heads[0], sides[0])))
        path = RidgePath(Moments.of(codes, target))
        self.decoder_ = path.coef(path.best_alpha_gcv())
        self.offset_ = path.mean_y - path.mean_x @ self.decoder_
        return self

    def encode_source(self, X: Array) -> Array:
        """Unit codes of source vectors (n, dx) in the joint space, (n, k), of X's own kind."""
        return self._codes(to_translate(self, X), "source")  # type: ignore[arg-type]

    def encode_target(self, Y: Array) -> Array:
        """Unit codes of target vectors (n, dy) in the joint space, (n, k), of Y's own kind."""
        check_is_fitted(self)
        operation = f"{type(self).__name__}.encode_target"
        y = matrix("Y", Y, operation=operation)
        if y.shape[1] != len(self.target_mean_):
            raise InputError(
                operation, f"Y {tuple(y.shape)}", f"{len(self.target_mean_)} columns as fitted"
            )
        return self._codes(y, "target")

    def transform(self, X: Array) -> Array:
        """Translate X (n, dx) into the target space, (n, dy), of X's own kind and precision."""
        codes = self.encode_source(X)
        return codes @ like(self.decoder_, codes) + like(self.offset_, codes)

    def _codes(self, x: Array, side: str) -> Array:
        mean, size = like(getattr(self, f"{side}_mean_"), x), getattr(self, f"{side}_size_")
        weights = unpack(getattr(self, f"{side}_weights_"), self._sizes(x.shape[1]), x)
        return directions(forward(weights, (x - mean) / size))

    def _trained(
        self, heads: list[Weights], sides: tuple[np.ndarray, np.ndarray], rng: np.random.Generator
    ) -> list[Weights]:
        """The heads after ``steps`` of Adam on ``loss``, the rate falling as half a cosine."""
        from isthmus.bridges.mlp import falling

        torch = torch_for(f"{type(self).__name__}.fit")
        tensors = [learnable(torch, head) for head in heads]
        optimiser = torch.optim.Adam([w for head in tensors for w in head], lr=self.rate)
        whole = [torch.from_numpy(side) for side in sides]
        n = len(sides[0])
        with small_steps(torch, optimiser.param_groups[0]["params"], min(self.batch, n)):
            for step in range(self.steps):
                optimiser.param_groups[0]["lr"] = self.rate * falling(step, self.steps)
                rows = torch.from_numpy(rng.choice(n, min(self.batch, n), replace=False))
                u, v = (
                    torch.nn.functional.normalize(forward(head, side[rows]), dim=1)
                    for head, side in zip(tensors, whole, strict=True)
                )
                loss = self.loss(torch, u, v, step, rng)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        return [numbers(head) for head in tensors]

    def _sizes(self, width: int) -> tuple[int, ...]:
        return (width, self.hidden, self.dim) if self.hidden else (width, self.dim)

    @property
    def _n_features_out(self) -> int:
        return int(self.decoder_.shape[1])
