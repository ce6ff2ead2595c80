"""What a table of vectors in SQLite is: asked of SQLite itself, whatever its names and comments."""

import re

import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.spaces.stores import Address
from isthmus.spaces.stores.sqlite_vec_link import Link
from isthmus.spaces.stores.sqlite_vec_table import Table, quoted, read

pytest.importorskip("sqlite_vec", reason="sqlite-vec is not installed")

VEC0 = "CREATE VIRTUAL TABLE docs USING vec0"


@pytest.fixture
def link():
    found = Link(Address.parse("sqlite-vec:///:memory:/docs"), mode="memory")
    yield found
    found.close()


@pytest.fixture
def table(link):
    """What the table is that ``made`` makes, read at ``docs`` unless told otherwise."""

    def of(made, at="docs", **options):
        link.run(made)
        address = Address(scheme="sqlite-vec", place="/a.db", collection=at)
        return read(link.run, address.elsewhere(**options))

    return of


# -- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", 'a"b', '"', "a'; DROP TABLE t; --", "é ü", "", "[a]", "a`b"])
def test_a_quoted_name_is_that_name_to_sqlite(name, link):
    assert link.run(f"SELECT 1 AS {quoted(name)}") == [(1,)]
    link.run(f"CREATE TABLE {quoted(name)} ({quoted(name)} INTEGER)")
    assert link.run("SELECT name FROM sqlite_master") == [(name,)]
    assert link.run(f"PRAGMA table_info({quoted(name)})")[0][1] == name


@pytest.mark.parametrize("name", ["Docs", 'do"cs', "do--cs", "do/*cs*/", "des é (, [", "vec0(v"])
def test_a_table_is_found_under_any_name_and_told_as_it_was_made(name, table):
    found = table(f"{VEC0.replace('docs', quoted(name))}(v float[4])", name.lower())
    assert found.name == name
    assert found.sql == quoted(name)
    assert (found.key, found.vector, found.dim) == ("rowid", "v", 4)


# -- ordinary tables --------------------------------------------------------------------------


def test_an_ordinary_table_says_all_but_its_width_and_metric(table):
    made = (
        'CREATE TABLE docs ("the id" INTEGER PRIMARY KEY, title TEXT, "v;""" BLOB, '
        "docs_isthmus_j TEXT, n INT AS (length(title)))"
    )
    # The column of a job is no one's; a computed one is read as any other.
    assert table(made) == Table("docs", "the id", "int", 'v;"', ("title", "n"), 0, None)


@pytest.mark.parametrize("kind", ["BLOB", "blob", "FLOAT[4]", "float[768]"])
def test_a_column_of_vectors_is_known_by_its_type(kind, table):
    made = f"CREATE TABLE docs (id INTEGER PRIMARY KEY, a TEXT, v {kind}, f FLOAT, w)"
    assert table(made).vector == "v"


@pytest.mark.parametrize(
    ("columns", "options", "key", "kind"),
    [
        ("id INTEGER PRIMARY KEY", {}, "id", "int"),
        ("id BIGINT PRIMARY KEY", {}, "id", "int"),
        ("id VARCHAR(9) PRIMARY KEY", {}, "id", "string"),
        ("id NATIVE CHARACTER(70) PRIMARY KEY", {}, "id", "string"),
        ("id INTEGER", {}, "rowid", "int"),
        ("id TEXT PRIMARY KEY", {"id": "rowid"}, "rowid", "int"),
        ("a INT, b INT, PRIMARY KEY (a, b)", {"id": "rowid"}, "rowid", "int"),
        ("a INT, b INT, c TEXT UNIQUE, PRIMARY KEY (a, b)", {"id": "c"}, "c", "string"),
        ("id INTEGER PRIMARY KEY, sku TEXT UNIQUE", {"id": "sku"}, "sku", "string"),
        ("id INTEGER PRIMARY KEY, sku TEXT UNIQUE", {"id": ""}, "id", "int"),
        # A column of that name takes the place of SQLite's own.
        ("rowid TEXT PRIMARY KEY", {}, "rowid", "string"),
        ("rowid TEXT UNIQUE", {}, "rowid", "string"),
        ("ROWID TEXT PRIMARY KEY", {}, "ROWID", "string"),
    ],
)
def test_the_id_is_what_names_a_row(columns, options, key, kind, table):
    names, _, constraint = columns.partition(", PRIMARY")
    end = f", PRIMARY{constraint}" if constraint else ""
    found = table(f"CREATE TABLE docs ({names}, v BLOB{end})", **options)
    assert (found.key, found.kind) == (key, kind)
    assert key not in found.others


@pytest.mark.parametrize(
    "index",
    [
        "UNIQUE INDEX i ON docs (sku) WHERE sku > ''",
        "UNIQUE INDEX i ON docs (sku, id)",
        "UNIQUE INDEX i ON docs (lower(sku))",
        "INDEX i ON docs (sku)",
    ],
)
def test_what_is_unique_in_part_or_with_others_is_no_id(index, table, link):
    link.run("CREATE TABLE docs (id INTEGER PRIMARY KEY, sku TEXT, v BLOB)")
    with pytest.raises(InputError, match=r"the id column 'sku'; expected one that is unique"):
        table(f"CREATE {index}", id="sku")
    # The same index, whole and alone, does.
    assert table("CREATE UNIQUE INDEX whole ON docs (sku)", id="sku").key == "sku"


