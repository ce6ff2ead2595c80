"""Ledger: the state steps leave, sums in which any change shows, and pieces against an oracle."""

from datetime import datetime
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest

from isthmus.core.errors import FormatError, InputError
from isthmus.spaces.stores.store import Rows
from isthmus.upgrade import job_journal
from isthmus.upgrade.ledger import Ledger, Range, digest, joined, part, pieces


def begin(number, stamp="s"):
    return {"step": "pass", "number": number, "stamp": stamp}


def covered(last, rows=2, rejected=()):
    return {
        "step": "range", "last": last, "rows": rows, "sum": f"x{last}", "written": rows,
        "rejected": list(rejected),
    }  # fmt: skip


def act(name, done, live=True, **more):
    return {"step": name, "done": done, "live": live, **more}


PASSED = {"step": "passed", "removed": 3}
INDEX = {"step": "index"}


def verified(stamp="s"):
    return {"step": "verified", "stamp": stamp}


def test_a_pass_goes_on_behind_its_last_range_and_the_next_knows_its_ranges():
    steps = [begin(1), covered(4, 3, [2]), covered(9, 2, [7, 8]), {"step": "paused"}]
    found = Ledger.of(steps)
    assert (found.open, found.after, found.rows, found.rejected) == (True, 9, 5, [2, 7, 8])
    assert found.ranges[4] == Range(4, 3, "x4", 3, (2,))
    found = Ledger.of([*steps, PASSED])
    assert (found.open, found.after, found.removed, found.rejected) == (False, None, 3, [2, 7, 8])
    again = Ledger.of([*steps, PASSED, begin(2, "t")])
    assert (again.known, again.ranges, again.rows) == (found.ranges, {}, 0)
    assert (again.number, again.stamp, again.after, again.removed) == (2, "t", None, 0)


@pytest.mark.parametrize(
    ("before", "stamp", "kept"),
    [([verified("s")], "s", True), ([verified("s")], "t", False), ([], "s", False)],
)
def test_the_index_stands_only_where_the_proof_is_of_the_same_store(before, stamp, kept):
    found = Ledger.of([begin(1), PASSED, INDEX, *before, begin(2, stamp)])
    assert (found.indexed, found.verified) == (kept, None)


def test_acts_are_begun_finished_and_undone():
    ready = [begin(1), covered(4), PASSED, INDEX, verified()]
    cut = [*ready, act("cutover", False)]
    state = {
        "begun": Ledger.of(cut),
        "undone": Ledger.of([*cut, {"step": "undone"}]),
        "cut over": Ledger.of([*cut, act("cutover", True)]),
        "back": Ledger.of([*cut, act("cutover", True), act("rollback", True, since=[5, 6])]),
    }
    assert {name: (one.begun, one.act, one.verified is not None, one.since)
            for name, one in state.items()} == {
        "begun": ("cutover", "", True, []), "undone": ("", "", True, []),
        "cut over": ("", "cutover", True, []), "back": ("", "rollback", False, [5, 6]),
    }  # fmt: skip
    # A later proof has seen the rows written meanwhile; a later pass clears the act.
    later = Ledger.of([*cut, act("rollback", True, since=[5]), verified()])
    assert later.since == []
    assert Ledger.of([*cut, act("cutover", True), begin(2)]).act == ""


@pytest.mark.parametrize("live", [True, False])
def test_a_drop_forgets_what_was_carried_and_is_final_where_the_new_vectors_serve(live):
    steps = [begin(1), covered(4), PASSED, INDEX, verified()]
    half = Ledger.of([*steps, act("drop", False, live)])
    assert (half.final, half.begun, half.rows) == (False, "drop", 2)
    found = Ledger.of([*steps, act("drop", True, live)])
    assert (found.final, found.act, found.begun) == (live, "drop", "")
    lost = Ledger.of([*steps, {"step": "created"}, {"step": "lost"}])
    for one in (found, lost):
        assert (one.known, one.ranges, one.rows, one.open) == ({}, {}, 0, False)
        assert (one.indexed, one.verified, one.since) == (False, None, [])
    assert lost.created


@pytest.mark.parametrize(
    "wrong",
    [
        {"step": "dance"}, {"step": "pass"}, {"step": "range", "last": 1}, {"step": "cutover"},
        covered([1]), covered(4, "two"), {**covered(4), "rejected": 3}, {"step": "passed"},
    ],
)  # fmt: skip
def test_a_step_that_isthmus_does_not_write_is_named_with_its_line_and_the_cure(wrong):
    with pytest.raises(FormatError, match=f"'{wrong['step']}' in line 2") as raised:
        Ledger.of([begin(1), wrong])
    assert "remove the file and run the job again" in raised.value.cure


def test_a_journal_cut_anywhere_goes_on_behind_the_last_range_written_whole(tmp_path):
    with job_journal.Journal(tmp_path) as journal:
        for step in (begin(1), covered(4), covered(9)):
            journal.add(**step)
    path = tmp_path / job_journal.NAME
    data = path.read_bytes()
    whole = [place + 1 for place, sign in enumerate(data) if sign == ord("\n")]
    for cut in sorted({*range(0, len(data), 9), *whole, *(end - 1 for end in whole)}):
        path.write_bytes(data[:cut])
        lines = sum(end <= cut for end in whole)
        found = Ledger.of(job_journal.read(tmp_path))
        assert (found.after, found.rows) == [(None, 0), (None, 0), (4, 2), (9, 4)][lines]


