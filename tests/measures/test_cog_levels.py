import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.measures import cog_levels
from isthmus.measures.cog_levels import probe_levels
from isthmus.measures.linear_probe import linear_probe


def lattice(seed=0, n=60):
    """A random taxonomy in which some concepts have two parents."""
    rng = np.random.default_rng(seed)
    parents = {0: []}
    for child in range(1, n):
        parents[child] = sorted({int(p) for p in rng.integers(child, size=rng.integers(1, 3))})
    counts = {k: float(c) for k, c in enumerate(rng.integers(0, 9, size=n))}
    return parents, counts


def above(one, parents):
    found = {one}
    for parent in parents[one]:
        found |= above(parent, parents)
    return found


def oracle(seen, candidates, parents, counts):
    """Lin similarity, pair by pair and ancestor by ancestor."""
    ups = {one: above(one, parents) for one in parents}
    total = {a: sum(1 + counts.get(b, 0) for b in parents if a in ups[b]) for a in parents}
    whole = sum(1 + counts.get(b, 0) for b in parents)
    ic = {a: -np.log(total[a] / whole) for a in parents}

    def lin(a, b):
        return 2 * max(ic[c] for c in ups[a] & ups[b]) / (ic[a] + ic[b])

    return [max(lin(one, s) for s in seen) for one in candidates]


def test_equals_lin_similarity_pair_by_pair():
    parents, counts = lattice()
    seen, candidates = list(range(30, 40)), [*range(1, 30), *range(40, 60)]
    found = cog_levels(seen, candidates, parents, counts=counts)
    expected = np.array(oracle(seen, candidates, parents, counts))
    assert found.parts["similarity"] == pytest.approx(expected, abs=1e-12)
    # A wrong similarity, without information content, is told apart.
    deep = oracle(seen, candidates, parents, dict.fromkeys(parents, 1e6))
    assert np.abs(found.parts["similarity"] - deep).max() > 1e-3


def test_levels_are_equal_in_size_and_fall_in_similarity():
    parents, _ = lattice(1)
    found = cog_levels([50, 51, 52], list(range(1, 50)), parents, levels=4)
    level, similarity = found.parts["level"], found.parts["similarity"]
    assert sorted(np.bincount(level)) == [12, 12, 12, 13]
    assert all(similarity[level == k].min() >= similarity[level == k + 1].max() for k in range(3))
    assert found.value == pytest.approx(
        similarity[level == 0].mean() - similarity[level == 3].mean()
    )
    assert found.n == 49


def test_closed_form_on_a_small_tree():
    tree = {"all": [], "animal": ["all"], "tool": ["all"], "dog": ["animal"], "cat": ["animal"],
            "saw": ["tool"]}  # fmt: skip
    found = cog_levels(["dog"], ["saw", "cat", "animal"], tree, levels=3)
    animal, leaf = -np.log(3 / 6), -np.log(1 / 6)
    expected = [0.0, 2 * animal / (2 * leaf), 2 * animal / (animal + leaf)]
    assert found.parts["similarity"] == pytest.approx(expected)
    assert found.parts["level"].tolist() == [2, 1, 0]


def test_unconnected_concepts_have_nothing_in_common():
    found = cog_levels(["a"], ["b", "c"], {"r": [], "a": ["r"], "b": ["r"], "c": []}, levels=2)
    assert found.parts["similarity"][1] == 0 < found.parts["similarity"][0]


def test_probe_levels_is_a_probe_of_each_level():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(6), 20)
    x = rng.normal(size=(120, 5)) + 2 * rng.normal(size=(6, 5))[labels]
    found = probe_levels(x, labels, labels // 3)
    assert [one.value for one in found] == [
        linear_probe(x[labels // 3 == k], labels[labels // 3 == k]).value for k in (0, 1)
    ]
    with pytest.raises(InputError, match="probe_levels: got 120 rows, 120 labels, 3 levels"):
        probe_levels(x, labels, [0, 1, 2])


@pytest.mark.parametrize(
    ("seen", "candidates", "tree", "words"),
    [
        ([0], [1, 99], {0: [], 1: [0]}, "not in the taxonomy: .99"),
        ([0], [0, 1], {0: [], 1: [0]}, "both seen and candidate: .'0'"),
        ([], [0, 1], {0: [], 1: [0]}, "0 seen"),
        ([2], [0, 1], {0: [1], 1: [0], 2: []}, "a cycle"),
        ([0], [1, 2], {0: [], 1: [0], 2: [7]}, "parent 7"),
        ([0], [1], {0: [], 1: [0]}, "1 candidates"),
    ],
)
def test_bad_input(seen, candidates, tree, words):
    with pytest.raises(InputError, match=f"cog_levels.*{words}"):
        cog_levels(seen, candidates, tree, levels=2)
