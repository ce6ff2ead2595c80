"""Fitted state as arrays and plain numbers, for files: what ``STATE`` of an estimator declares."""

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from isthmus.bridges import file
from isthmus.core.card import Card
from isthmus.core.errors import FormatError


class Stored:
    """Saving and loading of what is fitted but is no map between two spaces.

    ``STATE`` names the fitted arrays with their dims, and plain numbers with ``()``.
    """

    STATE: ClassVar[dict[str, tuple[str, ...]]]
    card: ClassVar[Card]

    def save(self, path: str | Path) -> Path:
        """Write all that is fitted as one file (safetensors and JSON), atomically."""
        check_is_fitted(self)
        arrays, fitted = state(self)
        params = plain(self.get_params())  # type: ignore[attr-defined]
        said = {"method": self.card.name, "params": params, "fitted": fitted}
        file.write(Path(path), said, arrays)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what ``save`` wrote; raises FormatError on anything else."""
        said, arrays = file.read(Path(path))
        try:
            if said["method"] != cls.card.name:
                raise ValueError(f"method {said['method']!r}")
            found = cls(**said["params"])
            restore(found, said["fitted"], arrays, {})
            with np.errstate(all="ignore"):
                found._try()
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise FormatError(
                f"load {cls.card.name}", f"{path}: {type(error).__name__} {error}"[:300],
                f"a description as {cls.__name__}.save writes it", "Fit it anew.",
            ) from error  # fmt: skip
        return found

    def _try(self) -> None:
        """Apply what was loaded once: an error says that its parts do not fit together."""
        raise NotImplementedError


def state(estimator: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The fitted arrays and the fitted numbers that ``estimator.STATE`` names."""
    values = {name: getattr(estimator, name) for name in estimator.STATE}
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    return arrays, {name: value for name, value in values.items() if name not in arrays}


def restore(
    estimator: Any, fitted: dict[str, Any], arrays: dict[str, np.ndarray], sizes: dict[str, int]
) -> None:
    """Give ``estimator`` its state, each array held to its dims; ``sizes`` are those known before.

    ValueError on what does not fit.
    """
    if set(arrays) | set(fitted) != set(estimator.STATE):
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


def plain(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters as JSON: a Generator in use cannot be written down, and is not needed after."""
    return {k: 0 if isinstance(v, np.random.Generator) else v for k, v in params.items()}
