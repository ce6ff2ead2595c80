"""Carrying: a row's image depends on that row alone, and a pass is what the ledger says it is."""

from dataclasses import dataclass, field

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.stores.store import Facts, Rows
from isthmus.upgrade import carry
from isthmus.upgrade.carry import Carrier, mapped
from isthmus.upgrade.job_journal import Journal

RNG = np.random.default_rng(0)
N, DX, DY = 60, 6, 4
X = (RNG.normal(size=(N, DX)) * np.linspace(3, 0.5, DX) + 1).astype(np.float32)
IDS = np.arange(N) * 2


@dataclass
class Shelf:
    """A collection in a dictionary, with the methods of a store that carrying asks for."""

    rows: dict = field(default_factory=dict)
    writes: int = 0
    scans: int = 0
    meddle: object = None

    def facts(self):
        return Facts(rows=len(self.rows), dim=DX, metric=None, id_kind="int")

    def ids(self):
        return np.array(sorted(self.rows), dtype=np.int64)

    def fetch(self, ids, *, payload=False):
        return Rows(ids, np.stack([self.rows[key] for key in ids.tolist()]))

    def stamp(self):
        return str(hash(tuple((key, row.tobytes()) for key, row in sorted(self.rows.items()))))

    def scan(self, rows=4096, *, after=None, payload=False):
        self.scans += 1
        ids = self.ids()
        ids = ids if after is None else ids[ids > after]
        for start in range(0, len(ids), rows):
            yield self.fetch(ids[start : start + rows])
            if self.meddle:
                self.meddle(self.scans)

    def upsert(self, rows):
        self.writes += len(rows)
        self.rows.update(zip(rows.ids.tolist(), rows.vectors, strict=True))

    def delete(self, ids):
        for key in ids.tolist():
            del self.rows[key]


def shelf(x=X, ids=IDS):
    return Shelf(dict(zip(ids.tolist(), x, strict=True)))


@pytest.fixture(scope="module")
def bridge():
    return isthmus.fit(X, X[:, :DY] * 2 + 1, method="affine")


@pytest.fixture
def run(bridge, tmp_path):
    """One run between two shelves; every call goes on with the journal of the last."""

    def go(source, shadow, **options):
        told = {
            "batch": 10, "payload": False, "drop_invalid": False, "unit": False, "finish": None,
            "paused": lambda: False, "progress": lambda _: None, "tell": lambda _: None,
        }  # fmt: skip
        with Journal(tmp_path) as journal:
            carrier = Carrier(source, shadow, bridge, journal, **{**told, **options})
            return carrier.run(), carrier.ledger, [step["step"] for step in journal.steps]

    return go


def is_image(shadow, source, bridge):
    return shadow.ids().tolist() == source.ids().tolist() and np.array_equal(
        shadow.fetch(shadow.ids()).vectors, mapped(bridge, source.fetch(source.ids()).vectors)
    )


@pytest.mark.parametrize("unit", [False, True])
def test_the_image_of_a_row_does_not_depend_on_its_neighbours(bridge, unit):
    x = np.concatenate([X] * 10)  # more than one block
    whole = mapped(bridge, x, unit=unit)
    for rows in ([0], [5, 599, 5], list(range(250, 270)), RNG.permutation(600).tolist()):
        assert np.array_equal(mapped(bridge, x[rows], unit=unit), whole[rows])
    plain = bridge.transform(x.astype(np.float64))
    if unit:
        plain = plain / np.linalg.norm(plain, axis=1, keepdims=True)
    np.testing.assert_allclose(whole, plain, rtol=1e-5, atol=1e-6)
    assert whole.dtype == np.float32
    assert mapped(bridge, x[:0]).shape == (0, DY)


def test_a_vector_mapped_to_zero_stays_zero_at_unit_length():
    flat = isthmus.fit(X, X[:, :DY], method="affine")
    flat.map.coef_ = np.zeros_like(flat.map.coef_)
    flat.map.intercept_ = np.zeros_like(flat.map.intercept_)
    assert not mapped(flat, X, unit=True).any()


