"""The store in a file keeps the contract that every store keeps."""

import sys

import pytest

from isthmus.spaces.stores import STORES, Address
from isthmus.testing import file_store
from isthmus.testing import stores as suite


@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda c: c.__name__)
def test_contract(check, tmp_path, monkeypatch):
    monkeypatch.setitem(STORES, file_store.SCHEME, file_store.TRAITS)
    monkeypatch.setitem(sys.modules, f"isthmus.spaces.stores.{file_store.SCHEME}", file_store)
    monkeypatch.setattr("isthmus.spaces.files.os.fsync", lambda fd: None)
    check(
        suite.Bench(
            file_store.FileStore,
            lambda name: Address.parse(f"filestore://{tmp_path}/{name}"),
            lambda address: address.elsewhere(filter="even"),
        )
    )
