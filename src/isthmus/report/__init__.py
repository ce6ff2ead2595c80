"""The report: one self-contained HTML file from any result objects.

``isthmus.report`` is both this package and, called, the function in ``isthmus.report.html``:
importing any file below would otherwise hide the function behind the package of the same name.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any


class _Report(ModuleType):
    """A package that can be called like the one function people come for."""

    def __call__(self, path: str | Path, *results: Any, title: str = "Isthmus report") -> Path:
        from isthmus.report.html import report

        return report(path, *results, title=title)


sys.modules[__name__].__class__ = _Report
