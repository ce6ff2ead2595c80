"""Shadows of pgvector: nothing shows before the cutover, all is kept, any step may be cut."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.stores import connect, create, pgvector_link, pgvector_shadow
from isthmus.spaces.stores.store import Rows

from .postgres_tables import described, filled, vectors

psycopg = pytest.importorskip("psycopg", reason="the client of PostgreSQL is not installed")


def test_a_table_in_use_keeps_all_it_has(admin, table_at):
    x, y = filled(admin), vectors(20, 6, seed=1)
    admin.execute(
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN NEW.seen := clock_timestamp(); RETURN NEW; END$$"
    )
    admin.execute(
        "CREATE TRIGGER touch BEFORE UPDATE ON docs FOR EACH ROW EXECUTE FUNCTION touch()"
    )
    admin.execute("CREATE TABLE notes (doc int REFERENCES docs)")
    admin.execute("INSERT INTO notes VALUES (3)")
    before, seen = described(admin), admin.execute("SELECT body, seen FROM docs").fetchall()
    with connect(table_at("docs")) as store:
        facts = store.facts()
        assert (facts.metric, facts.id_kind, facts.missing) == ("cosine", "int", 0)
        assert facts.index.startswith("hnsw")
        stamp = store.stamp()
        store.shadow("j", dim=6, metric="cosine").upsert(Rows(np.arange(20), y))
        assert described(admin) == before  # nothing shows before finish
        store.finish("j")
        assert store.stamp() == stamp
        store.cutover("j")
        columns, indexes, checks = described(admin)
        assert ("embedding", "vector(6)", True) in columns
        assert not checks
        served = [one for one, valid in indexes if " (embedding vector_cosine_ops)" in one]
        assert served == [one for one, _ in before[1] if "hnsw" in one]
        # What writes as before goes on working, though the old column takes nothing.
        admin.execute("INSERT INTO docs (doc_id, embedding) VALUES (99, '[1,2,3,4,5,6]')")
        with pytest.raises(psycopg.errors.NotNullViolation):
            admin.execute("INSERT INTO docs (doc_id) VALUES (100)")
        assert np.array_equal(store.fetch(np.arange(20)).vectors, y)
        assert store.facts().index == facts.index
        admin.execute("DELETE FROM docs WHERE doc_id = 99")
        store.rollback("j")
        store.drop("j")
        assert described(admin) == before
        assert np.array_equal(store.fetch(np.arange(20)).vectors, x)
    assert sorted(admin.execute("SELECT body, seen FROM docs").fetchall()) == sorted(seen)


def test_rows_that_came_after_the_cutover_outlive_a_rollback(admin, table_at):
    filled(admin)
    with connect(table_at("docs")) as store:
        store.shadow("j", dim=6, metric=None).upsert(Rows(np.arange(20), vectors(20, 6)))
        store.cutover("j")
        admin.execute("INSERT INTO docs (doc_id, embedding) VALUES (99, '[1,2,3,4,5,6]')")
        store.rollback("j")
        assert store.facts().rows == 20
        assert store.facts().missing == 1
        admin.execute("UPDATE docs SET body = 'y' WHERE doc_id = 99")


class CutError(Exception):
    """Where a process might be killed: its connection is gone, and nothing after this ran."""


def cut_at(monkeypatch, number):
    """Let the connection break before its ``number``-th statement that is no question."""
    execute, left = psycopg.Connection.execute, itertools.count(number, -1)

    def counted(self, query, *args, **kwargs):
        if not query.startswith((b"SELECT", b"\nSELECT", b"SET")) and next(left) == 1:
            self.close()
            raise CutError
        return execute(self, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.Connection, "execute", counted)


@pytest.mark.parametrize("act", ["shadow", "finish", "cutover", "rollback", "drop", "drop live"])
def test_every_step_may_be_cut_anywhere_and_repeated(admin, table_at, monkeypatch, act):
    """Cut before its first statement, then before its second, and so on until it is not cut."""
    ids, y = np.arange(3), vectors(3, 6, seed=1)
    x = filled(admin, rows=3)
    steps = {
        "shadow": lambda s: s.shadow("j", dim=6, metric=None).upsert(Rows(ids, y)),
        "finish": lambda s: s.finish("j"),
        "cutover": lambda s: s.cutover("j"),
        "rollback": lambda s: s.rollback("j"),
        "drop": lambda s: s.drop("j"),
    }
    step = act.partition(" ")[0]
    before = list(steps)[: list(steps).index(step)]
    if act == "drop live":
        before.remove("rollback")
    serving = y if act in ("cutover", "drop live") else x
    for number in itertools.count(1):
        with connect(table_at("docs")) as store:
            for one in before:
                steps[one](store)
            cut_at(monkeypatch, number)
            try:
                steps[step](store)
                cut = False
            except CutError:
                cut = True
            monkeypatch.undo()
        with connect(table_at("docs")) as store:
            steps[step](store)
            wanted = {"drop": "absent", "cutover": "live"}.get(step, "shadow")
            assert store.state("j") == wanted
            assert np.array_equal(store.fetch(ids).vectors, serving)
            if step in ("shadow", "finish"):
                assert np.array_equal(store.shadow("j", dim=6, metric=None).fetch(ids).vectors, y)
            if step == "cutover":
                store.rollback("j")
                assert np.array_equal(store.fetch(ids).vectors, x)
            store.drop("j")
        left = admin.execute(
            "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
            "WHERE relname LIKE '%%isthmus%%' AND nspname = current_schema()"
        )
        assert not left.fetchall()
        if not cut:
            break
        if act == "drop live":
            admin.execute("DROP TABLE docs")
            filled(admin, rows=3)
    assert number > 2


def test_an_index_left_invalid_is_built_again(admin, table_at):
    filled(admin)
    with connect(table_at("docs")) as store:
        store.shadow("j", dim=6, metric=None).upsert(Rows(np.arange(20), vectors(20, 6)))
        store.finish("j")
        name = "docs_embedding_idx_isthmus_j"
        admin.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", (name,)
        )
        store.finish("j")
        valid = admin.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = %s::regclass", (name,)
        )
        assert valid.fetchone() == (True,)


def test_conditions_and_settings_of_an_index_are_kept(admin, table_at):
    filled(admin, index=False)
    admin.execute(
        'CREATE INDEX "an Index" ON docs USING ivfflat (embedding vector_l2_ops) '
        "WITH (lists = 2) WHERE embedding IS NOT NULL AND body <> 'embedding'"
    )
    with connect(table_at("docs")) as store:
        wanted = [one for one, _ in described(admin)[1] if "ivfflat" in one]
        store.shadow("j", dim=6, metric="euclidean").upsert(Rows(np.arange(20), vectors(20, 6)))
        store.cutover("j")
        assert [one for one, _ in described(admin)[1] if '"an Index"' in one] == wanted
        assert store.facts().metric == "euclidean"


def test_most_rows_move_without_touching_an_index(admin, table_at):
    filled(admin, rows=600)
    admin.execute("VACUUM ANALYZE docs")
    with connect(table_at("docs")) as store:
        store.shadow("j", dim=6, metric=None).upsert(Rows(np.arange(600), vectors(600, 6)))
        store.finish("j")
    for _ in range(50):  # the server counts when the session ends
        admin.execute("SELECT pg_stat_clear_snapshot(), pg_sleep(0.05)")
        updated, heap_only = admin.execute(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables "
            "WHERE relid = 'docs'::regclass"
        ).fetchone()
        if updated == 600:
            break
    assert updated == 600
    # The rest is because a version with two vectors is longer than the hole of one with one.
    assert heap_only > 0.5 * updated


def test_a_change_of_the_table_gives_way_to_a_long_reader(admin, table_at, postgres, monkeypatch):
    filled(admin)
    monkeypatch.setattr(pgvector_link, "_TRIES", 2)
    monkeypatch.setattr(pgvector_link, "_PAUSE", 0.01)
    monkeypatch.setattr(pgvector_link, "_WAIT", 0.05)
    with connect(table_at("docs")) as store:
        store.shadow("j", dim=6, metric=None).upsert(Rows(np.arange(20), vectors(20, 6)))
        store.finish("j")
        with psycopg.connect(host=str(postgres), user="postgres") as reader:
            reader.execute(f'SELECT * FROM "{table_at("docs").options["schema"]}".docs')
            with pytest.raises(StorageError, match="in use"):
                store.cutover("j")
        assert store.state("j") == "shadow"
        store.cutover("j")
        assert store.state("j") == "live"


def test_a_connection_that_drops_in_a_batch_leaves_nothing_of_it(admin, table_at, monkeypatch):
    filled(admin)
    store = connect(table_at("docs"))
    shadow = store.shadow("j", dim=6, metric=None)
    shadow.upsert(Rows(np.arange(5), vectors(5, 6)))
    copy_in = pgvector_link.Link.copy_in

    def dropped(self, *args):
        copy_in(self, *args)
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'isthmus'"
        )

    monkeypatch.setattr(pgvector_link.Link, "copy_in", dropped)
    with pytest.raises(StorageError, match="from PostgreSQL"):
        shadow.upsert(Rows(np.arange(10), vectors(10, 6, seed=2)))
    monkeypatch.undo()
    store.close()
    with connect(table_at("docs")) as store:
        shadow = store.shadow("j", dim=6, metric=None)
        assert shadow.ids().tolist() == [0, 1, 2, 3, 4]
        assert np.array_equal(shadow.fetch(np.arange(5)).vectors, vectors(5, 6))


def test_names_longer_than_the_server_keeps(admin, table_at):
    name, column = "t" * 63, "v" * 63
    with create(table_at(name, vector=column), dim=4, metric=None, id_kind="int") as store:
        store.upsert(Rows(np.arange(3), vectors(3)))
        admin.execute(f"CREATE INDEX {'i' * 63} ON {name} USING hnsw ({column} vector_ip_ops)")
        store.shadow("0123abcd", dim=6, metric=None).upsert(Rows(np.arange(3), vectors(3, 6)))
        store.cutover("0123abcd")
        assert (store.facts().dim, store.facts().metric) == (6, "inner")
        store.rollback("0123abcd")
        assert (store.facts().dim, store.facts().metric) == (4, "inner")
        store.drop("0123abcd")


def test_what_would_go_on_with_the_old_vectors_is_refused(admin, table_at):
    filled(admin, index=False)
    admin.execute("CREATE VIEW recent AS SELECT doc_id, embedding FROM docs")
    with pytest.raises(InputError, match="a view"):
        connect(table_at("recent"))
    with connect(table_at("docs")) as store:
        with pytest.raises(StorageError, match="recent"):
            store.shadow("j", dim=6, metric=None)
        admin.execute("DROP VIEW recent")
        store.shadow("j", dim=6, metric=None)
        admin.execute("CREATE VIEW recent AS SELECT doc_id, embedding FROM docs")
        with pytest.raises(StorageError, match="recent"):
            store.cutover("j")
        assert store.state("j") == "shadow"


def test_an_index_that_cannot_be_is_refused_before_the_work(admin, table_at):
    filled(admin)
    with connect(table_at("docs")) as store, pytest.raises(StorageError, match="2000"):
        store.shadow("j", dim=3000, metric=None)


def test_vectors_of_rows_that_went_are_forgotten(admin, table_at):
    filled(admin)
    with connect(table_at("docs")) as store:
        shadow = store.shadow("j", dim=6, metric=None)
        shadow.upsert(Rows(np.arange(20), vectors(20, 6)))
        store.finish("j")
        admin.execute("DELETE FROM docs WHERE doc_id < 5")
        shadow.upsert(Rows(np.arange(3, 8), vectors(5, 6, seed=3)))  # a later pass, a row too late
        assert shadow.ids().tolist() == list(range(3, 20))
        store.finish("j")
        assert shadow.ids().tolist() == list(range(5, 20))
        shadow.delete(np.array([6, 999]))
        assert shadow.ids().tolist() == [5, *range(7, 20)]
        assert np.array_equal(shadow.fetch(np.array([7])).vectors, vectors(5, 6, seed=3)[4:])


def test_the_turns_are_short_transactions(admin, table_at, monkeypatch):
    """With stretches of one page, each turn is one row of each page of its stretch."""
    monkeypatch.setattr(pgvector_shadow, "_PAGES", 1)
    filled(admin, rows=300, index=False)
    with connect(table_at("docs")) as store:
        store.shadow("j", dim=6, metric=None).upsert(Rows(np.arange(300), vectors(300, 6)))
        store.cutover("j")
        assert np.array_equal(store.fetch(np.arange(300)).vectors, vectors(300, 6))


def test_triggers_and_owners_that_stand_in_the_way(admin, table_at):
    filled(admin)
    admin.execute(
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
    )
    admin.execute(
        "CREATE TRIGGER touch BEFORE UPDATE ON docs FOR EACH ROW EXECUTE FUNCTION touch()"
    )
    admin.execute("CREATE ROLE modest LOGIN")
    schema = table_at("docs").options["schema"]
    admin.execute(f'GRANT ALL ON SCHEMA "{schema}" TO modest; GRANT SELECT ON docs TO modest')
    address = replace(table_at("docs"), user="modest")
    try:
        with connect(address) as store, pytest.raises(StorageError, match="another owner"):
            store.shadow("j", dim=6, metric=None)
        admin.execute("ALTER TABLE docs OWNER TO modest")
        with connect(address) as store:
            with pytest.raises(StorageError, match="trigger 'touch'"):
                store.shadow("j", dim=6, metric=None)
            assert store.state("j") == "absent"
            admin.execute("DROP TRIGGER touch ON docs")
            store.shadow("j", dim=6, metric=None).upsert(Rows(np.arange(20), vectors(20, 6)))
            store.cutover("j")
            assert store.facts().dim == 6
    finally:
        admin.execute("DROP OWNED BY modest CASCADE; DROP ROLE modest")
