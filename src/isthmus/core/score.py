"""Score: a measured number that carries its own doubt."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from isthmus.core.errors import InputError

_NUMBERS = ("value", "ci", "chance", "z", "p", "length")
#: The cure where arithmetic on finite input leaves the finite numbers.
RESCALE = "Divide them by their largest magnitude first, or pass float64."


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A value with its 95 % interval, the level chance would reach, z, p, and the rows behind it.

    ``ci`` is a 95 % confidence interval (low, high); ``chance`` the expected value when the two
    spaces are unrelated; ``z`` and ``p`` (one-sided, towards *related*) test against it. Each is
    None where no valid form is known. ``length`` is the same comparison as a distance, present only
    where the metric axioms hold. ``parts`` are named parts of the answer, floats or NumPy arrays:
    one value per row, per layer, per direction.

    Every number in it is finite: InputError at any that is not, so no NaN goes on unseen.
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

    def __post_init__(self) -> None:
        numbers = {name: getattr(self, name) for name in _NUMBERS} | {
            f"parts[{name!r}]": part
            for name, part in self.parts.items()
            if isinstance(part, float | np.floating | np.ndarray)
        }
        for name, number in numbers.items():
            held = np.asarray(0.0 if number is None else number)
            if held.dtype.kind == "f" and not np.isfinite(held).all():
                raise InputError(
                    self.method,
                    f"numbers from which {name} comes out as NaN or infinity",
                    "numbers whose powers their dtype holds",
                    RESCALE,
                )

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
        """Plain data for JSON."""
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
    return value
