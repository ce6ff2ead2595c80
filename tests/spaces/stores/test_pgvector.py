"""pgvector keeps the contract on a real PostgreSQL, and what is special to reading and writing."""

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.stores import Address, connect, create
from isthmus.spaces.stores.pgvector import PgVector
from isthmus.spaces.stores.store import Rows
from isthmus.testing import stores as suite
from isthmus.upgrade import store_doctor as doctor_module
from isthmus.upgrade.store_doctor import store_doctor

from .postgres_tables import filled, vectors

EVEN = "(payload->>'even')::int = 1 -- those of even number"


@pytest.fixture
def bench(table_at):
    return suite.Bench(PgVector, table_at, lambda address: address.elsewhere(filter=EVEN))


@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda c: c.__name__)
def test_contract(check, bench):
    check(bench)


def test_a_server_that_refuses_writes(admin, table_at, monkeypatch):
    x = filled(admin)
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_read_only=on")
    with connect(table_at("docs")) as store:
        with pytest.raises(StorageError, match="read-only"):
            store.upsert(Rows(np.arange(3), vectors(3, seed=4)))
        with pytest.raises(StorageError, match="read-only"):
            store.shadow("j", dim=6, metric=None)
        assert np.array_equal(store.fetch(np.arange(20)).vectors, x)
        assert store.state("j") == "absent"


def test_the_stamp_is_about_ids_and_vectors_alone(admin, table_at):
    filled(admin)
    with connect(table_at("docs")) as store:
        before = store.stamp()
        admin.execute("UPDATE docs SET body = 'other'")
        admin.execute("VACUUM FULL docs")
        assert store.stamp() == before
        admin.execute("UPDATE docs SET doc_id = 77 WHERE doc_id = 7")
        assert store.stamp() != before
        admin.execute("UPDATE docs SET doc_id = 7 WHERE doc_id = 77")
        assert store.stamp() == before
        admin.execute(  # the same ids and the same vectors, otherwise paired
            "UPDATE docs a SET embedding = b.embedding FROM docs b WHERE a.doc_id + b.doc_id = 1"
        )
        assert store.stamp() != before


def test_the_doctor_sees_an_index_that_is_missing_invalid_or_poor(admin, table_at, monkeypatch):
    address = table_at("docs")
    with create(address, dim=12, metric="cosine", id_kind="int") as store:
        store.upsert(Rows(np.arange(800), vectors(800, 12)))
    # So small a table has no need of an index, and PostgreSQL would not use one.
    monkeypatch.setattr(doctor_module, "_MANY", 800)
    monkeypatch.setenv("PGOPTIONS", "-c enable_seqscan=off")

    def look():
        space = isthmus.open(address)
        with space.vector_column.store:
            found = store_doctor(space, rows=100, queries=50)
        return {one.name: one.severity for one in found.findings}, found

    seen, found = look()
    assert seen == {"no_index": "notable"}
    assert "each search reads all 800" in str(found)
    assert found.recall.value == 1.0
    admin.execute(
        "CREATE INDEX near ON docs USING hnsw (embedding vector_cosine_ops) "
        "WITH (m = 2, ef_construction = 4)"
    )
    seen, found = look()
    assert found.facts.index.startswith("hnsw")
    assert seen == {"lost_recall": "harmful"}
    assert found.recall.value < 0.9
    # Worse still: the index looks at fewer rows than are asked for, and the last is told again.
    monkeypatch.setenv("PGOPTIONS", "-c enable_seqscan=off -c hnsw.ef_search=3")
    with connect(address) as store:
        few = store.search(vectors(2, 12), 11)
    assert few.shape == (2, 11)
    assert all(len(set(row)) < 11 for row in few.tolist())
    assert look()[1].recall.value < 0.5
    monkeypatch.setenv("PGOPTIONS", "-c enable_seqscan=off")
    # As a CREATE INDEX CONCURRENTLY leaves it that fails.
    admin.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'near'::regclass")
    seen, found = look()
    assert seen == {"no_index": "notable", "invalid_index": "harmful"}
    assert "the index near: its build failed" in str(found)
    assert (found.facts.index, found.recall.value) == (None, 1.0)
    admin.execute("ALTER INDEX near SET (m = 24, ef_construction = 100)")
    admin.execute("REINDEX INDEX near")
    seen, found = look()
    assert seen == {}
    assert found.recall.value > 0.97


