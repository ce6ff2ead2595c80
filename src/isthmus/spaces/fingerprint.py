"""Fingerprints: what a space is recognised by, declared and measured."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.core.errors import InputError
from isthmus.core.json_text import clip
from isthmus.core.random import Seed, generator
from isthmus.spaces.codebook import Codebook, distinct
from isthmus.spaces.fingerprint_fields import (
    bad,
    count,
    decoded,
    encoded,
    numbers,
    short_text,
    unit_rows,
)
from isthmus.spaces.sampling import random_rows, spread_rows, take, with_rows
from isthmus.spaces.sketch import (
    FALSE_ALARM,
    MAX_DIRECTIONS,
    MAX_QUIET,
    MIN_BATCH,
    Level,
    Sketch,
)

if TYPE_CHECKING:
    from isthmus.spaces.mixture import Mixture
    from isthmus.spaces.space import Space

_MAX_ROWS = 20_000
_MAX_DIM = 1 << 16
#: Entries of a codebook that a fingerprint may hold; a file that claims more is not ours.
_MAX_ENTRIES = 1 << 20
_POLICIES = ("unit", "constant", "free")
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Whether vectors belong to a space, and on what grounds.

    ``ok`` is False only on evidence: where nothing can be told, ``ok`` is True, ``decided`` False
    and ``reason`` says why. ``statistic`` is compared to ``threshold`` (foreign when below), and
    ``false_alarm`` is the share of batches of the space itself that fall below, at most. Where the
    verdict rests on something else (dim, norms, names), both are 0.
    """

    ok: bool
    decided: bool
    n: int
    reason: str
    statistic: float = 0.0
    threshold: float = 0.0
    false_alarm: float = FALSE_ALARM

    def __bool__(self) -> bool:
        return self.ok


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fingerprint:
    """What a space is recognised by: declared names, norms, and a sketch of its directions.

    ``norms`` is "unit", "constant" or "free", ``norm_range`` the lowest, typical and highest norm
    that the median of a batch may have; ``rows`` counts the rows it was measured on. Make one with
    ``Fingerprint.of``.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(2000, 16)) * np.linspace(3, 0.1, 16) + 1
    >>> known = Fingerprint.of(x[:1500], encoder="mine")
    >>> known.matches(x[1500:]).ok, known.matches(x[1500:, ::-1]).ok
    (True, False)
    """

    encoder: str | None
    dim: int
    metric: str | None
    norms: str
    norm_range: tuple[float, float, float]
    rows: int
    sketch: Sketch = field(repr=False)

    @classmethod
    def of(
        cls,
        vectors: Any,
        *,
        encoder: str | None = None,
        metric: str | None = None,
        rng: Seed = 0,
    ) -> "Fingerprint":
        """Measure the fingerprint of ``vectors`` (n, d), from at most 20,000 of its rows.

        Two thirds of them make a codebook, by spherical k-means of ``(x - mean) / |x - mean|``;
        the rest calibrate it. Zero vectors are left out.

        Raises
        ------
        InputError
            When ``vectors`` is not a finite, non-empty matrix.
        """
        random = generator(rng)
        vectors, n = with_rows(vectors, operation="fingerprint")
        x = take(vectors, random_rows(n, _MAX_ROWS, random), operation="fingerprint")
        length = _norms(x)
        x, length = x[length > 0], length[length > 0]
        policy, norm_range = _norm_policy(length)
        return cls(
            encoder=encoder,
            dim=x.shape[1],
            metric=metric,
            norms=policy,
            norm_range=norm_range,
            rows=len(x),
            sketch=Sketch.of(x[random.permutation(len(x))], random),
        )

    @classmethod
    def of_space(cls, space: "Space", *, rows: int = _MAX_ROWS) -> "Fingerprint":
        """Measure the fingerprint of a space from ``rows`` evenly spread rows, finite ones only.

        Raises
        ------
        InputError
            When none of these rows is finite.
        """
        x = np.asarray(space.take(spread_rows(len(space), rows)), dtype=np.float64)
        finite = x[np.isfinite(x).all(axis=1)]
        if not len(finite):
            raise InputError("fingerprint", f"{len(x)} rows, none finite", "finite rows")
        return cls.of(finite, encoder=space.encoder, metric=space.metric)

    @property
    def detects_rotation(self) -> bool:
        """Whether 200 rows suffice to tell this space from its rotated copy, by self-test."""
        return self.sketch.tells(self.sketch.rotated)

    def matches(self, batch: Any) -> Match:
        """Whether ``batch`` (n, d) comes from this space, by its width, norms and directions.

        The statistic is the mean over distinct rows of the largest cosine, about the mean, with a
        direction of the codebook. A batch that scores low but keeps the space's quiet directions
        quiet is on other topics, not from elsewhere.

        Raises
        ------
        InputError
            When ``batch`` is not a finite, non-empty matrix.
        """
        batch, n = with_rows(batch, operation="fingerprint")
        x = take(batch, spread_rows(n, _MAX_ROWS), operation="fingerprint")
        if x.shape[1] != self.dim:
            return Match(
                ok=False,
                decided=True,
                n=n,
                reason=f"The vectors have {x.shape[1]} dimensions, {self._name} has {self.dim}.",
            )
        length = _norms(x)
        x, length = x[length > 0], length[length > 0]
        if len(x) < MIN_BATCH:
            return Match(
                ok=True,
                decided=False,
                n=n,
                reason=f"{len(x)} nonzero vectors are too few to tell.",
            )
        if wrong := self._wrong_norm(float(np.median(length))):
            return Match(ok=False, decided=True, n=n, reason=wrong)
        return self._judge(x, n)

    def same_as(self, other: "Fingerprint") -> Match:
        """Whether two fingerprints are of one space, though measured on different rows of it.

        Compares declared encoders, widths and norms, then scores either codebook's centroids
        under the other; the statistic is the smaller of the two mean scores.
        """
        wrong = ""
        if self.dim != other.dim:
            wrong = f"{other._name} has {other.dim} dimensions, {self._name} {self.dim}."
        elif None not in (self.encoder, other.encoder) and self.encoder != other.encoder:
            wrong = f"The declared encoders differ: {self.encoder} and {other.encoder}."
        elif min(self.rows, other.rows) >= MIN_BATCH:
            wrong = self._wrong_norm(other.norm_range[1])
        if wrong:
            return Match(ok=False, decided=True, n=other.rows, reason=wrong)
        either = [
            self._judge(other.sketch.codebook.points(), other.rows),
            other._judge(self.sketch.codebook.points(), self.rows),
        ]
        # A foreign verdict of either side counts; among equals, the lower score.
        return min(either, key=lambda match: (match.ok, match.decided, match.statistic))

    @staticmethod
    def mixture(vectors: Any, *, ids: Sequence[Any] | None = None, rng: Seed = 0) -> "Mixture":
        """Whether ``vectors`` (n, d) secretly hold two spaces: ``isthmus.spaces.mixture``."""
        from isthmus.spaces.mixture import mixture

        return mixture(vectors, ids=ids, rng=rng)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON-ready data; ``from_dict`` gives back the same fingerprint bit for bit."""
        sketch, book = self.sketch, self.sketch.codebook
        return {
            "version": _VERSION,
            "encoder": self.encoder,
            "dim": self.dim,
            "metric": self.metric,
            "norms": self.norms,
            "norm_range": list(self.norm_range),
            "rows": self.rows,
            "held": sketch.held,
            "own": list(sketch.own),
            "rotated": list(sketch.rotated),
            "mirrored": list(sketch.mirrored),
            "mean": encoded(book.mean, "<f8"),
            "directions_count": len(book.directions),
            "directions": encoded(book.directions, "<f4"),
            "reach": encoded(book.reach, "<f8"),
            "quiet_count": len(sketch.quiet),
            "quiet": encoded(sketch.quiet, "<f4"),
            "quiet_share": [sketch.quiet_own, sketch.quiet_rotated],
        }

    @classmethod
    def from_dict(cls, data: Any) -> "Fingerprint":
        """A fingerprint from what ``as_dict`` gave, trusting nothing in it.

        Raises
        ------
        FormatError
            On missing or unknown entries, wrong types or shapes, non-finite numbers, or sizes
            that no fingerprint has.
        """
        if not isinstance(data, dict) or set(data) != _ENTRIES:
            given = str(sorted(map(str, data))) if isinstance(data, dict) else type(data).__name__
            raise bad(f"entries {given:.200}", f"exactly {sorted(_ENTRIES)}")
        if data["version"] != _VERSION:
            raise bad(f"version {clip(data['version'])}", f"version {_VERSION}")
        if data["norms"] not in _POLICIES:
            raise bad(f"norms {clip(data['norms'])}", f"one of {_POLICIES}")
        dim = count(data, "dim", 1, _MAX_DIM)
        k = count(data, "directions_count", 0, min(MAX_DIRECTIONS, _MAX_ENTRIES // dim))
        quiet = count(data, "quiet_count", 0, min(MAX_QUIET, dim))
        low, middle, high = numbers(data, "norm_range", 3, 0.0, sys.float_info.max)
        if not low <= middle <= high:
            raise bad(f"norm_range {[low, middle, high]}", "three rising numbers")
        quiet_own, quiet_rotated = numbers(data, "quiet_share", 2, 0.0, 1.0)
        return cls(
            encoder=short_text(data, "encoder"),
            dim=dim,
            metric=short_text(data, "metric"),
            norms=data["norms"],
            norm_range=(low, middle, high),
            rows=count(data, "rows", 0, _MAX_ROWS),
            sketch=Sketch(
                codebook=Codebook(
                    decoded(data, "mean", "<f8", (dim,)),
                    unit_rows(data, "directions", (k, dim)),
                    decoded(data, "reach", "<f8", (k,)),
                ),
                held=count(data, "held", 0, _MAX_ROWS),
                own=_read_level(data, "own"),
                rotated=_read_level(data, "rotated"),
                mirrored=_read_level(data, "mirrored"),
                quiet=unit_rows(data, "quiet", (quiet, dim)),
                quiet_own=quiet_own,
                quiet_rotated=quiet_rotated,
            ),
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Fingerprint):
            return NotImplemented
        return self.as_dict() == other.as_dict()

    def __hash__(self) -> int:
        return hash((self.encoder, self.dim, self.metric, self.norms, self.rows, self.sketch.own))

    @property
    def _name(self) -> str:
        return self.encoder or "the known space"

    def _wrong_norm(self, typical: float) -> str:
        low, middle, high = self.norm_range
        if self.rows < MIN_BATCH or low <= typical <= high:
            return ""
        policy = "free norms around" if self.norms == "free" else f"{self.norms} norms of"
        return f"The vectors have norms of {typical:.4g}, {self._name} has {policy} {middle:.4g}."

    def _judge(self, x: np.ndarray, n: int) -> Match:
        """The verdict on rows ``x`` that stand for ``n`` and whose width and norms are in order."""
        sketch, name = self.sketch, self._name
        score = distinct(sketch.codebook.score(x))
        distinct_rows = len(score)
        statistic = float(score.mean()) if distinct_rows else 0.0
        threshold = sketch.threshold(max(distinct_rows, 1))
        ok, decided = True, False
        if not sketch.tells(sketch.foreign):
            reason = (
                f"Vectors of {name} cannot be told from rotated or foreign ones: it looks the same "
                f"from every side, or was measured on too few rows ({self.rows})."
            )
        elif not sketch.tells(sketch.foreign, distinct_rows):
            reason = f"{distinct_rows} different vectors are too few to tell in {name}."
        elif statistic >= threshold:
            decided = True
            reason = (
                f"The vectors lie along the directions of {name}: mean score {statistic:.3f}, "
                f"typically {sketch.own.mean:.3f}, foreign below {threshold:.3f}."
            )
        elif sketch.keeps_quiet(x):
            decided = True
            reason = (
                f"The vectors are on other topics than {name} was measured on (mean score "
                f"{statistic:.3f}, typically {sketch.own.mean:.3f}), but they leave the same "
                "directions unused, as only vectors of the same encoder do."
            )
        else:
            ok, decided = False, True
            reason = (
                f"The vectors do not lie along the directions of {name}: mean score "
                f"{statistic:.3f}, typically {sketch.own.mean:.3f}, foreign below {threshold:.3f}. "
                "They come from another encoder, a rotated copy, or quite different content."
            )
        return Match(
            ok=ok,
            decided=decided,
            n=n,
            reason=reason,
            statistic=statistic,
            threshold=threshold,
        )


_ENTRIES = frozenset(
    {"version", "encoder", "dim", "metric", "norms", "norm_range", "rows", "held", "own"}
    | {"rotated", "mirrored", "mean", "directions_count", "directions", "reach"}
    | {"quiet_count", "quiet", "quiet_share"}
)


def _read_level(data: dict[str, Any], name: str) -> Level:
    mean, sd = numbers(data, name, 2, -1.0, 1.0)
    if sd < 0:
        raise bad(f"{name} with a negative spread", "a mean and a standard deviation")
    return Level(mean, sd)


def _norms(x: np.ndarray) -> np.ndarray:
    """Norms (n,) that neither overflow nor underflow."""
    largest = np.abs(x).max(axis=1, initial=0.0)
    safe = np.where(largest > 0, largest, 1.0)
    return np.asarray(largest * np.linalg.norm(x / safe[:, None], axis=1))


def _norm_policy(length: np.ndarray) -> tuple[str, tuple[float, float, float]]:
    """The norm policy, and the lowest, typical and highest norm a batch's median may have."""
    if not len(length):
        return "free", (0.0, 0.0, 0.0)
    low, middle, high = (float(q) for q in np.quantile(length, [0.005, 0.5, 0.995]))
    if high - low <= 0.02 * middle:
        policy = "unit" if abs(middle - 1.0) <= 0.01 else "constant"
        return policy, (0.95 * middle, middle, 1.05 * middle)
    # Room on either side: topics and lengths of text shift norms within one space.
    return "free", (low / 1.5, middle, high * 1.5)
