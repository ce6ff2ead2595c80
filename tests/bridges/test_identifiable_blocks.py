"""Identifiable blocks: the rules on examples worked by hand, and against brute force."""

import numpy as np
import pytest

from isthmus.bridges.identifiable_blocks import identifiable_blocks, shared_blocks
from isthmus.core.errors import InputError

PAPER = {1: (1, 2, 3, 4), 2: (1, 2, 3, 5), 3: (1, 2, 4, 5)}


def test_shared_blocks_of_three_views():
    blocks = shared_blocks(PAPER)
    assert {k: set(v) for k, v in blocks.items()} == {
        (1, 2): {1, 2, 3}, (1, 3): {1, 2, 4}, (2, 3): {1, 2, 5}, (1, 2, 3): {1, 2},
    }  # fmt: skip


def test_complements_need_independence():
    dependent, independent = (identifiable_blocks(PAPER, independent=i) for i in (False, True))
    assert frozenset({3}) not in dependent
    assert independent[frozenset({3})] == "complement"
    assert dependent[frozenset({1, 2})] == "shared"
    assert dependent[frozenset({1, 2, 3, 4})] == "view"
    # 1 and 2 go everywhere together, so no rule ever parts them.
    assert all((1 in block) == (2 in block) for block in independent)


def test_complement_is_taken_inside_a_block_only():
    blocks = identifiable_blocks({"a": "xy", "b": "yz"}, independent=True)
    expected = {"x", "y", "z", "xy", "yz", "xz", "xyz"}
    assert {"".join(sorted(b)) for b in blocks} == expected
    assert blocks[frozenset("xz")] in ("union", "complement")


@pytest.mark.parametrize("independent", [False, True])
def test_closed_under_the_rules_and_nothing_more(independent):
    rng = np.random.default_rng(0)
    for _ in range(10):
        views = {v: np.flatnonzero(rng.random(5) < 0.6).tolist() or [0] for v in range(3)}
        closed = {frozenset(v) for v in views.values()}
        while True:
            more = {a & b for a in closed for b in closed} | {a | b for a in closed for b in closed}
            if independent:
                more |= {a - b for a in closed for b in closed if b <= a}
            if more <= closed:
                break
            closed |= more
        assert set(identifiable_blocks(views, independent=independent)) == closed - {frozenset()}


def test_views_without_anything_in_common():
    assert identifiable_blocks({"a": "x", "b": "y"}) == {
        frozenset("x"): "view", frozenset("y"): "view", frozenset("xy"): "union",
    }  # fmt: skip


def test_refusals():
    with pytest.raises(InputError, match="no view"):
        identifiable_blocks({})
    with pytest.raises(InputError, match="views without latents: \\['b'\\]"):
        identifiable_blocks({"a": "x", "b": ""})
    with pytest.raises(InputError, match="more than 1000"):
        identifiable_blocks({i: [i] for i in range(12)})