def table(ids, *, payload=False):
    ids = np.asarray(ids)
    vectors = np.arange(2 * len(ids), dtype=np.float32).reshape(-1, 2)
    return Rows(ids, vectors, [{"n": i} for i in range(len(ids))] if payload else None)


def test_any_bit_that_changes_shows_in_the_sum():
    rows = table([1, 2, 3], payload=True)
    sums = {digest(rows)}
    for bit in range(8 * rows.vectors.nbytes):
        raw = bytearray(rows.vectors.tobytes())
        raw[bit // 8] ^= 1 << bit % 8
        sums.add(digest(Rows(rows.ids, np.frombuffer(raw, np.float32).reshape(3, 2), rows.payload)))
    others = [
        Rows(np.array([1, 2, 4]), rows.vectors, rows.payload),
        Rows(np.array(["1", "2", "3"]), rows.vectors, rows.payload),
        Rows(rows.ids, rows.vectors),
        Rows(rows.ids, rows.vectors, [{"n": 0}, {"n": 1}, {"n": "2"}]),
        Rows(rows.ids, rows.vectors, [{"n": 1}, {"n": 0}, {"n": 2}]),
    ]
    sums |= {digest(other) for other in others}
    assert len(sums) == 1 + 8 * rows.vectors.nbytes + len(others)


def test_values_beyond_json_are_summed_by_type_and_to_the_last():
    long = np.arange(2000)  # the text of which leaves out the middle
    other = np.where(long == 1000, 0, long)
    day = datetime(2020, 1, 2)
    values = [long, other, long.tolist(), day, str(day), repr(day), b"a", "b'a'", Decimal("1.0"),
              Decimal("1.00"), "1.0", np.float32(1), np.float64(1)]  # fmt: skip
    one = table([1])
    sums = [digest(Rows(one.ids, one.vectors, [{"a": [value]}])) for value in values]
    assert len(set(sums)) == len(values)
    assert sums[0] == digest(Rows(one.ids, one.vectors, [{"a": [long.copy()]}]))


@pytest.mark.parametrize("value", [object(), {"a", "b"}, frozenset("a")])
def test_a_value_whose_text_changes_is_refused(value):
    with pytest.raises(InputError, match=f"a value of type {type(value).__name__}; .*as text"):
        digest(Rows(np.array([1]), np.ones((1, 2), np.float32), [{"a": value}]))


def test_what_is_no_change_leaves_the_sum():
    one = Rows(np.array([1]), np.ones((1, 2), np.float32), [{"a": 1, "b": 2}])
    strided = np.ones((1, 4), np.float32)[:, ::2]
    assert digest(one) == digest(Rows(one.ids, strided, [{"b": 2, "a": 1}]))


def naive(ids, bounds, rows):
    """The pieces, from all ids at once."""
    found, low = [], None
    for bound in bounds:
        inside = [one for one in ids if one <= bound and (low is None or one > low)]
        found += [(inside, bound)] if inside else []
        low = bound
    rest = [one for one in ids if low is None or one > low]
    chunks = [rest[start : start + rows] for start in range(0, len(rest), rows)]
    return found + [(chunk, chunk[-1]) for chunk in chunks]


@pytest.mark.parametrize("text", [False, True])
def test_pieces_are_those_of_all_rows_at_once_however_the_batches_fall(text):
    rng = np.random.default_rng(1)
    for _ in range(60):
        ids = np.sort(rng.choice(60, rng.integers(1, 40), replace=False))
        bounds = np.sort(rng.choice(80, rng.integers(0, 6), replace=False))
        if text:
            ids, bounds = (np.sort(one.astype(str)) for one in (ids, bounds))
        rows, whole = 11, table(ids, payload=True)
        cuts = np.sort(rng.integers(0, len(ids) + 1, 4))
        edges = [0, *cuts.tolist(), len(ids)]
        batches = [part(whole, slice(a, b)) for a, b in pairwise(edges)]
        got = list(pieces(batches, bounds.tolist(), rows))
        assert [(one.ids.tolist(), last) for one, last in got] == naive(
            ids.tolist(), bounds.tolist(), rows
        )
        assert (np.concatenate([one.vectors for one, _ in got]) == whole.vectors).all()
        assert [row for one, _ in got for row in one.payload] == whole.payload
        assert all(type(last) in (int, str) for _, last in got)  # as JSON has them


def test_a_range_that_grew_is_not_held_whole():
    whole = table(range(100))
    batches = [part(whole, slice(at, at + 7)) for at in range(0, 100, 7)]
    got = list(pieces(batches, [1000], 5))
    assert np.concatenate([one.ids for one, _ in got]).tolist() == list(range(100))
    assert max(len(one) for one, _ in got) < 4 * 5 + 7
    lasts = [last for _, last in got]
    assert lasts == sorted(set(lasts))
    assert list(pieces([], [3], 5)) == list(pieces([table([])], [3], 5)) == []


def test_parts_and_joins_keep_every_column_in_step():
    whole = table([1, 2, 3, 4], payload=True)
    for which in (slice(1, 3), np.array([False, True, True, False]), np.array([1, 2])):
        one = part(whole, which)
        assert (one.ids.tolist(), one.payload) == ([2, 3], [{"n": 1}, {"n": 2}])
        assert one.vectors.tolist() == [[2, 3], [4, 5]]
    back = joined(part(whole, slice(0, 1)), part(whole, slice(1, 4)))
    assert digest(back) == digest(whole)
    assert joined(table([1]), part(whole, slice(1, 2))).payload is None
    assert part(table([1, 2]), slice(1)).payload is None
