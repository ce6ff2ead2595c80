"""Addresses are read exactly, written back exactly, and keep their secrets."""

import numpy as np
import pytest

import isthmus
from isthmus.core.errors import InputError
from isthmus.spaces.stores import STORES, Address, is_address, store_class


@pytest.mark.parametrize(
    "text",
    [
        "pgvector://me:p%40ss@db.example:5433/shop/items?vector=emb&id=sku",
        "pgvector:///shop/items?host=/run/postgresql",
        "faiss:///corpus.faiss",
        "faiss:///data/a%20b/corpus.faiss",
        "faiss://./corpus.faiss",
        "lancedb://../data/lance/docs",
        "qdrant://[::1]:6333/docs",
        "milvus://host/docs?filter=year%20%3E%201999",
    ],
)
def test_an_address_is_written_back_as_it_was_read(text):
    address = Address.parse(text)
    assert address.full() == text
    assert Address.parse(address.full()) == address


def test_parts_are_decoded():
    address = Address.parse("faiss:///data/a%20b/corpus.faiss?filter=a%3D1%26b")
    assert (address.place, address.collection) == ("/data/a b", "corpus.faiss")
    assert (address.local, address.options) == ("/data/a b/corpus.faiss", {"filter": "a=1&b"})
    assert Address.parse("faiss:///x").local == "/x"
    assert Address.parse("faiss://./x").local == "./x"
    assert Address.parse("faiss://../d/x").local == "../d/x"


def test_no_secret_is_shown_or_kept():
    address = Address.parse("qdrant://me:sesame@host/docs?api_key=sesame&token=sesame&https=true")
    for text in (repr(address), str(address), address.redacted, f"{address!r:.300}"):
        assert "sesame" not in text
    kept = address.without_secrets()
    assert "sesame" not in kept.full()
    assert kept.options == {"https": "true"}
    assert kept.user == "me"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pgvector://host:sesame/base/table", "bad host or port"),
        ("pgvector://u:sesame@host/base/", "no collection"),
        ("pgvector://u:sesame@host", "no collection"),
        ("u:sesame@host/base", "without scheme"),
        ("pgvector://u:sesame@host/base/t?id=a&id=b", "'id' twice"),
        ("pgvector://u:sesame@host/base/t#x", "%23"),
    ],
)
def test_a_bad_address_is_refused_without_repeating_it(text, said):
    with pytest.raises(InputError, match=said) as caught:
        store_class(text)
    assert "sesame" not in str(caught.value)


def test_unknown_schemes_name_the_known_ones():
    with pytest.raises(InputError, match="faiss://") as caught:
        store_class("redis://u:sesame@host/docs")
    assert "sesame" not in str(caught.value)


def test_a_path_is_no_address():
    assert is_address("faiss:///data/x.faiss")
    assert not is_address("C:/data/x.npy")
    assert not is_address("data/x.npy")
    assert not is_address(None)


@pytest.mark.parametrize("scheme", STORES)
def test_every_store_says_what_it_is(scheme):
    traits = STORES[scheme]
    address = Address.parse(traits.form)
    assert address.scheme == scheme
    cls = store_class(address)
    assert scheme == cls.SCHEME
    assert cls.traits() is traits
    assert set(traits.ids) <= {"int", "string", "uuid"}
    assert set(traits.normalises) <= set(traits.metrics) <= {"cosine", "euclidean", "inner"}
    assert traits.shadow in ("column", "collection", "file")


def test_schemes_are_known_in_any_case():
    assert is_address("PGVECTOR://me:sesame@h/d/t")
    found = Address.parse("PGVector://me:open-sesame@h/d/t")
    assert (found.scheme, found.redacted) == ("pgvector", "pgvector://me:***@h/d/t")


@pytest.mark.parametrize("option", ["account_key", "auth", "credential", "passphrase", "sslkey"])
def test_options_that_sound_like_secrets_are_hidden(option):
    address = Address.parse(f"lancedb:///x/t?{option}=open-sesame")
    with pytest.raises(InputError) as refused:
        address.refuse_options("vector")
    assert "sesame" not in f"{address!r} {refused.value} {address.without_secrets().full()}"


def test_a_password_with_a_slash_is_refused_and_not_shown():
    with pytest.raises(InputError, match="%2F") as refused:
        Address.parse("pgvector://me:12/open-sesame@127.0.0.1/db/t")
    assert "sesame" not in str(refused.value)
    assert Address.parse("lancedb:///home/me@work/base/t").place == "/home/me@work/base"


@pytest.mark.parametrize("path", ["pgvector:/me:open-sesame@h/d/t", "No://me:open-sesame@h/d/t"])
def test_an_address_where_a_path_is_wanted_is_refused_and_not_shown(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = np.eye(3, dtype=np.float32)
    bridge = isthmus.fit(np.tile(x, (4, 1)), np.tile(x, (4, 1)), method="orthogonal")
    tries = [
        lambda: bridge.save(path), lambda: isthmus.translate(x, bridge, path),
        lambda: isthmus.Job.open(path),
    ]  # fmt: skip
    if "://" not in path:
        tries.append(lambda: isthmus.open(path))
    for one in tries:
        with pytest.raises(InputError, match="begins like an address") as refused:
            one()
        assert "sesame" not in str(refused.value)
    assert not list(tmp_path.iterdir())
