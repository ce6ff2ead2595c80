"""The figures of ``study.py`` from its answers; docs/results/study.md, with picture, from them."""

import textwrap
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.stats import rankdata
from study_spaces import SEEDS, origin, sort_of

from isthmus.core.registry import methods

SEEN, ASKED = 1000, 1000
BRIDGES = ("orthogonal", "affine", "relative")
RESAMPLES = 1000
#: Processor seconds a measure may take on one pair; slower ones are left out, and named.
SLOW = 0.3
#: Pairs below which a kind of pairs has no correlation worth the name.
ENOUGH = 8
PAGE = Path(__file__).parents[1] / "docs" / "results" / "study.md"
PICTURE = PAGE.parents[1] / "images" / "study.svg"
SCOPES = ("all", "different models", "inside kinds")


def spearman(a, b):
    """Spearman's correlation; 0 where one side is constant."""
    a, b = rankdata(a), rankdata(b)
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def within(values, recall, sorts):
    """Spearman inside each kind of pairs, averaged over kinds by their pairs; None without any."""
    total, pairs = 0.0, 0
    for sort in np.unique(sorts):
        rows = np.flatnonzero(sorts == sort)
        if len(rows) >= ENOUGH:
            total += len(rows) * spearman(values[rows], recall[rows])
            pairs += len(rows)
    return total / pairs if pairs else None


def correlations(pairs, values, recall):
    """Spearman over all pairs, over pairs of different models, and inside kinds; None if too few.

    ``values`` holds NaN where the measure refused.
    """
    apart = np.array([origin(a) != origin(b) for a, b in pairs])
    names = sorted({sort_of(pair) for pair in pairs})
    sorts = np.array([names.index(sort_of(pair)) for pair in pairs])
    return _three(values, recall, apart, sorts)


def _three(values, recall, apart, sorts):
    known = np.isfinite(values)
    values, recall, apart, sorts = values[known], recall[known], apart[known], sorts[known]
    return [
        spearman(values, recall) if len(values) >= ENOUGH else None,
        spearman(values[apart], recall[apart]) if apart.sum() >= ENOUGH else None,
        within(values, recall, sorts),
    ]


def resampled(pairs, names, table, recall):
    """``correlations`` of every measure in every one of the same resamples of spaces.

    A space drawn twice brings its pairs twice, and no pair with itself.
    """
    rng = np.random.default_rng(0)
    place = {pair: i for i, pair in enumerate(pairs)}
    apart = np.array([origin(a) != origin(b) for a, b in pairs])
    kinds = sorted({sort_of(pair) for pair in pairs})
    sorts = np.array([kinds.index(sort_of(pair)) for pair in pairs])
    drawn = {name: [] for name in table}
    for _ in range(RESAMPLES):
        picked = rng.choice(len(names), len(names))
        rows = [
            place[key]
            for i, j in combinations(picked, 2)
            for key in ((names[i], names[j]), (names[j], names[i]))
            if key in place
        ]
        for name, values in table.items():
            drawn[name].append(_three(values[rows], recall[rows], apart[rows], sorts[rows]))
    return {name: np.array(one, dtype=np.float64) for name, one in drawn.items()}


def identified(table, seeds, layers):
    """Share of (seed, other seed, layer) whose best match is the same depth, with its error.

    The error is a jackknife over networks, for every pair of them shares each.
    """
    right = np.full((len(seeds), len(seeds)), np.nan)
    for i, seed in enumerate(seeds):
        for j, other in enumerate(seeds):
            if i != j:
                best = [
                    np.argmax([table[f"{seed}-{layer}", f"{other}-{m}"] for m in layers])
                    for layer in layers
                ]
                right[i, j] = np.mean(np.array(best) == np.arange(len(layers)))
    left = [
        np.nanmean(np.delete(np.delete(right, i, 0), i, 1)) for i in range(len(seeds))
    ]  # fmt: skip
    n = len(seeds)
    return float(np.nanmean(right)), float(
        np.sqrt((n - 1) / n * np.sum((left - np.mean(left)) ** 2))
    )


