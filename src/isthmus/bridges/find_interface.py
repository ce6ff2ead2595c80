"""FIND interface: one small attention module over frozen encoders' vectors, one shared space."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from isthmus.bridges import file
from isthmus.bridges.all_or_nothing import all_or_nothing
from isthmus.bridges.consensus import check_connected, frames
from isthmus.bridges.items import Rows, all_items, rows_of
from isthmus.bridges.joining import ridge
from isthmus.core.arrays import Array, like, matrix, namespace
from isthmus.core.card import Card, Paper
from isthmus.core.errors import FormatError, InputError, MissingExtra
from isthmus.core.moments import Moments
from isthmus.core.neighbors import directions
from isthmus.core.random import Seed, generator
from isthmus.core.registry import register

CARD = Card(
    name="find_interface",
    summary="A small attention module shared by frozen encoders; new ones bring only an adapter.",
    paper=Paper("Interfacing Foundation Models' Embeddings", "Zou et al.", 2024),
    cost="n d k",
    memory="n d + d k",
    library="torch",
    spaces=0,
)

#: Learning rate of AdamW, its weight decay, and rows per step.
_RATE, _DECAY, _BATCH = 3e-3, 1e-2, 256
#: Shares of the module that all encoders have in common, in the order they are saved.
_SHARED = ("prompts", "keys", "values", "queries", "merge")


@register(CARD)
class FindInterface(BaseEstimator):
    r"""One interface over N frozen encoders: prompts attend to an encoder's tokens.

    An encoder's vector x, centred and at unit spread, becomes T tokens of width k by its own
    linear adapter, to which its own prompt is added. Q shared queries attend to them,

    H = softmax(P W_q (Z W_k)ᵀ / √k) Z W_v,   z(x) = unit(Σ_q H_q M_q + mean of tokens),

    with prompts P, W_q, W_k, W_v and M shared by all. Trained by InfoNCE between the codes of
    one item under two encoders, every two in turn. ``add`` lets another encoder join by training
    its own adapter and prompt alone. torch trains; applying needs none.

    Parameters
    ----------
    width : k, of tokens and of the shared space
    tokens : T, that a vector is split into;  prompts : Q, shared queries
    steps : of training, also when an encoder joins
    temperature : of the InfoNCE loss
    rng : seed or Generator

    Attributes
    ----------
    names_ : the encoders
    shared_ : by name, the arrays all encoders share
    adapters_ : by encoder, its adapter (d, T k) and offset (T k,), centring and prompt folded in

    Raises
    ------
    InputError
        On values that cannot be used, or encoders without common items.
    MissingExtra
        When fitting without torch.

    References
    ----------
    Zou et al. 2024: an interface of shared attention over frozen models, extended by prompts.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(80, 3))
    >>> find = FindInterface(width=8, steps=60).fit({"a": x, "b": x[:, ::-1]})
    >>> find.encode(x, "a").shape
    (80, 8)
    """

    names_: tuple[str, ...]
    shared_: dict[str, np.ndarray]
    adapters_: dict[str, tuple[np.ndarray, np.ndarray]]

    def __init__(
        self, *, width: int = 32, tokens: int = 2, prompts: int = 2, steps: int = 300,
        temperature: float = 0.1, rng: Seed = 0,
    ) -> None:  # fmt: skip
        self.width = width
        self.tokens = tokens
        self.prompts = prompts
        self.steps = steps
        self.temperature = temperature
        self.rng = rng

    @all_or_nothing
    def fit(self, spaces: Mapping[str, Any]) -> Self:
        """Fit on ``{name: Space or (ids, vectors) or vectors}``; rows are the items without ids."""
        if min(self.width, self.tokens, self.prompts, self.steps) < 1 or self.temperature <= 0:
            raise InputError("FindInterface", f"{self.get_params()}", "positive numbers")
        rows = all_items(spaces, None, seed=0, operation="FindInterface.fit")
        self._train(rows, frozen=())
        return self

    def add(self, name: str, X: Any, ids: Any, partner: str, Y: Any, partner_ids: Any) -> Self:
        """Let encoder ``name`` join from items it shares with rows Y of the encoder ``partner``.

        Only its own adapter and prompt are trained; everything else stays bit for bit.
        """
        check_is_fitted(self)
        if name in self.names_ or partner not in self.names_:
            raise InputError("FindInterface.add", f"{name!r} beside {partner!r}",
                             f"a new name beside one of {list(self.names_)}")  # fmt: skip
        rows = {
            partner: rows_of(partner, (partner_ids, Y), seed=0, operation="FindInterface.add"),
            name: rows_of(name, (ids, X), seed=0, operation="FindInterface.add"),
        }
        self._train(rows, frozen=(partner,))
        return self

    def encode(self, X: Array, encoder: str) -> Array:
        """Codes (n, k) of unit length in the shared space, of X's own kind and precision."""
        check_is_fitted(self)
        if encoder not in self.adapters_:
            raise InputError("FindInterface", f"encoder {encoder!r}", f"one of {self.names_}")
        x = matrix("X", X, operation="FindInterface.encode")
        adapter, offset = self.adapters_[encoder]
        if x.shape[1] != len(adapter):
            raise InputError("FindInterface.encode", f"X {tuple(x.shape)}",
                             f"{len(adapter)} columns of {encoder!r}")  # fmt: skip
        xp = namespace(x)
        flat = x @ like(adapter, x) + like(offset, x)
        tokens = xp.reshape(flat, (x.shape[0], self.tokens, self.width))
        shared = {part: like(array, x) for part, array in self.shared_.items()}
        asked = shared["prompts"] @ shared["queries"]
        scores = (tokens @ shared["keys"]) @ asked.T / self.width**0.5
        weights = xp.exp(scores - xp.max(scores, axis=1, keepdims=True))
        weights = weights / xp.sum(weights, axis=1, keepdims=True)  # (n, T, Q), over tokens
        heads = xp.permute_dims(weights, (0, 2, 1)) @ (tokens @ shared["values"])
        merged = xp.reshape(heads, (x.shape[0], self.prompts * self.width)) @ shared["merge"]
        return directions(merged + xp.mean(tokens, axis=1))

    def parameters(self, *encoders: str) -> int:
        """How many numbers were trained: for these encoders' own parts, or for all and shared."""
        own = sum(sum(part.size for part in self.adapters_[e]) for e in encoders or self.names_)
        return own if encoders else own + sum(array.size for array in self.shared_.values())

    def save(self, path: str | Path) -> Path:
        """Write the fitted interface as one file (safetensors and JSON), atomically."""
        check_is_fitted(self)
        arrays = {f"shared.{part}": array for part, array in self.shared_.items()}
        for i, name in enumerate(self.names_):
            arrays[f"adapter.{i}"], arrays[f"offset.{i}"] = self.adapters_[name]
        params = self.get_params()
        if isinstance(self.rng, np.random.Generator):
            params["rng"] = 0  # one in use cannot be written down, and is not needed after
        said = {"method": CARD.name, "params": params, "names": list(self.names_)}
        file.write(Path(path), said, arrays)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> "FindInterface":
        """Read an interface's file; raises FormatError on anything ``save`` did not write."""
        said, arrays = file.read(Path(path))
        try:
            if said["method"] != CARD.name:
                raise ValueError(f"method {said['method']!r}")
            found = cls(**said["params"])
            k, flat = found.width, found.tokens * found.width
            shapes = {"prompts": (found.prompts, k), "merge": (found.prompts * k, k)}
            found.shared_ = {part: arrays.pop(f"shared.{part}") for part in _SHARED}
            if any(a.shape != shapes.get(part, (k, k)) for part, a in found.shared_.items()):
                raise ValueError("shared arrays of impossible shapes")
            found.names_, found.adapters_ = tuple(map(str, said["names"])), {}
            for i, name in enumerate(found.names_):
                adapter, offset = arrays.pop(f"adapter.{i}"), arrays.pop(f"offset.{i}")
                if adapter.ndim != 2 or adapter.shape[1] != flat or offset.shape != (flat,):
                    raise ValueError(f"adapter of {name!r} of shape {adapter.shape}")
                found.adapters_[name] = adapter, offset
            if arrays or not found.names_:
                raise ValueError(f"arrays {sorted(arrays)}")
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(
                "load interface", f"{path}: {type(error).__name__} {error}"[:300],
                "a description as FindInterface.save writes it", "Fit the interface anew.",
            ) from error  # fmt: skip
        return found

    def _train(self, rows: dict[str, Rows], *, frozen: tuple[str, ...]) -> None:
        """Train adapters of the encoders not frozen, and the shared module when none is frozen."""
        try:
            import torch
        except ImportError as error:
            raise MissingExtra("FindInterface.fit", "torch", "torch") from error
        names = list(rows)
        links = [
            (a, b, *rows[a].common(rows[b])) for k, a in enumerate(names) for b in names[k + 1 :]
        ]
        links = [link for link in links if len(link[2]) > 1]
        moments = {
            (a, b): Moments.of(rows[a].vectors[i], rows[b].vectors[j], keeps="cross")
            for a, b, i, j in links
        }
        check_connected(names, moments)
        rng, k, flat = generator(self.rng), self.width, self.tokens * self.width
        free = [name for name in names if name not in frozen]
        x, spreads, centres = {}, {}, {}
        for name in names:
            vectors = rows[name].vectors
            centres[name] = vectors.mean(axis=0)
            spread = np.sqrt(np.mean(np.sum((vectors - centres[name]) ** 2, axis=1)))
            spreads[name] = float(spread) or 1.0
            x[name] = torch.tensor((vectors - centres[name]) / spreads[name])

        def made(*shape: int, scale: float) -> Any:
            return torch.tensor(rng.normal(0, scale, shape)).requires_grad_()

        if frozen:
            shared = {part: torch.tensor(array) for part, array in self.shared_.items()}
        else:
            shared = {part: made(k, k, scale=k**-0.5) for part in ("keys", "values", "queries")}
            shared["prompts"] = made(self.prompts, k, scale=1.0)
            shared["merge"] = made(self.prompts * k, k, scale=0.1 * k**-0.5)
        adapters = {}
        for name in names:
            d = x[name].shape[1]
            if name in frozen:
                coef, offset = self.adapters_[name]
                parts = coef * spreads[name], offset + centres[name] @ coef
                adapters[name] = tuple(torch.tensor(part) for part in parts)
            else:
                adapters[name] = made(d, flat, scale=0.1 * d**-0.5), made(flat, scale=0.02)
        # Training starts from spaces already turned onto each other: the hub's closed form, or for
        # one that joins the ridge map onto its partner's mean tokens.
        starts = self._joins(rows, links, frozen) if frozen else {
            name: frame.turn for name, frame in frames(names, moments, k)[0].items()
        }  # fmt: skip
        with torch.no_grad():
            for name, start in starts.items():
                adapters[name][0].add_(torch.tensor(np.tile(start, (1, self.tokens))))

        def code(name: str, picked: Any) -> Any:
            tokens = picked @ adapters[name][0] + adapters[name][1]
            tokens = tokens.reshape(len(picked), self.tokens, k)
            asked = shared["prompts"] @ shared["queries"]
            weights = ((tokens @ shared["keys"]) @ asked.T / k**0.5).softmax(dim=1)
            heads = weights.transpose(1, 2) @ (tokens @ shared["values"])
            merged = heads.reshape(len(picked), -1) @ shared["merge"] + tokens.mean(dim=1)
            return torch.nn.functional.normalize(merged, dim=1)

        trained = [part for name in free for part in adapters[name]]
        trained += [] if frozen else list(shared.values())
        optimiser = torch.optim.AdamW(trained, lr=_RATE, weight_decay=_DECAY)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.steps)
        for step in range(self.steps):
            a, b, i, j = links[step % len(links)]
            batch = rng.choice(len(i), min(_BATCH, len(i)), replace=False)
            one, two = code(a, x[a][i[batch]]), code(b, x[b][j[batch]])
            scores, truth = one @ two.T / self.temperature, torch.arange(len(batch))
            loss = torch.nn.functional.cross_entropy(scores, truth)
            loss = loss + torch.nn.functional.cross_entropy(scores.T, truth)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        if not frozen:
            self.shared_ = {part: shared[part].detach().numpy().copy() for part in _SHARED}
            self.names_, self.adapters_ = (), {}
        for name in free:
            coef, offset = (part.detach().numpy() for part in adapters[name])
            coef = coef / spreads[name]
            self.adapters_[name] = coef, offset - centres[name] @ coef
        self.names_ = (*self.names_, *free)

    def _joins(
        self, rows: dict[str, Rows], links: list[Any], frozen: tuple[str, ...]
    ) -> dict[str, np.ndarray]:
        (partner,) = frozen
        (_, name, i, j) = links[0]  # the partner comes first
        coef, offset = self.adapters_[partner]
        tokens = (rows[partner].vectors[i] @ coef + offset).reshape(len(i), self.tokens, -1)
        target, x = tokens.mean(axis=1), rows[name].vectors[j]
        x = x - x.mean(axis=0)
        spread = np.sqrt(np.mean(np.sum(x * x, axis=1))) or 1.0
        return {name: ridge(x / spread, target - target.mean(axis=0), 0.1)}
