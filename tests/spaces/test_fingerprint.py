import base64
import contextlib
import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from isthmus.core.errors import FormatError, InputError
from isthmus.spaces.codebook import learn, mirrored, principal_axes, rotated
from isthmus.spaces.fingerprint import Fingerprint
from isthmus.spaces.sketch import FALSE_ALARM

DATA = os.environ.get("ISTHMUS_DATA")
needs_debian = pytest.mark.skipif(
    DATA is None or not Path(DATA, "debian").is_dir(),
    reason="needs the debian vectors: set ISTHMUS_DATA to the folder that holds debian/",
)


def orthogonal(d, rng):
    q, r = np.linalg.qr(rng.standard_normal((d, d)))
    return q * np.sign(np.diag(r))


def clustered(n, d, rng, *, seed=0, clusters=40):
    """Rows as text encoders give them: a mean, a decaying spectrum, many topics."""
    fixed = np.random.default_rng(seed)
    axes = np.geomspace(1, 0.02, d)[:, None] * orthogonal(d, fixed)
    centres = fixed.standard_normal((clusters, d)) @ axes + 0.5 * axes[0]
    return centres[rng.integers(clusters, size=n)] + 0.6 * rng.standard_normal((n, d)) @ axes


@pytest.fixture(scope="module")
def space():
    rng = np.random.default_rng(1)
    return clustered(6000, 64, rng), clustered(6000, 64, rng)


@pytest.fixture(scope="module")
def known(space):
    return Fingerprint.of(space[0], encoder="mine", metric="cosine")


@pytest.fixture(scope="module")
def debian():
    folder = Path(DATA, "debian")
    with (folder / "sections.tsv").open(newline="") as lines:
        section = {row["id"]: row["section"] for row in csv.DictReader(lines, delimiter="\t")}
    spaces = {}
    for name in ("en-minilm384", "en-lsa256", "de-lsa256", "fr-lsa256"):
        with np.load(folder / f"{name}.npz", allow_pickle=False) as stored:
            labels = np.array([section.get(i, "") for i in stored["ids"]])
            spaces[name] = stored["vectors"].astype(np.float64), labels
    whole, labels = spaces["en-minilm384"]
    _, axes = np.linalg.eigh(whole.T @ whole)
    reduced = whole @ axes[:, ::-1][:, :256]
    spaces["en-pca256"] = reduced / np.linalg.norm(reduced, axis=1, keepdims=True), labels
    return spaces


def draws(n, count, rng, size=200):
    return [rng.choice(n, size, replace=False) for _ in range(count)]


def false_alarms(known, fresh, count, rng, size=200):
    """Share of simulated batches below the threshold, from the scores of fresh rows."""
    score = known.sketch.codebook.score(fresh)
    means = score[rng.integers(len(score), size=(count, size))].mean(axis=1)
    return (means < known.sketch.threshold(size)).mean()


# -- the codebook ------------------------------------------------------------------------------


def test_score_is_the_largest_centred_cosine():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 7)) + 3
    book = learn(x, 5, rng)
    slow = [
        max(float((row - book.mean) @ c / np.linalg.norm(row - book.mean)) for c in book.directions)
        for row in x
    ]
    np.testing.assert_allclose(book.score(x), slow, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(book.directions, axis=1), 1, atol=1e-6)


def test_codebook_finds_separate_directions():
    rng = np.random.default_rng(0)
    x = np.repeat(np.eye(6) * 10, 50, axis=0) + 0.01 * rng.standard_normal((300, 6))
    book = max(
        (learn(x, 12, np.random.default_rng(s)) for s in range(5)), key=lambda b: b.score(x).min()
    )
    assert book.score(x).min() > 0.999
    gaps = np.linalg.norm(book.points()[:, None] - np.eye(6) * 10, axis=2).min(axis=0)
    assert gaps.max() < 0.1


def test_rotated_keeps_lengths_and_angles_and_moves_rows():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20, 33))
    y = rotated(x, rng)
    np.testing.assert_allclose(y @ y.T, x @ x.T, atol=1e-10)
    assert np.abs((x * y).sum(axis=1) / (x * x).sum(axis=1)).mean() < 0.4


def test_mirrored_keeps_the_covariance_along_the_axes():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4000, 6)) * [5, 4, 3, 2, 1, 1] + 7
    mean = x.mean(axis=0)
    axes = principal_axes(x, mean, 4, rng)
    along = (mirrored(x, mean, axes, rng) - mean) @ axes
    before = (x - mean) @ axes
    np.testing.assert_allclose(np.abs(along), np.abs(before), atol=1e-9)


