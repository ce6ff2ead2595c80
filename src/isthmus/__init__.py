"""Isthmus: a land bridge between embedding spaces."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isthmus import anchors, bridges, measures, report, retrieval
    from isthmus.bridges.bridge import Bridge, load
    from isthmus.bridges.fitting import fit
    from isthmus.bridges.stitch import stitch
    from isthmus.measures.compare import compare
    from isthmus.measures.doctor import doctor
    from isthmus.spaces.open import open
    from isthmus.spaces.pairs import Pairs, pair
    from isthmus.spaces.space import Space
    from isthmus.upgrade.evaluate import evaluate
    from isthmus.upgrade.translate import translate

__version__ = "0.1.0"

# Public name -> the module that defines it; None marks a room, imported as it is.
# Nothing heavy is imported until a name is first used.
_HOME = {
    "Bridge": "bridges.bridge", "Pairs": "spaces.pairs", "Space": "spaces.space",
    "compare": "measures.compare", "doctor": "measures.doctor", "evaluate": "upgrade.evaluate",
    "fit": "bridges.fitting", "load": "bridges.bridge", "open": "spaces.open",
    "pair": "spaces.pairs", "stitch": "bridges.stitch", "translate": "upgrade.translate",
    "anchors": None, "bridges": None, "measures": None, "report": None, "retrieval": None,
}  # fmt: skip
__all__ = ["Bridge", "Pairs", "Space", "anchors", "bridges", "compare", "doctor", "evaluate", "fit"]
__all__ += ["load", "measures", "open", "pair", "report", "retrieval", "stitch", "translate"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'isthmus' has no attribute {name!r}")
    home = _HOME[name]
    found = import_module(f"isthmus.{home or name}")
    globals()[name] = getattr(found, name) if home else found
    return globals()[name]
