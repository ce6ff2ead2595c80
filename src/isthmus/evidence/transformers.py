"""Small character models trained on Python's docstrings, and their hidden states.

Three bodies of one size: a causal transformer that predicts the next character (``decoder``), a
transformer that sees both sides and restores hidden characters (``encoder``), and the decoder with
causal convolutions in place of attention (``convolution``). Blocks normalise before they compute
(pre-LayerNorm) and add to the stream, and the output shares the characters' weights, as in GPT-2;
places start as sine waves and are learned. Matrices of the blocks are trained by orthogonalised
momentum (Muon): at this size and budget AdamW alone stays at the loss of counted pairs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from isthmus.core.errors import InputError, MissingExtra
from isthmus.evidence.corpora import docstrings

KINDS = ("decoder", "encoder", "convolution")
#: Codes below: 0 hides a character, 1 to 95 are printable ASCII; anything else reads as "?".
MASK = 0
VOCABULARY = 96
#: Characters a model sees at once.
CONTEXT = 64
LAYERS, WIDTH, HEADS = 4, 64, 4
#: Steps after which weights are kept, as shares of all steps.
_KEPT = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
_BATCH = 4


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model: its ``checkpoints`` (step to weights) and its ``losses`` per step, nats."""

    kind: str
    seed: int
    checkpoints: Mapping[int, Mapping[str, Any]] = field(repr=False)
    losses: np.ndarray = field(repr=False)

    def model(self, step: int | None = None) -> Any:
        """The torch module as it was after ``step`` steps; the finished one without."""
        at = max(self.checkpoints) if step is None else step
        if at not in self.checkpoints:
            raise InputError("checkpoint", f"step {at}", f"one of {sorted(self.checkpoints)}")
        body = _body(self.kind)
        body.load_state_dict(dict(self.checkpoints[at]))
        return body.eval()


def encode(text: str) -> np.ndarray:
    """Character codes (length,) int64 of ``text``.

    >>> encode("a b").tolist()
    [66, 1, 67]
    """
    raw = np.frombuffer(text.encode("ascii", "replace"), np.uint8).astype(np.int64) - 31
    return np.where((raw >= 1) & (raw < VOCABULARY), raw, 32)


@lru_cache(maxsize=1)
def documents() -> tuple[tuple[str, ...], tuple[np.ndarray, ...]]:
    """Names and codes of the docstrings of at least ``CONTEXT`` characters."""
    texts = docstrings()
    pairs = [
        (name, encode(f"{summary} {body}"))
        for name, summary, body in zip(texts.ids, texts.queries, texts.documents, strict=True)
    ]
    long = [(name, codes) for name, codes in pairs if len(codes) >= CONTEXT]
    return tuple(name for name, _ in long), tuple(codes for _, codes in long)


