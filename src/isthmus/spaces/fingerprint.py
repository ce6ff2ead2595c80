"""Fingerprints: what a space is recognised by, declared and measured."""

import base64
import binascii
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.core.arrays import matrix, namespace, to_numpy
from isthmus.core.errors import FormatError, InputError
from isthmus.core.random import Seed, generator
from isthmus.spaces.codebook import Codebook, learn, mirrored, principal_axes, rotated

if TYPE_CHECKING:
    from isthmus.spaces.mixture import Mixture
    from isthmus.spaces.space import Space

#: Share of batches of independent rows of the space itself that ``matches`` calls foreign, at most.
FALSE_ALARM = 1e-3
#: Standard normal quantile of FALSE_ALARM, one-sided.
_Z = 3.0902
#: Fewer rows than this are never called foreign.
_MIN_BATCH = 30
#: The batch for which ``detects_rotation`` is answered.
_TYPICAL_BATCH = 200
#: Where the threshold lies between the level of foreign rows (0) and the space's own (1). Topical
#: batches of real text reach down to 0.5, foreign encoders with like axes up to 0.1.
_BETWEEN = 1 / 3
_MAX_ROWS = 20_000
_MAX_DIRECTIONS = 128
_MAX_ENTRIES = 131_072
_MAX_DIM = 1 << 16
_MAX_TEXT = 1024
_POLICIES = ("unit", "constant", "free")
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Whether vectors belong to a space, and on what grounds.

    ``ok`` is False only on evidence: where nothing can be told, ``ok`` is True, ``decided`` False
    and ``reason`` says why. ``statistic`` is compared to ``threshold`` (foreign when below), and
    ``false_alarm`` is the stated share of batches of the space itself that fall below.
    """

    ok: bool
    decided: bool
    statistic: float
    threshold: float
    false_alarm: float
    n: int
    reason: str

    def __bool__(self) -> bool:
        return self.ok


@dataclass(frozen=True, slots=True)
class _Level:
    """Mean and row standard deviation of a score."""

    mean: float
    sd: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fingerprint:
    """What a space is recognised by: declared names, norms, and a sketch of its directions.

    ``norms`` is "unit", "constant" or "free"; ``rows`` counts the rows it was measured on. The
    sketch is a codebook of directions about the mean with the score that held-out rows of the
    space reach (``own``), and the ones that randomly rotated (``rotated``) and mirrored
    (``mirrored``) copies of these rows reach. Make one with ``Fingerprint.of``.

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
    rows: int
    norm_range: tuple[float, float, float]
    own: _Level
    rotated: _Level
    mirrored: _Level
    codebook: Codebook = field(repr=False)

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

        Two thirds of them make the codebook, by spherical k-means of ``(x - mean) / |x - mean|``;
        the rest calibrate it. Zero vectors are left out.

        Raises
        ------
        InputError
            When ``vectors`` is not a finite, non-empty matrix.
        """
        random = generator(rng)
        x = _sample(vectors, random)
        dim = x.shape[1]
        length = _norms(x)
        x, length = x[length > 0], length[length > 0]
        x = x[random.permutation(len(x))]
        fit, held = x[: 2 * len(x) // 3], x[2 * len(x) // 3 :]
        k = min(_MAX_DIRECTIONS, max(8, _MAX_ENTRIES // dim), len(fit) // 10)
        if len(held) >= _MIN_BATCH and k >= 2:
            book = _rounded(learn(fit, k, random))
        else:
            mean = x.mean(axis=0) if len(x) else np.zeros(dim)
            book = Codebook(mean, np.zeros((0, dim)), np.zeros(0))
        own, turned, flipped = _calibrate(book, fit, held, random)
        policy, norm_range = _norm_policy(length)
        return cls(
            encoder=encoder,
            dim=dim,
            metric=metric,
            norms=policy,
            rows=len(x),
            norm_range=norm_range,
            own=own,
            rotated=turned,
            mirrored=flipped,
            codebook=book,
        )

    @classmethod
    def of_space(cls, space: "Space", *, rows: int = _MAX_ROWS) -> "Fingerprint":
        """Measure the fingerprint of a space from ``rows`` evenly spread rows, finite ones only."""
        picked = np.unique(np.linspace(0, len(space) - 1, min(rows, len(space))).astype(np.int64))
        x = np.asarray(space.take(picked), dtype=np.float64)
        finite = x[np.isfinite(x).all(axis=1)]
        if not len(finite):
            raise InputError("fingerprint", f"{len(x)} rows, none finite", "finite rows")
        return cls.of(finite, encoder=space.encoder, metric=space.metric)

    @property
    def foreign(self) -> _Level:
        """The score that rows of other spaces reach: of the mirrored copies where these tell."""
        if self._tells(self.mirrored, _TYPICAL_BATCH):
            return max(self.mirrored, self.rotated, key=lambda level: level.mean)
        return self.rotated

    @property
    def detects_rotation(self) -> bool:
        """Whether 200 rows suffice to tell this space from its rotated copy, by self-test."""
        return self._tells(self.rotated, _TYPICAL_BATCH)

    def threshold(self, n: int) -> float:
        """The mean score below which ``n`` rows are called foreign."""
        between = self.foreign.mean + _BETWEEN * (self.own.mean - self.foreign.mean)
        return min(between, self.own.mean - _Z * self.own.sd / math.sqrt(n))

    def matches(self, batch: Any) -> Match:
        """Whether ``batch`` (n, d) comes from this space, by its width, norms and directions.

        The statistic is the mean over rows of the largest cosine with a direction of the codebook.

        Raises
        ------
        InputError
            When ``batch`` is not a finite, non-empty matrix.
        """
        x = _sample(batch, None)
        n, dim = x.shape
        if dim != self.dim:
            return _verdict(n, f"The vectors have {dim} dimensions, {self._name} has {self.dim}.")
        length = _norms(x)
        known = length > 0
        if known.sum() < _MIN_BATCH:
            return _open(n, f"{known.sum()} nonzero vectors are too few to tell.")
        low, middle, high = self.norm_range
        typical = float(np.median(length[known]))
        if self.rows >= _MIN_BATCH and not low <= typical <= high:
            return _verdict(
                n,
                f"The vectors have norm {typical:.4g}, {self._name} has {self.norms} norms of "
                f"{middle:.4g}.",
            )
        score = self.codebook.score(x[known])
        return self._judge(score[np.isfinite(score)], n)

    def same_as(self, other: "Fingerprint") -> Match:
        """Whether two fingerprints are of one space, though measured on different rows of it.

        Compares declared encoders, widths and norms, then scores either codebook's centroids
        under the other; the statistic is the smaller of the two mean scores.
        """
        n = len(other.codebook.directions)
        if self.dim != other.dim:
            return _verdict(n, f"{other._name} has {other.dim} dimensions, {self._name} {self.dim}.")
        if None not in (self.encoder, other.encoder) and self.encoder != other.encoder:
            return _verdict(n, f"The declared encoders differ: {self.encoder}, {other.encoder}.")
        if min(self.rows, other.rows) < _MIN_BATCH:
            return _open(n, "One of the fingerprints was measured on too few rows to tell.")
        low, middle, high = self.norm_range
        if not low <= other.norm_range[1] <= high:
            return _verdict(
                n,
                f"{other._name} has norms of {other.norm_range[1]:.4g}, {self._name} {middle:.4g}.",
            )
        either = []
        for known, seen in ((self, other), (other, self)):
            score = known.codebook.score(seen.codebook.points())
            either.append(known._judge(score[np.isfinite(score)], len(score)))
        return min(either, key=lambda match: (match.decided, match.ok, match.statistic))

    @staticmethod
    def mixture(vectors: Any, *, ids: Sequence[Any] | None = None, rng: Seed = 0) -> "Mixture":
        """Whether ``vectors`` (n, d) secretly hold two spaces; see ``isthmus.spaces.mixture``."""
        from isthmus.spaces.mixture import mixture

        return mixture(vectors, ids=ids, rng=rng)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON-ready data; ``from_dict`` gives back the same fingerprint bit for bit."""
        return {
            "version": _VERSION,
            "encoder": self.encoder,
            "dim": self.dim,
            "metric": self.metric,
            "norms": self.norms,
            "rows": self.rows,
            "norm_range": list(self.norm_range),
            "own": [self.own.mean, self.own.sd],
            "rotated": [self.rotated.mean, self.rotated.sd],
            "mirrored": [self.mirrored.mean, self.mirrored.sd],
            "mean": _encoded(self.codebook.mean, "<f8"),
            "directions": _encoded(self.codebook.directions, "<f4"),
            "reach": _encoded(self.codebook.reach, "<f8"),
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
            given = sorted(map(str, data)) if isinstance(data, dict) else type(data).__name__
            raise _bad(f"entries {given}"[:200], f"exactly {sorted(_ENTRIES)}")
        if data["version"] != _VERSION:
            raise _bad(f"version {data['version']!r}"[:80], f"version {_VERSION}")
        dim = _count(data, "dim", 1, _MAX_DIM)
        rows = _count(data, "rows", 0, 1 << 40)
        for name in ("encoder", "metric"):
            if data[name] is not None and not (
                isinstance(data[name], str) and len(data[name]) <= _MAX_TEXT
            ):
                raise _bad(f"{name} of type {type(data[name]).__name__}", "a short text or null")
        if data["norms"] not in _POLICIES:
            raise _bad(f"norms {data['norms']!r}"[:80], f"one of {_POLICIES}")
        low, middle, high = _numbers(data, "norm_range", 3, 0.0, math.inf)
        if not low <= middle <= high:
            raise _bad(f"norm_range {[low, middle, high]}", "three rising numbers")
        mean = _decoded(data, "mean", "<f8", dim)
        reach = _decoded(data, "reach", "<f8", None)
        if len(reach) > max(_MAX_DIRECTIONS, 8):
            raise _bad(f"{len(reach)} directions", f"at most {_MAX_DIRECTIONS}")
        directions = _decoded(data, "directions", "<f4", len(reach) * dim).reshape(-1, dim)
        if len(reach) and not np.allclose(np.linalg.norm(directions, axis=1), 1.0, atol=1e-3):
            raise _bad("directions that are no unit vectors", "unit vectors")
        return cls(
            encoder=data["encoder"],
            dim=dim,
            metric=data["metric"],
            norms=data["norms"],
            rows=rows,
            norm_range=(low, middle, high),
            own=_Level(*_numbers(data, "own", 2, -1.0, 1.0)),
            rotated=_Level(*_numbers(data, "rotated", 2, -1.0, 1.0)),
            mirrored=_Level(*_numbers(data, "mirrored", 2, -1.0, 1.0)),
            codebook=Codebook(mean, directions, reach),
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Fingerprint):
            return NotImplemented
        return self.as_dict() == other.as_dict()

    def __hash__(self) -> int:
        return hash((self.encoder, self.dim, self.metric, self.norms, self.rows, self.own))

    @property
    def _name(self) -> str:
        return self.encoder or "the known space"

    def _tells(self, level: _Level, n: int) -> bool:
        """Whether ``n`` rows tell the space's own score from ``level`` at both error rates."""
        gap = self.own.mean - level.mean
        noise = _Z / math.sqrt(n)
        return bool(
            len(self.codebook.directions)
            and gap > 0.02
            and _BETWEEN * gap > noise * level.sd
            and (1 - _BETWEEN) * gap > noise * self.own.sd
        )

    def _judge(self, score: np.ndarray, n: int) -> Match:
        if len(score) < 2:
            return _open(n, "Too few vectors have a direction to tell.")
        threshold = self.threshold(len(score))
        statistic = float(score.mean())
        ok = statistic >= threshold
        if not self._tells(self.foreign, _TYPICAL_BATCH):
            ok, decided = True, False
            reason = (
                f"{self._name} looks the same from every side (or was measured on too few rows), "
                "so its vectors cannot be told from rotated or foreign ones."
            )
        elif not self._tells(self.foreign, len(score)):
            ok, decided = True, False
            reason = f"{len(score)} vectors are too few to tell in this space."
        else:
            decided = True
            where = f"mean score {statistic:.3f}, foreign below {threshold:.3f}, own {self.own.mean:.3f}"
            reason = (
                f"The vectors lie along the directions of {self._name} ({where})."
                if ok
                else f"The vectors do not lie along the directions of {self._name}: they come from "
                f"another encoder or a rotated copy ({where})."
            )
        return Match(
            ok=ok,
            decided=decided,
            statistic=statistic,
            threshold=threshold,
            false_alarm=FALSE_ALARM,
            n=n,
            reason=reason,
        )


_ENTRIES = frozenset(
    "version encoder dim metric norms rows norm_range own rotated mirrored mean directions reach".split()
)


def _verdict(n: int, reason: str) -> Match:
    return Match(
        ok=False,
        decided=True,
        statistic=0.0,
        threshold=0.0,
        false_alarm=FALSE_ALARM,
        n=n,
        reason=reason,
    )


def _open(n: int, reason: str) -> Match:
    return Match(
        ok=True,
        decided=False,
        statistic=0.0,
        threshold=0.0,
        false_alarm=FALSE_ALARM,
        n=n,
        reason=reason,
    )


def _sample(vectors: Any, rng: np.random.Generator | None) -> np.ndarray:
    """At most _MAX_ROWS rows as float64, random ones or evenly spread, before anything is read."""
    if not hasattr(vectors, "shape"):
        vectors = np.asarray(vectors)
    if len(vectors.shape) == 2 and vectors.shape[0] > _MAX_ROWS:
        n = vectors.shape[0]
        if rng is None:
            rows = np.linspace(0, n - 1, _MAX_ROWS).astype(np.int64)
        else:
            rows = np.sort(rng.choice(n, size=_MAX_ROWS, replace=False))
        xp = namespace(vectors)
        vectors = xp.take(vectors, xp.asarray(rows), axis=0)
    x = matrix("vectors", vectors, operation="fingerprint")
    return np.asarray(to_numpy(x), dtype=np.float64)


def _norms(x: np.ndarray) -> np.ndarray:
    """Norms (n,) that neither overflow nor underflow."""
    largest = np.abs(x).max(axis=1, initial=0.0)
    safe = np.where(largest > 0, largest, 1.0)
    return np.asarray(largest * np.linalg.norm(x / safe[:, None], axis=1))


def _norm_policy(length: np.ndarray) -> tuple[str, tuple[float, float, float]]:
    """The norm policy and the (low, typical, high) norms a batch's median may have."""
    if not len(length):
        return "free", (0.0, 0.0, 0.0)
    low, middle, high = (float(q) for q in np.quantile(length, [0.005, 0.5, 0.995]))
    if high - low <= 0.02 * middle:
        policy = "unit" if abs(middle - 1.0) <= 0.01 else "constant"
        return policy, (0.95 * middle, middle, 1.05 * middle)
    # Half a range of room on either side: topics and lengths of text shift norms within one space.
    return "free", (low / 1.5, middle, high * 1.5)


def _calibrate(
    book: Codebook, fit: np.ndarray, held: np.ndarray, rng: np.random.Generator
) -> tuple[_Level, _Level, _Level]:
    """Scores of held-out rows: as they are, rotated about the origin, mirrored about the mean."""
    if not len(book.directions):
        return _Level(0.0, 0.0), _Level(0.0, 0.0), _Level(0.0, 0.0)
    held = held[:4000]
    axes = principal_axes(fit[:4000], book.mean, 64, rng)
    turned = [book.score(rotated(held[:1000], rng)) for _ in range(6)]
    flipped = [book.score(mirrored(held[:1000], book.mean, axes, rng)) for _ in range(6)]
    worst = max(turned, key=lambda s: float(np.nanmean(s)) if np.isfinite(s).any() else -1.0)
    return _level(book.score(held)), _level(worst), _level(np.concatenate(flipped))


def _level(score: np.ndarray) -> _Level:
    score = score[np.isfinite(score)]
    if not len(score):
        return _Level(0.0, 0.0)
    # Clipped: rounding may push a cosine past 1.
    return _Level(float(np.clip(score.mean(), -1.0, 1.0)), float(min(score.std(), 1.0)))


def _rounded(book: Codebook) -> Codebook:
    """``book`` as it will be after being written and read, so that both judge alike."""
    return book._replace(directions=book.directions.astype(np.float32).astype(np.float64))


def _encoded(array: np.ndarray, dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(array, dtype=dtype).tobytes()).decode("ascii")


def _decoded(data: dict[str, Any], name: str, dtype: str, size: int | None) -> np.ndarray:
    text = data[name]
    limit = (size if size is not None else _MAX_DIRECTIONS) * 11 + 16
    if not isinstance(text, str) or len(text) > limit:
        raise _bad(f"{name} of {len(text) if isinstance(text, str) else '?'} characters", "base64")
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise _bad(f"{name} that is not base64", "base64") from error
    width = np.dtype(dtype).itemsize
    if len(raw) % width or (size is not None and len(raw) != size * width):
        raise _bad(f"{name} of {len(raw)} bytes", f"{size} numbers of {width} bytes")
    values = np.frombuffer(raw, dtype=dtype).astype(np.float64)
    if not np.isfinite(values).all():
        raise _bad(f"{name} with NaN or infinity", "finite numbers")
    return values


def _count(data: dict[str, Any], name: str, low: int, high: int) -> int:
    value = data[name]
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _bad(f"{name} {value!r}"[:80], f"a whole number from {low} to {high}")
    return value


def _numbers(data: dict[str, Any], name: str, count: int, low: float, high: float) -> list[float]:
    values = data[name]
    good = isinstance(values, list) and len(values) == count
    good = good and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    if not good or not all(math.isfinite(v) and low <= v <= high for v in values):
        raise _bad(f"{name} {values!r}"[:80], f"{count} numbers from {low} to {high}")
    return [float(v) for v in values]


def _bad(given: str, expected: str) -> FormatError:
    return FormatError("read fingerprint", given, expected, "The file is damaged or not ours.")