def test_a_run_carries_all_and_a_second_one_nothing(run, bridge):
    source, shadow = shelf(), Shelf()
    done, ledger, steps = run(source, shadow)
    assert done
    assert is_image(shadow, source, bridge)
    assert (ledger.number, ledger.rows, shadow.writes) == (1, N, N)
    assert steps == ["pass", *["range"] * 6, "passed", "verified"]
    assert run(source, shadow)[0]
    assert shadow.writes == N
    source.rows[20] = source.rows[20] + 1  # one bit of one range
    del source.rows[4]
    shadow.rows[999] = shadow.rows[0]  # a stray
    assert run(source, shadow)[0]
    assert is_image(shadow, source, bridge)
    assert shadow.writes == N + 9 + 10  # the range that lost a row, and the one that changed


def test_a_collection_that_changes_is_read_again_and_never_endlessly(run, bridge):
    source, shadow = shelf(), Shelf()

    def once(scan):
        if scan == 1:
            source.rows[0] = source.rows[0] * 2

    source.meddle = once
    done, ledger, _ = run(source, shadow)
    assert (done, ledger.number) == (True, 2)
    assert is_image(shadow, source, bridge)

    def always(_):
        source.rows[0] = source.rows[0] + 1

    source.meddle = always
    scans = source.scans
    with pytest.raises(StorageError, match=f"each of {carry.PASSES} passes"):
        run(source, shadow)
    assert source.scans - scans == carry.PASSES


def test_a_pause_ends_between_ranges_and_goes_on_there(run, bridge):
    source, shadow, asked = shelf(), Shelf(), iter([False, False, True])
    done, ledger, steps = run(source, shadow, paused=lambda: next(asked))
    assert (done, ledger.rows, shadow.writes, steps[-1]) == (False, 20, 20, "paused")
    seen = []
    done, _, _ = run(source, shadow, progress=seen.append)
    assert (done, shadow.writes, seen) == (True, N, [20, 30, 40, 50, 60])
    assert is_image(shadow, source, bridge)


def test_rows_that_are_not_finite_are_named_or_left_out(run, bridge):
    source, shadow = shelf(), Shelf()
    source.rows[14] = np.full(DX, np.nan, np.float32)
    with pytest.raises(InputError, match=r"1 of 10 rows \(first ids: 14\)"):
        run(source, shadow)
    done, ledger, _ = run(source, shadow, drop_invalid=True)
    assert done
    assert list(ledger.rejected) == [14]
    del source.rows[14]
    assert is_image(shadow, source, bridge)


class Forgetful(Shelf):
    """A store that loses, or changes, what it is given."""

    def upsert(self, rows):
        super().upsert(Rows(rows.ids, rows.vectors + np.float32(self.off)))
        if self.loses:
            del self.rows[rows.ids[0]]

    off, loses = 0.0, False


@pytest.mark.parametrize(("off", "loses", "said"), [
    (0.01, False, "60 of 60 vectors that are not the bridge's"), (0, True, "ids that are not the"),
])  # fmt: skip
def test_a_shadow_that_is_not_what_was_written_is_not_proved(run, off, loses, said):
    shadow = Forgetful()
    shadow.off, shadow.loses = off, loses
    with pytest.raises(StorageError, match=said):
        run(shelf(), shadow)


def test_in_another_collection_only_what_the_job_put_there_is_removed(run, bridge, tmp_path):
    source, target = shelf(), Shelf()
    carried = tmp_path / carry.CARRIED
    assert run(source, target, carried=carried)[0]
    del source.rows[0]
    target.rows[777] = np.ones(DY, np.float32)  # written by its users
    assert run(source, target, carried=carried)[0]
    assert sorted(target.rows) == [*sorted(source.rows), 777]
    # In a shadow, which nobody else writes to, it would have gone.
    assert run(source, target)[0]
    assert is_image(target, source, bridge)


def test_the_index_is_built_when_something_was_written(run):
    source, shadow, built = shelf(), Shelf(), []
    finish = lambda: built.append(shadow.writes)  # noqa: E731
    for _ in range(2):
        assert run(source, shadow, finish=finish)[0]
    assert built == [N]
    source.rows[0] = source.rows[0] + 1
    assert run(source, shadow, finish=finish)[0]
    assert built == [N, N + 10]
