"""The client of Chroma: one engine a folder that the last client lets go of, and no token told."""

import socket
import threading
from types import SimpleNamespace

import pytest

from isthmus.core.errors import InputError, IsthmusError, StorageError
from isthmus.spaces.stores import Address
from isthmus.spaces.stores import chroma_client as module
from isthmus.spaces.stores.chroma_client import Client

chromadb = pytest.importorskip("chromadb", reason="Chroma's client is not installed")

import httpx  # noqa: E402
from chromadb.api.shared_system_client import SharedSystemClient as Shared  # noqa: E402

TOKEN = "open-sesame-7"


@pytest.fixture(autouse=True)
def no_token(monkeypatch):
    monkeypatch.delenv("CHROMA_TOKEN", raising=False)


@pytest.fixture
def opened(tmp_path):
    """Clients of folders below this one, closed in the end."""
    made = []

    def client(place="here", *, new=True, **options):
        address = Address.parse(f"chroma://{tmp_path}/{place}/docs").elsewhere(**options)
        made.append(Client(address, "open", new=new))
        return made[-1]

    yield client
    for one in made:
        one.close()


# -- folders -----------------------------------------------------------------------------------


def test_clients_of_a_folder_share_one_engine_until_the_last_is_closed(opened, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    clients = [opened(place) for place in ("there", "link", "x/../there", "there")]
    place = str((tmp_path / "there").resolve())
    assert {client.folder for client in clients} == {(tmp_path / "there").resolve()}
    clients[0].make("docs", {}, {"a": 1})
    while clients:
        assert clients[-1].names() == ["docs"]
        gone = clients.pop(0)
        gone.close()
        gone.close()  # takes no share of the others
        assert (place in Shared._identifier_to_system) == bool(clients)
    assert place not in Shared._identifier_to_refcount
    assert opened("there", new=False).names() == ["docs"]


def test_clients_closed_by_several_threads_close_once(opened):
    keep, others = opened(), [opened() for _ in range(6)]
    gate = threading.Barrier(12)

    def close(client):
        gate.wait()
        client.close()

    threads = [threading.Thread(target=close, args=(one,)) for one in others for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert keep.names() == []


def test_telemetry_is_off(opened):
    place = str(opened().folder)
    assert Shared._identifier_to_system[place].settings.anonymized_telemetry is False


def test_a_client_that_fails_at_the_last_gives_its_share_back(opened, tmp_path, monkeypatch):
    def down(self):
        raise RuntimeError("no sizes")

    with monkeypatch.context() as patch:
        patch.setattr(chromadb.api.client.Client, "get_max_batch_size", down)
        with pytest.raises(StorageError, match="RuntimeError: no sizes"):
            opened()
    assert str((tmp_path / "here").resolve()) not in Shared._identifier_to_system
    assert opened().batch > 0


@pytest.mark.parametrize("data", [b"x" * 5000, b"SQLite format 3\0" + bytes(5000)])
def test_a_file_that_is_no_database_is_told(data, opened, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "chroma.sqlite3").write_bytes(data)
    with pytest.raises(StorageError, match="open chroma://.*not a database"):
        opened("bad", new=False)
    assert (tmp_path / "bad" / "chroma.sqlite3").read_bytes() == data


def test_folders_that_cannot_be_are_told_and_none_is_made(opened, tmp_path):
    (tmp_path / "file").write_text("x")
    for place, new, kind in (
        ("none", False, InputError), ("file", False, InputError), ("file", True, StorageError),
        ("n" * 300, False, StorageError), ("n" * 300, True, StorageError),
    ):  # fmt: skip
        with pytest.raises(kind, match="open chroma://"):
            opened(place, new=new)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_unknown_options_tenants_and_data_bases_are_told(opened):
    with pytest.raises(InputError, match="'vector'.*filter, token, ssl, tenant, database"):
        opened(vector="v")
    for what in ("tenant", "database"):
        with pytest.raises(StorageError, match="nosuch"):
            opened(**{what: "nosuch"})


# -- collections -------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [1, 2, 4, 5, 1000])
def test_all_names_are_listed_whatever_fits_a_page(page, opened, monkeypatch):
    monkeypatch.setattr(module, "_PAGE", page)
    client = opened()
    assert client.names() == []
    for name in ("ddd", "bbb", "aaa", "ccc"):
        client.make(name, {}, {"a": 1})
    assert client.names() == ["aaa", "bbb", "ccc", "ddd"]


def test_a_collection_is_made_found_and_removed_once(opened):
    client = opened()
    assert client.find("docs") is None
    client.make("docs", {"space": "ip", "max_neighbors": 9}, {"team": "x"})
    found = client.find("docs")
    assert found.metadata == {"team": "x"}
    assert found.configuration_json["hnsw"]["max_neighbors"] == 9
    with pytest.raises(StorageError, match="make docs: .*exists.*a name that Chroma takes"):
        client.make("docs", {}, {"team": "y"})
    assert client.find("docs").metadata == {"team": "x"}
    for _ in range(2):
        client.remove("docs")
        assert client.find("docs") is None


@pytest.mark.parametrize("name", ["", "a", "no spaces", "'\"`", "ä" * 3, "x" * 600])
def test_names_that_chroma_does_not_take_are_no_collections(name, opened):
    client = opened()
    with pytest.raises(StorageError, match="a name that Chroma takes"):
        client.make(name, {}, {"a": 1})
    assert client.find(name) is None
    assert client.names() == []


def test_what_is_made_reaches_the_disk_of_a_folder(opened, monkeypatch):
    client, settled = opened(), []
    monkeypatch.setattr(module, "settle", lambda folder, known: settled.append(folder))
    client.make("docs", {}, {"a": 1})
    assert settled == [client.folder]
    client.folder = None  # as of a server
    client.settle()
    assert len(settled) == 1


# -- servers and their token -------------------------------------------------------------------


class Server:
    """What Client needs of Chroma's client of a server, and how it was asked for."""

    asked: dict
    sizes = 7

    def __init__(self, **given):
        type(self).asked = given
        self.closed = []
        self._server, self._admin_client = self.part("server"), SimpleNamespace()
        self._admin_client._server = self.part("admin")

    def part(self, name):
        close = SimpleNamespace(close=lambda: self.closed.append(name))
        return SimpleNamespace(_session=close)

    def get_max_batch_size(self):
        if self.sizes is None:
            raise OSError("down")
        return self.sizes

    def close(self):
        self.closed.append("client")


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(chromadb, "HttpClient", Server)
    return lambda text: Client(Address.parse(text), "open")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("chroma://db/docs", {"host": "db", "port": 8000, "ssl": False, "headers": None}),
        ("chroma://db:7/docs?ssl=1", {"port": 7, "ssl": True}),
        ("chroma://db/docs?ssl=false", {"ssl": False}),
        ("chroma://db/docs?ssl=0", {"ssl": False}),
        ("chroma://db/docs?ssl=true&tenant=t&database=d", {"tenant": "t", "database": "d"}),
        (f"chroma://db/docs?token={TOKEN}", {"headers": {"x-chroma-token": TOKEN}}),
    ],
)
def test_a_server_is_asked_for_as_the_address_says(text, wanted, server):
    client = server(text)
    assert Server.asked | wanted == Server.asked
    assert ("tenant" in Server.asked) == ("tenant" in text)
    assert Server.asked["settings"].anonymized_telemetry is False
    assert (client.batch, client.folder) == (7, None)


