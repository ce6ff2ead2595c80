"""``isthmus.stitch``: a head trained in one space, put to work on vectors of another."""

from collections.abc import Callable
from typing import Any, Self, TypeVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.metaestimators import available_if

from isthmus.bridges.bridge import Bridge
from isthmus.bridges.stitch_torch import is_module, stitched_module
from isthmus.core.arrays import Array
from isthmus.core.errors import InputError

_OPERATION = "stitch"
Method = TypeVar("Method", bound=Callable[..., Any])


def stitch(head: Any, bridge: Any, *, codes: bool = False) -> Any:
    """Make ``head``, fitted in the target space, work on vectors of the bridge's source.

    What comes back answers head(bridge(x)) for source vectors x, without any training. A
    scikit-learn estimator comes back as one, with those of its ``predict``, ``predict_proba``,
    ``predict_log_proba``, ``decision_function``, ``transform`` and ``score`` that it has. A torch
    module comes back as a module on whose way gradients flow: through all that the bridge does in
    its input's own arithmetic, which is everything but what a bridge hands to another library.

    Parameters
    ----------
    head : a fitted scikit-learn estimator, or a ``torch.nn.Module``
    bridge : a ``Bridge``, or a fitted estimator of ``isthmus.bridges``
    codes : the head was trained on relative codes of the target (``encode_target``) and gets those
        of the source (``encode_source``); no decoder is used

    Raises
    ------
    InputError
        When the head expects vectors of another dim than the bridge gives, when the bridge is not
        fitted or gives no codes, or when the head is neither of the two kinds.

    References
    ----------
    Moschella et al. 2023, Relative representations enable zero-shot latent space communication;
    Maiorca et al. 2023, Latent space translation via semantic alignment.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus.bridges import Orthogonal
    >>> from sklearn.linear_model import LogisticRegression
    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> y, labels = x[:, ::-1], (x[:, 0] > 0).astype(int)
    >>> head = LogisticRegression().fit(y, labels)
    >>> stitched = stitch(head, Orthogonal().fit(x, y))
    >>> bool((stitched.predict(x) == head.predict(y)).all())
    True
    """
    dim, given = _dims(bridge, codes=codes)
    if is_module(head):
        return stitched_module(head, bridge, source=dim, given=given, codes=codes)
    if not any(hasattr(head, name) for name in ("predict", "transform")):
        raise InputError(
            _OPERATION, f"a head of type {type(head).__name__}",
            "a fitted scikit-learn estimator or a torch.nn.Module",
        )  # fmt: skip
    expected = getattr(head, "n_features_in_", given)
    if expected != given:
        raise misfit(expected, given, codes=codes)
    return StitchedHead(head, bridge, codes=codes)


def misfit(expected: int, given: int, *, codes: bool) -> InputError:
    """The error of a head whose input is not what the bridge gives."""
    what = "codes" if codes else "vectors"
    return InputError(
        _OPERATION, f"a head for {expected} dims on a bridge that gives {what} of {given}",
        "a head trained in the bridge's target space",
        "Fit the bridge towards the head's space, or train the head on codes (codes=True).",
    )  # fmt: skip


def _dims(bridge: Any, *, codes: bool) -> tuple[int, int]:
    """What vectors the bridge takes, and what it gives the head."""
    inner = bridge.map if isinstance(bridge, Bridge) else bridge
    if not hasattr(inner, "transform") or not hasattr(inner, "n_features_in_"):
        raise InputError(
            _OPERATION, f"a bridge of type {type(bridge).__name__} that is not fitted",
            "a Bridge, or a fitted estimator of isthmus.bridges",
        )  # fmt: skip
    if not codes:
        return int(inner.n_features_in_), int(inner._n_features_out)
    if not hasattr(inner, "encode_source"):
        raise InputError(
            _OPERATION, f"codes=True with {type(inner).__name__}", "a bridge that gives codes",
            "Take relative or product_of_invariances.",
        )  # fmt: skip
    # One row of zeros shows the length of a code.
    width = int(inner.n_features_in_)
    return width, int(inner.encode_source(np.zeros((1, width))).shape[1])


def _has(name: str) -> Callable[[Method], Method]:
    found: Callable[[Method], Method] = available_if(lambda self: hasattr(self.head, name))
    return found


class StitchedHead(BaseEstimator):
    """A scikit-learn head behind a bridge, both fitted: see ``stitch``, which makes it.

    Nothing is left to fit, so ``fit`` changes nothing and ``clone`` keeps both parts as they are,
    as with scikit-learn's frozen estimators; it can be the last step of a pipeline.

    Parameters
    ----------
    head, bridge, codes : as in ``stitch``
    """

    def __init__(self, head: Any, bridge: Any, *, codes: bool = False) -> None:
        self.head = head
        self.bridge = bridge
        self.codes = codes

    def fit(self, X: Array, y: Any = None) -> Self:
        """Nothing: both parts are fitted."""
        return self

    def translate(self, X: Array) -> Array:
        """What the head sees of source vectors X (n, dx)."""
        if not self.codes:
            return self.bridge.transform(X)
        inner = self.bridge.map if isinstance(self.bridge, Bridge) else self.bridge
        return inner.encode_source(X)

    @_has("predict")
    def predict(self, X: Array) -> Any:
        """The head's predictions for source vectors X (n, dx)."""
        return self.head.predict(self.translate(X))

    @_has("predict_proba")
    def predict_proba(self, X: Array) -> Any:
        """The head's class probabilities for source vectors X (n, dx)."""
        return self.head.predict_proba(self.translate(X))

    @_has("predict_log_proba")
    def predict_log_proba(self, X: Array) -> Any:
        """Their logarithms."""
        return self.head.predict_log_proba(self.translate(X))

    @_has("decision_function")
    def decision_function(self, X: Array) -> Any:
        """The head's decision function for source vectors X (n, dx)."""
        return self.head.decision_function(self.translate(X))

    @_has("transform")
    def transform(self, X: Array) -> Any:
        """What the head makes of source vectors X (n, dx)."""
        return self.head.transform(self.translate(X))

    @_has("score")
    def score(self, X: Array, y: Any) -> float:
        """The head's own score on source vectors X (n, dx)."""
        return float(self.head.score(self.translate(X), y))

    @property
    def classes_(self) -> Any:
        """The head's classes, where it has any."""
        return self.head.classes_

    @property
    def n_features_in_(self) -> int:
        """The source's dim."""
        return _dims(self.bridge, codes=self.codes)[0]

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_clone__(self) -> Self:
        return self

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import get_tags

        tags = super().__sklearn_tags__()
        inner = get_tags(self.head) if hasattr(self.head, "__sklearn_tags__") else tags
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags, tags.regressor_tags = inner.classifier_tags, inner.regressor_tags
        return tags
