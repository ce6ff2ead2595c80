"""What every bridge's estimator shares beyond fitting and translating."""

from typing import Any, ClassVar

import numpy as np
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from isthmus.bridges.all_or_nothing import all_or_nothing
from isthmus.core.arrays import Array, matrix
from isthmus.core.errors import InputError
from isthmus.core.neighbors import partner_ranks


class Map:
    """Mixin of an estimator with ``fit(X, y, *, pairs=None)``, ``transform`` and ``STATE``.

    ``STATE`` names every fitted attribute that a bridge file keeps, with the names of its dims:
    ``("dx", "dy")`` for a matrix from the source's to the target's, ``()`` for a number. Equal
    names mean equal sizes. The estimator gives ``_n_features_out``, the target's dim. ``BEYOND``
    says what becomes of source directions in which no two pairs differ.

    A fit that raises leaves the estimator as it was: not fitted, or with the map it had. How far a
    row is like those fitted (``confidence``) is for a ``Bridge`` to say, which ``isthmus.fit``
    calibrates on rows held out.
    """

    BEYOND: ClassVar[str] = "left to the method's own form and penalties"

    def __init_subclass__(cls, **options: Any) -> None:
        for name in ("fit", "fit_moments"):
            if hasattr(cls, name):
                setattr(cls, name, all_or_nothing(getattr(cls, name)))
        super().__init_subclass__(**options)

    def score(self, X: Array, y: Array) -> float:
        """Mean reciprocal rank of each row's true partner among all rows of y, by cosine.

        Row i of y (m, dy) is the partner of row i of X (n, dx); further ones stand in its way.
        """
        operation = f"{type(self).__name__}.score"
        y = y if hasattr(y, "shape") else np.asarray(y)
        truth = matrix("y", y[:, None] if len(y.shape) == 1 else y, operation=operation)
        translated = self.transform(X)  # type: ignore[attr-defined]
        if translated.shape[0] > truth.shape[0]:
            raise InputError(
                operation, f"{translated.shape[0]} rows of X for {truth.shape[0]} of y",
                "a partner for each, by position",
            )  # fmt: skip
        return float((1 / partner_ranks(translated, truth)).mean())

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the target's columns, ``<bridge>0``, ``<bridge>1``, ..."""
        check_is_fitted(self)  # type: ignore[arg-type]
        name = type(self).__name__.lower()
        count: int = self._n_features_out  # type: ignore[attr-defined]
        return np.array([f"{name}{i}" for i in range(count)], dtype=object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags  # type: ignore[no-any-return]
