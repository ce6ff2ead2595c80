"""Layers against layers: the values are the measure's, and the whole grid keeps its size."""

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.core.registry import method, methods
from isthmus.measures import debiased_cka, mutual_knn, procrustes_angular
from isthmus.measures import grid as grids
from isthmus.measures.grid import _centred_gram, compare_layers
from isthmus.measures.rows import sees_products


def stack(seed, n=80, layers=3, d=6, shared=True):
    rng = np.random.default_rng(seed)
    base = np.random.default_rng(99).normal(size=(n, d)) if shared else rng.normal(size=(n, d))
    noise = rng.normal(size=(layers, n, d))
    return np.stack([np.tanh(base * (i + 1) / 2) + 0.3 * i * noise[i] for i in range(layers)])


@pytest.mark.parametrize("measure", ["debiased_cka", "mutual_knn", "procrustes_angular"])
def test_cells_are_the_measure(measure):
    a, b = stack(0), stack(1, layers=2)
    grid = compare_layers(a, b, measure=measure, permutations=19)
    call = {f.__name__: f for f in (debiased_cka, mutual_knn, procrustes_angular)}[measure]
    expected = [[float(call(x, y)) for y in b] for x in a]
    assert grid.values == pytest.approx(np.array(expected), abs=1e-12)
    assert np.isnan(grid.p_any).all() == (measure == "procrustes_angular")
    side = grid.values.argmin(axis=1) if measure.startswith("pro") else grid.values.argmax(axis=1)
    assert grid.best.tolist() == side.tolist()


PRODUCTS = [m.name for m in methods("measures") if m.card.spaces == 2 and m.card.paired
            and not m.card.given and sees_products(m.card)]  # fmt: skip


@pytest.mark.parametrize("measure", PRODUCTS)
def test_of_few_rows_few_columns_do(measure):
    """What a grid counts on: with more columns than rows the cells are the measure all the same."""
    a, b = stack(0, n=30, d=40, layers=2), stack(1, n=30, d=50, layers=1, shared=False)
    grid = compare_layers(a, b, measure=measure, permutations=19)
    alone = [method("measures", measure).call(x, b[0]) for x in a]
    assert grid.values[:, 0] == pytest.approx(np.array([s.value for s in alone]), abs=1e-9)
    said = {text for score in alone for text in score.warnings}
    wide = "source 0, source 1, target 0: 30 pairs in 40 to 50 dimensions"
    assert grid.warnings[0].startswith(wide)
    assert set(grid.warnings[len(grid.doubts) :]) == said


def test_products_of_rows_and_columns_are_told_apart():
    assert {"debiased_cka", "mutual_knn", "procrustes_angular"} < set(PRODUCTS)
    assert not {"soft_matching", "cca", "mcc", "alignment"} & set(PRODUCTS)


def test_the_gram_form_is_debiased_cka():
    x, y = stack(3)[0], stack(4)[2]
    form = float((_centred_gram(x) * _centred_gram(y)).sum())
    assert form == pytest.approx(float(debiased_cka(x, y)), abs=1e-12)


@pytest.mark.parametrize("measure", ["debiased_cka", "mutual_knn"])
def test_the_largest_of_unrelated_cells_is_rarely_called_related(measure):
    alone, corrected = 0, 0
    for seed in range(60):
        a, b = stack(seed, 40, 4, shared=False), stack(1000 + seed, 40, 4, shared=False)
        grid = compare_layers(a, b, measure=measure, permutations=59, rng=seed)
        alone += (grid.p < 0.05).any()
        corrected += (grid.p_any < 0.05).any()
    assert corrected <= 8  # 3 expected of 60
    assert alone > corrected


def test_related_layers_are_found_and_shared_columns_said():
    grid = compare_layers(stack(0, 120), stack(1, 120), permutations=99)
    assert (grid.p_any <= 0.02).all()
    assert "9 of 9 cells" in " ".join(grid.sentences())
    shuffled = stack(1, 120)[:, np.random.default_rng(0).permutation(120)]
    lost = compare_layers(stack(0, 120), shuffled, permutations=99)
    assert lost.sentences()[0].startswith("NO RELATION FOUND")
    assert "equal depth" not in str(lost)  # where unrelated layers match best says nothing
    assert (
        compare_layers(stack(0), stack(1), permutations=19)
        .sentences()[-1]
        .startswith("Related beyond doubt: 9 of 9")
    )  # a p of 1/20 is .05, and no order of 19 can make it less


