"""What is read of a table is what PostgreSQL holds; names fit, and those of jobs stay apart."""

import hashlib
import json

import pytest

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.stores.pgvector_link import Link
from isthmus.spaces.stores.pgvector_table import (
    Column,
    array,
    metric_of,
    named,
    quoted,
    read,
    vector_home,
)

pytest.importorskip("psycopg", reason="the client of PostgreSQL is not installed")


# -- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize("job", ["a1", "0123abcd", "j" * 41, "é" * 20], ids=len)
@pytest.mark.parametrize("name", ["v", "v" * 40, "v" * 63, "é" * 31, "v" * 29 + "é" * 17], ids=len)
@pytest.mark.parametrize("old", [False, True])
def test_names_fit_and_tell_collections_and_jobs_apart(name, job, old):
    found = named(name, job, old=old)
    assert len(found.encode()) <= 63
    assert found.endswith(f"_isthmus_{job}" + "_old" * old)
    others = {
        named(name, job, old=not old), named("w" + name[1:], job, old=old),
        named(name[:-1] + "w", job, old=old), named(name, "x" + job[1:], old=old),
    }  # fmt: skip
    assert found not in others
    assert len(others) == (4 if len(name) > 1 else 3)


def test_a_name_is_whole_where_it_fits_to_the_byte():
    assert named("v" * 52, "a1") == "v" * 52 + "_isthmus_a1"
    mark = hashlib.sha256(b"v" * 53).hexdigest()[:8]
    assert named("v" * 53, "a1") == "v" * 30 + f"_{mark}_isthmus_a1"
    assert named("v", "j" * 41, old=True) == f"v_isthmus_{'j' * 41}_old"
    mark = hashlib.sha256(b"vv" * 8).hexdigest()[:8]
    assert named("vv" * 8, "j" * 41) == f"_{mark}_isthmus_{'j' * 41}"


@pytest.mark.parametrize("job", ["a_old", "_old", "j" * 42, "é" * 21], ids=len)
def test_a_job_whose_names_would_be_cut_or_anothers_is_refused(job):
    with pytest.raises(InputError, match="at most 41 bytes that do not end in _old.*another name"):
        named("v", job)


@pytest.mark.parametrize(
    ("names", "sql"),
    [(("v",), '"v"'), (("A b", 'c"d'), '"A b"."c""d"'), (('"; DROP',), '"""; DROP"')],
)
def test_names_are_quoted_as_sql_quotes_them(names, sql):
    assert quoted(*names) == sql


# -- columns without a server ------------------------------------------------------------------


def column(name="v", kind="vector", *, note=""):
    return Column(name, 1, kind, "public", 4, True, False, kind, note, False)


@pytest.mark.parametrize(
    ("definitions", "note", "metric"),
    [
        (["CREATE INDEX i ON t USING hnsw (v vector_cosine_ops)"], "", "cosine"),
        (["... (v public.vector_l2_ops) WITH (m='5')"], "isthmus metric=inner", "euclidean"),
        (["... btree (id)", "... (v vector_ip_ops)"], "", "inner"),
        (["... (v my_vector_ip_ops)", "... (v vector_ip_ops_2)"], "", None),
        (["ivfflat (v) WITH (lists='9')"], "isthmus metric=cosine", "euclidean"),  # its default
        (["btree (v)"], "", None),
        (["... (v vector_l1_ops)"], "isthmus metric=cosine", "cosine"),
        ([], "isthmus metric=manhattan", None),
        ([], "says isthmus metric=cosine", None),
        ([], "cosine", None),
        ([], "", None),
    ],
)
def test_the_metric_is_that_of_an_index_else_of_the_comment(definitions, note, metric):
    assert metric_of(column(note=note), definitions) == metric


@pytest.mark.parametrize(
    ("kind", "sql"),
    [("int2", "int8[]"), ("int8", "int8[]"), ("uuid", "text[]::uuid[]"), ("varchar", "text[]")],
)
def test_ids_travel_as_one_array(kind, sql):
    assert array(column("id", kind)) == sql


# -- tables of a server ------------------------------------------------------------------------


@pytest.fixture
def link(table_at):
    made = Link(table_at("docs"))
    yield made
    made.close()


@pytest.fixture
def table(admin, table_at, link):
    """Reads the table docs; the first time it is made of these columns."""

    def of(columns=None, **options):
        if columns:
            admin.execute(f"CREATE TABLE docs ({columns})")
        return read(link.run, table_at("docs", **options))

    return of


