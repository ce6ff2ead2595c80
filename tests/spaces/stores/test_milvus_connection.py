"""How Milvus is reached: one server a file however often it is opened, no secret told, no noise."""

import contextlib
import gc
import logging
import threading

import pytest

from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.stores import Address
from isthmus.spaces.stores import milvus_connection as module
from isthmus.spaces.stores.milvus_connection import Connection

pytest.importorskip("pymilvus", reason="the client of Milvus is not installed")
pytest.importorskip("milvus_lite", reason="Milvus Lite is not installed")

SECRET = "open-sesame-7"


@pytest.fixture(autouse=True)
def no_token(monkeypatch):
    monkeypatch.delenv("MILVUS_TOKEN", raising=False)


@pytest.fixture
def opened(in_memory):
    """Connections to files below that folder, closed in the end."""
    made = []

    def connection(place="base.db", *, make=True):
        made.append(Connection(Address.parse(f"milvus://{in_memory}/{place}/docs"), make=make))
        return made[-1]

    yield connection
    for one in made:
        one.close()


def free(path):
    """Whether no one holds the file."""
    fcntl = pytest.importorskip("fcntl", reason="locks are tried as Unix has them")
    gc.collect()
    with (path / "LOCK").open("r+") as other:
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


# -- files -------------------------------------------------------------------------------------


def test_a_file_serves_until_its_last_connection_is_closed_however_it_is_spelled(opened, in_memory):
    (in_memory / "sub").mkdir()
    first = opened()
    (in_memory / "link.db").symlink_to("base.db")
    others = [opened("sub/../base.db", make=False), opened("link.db", make=False), opened()]
    assert len({id(one._file) for one in (first, *others)}) == 1
    for one in others:
        one.close()
        one.close()
        assert first.names() == set()
        assert not free(in_memory / "base.db")
    first.close()
    assert free(in_memory / "base.db")
    assert opened(make=False).names() == set()


def test_threads_that_open_a_file_at_once_share_it(opened, in_memory):
    gate, errors = threading.Barrier(6), []

    def work():
        gate.wait()
        try:
            one = opened("new/base.db")
            one.names()
            one.close()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    keep = opened("other.db")
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert keep.names() == set()


def test_two_files_are_two(opened):
    one, two = opened("one.db"), opened("two.db")
    one.ask("create_collection", "docs", dimension=2)
    assert (one.names(), two.names()) == ({"docs"}, set())
    one.close()
    assert two.names() == set()


def test_a_client_that_fails_lets_go_of_the_file(opened, in_memory, monkeypatch):
    def failing(**_):
        raise RuntimeError("no client")

    with monkeypatch.context() as patch:
        patch.setattr("pymilvus.MilvusClient", failing)
        with pytest.raises(StorageError, match="RuntimeError: no client"):
            opened()
    assert free(in_memory / "base.db")


def test_after_closing_a_question_is_a_storage_error(opened):
    one = opened()
    one.close()
    with pytest.raises(StorageError, match="list collections: milvus://"):
        one.names()


def test_files_that_cannot_be_are_told_and_none_is_made(opened, in_memory):
    (in_memory / "file").write_text("x")
    for place, make, kind, said in (
        ("none.db", False, InputError, "no file '.*none.db'"), ("base", True, InputError, "in .db"),
        ("x.DB", True, InputError, "in .db"), (".db", True, InputError, "in .db"),
        ("n" * 300 + ".db", True, StorageError, "too long"),
        ("file/x.db", True, StorageError, "file"),
    ):  # fmt: skip
        with pytest.raises(kind, match=said):
            opened(place, make=make)
    assert [entry.name for entry in in_memory.iterdir()] == ["file"]


@pytest.mark.parametrize("option", ["token", "https", "nosuch"])
def test_a_file_has_no_options_of_a_server(option, in_memory):
    address = Address.parse(f"milvus://{in_memory}/a.db/docs?{option}=true")
    with pytest.raises(InputError, match=f"'{option}'.*one of vector, filter"):
        Connection(address, make=True)
    assert not list(in_memory.iterdir())


def test_a_file_has_no_login_and_no_token_that_is_told(in_memory):
    login = {"user": "me", "password": SECRET}
    for more in ({"options": {"token": SECRET}}, login):
        address = Address(scheme="milvus", place=f"{in_memory}/a.db", collection="docs", **more)
        with pytest.raises(InputError, match="token|a user or password") as raised:
            Connection(address, make=True)
        assert SECRET not in repr(vars(raised.value))
    assert not list(in_memory.iterdir())