def test_an_index_of_another_metric_is_none_for_the_one_asked_for(admin, table_at):
    filled(admin)  # an HNSW by cosine
    admin.execute("CREATE INDEX cells ON docs USING ivfflat (embedding) WITH (lists = 2)")
    index = {}
    for metric in (None, "cosine", "euclidean", "inner"):
        with connect(table_at("docs", **({"metric": metric} if metric else {}))) as store:
            index[store.facts().metric] = (store.facts().index or "none").split()[0]
    assert index == {"cosine": "hnsw", "euclidean": "ivfflat", "inner": "none"}


def test_names_are_quoted(admin, table_at):
    name, column, key = 'Do"cs; %s $1', 'em"b % ', 'the "id"; DROP'
    address = table_at(name, vector=column, id=key)
    with create(address, dim=4, metric="cosine", id_kind="string") as store:
        ids = np.array(["a'b", "A\\%s", "é$1"])
        store.upsert(Rows(ids, vectors(3), [{"a%s": 1}, {"a%s": None}, {"b'": "$1"}]))
        order = np.argsort(ids)
        assert store.ids().tolist() == ids[order].tolist()
        store.shadow("j", dim=6, metric="cosine").upsert(Rows(ids, vectors(3, 6)))
        store.cutover("j")
        assert store.facts().dim == 6
        assert next(store.scan(payload=True)).payload[0] == {"a%s": None}
        assert store.search(vectors(3, 6), 1)[:, 0].tolist() == ids.tolist()
        store.drop("j")


@pytest.mark.parametrize(
    "kind", ["int2", "int4", "text", "varchar(40)", "uuid", 'text COLLATE "C"']
)
def test_kinds_of_id(admin, table_at, kind):
    number = kind.startswith("int")
    admin.execute(f"CREATE TABLE docs (id {kind} PRIMARY KEY, v vector(4))")
    ids = (
        np.array([7, -3, 12]) if number
        else np.array([f"{n}0e8400-e29b-41d4-a716-446655440000" for n in ("f5", "15", "a5")])
    )  # fmt: skip
    with connect(table_at("docs")) as store:
        store.upsert(Rows(ids, vectors(3)))
        assert store.ids().tolist() == sorted(ids.tolist())
        assert store.facts().id_kind == ("int" if number else "string")
        after = next(store.scan(1)).ids[0]
        assert [batch.ids[0] for batch in store.scan(1, after=after)] == sorted(ids.tolist())[1:]
        store.shadow("j", dim=6, metric=None).upsert(Rows(ids, vectors(3, 6)))
        store.cutover("j")
        assert np.array_equal(store.fetch(ids).vectors, vectors(3, 6))
        wrong = np.array(["x"]) if number else np.array([5])
        with pytest.raises(InputError, match="ids"):
            store.upsert(Rows(wrong, vectors(1, 6)))
        if kind == "int2":
            with pytest.raises(InputError, match="70000"):
                store.upsert(Rows(np.array([70000]), vectors(1, 6)))


def test_columns_of_other_types_are_carried_as_text(admin, table_at):
    admin.execute(
        "CREATE TABLE docs (id int PRIMARY KEY, v vector(2), big bigint, price numeric, "
        "at timestamptz, tags text[], ok bool, more jsonb, twice int GENERATED ALWAYS AS (id * 2) "
        "STORED)"
    )
    admin.execute(
        "INSERT INTO docs VALUES (1, '[1,2]', 9007199254740993, 1.10, '2024-05-06 07:08:09Z', "
        "'{a,b}', true, '{\"k\": [1, null]}')"
    )
    admin.execute("INSERT INTO docs (id, v) VALUES (2, '[3,4]'), (3, NULL)")
    with connect(table_at("docs")) as store:
        got = store.fetch(np.array([1, 2]), payload=True)
        assert got.payload[0] == {
            "big": 9007199254740993, "price": "1.10", "at": "2024-05-06 07:08:09+00",
            "tags": "{a,b}", "ok": True, "more": {"k": [1, None]}, "twice": 2,
        }  # fmt: skip
        assert got.payload[1] == dict.fromkeys(got.payload[0]) | {"twice": 4}
        assert (store.facts().rows, store.facts().missing) == (2, 1)
        # And back, but for what the server makes itself.
        rows = [{k: v for k, v in row.items() if k != "twice"} for row in got.payload]
        store.upsert(Rows(np.array([2, 1]), got.vectors, rows))
        assert store.fetch(np.array([2]), payload=True).payload == [got.payload[0] | {"twice": 4}]
        with pytest.raises(InputError, match="colour"):
            store.upsert(Rows(np.array([1]), got.vectors[:1], [{"colour": 1}]))


