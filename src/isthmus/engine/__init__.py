"""Engine: where the work of a translation or a fit runs; the result is the same everywhere.

``Threads`` of this process, the default; ``Processes`` of this machine; ``Ray``, a cluster.

>>> import isthmus.engine
>>> isthmus.engine.named("processes", workers=2)
Processes(workers=2)
"""

from isthmus.core.engine import Engine, Threads
from isthmus.core.errors import InputError
from isthmus.engine.processes import Processes
from isthmus.engine.ray import Ray

__all__ = ["Engine", "Processes", "Ray", "Threads", "named"]

_ENGINES = {"threads": Threads, "processes": Processes, "ray": Ray}


def named(name: str, *, workers: int | None = None) -> Engine:
    """The engine called ``name``: ``threads``, ``processes`` or ``ray``; InputError on others."""
    if name not in _ENGINES:
        raise InputError("engine", repr(name), f"one of {', '.join(_ENGINES)}")
    return _ENGINES[name](workers=workers)
