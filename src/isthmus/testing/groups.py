"""Random elements of the groups a card may name, and the data they act on."""

from collections.abc import Callable, Iterable

import numpy as np

from isthmus.core.card import GROUPS

Action = Callable[[np.ndarray], np.ndarray]


def element(group: str, dim: int, rows: int, rng: np.random.Generator) -> Action:
    """A random element of ``group``, far from the identity, acting on (rows, dim) matrices."""
    if group == "permutation":
        # One cycle of all columns in random order: none stays, and neighbours part.
        order = rng.permutation(dim)
        image = np.roll(order, 1)[np.argsort(order)]
        return lambda x: x[:, image]
    if group == "orthogonal":
        q = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
        return lambda x: x @ q
    if group == "isotropic_scale":
        return lambda x: x * 3.7
    if group == "axis_scale":
        scales = rng.permutation(np.geomspace(0.1, 10, dim))
        return lambda x: x * scales
    if group == "row_scale":
        factors = np.exp(rng.normal(size=(rows, 1)))
        return lambda x: x * factors
    if group == "translation":
        step = rng.normal(size=dim) * 5
        return lambda x: x + step
    u, v = (np.linalg.qr(rng.normal(size=(dim, dim)))[0] for _ in range(2))
    linear = u @ np.diag(np.geomspace(0.1, 10, dim)) @ v
    if group == "invertible_linear":
        return lambda x: x @ linear
    if group == "affine":
        step = rng.normal(size=dim) * 5
        return lambda x: x @ linear + step
    raise KeyError(f"no element known of group {group!r}; groups are {sorted(GROUPS)}")


def elements(group: str, dim: int, rows: int) -> list[Action]:
    """The elements of ``group`` that a check lets act: two at random, of scales the only one."""
    seeds = range(1 if group == "isotropic_scale" else 2)
    return [element(group, dim, rows, np.random.default_rng(seed)) for seed in seeds]


def farthest(gaps: Iterable[float], *, enough: float) -> float:
    """The largest of ``gaps``, of which no more are computed once one is ``enough``; NaN if any."""
    largest = 0.0
    for gap in gaps:
        largest = float(np.maximum(largest, gap))  # max() would drop a NaN
        if largest >= enough:
            break
    return largest


def related(
    rows: int, dim: int, rng: np.random.Generator, *, target_dim: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Two related spaces, (rows, dim) and (rows, target_dim): anisotropic, off centre, noisy."""
    target_dim = dim if target_dim is None else target_dim
    hidden = rng.normal(size=(rows, dim)) * np.geomspace(2.0, 0.3, dim)
    noise = rng.normal(size=(rows, target_dim)) * np.geomspace(0.05, 0.8, target_dim)
    x = hidden + 0.3 * rng.normal(size=(rows, dim)) + rng.normal(size=dim)
    y = np.tanh(hidden) @ rng.normal(size=(dim, target_dim)) + noise + rng.normal(size=target_dim)
    return x, y


def hard_rows(x: np.ndarray) -> dict[str, np.ndarray]:
    """Rows like x (n, d), d of 4 or more, that lose digits in float32, by what is hard in them."""
    kinds = {
        "a dependent column": np.column_stack([x[:, :-1], x[:, 0] + x[:, 1]]),
        "two directions": x[:, :2] @ np.random.default_rng(7).normal(size=(2, x.shape[1])),
    }
    columns = {
        "constant": np.full(len(x), 7.0), "huge": 1e4 * x[:, 3], "tiny": 1e-4 * x[:, 3]
    }  # fmt: skip
    for name, column in columns.items():
        kinds[f"a {name} column"] = x.copy()
        kinds[f"a {name} column"][:, 3] = column
    kinds["a far row"] = x.copy()
    kinds["a far row"][7] *= 1e3
    return kinds
