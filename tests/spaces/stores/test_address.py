"""Addresses are read exactly, written back exactly, and keep their secrets."""

import pytest

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
