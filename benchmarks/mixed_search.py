"""Recall of a half-migrated collection: MixedSearch against one query, and against raw scores.

    python benchmarks/mixed_search.py [Cranfield] [Debian] [French] [--draw | --told]

Cranfield under LSA and MiniLM with human judgements; Debian's package descriptions, where a German
description, under an encoder that is linear in its LSA vector, looks for its English original.
French ones do the same, and had no part in choosing how scores are calibrated. Rows migrate in five
random orders and, the harder case, topic by topic in two. ``told_apart`` is the share of rows that,
half of them overwritten in place, are told old from new by their nearest reference row, where two
encoders are of one width: Cranfield's, and Debian's LSA of two languages. ``--told`` measures only
that; ``--draw`` only draws docs/images/mixed_search.svg from the figures kept.
"""

import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
from record import RESULTS, record

import isthmus
from isthmus.bridges import Affine
from isthmus.core.neighbors import unit
from isthmus.demo.encoders import lsa, minilm
from isthmus.evidence.corpora import cranfield, debian
from isthmus.upgrade.mixed_ends import in_new_space
from isthmus.upgrade.mixed_search import MixedSearch

FRACTIONS = np.arange(11) / 10
PICTURE = Path(__file__).parent.parent / "docs" / "images" / "mixed_search.svg"
K, ORDERS, TOPICS, REFERENCE = 10, 5, 2, 1000
DOCUMENTS, QUERIES = 4000, 250


def from_cranfield():
    """Old and new documents, old and new queries, rows that answer, and pairs to learn from."""
    texts = cranfield()
    row = {key: i for i, key in enumerate(texts.ids)}
    answers = [{row[d] for d in texts.relevant[q] if d in row} for q in texts.query_ids]
    asked = [i for i, rows in enumerate(answers) if rows]
    old, new = lsa(texts.documents, dim=384), minilm()
    queries = [texts.queries[i] for i in asked]
    sides = old(texts.documents), new(texts.documents), old(queries), new(queries)
    return *sides, [answers[i] for i in asked], sides[:2]


def from_debian(language):
    """The same; the encoders of that language are fitted on descriptions neither asked nor kept."""
    ids, old = debian("en-lsa256")
    foreign_ids, foreign = debian(f"{language}-lsa256")
    old, new, foreign = (unit(x) for x in (old, debian("en-minilm384")[1], foreign))
    where = {key: i for i, key in enumerate(ids)}
    own = np.array([where.get(key, -1) for key in foreign_ids])
    foreign, own = foreign[own >= 0], own[own >= 0]
    rng = np.random.default_rng(0)
    order = rng.permutation(len(own))
    test, train = order[:QUERIES], order[QUERIES:]
    asked = [unit(Affine().fit(foreign[train], side[own[train]]).transform(foreign[test]))
             for side in (old, new)]  # fmt: skip
    others = np.setdiff1d(np.arange(len(ids)), own)
    kept = np.concatenate([own[test], rng.permutation(others)[: DOCUMENTS - QUERIES]])
    learnt = own[train][:8000]
    answers = [{i} for i in range(QUERIES)]
    return old[kept], new[kept], *asked, answers, (old[learnt], new[learnt])


def told_apart(old, new):
    """Share of rows told right by rows that the reference does not hold, a random half new."""
    rng = np.random.default_rng(0)
    order = rng.permutation(len(old))
    known, asked = order[:REFERENCE], order[REFERENCE:]
    if len(asked) < REFERENCE:  # a small collection is asked with its reference among it
        asked = order
    mask = rng.random(len(asked)) < 0.5
    rows = np.where(mask[:, None], new[asked], old[asked])
    told = in_new_space(isthmus.open(rows), isthmus.pair(old[known], new[known]))
    return {"rows": len(asked), "right": round(float((told == mask).mean()), 4)}


def of_one_width(corpus):
    """Old and new vectors (n, d) of the same documents."""
    if corpus == "Cranfield":
        return from_cranfield()[:2]
    ids, old = debian("en-lsa256")
    others, new = debian(f"{'de' if corpus == 'Debian' else 'fr'}-lsa256")
    _, one, two = np.intersect1d(ids, others, return_indices=True)
    return unit(old[one]), unit(new[two])


def recall(rows, answers):
    return float(
        np.mean([len(a & set(r.tolist())) / len(a) for r, a in zip(rows, answers, strict=True)])
    )


def orders(new):
    """Random orders of migration, and orders along a random direction of the new space."""
    rngs = [np.random.default_rng(seed) for seed in range(ORDERS)]
    directions = np.random.default_rng(100).normal(size=(TOPICS, new.shape[1]))
    by_topic = [np.argsort(new @ direction, kind="stable") for direction in directions]
    return {"random": [rng.permutation(len(new)) for rng in rngs], "by_topic": by_topic}


