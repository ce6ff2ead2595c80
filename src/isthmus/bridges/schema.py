"""A declared graph of spaces and bridges with path equations, trained to keep them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from isthmus.bridges import file
from isthmus.bridges.affine import Affine
from isthmus.bridges.all_or_nothing import all_or_nothing
from isthmus.core.arrays import Array, matrix, to_numpy
from isthmus.core.card import Card, Paper
from isthmus.core.errors import FormatError, InputError
from isthmus.core.registry import register

CARD = Card(
    name="schema",
    summary="Linear bridges of a declared graph, trained under its path equations.",
    paper=Paper("Compositional Deep Learning", "Gavranović", 2019),
    cost="n d^2 k + d^3 k",
    memory="d^2 k",
    spaces=0,
)

_ONE = "1"


@dataclass(frozen=True, slots=True)
class Violation:
    """How far the two sides of one equation differ, on ``n`` rows of the space they start from.

    ``disagreement`` is the root mean square distance of the two results over the spread of the
    right side's; ``cosine`` the mean cosine of the results about the right side's mean.
    ``independent`` is the disagreement of the maps fitted each by itself.
    """

    equation: str
    disagreement: float
    cosine: float
    independent: float
    n: int

    def __str__(self) -> str:
        return (
            f"{self.equation}: {self.disagreement:.3g} (fitted apart: {self.independent:.3g}), "
            f"cosine {self.cosine:.3f}, n={self.n}"
        )


@register(CARD)
class Schema(BaseEstimator):
    r"""Spaces, maps between them, and equations of paths: ``"f g = h"``, ``"f g = 1"``.

    A path names maps in the order they are applied; ``1`` is the path that stays. All maps
    x ↦ x W + b are found together, from their own pairs and from rows of any space, minimising

    Σ_f (|X_f W_f + b_f - Y_f|² + α_f t_f |W_f|²) / (n_f v_f) + λ Σ_e E_x |left_e(x) - right_e(x)|² / v_e,

    with v the variance of the space where a map or an equation ends, α_f the penalty that
    leave-one-out chooses for f alone, and x the known rows of the space where e starts. Everything
    it needs are second moments; quasi-Newton steps (L-BFGS) start from the maps fitted each alone.

    Parameters
    ----------
    maps : ``{name: (source space, target space)}``
    equations : texts ``"path = path"``, both sides from one space to one other
    weight : λ; 0 leaves every map as fitted by itself
    steps : of L-BFGS at most

    Attributes
    ----------
    maps_ : by name, W (dx, dy) and b (dy,);  independent_ : the same, each fitted by itself
    loss_ : of the maps and of the equations, the two sums above at the end

    Raises
    ------
    InputError
        On maps or equations that do not fit together, a map without pairs, or rows that cannot be
        used.

    References
    ----------
    Gavranović 2019: networks on a categorical schema, path equations as losses.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> a = rng.normal(size=(60, 3))
    >>> b, c = a @ rng.normal(size=(3, 3)), a @ rng.normal(size=(3, 2))
    >>> schema = Schema({"f": ("A", "B"), "g": ("B", "C"), "h": ("A", "C")}, ["f g = h"])
    >>> schema = schema.fit({"f": (a, b), "g": (b, c), "h": (a, c)})
    >>> schema.violations({"A": a})[0].disagreement < 1e-3
    True
    """  # noqa: E501

    maps_: dict[str, tuple[np.ndarray, np.ndarray]]
    independent_: dict[str, tuple[np.ndarray, np.ndarray]]
    loss_: tuple[float, float]

    def __init__(
        self, maps: Mapping[str, tuple[str, str]], equations: Sequence[str] = (), *,
        weight: float = 1.0, steps: int = 200,
    ) -> None:  # fmt: skip
        self.maps = maps
        self.equations = equations
        self.weight = weight
        self.steps = steps

    @all_or_nothing
    def fit(
        self, pairs: Mapping[str, tuple[Any, Any]], rows: Mapping[str, Any] | None = None
    ) -> Self:
        """Fit on ``{map: (X, Y)}``, paired by position, and further ``{space: rows}`` without."""
        parsed = self._parsed()
        if set(pairs) != set(self.maps):
            raise InputError("Schema.fit", f"pairs of {sorted(pairs)}", f"of {sorted(self.maps)}")
        if not (np.isfinite(self.weight) and self.weight >= 0 and self.steps >= 0):
            raise InputError("Schema.fit", f"weight={self.weight}, steps={self.steps}",
                             "numbers >= 0")  # fmt: skip
        known: dict[str, list[np.ndarray]] = {}
        sides = {}
        for name, (source, target) in self.maps.items():
            sides[name] = tuple(
                _rows(f"{side} of {name!r}", r)
                for side, r in zip(("X", "Y"), pairs[name], strict=True)
            )
            if len(sides[name][0]) != len(sides[name][1]):
                raise InputError("Schema.fit", f"map {name!r}: {len(sides[name][0])} and "
                                 f"{len(sides[name][1])} rows", "equally many, paired")  # fmt: skip
            known.setdefault(source, []).append(sides[name][0])
            known.setdefault(target, []).append(sides[name][1])
        for space, more in (rows or {}).items():
            if space not in known:
                raise InputError("Schema.fit", f"rows of {space!r}", f"of {sorted(known)}")
            known[space].append(_rows(f"rows of {space!r}", more))
        for space, parts in known.items():
            if len(widths := {part.shape[1] for part in parts}) > 1:
                raise InputError("Schema.fit", f"space {space!r} of widths {sorted(widths)}",
                                 "one width a space")  # fmt: skip
        stacked = {space: np.concatenate(parts) for space, parts in known.items()}
        scales = {s: float(((x - x.mean(axis=0)) ** 2).sum(axis=1).mean()) or 1.0
                  for s, x in stacked.items()}  # fmt: skip
        terms, start = {}, {}
        for name, (x, y) in sides.items():
            alone = Affine().fit(x, y)
            terms[name] = _Term.of(x, y, alone.alpha_, scales[self.maps[name][1]])
            start[name] = _augmented(alone.coef_, alone.intercept_ - alone.origin_ @ alone.coef_)
        self.independent_ = {name: _parts(w) for name, w in start.items()}
        spreads = {s: _ones(x).T @ _ones(x) / len(x) for s, x in stacked.items()}
        found = self._descend(start, terms, parsed, spreads, scales)
        self.maps_ = {name: _parts(w) for name, w in found.items()}
        return self

    def transform(self, X: Array, path: str) -> Array:
        """Carry X (n, d) along ``path``, like ``"f g"``."""
        x = X
        for name in self._path(path):
            x = self.map(name).transform(x)
        return x

    def map(self, name: str) -> Affine:
        """The fitted map ``name`` as an ``Affine`` of its own."""
        check_is_fitted(self)
        self._path(name)
        found = Affine()
        found.coef_, found.intercept_ = self.maps_[name]
        found.origin_, found.alpha_ = np.zeros(len(found.coef_)), 0.0
        found.n_features_in_ = len(found.coef_)
        return found

    def violations(self, rows: Mapping[str, Any]) -> tuple[Violation, ...]:
        """How far each equation is from holding on ``{space: rows}`` of the spaces they start from.

        Equations that start from a space without rows are left out.
        """
        check_is_fitted(self)
        found = []
        for text, (left, right) in zip(self.equations, self._parsed(), strict=True):
            space = self.maps[(left or right)[0]][0]
            if space not in rows:
                continue
            x = _ones(_rows(f"rows of {space!r}", rows[space]))
            ours, apart = (
                [_composed(path, maps, x.shape[1]) for path in (left, right)]
                for maps in ({n: _augmented(*w) for n, w in kept.items()}
                             for kept in (self.maps_, self.independent_))
            )  # fmt: skip
            one, two = (x @ w[:, :-1] for w in ours)
            centre = two.mean(axis=0)
            lengths = np.linalg.norm(one - centre, axis=1) * np.linalg.norm(two - centre, axis=1)
            products = np.sum((one - centre) * (two - centre), axis=1)
            cosines = products / np.where(lengths > 0, lengths, 1.0)
            alone = [x @ w[:, :-1] for w in apart]
            found.append(Violation(
                equation=text, disagreement=_apart(one, two), cosine=float(cosines.mean()),
                independent=_apart(*alone), n=len(x),
            ))  # fmt: skip
        return tuple(found)

    def save(self, path: str | Path) -> Path:
        """Write the fitted schema as one file (safetensors and JSON), atomically."""
        check_is_fitted(self)
        arrays = {}
        for i, name in enumerate(self.maps):
            for kind, kept in (("map", self.maps_), ("independent", self.independent_)):
                arrays[f"{kind}.{i}"], arrays[f"{kind}_offset.{i}"] = kept[name]
        params = {
            "maps": {name: list(ends) for name, ends in self.maps.items()},
            "equations": list(self.equations), "weight": self.weight, "steps": self.steps,
        }  # fmt: skip
        file.write(Path(path), {"method": CARD.name, "params": params, "loss": self.loss_}, arrays)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> "Schema":
        """Read a schema's file; raises FormatError on anything that ``save`` did not write."""
        said, arrays = file.read(Path(path))
        try:
            if said["method"] != CARD.name:
                raise ValueError(f"method {said['method']!r}")
            params = said["params"]
            maps = {name: (str(ends[0]), str(ends[1])) for name, ends in params.pop("maps").items()}
            schema = cls(maps, **params)
            schema._parsed()
            one, two = said["loss"]
            schema.loss_ = float(one), float(two)
            widths: dict[str, int] = {}
            for kind, place in (("map", "maps_"), ("independent", "independent_")):
                kept = {}
                for i, (name, ends) in enumerate(maps.items()):
                    w, b = arrays.pop(f"{kind}.{i}"), arrays.pop(f"{kind}_offset.{i}")
                    if w.ndim != 2 or b.shape != w.shape[1:] or any(
                        widths.setdefault(s, d) != d for s, d in zip(ends, w.shape, strict=True)
                    ):  # fmt: skip
                        raise ValueError(f"map {name!r} of shapes {w.shape}, {b.shape}")
                    kept[name] = w, b
                setattr(schema, place, kept)
            if arrays:
                raise ValueError(f"arrays {sorted(arrays)}")
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(
                "load schema", f"{path}: {type(error).__name__} {error}"[:300],
                "a description as Schema.save writes it", "Fit the schema anew.",
            ) from error  # fmt: skip
        return schema

    def _descend(
        self, start: dict[str, np.ndarray], terms: "dict[str, _Term]",
        equations: "list[tuple[list[str], list[str]]]", spreads: dict[str, np.ndarray],
        scales: dict[str, float],
    ) -> dict[str, np.ndarray]:  # fmt: skip
        """The maps (augmented) at the least sum of all losses, from ``start``."""
        from scipy.optimize import minimize

        names = list(start)
        shapes = {name: (len(w), w.shape[1] - 1) for name, w in start.items()}

        def unpacked(flat: np.ndarray) -> dict[str, np.ndarray]:
            maps, at = {}, 0
            for name in names:
                rows, columns = shapes[name]
                part = flat[at : at + rows * columns].reshape(rows, columns)
                maps[name], at = _augmented(part[:-1], part[-1]), at + rows * columns
            return maps

        def losses(flat: np.ndarray) -> tuple[float, float, np.ndarray]:
            maps = unpacked(flat)
            own, broken = 0.0, 0.0
            slopes = {}
            for name in names:
                loss, slopes[name] = terms[name].loss(maps[name])
                own += loss
            for left, right in equations:
                first, last = self.maps[(left or right)[0]][0], self.maps[(left or right)[-1]][1]
                spread, scale = spreads[first], scales[last]
                gap = _composed(left, maps, len(spread)) - _composed(right, maps, len(spread))
                pull = spread @ gap / scale
                broken += float(np.vdot(gap, pull))
                for path, sign in ((left, 2.0), (right, -2.0)):
                    for at, name in enumerate(path):
                        before = _composed(path[:at], maps, len(spread))
                        after = _composed(path[at + 1 :], maps, maps[name].shape[1])
                        slopes[name] += self.weight * sign * before.T @ pull @ after.T
            slope = np.concatenate([slopes[name][:, :-1].ravel() for name in names])
            return own, broken, slope

        def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
            own, broken, slope = losses(flat)
            return own + self.weight * broken, slope

        flat = np.concatenate([start[name][:, :-1].ravel() for name in names])
        if self.weight > 0 and equations and self.steps:
            flat = minimize(
                objective, flat, jac=True, method="L-BFGS-B",
                options={"maxiter": self.steps, "maxcor": 20},
            ).x  # fmt: skip
        own, broken, _ = losses(flat)
        self.loss_ = float(own), float(broken)
        return unpacked(flat)

    def _path(self, text: str) -> list[str]:
        path = [] if text.split() == [_ONE] else text.split()
        if strange := [name for name in path if name not in self.maps]:
            raise InputError("Schema", f"maps {strange}", f"some of {list(self.maps)}")
        for first, then in pairwise(path):
            if self.maps[first][1] != self.maps[then][0]:
                raise InputError(
                    "Schema", f"path {text.strip()!r}: {first!r} ends in {self.maps[first][1]!r}, "
                    f"{then!r} starts in {self.maps[then][0]!r}", "maps that follow each other",
                )  # fmt: skip
        return path

    def _parsed(self) -> list[tuple[list[str], list[str]]]:
        """Both sides of every equation, checked to start and to end in one space each."""
        if not self.maps or any(not n.isidentifier() or len(e) != 2 for n, e in self.maps.items()):
            raise InputError("Schema", f"maps {self.maps}", "{name: (source, target)}, names of "
                             "letters, digits and underscores")  # fmt: skip
        found = []
        for text in self.equations:
            if text.count("=") != 1:
                raise InputError("Schema", f"equation {text!r}", "'path = path'")
            left, right = (self._path(side) for side in text.split("="))
            ends = [(self.maps[p[0]][0], self.maps[p[-1]][1]) for p in (left, right) if p]
            closed = len(ends) == 2 or (len(ends) == 1 and ends[0][0] == ends[0][1])
            if not ends or len(set(ends)) > 1 or not closed:
                raise InputError("Schema", f"equation {text!r} between {ends or 'nothing'}",
                                 "two paths with the same ends, or a cycle = 1")  # fmt: skip
            found.append((left, right))
        return found


