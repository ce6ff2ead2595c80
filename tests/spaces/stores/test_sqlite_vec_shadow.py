"""The vectors of a job in SQLite: what is gathered, kept and put in place, row by row."""

import numpy as np
import pytest

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.stores import Address
from isthmus.spaces.stores.sqlite_vec_link import Link
from isthmus.spaces.stores.sqlite_vec_shadow import Shadow
from isthmus.spaces.stores.sqlite_vec_table import read

pytest.importorskip("sqlite_vec", reason="sqlite-vec is not installed")

MADE = {
    "vec0": "VIRTUAL TABLE docs USING vec0(id INTEGER PRIMARY KEY, v float[2], +body text)",
    "ordinary": "TABLE docs (id INTEGER PRIMARY KEY, v BLOB, body TEXT)",
}
ADDRESS = "sqlite-vec://{}/a.db/docs"


def blob(number, dim=2):
    return np.full(dim, number, np.float32).tobytes()


@pytest.fixture
def link(tmp_path):
    made = Link(Address.parse(ADDRESS.format(tmp_path)), mode="rwc")
    yield made
    made.close()


@pytest.fixture(params=MADE)
def table(request, link):
    """A table of the rows 1, 2 and 3, whose vectors say so."""
    link.run(f"CREATE {MADE[request.param]}")
    link.many("INSERT INTO docs VALUES (?, ?, ?)", [(n, blob(n), f"b{n}") for n in (1, 2, 3)])
    return request.param


def of(link, job="j"):
    """The shadow as a new handle finds it."""
    return Shadow(link, read(link.run, link.address), job)


def gathered(link, *, dim=3, metric=None, keys=(1, 2, 3)):
    shadow = of(link)
    shadow.begin(dim, metric)
    shadow.write(list(keys), [blob(10 * key, dim) for key in keys])
    return shadow


def served(link):
    """The first number of each row's vector, by its id."""
    rows = link.run("SELECT id, v FROM docs ORDER BY id")
    return {key: v if v is None else float(np.frombuffer(v, np.float32)[0]) for key, v in rows}


def tables(link):
    found = link.run("SELECT name FROM sqlite_master WHERE name LIKE 'docs\\_%' ESCAPE '\\'")
    return {name for (name,) in found if "isthmus" in name}


def test_rows_are_gathered_in_place_of_those_of_their_id_and_forgotten(link, table):
    shadow = gathered(link)
    shadow.write([3, 9], [blob(5, 3), blob(6, 3)])
    shadow.remove([(2,), (77,)])
    assert link.run(f"{shadow.relation()} ORDER BY key") == [
        (1, blob(10, 3)), (3, blob(5, 3)), (9, blob(6, 3)),
    ]  # fmt: skip
    assert served(link) == {1: 1, 2: 2, 3: 3}


@pytest.mark.parametrize("metric", ["cosine", "euclidean", None])
def test_the_table_says_width_and_metric_to_the_next_handle(link, table, metric):
    gathered(link, dim=5, metric=metric)
    assert of(link).known() == (5, metric)
    of(link).begin(5, metric)  # found, not made again
    assert link.run("SELECT count(*) FROM docs_isthmus_j") == [(3,)]


def test_a_shadow_takes_no_vector_of_another_width(link, table):
    shadow = gathered(link)
    with pytest.raises(StorageError, match="CHECK constraint"):
        shadow.write([1], [blob(1, 2)])
    with pytest.raises(StorageError, match="vectors of 3 dimensions; expected 4.*Drop that job"):
        of(link).begin(4, None)


def test_states_follow_the_tables(link, table):
    assert of(link).state() == "absent"
    gathered(link)
    assert (of(link).state(), tables(link)) == ("shadow", {"docs_isthmus_j"})
    of(link).cutover()
    assert of(link).state() == "live"
    assert "docs_isthmus_j" not in tables(link)
    width, metric = of(link).known()
    assert (width, metric) == (3, "euclidean" if table == "vec0" else None)
    with pytest.raises(StorageError, match="a job whose vectors serve"):
        of(link).begin(3, None)
    of(link).rollback()
    assert (of(link).state(), tables(link)) == ("shadow", {"docs_isthmus_j"})
    of(link).drop()
    assert (of(link).state(), tables(link)) == ("absent", set())


