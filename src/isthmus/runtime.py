"""The query path of a service: a linear bridge as one product, with nothing but NumPy loaded.

    from isthmus import runtime

    to_old = runtime.load("new-to-old.isthmus")
    index.search(to_old(query))

Files are read by the rules of ``isthmus.load`` (``core.bridge_file``); scikit-learn, SciPy, PyArrow
and safetensors stay unloaded.
"""

from pathlib import Path
from typing import Any

import numpy as np

from isthmus.core.bridge_file import read
from isthmus.core.errors import FormatError, InputError

__all__ = ["LinearMap", "load"]

#: What every bridge of the form (x - origin) W + b keeps, whatever else it knows of its fit.
_NEEDED = ("coef_", "intercept_", "origin_")
_NOT_FINITE = ("a vector with NaN or infinity, or too large for its precision", "finite numbers")


class LinearMap:
    """The map x ↦ (x - o) W + b of a bridge file; made by ``load``, called with one vector or many.

    Attributes
    ----------
    method : the bridge's name
    source, target : declared encoders of both ends, or None
    dim_source, dim_target : their dimensions, dx and dy
    """

    def __init__(
        self,
        coef: np.ndarray,
        intercept: np.ndarray,
        origin: np.ndarray,
        *,
        method: str,
        source: str | None = None,
        target: str | None = None,
    ) -> None:
        self.method, self.source, self.target = method, source, target
        self.dim_source, self.dim_target = coef.shape
        # Kept ready: casting W for every query would cost more than the query. float64 waits for
        # its first query, for files are loaded in a hurry and most vectors are float32.
        self._given = coef, intercept, origin, np.zeros(self.dim_target)
        self._weights: dict[Any, tuple[np.ndarray, ...]] = {}
        with np.errstate(over="ignore"):
            narrow = self._ready(np.float32)
        if all(np.isfinite(array).all() for array in narrow):
            self._weights[np.dtype(np.float32)] = narrow
        # A space far from zero is shifted before the product, which would lose the digits.
        self._fast = None if origin.any() else (self.dim_source,)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Translate x (dx,) or (n, dx), float32 or float64, into (dy,) or (n, dy) of its kind.

        Raises InputError on another width or precision, and on numbers that are not finite.
        """
        weights = self._weights.get(x.dtype)
        if weights is None or x.shape != self._fast:
            return self._rows(x)
        with np.errstate(invalid="ignore", over="ignore"):
            result: np.ndarray = x @ weights[0]
            result += weights[1]
            # One product tells whether anything is NaN or infinite: 0 * inf is NaN.
            if not result.dot(weights[3]) == 0.0:
                raise InputError(f"bridge {self.method!r}", *_NOT_FINITE)
        return result

    def __repr__(self) -> str:
        ends = (self.source, self.dim_source), (self.target, self.dim_target)
        named = (f"{name or 'a space'} ({dim})" for name, dim in ends)
        return f"<LinearMap {self.method}: {' -> '.join(named)}>"

    def _ready(self, kind: type[np.floating]) -> tuple[np.ndarray, ...]:
        """W column by column, so that each thread of a product finds its part in its own cache."""
        return tuple(array.astype(kind, order="F", copy=False) for array in self._given)

    def _rows(self, x: np.ndarray) -> np.ndarray:
        if x.dtype == np.float64 and x.dtype not in self._weights:
            self._weights[x.dtype] = self._ready(np.float64)
        weights = self._weights.get(x.dtype)
        if weights is None or x.ndim not in (1, 2) or x.shape[-1] != self.dim_source:
            kinds = " or ".join(sorted({"float64", *(kind.name for kind in self._weights)}))
            raise InputError(
                f"bridge {self.method!r}", f"{x.dtype} of shape {x.shape}",
                f"{kinds} of shape ({self.dim_source},) or (n, {self.dim_source})",
            )  # fmt: skip
        coef, intercept, origin, _ = weights
        with np.errstate(over="ignore", invalid="ignore"):
            result: np.ndarray = (x - origin) @ coef + intercept
        if not np.isfinite(result).all():
            raise InputError(f"bridge {self.method!r}", *_NOT_FINITE)
        return result


def load(path: str | Path) -> LinearMap:
    """Read the linear bridge in ``path`` and give its map.

    Raises
    ------
    FormatError
        On a file that ``Bridge.save`` did not write, a damaged or hostile one, and on a bridge
        that is no single product: ``isthmus.load`` reads those.
    StorageError
        When the file cannot be read.

    Examples
    --------
    >>> import tempfile, isthmus
    >>> x = np.random.default_rng(0).normal(size=(200, 4)).astype("float32")
    >>> file = Path(tempfile.mkdtemp()) / "b.isthmus"
    >>> bridge = isthmus.fit(x, x[:, ::-1], method="orthogonal").save(file)
    >>> to_target = load(file)
    >>> bool(np.allclose(to_target(x[0]), x[0, ::-1], atol=1e-5))
    True
    """
    path = Path(path)
    said, arrays = read(path, wanted=_NEEDED.__contains__)
    method = said.get("method")
    if set(arrays) != set(_NEEDED):
        raise FormatError(
            "isthmus.runtime.load", f"{path.name}, a bridge {method!s:.80}",
            "a linear bridge, one product with a matrix", "Install isthmus and use isthmus.load.",
        )  # fmt: skip
    coef, intercept, origin = (arrays[name] for name in _NEEDED)
    ends = [said.get(end) for end in ("source", "target")]
    sound = (
        isinstance(method, str)
        and coef.ndim == 2
        and min(coef.shape) > 0
        and origin.shape == coef.shape[:1]
        and intercept.shape == coef.shape[1:]
        and {array.dtype.kind for array in arrays.values()} == {"f"}
        and all(isinstance(end, dict) and _text(end.get("encoder")) for end in ends)
        and [end.get("dim") for end in ends if end] == list(coef.shape)
    )
    if not sound:
        raise FormatError(
            "isthmus.runtime.load", f"{path.name}: arrays that do not fit what it says of itself",
            "a file written by Bridge.save", "Fit the bridge anew.",
        )  # fmt: skip
    names = [end.get("encoder") for end in ends if end]
    return LinearMap(coef, intercept, origin, method=str(method), source=names[0], target=names[1])


def _text(value: Any) -> bool:
    return value is None or isinstance(value, str)