def test_principal_axes_agree_with_eigh():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 12)) * np.geomspace(10, 0.1, 12)
    axes = principal_axes(x, x.mean(axis=0), 3, rng)
    exact = np.linalg.eigh(np.cov(x.T))[1][:, ::-1][:, :3]
    np.testing.assert_allclose(np.linalg.svd(axes.T @ exact)[1], 1, atol=1e-4)


# -- matches on synthetic spaces ---------------------------------------------------------------


def test_own_batches_match_at_the_stated_rate(space, known):
    rng = np.random.default_rng(2)
    assert known.detects_rotation
    for size in (30, 50, 200):
        assert false_alarms(known, space[1], 100_000, rng, size) <= FALSE_ALARM
    assert all(known.matches(space[1][rows]).ok for rows in draws(6000, 50, rng))


def test_false_alarm_bound_holds_where_the_threshold_is_tight():
    # An almost round space: the threshold is then set by the noise, not by the margin.
    rng = np.random.default_rng(5)
    axes = np.linspace(1.5, 0.6, 24)
    known = Fingerprint.of(rng.standard_normal((9000, 24)) * axes)
    score = known.sketch.codebook.score(rng.standard_normal((50_000, 24)) * axes)
    for size in (30, 200):
        sketch = known.sketch
        bound = sketch.own.mean - sketch._noise(sketch.own, size)
        means = score[rng.integers(len(score), size=(100_000, size))].mean(axis=1)
        assert 0 < (means < bound).mean() <= 1.5 * FALSE_ALARM


def test_the_rate_check_rejects_a_threshold_that_is_too_high(space, known):
    rng = np.random.default_rng(2)
    score = known.sketch.codebook.score(space[1])
    means = score[rng.integers(len(score), size=(10_000, 200))].mean(axis=1)
    assert (means < known.sketch.own.mean).mean() > 100 * FALSE_ALARM


def test_foreign_batches_do_not_match(space, known):
    rng = np.random.default_rng(3)
    turn = orthogonal(64, rng)
    other = clustered(2000, 64, rng, seed=9)
    for rows in draws(2000, 30, rng):
        own = space[1][rows]
        for foreign in (own @ turn, own[:, rng.permutation(64)], -own, other[rows]):
            match = known.matches(foreign)
            assert match.decided
            assert not match.ok
            assert match.statistic < match.threshold
        assert "do not lie along" in known.matches(own @ turn).reason


def test_half_a_foreign_batch_lowers_the_statistic(space, known):
    rng = np.random.default_rng(3)
    own = space[1][:200]
    mixed = np.where(np.arange(200)[:, None] % 2, own, own @ orthogonal(64, rng))
    assert known.matches(mixed).statistic < known.matches(own).statistic


def test_other_topics_of_one_encoder_match_by_their_quiet_directions():
    rng = np.random.default_rng(4)
    encoder = orthogonal(96, rng)[:, :80]
    topics = rng.standard_normal((2, 30, 80))
    rows = [topics[t][rng.integers(30, size=4000)] for t in (0, 1)]
    seen, unseen = ((r + 0.3 * rng.standard_normal(r.shape)) @ encoder.T for r in rows)
    seen, unseen = (x + 1e-3 * rng.standard_normal(x.shape) for x in (seen, unseen))
    known = Fingerprint.of(seen)
    match = known.matches(unseen[:200])
    assert match.statistic < match.threshold
    assert match.ok
    assert "other topics" in match.reason
    assert not known.matches(unseen[:200] @ orthogonal(96, rng)).ok


def test_quiet_coordinates_prove_nothing():
    # Encoders that order their coordinates all leave the last ones quiet.
    rng = np.random.default_rng(4)
    spectrum = np.geomspace(1, 1e-3, 64)
    one, other = (
        (rng.standard_normal((20, 64)) * spectrum)[rng.integers(20, size=4000)]
        + 0.3 * rng.standard_normal((4000, 64)) * spectrum
        for _ in range(2)
    )
    assert not Fingerprint.of(one).matches(other[:200]).ok


