"""A link to a SQLite file: statements go in whole or not at all, and only isthmus's errors out."""

import sqlite3

import pytest

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.stores import Address
from isthmus.spaces.stores.sqlite_vec_link import Link

pytest.importorskip("sqlite_vec", reason="sqlite-vec is not installed")


@pytest.fixture
def linked(tmp_path):
    """Links to one file, closed in the end."""
    made = []

    def link(mode="rwc", **options):
        address = Address.parse(f"sqlite-vec://{tmp_path}/a.db/docs").elsewhere(**options)
        made.append(Link(address, mode=mode))
        return made[-1]

    yield link
    for one in made:
        one.close()


@pytest.fixture
def link(linked):
    found = linked()
    found.run("CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
    return found


def test_values_are_bound_and_rows_come_whole_or_one_by_one(link):
    sly = "'); DROP TABLE t; --\0é"
    link.many("INSERT INTO t VALUES (?, ?)", [(2, sly), (1, b"\0\xff"), (-(1 << 63), None)])
    rows = [(-(1 << 63), None), (1, b"\0\xff"), (2, sly)]
    assert link.run("SELECT * FROM t ORDER BY a") == rows
    assert link.run("SELECT a FROM t WHERE b = ?", sly) == [(2,)]
    each = link.each("SELECT * FROM t ORDER BY a")
    assert next(each) == rows[0]
    assert list(each) == rows[1:]
    assert link.run("DELETE FROM t") == []


def test_the_extension_is_there_and_no_other_can_be_loaded(link):
    version = link.run("SELECT vec_version()")[0][0]
    assert version.startswith("v")
    with pytest.raises(StorageError, match="not authorized"):
        link.run("SELECT load_extension('vec0')")


class CutError(Exception):
    """Raised inside a transaction by no fault of the link's."""


@pytest.mark.parametrize("error", [CutError, KeyboardInterrupt, GeneratorExit])
def test_all_of_a_transaction_is_kept_or_nothing(link, linked, error, half_and_whole):
    half_and_whole(link, error)
    assert linked("ro").run("SELECT a FROM t") == [(2,), (3,)]


def test_a_statement_that_fails_takes_the_transaction_along_and_the_link_goes_on(link):
    def twice():
        with link.transaction():
            link.run("INSERT INTO t VALUES (1, 'a')")
            link.run("INSERT INTO t VALUES (1, 'b')")

    with pytest.raises(StorageError, match=r"UNIQUE.*Nothing of this step was kept\."):
        twice()
    assert link.run("SELECT count(*) FROM t") == [(0,)]
    link.run("INSERT INTO t VALUES (1, 'c')")


def test_a_transaction_inside_one_is_refused_and_ends_both(link):
    def nested():
        with link.transaction():
            link.run("INSERT INTO t VALUES (1, 'a')")
            with link.transaction():
                pass

    with pytest.raises(StorageError, match="within a transaction"):
        nested()
    assert link.run("SELECT count(*) FROM t") == [(0,)]


def test_nobody_else_writes_during_a_transaction_and_readers_see_what_was(link, linked):
    other = linked("rw")
    other.run("PRAGMA busy_timeout = 10")
    with link.transaction():  # before its first statement that writes
        with pytest.raises(StorageError, match="database is locked"):
            other.run("INSERT INTO t VALUES (1, 'other')")
        link.run("INSERT INTO t VALUES (2, 'mine')")
        assert other.run("SELECT count(*) FROM t") == [(0,)]
    assert other.run("SELECT a FROM t") == [(2,)]


@pytest.mark.parametrize("value", [1 << 63, -(1 << 63) - 1, "\ud800"], ids=ascii)
def test_values_that_sqlite_cannot_hold_are_told(link, value):
    text = "INSERT INTO t VALUES (0, ?)"
    for call in (lambda: link.run(text, value), lambda: link.many(text, [(value,)])):
        with pytest.raises(StorageError, match="use sqlite-vec:.*from SQLite: "):
            call()
    assert link.run("SELECT count(*) FROM t") == [(0,)]


@pytest.mark.parametrize("text", ["SELECT nothing", "nonsense", "SELECT 1; SELECT 2", "SELECT ?"])
def test_statements_that_fail_are_told_of_each_kind(link, text):
    for call in (
        lambda: link.run(text), lambda: list(link.each(text)), lambda: link.many(text, [()])
    ):  # fmt: skip
        with pytest.raises(StorageError, match="from SQLite") as raised:
            call()
        assert raised.value.__cause__ is None
        assert raised.value.operation == f"use {link.address.redacted}"


def test_modes_are_those_of_sqlite(linked, tmp_path):
    for mode in ("rw", "ro"):
        with pytest.raises(StorageError, match="unable to open"):
            linked(mode)
    assert not list(tmp_path.iterdir())
    linked().run("CREATE TABLE t (a)")
    linked("rw").run("INSERT INTO t VALUES (1)")
    with pytest.raises(StorageError, match="readonly"):
        linked("ro").run("INSERT INTO t VALUES (2)")


@pytest.mark.parametrize("name", ["a b.db", "a?mode=memory&x.db", "a#b.db", "a%41.db", "é;'\".db"])
def test_the_file_is_that_of_the_name_whatever_its_signs(name, tmp_path):
    address = Address(scheme="sqlite-vec", place=str(tmp_path / name), collection="t")
    link = Link(address, mode="rwc")
    link.run("CREATE TABLE t (a)")
    link.close()
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    with sqlite3.connect(tmp_path / name) as plain:
        assert plain.execute("SELECT name FROM sqlite_master").fetchall() == [("t",)]
    plain.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sqlite-vec://host/a.db/docs", r"sqlite-vec:///folder/file\.db/table"),
        ("sqlite-vec:///docs", r"sqlite-vec:///folder/file\.db/table"),
        ("sqlite-vec:///a.db/docs?metric=dot", "'dot'; expected one of euclidean, cosine"),
        ("sqlite-vec:///a.db/docs?colour=b", "'colour'; expected one of vector, id, filter, metr"),
    ],
)
def test_addresses_that_name_no_table_of_a_file_are_refused(text, said):
    with pytest.raises(InputError, match=f"open sqlite-vec:.*{said}"):
        Link(Address.parse(text), mode="rw")


def test_closing_twice_is_fine_and_nothing_is_asked_afterwards(link):
    link.close()
    link.close()
    with pytest.raises(StorageError, match="closed database"):
        link.run("SELECT 1")