@pytest.mark.parametrize("name", ["rowid", "ROWID"])
def test_a_column_called_rowid_that_is_not_unique_names_no_row(name, table):
    with pytest.raises(InputError, match="unique|no column 'rowid'; expected one of ROWID, v"):
        table(f"CREATE TABLE docs ({name} TEXT, v BLOB)")


@pytest.mark.parametrize(
    "made",
    [
        "CREATE TABLE docs (id TEXT PRIMARY KEY, v BLOB) WITHOUT ROWID",
        f"{VEC0}(id integer primary key, v float[4])",
        f"{VEC0}(id text primary key, v float[4])",
    ],
)
def test_a_table_without_rowids_is_refused_when_it_is_opened_by_them(made, table):
    with pytest.raises(InputError, match=r"open .*the id rowid.*\?id= one of id\."):
        table(made, id="rowid")


# -- tables of vec0 ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "dim", "metric"),
    [
        ("v float[1]", 1, "euclidean"),
        ("v f32[8192]", 8192, "euclidean"),
        ("v FLOAT [ 3 ] distance_metric=l2", 3, "euclidean"),
        ("v float[3]distance_metric=cosine", 3, "cosine"),
        ("v float[3] distance_metric = COSINE", 3, "cosine"),
        ("v\nfloat\n[3]\ndistance_metric\n=\ncosine", 3, "cosine"),
        ("v float[3] distance_metric=L1", 3, None),
    ],
)
def test_width_and_metric_are_those_that_vec0_declares(column, dim, metric, table, link):
    found = table(f"{VEC0}({column})")
    assert (found.key, found.kind, found.vector) == ("rowid", "int", "v")
    assert (found.dim, found.metric) == (dim, metric)
    # vec0 agrees about the width.
    link.run("INSERT INTO docs (v) VALUES (?)", bytes(4 * dim))


RICH = """(
  -- the article's id
  id integer primary key, /* one a row, (unique */
  year integer partition key,
  v float[4] distance_metric=cosine, -- "cosine, as the model wants
  w float[2], +body text, label text /* ] */, chunk_size=8
)"""


def test_comments_in_a_definition_are_none_of_it(table):
    found = table(f"{VEC0}{RICH}", vector="v")
    assert (found.key, found.kind) == ("id", "int")
    assert found.others == ("year", "w", "body", "label")
    assert (found.dim, found.metric) == (4, "cosine")
    assert not re.search("article|unique|model", " ".join(found.arguments))
    assert [text.split()[0] for text in found.arguments] == [
        "id", "year", "v", "w", "+body", "label", "chunk_size=8"
    ]  # fmt: skip


def test_a_comment_in_front_of_the_definition_makes_no_ordinary_table(table):
    found = table("CREATE VIRTUAL TABLE docs USING /* the */ vec0 -- table\n (v float[4])")
    assert found.arguments == ("v float[4]",)


@pytest.mark.parametrize(("kind", "wanted"), [("text", "string"), ("integer", "int")])
def test_a_key_of_vec0_may_be_called_rowid(kind, wanted, table):
    found = table(f"{VEC0}(rowid {kind} primary key, v float[4])")
    assert (found.key, found.kind) == ("rowid", wanted)


def test_of_several_columns_the_one_that_is_asked_for(table, link):
    found = table(f"{VEC0}(v float[3], w float[5] distance_metric=cosine)", vector="w")
    assert (found.vector, found.dim, found.metric, found.others) == ("w", 5, "cosine", ("v",))
    address = Address.parse("sqlite-vec:///a.db/docs")
    with pytest.raises(InputError, match=r"2 columns of vectors; expected one of v, w.*\?vector="):
        read(link.run, address)
    with pytest.raises(InputError, match=r"no column 'x'; expected one of v, w.*\?vector="):
        read(link.run, address.elsewhere(vector="x"))


@pytest.mark.parametrize("kind", ["int8[8]", "bit[8]", "INT8[8]"])
def test_quantised_vectors_are_refused_with_the_cure(kind, table):
    with pytest.raises(InputError) as raised:
        table(f"{VEC0}(id integer primary key, v {kind})")
    assert raised.value.operation == "open sqlite-vec:///a.db/docs"
    assert raised.value.given == f"vectors of type {kind.partition('[')[0].lower()} in 'v'"
    assert raised.value.expected == "float"
    assert "then quantise again" in raised.value.cure


# -- the table made again ---------------------------------------------------------------------


