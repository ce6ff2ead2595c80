"""Describe: what one space is, in one look: size, norms, spectrum, dimension, defects."""

from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np

from isthmus.core.arrays import to_numpy
from isthmus.core.errors import InputError
from isthmus.core.linalg import symmetric_eigen
from isthmus.core.moments import Moments
from isthmus.core.score import Score
from isthmus.measures.findings import row_faults
from isthmus.spaces.defects import Defects
from isthmus.spaces.open import open
from isthmus.spaces.space import Space

#: Rows the neighbour statistics and the spectrum look at; defects are found on all rows.
_ROWS = 10_000
_SHARES = (0.5, 0.9, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What ``isthmus info`` prints of a space.

    ``directions`` maps a share of the variance to how many principal directions carry it;
    ``dimension`` holds participation ratio and TwoNN; ``sampled`` the rows these were measured on;
    ``two_spaces`` is what the mixture test says, or "" when it sees one space.
    """

    name: str
    rows: int
    dim: int
    stored: str
    ids: str
    metric: str | None
    encoder: str | None
    norms: str
    defects: Defects
    directions: dict[str, int]
    dimension: dict[str, Score]
    sampled: int
    two_spaces: str
    recognisable: bool
    provenance: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "kind": "description", "name": self.name, "rows": self.rows, "dim": self.dim,
            "stored": self.stored, "ids": self.ids, "metric": self.metric,
            "encoder": self.encoder, "norms": self.norms, "defects": self.defects.as_dict(),
            "directions": self.directions, "sampled": self.sampled,
            "dimension": {name: score.as_dict() for name, score in self.dimension.items()},
            "two_spaces": self.two_spaces, "recognisable": self.recognisable,
            "provenance": self.provenance,
        }  # fmt: skip

    def __str__(self) -> str:
        d = self.defects
        lines = [
            ("rows", f"{self.rows:,}"),
            ("dimensions", f"{self.dim}"),
            ("stored as", f"{self.stored}, {self.ids} ids"),
            ("encoder", self.encoder or "not stated"),
            ("metric", self.metric or "not stated"),
        ]
        if d.norm_median is not None:
            lines.append(
                (
                    "norms",
                    f"{self.norms}: {d.norm_min:.4g} .. {d.norm_median:.4g} .. {d.norm_max:.4g}",
                )
            )
        if self.directions:
            parts = ", ".join(
                f"{share} of the variance in {n}" for share, n in self.directions.items()
            )
            lines.append(("spectrum", parts))
        for name, score in self.dimension.items():
            lines.append((name, str(score)))
        lines.append(("recognisable", "from 200 vectors" if self.recognisable else
                      "no: looks the same from every side"))  # fmt: skip
        for key, value in self.provenance.items():
            lines.append((str(key).replace("_", " "), str(value)))
        faults = self.faults()
        lines += [("defects", fault) for fault in faults] or [("defects", "none found")]
        # Faults name ids, which may be long: they stay whole.
        rows = [
            fill(
                f"  {name:<22}{text}", 80, subsequent_indent=" " * 24,
                break_long_words=False, break_on_hyphens=False,
            )
            for name, text in lines
        ]  # fmt: skip
        return "\n".join([self.name, *rows])

    def faults(self) -> list[str]:
        """What is wrong with the space, one sentence each; empty when nothing was found."""
        d = self.defects
        found = [str(fault) for fault in row_faults(d)]
        if d.constant_dims:
            found.append(f"{d.constant_dims} dimensions that never change")
        if d.mean_over_sd is not None and d.mean_over_sd > 10:
            found.append(
                f"a dimension whose mean is {d.mean_over_sd:.0f} standard deviations off 0"
            )
        if self.two_spaces:
            found.append(self.two_spaces)
        return found


def describe(source: Any) -> Description:
    """What ``source`` (a Space, a path or an array) is: size, norms, spectrum, dimension, defects.

    Defects and norms are found on all rows in one pass; spectrum, participation ratio, TwoNN and
    the test for two spaces on up to 10,000 evenly spread finite rows.

    >>> describe(np.eye(50)).rows
    50
    """
    space = source if isinstance(source, Space) else open(source)
    rows = np.unique(np.linspace(0, len(space) - 1, min(_ROWS, len(space))).astype(np.int64))
    sample = space.take(rows)
    finite = np.isfinite(sample).all(axis=1)
    sample, rows = sample[finite], rows[finite]
    two, recognisable, norms = "", False, "unknown"
    if len(sample):
        fingerprint = space.fingerprint()
        recognisable, norms = fingerprint.detects_rotation, fingerprint.norms
        mixture = fingerprint.mixture(sample, ids=space.take_ids(rows).tolist())
        two = mixture.reason if mixture.two_spaces else ""
    return Description(
        name=space.name, rows=len(space), dim=space.dim, stored=str(space.stored),
        ids=space.id_kind, metric=space.metric, encoder=space.encoder, norms=norms,
        defects=space.defects(), directions=_directions(sample), dimension=_dimension(sample),
        sampled=len(sample), two_spaces=two, recognisable=recognisable,
        provenance=space.provenance,
    )  # fmt: skip


def _directions(sample: np.ndarray) -> dict[str, int]:
    if len(sample) < 2:
        return {}
    # Shares have no scale, and at this one no square leaves float64.
    largest = float(np.abs(sample).max()) or 1.0
    scaled = to_numpy(sample).astype(np.float64) / largest
    values, _ = symmetric_eigen(Moments.of(scaled).scatter_xx)
    if not values.sum():
        return {}
    shares = np.cumsum(values) / values.sum()
    return {f"{share:.0%}": int(np.searchsorted(shares, share) + 1) for share in _SHARES}


def _dimension(sample: np.ndarray) -> dict[str, Score]:
    from isthmus.measures.participation_ratio import participation_ratio
    from isthmus.measures.two_nn import two_nn

    found = {}
    for name, measure in (
        ("participation ratio", participation_ratio),
        ("TwoNN dimension", two_nn),
    ):
        try:
            found[name] = measure(sample)
        except InputError:  # too few or too degenerate rows to say
            continue
    return found