def held_out(count: int, *, seed: int) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and codes (count, CONTEXT) of stretches of documents that no model was trained on.

    Every fifth document is kept from training. ``seed`` draws documents by their length and, as in
    training, where in them a stretch begins; a document may come more than once.
    """
    names, codes = documents()
    kept = np.arange(0, len(names), 5)
    room = np.array([len(codes[i]) - CONTEXT + 1 for i in kept])
    at = np.sort(np.random.default_rng(seed).choice(int(room.sum()), count))
    ends = np.cumsum(room)
    which = np.searchsorted(ends, at, side="right")
    start = at - (ends - room)[which]
    texts = [codes[kept[i]][j : j + CONTEXT] for i, j in zip(which, start, strict=True)]
    return tuple(names[kept[i]] for i in which), np.stack(texts)


@lru_cache(maxsize=32)
def trained(kind: str, seed: int, *, steps: int = 600) -> Trained:
    """The model of a ``kind`` trained for ``steps`` steps of 4 x 64 characters from ``seed``.

    Block matrices step by 0.02 in Muon's direction, all else by AdamW at 0.01; both rise over a
    twentieth of the steps and fall over the last six tenths. An encoder has 15 % of its characters
    hidden and is judged on those alone. Kept for the process, so that several pieces of evidence
    share a model.

    Raises
    ------
    InputError
        On an unknown kind.
    MissingExtra
        Without torch.
    """
    torch = _torch()
    rng = np.random.default_rng(seed)
    stream = np.concatenate([codes for i, codes in enumerate(documents()[1]) if i % 5])
    body = _body(kind, seed)
    named = list(body.named_parameters())
    inner = [w for name, w in named if name.startswith("blocks.") and w.ndim > 1]
    momenta = [torch.zeros_like(w) for w in inner]
    rest = [w for name, w in named if not (name.startswith("blocks.") and w.ndim > 1)]
    optimiser = torch.optim.AdamW(rest, lr=0.01, betas=(0.9, 0.95), weight_decay=0.0)
    kept = {round(share * steps) for share in _KEPT}
    checkpoints: dict[int, dict[str, Any]] = {}
    losses = np.empty(steps)
    for step in range(steps + 1):
        if step in kept:
            checkpoints[step] = {k: v.detach().clone() for k, v in body.state_dict().items()}
        if step == steps:
            break
        pace = min((step + 1) / (0.05 * steps), 1.0, 0.05 + 1.6 * (1 - step / steps))
        start = rng.integers(len(stream) - CONTEXT, size=_BATCH)
        codes = stream[start[:, None] + np.arange(CONTEXT + 1)]
        loss = _loss(body, kind, codes, rng).mean()
        body.zero_grad()
        loss.backward()
        optimiser.param_groups[0]["lr"] = 0.01 * pace
        optimiser.step()
        with torch.no_grad():
            for weight, momentum in zip(inner, momenta, strict=True):
                momentum.mul_(0.95).add_(weight.grad)
                weight.add_(_direction(weight.grad + 0.95 * momentum), alpha=-0.02 * pace)
        losses[step] = loss.item()
    return Trained(kind, seed, checkpoints, losses)


def _direction(gradient: Any) -> Any:
    """The gradient with its singular values near 1, by Muon's five odd polynomials of degree 5.

    Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks". A convolution's
    kernel is taken as one matrix; tall matrices step by √(rows / columns) more.
    """
    x = gradient.reshape(len(gradient), -1)
    rows, columns = x.shape
    x = x / (x.norm() + 1e-7)
    x = x.T if rows > columns else x
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (2.0315 * square @ square - 4.7750 * square) @ x
    x = (x.T if rows > columns else x) * max(1.0, rows / columns) ** 0.5
    return x.reshape(gradient.shape)


def hidden_states(model: Any, batch: np.ndarray) -> np.ndarray:
    """Residual streams (layers, sequences, tokens, d) float32; layer 0 is what enters block 1.

    ``batch`` are codes (sequences, tokens) of at most ``CONTEXT`` tokens.
    """
    torch = _torch()
    with torch.no_grad():
        found = [
            np.stack([h.numpy() for h in model.streams(torch.from_numpy(batch[at : at + 64]))])
            for at in range(0, len(batch), 64)
        ]
    return np.concatenate(found, axis=1)


def prompt_losses(model: Any, batch: np.ndarray) -> np.ndarray:
    """Mean loss (sequences,) of predicting each next character of ``batch``, nats; a decoder's."""
    torch = _torch()
    rng = np.random.default_rng(0)
    with torch.no_grad():
        found = [
            _loss(model, "decoder", batch[at : at + 64], rng).mean(dim=1).numpy()
            for at in range(0, len(batch), 64)
        ]
    return np.concatenate(found).astype(np.float64)