def test_a_table_is_what_it_was_made_of(table, schema):
    found = table(
        "body text, id int PRIMARY KEY, v vector(4) NOT NULL, twice int GENERATED ALWAYS AS "
        "(id * 2) STORED, price numeric(5, 2), v_isthmus_j vector(7)"
    )
    assert (found.schema, found.name, found.owned, found.kind) == (schema, "docs", True, "int")
    assert found.sql == f'"{schema}"."docs"'
    assert found.home == '"public"'
    assert (found.key, found.vector) == (found.columns["id"], found.columns["v"])
    about = {
        one.name: (one.type, one.dim, one.required, one.generated, one.words)
        for one in found.columns.values()
    }
    assert about == {
        "body": ("text", -1, False, False, "text"),
        "id": ("int4", -1, True, False, "integer"),
        "v": ("vector", 4, True, False, "vector(4)"),
        "twice": ("int4", -1, False, True, "integer"),
        "price": ("numeric", -1, False, False, "numeric(5,2)"),
        "v_isthmus_j": ("vector", 7, False, False, "vector(7)"),
    }
    # What a job left is neither a vector to choose from nor shown with a row.
    assert [one.name for one in found.others()] == ["body", "twice", "price"]


def test_a_table_is_as_it_is_now(table, admin):
    first = table("id int PRIMARY KEY, gone text, v vector(4), w vector", vector="v")
    admin.execute("ALTER TABLE docs DROP gone")
    admin.execute("ALTER TABLE docs RENAME v TO u")
    admin.execute("COMMENT ON COLUMN docs.u IS 'isthmus metric=inner'")
    admin.execute("GRANT SELECT (w) ON docs TO PUBLIC")
    found = table(vector="u")
    assert list(found.columns) == ["id", "u", "w"]
    assert (found.oid, found.vector.number) == (first.oid, first.vector.number) == (first.oid, 3)
    assert metric_of(found.vector, []) == "inner"
    assert (found.vector.grants, found.columns["w"].grants) == (False, True)
    assert (found.vector.dim, found.columns["w"].dim) == (4, -1)
    with pytest.raises(InputError, match="no column 'v'; expected one of u, w"):
        table(vector="v")


@pytest.mark.parametrize(
    ("more", "given", "key"),
    [
        ("PRIMARY KEY (a)", None, "a"),
        ("PRIMARY KEY (a), UNIQUE (b)", "b", "b"),
        ("PRIMARY KEY (a) INCLUDE (b)", None, "a"),
        ("UNIQUE (b) INCLUDE (a)", "b", "b"),
        ("PRIMARY KEY (a, b), UNIQUE (b)", "b", "b"),
    ],
)
def test_the_id_is_the_primary_key_or_the_unique_column_asked_for(more, given, key, table):
    options = {} if given is None else {"id": given}
    columns = f"a int NOT NULL, b text NOT NULL, v vector(2), {more}"
    found = table(columns, **options)
    assert (found.key.name, found.kind) == (key, "int" if key == "a" else "string")


@pytest.mark.parametrize(
    "index", ["(b) WHERE a > 0", "(lower(b))", "(b, a)", "(a, b)", "(a) INCLUDE (b)"]
)
def test_what_is_unique_in_part_or_with_others_is_no_id(index, table, admin):
    table("a int NOT NULL, b text NOT NULL, v vector(2), UNIQUE (a)", id="a")
    admin.execute(f"CREATE UNIQUE INDEX ON docs {index}")
    with pytest.raises(InputError, match="the id column 'b'; expected one that is unique and NOT"):
        table(id="b")


@pytest.mark.parametrize(
    "made",
    [
        "VIEW docs AS SELECT 1 AS id, '[1]'::vector AS v",
        "MATERIALIZED VIEW docs AS SELECT 1 AS id, '[1]'::vector AS v",
        "TABLE docs (id int PRIMARY KEY, v vector(2)) PARTITION BY RANGE (id)",
        "SEQUENCE docs",
    ],
)
def test_what_is_no_ordinary_table_is_refused(made, table, admin):
    admin.execute(f"CREATE {made}")
    with pytest.raises(InputError, match="an ordinary table.*that holds the vectors"):
        table()


def test_a_table_that_is_not_there_names_those_with_vectors(table, admin):
    admin.execute("CREATE TABLE other (id int, v vector)")
    admin.execute("CREATE TABLE plain (id int)")
    with pytest.raises(InputError, match="no table 'docs'; expected one of .*other") as raised:
        table()
    assert "plain" not in str(raised.value)


def test_one_json_text_holds_the_rest_of_a_row(table, admin):
    found = table('id int PRIMARY KEY, v vector(2), "it\'s" int, "a""b" numeric, c jsonb, d bytea')
    row = (1, "[1,2]", 3, "1.10", '{"k": [null]}', b"\x01")
    admin.execute("INSERT INTO docs VALUES (%s, %s, %s, %s, %s, %s)", row)
    said = admin.execute(f"SELECT {found.payload()} FROM docs t".encode()).fetchone()[0]
    assert json.loads(said) == {"it's": 3, 'a"b': "1.10", "c": {"k": [None]}, "d": "\\x01"}


def test_a_row_of_nothing_else_has_an_empty_one(table):
    assert table("id int PRIMARY KEY, v vector(2)").payload() == "'{}'"


def test_where_the_extension_lives_is_found_or_its_lack_told(link):
    assert vector_home(link.run, "create x") == '"public"'
    assert vector_home(lambda *_: [("Strange Place",)], "create x") == '"Strange Place"'
    with pytest.raises(StorageError, match="create x: .*Run: CREATE EXTENSION vector;"):
        vector_home(lambda *_: [], "create x")
