"""Bridge: a fitted map with its identity, its direction and the evidence of its fit."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.bridges import file
from isthmus.bridges.choice import Choice
from isthmus.bridges.familiarity import Familiarity
from isthmus.bridges.map import Map
from isthmus.bridges.stored import plain, restore, state
from isthmus.core.arrays import Array, matrix, to_numpy
from isthmus.core.errors import FormatError, InputError, SpaceMismatch
from isthmus.core.registry import method as find_method
from isthmus.core.score import Score
from isthmus.spaces.fingerprint import Fingerprint

#: What the names of the familiarity's arrays begin with in a file.
_FAMILIARITY = "familiarity."


class Bridge:
    """A directed map from a source space to a target space that knows both ends.

    Attributes
    ----------
    map : the fitted estimator (``isthmus.bridges.Orthogonal`` and the like)
    source, target : fingerprints of both ends
    name : the method's name
    pairs : how many known pairs it was fitted on
    holdout : the rule ``{"test": share, "seed": seed}`` of ``Pairs.split`` whose test side it never
        saw, or None when it saw all pairs
    scores : held-out ``mrr``, ``top1`` and ``cosine`` by name, empty without a test side
    choice : the table of ``method="auto"``, or None
    familiarity : what ``confidence`` judges by, or None

    Examples
    --------
    >>> import isthmus
    >>> x = np.random.default_rng(0).normal(size=(200, 4)) * [4, 3, 2, 1]
    >>> bridge = isthmus.fit(x, x[:, ::-1], method="orthogonal")
    >>> bool(np.allclose(bridge.transform(x[:3]), x[:3, ::-1]))
    True
    """

    def __init__(
        self,
        map: Any,
        *,
        source: Fingerprint,
        target: Fingerprint,
        pairs: int,
        holdout: dict[str, Any] | None = None,
        scores: dict[str, Score] | None = None,
        choice: Choice | None = None,
        familiarity: Familiarity | None = None,
    ) -> None:
        self.map = map
        self.source, self.target = source, target
        self.name: str = type(map).card.name
        self.pairs = pairs
        self.holdout = holdout
        self.scores = dict(scores or {})
        self.choice = choice
        self.familiarity = familiarity

    def transform(self, X: Array) -> Array:
        """Translate source vectors (n, dx) into the target space, (n, dy)."""
        return self.map.transform(X)

    def transform_block(self, x: np.ndarray) -> np.ndarray:
        """``transform`` of a float32 or float64 NumPy block (n, dx), without checks or copies.

        What is not finite in x comes out not finite; the caller looks.
        """
        weights = self._weights.get(x.dtype.char)
        if weights is None or x.shape[1] != self.source.dim:
            with np.errstate(invalid="ignore"):
                return self.map.transform(x)
        result: np.ndarray = x @ weights[0]
        result += weights[1]
        return result

    @property
    def has_inverse(self) -> bool:
        """Whether ``inverse_transform`` exists."""
        return hasattr(self.map, "inverse_transform")

    def inverse_transform(self, Y: Array) -> Array:
        """Carry target vectors (n, dy) back into the source space; InputError if none is known."""
        if not self.has_inverse:
            raise InputError(
                f"{self.name}.inverse_transform", "a map without inverse", "an invertible bridge",
                "Fit a bridge the other way round.",
            )  # fmt: skip
        return self.map.inverse_transform(Y)

    def score(self, X: Array, Y: Array) -> float:
        """Mean reciprocal rank of each row's true partner among all rows of Y, by cosine.

        Row i of Y (m, dy) is the partner of row i of X (n, dx); further ones stand in its way.
        """
        return float(self.map.score(X, Y))

    def image(self) -> Fingerprint | None:
        """What its translations are recognised by, which are not quite vectors of the target.

        The fingerprint of the fitted rows that it keeps, translated; None where it keeps none.
        """
        if self.familiarity is None:
            return None
        moved = to_numpy(self.map.transform(self.familiarity.rows))
        return Fingerprint.of(moved, metric=self.target.metric)

    def confidence(self, X: Array) -> np.ndarray:
        """How much each source vector (n, dx) looks like those the bridge was fitted on, (n,).

        The share of held-out source vectors at least as far from their nearest fitted ones: a
        conformal p-value in (0, 1]. Below α lie at most a share α of the vectors that are like
        the held-out ones, so a small one marks a translation not to be trusted. ``isthmus.fit``
        keeps the rows that tell; an estimator fitted by itself keeps none, and has no confidence.
        """
        if self.familiarity is None:
            raise InputError(
                f"{self.name}.confidence", "a bridge that knows nothing of its source rows",
                "one made by isthmus.fit",
            )  # fmt: skip
        return self.familiarity.confidence(to_numpy(matrix("X", X, operation="confidence")))

    def __call__(self, vector: np.ndarray) -> np.ndarray:
        """Translate one NumPy vector (dx,) into (dy,): the query path, with next to no overhead.

        Raises InputError when its length is wrong or it is not finite.
        """
        weights = self._weights.get(vector.dtype.char)
        if weights is None or vector.shape != self._shape:
            return self._slow(vector)
        result: np.ndarray = vector @ weights[0]
        result += weights[1]
        # One dot product tells whether anything is NaN or infinite: 0 * inf is NaN.
        if not abs(np.dot(result, weights[2])) == 0.0:
            raise _not_finite(self.name)
        return result

    def check(self, vectors: np.ndarray, *, encoder: str | None = None) -> None:
        """Raise SpaceMismatch unless ``vectors`` (n, d) may come from the source space.

        ``encoder`` is the name declared for them. The message says what they look like instead;
        vectors of the target space mean that the bridge is being used backwards.
        """
        declared = self.source.encoder
        if encoder is not None and declared is not None and encoder != declared:
            backwards = encoder == self.target.encoder
            raise self._mismatch(f"vectors of encoder {encoder!r}", backwards)
        match = self.source.matches(vectors)
        if not match.ok:
            other = self.target.matches(vectors)
            raise self._mismatch(
                f"{len(vectors)} vectors of dim {vectors.shape[1]}; {match.reason}",
                other.ok and other.decided,
            )

    def save(self, path: str | Path) -> Path:
        """Write the bridge as one file (safetensors and JSON), atomically; returns its path."""
        arrays, fitted = state(self.map)
        fitted["n_features_in_"] = int(self.map.n_features_in_)
        description = {
            "method": self.name, "params": plain(self.map.get_params()), "fitted": fitted,
            "source": self.source.as_dict(), "target": self.target.as_dict(),
            "pairs": self.pairs, "holdout": self.holdout,
            "scores": {name: score.as_dict() for name, score in self.scores.items()},
        }  # fmt: skip
        if self.familiarity is not None:
            known = self.familiarity.arrays()
            arrays |= {f"{_FAMILIARITY}{name}": array for name, array in known.items()}
        file.write(Path(path), description, arrays)
        return Path(path)

    def as_dict(self) -> dict[str, Any]:
        """What the bridge is, as plain data for JSON; no weights."""
        return {
            "kind": "bridge", "method": self.name, "params": plain(self.map.get_params()),
            "source": _ends(self.source), "target": _ends(self.target), "pairs": self.pairs,
            "holdout": self.holdout,
            "scores": {name: score.as_dict() for name, score in self.scores.items()},
            "choice": None if self.choice is None else self.choice.as_dict(),
        }  # fmt: skip

    def __repr__(self) -> str:
        ends = f"{_title(self.source)} -> {_title(self.target)}"
        held = f", held-out MRR {self.scores['mrr'].value:.3f}" if "mrr" in self.scores else ""
        return f"<Bridge {self.name}: {ends}, {self.pairs:,} pairs{held}>"

    def __str__(self) -> str:
        lines = [f"bridge {self.name}, fitted on {self.pairs:,} pairs"]
        for way, end in (("from", self.source), ("to", self.target)):
            name = end.encoder or "an encoder not stated"
            lines.append(f"  {way:<6}{name}: {end.dim} dimensions, {end.norms} norms")
            if not end.detects_rotation:
                lines.append(f"{'':8}(vectors of a rotated copy of it would go unnoticed)")
        if self.scores:
            lines.append(f"  on {self.scores['mrr'].n:,} held-out pairs:")
            lines += [f"    {name:<8}{score}" for name, score in self.scores.items()]
        else:
            lines.append("  too few pairs to hold some out: nothing proves that it works")
        beyond = self.source.dim - self.pairs + 1  # n points differ in n - 1 directions
        if self.pairs and beyond > 0:
            many = f"at least {beyond:,} of {self.source.dim:,} source directions"
            filled = getattr(self.map, "BEYOND", Map.BEYOND)
            lines.append(f"  {many} lie in no known pair:\n    these are {filled}")
        trust = getattr(self.map, "confidence_", None)
        if trust is not None:
            lines.append(f"  confidence without pairs: {trust:.2f} (of 1)")
        return "\n".join(lines if self.choice is None else [*lines, "", str(self.choice)])

    @cached_property
    def _shape(self) -> tuple[int]:
        return (self.source.dim,)

    @cached_property
    def _weights(self) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        if not hasattr(self.map, "coef_") or self.map.origin_.any():
            return {}
        both = ((char, np.dtype(char)) for char in "fd")
        return {
            char: (
                self.map.coef_.astype(kind), self.map.intercept_.astype(kind),
                np.zeros(len(self.map.intercept_), kind),
            )
            for char, kind in both
        }  # fmt: skip

    def _slow(self, vector: np.ndarray) -> np.ndarray:
        if vector.shape != self._shape:
            raise InputError(
                f"bridge {self.name!r}", f"a vector of shape {vector.shape}", f"shape {self._shape}"
            )
        return np.asarray(self.map.transform(vector[None])[0])

    def _mismatch(self, given: str, backwards: bool) -> SpaceMismatch:
        cure = (
            "They look like the target's: the bridge is being used backwards; fit one the other "
            "way round."
            if backwards
            else "Fit a bridge for the space these vectors come from."
        )
        ends = f"vectors of its source, {_title(self.source)} (dim {self.source.dim})"
        return SpaceMismatch(f"bridge {self.name!r}", given, ends, cure)


def load(path: str | Path) -> Bridge:
    """Read a bridge file; raises FormatError on anything that ``Bridge.save`` did not write."""
    path = Path(path)
    description, arrays = file.read(path)
    try:
        found = find_method("bridges", description["method"])
        if "source" not in description and hasattr(found.call, "load"):
            name = found.call.__name__
            raise FormatError(
                "load bridge", f"{path}, which holds a {name}", "a bridge between two spaces",
                f"Read it with isthmus.bridges.{name}.load.",
            )  # fmt: skip
        estimator = found.call(**description["params"])
        source, target = (Fingerprint.from_dict(description[end]) for end in ("source", "target"))
        start = len(_FAMILIARITY)
        known = {n[start:]: arrays.pop(n) for n in list(arrays) if n.startswith(_FAMILIARITY)}
        familiarity = Familiarity.from_arrays(known, source.dim) if known else None
        fitted = dict(description["fitted"])
        if fitted.pop("n_features_in_") != source.dim:
            raise ValueError("n_features_in_ differs from the source's dim")
        restore(estimator, fitted, arrays, {"dx": source.dim, "dy": target.dim})
        estimator.n_features_in_ = source.dim
        with np.errstate(all="ignore"):  # parameters are known to fit once one vector went through
            estimator.transform(np.ones((1, source.dim)))
        scores = {name: score_from(data) for name, data in description["scores"].items()}
        pairs, holdout = int(description["pairs"]), description["holdout"]
        if holdout is not None:
            holdout = {"test": float(holdout["test"]), "seed": int(holdout["seed"])}
        bridge = Bridge(
            estimator, source=source, target=target, pairs=pairs, holdout=holdout, scores=scores,
            familiarity=familiarity,
        )  # fmt: skip
        str(bridge)  # scores that cannot be shown are not ours
    except FormatError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise FormatError(
            "load bridge", f"{path}: {type(error).__name__} {error}"[:300],
            "a description as Bridge.save writes it", "Fit the bridge anew.",
        ) from error  # fmt: skip
    return bridge


def score_from(data: dict[str, Any]) -> Score:
    """The score that ``Score.as_dict`` described."""
    interval = data.get("ci")
    numbers = [data["value"], *(data[name] for name in ("chance", "z", "p") if name in data)]
    if not all(value is None or isinstance(value, int | float) for value in numbers):
        raise ValueError(f"a score of {numbers}")
    return Score(
        **{**data, "ci": None if interval is None else tuple(interval),
           "warnings": tuple(data.get("warnings", ()))}
    )  # fmt: skip


def _ends(fingerprint: Fingerprint) -> dict[str, Any]:
    return {
        "encoder": fingerprint.encoder, "dim": fingerprint.dim, "metric": fingerprint.metric,
        "norms": fingerprint.norms, "detects_rotation": fingerprint.detects_rotation,
    }  # fmt: skip


def _title(fingerprint: Fingerprint) -> str:
    return fingerprint.encoder or f"a space of dim {fingerprint.dim}"


def _not_finite(name: str) -> InputError:
    return InputError(f"bridge {name!r}", "a vector with NaN or infinity", "finite numbers")