def test_the_token_of_the_address_comes_before_that_of_the_environment(server, monkeypatch):
    monkeypatch.setenv("CHROMA_TOKEN", "other")
    server(f"chroma://db/docs?token={TOKEN}")
    assert Server.asked["headers"] == {"x-chroma-token": TOKEN}
    server("chroma://db/docs")
    assert Server.asked["headers"] == {"x-chroma-token": "other"}


def test_connections_are_closed_with_the_client_and_when_it_fails(server, monkeypatch):
    client = server("chroma://db/docs")
    client.close()
    assert client._client.closed == ["client", "server", "admin"]
    made = []
    monkeypatch.setattr(Server, "sizes", None)
    monkeypatch.setattr(chromadb, "HttpClient", lambda **given: made.append(Server()) or made[0])
    with pytest.raises(StorageError, match="OSError: down"):
        server("chroma://db/docs")
    assert made[0].closed == ["client", "server", "admin"]


@pytest.mark.parametrize("place", ["me:PW@db/docs", "db/a/docs", "me@db/docs", ":PW@db/docs"])
def test_a_login_or_a_path_is_refused_without_the_password(place, server):
    with pytest.raises(InputError, match="CHROMA_TOKEN") as raised:
        server("chroma://" + place.replace("PW", TOKEN))
    assert TOKEN not in repr(vars(raised.value))