def test_a_table_made_again_differs_in_width_and_metric_alone(table, link):
    before = table(f"{VEC0}{RICH}", vector="v")
    columns = link.run("PRAGMA table_xinfo(docs)")
    link.run("DROP TABLE docs")
    after = table(before.remade(7, "euclidean"), vector="v")
    assert (after.dim, after.metric) == (7, "euclidean")
    assert (after.key, after.kind, after.others) == (before.key, before.kind, before.others)
    assert link.run("PRAGMA table_xinfo(docs)") == columns
    parts = [text.strip() for text in before.arguments]
    parts[2] = "v float[7] distance_metric=L2"
    assert [text.strip() for text in after.arguments] == parts
    link.run("DROP TABLE docs")
    assert table(after.remade(4, "cosine"), vector="v").metric == "cosine"


@pytest.mark.parametrize(
    ("declared", "metric", "made"),
    [
        ("", None, "v float[2]"), ("", "euclidean", "v float[2]"),
        ("", "cosine", "v float[2] distance_metric=cosine"),
        # What nothing here is called stays where nothing else is asked for.
        (" distance_metric=L1", None, "v float[2] distance_metric=L1"),
        (" distance_metric=L1", "cosine", "v float[2] distance_metric=cosine"),
        (" distance_metric=L1", "inner", "v float[2] distance_metric=L1"),
        (" distance_metric = COSINE", "cosine", "v float[2] distance_metric = COSINE"),
        (" distance_metric = COSINE", "euclidean", "v float[2] distance_metric=L2"),
    ],
)  # fmt: skip
def test_the_metric_is_declared_once_and_changed_where_it_must(declared, metric, made, table):
    again = table(f"{VEC0}(v f32[4]{declared})").remade(2, metric)
    assert again == f'CREATE VIRTUAL TABLE "docs" USING vec0({made})'


def test_a_table_made_again_keeps_its_name(table, link):
    name = "d\"o, (cs's"
    before = table(f"{VEC0.replace('docs', quoted(name))}(v float[4])", name)
    link.run(f"DROP TABLE {before.sql}")
    assert table(before.remade(1, None), name).name == name


# -- what is refused --------------------------------------------------------------------------


def test_a_table_that_is_not_there_names_those_that_are(table, link):
    address = Address.parse("sqlite-vec:///a.db/docs")
    with pytest.raises(InputError, match="no table 'docs'; expected .*none: the file has no table"):
        read(link.run, address)
    link.run("CREATE VIEW docs AS SELECT 1 AS id, x'' AS v")
    link.run("CREATE TABLE sqlitely (id INTEGER PRIMARY KEY AUTOINCREMENT, v BLOB)")
    for number in range(25):
        link.run(f"CREATE TABLE t{number} (v BLOB)")
    with pytest.raises(InputError) as raised:
        read(link.run, address)
    wanted = ["sqlitely", *(f"t{number}" for number in range(19))]
    assert raised.value.expected == f"one of {', '.join(wanted)}"


@pytest.mark.parametrize(
    ("made", "options", "given", "expected"),
    [
        ("VIRTUAL TABLE docs USING rtree(id, a, b)", {}, "a virtual table of rtree", "one of vec0"),
        ("TABLE docs (id INTEGER PRIMARY KEY, v TEXT)", {}, "0 columns of vectors", "a BLOB or of"),
        ("TABLE docs (id PRIMARY KEY, v BLOB)", {}, "ids of type any in 'id'", "INTEGER or TEXT"),
        ("TABLE docs (id CLOB PRIMARY KEY, v BLOB)", {}, "of type CLOB in 'id'", "INTEGER or TEXT"),
        ("TABLE docs (v BLOB UNIQUE)", {"id": "v"}, "ids of type BLOB in 'v'", "INTEGER or TEXT"),
        ("TABLE docs (id INT UNIQUE, v BLOB)", {"id": "é"}, "no column 'é'", "one of id, v"),
        ("VIRTUAL TABLE docs USING vec0(v float[2], a text)", {"id": "a"}, "'a'", "that is unique"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_came_and_what_was_expected(made, options, given, expected, table):
    with pytest.raises(InputError) as raised:
        table(f"CREATE {made}", **options)
    assert given in raised.value.given
    assert expected in raised.value.expected


def test_a_composite_key_is_refused_with_the_cure(table):
    with pytest.raises(InputError, match=r"a composite primary key;.*unique with \?id="):
        table("CREATE TABLE docs (a INT, b INT, v BLOB, PRIMARY KEY (a, b))")


def test_no_message_holds_a_secret(link):
    address = Address(scheme="sqlite-vec", place="/a.db", collection="docs", password="sesame-7")
    with pytest.raises(InputError) as raised:
        read(link.run, address.elsewhere(api_key="sesame-7"))
    assert "sesame" not in str(raised.value)


def test_a_table_is_as_it_is_now(table, link):
    before = table("CREATE TABLE docs (id INTEGER PRIMARY KEY, v BLOB)")
    assert table("ALTER TABLE docs ADD COLUMN late TEXT").others == (*before.others, "late")
    link.run("DROP TABLE docs")
    assert table(f"{VEC0}(id text primary key, v float[2])").kind == "string"
    link.run("INSERT INTO docs (id, v) VALUES ('a', ?)", np.ones(2, "<f4").tobytes())
