"""WordNet's nouns: what each means, what each is a kind of, and how often each is said.

Read from the database files that Debian's package ``wordnet-base`` installs (Fellbaum 1998).
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from isthmus.evidence.corpora import MissingData

FOLDERS = ("/usr/share/wordnet", "/usr/share/wordnet/dict")


@dataclass(frozen=True, slots=True)
class Nouns:
    """Noun synsets: ``names`` (first word), ``glosses``, ``parents`` (row numbers of the hypernyms,
    instances included) and ``counts`` (n,) of their senses in the tagged texts, by row.
    """  # noqa: D205

    names: tuple[str, ...]
    glosses: tuple[str, ...]
    parents: tuple[tuple[int, ...], ...]
    counts: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def below(self, row: int) -> np.ndarray:
        """Row numbers of all kinds of synset ``row``, itself first, breadth first."""
        children: dict[int, list[int]] = {}
        for child, above in enumerate(self.parents):
            for parent in above:
                children.setdefault(parent, []).append(child)
        found, seen = [row], {row}
        for one in found:  # grows as it is walked
            fresh = [child for child in children.get(one, []) if child not in seen]
            seen.update(fresh)
            found += fresh
        return np.array(found)

    def graph(self, rows: np.ndarray) -> csr_array:
        """Symmetric adjacency (m, m) of the kind-of links among ``rows`` (m,)."""
        place = {int(row): i for i, row in enumerate(rows)}
        links = [(place[int(r)], place[p]) for r in rows for p in self.parents[r] if p in place]
        one, two = np.array(links).reshape(-1, 2).T
        half = csr_array((np.ones(len(one)), (one, two)), shape=(len(rows), len(rows)))
        return csr_array(((half + half.T) > 0).astype(np.float64))


def nouns() -> Nouns:
    """All noun synsets of the WordNet on this machine.

    Raises
    ------
    MissingData
        When neither ``$WNSEARCHDIR`` nor the package's folder holds ``data.noun``.
    """
    folders = [Path(f) for f in (os.environ.get("WNSEARCHDIR"), *FOLDERS) if f]
    folder = next((f for f in folders if (f / "data.noun").is_file()), None)
    if folder is None:
        raise MissingData(
            "WordNet", f"no data.noun in {', '.join(map(str, folders))}", "WordNet's database",
            "Install it with: apt-get install wordnet-base",
        )  # fmt: skip
    return read(folder)


def read(folder: Path) -> Nouns:
    """The noun synsets in ``folder`` (``data.noun``, ``cntlist.rev`` where it exists)."""
    offsets: dict[str, int] = {}
    names: list[str] = []
    glosses: list[str] = []
    above: list[list[str]] = []
    words: list[list[tuple[str, str, str]]] = []
    for line in (folder / "data.noun").read_text("utf-8").splitlines():
        if line.startswith("  "):  # the licence
            continue
        facts, _, gloss = line.partition(" | ")
        fields = facts.split()
        spelt = int(fields[3], 16)  # so many words, each with its number within the file
        pointers = fields[5 + 2 * spelt :]
        kinds = zip(pointers[::4], pointers[1::4], strict=False)
        offsets[fields[0]] = len(names)
        names.append(fields[4])
        glosses.append(gloss.strip())
        above.append([offset for kind, offset in kinds if kind in ("@", "@i")])
        words.append(
            [(fields[4 + 2 * i].lower(), fields[1], fields[5 + 2 * i]) for i in range(spelt)]
        )
    parents = tuple(tuple(offsets[offset] for offset in one) for one in above)
    said = _counts(folder / "cntlist.rev")
    counts = [sum(said.get(word, 0) for word in one) for one in words]
    return Nouns(tuple(names), tuple(glosses), parents, np.array(counts))


def _counts(path: Path) -> dict[tuple[str, str, str], int]:
    """How often each noun sense was tagged, by word, file number and number within the file."""
    counts = {}
    if path.is_file():
        for line in path.read_text("utf-8").splitlines():
            key, _, count = line.split()
            word, _, sense = key.partition("%")
            kind, file, number, *_ = sense.split(":")
            if kind == "1":  # nouns
                counts[word, file, f"{int(number):x}"] = int(count)
    return counts