BAD = ["{}\n", " {}", "{}\t", "{}\r\nx: y", "é{}", "\x7f{}", "{}\u2028"]


@pytest.fixture
def answering():
    """A port at which something answers, and not as Chroma does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)
        done = threading.Event()

        def answer():
            while not done.is_set():
                try:
                    with listening.accept()[0] as one:
                        one.settimeout(1)
                        one.recv(9999)
                        one.sendall(b"HTTP/1.1 500 no\r\ncontent-length: 0\r\n\r\n")
                except OSError:
                    continue

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"chroma://127.0.0.1:{listening.getsockname()[1]}/docs"
        done.set()
        thread.join()


@pytest.mark.parametrize("form", [*BAD, "{}", "{}'x", "a\\{}"])
def test_no_token_is_told_whatever_its_characters(form, answering, monkeypatch):
    """The client's own error quotes a token that no header takes, with escapes."""
    monkeypatch.setenv("CHROMA_TOKEN", form.format(TOKEN))
    with pytest.raises(IsthmusError) as raised:
        Client(Address.parse(answering), "open")
    assert isinstance(raised.value, InputError) == (form in BAD)
    assert TOKEN not in f"{raised.value!r} {vars(raised.value)} {raised.value.__cause__!r}"


def test_a_client_that_fails_as_it_is_made_leaves_no_connection_open(answering, monkeypatch):
    made, init = [], httpx.Client.__init__

    def noted(self, *args, **options):
        made.append(self)
        init(self, *args, **options)

    monkeypatch.setattr(httpx.Client, "__init__", noted)
    with pytest.raises(StorageError):
        Client(Address.parse(answering), "open")
    assert made
    assert all(one.is_closed for one in made)


def test_a_folder_needs_no_token_so_any_is_fine(opened, monkeypatch):
    monkeypatch.setenv("CHROMA_TOKEN", "x\n")
    assert opened().names() == []


@pytest.mark.parametrize("before", [0, 150, 170, 180, 195, 1000])
def test_a_token_is_hidden_before_the_text_is_cut(before, server):
    client = server(f"chroma://db/docs?token={TOKEN}")
    with pytest.raises(StorageError) as raised, client.asking("read docs"):
        raise RuntimeError("x" * before + TOKEN * 3)
    assert raised.value.given.startswith("RuntimeError: x" if before else "RuntimeError: ***")
    assert len(raised.value.given) <= 200
    assert not any(TOKEN[:length] in str(raised.value) for length in (4, len(TOKEN)))
    assert raised.value.__cause__ is None


def test_errors_of_isthmus_and_what_is_no_error_pass(server):
    client = server("chroma://db/docs")
    for error in (InputError("a", "b", "c"), StorageError("a", "b", "c"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as raised, client.asking("read docs"):
            raise error
        assert raised.value is error