# "raw" merges both searches by their scores as they are; "one" asks all rows, as stored, with the
# single new query, which where widths differ sees the migrated rows alone.
def curves(old, new, old_queries, new_queries, answers, learnt, way):
    """Recall at every fraction, one row an order, of each way to search the mixture."""
    reference = isthmus.pair(learnt[0][:REFERENCE], learnt[1][:REFERENCE])
    ends = learnt[::-1] if way != "corpus bridged" else learnt
    bridge = isthmus.fit(*ends, method="affine")
    asked = {
        "old queries": lambda: (old_queries, old),
        "query bridged": lambda: (bridge.transform(new_queries), old),
        "corpus bridged": lambda: (new_queries, bridge.transform(old)),
    }
    to_old, to_new = scores(*asked[way]()), scores(new_queries, new)
    swapped = scores(new_queries, old) if old.shape == new.shape else np.full(to_new.shape, -np.inf)
    found = {}
    for kind, some in orders(new).items():
        for order in some:
            mixed = MixedSearch(old, None, bridge, reference=reference)
            line = {"mixed": [], "raw": [], "one": []}
            done = 0
            for fraction in FRACTIONS:
                upto = round(fraction * len(new))
                if upto > done:
                    mixed.migrate(order[done:upto], new[order[done:upto]])
                    done = upto
                hits = mixed.search(
                    new_queries, K, old_queries=old_queries if way == "old queries" else None
                )
                line["mixed"].append(recall(hits.ids, answers))
                migrated = np.isin(np.arange(len(new)), order[:upto])
                line["raw"].append(recall(best(np.where(migrated, to_new, to_old)), answers))
                line["one"].append(recall(best(np.where(migrated, to_new, swapped)), answers))
            for name, values in line.items():
                found.setdefault(kind, {}).setdefault(name, []).append(np.round(values, 5).tolist())
    return found


def scores(queries, base):
    return unit(queries) @ unit(base).T


def best(scored):
    """The best rows by scores as they are; where no row can be scored, none."""
    rows = np.argsort(-scored, axis=1, kind="stable")[:, :K]
    return np.where(np.isfinite(np.take_along_axis(scored, rows, axis=1)), rows, -1)


def summary(found):
    """Mean curves, their 95 % intervals over orders, and the claim's margin."""
    told = {}
    for kind, lines in found.items():
        for name, values in lines.items():
            values = np.array(values)
            worse = float(min(values[:, 0].mean(), values[:, -1].mean()))
            spread = 2.776 * values.std(axis=0, ddof=1) / len(values) ** 0.5
            told[f"{kind}, {name}"] = {
                "recall": np.round(values.mean(axis=0), 4).tolist(),
                **({"interval": np.round(spread, 4).tolist()} if len(values) == ORDERS else {}),
                "below_worse_end": round(float(max(worse - values.mean(axis=0).min(), 0.0)), 4),
                "in_the_worst_order": round(float(max(worse - values.min(), 0.0)), 4),
            }  # fmt: skip
    return told


def main(only, *, told=False):
    made = RESULTS / "mixed_search.json"
    figures = json.loads(made.read_text())["figures"] if made.exists() else {}
    kept, right = figures.get("cases", {}), figures.get("told_apart", {})
    for corpus, bring in CORPORA.items():
        if only and corpus not in only:
            continue
        right[corpus] = told_apart(*of_one_width(corpus))
        if told:
            continue
        old, new, q_old, q_new, answers, learnt = bring()
        for way in ("old queries", "query bridged", "corpus bridged"):
            found = curves(old, new, q_old, q_new, answers, learnt, way)
            kept[f"{corpus}, LSA to MiniLM, {way}"] = summary(found)
        found = curves(new, old, q_new, q_old, answers, learnt[::-1], "old queries")
        kept[f"{corpus}, MiniLM to LSA, old queries"] = summary(found)
    record("mixed_search", {
        "k": K, "orders": ORDERS, "topic_orders": TOPICS, "reference": REFERENCE,
        "fractions": {"values": FRACTIONS.tolist()}, "cases": kept, "told_apart": right,
    }, whole=True)  # fmt: skip


CORPORA = {
    "Cranfield": from_cranfield, "Debian": partial(from_debian, "de"),
    "French": partial(from_debian, "fr"),
}  # fmt: skip


def draw():
    """The curves of random orders, as docs/mixed-search.md shows them."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    cases = json.loads((RESULTS / "mixed_search.json").read_text())["figures"]["cases"]
    style = {"svg.fonttype": "none", "svg.hashsalt": "isthmus", "font.size": 9,
             "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"],
             "axes.spines.top": False, "axes.spines.right": False,
             "legend.frameon": False}  # fmt: skip
    looks = (("mixed", "MixedSearch", "#0072b2", "-"),
             ("raw", "two searches, raw scores", "#c94f00", (0, (5, 2))),
             ("one", "one query", "#626b76", (0, (1, 1.5))))  # fmt: skip
    shown = [f"{corpus}, LSA to MiniLM, {way}" for corpus in ("Cranfield", "Debian")
             for way in ("old queries", "query bridged")]  # fmt: skip
    with plt.rc_context(style):
        figure, grid = plt.subplots(2, 2, figsize=(7.2, 5.2), sharex=True, layout="constrained")
        for axes, name in zip(grid.ravel(), shown, strict=True):
            for key, label, colour, dash in looks:
                curve = cases[name][f"random, {key}"]
                axes.plot(FRACTIONS, curve["recall"], color=colour, linestyle=dash, label=label)
                middle, half = np.array(curve["recall"]), np.array(curve["interval"])
                axes.fill_between(
                    FRACTIONS, middle - half, middle + half, color=colour, alpha=0.2, linewidth=0
                )
            axes.set_title(name.replace(", LSA to MiniLM", ""), fontsize=9)
            axes.set_ylim(bottom=0)
        for axes in grid[:, 0]:
            axes.set_ylabel("recall@10")
        for axes in grid[1]:
            axes.set_xlabel("share of rows migrated")
        grid[0, 0].legend(loc="lower right", fontsize=8)
        figure.savefig(PICTURE, metadata={"Date": None})


if __name__ == "__main__":
    if "--draw" not in sys.argv:
        main([name for name in sys.argv[1:] if name in CORPORA], told="--told" in sys.argv)
    if "--told" not in sys.argv:
        draw()
