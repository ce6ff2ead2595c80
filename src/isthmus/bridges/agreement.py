"""Can a map found without pairs be trusted? Two fits that know nothing of each other must agree."""

from collections.abc import Mapping

import numpy as np

from isthmus.bridges.matching import best_matches
from isthmus.core.errors import NoReliableBridge

#: Agreement below which no map is given; ``docs/results/unpaired.md`` says what it lets through.
LEAST = 0.2
#: Rows that are asked.
_ASKED = 4000


def agreement(first: np.ndarray, second: np.ndarray, target: np.ndarray) -> float:
    """How often two maps choose the same target row by CSLS, beyond chance, in [0, 1].

    Wrong maps are wrong each in its own way: of m target rows two of them choose the same about
    once in m times, more often only where hubs attract both, which ``beyond_chance`` discounts.

    Parameters
    ----------
    first, second : (n, d) float32 unit rows, the same source rows carried across by either map
    target : (m, d) float32 unit rows
    """
    rows = np.linspace(0, len(first) - 1, min(_ASKED, len(first))).astype(int)
    chosen = [best_matches(side[rows], target)[0] for side in (first, second)]
    return beyond_chance(*chosen)


def beyond_chance(first: np.ndarray, second: np.ndarray) -> float:
    """Cohen's kappa of two lists of choices (n,), 0 where it is negative or where all are one.

    (p - e) / (1 - e) with p the share of equal ones, e the share expected from how often each row
    is chosen by either.

    >>> beyond_chance(np.array([0, 1, 2]), np.array([0, 1, 2])), beyond_chance(*np.zeros((2, 3)))
    (1.0, 0.0)
    """
    rows, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    one, two = (np.bincount(p, minlength=len(rows)) / len(p) for p in np.split(places, 2))
    expected = float(one @ two)
    if expected > 1 - 1e-9:
        return 0.0
    return max(0.0, (float(np.mean(first == second)) - expected) / (1 - expected))


def demand(
    operation: str, confidence: float, least: float, signals: Mapping[str, float] | None = None
) -> None:
    """Raise NoReliableBridge, naming the ``signals``, when ``confidence`` is below ``least``."""
    if confidence < least:
        seen = ", ".join(f"{name} {value:.2f}" for name, value in (signals or {}).items())
        raise NoReliableBridge(
            operation, f"maps from independent starts that agree on {confidence:.1%} of rows"
            + (f" ({seen})" if seen else ""),
            f"at least {least:.0%}",
            "Give known pairs=(i, j), more rows, or spaces that share more.",
        )  # fmt: skip
