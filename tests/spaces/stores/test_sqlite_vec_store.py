"""sqlite-vec keeps the contract in a vec0 table and in an ordinary one; what is special to it."""

import itertools

import numpy as np
import pytest

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.stores import Address, connect, create
from isthmus.spaces.stores import sqlite_vec_link as module
from isthmus.spaces.stores.sqlite_vec_store import SqliteVec
from isthmus.spaces.stores.store import Rows
from isthmus.testing import stores as suite

pytest.importorskip("sqlite_vec", reason="sqlite-vec is not installed")

EVEN = "json_extract(payload, '$.even') = 1 -- those of even number"


class Ordinary(SqliteVec):
    """The same with tables as people make them without vec0."""

    @classmethod
    def create(cls, address, *, dim, metric, id_kind):
        link = module.Link(address, mode="rwc")
        kind = "INTEGER" if id_kind == "int" else "TEXT"
        try:
            link.run(
                f'CREATE TABLE "{address.collection}" (id {kind} PRIMARY KEY, '
                f"embedding BLOB CHECK (length(embedding) % 4 = 0), payload TEXT)"
            )
        except StorageError:
            link.close()
            raise
        return cls(address, link)


@pytest.fixture
def place(tmp_path):
    def at(name, **options):
        return Address.parse(f"sqlite-vec://{tmp_path}/a%20base.db/{name}").elsewhere(**options)

    return at


@pytest.mark.parametrize("cls", [SqliteVec, Ordinary], ids=["vec0", "ordinary"])
@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda c: c.__name__)
def test_contract(check, cls, place):
    check(suite.Bench(cls, place, lambda address: address.elsewhere(filter=EVEN)))


def vectors(rows, dim=4, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)


@pytest.fixture
def sql(place):
    """Runs a statement beside the store, as the service that owns the file does."""
    link = module.Link(place("any"), mode="rwc")
    yield link.run
    link.close()


def rich(sql, rows=6):
    """A vec0 table with every kind of column, some of them empty."""
    sql(
        "CREATE VIRTUAL TABLE docs USING vec0(doc_id text primary key, year integer partition key,"
        " embedding FLOAT[4] distance_metric=cosine, genre text, score float, ok boolean,"
        " +body text, +raw blob, chunk_size=16)"
    )
    x = vectors(rows)
    for n in range(rows):
        body, raw = (f'it\'s "{n}"', bytes([n, 255])) if n % 2 else (None, None)
        sql(
            "INSERT INTO docs(doc_id, year, embedding, genre, score, ok, body, raw) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            f"é{n}", 2020 + n % 2, x[n].tobytes(), f"g{n}", n / 8, n % 2, body, raw,
        )  # fmt: skip
    return np.array([f"é{n}" for n in range(rows)]), x


def everything(sql):
    rows = sql("SELECT doc_id, year, embedding, genre, score, ok, body, raw FROM docs")
    made = sql("SELECT sql FROM sqlite_master WHERE name = 'docs'")
    return sorted(rows), "".join(made[0][0].split())


def names(sql):
    return {row[0] for row in sql("SELECT name FROM sqlite_master WHERE name LIKE '%isthmus%'")}


def test_every_column_of_vec0_is_carried(sql, place):
    ids, _ = rich(sql)
    before, y = everything(sql), vectors(6, 7, seed=1)
    with connect(place("docs")) as store:
        facts = store.facts()
        assert (facts.rows, facts.dim, facts.metric, facts.id_kind) == (6, 4, "cosine", "string")
        got = store.fetch(ids[:2], payload=True).payload
        assert got[0] == {
            "year": 2020, "genre": "g0", "score": 0.0, "ok": 0, "body": None, "raw": None
        }  # fmt: skip
        assert got[1]["raw"] == "01ff"
        stamp = store.stamp()
        store.shadow("j", dim=7, metric="cosine").upsert(Rows(ids, y))
        assert store.stamp() == stamp
        store.cutover("j")
        rows, made = everything(sql)
        assert [row[:2] + row[3:] for row in rows] == [row[:2] + row[3:] for row in before[0]]
        assert made.replace('"', "") == before[1].replace("FLOAT[4]", "float[7]")
        assert store.search(y, 1)[:, 0].tolist() == ids.tolist()
        store.rollback("j")
        assert everything(sql) == before
        assert store.stamp() == stamp
        store.drop("j")
    assert not names(sql)


