"""Declared cost against counted work: arithmetic is counted, never timed."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import nnls


def terms(cost: str, sizes: dict[str, int]) -> list[float]:
    """The terms of a cost like ``"n d^2 + d^3"`` at the given sizes.

    >>> terms("n d^2 + d^3", {"n": 10, "d": 2})
    [40.0, 8.0]
    """
    values = []
    for term in cost.split("+"):
        value = 1.0
        for symbol, power in re.findall(r"([a-z])(?:\^(\d))?", term):
            value *= sizes[symbol] ** int(power or 1)
        values.append(value)
    return values


def misfit(cost: str, sizes: list[dict[str, int]], measured: list[float]) -> float:
    """Largest relative error of the best non-negative combination of the cost's terms."""
    design = np.array([terms(cost, size) for size in sizes])
    work = np.array(measured, dtype=float)
    scaled = design / work[:, None]
    weights, _ = nnls(scaled, np.ones(len(work)))
    return float(np.abs(scaled @ weights - 1).max())


def counted(run: Callable[[], Any]) -> float:
    """Arithmetic done by torch inside ``run``, whose inputs are torch tensors.

    2 m n k per matrix product, d³ per factorisation, one per entry that any other
    operation reads or produces, whichever is more.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
        work = 0.0

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            result = func(*args, **(kwargs or {}))
            name = func.__name__.partition(".")[0]
            first = args[0] if args and isinstance(args[0], torch.Tensor) else None
            if name in ("mm", "bmm", "mv", "dot") and first is not None:
                self.work += 2 * result.numel() * first.shape[-1]
            elif name in ("addmm", "addmv", "baddbmm"):
                self.work += 2 * result.numel() * args[1].shape[-1]
            elif name.startswith(("_linalg_", "linalg_")) and name not in no_factorisation:
                self.work += args[0].numel() * min(args[0].shape[-2:])
            else:
                outputs = result if isinstance(result, tuple | list) else (result,)
                read = 0 if first is None else first.numel()
                made = sum(
                    o.numel()
                    for o in outputs
                    if isinstance(o, torch.Tensor)
                    # A view is no work; what is written in place is.
                    and (func._schema.is_mutable or _memory(o) != _memory(first))
                )
                self.work += max(made, read) if made else 0
            return result

    no_factorisation = ("linalg_vector_norm", "_linalg_check_errors")

    def _memory(tensor: Any) -> int:
        return -1 if tensor is None else int(tensor.untyped_storage().data_ptr())

    with Counter() as counter:  # type: ignore[no-untyped-call]
        run()
    return counter.work
