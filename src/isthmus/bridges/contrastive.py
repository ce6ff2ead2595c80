"""Contrastive bridge: a head on either side into one space, where partners find each other."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from isthmus.bridges.geodesic_mix import m2mix_loss
from isthmus.bridges.joint_space import JointSpace, cross_entropy
from isthmus.bridges.map import Map
from isthmus.core.arrays import Array, like, namespace, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.neighbors import directions
from isthmus.core.random import Seed
from isthmus.core.registry import register
from isthmus.measures.alignment import loss as alignment_loss
from isthmus.measures.uniformity import loss as uniformity_loss

CARD = Card(
    name="contrastive",
    summary="Heads of both sides into one space by symmetric InfoNCE, with zero-shot classes.",
    paper=Paper(
        "Learning Transferable Visual Models From Natural Language Supervision",
        "Radford et al.",
        2021,
    ),
    invariant=("isotropic_scale", "translation"),
    equivariant=("isotropic_scale", "translation"),
    library="torch",
    cost="k n d",  # k: steps
    memory="n d",
    quick=(("steps", 10),),
    min_rows=2,
)

#: λ of mixtures is drawn from Beta(½, ½): mostly near one modality or the other.
_BETA = 0.5


def clip_loss(
    u: Array, v: Array, *, temperature: float = 0.07, align: float = 0.0, uniform: float = 0.0
) -> Array:
    r"""Symmetric InfoNCE of unit rows, plus what closes the gap it leaves, 0-d, of the kind given.

    .. math:: \tfrac12 \bigl[ H(U V^\top / \tau) + H(V U^\top / \tau) \bigr]
              + a\, \frac1n \sum_i |u_i - v_i|^2
              + b \bigl[ \tfrac12 \mathcal U(U) + \tfrac12 \mathcal U(V) + \mathcal U(U, V) \bigr]

    H is the cross-entropy with the diagonal, 𝒰 the log mean Gaussian potential of different rows,
    within a side or across. a = ``align``, b = ``uniform``.

    Parameters
    ----------
    u, v : (n, k) arrays of unit rows, partners by row
    temperature : τ

    References
    ----------
    Radford et al. 2021; Fahim et al. 2024, It's Not a Modality Gap, for the further terms.

    Examples
    --------
    >>> round(float(clip_loss(np.eye(2), np.eye(2), temperature=1.0)), 4)
    0.3133
    """
    xp = namespace(u, v)
    scores = (u @ v.T) / temperature
    loss = (cross_entropy(scores) + cross_entropy(scores.T)) / 2
    if align:
        loss = loss + align * alignment_loss(u, v)
    if uniform:
        n = u.shape[0]
        other = 1 - xp.eye(n, dtype=u.dtype, device=getattr(u, "device", None))
        across = xp.log(xp.sum(other * xp.exp(4 * (u @ v.T - 1))) / (n * (n - 1)))
        loss = loss + uniform * ((uniformity_loss(u) + uniformity_loss(v)) / 2 + across)
    return loss


@register(CARD)
class Contrastive(JointSpace, Map, TransformerMixin, BaseEstimator):
    r"""Two heads trained so that of all pairs in a batch the true ones are most alike.

    u = f(x)/|f(x)| and v = g(y)/|g(y)| lower ``clip_loss`` over batches of pairs, by Adam. Both
    sides can then be searched against each other in the joint space (``encode_source``,
    ``encode_target``), classes that are only described are recognised (``zero_shot``), and a ridge
    decoder from the joint space gives the bridge's translations.

    Parameters
    ----------
    dim : width k of the joint space
    hidden : units of the one hidden layer of each head, 0 for linear heads
    temperature : τ
    align, uniform : weights of the terms that close the gap between the two clouds
    mix : weight of the loss with geodesic mixtures as negatives
    steps, batch, rate : of Adam; the rate falls to zero as half a cosine
    rng : seed or Generator of first weights, batches and mixtures

    Attributes
    ----------
    source_mean_, source_size_, source_weights_ : what the source head is, flat; so for the target
    decoder_ : (k, dy) float64;  offset_ : (dy,) float64

    Raises
    ------
    InputError
        On parameters out of range, or rows that are not finite, not paired, or fewer than 2.
    MissingExtra
        When torch is absent on fitting; applying needs none.

    References
    ----------
    Radford et al. 2021; Fahim et al. 2024 and Oh et al. 2023 for the further terms.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> hidden = rng.normal(size=(300, 5))
    >>> x, y = hidden @ rng.normal(size=(5, 8)), hidden @ rng.normal(size=(5, 6))
    >>> bridge = Contrastive(dim=16, steps=100).fit(x[:200], y[:200])
    >>> found = (bridge.encode_source(x[200:]) @ bridge.encode_target(y[200:]).T).argmax(axis=1)
    >>> bool(np.mean(found == np.arange(100)) > 0.9)
    True
    """

    def __init__(
        self, *, dim: int = 64, hidden: int = 0, temperature: float = 0.07, align: float = 0.0,
        uniform: float = 0.0, mix: float = 0.0, steps: int = 500, batch: int = 256,
        rate: float = 2e-2, rng: Seed = 0,
    ) -> None:  # fmt: skip
        self.dim = dim
        self.hidden = hidden
        self.temperature = temperature
        self.align = align
        self.uniform = uniform
        self.mix = mix
        self.steps = steps
        self.batch = batch
        self.rate = rate
        self.rng = rng

    def loss(self, torch: Any, u: Any, v: Any, step: int, rng: np.random.Generator) -> Any:
        """``clip_loss``, and the mixtures' where they have a weight."""
        given = {"temperature": self.temperature}
        loss = clip_loss(u, v, align=self.align, uniform=self.uniform, **given)
        if self.mix:
            lam = torch.from_numpy(rng.beta(_BETA, _BETA, len(u)))
            loss = loss + self.mix * m2mix_loss(u, v, lam, **given)
        return loss

    def zero_shot(self, vecs: Array, class_prompts: Sequence[Array]) -> Array:
        """Probabilities (n, C) that source vectors (n, dx) belong to classes described by prompts.

        ``class_prompts`` holds for each class the target vectors (m_c, dy) of one or more prompts;
        a class is the direction of the mean of their unit codes. Softmax of cosines over τ.
        InputError on fewer than two classes.
        """
        check_is_fitted(self)
        prompts = list(class_prompts)
        if len(prompts) < 2:
            raise InputError("Contrastive.zero_shot", f"{len(prompts)} classes", "at least 2")
        classes = np.stack([to_numpy(self.encode_target(p)).mean(axis=0) for p in prompts])
        codes = self.encode_source(vecs)
        xp = namespace(codes)
        scores = codes @ like(np.asarray(directions(classes)), codes).T / self.temperature
        raised = xp.exp(scores - xp.max(scores, axis=1, keepdims=True))
        return raised / xp.sum(raised, axis=1, keepdims=True)
