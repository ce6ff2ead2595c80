"""Isthmus: a land bridge between embedding spaces."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isthmus import anchors, bridges, engine, measures, report, retrieval, runtime
    from isthmus.bridges.bridge import Bridge, load
    from isthmus.bridges.fitting import fit
    from isthmus.bridges.stitch import stitch
    from isthmus.measures.compare import compare
    from isthmus.measures.doctor import doctor
    from isthmus.spaces.open import open
    from isthmus.spaces.pairs import Pairs, pair
    from isthmus.spaces.space import Space
    from isthmus.upgrade.evaluate import evaluate
    from isthmus.upgrade.job import Job
    from isthmus.upgrade.mixed_search import MixedSearch
    from isthmus.upgrade.plan import plan
    from isthmus.upgrade.translate import translate

__version__ = "0.1.0"

# Public name -> the module that defines it; None marks a room, imported as it is.
# Nothing heavy is imported until a name is first used.
_HOME = {
    "Bridge": "bridges.bridge", "Job": "upgrade.job", "MixedSearch": "upgrade.mixed_search",
    "Pairs": "spaces.pairs", "Space": "spaces.space",
    "compare": "measures.compare", "doctor": "measures.doctor", "evaluate": "upgrade.evaluate",
    "fit": "bridges.fitting", "load": "bridges.bridge", "open": "spaces.open",
    "pair": "spaces.pairs", "plan": "upgrade.plan", "stitch": "bridges.stitch",
    "translate": "upgrade.translate",
    "anchors": None, "bridges": None, "engine": None, "measures": None, "report": None,
    "retrieval": None, "runtime": None,
}  # fmt: skip
__all__ = ["Bridge", "Job", "MixedSearch", "Pairs", "Space", "anchors", "bridges", "compare"]
__all__ += ["doctor", "engine", "evaluate", "fit", "load", "measures", "open", "pair", "plan"]
__all__ += ["report", "retrieval", "runtime", "stitch", "translate"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'isthmus' has no attribute {name!r}")
    home = _HOME[name]
    found = import_module(f"isthmus.{home or name}")
    globals()[name] = getattr(found, name) if home else found
    return globals()[name]