def test_widths_and_norms_are_told_apart(space, known):
    assert "63 dimensions" in known.matches(space[1][:200, :63]).reason
    assert not known.matches(space[1][:200, :63]).ok
    assert not known.matches(space[1][:200] * 50).ok
    flat = space[0] / np.linalg.norm(space[0], axis=1, keepdims=True)
    unit = Fingerprint.of(flat)
    assert unit.norms == "unit"
    assert known.norms == "free"
    assert Fingerprint.of(flat * 3).norms == "constant"
    match = unit.matches(flat[:200] * 1.2)
    assert not match.ok
    assert "norms of 1.2" in match.reason


def test_few_vectors_are_too_few(space, known):
    turned = rotated(space[1][:200], np.random.default_rng(0))
    for batch in (turned[:29], turned[:1], np.repeat(turned[:5], 40, axis=0), np.zeros((200, 64))):
        match = known.matches(batch)
        assert match.ok
        assert not match.decided
        assert "too few" in match.reason


def test_a_round_space_says_that_it_cannot_tell():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6000, 64))
    known = Fingerprint.of(x)
    assert not known.detects_rotation
    match = known.matches(x[:200] @ orthogonal(64, rng))
    assert match.ok
    assert not match.decided
    assert "every side" in match.reason


def test_zero_vectors_do_not_sway_the_verdict(space, known):
    batch = np.concatenate([space[1][:200], np.zeros((300, 64))])
    assert known.matches(batch).statistic == known.matches(space[1][:200]).statistic


def test_row_order_and_array_kind_do_not_matter(space, known):
    batch = space[1][:200]
    expected = known.matches(batch)
    assert known.matches(batch[::-1]) == expected
    assert known.matches(np.asfortranarray(batch)) == expected
    assert known.matches(batch.astype(">f8")) == expected
    assert known.matches(batch.tolist()) == expected
    half = known.matches(batch.astype(np.float16))
    assert half.statistic == pytest.approx(expected.statistic, abs=1e-3)


def test_other_array_kinds_give_the_same_fingerprint(space):
    strict = pytest.importorskip("array_api_strict")
    x = np.tile(space[0][:, :8], (4, 1))  # beyond the rows that are looked at
    assert Fingerprint.of(strict.asarray(x)) == Fingerprint.of(x)
    torch = pytest.importorskip("torch")
    assert Fingerprint.of(torch.from_numpy(x)) == Fingerprint.of(x)


def test_same_seed_same_fingerprint(space):
    assert Fingerprint.of(space[0], rng=3) == Fingerprint.of(space[0], rng=3)
    assert Fingerprint.of(space[0], rng=3) != Fingerprint.of(space[0], rng=4)
    assert hash(Fingerprint.of(space[0], rng=3)) == hash(Fingerprint.of(space[0], rng=3))


# -- two fingerprints --------------------------------------------------------------------------


def test_same_as(space, known):
    rng = np.random.default_rng(0)
    again = Fingerprint.of(space[1])
    assert known.same_as(again).ok
    assert known.same_as(again).decided
    assert again.same_as(known).statistic == known.same_as(again).statistic
    for foreign in (space[1] @ orthogonal(64, rng), clustered(3000, 64, rng, seed=9)):
        match = known.same_as(Fingerprint.of(foreign))
        assert match.decided
        assert not match.ok
    assert not known.same_as(Fingerprint.of(space[1], encoder="yours")).ok
    assert not known.same_as(Fingerprint.of(space[1][:, :60])).ok
    assert not known.same_as(Fingerprint.of(space[1] * 100)).ok
    assert not known.same_as(Fingerprint.of(space[1][:20])).decided


def test_of_space_leaves_out_rows_that_are_not_finite(space):
    class Stored:
        encoder, metric = "mine", "cosine"

        def __len__(self):
            return 6000

        def take(self, rows):
            x = space[0].astype(np.float32)[rows]
            x[::10] = np.nan
            return x

    found = Fingerprint.of_space(Stored(), rows=3000)
    assert (found.rows, found.encoder, found.metric) == (2700, "mine", "cosine")
    assert found.matches(space[1][:200]).ok


# -- written and read --------------------------------------------------------------------------


def test_written_and_read_back_it_judges_alike(space, known):
    read = Fingerprint.from_dict(json.loads(json.dumps(known.as_dict(), allow_nan=False)))
    assert read == known
    assert read.matches(space[1][:200]) == known.matches(space[1][:200])
    assert read.same_as(known).ok


@pytest.mark.parametrize(("rows", "dim"), [(2100, 1024), (300, 4096)])
def test_it_stays_small(rows, dim):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, dim)) * np.geomspace(1, 1e-3, dim)
    assert len(json.dumps(Fingerprint.of(x).as_dict())) < 1_000_000