@dataclass(frozen=True, slots=True)
class _Term:
    """One map's own loss, from moments of its augmented source rows (1 last) and its target's."""

    own: np.ndarray
    cross: np.ndarray
    total: float
    penalty: float

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, alpha: float, scale: float) -> "_Term":
        n, wide = len(x), _ones(x)
        unit = float(((x - x.mean(axis=0)) ** 2).sum()) / x.shape[1] or 1.0
        return cls(wide.T @ wide / (n * scale), wide.T @ y / (n * scale),
                   float(np.sum(y * y)) / (n * scale), alpha * unit / (n * scale))  # fmt: skip

    def loss(self, w: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss of an augmented map (dx + 1, dy + 1), and its slope."""
        inner, slope = w[:, :-1], np.zeros_like(w)
        pull = self.own @ inner - self.cross
        weights = inner.copy()
        weights[-1] = 0.0  # the offset goes free
        slope[:, :-1] = 2.0 * (pull + self.penalty * weights)
        value = np.vdot(inner, pull - self.cross) + self.penalty * np.vdot(weights, weights)
        return self.total + float(value), slope


def _rows(what: str, rows: Any) -> np.ndarray:
    found: np.ndarray = to_numpy(matrix(what, rows, operation="Schema")).astype(np.float64)
    return found


def _ones(x: np.ndarray) -> np.ndarray:
    return np.c_[x, np.ones(len(x))]


def _augmented(w: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The map x W + b as one matrix (dx + 1, dy + 1) that acts on [x, 1]."""
    return np.block([[w, np.zeros((len(w), 1))], [b[None], np.ones((1, 1))]])


def _parts(wide: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.ascontiguousarray(wide[:-1, :-1]), wide[-1, :-1].copy()


def _composed(path: Sequence[str], maps: Mapping[str, np.ndarray], size: int) -> np.ndarray:
    result = np.eye(size)
    for name in path:
        result = result @ maps[name]
    return result


def _apart(one: np.ndarray, two: np.ndarray) -> float:
    spread = float(np.linalg.norm(two - two.mean(axis=0)))
    return float(np.linalg.norm(one - two)) / (spread or 1.0)
