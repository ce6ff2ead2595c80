r"""Exact permutation moments of Σ_ij A_ij B_π(i)π(j), without drawing a permutation.

For zero-diagonal matrices A, B and a uniformly random permutation π of the rows, the mean and the
variance of that sum follow from six sums of each matrix (Mantel 1967; Hubert & Schultz 1976).
Neighbour statistics are of this form, and their rows are far from independent (hubs, mutual
neighbours), which these moments account for. Infrastructure; holds no method of its own.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Sums:
    """What the permutation moments need of a zero-diagonal (n, n) matrix A.

    ``total`` ΣA_ij; ``squares`` ΣA_ij²; ``mutual`` ΣA_ij A_ji; ``rows`` Σ_i (Σ_j A_ij)²;
    ``columns`` Σ_j (Σ_i A_ij)²; ``through`` Σ_i (Σ_j A_ij)(Σ_j A_ji).
    """

    n: int
    total: float
    squares: float
    mutual: float
    rows: float
    columns: float
    through: float

    def patterns(self) -> np.ndarray:
        """Mean of A_ij A_kl over index pairs that are equal, reversed, share a row, share a column,
        form a chain, or are disjoint, (6,).
        """  # noqa: D205
        n = self.n
        same_row, same_column = self.rows - self.squares, self.columns - self.squares
        chain = 2 * (self.through - self.mutual)
        used = self.squares + self.mutual + same_row + same_column + chain
        sums = [self.squares, self.mutual, same_row, same_column, chain, self.total**2 - used]
        return np.array(sums) / _counts(n)


def _counts(n: int) -> np.ndarray:
    two, three = n * (n - 1.0), n * (n - 1.0) * (n - 2.0)
    return np.array([two, two, three, three, 2 * three, three * (n - 3.0)])


def permutation_moments(a: Sums, b: Sums) -> tuple[float, float]:
    """Mean and standard deviation of Σ A_ij B_π(i)π(j) over all n! permutations; n >= 4."""
    mean = a.total * b.total / (a.n * (a.n - 1.0))
    second = float(np.sum(_counts(a.n) * a.patterns() * b.patterns()))
    return mean, float(np.sqrt(max(second - mean**2, 0.0)))


def graph_sums(neighbours: np.ndarray) -> Sums:
    """``Sums`` of the directed graph in which row i points at ``neighbours[i]``, (n, k)."""
    n, k = neighbours.shape
    into = np.bincount(neighbours.ravel(), minlength=n).astype(np.float64)
    forward = np.repeat(np.arange(n, dtype=np.int64), k) * n + neighbours.ravel()
    backward = neighbours.ravel().astype(np.int64) * n + np.repeat(np.arange(n), k)
    mutual = float(np.isin(forward, backward).sum())
    return Sums(
        n=n, total=float(n * k), squares=float(n * k), mutual=mutual, rows=float(n * k * k),
        columns=float(into @ into), through=float(k * into.sum()),
    )  # fmt: skip
