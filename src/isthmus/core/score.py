"""Score: a measured number that carries its own doubt."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from isthmus.core.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A value with its 95 % interval, the level chance would reach, z, p, and the rows behind it.

    ``ci`` is a 95 % confidence interval (low, high); ``chance`` the expected value when the two
    spaces are unrelated; ``z`` and ``p`` (one-sided, towards *related*) test against it. Each is
    None where no valid form is known. ``length`` is the same comparison as a distance, present only
    where the metric axioms hold. ``parts`` are named parts of the answer, floats or NumPy arrays:
    one value per row, per layer, per direction.
    """

    value: float
    method: str
    n: int
    ci: tuple[float, float] | None = None
    chance: float | None = None
    z: float | None = None
    p: float | None = None
    length: float | None = None
    warnings: tuple[str, ...] = ()
    parts: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __float__(self) -> float:
        return float(self.value)

    def distance(self) -> float:
        """The comparison as a distance that obeys the metric axioms.

        Raises InputError for methods that are no metric, so that none is clustered by accident.
        """
        if self.length is None:
            raise InputError(
                f"{self.method}.distance()",
                "a score that is not a metric",
                "a method whose card says metric=True",
                "Use float(score) as a similarity instead.",
            )
        return self.length

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON; non-finite numbers become None."""
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self)}

    def __str__(self) -> str:
        text = f"{self.value:.4g}"
        if self.ci is not None:
            text += f" [{self.ci[0]:.4g}, {self.ci[1]:.4g}]"
        if self.chance is not None:
            text += f"  chance {self.chance:.3g}"
        if self.z is not None:
            text += f"  z {self.z:.3g}"
        return f"{text}  n={self.n}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