def figures_of(answers):
    figures = {"predicts": {}, "layers": {}, "recall": {}, "counts": {}}
    for kind, recall in answers["recall"].items():
        pairs = [tuple(pair) for pair in answers["pairs"][kind]]
        recall = np.array(recall)
        figures["recall"][kind] = np.percentile(recall, [5, 50, 95]).tolist()
        sorts = [sort_of(pair) for pair in pairs]
        figures["counts"][kind] = [
            len(pairs),
            sum(origin(a) != origin(b) for a, b in pairs),
            sum(sorts.count(sort) >= ENOUGH for sort in sorts),
        ]
        table = {
            name: np.array([np.nan if v is None else v for v in values[kind]], dtype=np.float64)
            for name, values in answers["values"].items()
        }
        # A measure that refuses more than a tenth of the pairs is not compared on the rest.
        table = {k: v for k, v in table.items() if np.isfinite(v).mean() >= 0.9}
        drawn = resampled(pairs, answers["spaces"][kind], table, recall)
        whole = {name: correlations(pairs, values, recall) for name, values in table.items()}
        for scope in range(3):
            known = [name for name in whole if whole[name][scope] is not None]
            if not known:
                continue
            best = max(known, key=lambda name: abs(whole[name][scope]))
            for name in known:
                one = drawn[name][:, scope]
                behind = np.abs(drawn[best][:, scope]) - np.abs(one)
                low, high = np.nanpercentile(one, [2.5, 97.5])
                row = figures["predicts"].setdefault(name, {}).setdefault(kind, [None] * 3)
                row[scope] = [
                    whole[name][scope], float(low), float(high),
                    bool(np.nanpercentile(behind, 2.5) <= 0),
                ]  # fmt: skip
    for name, values in answers["values"].items():
        for kind in sorted(k for k in answers["pairs"] if k.startswith("layers-")):
            pairs = answers["pairs"][kind]
            if (
                any(value is None for value in values[kind])
                or answers["itself"][name][kind] is None
            ):
                continue
            # A distance matches by its smallest value: a layer with itself says which it is.
            sign = 1 if answers["itself"][name][kind] > np.mean(values[kind]) else -1
            table = {}
            for (a, b), value in zip(pairs, values[kind], strict=True):
                table[a, b] = table[b, a] = sign * value
            seeds = sorted({a.partition("-")[0] for pair in pairs for a in pair})
            depth = sorted({int(a.partition("-")[2]) for pair in pairs for a in pair})
            figures["layers"].setdefault(name, {})[kind] = identified(table, seeds, depth)
    return figures


def ranked(figures):
    """Measures by their mean correlation over pairs of different models, best first."""
    return sorted(
        figures["predicts"],
        key=lambda name: -np.mean([abs(row[1][0]) for row in figures["predicts"][name].values()]),
    )


