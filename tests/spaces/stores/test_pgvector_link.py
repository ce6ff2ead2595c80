"""A link to PostgreSQL: statements and rows go through unchanged, whole, and without secrets."""

import struct
import time
from dataclasses import replace

import pytest

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.stores import Address
from isthmus.spaces.stores import pgvector_link as module
from isthmus.spaces.stores.pgvector_link import Link

psycopg = pytest.importorskip("psycopg", reason="the client of PostgreSQL is not installed")

SLY = "'; DROP TABLE t; -- %s $1 \\ é\n"


@pytest.fixture
def link(table_at, admin, schema):
    made = Link(table_at("t"))
    made.run(f'SET search_path = "{schema}", public')
    made.run("CREATE TABLE t (a int8 PRIMARY KEY, b text)")
    yield made
    made.close()


def rows(link):
    return link.run("SELECT a, b FROM t ORDER BY a")


def packed(*pairs):
    """Rows in the binary format, one by one."""
    out = []
    for key, text in pairs:
        data = text.encode()
        out.append(struct.pack(f">hiqi{len(data)}s", 2, 8, key, len(data), data))
    return out


# -- statements --------------------------------------------------------------------------------


def test_values_are_bound_and_literals_are_those_values(link):
    assert link.run("INSERT INTO t VALUES ($1, $2), ($3, $4)", 1, SLY, 2, None) == []
    assert rows(link) == [(1, SLY), (2, None)]
    assert link.run(f"SELECT a FROM t WHERE b = {link.literal(SLY)}") == [(1,)]
    assert link.run("SELECT '%s', 5 % 3") == [("%s", 2)]  # without values nothing is replaced
    assert link.run("SELECT $1::int8[]", [3, 1]) == [([3, 1],)]
    assert link.run("SELECT a FROM t ORDER BY a", binary=True) == [(1,), (2,)]


@pytest.mark.parametrize("text", ["SELECT nothing", "nonsense", "SELECT 1; SELECT $1", "SELECT $1"])
def test_statements_that_fail_are_told_and_the_link_goes_on(link, text):
    with pytest.raises(StorageError, match="use pgvector:.*from PostgreSQL: ") as raised:
        link.run(text, "x", "y")
    assert raised.value.__cause__ is None
    assert "\n" not in str(raised.value)
    assert link.run("SELECT 1") == [(1,)]


@pytest.mark.parametrize("value", ["a\0b", "\ud800"], ids=ascii)
def test_text_that_postgresql_cannot_hold_is_told(link, value):
    with pytest.raises(StorageError, match="use pgvector:"):
        link.run("INSERT INTO t VALUES (1, $1)", value)
    assert rows(link) == []


class CutError(Exception):
    """Raised inside a transaction by no fault of the link's."""


@pytest.mark.parametrize("error", [CutError, KeyboardInterrupt])
def test_all_of_a_transaction_is_kept_or_nothing(link, error, half_and_whole):
    half_and_whole(link, error)
    assert [row[0] for row in rows(link)] == [2, 3]


def test_a_limit_for_the_statements_of_a_service_does_not_cut_ours(table_at, monkeypatch):
    monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=20")
    with pytest.raises(psycopg.errors.QueryCanceled):
        wait(table_at("t"))
    link = Link(table_at("t"))
    assert link.run("SELECT 1 FROM pg_sleep(0.05)") == [(1,)]
    link.close()


def wait(address):
    host = address.options["host"]
    with psycopg.connect(host=host, user="postgres") as plain:
        plain.execute("SELECT pg_sleep(0.05)")


