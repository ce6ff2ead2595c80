"""What is said of a store before it is opened is true of its class, its extra, its address."""

import ast
import subprocess
import sys
import tomllib
from dataclasses import FrozenInstanceError, fields, replace
from importlib.util import find_spec
from pathlib import Path

import pytest

import isthmus
from isthmus.core.errors import InputError, StorageError
from isthmus.spaces.stores import STORES, Address, Traits, connect, store_class
from isthmus.spaces.stores.store import Store

EACH = pytest.mark.parametrize("scheme", STORES)
#: The distribution that brings a package, where the two are named differently.
BROUGHT = {"faiss": "faiss-cpu"}


def test_every_store_is_known_by_a_scheme_of_its_own():
    assert list(STORES) == sorted(STORES)
    for field in ("name", "module", "cls", "packages", "form"):
        assert len({getattr(traits, field) for traits in STORES.values()}) == len(STORES)


@EACH
def test_the_class_is_where_it_is_said_to_be_and_knows_its_scheme(scheme):
    found = store_class(Address.parse(STORES[scheme].form))
    assert issubclass(found, Store)
    assert not found.__abstractmethods__
    assert scheme == found.SCHEME
    assert found.traits() is STORES[scheme]
    assert found.__module__ == f"isthmus.spaces.stores.{STORES[scheme].module}"


def test_asking_and_finding_a_class_import_no_client():
    clients = {package for traits in STORES.values() for package in traits.packages}
    assert {"faiss", "psycopg"} < clients
    script = (
        "import sys\n"
        f"for client in {sorted(clients)}:\n"
        "    sys.modules[client] = None\n"  # an import of it fails
        "from isthmus.spaces.stores import STORES, store_class\n"
        "print(*(store_class(traits.form).__name__ for traits in STORES.values()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [traits.cls for traits in STORES.values()]


@EACH
def test_the_packages_are_those_that_the_module_imports(scheme):
    traits, folder = STORES[scheme], Path(find_spec("isthmus.spaces.stores").origin).parent
    stem = traits.module.removesuffix("_store")
    imported = set()
    for path in [folder / f"{traits.module}.py", *folder.glob(f"{stem}_*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            if isinstance(node, ast.ImportFrom):
                imported.add(node.module.partition(".")[0])
    # Milvus's client imports milvus_lite by itself; pysqlite3 only stands in for sqlite3.
    assert set(traits.packages) - {"milvus_lite"} <= imported
    clients = {package for other in STORES.values() for package in other.packages}
    assert imported & clients <= set(traits.packages)


@EACH
def test_the_extra_brings_the_packages(scheme):
    project = Path(isthmus.__file__).parents[2] / "pyproject.toml"
    if not project.is_file():
        pytest.skip("an installed isthmus has no pyproject.toml")
    said = tomllib.loads(project.read_text("utf-8"))["project"]
    traits = STORES[scheme]
    needed = said["optional-dependencies"][traits.extra] if traits.extra else said["dependencies"]
    for package in traits.packages:
        name = BROUGHT.get(package, package.replace("_", "-"))
        assert any(one.startswith((f"{name}>", f"{name}[")) for one in needed), name


@EACH
def test_what_it_says_is_said_in_the_words_of_isthmus(scheme):
    traits = STORES[scheme]
    assert traits.ids
    assert set(traits.ids) <= {"int", "string", "uuid"}
    assert not {"string", "uuid"} <= set(traits.ids)  # texts are all texts, or UUIDs
    assert traits.metrics
    assert set(traits.metrics) <= {"cosine", "euclidean", "inner"}
    assert len(set(traits.metrics)) == len(traits.metrics)
    assert set(traits.normalises) <= set(traits.metrics)
    assert traits.shadow in ("column", "collection", "file")
    assert traits.cutover
    assert traits.cutover[0].islower()
    assert not traits.cutover.endswith(".")


@EACH
def test_the_form_of_an_address_is_one(scheme):
    address = Address.parse(STORES[scheme].form)
    assert address.scheme == scheme
    assert address.collection
    assert not address.password
    # Local stores lie in a place, the others on a host.
    assert address.host or address.local.startswith("/")


@pytest.mark.parametrize("scheme", [s for s, traits in STORES.items() if traits.shadow == "file"])
def test_a_file_takes_neither_filter_nor_option_and_carries_nothing_else(scheme, tmp_path):
    assert not STORES[scheme].payload
    assert not STORES[scheme].filters
    address = Address.parse(f"{scheme}://{tmp_path}/a")
    with pytest.raises(InputError, match="filter"):
        connect(address.elsewhere(filter="a = 1"))
    with pytest.raises((InputError, StorageError), match="no file 'a'"):
        connect(address)


@pytest.mark.parametrize("scheme", [s for s, traits in STORES.items() if traits.filters])
def test_a_store_with_other_columns_is_filtered_by_them(scheme):
    assert STORES[scheme].payload


def test_a_record_is_made_by_name_and_stays_as_it_is():
    traits = STORES["faiss"]
    with pytest.raises(FrozenInstanceError):
        traits.name = "other"
    with pytest.raises(TypeError, match="positional"):
        Traits("other", "module", "cls")
    least = {f.name: getattr(traits, f.name) for f in fields(Traits)}
    for name in ("normalises", "payload", "filters"):
        del least[name]
    # What is not said: nothing is lost, all is carried, nothing is filtered.
    assert Traits(**least) == replace(traits, normalises=(), payload=True, filters="")


def test_a_scheme_of_no_store_is_refused_with_those_there_are():
    with pytest.raises(InputError) as raised:
        store_class("elastic://me:sesame-7@host/docs")
    assert raised.value.given == "the scheme 'elastic'"
    assert raised.value.expected.startswith("one of chroma://, faiss://, ")
    assert all(f"{scheme}://" in raised.value.expected for scheme in STORES)
    assert "sesame" not in str(raised.value)
