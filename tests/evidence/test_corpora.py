import gzip
import hashlib
import io
import os
import sys
import tarfile

import numpy as np
import pytest

from isthmus.core.errors import FormatError, StorageError
from isthmus.evidence import corpora
from isthmus.evidence.corpora import MissingData, docstrings, locate


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    monkeypatch.delenv("ISTHMUS_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def real(name):
    """The data file, or a skip that names data set and variable."""
    try:
        return locate(name)
    except MissingData as error:
        pytest.skip(f"needs {name}, set ISTHMUS_DATA ({error.given})")


def put(folder, name, data=b"x"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_missing_data_names_the_set_and_the_variable(nowhere):
    with pytest.raises(MissingData, match=r"mnist/.*ISTHMUS_DATA \(unset\)") as caught:
        corpora.mnist()
    assert isinstance(caught.value, StorageError)
    assert "download=True" in caught.value.cure
    with pytest.raises(MissingData, match="debian") as caught:
        corpora.debian("en-lsa256")
    assert "download" not in caught.value.cure


def test_the_variable_comes_before_the_cache(nowhere, monkeypatch):
    cached = put(nowhere / "cache" / "isthmus", "debian/sections.tsv")
    assert locate("debian/sections.tsv") == cached
    ours = put(nowhere / "data", "debian/sections.tsv")
    monkeypatch.setenv("ISTHMUS_DATA", str(nowhere / "data"))
    assert locate("debian/sections.tsv") == ours


def archive(name, data):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize("member", ["", "cran.qry"])
def test_download_happens_only_when_asked_and_is_checked(nowhere, monkeypatch, member):
    name = "cranfield/cran.qry"
    sent = archive("some/cran.qry", b"words") if member else b"words"
    origin = put(nowhere, "origin", sent)

    def public(text):
        return corpora._Public(origin.as_uri(), hashlib.sha256(text).hexdigest(), member)

    monkeypatch.setitem(corpora._ORIGINS, name, public(b"other words"))
    with pytest.raises(MissingData):
        locate(name)
    with pytest.raises(FormatError, match="SHA-256"):
        locate(name, download=True)
    assert not list((nowhere / "cache").rglob("*"))
    monkeypatch.setitem(corpora._ORIGINS, name, public(b"words"))
    kept = locate(name, download=True)
    assert kept.read_bytes() == b"words"
    origin.unlink()
    assert locate(name) == kept


def test_download_of_nothing_is_missing_data(nowhere, monkeypatch):
    name = "cranfield/cranqrel"
    gone = corpora._Public((nowhere / "gone").as_uri(), "0")
    monkeypatch.setitem(corpora._ORIGINS, name, gone)
    with pytest.raises(MissingData, match="download"):
        locate(name, download=True)


def test_archive_without_the_member(nowhere, monkeypatch):
    name = "cranfield/cranqrel"
    origin = put(nowhere, "origin", archive("other", b"x"))
    monkeypatch.setitem(corpora._ORIGINS, name, corpora._Public(origin.as_uri(), "0", "cranqrel"))
    with pytest.raises(FormatError, match="cranqrel"):
        locate(name, download=True)


SOURCE = '''
"""One summary of the file.

The body of the file says more than eight words, as it must do to count.
"""

def broken_off():
    """Too short a body here.

    Only five words are here.
    """

class Thing:
    """Does a thing with care. And the first paragraph goes on for a while.

    >>> Thing().work()
    noise that is cut out
    more noise that is cut out

    After the example the text goes on and is kept.
    """

    def work(self):
        """Does a thing with care.

        Equal summaries count once, so this one with its long body is left out.
        """

        def inner():
            """Works inside of the function.

            The body of what is inside has more than eight words as well.
            """
'''


def test_docstrings_of_a_known_library(tmp_path):
    put(tmp_path, "pkg/__init__.py", SOURCE.encode())
    put(tmp_path, "pkg/broken.py", b"def (:\n")
    put(tmp_path, "pkg/latin.py", b'"""\xe9"""\n')
    put(tmp_path, "pkg/tests/more.py", SOURCE.encode())
    put(tmp_path, "site-packages/other.py", SOURCE.encode())
    frowned = SOURCE.partition("def")[0].replace("file", "oddity") + 'pattern = "\\d"\n'
    put(tmp_path, "odd.py", frowned.replace("body", "text").encode())
    texts = corpora._docstrings(tmp_path)
    assert texts.ids[0] == "odd"
    texts = corpora.Texts(texts.ids[1:], texts.documents[1:], (), texts.queries[1:], texts.relevant)
    assert texts.ids == ("pkg", "pkg.Thing", "pkg.Thing.work.inner")
    assert texts.queries == (
        "One summary of the file.",
        "Does a thing with care.",
        "Works inside of the function.",
    )
    assert texts.documents[1] == (
        "And the first paragraph goes on for a while. "
        "After the example the text goes on and is kept."
    )
    assert texts.relevant["pkg"] == {"pkg": 1}


def test_docstrings_of_this_python():
    texts = docstrings()
    # Reading must not import: this one opens a browser, that one prints a poem.
    assert not {"antigravity", "this", "turtledemo"} & set(sys.modules)
    assert len(texts.ids) > 2000
    for column in (texts.ids, texts.queries, texts.documents):
        assert len(set(column)) == len(texts.ids)
    # Prose about doctests may name the prompt; examples themselves number in the hundreds.
    assert sum(">>>" in text for text in (*texts.queries, *texts.documents)) < 5
    assert all(len(text.split()) >= 8 for text in texts.documents)
    assert not any(
        q in d for q, d in zip(texts.queries, texts.documents, strict=True) if len(q) > 60
    )
    assert "json.dumps" in texts.ids


def test_digits():
    images, labels = corpora.digits()
    assert images.shape == (1797, 64)
    assert (images.min(), images.max()) == (0.0, 1.0)
    assert sorted(set(labels.tolist())) == list(range(10))


def test_mnist():
    real("mnist/t10k-images-idx3-ubyte.gz")
    images, labels = corpora.mnist()
    assert images.shape == (10000, 784)
    assert images.dtype == np.float32
    assert (images.min(), images.max()) == (0.0, 1.0)
    assert np.bincount(labels).tolist()[:3] == [980, 1135, 1032]


def test_truncated_idx(nowhere, monkeypatch):
    header = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (2, 2, 2))
    for name in ("images-idx3", "labels-idx1"):
        put(nowhere, f"mnist/t10k-{name}-ubyte.gz", gzip.compress(header + bytes(7)))
    monkeypatch.setenv("ISTHMUS_DATA", str(nowhere))
    with pytest.raises(FormatError, match="idx"):
        corpora.mnist()


def test_cranfield():
    real("cranfield/cran.all.1400")
    texts = corpora.cranfield()
    assert len(texts.ids) == len(texts.documents) == 1400
    assert len(texts.queries) == len(texts.query_ids) == 225
    assert texts.documents[0].startswith("experimental investigation of the aerodynamics of a wing")
    assert sum(map(len, texts.relevant.values())) == 1612
    # Its line in the file reads "1 184 2": grade 5 - 2, and query 3 carries .I number 004.
    assert texts.relevant["1"]["184"] == 3
    assert texts.queries[2].startswith("what problems of heat conduction")
    assert set(texts.relevant) == set(texts.query_ids)
    assert {g for r in texts.relevant.values() for g in r.values()} == {1, 2, 3, 4}
    assert all(set(r) <= set(texts.ids) for r in texts.relevant.values())


def test_debian():
    real("debian/de-lsa256.npz")
    ids, vectors = corpora.debian("de-lsa256")
    assert len(ids) == len(set(ids.tolist())) == len(vectors)
    np.testing.assert_allclose(np.linalg.norm(vectors.astype(float), axis=1), 1, atol=2e-3)


def test_cache_follows_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert corpora.cache_folder() == tmp_path / ".cache" / "isthmus"
    assert os.environ["HOME"] == str(tmp_path)
