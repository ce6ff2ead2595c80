"""Real data for evidence, demo and tests, and where it is looked for.

``$ISTHMUS_DATA`` first, then ``isthmus`` in the user's cache folder. What is public is downloaded
into the cache only when asked for, and only accepted with the right checksum. Python's docstrings
and the digits come with Python and scikit-learn, so every machine has them.
"""

import ast
import gzip
import hashlib
import io
import os
import re
import sysconfig
import tarfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from inspect import cleandoc
from pathlib import Path

import numpy as np

from isthmus.core.errors import FormatError, StorageError

VARIABLE = "ISTHMUS_DATA"
_SKIPPED = {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"}


class MissingData(StorageError):
    """A data set that is not on this machine; names it and the variable that says where it is."""


@dataclass(frozen=True, slots=True)
class _Public:
    """A file's public origin: where to get it, its SHA-256 unzipped, its name in an archive."""

    url: str
    sha256: str
    member: str = ""


_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_CRANFIELD = "http://ir.dcs.gla.ac.uk/resources/test_collections/cran/cran.tar.gz"
_ORIGINS = {
    "mnist/t10k-images-idx3-ubyte.gz": _Public(
        _MNIST + "t10k-images-idx3-ubyte.gz",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    "mnist/t10k-labels-idx1-ubyte.gz": _Public(
        _MNIST + "t10k-labels-idx1-ubyte.gz",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    "cranfield/cran.all.1400": _Public(
        _CRANFIELD,
        "73d33d7e445b884bc32332034e7bc7d07ad5089d9030ead9f1de3493da21da1d",
        "cran.all.1400",
    ),
    "cranfield/cran.qry": _Public(
        _CRANFIELD, "99578ceb88941ef89c14faf7c63c23776a376d8fba319b990f01d0c601d8b03f", "cran.qry"
    ),
    "cranfield/cranqrel": _Public(
        _CRANFIELD, "92e54b58dac0b980152178f350d892fae66c8a239b8a11715b835fb8d2f6bc0e", "cranqrel"
    ),
}


def cache_folder() -> Path:
    """Where downloaded data is kept: ``$XDG_CACHE_HOME/isthmus`` or ``~/.cache/isthmus``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "isthmus"


def locate(name: str, *, download: bool = False) -> Path:
    """The path of the data file ``name`` (like ``"mnist/t10k-images-idx3-ubyte.gz"``).

    Raises
    ------
    MissingData
        When it is neither in ``$ISTHMUS_DATA`` nor in the cache, and was not downloaded.
    FormatError
        When what was downloaded is not the file it should be; nothing is kept then.
    """
    folders = [Path(os.environ[VARIABLE])] if os.environ.get(VARIABLE) else []
    for folder in (*folders, cache_folder()):
        if (folder / name).is_file():
            return folder / name
    origin = _ORIGINS.get(name)
    if download and origin is not None:
        return _fetch(name, origin)
    public = "" if origin is None else ", or allow its download (download=True)"
    raise MissingData(
        f"data set {name!r}",
        f"no such file in ${VARIABLE} ({os.environ.get(VARIABLE) or 'unset'}) or {cache_folder()}",
        "the file in one of these folders",
        f"Set {VARIABLE} to the folder that holds {name.partition('/')[0]}/{public}.",
    )


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts to search: ``documents`` under ``ids``, and ``queries`` whose answers are known.

    ``relevant[query_id]`` maps document ids to grades above zero.
    """

    ids: tuple[str, ...]
    documents: tuple[str, ...]
    query_ids: tuple[str, ...]
    queries: tuple[str, ...]
    relevant: dict[str, dict[str, int]]


def docstrings() -> Texts:
    """The docstrings of Python's standard library as a known-item search collection.

    A docstring's summary is the query, what follows it the document, its qualified name
    (``json.JSONEncoder.default``) the id of both; a query's one relevant document is its own.
    The sources are parsed, never imported, so the result depends on the Python version alone.
    Doctests are cut out; bodies below eight words, summaries below three words, and all but the
    first of equal bodies or equal summaries are left out.

    Examples
    --------
    >>> texts = docstrings()
    >>> texts.relevant["json.dumps"]
    {'json.dumps': 1}
    """
    return _docstrings(Path(sysconfig.get_paths()["stdlib"]))


@lru_cache(maxsize=2)
def _docstrings(root: Path) -> Texts:
    kept: dict[str, tuple[str, str]] = {}
    seen: set[str] = set()
    for path in sources(root):
        for name, text in documented(path, root):
            summary, body = _parts(text)
            if len(summary.split()) < 3 or len(body.split()) < 8:
                continue
            if name in kept or summary.casefold() in seen or body.casefold() in seen:
                continue
            seen |= {summary.casefold(), body.casefold()}
            kept[name] = (summary, body)
    ids = tuple(sorted(kept))
    return Texts(
        ids=ids,
        documents=tuple(kept[name][1] for name in ids),
        query_ids=ids,
        queries=tuple(kept[name][0] for name in ids),
        relevant={name: {name: 1} for name in ids},
    )


def sources(root: Path) -> list[Path]:
    """Every Python source file below ``root``, sorted, without tests and installed packages."""
    found = []
    for folder, below, files in os.walk(root):
        # Pruned in place, so that large installed packages are not even looked into.
        below[:] = [name for name in below if name not in _SKIPPED]
        found += [Path(folder) / name for name in files if name.endswith(".py")]
    return sorted(found)


def documented(path: Path, root: Path) -> Iterator[tuple[str, str]]:
    """Qualified name and cleaned docstring of all that is documented in a file that parses."""
    try:
        with warnings.catch_warnings():
            # Escapes that Python frowns upon would, where warnings are errors, drop the file.
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError, ValueError):
        return
    parts = path.relative_to(root).with_suffix("").parts
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    pending: list[tuple[str, ast.AST]] = [(module, tree)]
    while pending:
        name, node = pending.pop(0)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield name, text
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                pending.append((f"{name}.{child.name}", child))


def _parts(text: str) -> tuple[str, str]:
    """A docstring's summary (its first sentence or paragraph) and its body, one line each."""
    kept: list[str] = []
    example = False
    for line in cleandoc(text).splitlines():
        bare = line.strip()
        example = bare.startswith(">>>") or (example and bool(bare))
        if not example:
            kept.append(line)
    first, _, rest = "\n".join(kept).strip().partition("\n\n")
    first = " ".join(first.split())
    sentence = re.match(r"(.+?[.!?])\s+(?=[A-Z])", first)
    summary = sentence.group(1) if sentence else first
    return summary, " ".join((first[len(summary) :] + " " + rest).split())


def digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's handwritten digits: images (1797, 64) float64 in 0..1 and labels (1797,).

    Examples
    --------
    >>> digits()[0].shape
    (1797, 64)
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return images / 16.0, labels


def mnist(*, download: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The MNIST test set: images (10000, 784) float32 in 0..1 and labels (10000,) int64."""
    images = _idx(locate("mnist/t10k-images-idx3-ubyte.gz", download=download))
    labels = _idx(locate("mnist/t10k-labels-idx1-ubyte.gz", download=download))
    return images.reshape(len(images), -1).astype(np.float32) / 255, labels.astype(np.int64)


def _idx(path: Path) -> np.ndarray:
    data = gzip.decompress(path.read_bytes())
    shape = tuple(int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(data[3]))
    if data[:3] != b"\0\0\x08" or len(data) != 4 + 4 * data[3] + int(np.prod(shape)):
        raise FormatError(
            f"read {path.name}",
            f"{len(data)} bytes, shape {shape}",
            "an idx file of unsigned bytes",
        )
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def cranfield(*, download: bool = False) -> Texts:
    """Cranfield: 1400 aerodynamics abstracts, 225 questions, human judgements graded 1 to 4.

    The collection's own codes run from 1 (a complete answer) to 4 (of minimal interest) and 5 (of
    none; one file writes -1); the grade here is 5 minus the code, and what has grade 0 is dropped.
    Judgements number queries by position, not by the ``.I`` number in the query file.
    """
    documents = _smart(locate("cranfield/cran.all.1400", download=download))
    queries = _smart(locate("cranfield/cran.qry", download=download))
    relevant: dict[str, dict[str, int]] = {str(i + 1): {} for i in range(len(queries))}
    judgements = locate("cranfield/cranqrel", download=download).read_text(encoding="latin-1")
    for line in judgements.splitlines():
        query, document, code = line.split()[:3]
        if 1 <= int(code) <= 4:
            relevant[query][document] = 5 - int(code)
    return Texts(
        ids=tuple(number for number, _ in documents),
        documents=tuple(text for _, text in documents),
        query_ids=tuple(relevant),
        queries=tuple(text for _, text in queries),
        relevant=relevant,
    )


def _smart(path: Path) -> list[tuple[str, str]]:
    """Number and text (its ``.W`` field) of each record of a SMART file."""
    records = re.split(r"^\.I\s+", path.read_text(encoding="latin-1"), flags=re.M)[1:]
    found = []
    for record in records:
        number = record.split(None, 1)[0]
        text = re.search(r"^\.W\n(.*?)(?=^\.[A-Z]\n|\Z)", record, flags=re.M | re.S)
        found.append((number, " ".join(text.group(1).split()) if text else ""))
    return found


def debian(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Ids (n,) str and unit vectors (n, d) float16 of Debian 12's package descriptions.

    ``name`` is one of ``en-minilm384``, ``en-lsa256``, ``de-lsa256``, ``fr-lsa256``; a description
    in two languages keeps its id.
    """
    with np.load(locate(f"debian/{name}.npz"), allow_pickle=False) as stored:
        return stored["ids"], stored["vectors"]


def _fetch(name: str, origin: _Public) -> Path:
    from urllib.request import urlopen

    try:
        with urlopen(origin.url, timeout=60) as answer:
            data = answer.read()
    except OSError as error:
        raise MissingData(
            f"download {name!r}",
            f"{type(error).__name__} from {origin.url}",
            "the file",
            f"Put it below the folder that {VARIABLE} names.",
        ) from error
    if origin.member:
        data = _member(data, origin)
    opened = gzip.decompress(data) if name.endswith(".gz") else data
    digest = hashlib.sha256(opened).hexdigest()
    if digest != origin.sha256:
        raise FormatError(f"download {name!r}", f"SHA-256 {digest}", f"SHA-256 {origin.sha256}")
    target = cache_folder() / name
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".part")
    partial.write_bytes(data)
    partial.replace(target)
    return target


def _member(data: bytes, origin: _Public) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for entry in archive:
            held = archive.extractfile(entry) if entry.isfile() else None
            if held is not None and Path(entry.name).name == origin.member:
                return held.read()
    raise FormatError(f"download {origin.url}", "an archive", f"one that holds {origin.member}")