def test_a_data_base_that_no_header_can_name_is_refused_before_anyone_is_asked():
    # The client tried for 120 seconds.
    with pytest.raises(InputError, match="the data base 'bücher'; expected a name in ASCII"):
        Connection(Address.parse("milvus://127.0.0.1:1/b%C3%BCcher/docs"), make=False)


# -- secrets -----------------------------------------------------------------------------------


class Said(Exception):
    """An error of the client, which has its text as ``message``."""

    def __init__(self, message):
        super().__init__("not this")
        self.message = message


@pytest.mark.parametrize(
    ("address", "environment"),
    [
        (f"milvus://me:{SECRET}@db/docs", ""), (f"milvus://db/docs?token={SECRET}", ""),
        (f"milvus://me:{SECRET}@db/docs?token=open", ""), ("milvus://db/docs", SECRET),
        (f"milvus://me:open@db/docs?token={SECRET}", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [Said, RuntimeError])
def test_no_error_tells_a_password_or_token(kind, address, environment, monkeypatch):
    monkeypatch.setenv("MILVUS_TOKEN", environment)
    error = kind(f"no login of me:{SECRET} and\n not of {SECRET}{SECRET}")
    told = module._told(Address.parse(address), "open", error)
    for part in ("sesame", SECRET):
        assert part not in f"{told!r} {vars(told)}"
    assert told.given.startswith("no login" if kind is Said else "RuntimeError: no login")
    assert "\n" not in told.given
    assert "not of" in told.given


def test_without_a_secret_the_text_is_as_it_was():
    told = module._told(Address.parse("milvus://db/docs"), "open", RuntimeError("a b"))
    assert str(told) == "open milvus://db/docs: got RuntimeError: a b; expected an answer."


# -- silence -----------------------------------------------------------------------------------


@pytest.fixture
def loggers():
    """The client's loggers at levels of the user's own."""
    found = [logging.getLogger(name) for name in module._LOGS]
    before = [logger.level for logger in found]
    found[0].setLevel(logging.DEBUG)
    found[1].setLevel(17)
    yield found
    for logger, level in zip(found, before, strict=True):
        logger.setLevel(level)


def levels(loggers):
    return [logger.level for logger in loggers]


def silent(loggers):
    return not any(logger.isEnabledFor(logging.CRITICAL) for logger in loggers)


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_the_users_levels_return_whatever_is_raised(error, loggers):
    assert not silent(loggers)
    with pytest.raises(error) if error else contextlib.nullcontext(), module._quiet():
        assert silent(loggers)
        with module._quiet():
            assert silent(loggers)
        assert silent(loggers)  # the inner one ends no silence
        if error:
            raise error
    assert levels(loggers) == [logging.DEBUG, 17]


def test_the_levels_return_with_the_last_of_many_threads(loggers):
    gate, inside = threading.Barrier(9), threading.Barrier(9)
    leave, loud = [threading.Event() for _ in range(8)], []

    def work(number):
        gate.wait()
        try:
            with module._quiet():
                inside.wait()
                leave[number].wait(20)
                loud.append(not silent(loggers))
                if number % 2:
                    raise RuntimeError
        except RuntimeError:
            pass

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    gate.wait()
    inside.wait()
    for number in (3, 0, 7, 1, 2, 6, 5, 4):  # first come, not first gone
        assert silent(loggers)
        leave[number].set()
        threads[number].join()
    assert loud == [False] * 8
    assert levels(loggers) == [logging.DEBUG, 17]


def test_many_short_silences_at_once_leave_the_levels(loggers):
    def work():
        for _ in range(300):
            with module._quiet():
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert levels(loggers) == [logging.DEBUG, 17]
    with module._quiet():  # none of them counts as still there
        loggers[0].setLevel(5)
    assert levels(loggers) == [logging.DEBUG, 17]


def test_what_the_client_logs_is_not_printed_and_other_programs_are(opened, loggers, caplog):
    one = opened()
    with pytest.raises(StorageError, match="describe collection: "):
        one.ask("describe_collection", "nosuch")
    assert not [entry for entry in caplog.records if entry.name.startswith("pymilvus")]
    with module._quiet():
        logging.getLogger("mine").error("heard")
    assert [entry.message for entry in caplog.records if entry.name == "mine"] == ["heard"]
    assert levels(loggers) == [logging.DEBUG, 17]