def test_the_metric_of_a_new_encoder_takes_the_place_of_the_old(sql, place):
    ids, x = rich(sql)
    with connect(place("docs")) as store:
        store.shadow("j", dim=4, metric="euclidean").upsert(Rows(ids, x))
        store.cutover("j")
        assert store.facts().metric == "euclidean"
        store.rollback("j")
        assert store.facts().metric == "cosine"
        store.cutover("j")
        assert store.facts().metric == "euclidean"


def ordinary(sql, rows=6):
    sql(
        "CREATE TABLE docs (doc_id INTEGER PRIMARY KEY, embedding BLOB NOT NULL, "
        "body TEXT DEFAULT 'x')"
    )
    x = vectors(rows)
    for n in range(rows):
        sql("INSERT INTO docs (doc_id, embedding) VALUES (?, ?)", n, x[n].tobytes())
    return np.arange(rows), x


def test_an_ordinary_table_keeps_its_shape_and_views_see_the_new_vectors(sql, place):
    ids, _ = ordinary(sql)
    sql("CREATE VIEW seen AS SELECT length(embedding) AS wide FROM docs")
    before = sql("SELECT sql FROM sqlite_master WHERE name = 'docs'")
    with connect(place("docs")) as store:
        store.shadow("j", dim=7, metric=None).upsert(Rows(ids, vectors(6, 7)))
        store.cutover("j")
        assert sql("SELECT DISTINCT wide FROM seen") == [(28,)]
        assert sql("SELECT sql FROM sqlite_master WHERE name = 'docs'") == before


class CutError(Exception):
    """Where a process might be killed: its connection is gone, and nothing after this ran."""


@pytest.mark.parametrize("make", [rich, ordinary])
@pytest.mark.parametrize("act", ["shadow", "cutover", "rollback", "drop"])
def test_every_step_may_be_cut_anywhere_and_repeated(sql, place, monkeypatch, make, act):
    """Cut before its first statement, then before its second, and so on until it is not cut."""
    ids, x = make(sql)
    y = vectors(6, 7, seed=1)
    before = sql("SELECT * FROM docs ORDER BY doc_id")
    steps = {
        "shadow": lambda s: s.shadow("j", dim=7, metric=None).upsert(Rows(ids, y)),
        "cutover": lambda s: s.cutover("j"),
        "rollback": lambda s: s.rollback("j"),
        "drop": lambda s: s.drop("j"),
    }
    run = module.Link.run
    for number in itertools.count(1):
        with connect(place("docs")) as store:
            for step in itertools.takewhile(lambda one: one != act, steps):
                steps[step](store)
            left = itertools.count(number, -1)

            def counted(self, text, *values, left=left):
                if not text.startswith(("SELECT", "PRAGMA")) and next(left) == 1:
                    self.close()
                    raise CutError
                return run(self, text, *values)

            was = store.state("j")
            monkeypatch.setattr(module.Link, "run", counted)
            monkeypatch.setattr(module.Link, "transaction", unguarded)
            try:
                steps[act](store)
                cut = False
            except CutError:
                cut = True
            monkeypatch.undo()
        with connect(place("docs")) as store:
            if cut and act != "shadow":
                assert store.state("j") == was  # all or nothing
            steps[act](store)
            wanted = {"drop": "absent", "cutover": "live"}.get(act, "shadow")
            assert store.state("j") == wanted
            assert np.array_equal(store.fetch(ids).vectors, y if act == "cutover" else x)
            if act == "cutover":
                store.rollback("j")
            store.drop("j")
        assert sql("SELECT * FROM docs ORDER BY doc_id") == before
        assert not names(sql)
        if not cut:
            break
    assert number > 3


def unguarded(self):
    """A transaction of a process that is killed: nobody is there to roll it back."""
    import contextlib

    @contextlib.contextmanager
    def whole():
        self.run("BEGIN IMMEDIATE")
        yield
        self.run("COMMIT")

    return whole()


def test_rows_without_a_new_vector_hold_the_cutover_back(sql, place):
    for make in (rich, ordinary):
        ids, x = make(sql)
        with connect(place("docs")) as store:
            store.shadow("j", dim=7, metric=None).upsert(Rows(ids[:5], vectors(5, 7)))
            with pytest.raises(StorageError, match="1 rows without"):
                store.cutover("j")
            assert np.array_equal(store.fetch(ids).vectors, x)
            store.drop("j")
        sql("DROP TABLE docs")


