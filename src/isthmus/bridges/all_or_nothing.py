"""What a fit that raises leaves behind: nothing."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

Fit = TypeVar("Fit", bound=Callable[..., Any])


def all_or_nothing(fit: Fit) -> Fit:
    """``fit`` that, where it raises, leaves its estimator as it was: unfitted, or as fitted before.

    Attributes are put back, not what a fit changes inside of them: it has to set new ones.

    >>> class Sum:
    ...     @all_or_nothing
    ...     def fit(self, x):
    ...         self.n_ = len(x)
    ...         self.sum_ = sum(x)
    >>> one = Sum()
    >>> one.fit([1, 2])
    >>> one.fit("abc")
    Traceback (most recent call last):
    TypeError: unsupported operand type(s) for +: 'int' and 'str'
    >>> vars(one)
    {'n_': 2, 'sum_': 3}
    """

    @wraps(fit)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = dict(vars(self))
        try:
            return fit(self, *args, **kwargs)
        except BaseException:  # Ctrl-C too may come halfway
            vars(self).clear()
            vars(self).update(before)
            raise

    return cast(Fit, guarded)
