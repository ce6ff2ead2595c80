"""Servers that the tests of stores start: the real thing, gone when the tests are."""

import contextlib
import itertools
import shutil
import tempfile
import tracemalloc
import warnings
from pathlib import Path

import pytest

from isthmus.core.errors import IsthmusError
from isthmus.spaces.stores import Address, exchange

NUMBERS = itertools.count()


@pytest.fixture
def in_memory(tmp_path):
    """A folder in memory where there is one: some stores wait for the disk at every row."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    made = tempfile.mkdtemp(dir=memory)
    yield Path(made)
    shutil.rmtree(made)


@pytest.fixture
def peak_of():
    """The most bytes that reading a file takes at once, whether it is read or refused."""

    def measured(read, path):
        tracemalloc.start()
        try:
            with contextlib.suppress(IsthmusError):
                read(path)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    return measured


class Killed(BaseException):
    """What a kill amounts to for the code that was running."""


@pytest.fixture
def killed_after(monkeypatch):
    """Run a swap of folders that takes three renames and is killed after so many of them."""

    def run(renames, swap):
        left, rename = [renames], Path.rename

        def counted(path, to):
            if not left[0]:
                raise Killed
            left[0] -= 1
            return rename(path, to)

        with monkeypatch.context() as patch:
            patch.setattr(exchange, "_in_one_step", lambda *_: False)
            patch.setattr(Path, "rename", counted)
            with pytest.raises(Killed):
                swap()

    return run


@pytest.fixture
def qdrant():
    """A server that answers as Qdrant's does, empty."""
    pytest.importorskip("qdrant_client", reason="the client of Qdrant is not installed")
    from .qdrant_server import Server

    made = Server()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def postgres():
    """The folder of the socket of a PostgreSQL with pgvector, of the user postgres."""
    pytest.importorskip("psycopg", reason="the client of PostgreSQL is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where it keeps its lock
        pgserver = pytest.importorskip("pgserver", reason="no PostgreSQL to start")
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None, prefix="isthmus-pg-"))
    server = None
    try:
        try:
            server = pgserver.get_server(folder, cleanup_mode="stop")
            server.psql("CREATE EXTENSION vector")
        except Exception as error:  # as it may be under root, or without a user to run as
            pytest.skip(f"PostgreSQL does not start: {error}")
        yield Path(server.get_uri().partition("host=")[2])
    finally:
        if server is not None:
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def admin(postgres):
    """A connection of the server's own user, as the service that has the tables."""
    import psycopg

    with psycopg.connect(host=str(postgres), user="postgres", autocommit=True) as connection:
        yield connection


@pytest.fixture
def schema(admin):
    """A schema of this test alone."""
    name = f"Test {next(NUMBERS)}"
    admin.execute(f'CREATE SCHEMA "{name}"')
    admin.execute(f'SET search_path = "{name}", public')
    yield name
    admin.execute(f'DROP SCHEMA "{name}" CASCADE')


@pytest.fixture
def table_at(postgres, schema):
    """Addresses of tables in that schema."""

    def at(name, **options):
        root = Address.parse(f"pgvector://postgres@/postgres/{name}")
        return root.elsewhere(host=str(postgres), schema=schema, **options)

    return at


@pytest.fixture
def half_and_whole():
    """Writes row 1 in a transaction that ``error`` ends, then rows 2 and 3 in one that is whole."""

    def write(link, error):
        def half():
            with link.transaction():
                link.run("INSERT INTO t VALUES (1, 'half')")
                raise error

        with pytest.raises(error):
            half()
        with link.transaction():
            link.run("INSERT INTO t VALUES (2, 'whole')")
            link.run("INSERT INTO t VALUES (3, 'whole')")

    return write
