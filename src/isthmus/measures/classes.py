"""Classes: labels of rows, checked, and how well guesses of them do against shuffled guesses.

Shared by the measures that take labels; holds no method of its own.
"""

import math
from typing import Any

import numpy as np
from scipy.special import betaincinv

from isthmus.core.arrays import check_rows, is_numpy, to_numpy
from isthmus.core.errors import InputError
from isthmus.core.score import Score
from isthmus.measures.rows import upper_tail


def codes(
    labels: Any, rows: int, *, operation: str, min_rows: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """Labels as class numbers 0..g-1 (rows,), and the g class sizes; at least 2 classes."""
    known = is_numpy(labels) or hasattr(labels, "__array_namespace__") or hasattr(labels, "detach")
    host = to_numpy(labels) if known else np.asarray(labels)
    if host.shape != (rows,):
        raise InputError(
            operation, f"labels of shape {host.shape} for {rows} rows", f"shape ({rows},)",
            "Give one label a row.",
        )  # fmt: skip
    check_rows(min_rows, operation=operation, labels=host.shape)
    if host.dtype.kind not in "iubUS":
        raise InputError(
            operation, f"labels of dtype {host.dtype}", "integers or strings", "Name the classes."
        )
    _, numbers, sizes = np.unique(host, return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        raise InputError(
            operation, f"{rows} labels of one class", "at least 2 classes", "Bring rows of another."
        )
    return numbers, sizes


def indicators(numbers: np.ndarray) -> np.ndarray:
    """One-hot rows (n, g), float64."""
    return np.eye(int(numbers.max()) + 1)[numbers]


def class_sums(rows: np.ndarray, numbers: np.ndarray, classes: int) -> np.ndarray:
    """Sums of the rows (n, d) of each class, (classes, d)."""
    from scipy.sparse import csr_array

    n = len(rows)
    members = csr_array((np.ones(n, rows.dtype), (numbers, np.arange(n))), shape=(classes, n))
    return np.asarray(members @ rows)


def accuracy(
    guess: np.ndarray, numbers: np.ndarray, method: str, warnings: tuple[str, ...]
) -> Score:
    """Share of rows whose guess (n,) is their class, with its Clopper-Pearson interval.

    Chance, z and p are over all shuffles of the guesses: with e_c = a_c b_c, a and b the counts of
    class c among guesses and labels, the number right has mean Σ e_c / n and
    E[M (M - 1)] = (Σ_c a_c (a_c - 1) b_c (b_c - 1) + (Σ e_c)² - Σ e_c²) / (n (n - 1)).
    """
    hits = guess == numbers
    n, right = len(hits), int(hits.sum())
    a, b = (
        np.bincount(c, minlength=int(numbers.max()) + 1).astype(float) for c in (guess, numbers)
    )
    e = a * b
    mean = float(e.sum()) / n
    both = float(e @ ((a - 1) * (b - 1)) + e.sum() ** 2 - e @ e) / (n * (n - 1))
    error = math.sqrt(max(both + mean - mean * mean, 0.0))
    low = float(betaincinv(right, n - right + 1, 0.025)) if right else 0.0
    high = float(betaincinv(right + 1, n - right, 0.975)) if right < n else 1.0
    return Score(
        value=right / n,
        method=method,
        n=n,
        ci=(low, high),
        chance=mean / n,
        z=(right - mean) / error if error > 0 else 0.0,
        # Half a row off: the number right is whole.
        p=upper_tail((right - 0.5 - mean) / error) if error > 0 else 1.0,
        warnings=warnings,
        parts={"hits": hits, "majority": float(b.max()) / n},
    )