def test_groups_widen_what_chance_gives():
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(30), 4)
    hits = {"rows": 0, "groups": 0}
    for _ in range(40):
        # Unrelated spaces whose rows come in nearly equal fours, as chunks of a document do.
        a, b = (rng.normal(size=(30, 5))[groups] + 0.05 * rng.normal(size=(120, 5)) for _ in "ab")
        for name, given in (("rows", None), ("groups", groups)):
            grid = compare_layers([a], [b], groups=given, permutations=79)
            hits[name] += bool(grid.p[0, 0] < 0.05)
    assert hits["rows"] > 10
    assert hits["groups"] <= 6


def test_with_groups_no_p_takes_rows_for_exchangeable():
    x = stack(0, 120)
    groups = np.repeat(np.arange(30), 4)
    grid = compare_layers(x, stack(1, 120), measure="rsa", groups=groups, permutations=19)
    assert np.isnan([grid.z, grid.p, grid.p_any, grid.p_share]).all()
    assert "rsa: no z or p by groups; debiased_cka and mutual_knn have them" in grid.warnings
    assert np.isfinite(compare_layers(x, measure="rsa", permutations=19).p).all()
    # Rows in nearly equal fours vary more than rows alone, and z says so.
    alike = x[:, groups] + 0.05 * stack(2, 120, shared=False)
    loose, exact = (compare_layers(alike, permutations=99, groups=g) for g in (groups, None))
    assert (loose.z < exact.z / 2).all()
    assert (loose.p == 0.01).all()


def test_doubts_about_rows_come_first_and_name_the_layers():
    sound = stack(0)
    twice = sound[:, np.random.default_rng(0).permutation(np.repeat(np.arange(10), 8))]
    said = compare_layers(sound, twice, names=(["x", "y", "z"], ["p", "q", "r"]), permutations=19)
    assert said.warnings[0].startswith("target p, target q, target r: 87.5% of the rows are copies")
    assert compare_layers(sound, permutations=19).warnings == ()
    assert compare_layers(sound[:, :20], permutations=19).warnings[0].startswith("only 20 pairs")


def test_doubts_are_told_before_the_cells_and_printed_before_the_table(monkeypatch):
    events = []
    usual = grids.compacted
    monkeypatch.setattr(grids, "compacted", lambda *a: (events.append("computed"), usual(*a))[1])
    sound = stack(0)
    rng = np.random.default_rng(0)
    lost = sound[:, rng.permutation(np.repeat(np.arange(40), 2))]
    grid = compare_layers(sound, lost, permutations=19, told=events.append)
    assert events == [*grid.doubts, "computed"]
    assert [text[:11] for text in grid.doubts] == ["target 0, t", "source and "]
    assert str(grid).startswith("! target 0, target 1, target 2: 50.0% of the rows are copies")
    assert str(grid).count("! source and target: not related beyond chance") == 1
    assert compare_layers(sound, stack(1), permutations=19).doubts == ()


def test_samples_of_rows_keep_groups_whole():
    x = stack(0, 120)
    grid = compare_layers(x, rows=50, groups=np.repeat(np.arange(40), 3), permutations=19)
    assert grid.n == 48
    assert compare_layers(x, rows=50, permutations=19).n == 50


def test_what_is_printed_fits_and_reads():
    layers = stack(0, layers=30, n=40)
    wide = compare_layers(layers, layers, permutations=19)
    assert max(map(len, str(wide).splitlines())) <= 80
    assert "16 of 30 columns" in str(wide)
    assert "30 of 30 layers are most like the layer of equal depth." in str(wide)
    steps = np.cumsum(np.random.default_rng(0).normal(size=(4, 40, 6)), axis=0)
    one = compare_layers(steps, permutations=19)
    assert one.best.tolist() == [1, 2, 3, 2]
    assert "4 of 4 layers are most like a layer beside them." in str(one)
    data = wide.as_dict()
    assert np.shape(data["intervals"]) == (30, 30, 2)


def test_bad_input():
    with pytest.raises(InputError, match=r"layers of \[30, 40\] rows"):
        compare_layers(stack(0, 40), stack(0, 30))
    broken = stack(0)
    broken[1, 3, 0] = np.nan
    with pytest.raises(InputError, match="target layer 1 with NaN"):
        compare_layers(stack(0), broken)
    with pytest.raises(InputError, match="participation_ratio"):
        compare_layers(stack(0), measure="participation_ratio")
    with pytest.raises(InputError, match="at least 19"):
        compare_layers(stack(0), permutations=9)
    with pytest.raises(InputError, match=r"names \[1, 1\].*each of the \[3, 3\] layers"):
        compare_layers(stack(0), stack(1), names=(["a"], ["b"]))
    with pytest.raises(InputError, match="without layers"):
        compare_layers([])
