"""Shared blocks: one encoder per view, trained so that views agree on what they have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.bridges import file
from isthmus.bridges.mlp import (
    Weights,
    falling,
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
from isthmus.core.arrays import Array, like, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import FormatError, InputError
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="fit_shared",
    summary="A contrastive encoder per view that returns the block shared by each set of views.",
    paper=Paper(
        "Multi-View Causal Representation Learning with Partial Observability", "Yao et al.", 2024
    ),
    spaces=0,  # any number of views, paired by row
    library="torch",
    cost="k n d",  # k: steps
    memory="n d",
)

#: A set of views, by number, ascending.
Views = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shared:
    """One fitted encoder per view; ``blocks`` says how wide the block of each set of views is."""

    blocks: dict[Views, int]
    weights: tuple[Weights, ...]
    means: tuple[np.ndarray, ...]
    sizes: tuple[float, ...]

    def encode(self, view: int, X: Array) -> dict[Views, Array]:
        """The shared blocks (n, width) that ``view`` takes part in, of vectors X (n, d) of it.

        InputError on an unknown view or another width than fitted.
        """
        if not 0 <= view < len(self.weights):
            raise InputError("encode", f"view {view}", f"a view from 0 to {len(self.weights) - 1}")
        x = matrix("X", X, operation="encode")
        if x.shape[1] != len(self.means[view]):
            raise InputError(
                "encode", f"X {tuple(x.shape)}", f"{len(self.means[view])} columns as fitted"
            )
        x = (x - like(self.means[view], x)) / self.sizes[view]
        codes = forward([like(w, x) for w in self.weights[view]], x)
        return {views: codes[:, place] for views, place in _places(self.blocks, view).items()}

    def save(self, path: str | Path) -> Path:
        """Write the encoders as one file (safetensors and JSON), atomically; returns its path."""
        arrays: dict[str, np.ndarray] = {}
        layers = []
        for view, (weights, mean) in enumerate(zip(self.weights, self.means, strict=True)):
            arrays |= {f"weights.{view}": pack(weights), f"mean.{view}": mean}
            layers.append([len(weights[0]), *(len(b) for b in weights[1::2])])
        blocks = [[list(views), width] for views, width in self.blocks.items()]
        said = {"method": CARD.name, "blocks": blocks, "layers": layers, "sizes": list(self.sizes)}
        file.write(Path(path), said, arrays)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> "Shared":
        """Read what ``save`` wrote; raises FormatError on anything else."""
        said, arrays = file.read(Path(path))
        try:
            if said["method"] != CARD.name:
                raise ValueError(f"method {said['method']!r}")
            sizes, layers = tuple(map(float, said["sizes"])), said["layers"]
            means = tuple(arrays.pop(f"mean.{view}") for view in range(len(sizes)))
            blocks = _checked(len(sizes), {tuple(views): width for views, width in said["blocks"]})
            weights = []
            for view, (mean, widths) in enumerate(zip(means, layers, strict=True)):
                last = max((p.stop for p in _places(blocks, view).values()), default=1)
                if mean.shape != (widths[0],) or widths[-1] != last or not sizes[view] > 0:
                    raise ValueError(f"view {view} of layers {widths}, size {sizes[view]}")
                weights.append(unpack(arrays.pop(f"weights.{view}"), widths, mean))
            if arrays:
                raise ValueError(f"arrays {sorted(arrays)}")
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise FormatError(
                "load shared blocks", f"{path}: {type(error).__name__} {error}"[:300],
                "a description as Shared.save writes it", "Fit the blocks anew.",
            ) from error  # fmt: skip
        return cls(blocks, tuple(weights), means, sizes)


@register(CARD)
def fit_shared(
    views: Sequence[Array], blocks: Mapping[Views, int], *, hidden: int = 128, steps: int = 1000,
    batch: int = 512, rate: float = 3e-3, temperature: float = 1.0, rng: Seed = 0,
) -> Shared:  # fmt: skip
    r"""Encoders under which the views of each set agree on a block, and the block keeps all it can.

    View k's encoder is one network g_k whose answer falls into parts, one for each set S of views
    that k belongs to. Summed over sets and over pairs of their views,

    .. math:: \frac12 \bigl[ H(-|g_k^S - g_l^S|^2 / \tau) + H(-|g_l^S - g_k^S|^2 / \tau) \bigr]

    is lowered by Adam, H the cross-entropy of a batch's squared distances with the diagonal: what
    agrees is drawn together and everything else apart, so that the part keeps all the information
    that the views of S share and, for want of agreement, none that they do not.

    Parameters
    ----------
    views : arrays (n, d_k), rows paired across all of them
    blocks : width of the block of each set of views, as {(0, 1): 2, (0, 1, 2): 1};
        ``isthmus.bridges.identifiable_blocks`` says what they are when the latents are known
    hidden : units of either of the two hidden layers
    steps, batch, rate : of Adam; the rate falls to zero as half a cosine
    temperature : τ
    rng : seed or Generator of first weights and batches

    Raises
    ------
    InputError
        On fewer than two views, views of unequal length or fewer than 2 rows, sets that name no two
        different views, or widths below 1.
    MissingExtra
        When torch is absent.

    References
    ----------
    Yao et al. 2024.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(300, 3))
    >>> fitted = fit_shared([z[:, :2], z[:, 1:]], {(0, 1): 1}, steps=100, batch=64, hidden=16)
    >>> block = fitted.encode(0, z[:, :2])[0, 1]
    >>> bool(abs(np.corrcoef(block[:, 0], z[:, 1])[0, 1]) > 0.9)
    True
    """
    sides = [
        to_numpy(matrix(f"view {k}", view, operation="fit_shared")).astype(np.float64)
        for k, view in enumerate(views)
    ]
    rows = {len(side) for side in sides}
    if len(sides) < 2 or len(rows) != 1 or min(rows) < 2:
        raise InputError(
            "fit_shared", f"{len(sides)} views of {sorted(rows)} rows",
            "at least two views, paired by row, of at least 2 rows",
        )  # fmt: skip
    wanted = _checked(len(sides), blocks)
    generate = generator(rng)
    torch = torch_for("fit_shared")
    means, sizes = zip(*map(measured, sides), strict=True)
    inputs = [
        torch.from_numpy((side - mean) / size)
        for side, mean, size in zip(sides, means, sizes, strict=True)
    ]
    places = [_places(wanted, k) for k in range(len(sides))]
    widths = [max((p.stop for p in place.values()), default=1) for place in places]
    networks = [
        learnable(torch, initial((side.shape[1], hidden, hidden, width), generate))
        for side, width in zip(sides, widths, strict=True)
    ]
    optimiser = torch.optim.Adam([w for network in networks for w in network], lr=rate)
    n = len(sides[0])
    with small_steps(torch, optimiser.param_groups[0]["params"], min(batch, n)):
        for step in range(steps):
            optimiser.param_groups[0]["lr"] = rate * falling(step, steps)
            rows = torch.from_numpy(generate.choice(n, min(batch, n), replace=False))
            codes = [forward(net, x[rows]) for net, x in zip(networks, inputs, strict=True)]
            loss = torch.zeros((), dtype=torch.float64)
            for names in wanted:
                parts = [codes[k][:, places[k][names]] for k in names]
                for i, one in enumerate(parts):
                    for two in parts[i + 1 :]:
                        loss = loss + _agreement(torch, one, two, temperature)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return Shared(wanted, tuple(numbers(network) for network in networks), means, sizes)


def _agreement(torch: Any, one: Any, two: Any, temperature: float) -> Any:
    squares = (one**2).sum(dim=1)[:, None] + (two**2).sum(dim=1)[None, :] - 2 * one @ two.T
    scores, truth = -squares / temperature, torch.arange(len(one))
    cross = torch.nn.functional.cross_entropy
    return (cross(scores, truth) + cross(scores.T, truth)) / 2


def _places(blocks: Mapping[Views, int], view: int) -> dict[Views, slice]:
    """Where in the answer of a view's network each of its blocks lies."""
    found, at = {}, 0
    for names, width in blocks.items():
        if view in names:
            found[names] = slice(at, at + width)
            at += width
    return found


def _checked(views: int, blocks: Mapping[Views, int]) -> dict[Views, int]:
    """The blocks of so many views, each set in order; InputError on what is none."""
    wanted: dict[Views, int] = {}
    for names, width in blocks.items():
        key = tuple(sorted(set(names)))
        if len(key) < 2 or key[0] < 0 or key[-1] >= views or width < 1:
            raise InputError(
                "fit_shared", f"a block of width {width} for views {tuple(names)}",
                f"two or more of the views 0..{views - 1}, and a width of at least 1",
            )  # fmt: skip
        wanted[key] = int(width)
    if not wanted:
        raise InputError("fit_shared", "no block", "the width of at least one set's block")
    return wanted
