"""Reduced forms of a space: the first numbers of each vector, eight bits a number, or one."""

from dataclasses import dataclass

import numpy as np

from isthmus.core.arrays import widened


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """A reduced form: ``documents`` (n, d') and ``queries`` (q, d') as search sees them.

    ``bits`` is what a stored vector takes. Queries keep their precision: only what is stored in
    bulk is reduced, as vector stores do it.
    """

    name: str
    summary: str
    documents: np.ndarray
    queries: np.ndarray
    bits: int


def forms(documents: np.ndarray, queries: np.ndarray) -> tuple[Form, ...]:
    """Prefix of half the width, int8 and binary form of documents (n, d) with queries (q, d).

    int8: x_j is rounded to a multiple of max |x_j| / 127, the largest over the documents. Binary:
    the sign of x_j - mean_j, against the query less the same mean. The prefix keeps the first d / 2
    numbers, which loses little where the encoder was trained for it (Matryoshka) and half where
    not.

    References
    ----------
    Kusupati et al., *Matryoshka representation learning*, NeurIPS 2022; Charikar, *Similarity
    estimation techniques from rounding algorithms*, STOC 2002 (signs).

    Examples
    --------
    >>> [form.bits for form in forms(np.eye(4), np.eye(4))]
    [64, 32, 4]
    """
    documents, queries, dim = widened(documents), widened(queries), documents.shape[1]
    half = max(1, dim // 2)
    peak = np.abs(documents).max(axis=0)
    step = np.where(peak > 0, peak, 1.0) / 127
    mean = documents.mean(axis=0, dtype=np.float64).astype(documents.dtype)
    return (
        Form("prefix", f"the first {half} of {dim} numbers", documents[:, :half],
             queries[:, :half], 32 * half),
        Form("int8", "eight bits a number", (np.rint(documents / step) * step), queries, 8 * dim),
        Form("binary", "one bit a number", np.where(documents > mean, 1.0, -1.0),
             queries - mean, dim),
    )  # fmt: skip
