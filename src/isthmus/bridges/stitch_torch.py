"""A torch head behind a bridge, as one module; torch is imported when there is a module at all."""

import sys
from functools import cache
from typing import Any

from isthmus.bridges.bridge import Bridge
from isthmus.bridges.linear import LinearMap
from isthmus.core.errors import InputError


def is_module(head: Any) -> bool:
    """Whether ``head`` is a torch module; without torch in use nothing can be."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(head, torch.nn.Module)


def stitched_module(head: Any, bridge: Any, *, source: int, given: int, codes: bool) -> Any:
    """The module x ↦ head(bridge(x)); InputError when the head's first layer is of another width.

    A linear bridge becomes buffers of the module, which follow it to another device.
    """
    from isthmus.bridges.stitch import misfit

    expected = _first_width(head)
    if expected is not None and expected != given:
        raise misfit(expected, given, codes=codes)
    return _module()(head, bridge, source=source, given=given, codes=codes)


def _first_width(module: Any) -> int | None:
    """Input width of the first layer that has one, looking through containers; None if unknown."""
    import torch

    if isinstance(module, torch.nn.Linear | torch.nn.LazyLinear):
        return int(module.in_features) or None
    if isinstance(module, torch.nn.Sequential):
        for child in module:
            # Layers that keep the width are looked past, others decide (or hide) it.
            if any(True for _ in child.parameters()) or isinstance(child, torch.nn.Sequential):
                return _first_width(child)
            if not type(child).__module__.endswith(("activation", "dropout")):
                return None
    return None


@cache
def _module() -> Any:
    import torch

    class Stitched(torch.nn.Module):  # type: ignore[misc]
        """A head behind a bridge; see ``isthmus.stitch``."""

        def __init__(self, head: Any, bridge: Any, *, source: int, given: int, codes: bool) -> None:
            super().__init__()
            self.head = head
            self.bridge = bridge
            self.codes = codes
            self.source = source
            self.given = given
            inner = bridge.map if isinstance(bridge, Bridge) else bridge
            self._encode = inner.encode_source if codes else inner.transform
            self.linear = isinstance(inner, LinearMap) and not codes
            self.shifted = self.linear and bool(inner.origin_.any())
            if self.linear:
                dtype = next((p.dtype for p in head.parameters()), torch.float32)
                for name in ("coef", "intercept", "origin"):
                    kept = torch.tensor(getattr(inner, f"{name}_"), dtype=dtype)
                    self.register_buffer(name, kept, persistent=False)

        def translate(self, x: Any) -> Any:
            """What the head sees of source vectors x (..., dx)."""
            if x.shape[-1] != self.source:
                raise InputError("stitched module", f"x {tuple(x.shape)}", f"(..., {self.source})")
            if not x.is_floating_point():
                x = x.to(torch.get_default_dtype())
            if self.linear:
                coef, intercept, origin = (
                    b.to(x.dtype) for b in (self.coef, self.intercept, self.origin)
                )
                return (x - origin if self.shifted else x) @ coef + intercept
            if not len(rows := x.reshape(-1, self.source)):
                return x.new_zeros((*x.shape[:-1], self.given))
            return self._encode(rows).to(x.dtype).reshape(*x.shape[:-1], self.given)

        def forward(self, x: Any, *args: Any, **kwargs: Any) -> Any:
            """The head's answer to source vectors x (..., dx)."""
            return self.head(self.translate(x), *args, **kwargs)

    return Stitched