# -- copies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 2, 5])
@pytest.mark.parametrize("at_once", [1, 2, 5, 100])
def test_rows_come_in_batches_bit_for_bit(link, count, at_once):
    sent = packed(*((n, SLY * n) for n in range(count)))
    link.copy_in("COPY t FROM STDIN (FORMAT binary)", sent)
    assert rows(link) == [(n, SLY * n) for n in range(count)]
    batches = list(link.copy_out("COPY (SELECT * FROM t ORDER BY a) TO STDOUT (FORMAT binary)",
                                 at_once))  # fmt: skip
    assert [len(batch) for batch in batches] == (
        [at_once] * (count // at_once) + [count % at_once] * (count % at_once > 0)
    )
    assert [row for batch in batches for row in batch] == sent


def test_parts_may_hold_several_rows_or_none_or_be_cut_anywhere(link):
    whole = b"".join(packed((1, "a"), (2, "bb"), (3, "ccc")))
    parts = [whole[:7], b"", whole[7:30], whole[30:]]
    link.copy_in("COPY t FROM STDIN (FORMAT binary)", iter(parts))
    assert rows(link) == [(1, "a"), (2, "bb"), (3, "ccc")]


def test_a_copy_that_ends_early_leaves_nothing(link):
    def parts():
        yield from packed((1, "a"))
        raise CutError

    copy = "COPY t FROM STDIN (FORMAT binary)"
    with pytest.raises(CutError):
        link.copy_in(copy, parts())
    with pytest.raises(StorageError, match="write to pgvector:.*duplicate key"):
        link.copy_in(copy, packed((1, "a"), (1, "b")))
    with pytest.raises(StorageError, match="write to pgvector:"):
        link.copy_in(copy, [packed((1, "a"))[0][:-1]])
    assert rows(link) == []


def test_a_copy_read_in_part_lets_go_of_the_connection(link):
    link.copy_in("COPY t FROM STDIN (FORMAT binary)", packed(*((n, "x") for n in range(9))))
    copy = link.copy_out("COPY t TO STDOUT (FORMAT binary)", 2)
    assert len(next(copy)) == 2
    copy.close()
    assert len(rows(link)) == 9
    with pytest.raises(StorageError, match="read pgvector:.*nothing"):
        list(link.copy_out("COPY nothing TO STDOUT (FORMAT binary)", 2))


# -- changes of the table ----------------------------------------------------------------------


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(module, "_TRIES", 3)
    monkeypatch.setattr(module, "_PAUSE", 0.01)
    monkeypatch.setattr(module, "_WAIT", 0.05)


def test_a_change_is_whole_and_an_error_in_it_is_not_tried_again(link, hurried, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("tried again"))
    with pytest.raises(StorageError, match="alter pgvector:.*nothing"):
        link.alter(["ALTER TABLE t ADD c int", "ALTER TABLE t DROP nothing"])
    link.alter(["ALTER TABLE t ADD c int", "ALTER TABLE t RENAME c TO d"])
    assert link.run("SELECT d FROM t") == []
    assert link.run("SHOW lock_timeout") == [("0",)]


@pytest.fixture
def other(link):
    """Somebody else's connection."""
    made = link.again()
    made.run(f'SET search_path = "{link.address.options["schema"]}"')
    yield made
    made.close()


def test_a_change_gives_way_and_comes_again(link, other, hurried, monkeypatch):
    pauses, change = [], ["ALTER TABLE t ADD c int"]
    monkeypatch.setattr(time, "sleep", pauses.append)
    other.run("BEGIN")
    other.run("LOCK TABLE t")
    with pytest.raises(StorageError, match="a table in use at each of 3 tries.*pg_stat_activity"):
        link.alter(change)
    assert pauses == [0.01] * 3
    pauses.clear()

    def leave(seconds):
        pauses.append(seconds)
        if len(pauses) == 2:
            other.run("ROLLBACK")

    monkeypatch.setattr(time, "sleep", leave)
    link.alter(change)
    assert pauses == [0.01] * 2
    assert link.run("SELECT c FROM t") == []


# -- connections -------------------------------------------------------------------------------


def test_another_link_is_another_connection_to_the_same_place(link, other):
    me = "SELECT pg_backend_pid(), current_database(), current_user, "
    ((mine, *here),) = link.run(me + "current_setting('application_name')")
    ((theirs, *there),) = other.run(me + "current_setting('application_name')")
    assert mine != theirs
    assert here == there == ["postgres", "postgres", "isthmus"]
    other.close()
    other.close()
    assert link.run("SELECT 1") == [(1,)]
    with pytest.raises(StorageError, match="closed"):
        other.run("SELECT 1")


@pytest.mark.parametrize(
    "place", ["pgvector:///docs", "pgvector://host/docs", "pgvector://h/a/b/t"]
)
def test_an_address_without_one_data_base_is_refused(place):
    with pytest.raises(InputError, match="pgvector://host/base/table"):
        Link(Address.parse(place))


@pytest.mark.parametrize("base", ["nosuch", "no'such\"", "open-sesame-7"])
def test_what_cannot_be_reached_is_told_without_the_password(base, table_at):
    address = replace(table_at("t"), place=f"/{base}", password="open-sesame-7")
    with pytest.raises(StorageError, match="open pgvector:.*does not exist") as raised:
        Link(address)
    said = f"{raised.value.given} {raised.value.expected} {raised.value.cure}"
    assert "open-sesame-7" not in said
    assert raised.value.__cause__ is None
