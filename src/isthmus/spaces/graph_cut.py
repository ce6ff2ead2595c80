"""Cutting the neighbour graph of a collection where it hardly hangs together."""

import numpy as np
from scipy.sparse import coo_array, csr_array, diags_array, eye_array
from scipy.sparse.linalg import ArpackNoConvergence, eigsh

_NEIGHBOURS = 10
_VECTORS = 4
_BLOCK = 1000


def neighbour_graph(z: np.ndarray, k: int = _NEIGHBOURS) -> csr_array:
    """Symmetric graph (n, n) that links each unit row of ``z`` (n, d) to its ``k`` nearest ones."""
    n = len(z)
    narrow = z.astype(np.float32)
    nearest = np.empty((n, k), dtype=np.int64)
    for start in range(0, n, _BLOCK):
        cosine = narrow[start : start + _BLOCK] @ narrow.T
        own = np.arange(len(cosine))
        cosine[own, start + own] = -2.0
        nearest[start : start + _BLOCK] = np.argpartition(-cosine, k, axis=1)[:, :k]
    rows = np.repeat(np.arange(n), k)
    links = csr_array((np.ones(n * k), (rows, nearest.ravel())), shape=(n, n))
    return csr_array(links + links.T)


def cuts(graph: csr_array, least: int, rng: np.random.Generator) -> list[tuple[float, np.ndarray]]:
    """Cheap cuts of ``graph`` into two parts of at least ``least`` rows, cheapest first.

    Each is its conductance, ``links across * links / (links of one part * links of the other)``
    (1 for parts drawn at random), and which rows lie in the smaller part (n,). One cut per leading
    eigenvector of the normalised graph, by sweeping along it.

    Source: Shi & Malik, Normalized cuts and image segmentation, 2000, section 2.1.
    """
    n = graph.shape[0]
    degree = np.asarray(graph.sum(axis=1)).ravel()
    root = 1.0 / np.sqrt(degree)
    scaled = diags_array(root) @ graph @ diags_array(root) + eye_array(n)
    try:
        values, vectors = eigsh(
            scaled, k=_VECTORS, which="LA", v0=rng.standard_normal(n), tol=1e-4, maxiter=3000
        )
    except ArpackNoConvergence as partial:
        values, vectors = partial.eigenvalues, partial.eigenvectors
    links = coo_array(graph)
    found = [
        _sweep(links, degree, np.argsort(vectors[:, j] * root, kind="stable"), least)
        for j in np.argsort(-values)
    ]
    return sorted(found, key=lambda cut: cut[0])


def _sweep(
    links: coo_array, degree: np.ndarray, order: np.ndarray, least: int
) -> tuple[float, np.ndarray]:
    n = len(order)
    place = np.empty(n, dtype=np.int64)
    place[order] = np.arange(n)
    ends = place[links.row], place[links.col]
    # A link is cut by every position after its first end and up to its second.
    change = np.bincount(np.minimum(*ends) + 1, weights=links.data / 2, minlength=n + 1)
    change = change - np.bincount(np.maximum(*ends) + 1, weights=links.data / 2, minlength=n + 1)
    # Half a link more, so that a cut through nothing is rated by the size of its parts.
    across = np.cumsum(change)[:n] + 0.5
    before = np.concatenate([[0.0], np.cumsum(degree[order])[:-1]])
    total = float(degree.sum())
    places = slice(least, n - least + 1)
    conductance = across[places] * total / (before * (total - before))[places]
    at = least + int(conductance.argmin())
    part = np.zeros(n, dtype=bool)
    part[order[:at]] = True
    return float(conductance[at - least]), part if 2 * at <= n else ~part
