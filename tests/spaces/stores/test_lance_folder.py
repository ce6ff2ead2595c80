"""The folder of a LanceDB: whose directories are whose, and which of them serves after a cut."""

from pathlib import Path

import pytest

from isthmus.core.errors import InputError
from isthmus.spaces.stores import Address
from isthmus.spaces.stores.lance_folder import Folder, born


@pytest.fixture
def folder(tmp_path):
    """Folder of a collection, after tables of these names were made: each says which it is."""

    def of(collection, *tables):
        for table in tables:
            (tmp_path / f"{table}.lance").mkdir()
            (tmp_path / f"{table}.lance" / "who").write_text(table)
        return Folder(Address(scheme="lancedb", place=str(tmp_path), collection=collection))

    return of


def who(folder, name=None):
    return (folder.path(name) / "who").read_text()


@pytest.mark.parametrize("name", ["docs", "docs.v2", "ä b", "a'b", "docs_isthmus_x", "x.lance"])
def test_a_table_is_the_directory_of_its_name(name, folder, tmp_path):
    here = folder(name, name)
    assert here.path() == tmp_path / f"{name}.lance"
    assert here.shadow("j") == tmp_path / f"{name}_isthmus_j.lance"
    assert here.shadow("j", old=True) == tmp_path / f"{name}_isthmus_j_old.lance"
    assert here.names() == [name]
    assert here.serving() == name
    assert here.jobs() == ()


@pytest.mark.parametrize("sign", ["n", "é", "\u4e2d"])
def test_names_are_as_long_as_the_file_system_keeps_them(sign, folder):
    size = len(sign.encode())
    fits = sign * (249 // size)
    here = folder(fits, fits)
    assert here.serving() == fits
    with pytest.raises(
        InputError, match=r"got .{20}\.\.\., which takes 2\d\d bytes.*at most 255"
    ) as error:
        folder(fits + sign).serving()
    assert error.value.cure == "Give the collection, or its job, a shorter name."
    with pytest.raises(InputError, match="at most 255"):
        here.shadow("j")
    # Room for the shadow and none for what a swap in three steps puts aside.
    here = folder(sign * (236 // size) + "n" * (236 % size))
    assert len(here.shadow("j").name.encode()) == 252
    with pytest.raises(InputError, match="at most 255"):
        here.shadow("j", old=True)


def test_jobs_are_those_of_this_collection_alone(folder):
    here = folder(
        "docs", "docs", "docs_isthmus_b", "docs_isthmus_a_old", "docs_isthmus_a",
        "docs2_isthmus_c", "my_docs_isthmus_d", "docs_isthmus", "docs_other",
    )  # fmt: skip
    assert here.jobs() == ("a", "b")
    assert here.names() == sorted(here.names())
    (here.place / "notes.txt").touch()
    assert "notes" not in here.names()


def test_the_relative_folder_is_that_of_the_process(folder, tmp_path, monkeypatch):
    folder("docs", "docs")
    monkeypatch.chdir(tmp_path)
    assert Folder(Address.parse("lancedb://./docs")).serving() == "docs"
    assert Folder(Address(scheme="lancedb", collection="docs")).place == Path()
    assert Folder(Address(scheme="lancedb", collection="other")).serving() is None


def test_an_empty_or_missing_folder_has_nothing(folder, tmp_path):
    here = folder("docs")
    assert (here.names(), here.jobs(), here.serving(), here.mend()) == ([], (), None, False)
    gone = Folder(Address(scheme="lancedb", place=str(tmp_path / "none"), collection="docs"))
    assert (gone.names(), gone.jobs(), gone.serving(), gone.mend()) == ([], (), None, False)


@pytest.mark.parametrize("renames", [1, 2])
def test_after_a_cut_swap_the_originals_serve_until_it_is_mended(renames, folder, killed_after):
    here = folder("docs", "docs", "docs_isthmus_j", "docs_isthmus_k")
    killed_after(renames, lambda: here.swap("j"))
    assert who(here, here.serving()) == ("docs" if renames == 1 else "docs_isthmus_j")
    assert here.jobs() == ("j", "k")
    assert here.mend()
    assert not here.mend()
    found = who(here), who(here, "docs_isthmus_j")
    wanted = ("docs", "docs_isthmus_j")
    assert found == (wanted if renames == 1 else wanted[::-1])
    assert who(here, "docs_isthmus_k") == "docs_isthmus_k"
    assert len(here.names()) == 3


@pytest.mark.parametrize("name", ["*", "d?cs", "[d]ocs", "doc", "docs_isthmus"])
def test_a_name_that_looks_like_a_pattern_reaches_no_other_collection(name, folder):
    """Of a table docs the swap was cut; whoever asks for another name leaves it alone."""
    folder("docs", "docs_isthmus_j_old", "docs_isthmus_j")
    other = folder(name)
    assert other.serving() is None
    assert not other.mend()
    assert other.jobs() == ()
    assert folder("docs").serving() == "docs_isthmus_j_old"


def test_such_a_name_finds_what_is_its_own(folder):
    here = folder("[d]*", "[d]*_isthmus_j_old", "[d]*_isthmus_j")
    assert here.serving() == "[d]*_isthmus_j_old"
    assert here.mend()
    assert who(here) == "[d]*_isthmus_j_old"


def test_a_table_is_born_with_its_first_version(tmp_path):
    table = tmp_path / "docs.lance"
    assert not born(table)
    (table / "data").mkdir(parents=True)
    (table / "_versions").mkdir()
    (table / "_versions" / "1.manifest.tmp").touch()
    assert not born(table)
    (table / "_versions" / "1.manifest").touch()
    assert born(table)