def draw(figures, answers):
    """The picture: what the best measure says against what the bridge recalls."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    plt.rcParams |= {"svg.hashsalt": "study", "font.size": 9}
    best = ranked(figures)[0]
    fig, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True)
    for axis, (kind, recall) in zip(axes, answers["recall"].items(), strict=True):
        pairs, values = answers["pairs"][kind], answers["values"][best][kind]
        for same, colour, label in (
            (False, "#1f6f8b", "different models"), (True, "#e07a3f", "one model"),
        ):  # fmt: skip
            rows = [i for i, (a, b) in enumerate(pairs) if (origin(a) == origin(b)) == same]
            axis.scatter([values[i] for i in rows], [recall[i] for i in rows], s=14,
                         color=colour, alpha=0.7, linewidths=0, label=label)  # fmt: skip
        axis.set(title=kind, xlabel=best)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("recall@1 of the best bridge")
    axes[0].legend(frameon=False)
    fig.tight_layout()
    PICTURE.parent.mkdir(exist_ok=True)
    fig.savefig(PICTURE, metadata={"Date": None})


def page(figures, answers):
    """docs/results/study.md."""
    kinds = list(answers["recall"])
    counts = figures["counts"]
    lines = [
        "# Which measure predicts what a bridge recalls, and which finds the matching layer?", "",
        "Written by `python benchmarks/study.py`; figures and every answer behind them are in",
        "[study.json](../../benchmarks/results/study.json).", "",
        *_reading(figures, answers), "",
        "## Recall of the best bridge", "",
        f"Every measure looked at {SEEN:,} paired rows of two spaces. Three bridges",
        f"({', '.join(BRIDGES)}) were fitted on the same rows and asked to find the partner of",
        f"{ASKED:,} other rows among each other; the best one's recall@1 counts, the mean of both",
        "directions. *texts*: docstrings under layers 0, 2, 4 and 6 of MiniLM, damaged copies of",
        "the last (32 principal components, whitened, noisy, signs), a static model distilled,",
        "LSA of several widths fitted on halves of other docstrings, and random word vectors.",
        "*images*: MNIST as pixels, principal components, hidden layers of three classifiers,",
        "codes of three autoencoders, and random features. Recall: "
        + "; ".join(
            f"{kind} {', '.join(f'{q:.2f}' for q in figures['recall'][kind])}" for kind in kinds
        )
        + " (5, 50 and 95 % points over pairs).", "",
        "Spearman's correlation of measure and recall over pairs of spaces, three ways: *all*",
        "pairs; pairs of *different models* alone, without layers of one network or damaged",
        "copies of one space; and *inside kinds* of pairs (layer with layer, layer with LSA, ...;",
        f"kinds of at least {ENOUGH} pairs, averaged by their number), which no difference between",
        "kinds can produce. In brackets the 95 % interval from 1,000 resamples of the spaces (not",
        "of the pairs, which share spaces). The sign says only which way a measure grows. **Bold**",
        "is what those resamples cannot tell from the best of its column. Sorted by *different",
        "models*, the mean of both sides. The intervals are over spaces like these, and do not",
        "speak of other kinds of models.", "",
        "![The best measure against recall](../images/study.svg)", "",
        "| measure | " + " | ".join(
            f"{kind}: {scope} ({counts[kind][i]})"
            for kind in kinds
            for i, scope in enumerate(SCOPES)
        ) + " |",
        "|---|" + "---|" * 3 * len(kinds),
    ]  # fmt: skip
    for name in ranked(figures):
        row = figures["predicts"][name]
        cells = [_cell(row[kind][i]) if kind in row else "-" for kind in kinds for i in range(3)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    stacks = [kind for kind in answers["pairs"] if kind.startswith("layers-")]
    depths = {
        kind: len({a.partition("-")[2] for pair in answers["pairs"][kind] for a in pair})
        for kind in stacks
    }
    lines += [
        "", "## The same layer across seeds", "",
        f"Networks from {len(SEEDS)} seeds: each layer of one is matched to the layer of another",
        "that is most like it, on 600 images none was trained on. Share matched to the same depth,",
        "with its standard error, a jackknife over networks. Chance: "
        + ", ".join(f"{1 / depths[kind]:.2f} for {_title(kind)}" for kind in stacks) + ".", "",
        "| measure | " + " | ".join(f"{_title(kind)}, {depths[kind]} layers" for kind in stacks)
        + " |",
        "|---|" + "---|" * len(stacks),
    ]  # fmt: skip
    layers = figures["layers"]
    order = sorted(layers, key=lambda name: -np.mean([c[0] for c in layers[name].values()]))
    for name in order:
        row = layers[name]
        cells = [f"{row[k][0]:.2f} ± {row[k][1]:.2f}" if k in row else "-" for k in stacks]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    if answers["too slow"]:
        lines += ["", f"Left out, above {SLOW:g} processor seconds a pair of {SEEN:,} rows: "
                  f"{', '.join(answers['too slow'])}."]  # fmt: skip
    refused = sorted(set(answers["values"]) - set(figures["predicts"]))
    besides = [m.name for m in methods("measures") if m.card.spaces == 2 and m.card.given]
    lines += [
        "", "Left out of recall, for refusing more than a tenth of the pairs (unequal widths, or "
        f"constant columns): {', '.join(refused)}. Left out of both, for they take more than two "
        f"spaces: {', '.join(besides)}.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _reading(figures, answers):
    """What the tables say, in words, whatever they say."""
    predicts, said = figures["predicts"], []
    for kind in answers["recall"]:
        for scope, what in ((1, "pairs of different models"), (2, "pairs of one kind")):
            mine = {name: row[kind][scope] for name, row in predicts.items() if kind in row}
            rows = {name: cell for name, cell in mine.items() if cell is not None}
            best = max(rows, key=lambda name: abs(rows[name][0]))
            level = [name for name, cell in rows.items() if cell[3] and name != best]
            text = _cell(rows[best]).replace("*", "")
            said.append(
                f"**{kind.capitalize()}, {what}**: {best} goes with recall the most, {text}. Level "
                f"with it, as far as these spaces can tell, of {len(rows)} measures: {len(level)}"
                + (f" ({', '.join(level)})." if 0 < len(level) < 9 else ".")
            )
        middle = [
            np.median([abs(r[kind][i][0]) for r in predicts.values() if kind in r and r[kind][i]])
            for i in range(3)
        ]
        said.append(
            f"On {kind} the median measure has a correlation of {middle[0]:.2f} over all pairs, "
            f"{middle[1]:.2f} over pairs of different models and {middle[2]:.2f} inside kinds: "
            + (
                "part of what looks like foresight is knowing one's own layers and copies."
                if middle[2] < middle[0] - 0.1
                else "pairs alike for trivial reasons are not what makes it."
            )
        )
    both = [name for name, row in predicts.items() if len(row) == 2]
    sides = [[abs(predicts[name][kind][1][0]) for name in both] for kind in answers["recall"]]
    said.append(
        f"Do measures that predict well on one of the two predict well on the other? Spearman's "
        f"correlation of the two columns of different models, over {len(both)} measures, is "
        f"{spearman(*sides):+.2f}."
    )
    layers = {
        name: np.mean([cell[0] for cell in row.values()]) for name, row in figures["layers"].items()
    }
    top = sorted(layers, key=lambda name: -layers[name])
    shared = [name for name in both if name in layers]
    rest = spearman(
        [layers[name] for name in shared],
        [np.mean([side[both.index(name)] for side in sides]) for name in shared],
    )
    ends = [", ".join(f"{n} ({layers[n]:.2f})" for n in some) for some in (top[:5], top[-5:])]
    said.append(
        f"**Layers**: the best at finding the layer of the same depth are {ends[0]}; the worst "
        f"{ends[1]}. Do measures that find layers predict recall? Over {len(shared)} measures the "
        f"two go together with {rest:+.2f}."
    )
    return [line for text in said for line in [*textwrap.wrap(text, 88), ""]][:-1]


def _title(kind):
    return {"layers-digits": "digits", "layers-mnist": "MNIST"}[kind]


def _cell(cell):
    if cell is None:
        return "-"
    value, low, high, level = cell
    text = f"{value:+.2f}"
    return (f"**{text}**" if level else text) + f" [{low:+.2f}, {high:+.2f}]"
