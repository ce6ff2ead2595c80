"""Debiased CKA, streaming, against the form that builds both Gram matrices.

python benchmarks/debiased_cka.py
"""

import time

import numpy as np
from record import record

from isthmus.measures import debiased_cka


def gram_form(x, y):
    """Song et al. 2012, eq. 5, as written: two n x n matrices with empty diagonals."""
    n = len(x)
    k, ell = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(ell, 0)

    def hsic(a, b):
        total = np.vdot(a, b) + a.sum() * b.sum() / ((n - 1) * (n - 2))
        return (total - 2 * (a.sum(axis=0) @ b.sum(axis=0)) / (n - 2)) / (n * (n - 3))

    return hsic(k, ell) / np.sqrt(hsic(k, k) * hsic(ell, ell))


def main(n=20_000, d=768, repeats=3):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, d))
    y = np.tanh(x @ rng.normal(size=(d, d)) / np.sqrt(d)) + rng.normal(size=(n, d))
    debiased_cka(x[:1000], y[:1000])
    ours, plain, theirs, values = [], [], [], []
    for _ in range(repeats):
        start = time.perf_counter()
        mine = float(debiased_cka(x, y))
        interval = time.perf_counter()
        debiased_cka(x, y, ci=False)
        middle = time.perf_counter()
        other = float(gram_form(x, y))
        end = time.perf_counter()
        ours.append(interval - start)
        plain.append(middle - interval)
        theirs.append(end - middle)
        values.append(abs(mine - other) / abs(other))
    start = time.perf_counter()
    _ = x.T @ y, x.T @ x, y.T @ y
    bare = time.perf_counter() - start
    record("debiased_cka", {
        "rows": n, "dim": d, "dtype": "float64", "repeats": repeats,
        "times_faster_than_gram": [b / a for a, b in zip(plain, theirs, strict=True)],
        "times_faster_with_interval": [b / a for a, b in zip(ours, theirs, strict=True)],
        "relative_difference": max(values),
        "isthmus_s": plain, "isthmus_with_interval_s": ours, "gram_s": theirs,
        "bare_products_s": bare,
    })  # fmt: skip


if __name__ == "__main__":
    main()