BROKEN = {
    "no dict": lambda d: [],
    "missing": lambda d: d.pop("own"),
    "unknown": lambda d: d.update(extra=1),
    "version": lambda d: d.update(version=2),
    "encoder type": lambda d: d.update(encoder=["x"]),
    "encoder length": lambda d: d.update(encoder="x" * 2000),
    "dim type": lambda d: d.update(dim=64.0),
    "dim bool": lambda d: d.update(dim=True),
    "dim size": lambda d: d.update(dim=1 << 40),
    "dim other": lambda d: d.update(dim=32),
    "norms": lambda d: d.update(norms="some"),
    "norms type": lambda d: d.update(norms=["unit"]),
    "norm range": lambda d: d.update(norm_range=[3.0, 2.0, 1.0]),
    "norm infinite": lambda d: d.update(norm_range=[0.0, 1.0, float("inf")]),
    "norm huge": lambda d: d.update(norm_range=[0.0, 1.0, 10**400]),
    "rows": lambda d: d.update(rows=-1),
    "held": lambda d: d.update(held=10**9),
    "own nan": lambda d: d.update(own=[float("nan"), 0.1]),
    "own range": lambda d: d.update(own=[5.0, 0.1]),
    "own negative": lambda d: d.update(own=[0.5, -0.1]),
    "own text": lambda d: d.update(own="0.5"),
    "own entry": lambda d: d.update(own=["0.5", 0.1]),
    "mean type": lambda d: d.update(mean=[0.0] * 64),
    "mean short": lambda d: d.update(mean=d["mean"][:-4]),
    "mean long": lambda d: d.update(mean=d["mean"] * 1000),
    "mean text": lambda d: d.update(mean="!" * len(d["mean"])),
    "mean unicode": lambda d: d.update(mean="é" * len(d["mean"])),
    "mean nan": lambda d: d.update(
        mean=base64.b64encode(np.full(64, np.nan).tobytes()).decode("ascii")
    ),
    "directions count": lambda d: d.update(directions_count=1 << 40),
    "directions zero": lambda d: d.update(
        directions=base64.b64encode(bytes(4 * 64 * d["directions_count"])).decode("ascii")
    ),
    "reach": lambda d: d.update(reach=""),
    "quiet": lambda d: d.update(quiet_count=9),
    "quiet share": lambda d: d.update(quiet_share=[0.1]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_damaged_fingerprint_is_refused(known, case):
    data = known.as_dict()
    given_back = BROKEN[case](data)
    with pytest.raises(FormatError, match="read fingerprint"):
        Fingerprint.from_dict(given_back if case == "no dict" else data)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_entry_replaced_by_junk_is_refused_or_harmless(known, data):
    written = known.as_dict()
    name = data.draw(st.sampled_from(sorted(written)))
    junk = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
    written[name] = data.draw(junk | st.lists(junk, max_size=3) | st.dictionaries(junk, junk))
    with contextlib.suppress(FormatError):
        match = Fingerprint.from_dict(written).matches(np.eye(64))
        assert np.isfinite([match.statistic, match.threshold]).all()


# -- degenerate input --------------------------------------------------------------------------


def degenerate():
    rng = np.random.default_rng(0)
    x = clustered(400, 16, rng)
    constant = x.copy()
    constant[:, 3] = 5.0
    return {
        "n < d": rng.standard_normal((40, 100)),
        "rank one": np.outer(rng.standard_normal(400), rng.standard_normal(16)),
        "rank two": rng.standard_normal((400, 2)) @ rng.standard_normal((2, 16)),
        "constant dimension": constant,
        "zero vectors": np.where(np.arange(400)[:, None] % 2, x, 0.0),
        "only zeros": np.zeros((400, 16)),
        "one vector": np.ones((400, 16)),
        "one row": np.ones((1, 16)),
        "huge": x * 1e20,
        "beyond squares": x * 1e200,
        "tiny": x * 1e-200,
        "far mean": x + 1e6,
        "few": x[:7],
        "one dimension": x[:, :1],
        "integers": np.round(x * 10).astype(np.int8),
        "booleans": x > 0,
        "half": x.astype(np.float16),
        "uneven": x * np.geomspace(1e-20, 1e20, 16),
    }


@pytest.mark.parametrize("case", degenerate())
def test_degenerate_spaces_give_finite_answers(case):
    x = degenerate()[case]
    known = Fingerprint.of(x)
    assert Fingerprint.from_dict(json.loads(json.dumps(known.as_dict(), allow_nan=False))) == known
    for match in (known.matches(x), known.same_as(known)):
        assert match.ok, match.reason
        assert np.isfinite([match.statistic, match.threshold]).all()
        assert match.reason


def test_a_far_mean_and_a_huge_scale_change_nothing(space):
    rng = np.random.default_rng(0)
    turn = orthogonal(64, rng)
    for moved in (lambda x: x + 1e5, lambda x: x * 1e20, lambda x: x * 1e-20):
        known = Fingerprint.of(moved(space[0]))
        assert known.detects_rotation
        assert known.matches(moved(space[1][:200])).ok
        assert not known.matches(moved(space[1][:200]) @ turn).ok


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=70),
        elements=st.floats(-1e30, 1e30) | st.just(0.0),
    )
)
def test_any_finite_matrix_is_accepted(x):
    known = Fingerprint.of(x)
    match = known.matches(x)
    assert np.isfinite([match.statistic, match.threshold, *known.norm_range]).all()
    assert Fingerprint.from_dict(known.as_dict()) == known


