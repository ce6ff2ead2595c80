"""PED: whether classes driven apart make LogME a better judge of encoders."""

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

import numpy as np

from isthmus.core.card import Paper
from isthmus.evidence.experiment import Evidence, Figure, over_seeds, recorded, seeds_from
from isthmus.evidence.pretrained import TASKS, Network, Target, accuracies, study
from isthmus.measures.log_me import log_me
from isthmus.measures.ped_transform import ped_transform

SLUG = "ped-potential-energy"
PAPER = Paper(
    "Exploring Model Transferability through the Lens of Potential Energy", "Li et al.", 2023
)
CLAIM = (
    "For eight encoders and three targets, LogME after classes were driven apart ranks them by "
    "fine-tuned accuracy with an average weighted Kendall's tau at least 0.05 above that of LogME "
    "before."
)
#: The two radii of the paper's code; the first is the one of the claim.
REACHES = (0.6, 0.3)

#: From vectors (n, d) and labels (n,) to moved vectors.
Transform = Callable[[np.ndarray, np.ndarray, float], np.ndarray]
Study = Callable[[int], tuple[Sequence[Network], Mapping[str, Target]]]


def driven(x: np.ndarray, labels: np.ndarray, reach: float) -> np.ndarray:
    """``x`` after the descent, with the constants of the paper's code."""
    return np.asarray(ped_transform(x, labels, reach=reach).parts["moved"])


def taus(
    networks: Sequence[Network], target: Target, transform: Transform, *, seed: int
) -> list[float]:
    """Weighted tau with fine-tuned accuracy of LogME before, and after at every reach."""
    from scipy.stats import weightedtau

    right = accuracies(networks, target, seed=seed)
    labels = target.labelled[1]
    vectors = [network.encode(target.labelled[0]) for network in networks]
    found = [weightedtau([float(log_me(x, labels)) for x in vectors], right).statistic]
    for reach in REACHES:
        after = [float(log_me(transform(x, labels, reach), labels)) for x in vectors]
        found.append(weightedtau(after, right).statistic)
    return [float(tau) for tau in found]


def experiment(
    seeds: Sequence[int], *, transform: Transform = driven, make: Study = study
) -> dict[str, Figure]:
    """Tau before and after, averaged over targets, and by target."""
    rows = []
    for seed in seeds:
        networks, targets = make(seed)
        rows.append([taus(networks, t, transform, seed=seed) for t in targets.values()])
        names = list(targets)
    found = np.array(rows)  # (seeds, targets, 1 + reaches)
    mean = found.mean(axis=1)
    s, n = tuple(seeds), len(TASKS)
    figures = {
        "gain": over_seeds(
            f"weighted tau after (reach {REACHES[0]}) above before, mean over targets",
            (mean[:, 1] - mean[:, 0]).tolist(), n=n, seeds=s, at_least=0.05,
        ),
        "gain_small": over_seeds(
            f"the same at reach {REACHES[1]}", (mean[:, 2] - mean[:, 0]).tolist(), n=n, seeds=s
        ),
        "before": over_seeds("weighted tau of LogME before", mean[:, 0].tolist(), n=n, seeds=s),
        "after": over_seeds("weighted tau of LogME after", mean[:, 1].tolist(), n=n, seeds=s),
    }  # fmt: skip
    for i, name in enumerate(names):
        for j, when in enumerate(("before", "after")):
            figures[f"{name}_{when}"] = over_seeds(
                f"weighted tau {when} on {name}", found[:, i, j].tolist(), n=n, seeds=s
            )
    return figures


def run(*, seed: int = 0) -> Evidence:
    """The claim on six seeds; about two minutes."""
    started = perf_counter()
    figures = experiment(seeds_from(seed, 6))
    value = {name: figure.value for name, figure in figures.items()}
    by_target = "; ".join(
        f"{name} {value[f'{name}_before']:.2f} to {value[f'{name}_after']:.2f}"
        for name in ("mnist", "large", "digits")
    )
    return recorded(
        SLUG, PAPER, CLAIM, seed=seed, started=started, figures=figures,
        what_holds=(
            "Fashion-MNIST is not at hand: the targets are MNIST, its five larger digits and "
            "scikit-learn's digits, 20 labels a class; the encoders are eight MLPs pretrained in "
            f"eight ways. Weighted tau of LogME goes from {value['before']:.2f} to "
            f"{value['after']:.2f} ({by_target}), a change of {value['gain']:+.3f}, and of "
            f"{value['gain_small']:+.3f} at the smaller reach."
        ),
    )  # fmt: skip
