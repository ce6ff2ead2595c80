"""GraphRicciCurvature: Ollivier-Ricci curvature of every edge of a neighbour graph."""

import networkx as nx
import numpy as np
from GraphRicciCurvature.OllivierRicci import OllivierRicci

from isthmus.measures import ricci_compare


def test_curvature(compare, oracle, spaces):
    x, y = (a[:30] for a in spaces)
    parts = ricci_compare(x, y, k=4).parts
    edges, ours = parts["edges_x"], parts["curvature_x"]
    near = oracle.neighbours(x, 4)
    pairs = {tuple(sorted((i, int(j)))) for i in range(30) for j in near[i]}
    assert {tuple(edge) for edge in edges.tolist()} == pairs
    graph = nx.Graph(edges.tolist())
    found = OllivierRicci(graph, alpha=0.5, method="OTD", proc=1, verbose="ERROR")
    found.compute_ricci_curvature()
    theirs = np.array([found.G[u][v]["ricciCurvature"] for u, v in edges.tolist()])
    right = oracle.ollivier_ricci(edges, 30)
    assert np.abs(theirs - ours).max() < 1e-9
    compare.same(
        "ricci_compare, curvature of edges", "OllivierRicci(alpha=0.5)", ours=oracle.read(ours),
        theirs=oracle.read(theirs), oracle=oracle.read(right), equation="Ollivier 2009",
    )  # fmt: skip