def test_rows_since_the_cutover_stay_in_the_shadow(sql, place):
    ids, x = rich(sql)
    with connect(place("docs")) as store:
        store.shadow("j", dim=7, metric=None).upsert(Rows(ids, vectors(6, 7)))
        store.cutover("j")
        sql(
            "INSERT INTO docs(doc_id, year, embedding, genre, score, ok, body) VALUES "
            "('new', 2024, ?, 'g', 1.5, 1, 'kept')", vectors(1, 7).tobytes(),
        )  # fmt: skip
        store.rollback("j")
        assert store.ids().tolist() == ids.tolist()
        assert np.array_equal(store.fetch(ids).vectors, x)
    assert sql("SELECT year, body FROM docs_isthmus_j WHERE key = 'new'") == [(2024, "kept")]


def test_another_writer_and_a_file_that_may_not_be_written(sql, place, monkeypatch, tmp_path):
    ids, _ = ordinary(sql)
    with connect(place("docs")) as store:
        store.shadow("j", dim=7, metric=None).upsert(Rows(ids, vectors(6, 7)))
        store._link.run("PRAGMA busy_timeout = 20")
        sql("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="locked"):
            store.cutover("j")
        sql("ROLLBACK")
        assert store.state("j") == "shadow"
        store._link.run("PRAGMA query_only = on")
        with pytest.raises(StorageError, match="readonly"):
            store.upsert(Rows(ids[:1], vectors(1)))
    with pytest.raises(StorageError, match="unable to open"):
        connect(Address.parse(f"sqlite-vec://{tmp_path}/nothing.db/docs"))
    (tmp_path / "text.db").write_text("no data base at all" * 100)
    with pytest.raises(StorageError, match="not a database"):
        connect(Address.parse(f"sqlite-vec://{tmp_path}/text.db/docs"))


@pytest.mark.parametrize(
    ("made", "options", "said"),
    [
        ("TABLE docs (a INT, b INT, v BLOB, PRIMARY KEY (a, b))", {}, "composite"),
        ("TABLE docs (a INT PRIMARY KEY, v BLOB)", {"id": "b"}, "one of a, v"),
        ("TABLE docs (a INT, c INT PRIMARY KEY, v BLOB)", {"id": "a"}, "unique"),
        ("TABLE docs (a REAL PRIMARY KEY, v BLOB)", {}, "REAL"),
        ("TABLE docs (a INT PRIMARY KEY, v BLOB, w BLOB)", {}, "one of v, w"),
        ("TABLE docs (a INT PRIMARY KEY, v TEXT)", {}, "none: no column"),
        ("VIRTUAL TABLE docs USING vec0(v int8[4])", {}, "quantise"),
        ("VIRTUAL TABLE docs USING vec0(v bit[8], w float[4])", {}, "one of v, w"),
        ("VIRTUAL TABLE docs USING fts5(v)", {}, "fts5"),
        ("TABLE docs (a INT PRIMARY KEY, v BLOB)", {"filter": "nothing = 1"}, "nothing"),
        ("TABLE docs (a INT PRIMARY KEY, v BLOB)", {"metric": "inner"}, "euclidean, cosine"),
        ("TABLE other (a INT PRIMARY KEY, v BLOB)", {}, "one of other"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_cure(sql, place, made, options, said):
    sql(f"CREATE {made}")
    with pytest.raises(InputError, match=said):
        connect(place("docs", **options))


def test_blobs_that_are_no_vectors_are_refused(sql, place):
    sql("CREATE TABLE docs (id INTEGER PRIMARY KEY, v BLOB)")
    with connect(place("docs")) as store:
        assert (store.facts().rows, store.facts().dim) == (0, 0)
        store.upsert(Rows(np.arange(2), vectors(2)))
        sql("INSERT INTO docs VALUES (7, NULL)")
        assert (store.facts().rows, store.facts().dim, store.facts().missing) == (2, 4, 1)
        with pytest.raises(InputError, match=r"\(1, 4\)"):
            store.upsert(Rows(np.array([5]), vectors(1, 6)))
        with pytest.raises(InputError, match="metric"):
            store.search(vectors(1), 1)
        sql("INSERT INTO docs VALUES (8, '[1, 2]')")
        with pytest.raises(InputError, match="one length"):
            store.facts()
        with pytest.raises(InputError, match="vec_f32"):
            store.fetch(np.array([0, 8]))


def test_rowids_serve_where_there_is_no_id(sql, place):
    sql("CREATE VIRTUAL TABLE docs USING vec0(v float[4])")
    x, y = vectors(3), vectors(3, 5)
    for n in range(3):
        sql("INSERT INTO docs(rowid, v) VALUES (?, ?)", n + 5, x[n].tobytes())
    ids = np.arange(5, 8)
    with connect(place("docs")) as store:
        assert store.ids().tolist() == [5, 6, 7]
        store.shadow("j", dim=5, metric=None).upsert(Rows(ids, y))
        store.cutover("j")
        assert np.array_equal(store.fetch(ids).vectors, y)
        assert store.search(y, 1)[:, 0].tolist() == ids.tolist()
        store.rollback("j")
        assert np.array_equal(store.fetch(ids).vectors, x)


def test_a_filter_goes_for_search_and_not_for_a_shadow(sql, place):
    _, x = rich(sql)
    with connect(place("docs", filter="body LIKE '%3%'")) as store:
        assert store.ids().tolist() == ["é3"]
        assert store.search(x[:1], 1).tolist() == [["é3"]]
        with pytest.raises(StorageError, match="1 of 2"):
            store.search(x[:1], 2)
        with pytest.raises(InputError, match="filter"):
            store.shadow("j", dim=3, metric=None)


def test_what_vec0_cannot_name_is_refused(place):
    with pytest.raises(InputError, match="letters"):
        create(place("docs", vector="a b"), dim=3, metric=None, id_kind="int")


def test_names_are_quoted(sql, place):
    sql('CREATE TABLE "do""cs; --" ("the id" TEXT PRIMARY KEY, "v;" BLOB)')
    ids = np.array(['a"b', "a'c", "b"])
    with connect(place('do"cs; --')) as store:
        store.upsert(Rows(ids, vectors(3)))
        store.shadow("j", dim=5, metric=None).upsert(Rows(ids, vectors(3, 5)))
        store.cutover("j")
        assert np.array_equal(store.fetch(ids).vectors, vectors(3, 5))
        store.rollback("j")
        assert np.array_equal(store.fetch(ids).vectors, vectors(3))


@pytest.mark.parametrize("package", ["sqlite_vec", "pysqlite3"])
def test_without_the_packages(place, monkeypatch, package):
    import sqlite3
    import sys

    monkeypatch.setitem(sys.modules, package, None)
    if package == "pysqlite3" and hasattr(sqlite3.Connection, "enable_load_extension"):
        pytest.skip("the standard module loads extensions and needs no other")
    with pytest.raises(ImportError, match=r"isthmus\[sqlite-vec\]"):
        connect(place("docs"))


@pytest.mark.parametrize(
    ("key", "kind"), [("point_id text", "string"), ("text_id integer", "int"), ("id int", "int")]
)
def test_the_kind_of_a_vec0_key_is_its_type_whatever_its_name(tmp_path, key, kind):
    place = f"sqlite-vec://{tmp_path}/a.db/docs"
    with create(f"sqlite-vec://{tmp_path}/a.db/other", dim=2, metric=None, id_kind="int") as store:
        store._link.run(f"CREATE VIRTUAL TABLE docs USING vec0({key} primary key, v float[2])")
    with connect(place) as store:
        ids = np.array([3, 4]) if kind == "int" else np.array(["a", "b"])
        store.upsert(Rows(ids, np.eye(2, dtype=np.float32)))
        assert store.ids().tolist() == ids.tolist()


def test_a_rollback_that_a_not_null_column_forbids_names_the_rows(tmp_path):
    place = f"sqlite-vec://{tmp_path}/a.db/docs"
    with create(f"sqlite-vec://{tmp_path}/a.db/other", dim=2, metric=None, id_kind="int") as store:
        store._link.run("CREATE TABLE docs (id TEXT PRIMARY KEY, embedding BLOB NOT NULL)")
        for key in "ab":
            store._link.run("INSERT INTO docs VALUES (?, ?)", key, np.ones(2, "f4").tobytes())
    with connect(place) as store:
        shadow = store.shadow("j", dim=3, metric=None)
        shadow.upsert(Rows(np.array(["a", "b"]), np.zeros((2, 3), np.float32)))
        store.finish("j")
        store.cutover("j")
        store._link.run("INSERT INTO docs VALUES ('c', ?)", np.ones(3, "f4").tobytes())
        with pytest.raises(StorageError, match=r"first ids: 'c'.*NOT NULL.*delete them"):
            store.rollback("j")
        assert store.state("j") == "live"
        store._link.run("DELETE FROM docs WHERE id = 'c'")
        store.rollback("j")
        np.testing.assert_array_equal(store.fetch(np.array(["a"])).vectors, [[1, 1]])