@pytest.mark.parametrize("x", [np.full((5, 3), np.nan), np.zeros((0, 3)), np.zeros(3), "text"])
def test_what_is_no_finite_matrix_is_refused(known, x):
    with pytest.raises(InputError):
        Fingerprint.of(x)
    with pytest.raises(InputError):
        known.matches(x)


def test_heavy_packages_are_not_imported():
    code = "import sys, isthmus.spaces.fingerprint, isthmus.spaces.mixture; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "sklearn", "pyarrow", "faiss"} & set(ran.stdout.split())


# -- digits: a second modality that every machine has ------------------------------------------


@pytest.fixture(scope="module")
def digits():
    datasets = pytest.importorskip("sklearn.datasets")
    x, labels = datasets.load_digits(return_X_y=True)
    return x / 16, labels


def test_digits(digits):
    rng = np.random.default_rng(0)
    x, labels = digits
    order = rng.permutation(len(x))
    known, fresh, labels = Fingerprint.of(x[order[:900]]), x[order[900:]], labels[order[900:]]
    assert known.detects_rotation
    assert false_alarms(known, fresh, 100_000, rng) <= FALSE_ALARM
    assert all(known.matches(fresh[labels == digit]).ok for digit in range(10))
    for rows in draws(len(fresh), 20, rng):
        assert not known.matches(fresh[rows] @ orthogonal(64, rng)).ok
        assert not known.matches(fresh[rows][:, rng.permutation(64)]).ok


# -- real text ---------------------------------------------------------------------------------


@needs_debian
@pytest.mark.parametrize("name", ["en-minilm384", "en-lsa256", "fr-lsa256", "en-pca256"])
def test_real_spaces(debian, name):
    rng = np.random.default_rng(0)
    x, sections = debian[name]
    known, fresh, topic = Fingerprint.of(x[::2]), x[1::2], sections[1::2]
    assert known.norms == "unit"
    assert false_alarms(known, fresh[np.any(fresh != 0, axis=1)], 100_000, rng) <= FALSE_ALARM
    # Batches of one topic each: at most one in forty may be called foreign.
    topics = [t for t in np.unique(topic) if t and (topic == t).sum() >= 100]
    alarms = [t for t in topics if not known.matches(fresh[topic == t][:200]).ok]
    assert len(alarms) <= len(topics) / 40, alarms
    turn = orthogonal(x.shape[1], rng)
    assert not any(known.matches(fresh[topic == t][:200] @ turn).ok for t in topics)
    others = [o for o in debian if o != name and debian[o][0].shape[1] == x.shape[1]]
    for rows in draws(10_000, 5, rng):
        assert not known.matches(fresh[rows % len(fresh)][:, rng.permutation(len(turn))]).ok
        for other in others:
            assert not known.matches(debian[other][0][rows]).ok, other


@needs_debian
def test_real_spaces_under_same_as(debian):
    whole = {name: Fingerprint.of(x[:6000]) for name, (x, _) in debian.items()}
    again = {name: Fingerprint.of(x[6000:13_000]) for name, (x, _) in debian.items()}
    for one in whole:
        for other in whole:
            assert whole[one].same_as(again[other]).ok == (one == other), (one, other)