def _loss(body: Any, kind: str, codes: np.ndarray, rng: np.random.Generator) -> Any:
    """Loss (sequences, judged tokens) of a batch of codes (sequences, tokens)."""
    torch = _torch()
    if kind == "encoder":
        inputs, hidden = codes[:, :CONTEXT].copy(), rng.random((len(codes), CONTEXT)) < 0.15
        inputs[hidden] = MASK
        logits = body(torch.from_numpy(inputs))[torch.from_numpy(hidden)]
        wanted = torch.from_numpy(codes[:, :CONTEXT][hidden])
        return torch.nn.functional.cross_entropy(logits, wanted, reduction="none")
    logits = body(torch.from_numpy(codes[:, :-1]))
    wanted = torch.from_numpy(codes[:, 1:])
    return torch.nn.functional.cross_entropy(logits.transpose(1, 2), wanted, reduction="none")


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("character model", "torch", "torch") from error
    return torch


@lru_cache(maxsize=1)
def _classes() -> tuple[type, type]:
    """The torch classes, made when first needed: torch costs seconds to import."""
    torch = _torch()
    nn, functional = torch.nn, torch.nn.functional

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        """x + mix(LN x), then x + mlp(LN x)."""

        def __init__(self, kind: str) -> None:
            super().__init__()
            self.kind = kind
            self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            # Both ways of mixing have 4 WIDTH² weights.
            if kind == "convolution":
                self.mix = nn.Conv1d(WIDTH, WIDTH, 4)
            else:
                self.ask, self.mix = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

        def forward(self, x: Any) -> Any:
            h = self.first(x)
            if self.kind == "convolution":
                h = self.mix(functional.pad(h.transpose(1, 2), (3, 0))).transpose(1, 2)
            else:
                b, t, _ = h.shape
                parts = self.ask(h).view(b, t, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
                h = functional.scaled_dot_product_attention(
                    *parts, is_causal=self.kind == "decoder"
                )
                h = self.mix(h.transpose(1, 2).reshape(b, t, WIDTH))
            x = x + h
            return x + self.down(functional.gelu(self.up(self.second(x))))

    class Body(nn.Module):  # type: ignore[misc, name-defined]
        """Characters and places, blocks, a last norm; the output shares the characters' weights."""

        def __init__(self, kind: str) -> None:
            super().__init__()
            self.characters = nn.Embedding(VOCABULARY, WIDTH)
            self.places = nn.Embedding(CONTEXT, WIDTH)
            self.blocks = nn.ModuleList([Block(kind) for _ in range(LAYERS)])
            self.last = nn.LayerNorm(WIDTH)

        def streams(self, codes: Any) -> list[Any]:
            """The stream before the first block and after every block."""
            found = [self.characters(codes) + self.places.weight[: codes.shape[1]]]
            for block in self.blocks:
                found.append(block(found[-1]))
            return found

        def forward(self, codes: Any) -> Any:
            return self.last(self.streams(codes)[-1]) @ self.characters.weight.T

    return Body, Block


def _body(kind: str, seed: int = 0) -> Any:
    """A model with fresh weights: N(0, 0.07²), what writes to the stream / √(2 layers), biases 0.

    0.07 is to 64 columns what GPT-2's 0.02 is to 768. Places start as waves of the same size.
    """
    if kind not in KINDS:
        raise InputError("character model", f"kind {kind!r}", f"one of {', '.join(KINDS)}")
    torch = _torch()
    with torch.random.fork_rng(devices=[]):  # torch draws weights of its own, which are replaced
        body = _classes()[0](kind)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in body.named_parameters():
            if weight.ndim > 1:
                writes = ".mix." in name or ".down." in name
                scale = 0.07 / (2 * LAYERS) ** 0.5 if writes else 0.07
                weight.normal_(0.0, scale, generator=draw)
            elif name.endswith("bias"):
                weight.zero_()
        # Drawn at random, places would take most of so short a training to learn their order.
        at = torch.arange(CONTEXT)[:, None] * CONTEXT ** -torch.linspace(0, 1, WIDTH // 2)
        body.places.weight.copy_(0.1 * torch.cat([at.sin(), at.cos()], dim=1))
    return body
