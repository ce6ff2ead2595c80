"""Sketches: what is measured of a space so that it can be recognised."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from isthmus.spaces.codebook import (
    Codebook,
    distinct,
    learn,
    mirrored,
    principal_axes,
    rotated,
)
from isthmus.spaces.coordinates import CORRELATED, mean_square_correlation

#: Share of batches of independent rows of the space itself that fall below the threshold, at most.
FALSE_ALARM = 1e-3
#: Fewer rows than this are never judged.
MIN_BATCH = 30
MAX_DIRECTIONS = 128
MAX_QUIET = 8
#: Standard normal quantile of FALSE_ALARM, one-sided.
_Z = 3.0902
#: The batch for which it is asked whether a space can be told at all.
_TYPICAL_BATCH = 200
#: Where the threshold lies between the level of foreign rows (0) and the space's own (1). Topical
#: batches of real text reach down to 0.3, foreign encoders with like axes up to 0.2.
_BETWEEN = 1 / 3
_MAX_ENTRIES = 131_072
_MAX_HELD = 4000
_MAX_TRIED = 500
_COPIES = 6
#: Finding quiet directions takes a full eigendecomposition.
_MAX_QUIET_DIM = 1024
#: Rounding to half precision alone puts this share of a row's energy anywhere.
_QUIET_FLOOR = 1e-6
#: Directions count as quiet when a rotated copy has this many times their energy in them.
_QUIET_RATIO = 30.0
#: Share of the quiet directions' length on as few coordinates that gives such an order away.
_ON_COORDINATES = 0.8
#: Rows whose mean points this far (cosine) away from the space's are no other topic of it.
_OPPOSITE = -0.5


class Level(NamedTuple):
    """Mean and row standard deviation of a score."""

    mean: float
    sd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """A codebook of the directions of a space, and the scores to expect under it.

    ``own`` is the level that ``held`` held-out rows reach, ``rotated`` the highest of several
    randomly rotated copies of them, ``mirrored`` that of copies with reversed principal axes.
    ``quiet`` (q, d) are unit directions the space hardly uses: rows on other topics leave them
    quiet (``quiet_own``, share of a row's energy), rows of other encoders do not
    (``quiet_rotated``). It has no rows where no direction is quiet.
    """

    codebook: Codebook = field(repr=False)
    held: int
    own: Level
    rotated: Level
    mirrored: Level
    quiet: np.ndarray = field(repr=False)
    quiet_own: float
    quiet_rotated: float

    @classmethod
    def of(cls, x: np.ndarray, rng: np.random.Generator) -> "Sketch":
        """Measure rows ``x`` (n, d) in random order: two thirds to fit, the rest to calibrate."""
        n, d = x.shape
        fit, held = x[: 2 * n // 3], x[2 * n // 3 :][:_MAX_HELD]
        k = min(MAX_DIRECTIONS, max(8, _MAX_ENTRIES // d), len(fit) // 10)
        if len(held) < MIN_BATCH or k < 2:
            mean = x.mean(axis=0) if n else np.zeros(d)
            book = Codebook(mean, np.zeros((0, d)), np.zeros(0))
        else:
            book = learn(fit, k, rng)
            # Rounded as it will be once written and read, so that both judge alike.
            book = book._replace(directions=_single(book.directions))
        tried = held[:_MAX_TRIED]
        turned = [rotated(tried, rng) for _ in range(_COPIES)]
        axes = principal_axes(fit[:4000], book.mean, 64, rng)
        flipped = [mirrored(tried, book.mean, axes, rng) for _ in range(_COPIES)]
        quiet = _single(_quiet_directions(fit, book.mean, rng))
        own_share = max(_quiet_share(held, book.mean, quiet), _QUIET_FLOOR)
        turned_share = min(_quiet_share(t, book.mean, quiet) for t in turned)
        if turned_share < _QUIET_RATIO * own_share:
            quiet, own_share, turned_share = np.zeros((0, d)), 0.0, 0.0
        return cls(
            codebook=book,
            held=len(held),
            own=_level([book.score(held)]),
            rotated=max(_level([book.score(t)]) for t in turned),
            mirrored=_level([book.score(f) for f in flipped]),
            quiet=quiet,
            quiet_own=own_share,
            quiet_rotated=turned_share,
        )

    @property
    def foreign(self) -> Level:
        """The level that rows of other spaces reach: of the mirrored copies where these differ."""
        if self.tells(self.mirrored):
            return max(self.mirrored, self.rotated)
        return self.rotated

    def tells(self, level: Level, n: int = _TYPICAL_BATCH) -> bool:
        """Whether ``n`` rows tell the space's own level from ``level``, rarely erring."""
        gap = self.own.mean - level.mean
        return bool(
            len(self.codebook.directions)
            and gap > 0.02
            and _BETWEEN * gap > self._noise(level, n)
            and (1 - _BETWEEN) * gap > self._noise(self.own, n)
        )

    def threshold(self, n: int) -> float:
        """The mean score below which ``n`` rows are unlike the space."""
        between = self.foreign.mean + _BETWEEN * (self.own.mean - self.foreign.mean)
        return min(between, self.own.mean - self._noise(self.own, n))

    def keeps_quiet(self, x: np.ndarray) -> bool:
        """Whether rows ``x`` (n, d) are closer to quiet, as the space is, than to rotated rows."""
        mean = self.codebook.mean
        if not len(self.quiet) or _cosine(x.mean(axis=0), mean) < _OPPOSITE:
            return False
        share = max(_quiet_share(x, mean, self.quiet), _QUIET_FLOOR)
        return bool(share**2 < self.quiet_own * self.quiet_rotated)

    def _noise(self, level: Level, n: int) -> float:
        """How far a mean over ``n`` rows strays from a level known from ``held`` rows."""
        return _Z * level.sd * math.sqrt(1 / max(n, 1) + 1 / max(self.held, 1))


def _level(scores: list[np.ndarray]) -> Level:
    each = [distinct(score) for score in scores]
    score = np.concatenate(each)
    if not len(score):
        return Level(0.0, 0.0)
    # Clipped: rounding may push a cosine past 1.
    return Level(float(np.clip(score.mean(), -1.0, 1.0)), float(min(score.std(), 1.0)))


def _quiet_directions(x: np.ndarray, mean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    n, d = x.shape
    if n < 2 * d or not 2 * MAX_QUIET <= d <= _MAX_QUIET_DIM:
        return np.zeros((0, d))
    y = x - mean
    scale = float(np.abs(y).max())
    if scale == 0:
        return np.zeros((0, d))
    y = y / scale
    # The last coordinates are quiet under every encoder that orders them: no mark of this one.
    if not CORRELATED <= mean_square_correlation(y, rng) < math.inf:
        return np.zeros((0, d))
    quiet = np.linalg.eigh(y.T @ y)[1][:, :MAX_QUIET].T
    load = np.sort((quiet**2).sum(axis=0))[-MAX_QUIET:].sum() / MAX_QUIET
    return quiet if load < _ON_COORDINATES else np.zeros((0, d))


def _quiet_share(x: np.ndarray, mean: np.ndarray, quiet: np.ndarray) -> float:
    """Share of the energy of the rows about the mean that lies in the quiet directions."""
    y = x - mean
    scale = float(np.abs(y).max(initial=0.0))
    if not len(quiet) or scale == 0:
        return 0.0
    y = y / scale
    return float(((y @ quiet.T) ** 2).sum() / (y**2).sum())


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    a, b = (v / (np.abs(v).max() or 1.0) for v in (a, b))
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b) or 1.0))


def _single(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32).astype(np.float64)
