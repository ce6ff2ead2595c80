import numpy as np
import pytest

from isthmus.bridges.anchor_curve import _NESTED, AnchorCurve, CurvePoint, anchor_curve
from isthmus.core.errors import InputError
from isthmus.core.registry import methods


@pytest.fixture(scope="module")
def spaces():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 10))
    turn = np.linalg.qr(rng.normal(size=(10, 10)))[0]
    return x, (x + 0.4 * rng.normal(size=x.shape)) @ turn


def test_more_anchors_find_more_partners(spaces):
    curve = anchor_curve(*spaces, samplers=["uniform", "pivoted_qr"], sizes=[2, 5, 10, 80])
    for name in ("uniform", "pivoted_qr"):
        mrr = [point.mrr for point in curve.points if point.sampler == name]
        assert mrr[0] < mrr[1] < mrr[3]
        assert curve.recommended[name] > 5
    assert curve.best[1] > 5
    assert (curve.pairs, curve.held_out, curve.repeats) == (400, 80, 3)
    for point in curve.points:
        assert 0 <= point.mrr_ci[0] <= point.mrr <= point.mrr_ci[1] <= 1
        assert point.top1 <= point.mrr


def test_unrelated_spaces_stay_at_chance(spaces):
    x, y = spaces
    curve = anchor_curve(x, np.random.default_rng(1).permutation(y), samplers=["uniform"])
    assert max(point.mrr for point in curve.points) < 0.15


def test_the_interval_covers_other_draws(spaces):
    drawn = [
        anchor_curve(*spaces, samplers=["uniform"], sizes=[8], rng=seed).points[0]
        for seed in range(30)
    ]
    middle = np.mean([point.mrr for point in drawn])
    covered = [point.mrr_ci[0] <= middle <= point.mrr_ci[1] for point in drawn]
    assert np.mean(covered) >= 0.85


def test_every_sampler_and_labels(spaces):
    labels = np.arange(400) % 4
    curve = anchor_curve(*spaces, labels=labels, sizes=[4, 12], repeats=2)
    assert set(curve.recommended) == {method.name for method in methods("anchors")}
    without = anchor_curve(*spaces, sizes=[4], repeats=2)
    assert "label_covering" not in without.recommended


@pytest.mark.parametrize("name", sorted(_NESTED))
def test_samplers_called_nested_are(spaces, name):
    from isthmus.core.registry import method

    sampler = method("anchors", name)
    given = {"labels": np.arange(400) % 3} if sampler.card.given else {}
    more = sampler.call(spaces[0], 60, rng=5, **given)
    np.testing.assert_array_equal(sampler.call(spaces[0], 25, rng=5, **given), more[:25])


def test_a_seed_decides(spaces):
    one, two, other = (
        anchor_curve(*spaces, samplers=["uniform"], sizes=[5], rng=seed) for seed in (0, 0, 1)
    )
    assert one == two != other


def test_the_table_fits_a_terminal_and_the_dict_is_plain(spaces):
    import json

    curve = anchor_curve(*spaces, samplers=["facility_location"], sizes=range(1, 12), repeats=2)
    assert max(map(len, str(curve).splitlines())) <= 80
    assert json.loads(json.dumps(curve.as_dict()))["best"]["sampler"] == "facility_location"


def test_the_table_gives_every_point_its_interval():
    sizes = [1, 2, 3, 4, 300]
    points = [
        CurvePoint(name, size, m, (low, high), 0.3, (0.2, 0.4))
        for name in ("uniform", "facility_location")
        for size, m, low, high in zip(
            sizes, (0.0, 0.1, 0.62, 0.97, 1.0), (0.0, 0.05, 0.581, 0.944, 0.996),
            (0.01, 0.2, 0.66, 1.0, 1.0), strict=True,
        )
    ]  # fmt: skip
    curve = AnchorCurve(
        tuple(points), {"uniform": 3, "facility_location": 300}, ("uniform", 3), 20_000, 1000, 3
    )
    rows = [line.split() for line in str(curve).splitlines()]
    assert ["facility_location", ".00", "[.00,.01]", ".10", "[.05,.20]", ".62", "[.58,.66]", ".97",
            "[.94,1.0]", "300"] in rows  # fmt: skip
    assert ["*", "uniform", "1.0", "[1.0,1.0]", "3"] in rows
    assert [row[4:-1] for row in rows if row[:1] == ["MRR"]] == [
        ["1", "2", "3", "4"], ["300"],
    ]  # fmt: skip
    assert max(map(len, str(curve).splitlines())) <= 80


def test_the_text_says_what_is_recommended():
    point = CurvePoint("uniform", 500, 0.5, (0.4, 0.6), 0.3, (0.2, 0.4))
    text = str(AnchorCurve((point,), {"uniform": 500}, ("uniform", 500), 20_000, 1000, 3))
    assert "recommended: 500 anchors by uniform, MRR 0.500 [0.400, 0.600]," in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samplers": ["magic"]}, "magic"),
        ({"samplers": ["label_covering"]}, "without labels"),
        ({"samplers": []}, "samplers"),
        ({"sizes": [0]}, "numbers from 1 to 320"),
        ({"sizes": [321]}, "numbers from 1 to 320"),
        ({"labels": [1, 2]}, "2 labels"),
        ({"repeats": 1}, "at least 2"),
    ],
)
def test_refusals(spaces, options, message):
    with pytest.raises(InputError, match=message):
        anchor_curve(*spaces, **options)


def test_too_few_pairs(spaces):
    with pytest.raises(InputError, match="at least 20"):
        anchor_curve(spaces[0][:19], spaces[1][:19])
