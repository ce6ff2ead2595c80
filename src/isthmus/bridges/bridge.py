"""Bridge: a fitted map with its identity, its direction and the evidence of its fit."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.bridges import file
from isthmus.bridges.choice import Choice, check_relation, choose, pair_score
from isthmus.bridges.linear import LOO_ROWS
from isthmus.core.arrays import Array
from isthmus.core.errors import FormatError, InputError, SpaceMismatch
from isthmus.core.moments import Moments
from isthmus.core.neighbors import partner_ranks, unit
from isthmus.core.random import generator
from isthmus.core.registry import method as find_method
from isthmus.core.score import Score
from isthmus.spaces.fingerprint import Fingerprint
from isthmus.spaces.pairs import Pairs, pair

#: Pairs that ``auto`` looks at, and that methods which cannot stream are fitted on, at most.
_SAMPLE = 20_000
_HELD_OUT = 2000
#: With fewer held-out pairs even perfect retrieval does not rule chance out.
_PROOF = 20


class Bridge:
    """A directed map from a source space to a target space that knows both ends.

    Attributes
    ----------
    map : the fitted estimator (``isthmus.bridges.Orthogonal`` and the like)
    source, target : fingerprints of both ends
    name : the method's name
    pairs : how many pairs it was fitted on
    holdout : the rule ``{"test": share, "seed": seed}`` of ``Pairs.split`` whose test side it never
        saw, or None when it saw all pairs
    scores : held-out ``mrr``, ``top1`` and ``cosine`` by name, empty without a test side
    choice : the table of ``method="auto"``, or None

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(200, 4)) * [4, 3, 2, 1]
    >>> bridge = fit(x, x[:, ::-1], method="orthogonal")
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
    ) -> None:
        self.map = map
        self.source, self.target = source, target
        self.name: str = type(map).card.name
        self.pairs = pairs
        self.holdout = holdout
        self.scores = dict(scores or {})
        self.choice = choice

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
        map = self.map
        arrays, fitted = {}, {"n_features_in_": int(map.n_features_in_)}
        for name in map.STATE:
            value = getattr(map, name)
            if isinstance(value, np.ndarray):
                arrays[name] = value
            else:
                fitted[name] = value
        description = {
            "method": self.name, "params": _plain(map.get_params()), "fitted": fitted,
            "source": self.source.as_dict(), "target": self.target.as_dict(),
            "pairs": self.pairs, "holdout": self.holdout,
            "scores": {name: score.as_dict() for name, score in self.scores.items()},
        }  # fmt: skip
        file.write(Path(path), description, arrays)
        return Path(path)

    def as_dict(self) -> dict[str, Any]:
        """What the bridge is, as plain data for JSON; no weights."""
        return {
            "kind": "bridge", "method": self.name, "params": _plain(self.map.get_params()),
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


def fit(
    source: Any,
    target: Any = None,
    *,
    method: str = "auto",
    holdout: float = 0.2,
    seed: int = 0,
    **params: Any,
) -> Bridge:
    """Fit a bridge from ``source`` to ``target``, and prove on held-out pairs that it works.

    Parameters
    ----------
    source, target : spaces, paths or arrays, paired on their ids; or one ``Pairs``
    method : a bridge's name, or ``auto`` to choose one by held-out retrieval
    holdout : share of the ids kept aside for the proof; which ids depends on them and ``seed``
        alone, so that ``evaluate`` can find them again
    seed : seed of every random choice
    params : parameters of the method's estimator

    Raises
    ------
    NoRelationFound
        When held-out partners are not found better than by chance: the rows look shuffled.
    PairingError, InputError
        When nothing can be paired or values cannot be used.
    """
    pairs = source if isinstance(source, Pairs) and target is None else pair(source, target)
    pairs.check_finite()
    train, test = (pairs, None) if len(pairs) < 10 else pairs.split(holdout, seed=seed)
    choice = None
    if method == "auto":
        if params:
            raise InputError("fit", f"method='auto' with {sorted(params)}", "no parameters")
        seen = _sample(train, _SAMPLE, seed)
        choice = choose(_wide(seen.x), _wide(seen.y), rng=seed)
        method = choice.chosen
    found = find_method("bridges", method)
    try:
        estimator = found.call(**params)
    except TypeError as error:
        known = ", ".join(found.call().get_params())
        raise InputError(
            f"fit {method}", f"parameters {sorted(params)}", f"some of: {known}"
        ) from error
    if found.card.streams:
        seen = _sample(train, LOO_ROWS, seed)
        moments = Moments.from_blocks(train.blocks(), keeps=estimator.keeps)
        estimator.fit_moments(moments, _wide(seen.x), _wide(seen.y))
        used = len(train)
    else:
        seen = _sample(train, _SAMPLE, seed)
        estimator.fit(_wide(seen.x), _wide(seen.y))
        used = len(seen)
    bridge = Bridge(
        estimator,
        source=pairs.source.fingerprint(),
        target=pairs.target.fingerprint(),
        pairs=used,
        holdout=None if test is None else {"test": holdout, "seed": seed},
        choice=choice,
    )
    if test is not None:
        bridge.scores = _prove(bridge, _sample(test, _HELD_OUT, seed), train)
        if bridge.scores["mrr"].n >= _PROOF:
            check_relation(bridge.scores["mrr"], f"{method} on {used:,} pairs")
    return bridge


def load(path: str | Path) -> Bridge:
    """Read a bridge file; raises FormatError on anything that ``Bridge.save`` did not write."""
    path = Path(path)
    description, arrays = file.read(path)
    try:
        found = find_method("bridges", description["method"])
        estimator = found.call(**description["params"])
        source, target = (Fingerprint.from_dict(description[end]) for end in ("source", "target"))
        _restore(estimator, description["fitted"], arrays, source.dim, target.dim)
        with np.errstate(all="ignore"):  # parameters are known to fit once one vector went through
            estimator.transform(np.ones((1, source.dim)))
        scores = {name: _score(data) for name, data in description["scores"].items()}
        pairs, holdout = int(description["pairs"]), description["holdout"]
        if holdout is not None:
            holdout = {"test": float(holdout["test"]), "seed": int(holdout["seed"])}
        bridge = Bridge(
            estimator, source=source, target=target, pairs=pairs, holdout=holdout, scores=scores
        )
        str(bridge)  # scores that cannot be shown are not ours
    except FormatError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise FormatError(
            "load bridge", f"{path}: {type(error).__name__} {error}"[:300],
            "a description as Bridge.save writes it", "Fit the bridge anew.",
        ) from error  # fmt: skip
    return bridge


def _restore(
    estimator: Any, fitted: dict[str, Any], arrays: dict[str, np.ndarray], dx: int, dy: int
) -> None:
    """Give ``estimator`` its fitted state, holding every array to the shape it declares."""
    sizes = {"dx": dx, "dy": dy}
    if set(arrays) | set(fitted) != {*estimator.STATE, "n_features_in_"}:
        raise ValueError(f"state {sorted({*arrays, *fitted})}")
    for name, dims in estimator.STATE.items():
        if not dims:
            if type(fitted[name]) not in (int, float) or not abs(fitted[name]) < 1e300:
                raise ValueError(f"{name} is no finite number")
            setattr(estimator, name, fitted[name])
            continue
        shape = arrays[name].shape
        if len(shape) != len(dims) or any(
            sizes.setdefault(dim, size) != size for dim, size in zip(dims, shape, strict=True)
        ):
            raise ValueError(f"{name} of shape {shape}, not {dims}")
        setattr(estimator, name, arrays[name])
    if fitted["n_features_in_"] != dx:
        raise ValueError("n_features_in_ differs from the source's dim")
    estimator.n_features_in_ = dx


def _prove(bridge: Bridge, test: Pairs, train: Pairs) -> dict[str, Score]:
    translated, truth = bridge.transform(_wide(test.x)), _wide(test.y)
    # Partners of fitted rows serve as further distractors when few pairs are held out.
    extra = _sample(train, max(_HELD_OUT - len(test), 0), 0)
    pool = np.concatenate([truth, _wide(extra.y)]) if len(extra) else truth
    ranks = 1 / partner_ranks(translated, pool)
    cosines = np.sum(unit(translated) * unit(truth), axis=1)
    return {
        "mrr": pair_score(ranks, len(pool)),
        "top1": _mean_score("true_pair_top1", (ranks == 1).astype(float), 1 / len(pool)),
        "cosine": _mean_score("cosine", cosines, None),
    }


def _mean_score(name: str, values: np.ndarray, chance: float | None) -> Score:
    n, mean = len(values), float(values.mean())
    spread = 1.96 * float(values.std(ddof=1)) / n**0.5 if n > 1 else float("nan")
    ci = (mean - spread, mean + spread) if n > 1 else None
    return Score(value=mean, method=name, n=n, ci=ci, chance=chance)


def _sample(pairs: Pairs, count: int, seed: int) -> Pairs:
    if len(pairs) <= count:
        return pairs
    return pairs.select(np.sort(generator(seed).choice(len(pairs), size=count, replace=False)))


def _wide(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float32) if x.dtype == np.float16 else x


def _plain(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters as JSON: a Generator in use cannot be written down, and is not needed after."""
    return {k: 0 if isinstance(v, np.random.Generator) else v for k, v in params.items()}


def _score(data: dict[str, Any]) -> Score:
    interval = data.get("ci")
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
