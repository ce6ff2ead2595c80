"""Collections to disturb: in files, and on a PostgreSQL of our own."""

import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from isthmus.spaces.stores import create
from isthmus.spaces.stores.store import Rows

N = 400
SECRET = "open-sesame-7"


def vectors():
    rng = np.random.default_rng(7)
    return (rng.normal(size=(N, 8)) * np.linspace(3, 0.3, 8) + 0.5).astype(np.float32)


class Ground:
    """Where collections of one kind of store are made."""

    def __init__(self, name, form, kind):
        self.name, self.form, self.kind, self.made = name, form, kind, 0
        self.ids = np.arange(N) * 3 if kind == "int" else np.array([f"é{i}" for i in range(N)])

    def collection(self):
        """The address of a new collection of N rows."""
        self.made += 1
        place = self.form.format(name=f"docs{self.made}")
        with create(place, dim=8, metric="euclidean", id_kind=self.kind) as store:
            store.upsert(Rows(self.ids, vectors()))
        return place


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server of our own, started once."""
    pgserver = pytest.importorskip("pgserver", reason="pgserver is not installed")
    pytest.importorskip("psycopg", reason="the extra pgvector is not installed")
    memory = Path("/dev/shm")
    data = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None, prefix="isthmus-pg-"))
    data.chmod(0o755)  # where the tests are root's, the server runs as another user
    server = pgserver.get_server(data)
    server.psql("CREATE EXTENSION vector;")
    server.psql("ALTER SYSTEM SET fsync = off;")
    server.psql("SELECT pg_reload_conf();")
    folder = parse_qs(urlsplit(server.get_uri()).query)["host"][0]
    ground = Ground("pgvector", f"pgvector://postgres@/postgres/{{name}}?host={folder}", "string")
    ground.server = server
    yield ground
    server.cleanup()
    shutil.rmtree(data, ignore_errors=True)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 1 MiB, for results that are larger."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount here")
    if done.returncode:
        pytest.skip(f"a tmpfs may not be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def secret(postgres):
    """An address with a password, which this server does not ask for."""
    place = postgres.collection()
    return place.replace("postgres@", f"postgres:{SECRET}@")