def test_a_column_of_any_width(admin, table_at):
    admin.execute("CREATE TABLE docs (id int PRIMARY KEY, v vector)")
    with connect(table_at("docs")) as store:
        assert store.facts().dim == 0
        admin.execute("INSERT INTO docs VALUES (1, '[1,2]'), (2, '[3,4]')")
        assert store.facts().dim == 2
        admin.execute("INSERT INTO docs VALUES (3, '[1,2,3]')")
        with pytest.raises(InputError, match="2 to 3 dimensions"):
            store.facts()
    with connect(table_at("docs", filter="vector_dims(v) = 3")) as store:
        assert (store.facts().dim, store.facts().rows) == (3, 1)
        with pytest.raises(InputError, match="filter"):
            store.shadow("j", dim=4, metric=None)


@pytest.mark.parametrize(
    ("columns", "options", "said"),
    [
        ("a int, b int, v vector(2), PRIMARY KEY (a, b)", {}, "composite"),
        ("a int, v vector(2)", {}, "no primary key"),
        ("a int, v vector(2)", {"id": "a"}, "unique"),
        ("a numeric PRIMARY KEY, v vector(2)", {}, "numeric"),
        ("a int PRIMARY KEY, v vector(2), w vector(2)", {}, "one of v, w"),
        ("a int PRIMARY KEY, v vector(2)", {"vector": "w"}, "one of v"),
        ("a int PRIMARY KEY, v vector(2)", {"id": "w"}, "one of a, v"),
        ("a int PRIMARY KEY, v halfvec", {"vector": "v"}, "halfvec"),
        ("a int PRIMARY KEY, v vector(2) GENERATED ALWAYS AS ('[1]') STORED", {}, "gener"),
        ("a int PRIMARY KEY, v vector(2)", {"filter": "nothing = 1"}, "nothing"),
        ("a int PRIMARY KEY, v vector(2)", {"metric": "l7"}, "euclidean"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_a_cure(admin, table_at, columns, options, said):
    admin.execute("CREATE DOMAIN halfvec AS real[]")
    admin.execute(f"CREATE TABLE docs ({columns})")
    with pytest.raises(InputError, match=said):
        connect(table_at("docs", **options))


def test_a_scan_lets_other_calls_come_between(admin, table_at):
    filled(admin)
    with connect(table_at("docs")) as store:
        scan = store.scan(8)
        first = next(scan)
        assert store.facts().rows == 20
        assert np.array_equal(store.fetch(first.ids).vectors, first.vectors)
        scan.close()  # in the middle
        assert len(store.ids()) == 20


def test_a_cut_connection_in_a_scan(admin, table_at, monkeypatch):
    filled(admin, rows=3000, index=False)
    admin.execute("UPDATE docs SET body = repeat('x', 2000)")
    with connect(table_at("docs")) as store:
        scan = store.scan(10, payload=True)
        next(scan)
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
            "application_name = 'isthmus' AND query LIKE 'COPY%%' AND state = 'active'"
        )
        with pytest.raises(StorageError, match="from PostgreSQL"):
            list(scan)
        assert store.facts().rows == 3000


def test_without_pgvector_or_its_client(admin, table_at, postgres, monkeypatch):
    admin.execute("CREATE DATABASE bare")
    address = Address.parse(f"pgvector://postgres@/bare/docs?host={postgres}")
    with pytest.raises(StorageError, match="CREATE EXTENSION vector"):
        create(address, dim=3, metric=None, id_kind="int")
    with pytest.raises(InputError, match="none: no table"):
        connect(address)
    admin.execute("DROP DATABASE bare")
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(ImportError, match=r"isthmus\[pgvector\]"):
        connect(address)
