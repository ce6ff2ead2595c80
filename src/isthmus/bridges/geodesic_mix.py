"""Geodesic mixing: points on the great circle between a vector and its partner elsewhere."""

from typing import Any

import numpy as np

from isthmus.bridges.joint_space import cross_entropy
from isthmus.core.arrays import Array, matrix, namespace
from isthmus.core.card import Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.neighbors import directions
from isthmus.core.registry import register

CARD = Card(
    name="geodesic_mix",
    summary="Vectors between two modalities on the sphere, as hard negatives for a two-sided fit.",
    paper=Paper(
        "Geodesic Multi-Modal Mixup for Robust Fine-Tuning", "Oh et al.", 2023
    ),
    spaces=0,  # a map of pairs, fitted on nothing
    cost="n d",
    memory="n d",
    min_rows=1,
)  # fmt: skip

#: Cosines nearer to ±1 than this are moved there, where the angle has a gradient.
_EDGE = 1e-9


@register(CARD)
def geodesic_mix(a: Array, b: Array, lam: Any) -> Array:
    r"""Unit vectors at the share λ of the way from b to a along the great circle.

    .. math:: m_\lambda(a, b) = \frac{\sin(\lambda\theta)}{\sin\theta}\, a
              + \frac{\sin((1 - \lambda)\theta)}{\sin\theta}\, b, \quad \cos\theta = a \cdot b

    with a and b at length one. λ = 1 gives a, λ = 0 gives b. Where both point the same way the
    formula tends to that direction; where they are opposite there is no one way, and what comes
    out is finite but arbitrary. Differentiable where the arrays are.

    Parameters
    ----------
    a, b : (n, d) arrays of one kind, partners by row
    lam : λ, one number or one a row (n,), from 0 to 1

    Returns
    -------
    (n, d) array of a's kind

    Raises
    ------
    InputError
        On unequal shapes or λ outside 0..1.

    References
    ----------
    Oh et al. 2023; Shoemake 1985 for the interpolation.

    Examples
    --------
    >>> geodesic_mix(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), 0.5).round(3).tolist()
    [[0.707, 0.707]]
    """
    a = matrix("a", a, operation="geodesic mix", finite=False)
    b = matrix("b", b, operation="geodesic mix", finite=False)
    xp = namespace(a, b)
    share = xp.asarray(lam, dtype=a.dtype, device=getattr(a, "device", None))
    if tuple(a.shape) != tuple(b.shape) or tuple(share.shape) not in ((), (a.shape[0],)):
        raise InputError(
            "geodesic mix", f"a {tuple(a.shape)}, b {tuple(b.shape)}, lam {tuple(share.shape)}",
            "equal shapes, and one number or one a row",
        )  # fmt: skip
    if not bool(xp.all((share >= 0) & (share <= 1))):
        raise InputError("geodesic mix", f"lam {lam!r}"[:60], "shares from 0 to 1")
    share = share if share.shape == () else share[:, None]
    a, b = directions(a), directions(b)
    cosine = xp.sum(a * b, axis=1, keepdims=True)
    edge = xp.ones_like(cosine) - _edge(xp, a)
    cosine = xp.where(cosine > edge, edge, xp.where(cosine < -edge, -edge, cosine))
    angle = xp.acos(cosine)
    return directions(xp.sin(share * angle) * a + xp.sin((1 - share) * angle) * b)


def m2mix_loss(u: Array, v: Array, lam: Any, *, temperature: float = 0.07) -> Array:
    r"""Contrastive loss whose negatives lie between the modalities, 0-d, of the kind given.

    .. math:: -\frac1{2n} \sum_i \log \frac{e^{u_i \cdot v_i / \tau}}{e^{u_i \cdot v_i / \tau}
              + \sum_{j \ne i} e^{u_i \cdot m_\lambda(u_j, v_j) / \tau}} + (u \leftrightarrow v)

    A mixture is nearer to u_i than the other modality's vectors are across a gap, so it is harder
    to tell from the partner; pushing it away spreads both clouds.

    Parameters
    ----------
    u, v : (n, d) arrays of unit rows, partners by row
    lam : λ of ``geodesic_mix``
    temperature : τ

    References
    ----------
    Oh et al. 2023.

    Examples
    --------
    >>> float(m2mix_loss(np.eye(3), np.eye(3), 0.5, temperature=0.01))
    0.0
    """
    xp = namespace(u, v)
    mixed = geodesic_mix(u, v, lam)
    own = xp.eye(u.shape[0], dtype=u.dtype, device=getattr(u, "device", None))
    matched = xp.sum(u * v, axis=1)[:, None] * own
    # The partner itself, and not its mixture, is what each is to be told from.
    scores = ((1 - own) * (side @ mixed.T) + matched for side in (u, v))
    one, two = (cross_entropy(s / temperature) for s in scores)
    return (one + two) / 2


def _edge(xp: Any, a: Array) -> float:
    """How near to ±1 a cosine of a's precision may come."""
    return max(_EDGE, 4 * float(np.finfo(str(a.dtype).rpartition(".")[2]).eps))