def test_there_and_back_as_often_as_one_likes(link, table):
    gathered(link)
    before = link.run("SELECT * FROM docs ORDER BY id")
    for _ in range(3):
        for _ in range(2):
            of(link).cutover()
        assert served(link) == {1: 10, 2: 20, 3: 30}
        for _ in range(2):
            of(link).rollback()
        assert link.run("SELECT * FROM docs ORDER BY id") == before
    assert [row[0] for row in link.run("SELECT body FROM docs ORDER BY id")] == ["b1", "b2", "b3"]


def test_a_row_without_a_new_vector_holds_the_cutover_back_and_nothing_moves(link, table):
    gathered(link, keys=(1, 3))
    with pytest.raises(StorageError, match="1 rows without a new vector.*Run the job again"):
        of(link).cutover()
    assert served(link) == {1: 1, 2: 2, 3: 3}
    assert tables(link) == {"docs_isthmus_j"}


def test_a_row_that_went_takes_its_gathered_vector_along(link, table):
    gathered(link)
    link.run("DELETE FROM docs WHERE id = 2")
    of(link).cutover()
    assert served(link) == {1: 10, 3: 30}


@pytest.mark.parametrize("table", ["ordinary"], indirect=True)
def test_rows_since_the_cutover_have_their_vector_again_after_the_next(link, table):
    """The rollback has no old vector for them, so they wait in the shadow."""
    gathered(link)
    of(link).cutover()
    link.run("INSERT INTO docs VALUES (4, ?, 'b4')", blob(40, 3))
    for _ in range(2):
        of(link).rollback()
        assert served(link) == {1: 1, 2: 2, 3: 3, 4: None}
        of(link).cutover()
        assert served(link) == {1: 10, 2: 20, 3: 30, 4: 40}


def test_a_rollback_brings_every_original_of_a_row_that_is_there(link, table):
    gathered(link)
    of(link).cutover()
    if table == "vec0":  # which has no rows without a vector
        link.run("DELETE FROM docs WHERE id = 2")
    else:
        link.run("UPDATE docs SET v = NULL WHERE id = 2")
    of(link).rollback()
    assert served(link) == {1: 1, 2: 2, 3: 3}


@pytest.mark.parametrize("table", ["ordinary"], indirect=True)
def test_rows_without_a_vector_have_none_at_any_time(link, table):
    link.run("INSERT INTO docs VALUES (7, NULL, 'b7')")
    gathered(link)
    of(link).cutover()
    assert served(link) == {1: 10, 2: 20, 3: 30, 7: None}
    of(link).rollback()
    assert served(link) == {1: 1, 2: 2, 3: 3, 7: None}


def test_a_cutover_that_fails_half_way_changes_nothing(link, table):
    gathered(link)
    if table == "vec0":
        link.run("CREATE TABLE docs_isthmus_j_old_made (sql TEXT)")  # where its own is to be
    else:
        link.run(
            "CREATE TRIGGER stop BEFORE UPDATE ON docs WHEN old.id = 3 "
            "BEGIN SELECT RAISE(ABORT, 'stopped'); END"
        )
    with pytest.raises(StorageError, match=r"already exists|stopped"):
        of(link).cutover()
    assert served(link) == {1: 1, 2: 2, 3: 3}
    assert of(link).state() == "shadow"


def test_what_never_was_is_told(link, table):
    for act, said in (
        ("cutover", "no vectors of this job; expected one that was made"),
        ("known", "no vectors of this job"), ("relation", "no vectors of this job"),
        ("rollback", "no old vectors of this job; expected a job cut over"),
    ):  # fmt: skip
        with pytest.raises(StorageError, match=said):
            getattr(of(link), act)()
    of(link).drop()
    assert served(link) == {1: 1, 2: 2, 3: 3}


@pytest.mark.parametrize("job", ["j_old", "j_old_made", "_old"])
def test_a_job_cannot_be_named_like_what_another_leaves(link, table, job):
    gathered(link)
    of(link).cutover()
    with pytest.raises(InputError, match=f"got '{job}'; expected a name that ends in neither"):
        of(link, job)
    assert of(link, "j_older").state() == "absent"


def test_jobs_do_not_touch_each_other(link, table):
    gathered(link)
    other = of(link, 'k"; DROP TABLE docs; --')
    other.begin(4, None)
    other.write([1], [blob(7, 4)])
    of(link).cutover()
    assert other.state() == "shadow"
    other.drop()
    assert (other.state(), of(link).state()) == ("absent", "live")
    assert served(link) == {1: 10, 2: 20, 3: 30}
