"""What holds for every measure that streams: its value from moments, and memory flat in n."""

import sys
import tracemalloc

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.core.moments import Moments
from isthmus.core.registry import methods

MINE = [m for m in methods("measures") if m.call.__module__.startswith("isthmus.")]
STREAMING = [m for m in MINE if m.card.streams]
EVERY = pytest.mark.parametrize("m", STREAMING, ids=lambda m: m.name)


def streamed(m):
    return sys.modules[m.call.__module__].from_moments


def sides(m, n=200, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6)) * np.arange(1, 7)
    y = x[:, :4] @ rng.normal(size=(4, 4)) + rng.normal(size=(n, 4))
    return [x + 3, y][: m.card.spaces]


def chunks(spaces):
    cuts = [1, 8, 60, 130]
    return list(zip(*(np.split(side, cuts) for side in spaces), strict=True))


def merged(parts, seed):
    """Moments of the parts, met two by two in an order that the seed draws."""
    rng = np.random.default_rng(seed)
    pool = [Moments.of(*part) for part in parts]
    while len(pool) > 1:
        pool = [pool[i] for i in rng.permutation(len(pool))]
        pool = [pool[0] + pool[1], *pool[2:]]
    return pool[0]


def test_the_card_says_which_files_have_a_twin_over_moments():
    twins = [
        m.name for m in MINE
        if getattr(vars(sys.modules[m.call.__module__]).get("from_moments"), "__module__", "")
        == m.call.__module__
    ]  # fmt: skip
    assert twins == [m.name for m in STREAMING]
    assert len(twins) > 5


@EVERY
def test_moments_in_any_order_say_what_the_rows_say(m):
    spaces = sides(m)
    whole = m.call(*spaces)
    for seed in range(3):
        found = streamed(m)(merged(chunks(spaces), seed))
        assert found.value == pytest.approx(whole.value, rel=1e-10, abs=1e-10)
        assert (found.n, found.method, found.ci) == (200, m.name, None)
        for name in ("chance", "z", "p", "length"):
            one, two = getattr(found, name), getattr(whole, name)
            assert one == two or one == pytest.approx(two, rel=1e-9, abs=1e-9), name
        assert found.parts == pytest.approx(whole.parts, rel=1e-8)
    # As opposed to the mean over parts, which is what a stream without moments gives.
    split = np.mean([m.call(*part).value for part in chunks(spaces)[1:]])
    assert abs(split - whole.value) > 1e-3


@EVERY
def test_float32_far_from_zero_keeps_its_digits(m):
    spaces = [(side + 1000).astype(np.float32) for side in sides(m)]
    exact = m.call(*(side.astype(np.float64) for side in spaces)).value
    assert streamed(m)(merged(chunks(spaces), 0)).value == pytest.approx(exact, rel=1e-6)


@EVERY
def test_fewer_rows_than_columns(m):
    spaces = [np.random.default_rng(s).normal(size=(12, 20 + s)) for s in range(m.card.spaces)]
    found, whole = streamed(m)(Moments.of(*spaces)), m.call(*spaces)
    assert found.value == pytest.approx(whole.value, rel=1e-10, abs=1e-10)
    assert found.chance == whole.chance or found.chance == pytest.approx(whole.chance, rel=1e-9)


@EVERY
def test_moments_that_do_not_do_are_refused(m):
    spaces = sides(m)
    flat = [*spaces[:-1], np.full((200, 3), 0.1)]
    refused = [Moments(), Moments.of(*spaces, keeps="cross"), Moments.of(*flat)]
    if m.card.spaces == 2:
        refused += [Moments.of(*spaces, keeps="source"), Moments.of(spaces[0])]
    for moments in refused:
        with pytest.raises(InputError):
            streamed(m)(moments)


def test_one_space_is_read_from_the_moments_of_two():
    from isthmus.measures.participation_ratio import from_moments

    x, y = sides(STREAMING[0])
    alone = from_moments(Moments.of(x), debias=True).value
    assert from_moments(Moments.of(x, y), debias=True).value == alone


def blocks(m, count):
    rng = np.random.default_rng(0)
    for _ in range(count):
        x = rng.normal(size=(256, 8))
        yield x, (x + rng.normal(size=(256, 8)) if m.card.spaces == 2 else None)


def by_moments(m, count):
    return streamed(m)(Moments.from_blocks(blocks(m, count)))


def by_rows(m, count):
    """The wrong way, which the bound has to tell: all rows kept, then measured."""
    kept = zip(*blocks(m, count), strict=True)
    return m.call(*(np.concatenate(side) for side in kept if side[0] is not None))


def growth(lane, m):
    """How much more memory 64 blocks take at their peak than 8 do."""
    lane(m, 2)  # what is loaded or set up once
    peaks = []
    for count in (8, 64):
        tracemalloc.start()
        lane(m, count)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return peaks[1] - peaks[0]


@EVERY
def test_memory_is_flat_in_the_number_of_blocks(m):
    assert growth(by_moments, m) < 16 * 1024  # 56 blocks more are 900 KB a side


def test_rows_that_are_kept_show_in_the_memory():
    assert growth(by_rows, STREAMING[0]) > 1024 * 1024
