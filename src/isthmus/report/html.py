"""Write the report: one HTML file, nothing beside it, readable offline and on paper."""

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

from isthmus.core.errors import InputError
from isthmus.report.page import STEPS, Section, assemble, clean
from isthmus.spaces.files import atomic_write

#: Where the builders of each step's sections are, imported when a report is written.
_SECTIONS = ("space", "health", "comparison", "many", "choice", "evaluation", "plan", "evidence")


def report(path: str | Path, *results: Any, title: str = "Isthmus report") -> Path:
    """Write one self-contained HTML page about ``results`` to ``path`` and return its path.

    The page opens with what to do and how sure that is, then follows the path info, compare, fit,
    translate, evaluate, whatever order the results come in. Several results of one class share a
    section. It asks nothing of the network, runs no script, and is written atomically: a page of
    that name is replaced whole or left as it was.

    Parameters
    ----------
    path : str or Path
        The file to write; its folder must exist.
    *results
        Any of ``Space`` (read once for its defects and a sample of its rows), ``Comparison``,
        ``Health``, ``Grid``, ``SpaceMap``, ``Choice``, ``Evaluation``, ``Plan`` and ``Evidence``.
    title : str
        The heading of the page.

    Raises
    ------
    InputError
        Without results, or on one of a class that has no section; names the classes that have.
    StorageError
        When the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import isthmus
    >>> toy = isthmus.open(np.eye(3), name="toy")
    >>> report(tempfile.mkdtemp() + "/report.html", toy, title="A toy").name
    'report.html'
    """
    if not results:
        raise InputError("report", "no results", "at least one result to report on")
    target = Path(path)
    text = page(assemble_all(results), title=title)
    atomic_write(target, text.encode("utf-8"), operation="write the report")
    return target


def assemble_all(results: tuple[Any, ...]) -> list[Section]:
    """The sections of ``results`` in the order of the path, with every builder loaded."""
    for name in _SECTIONS:
        import_module(f"isthmus.report.sections.{name}")
    return assemble(results)


def page(sections: list[Section], *, title: str) -> str:
    """The whole HTML document of ``sections``."""
    import jinja2
    from markupsafe import Markup

    import isthmus

    home = files("isthmus.report")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(home.joinpath("report.html.jinja").read_text("utf-8"))
    shown = [_cleaned(section) for section in sections]
    verdicts = [section for section in shown if section.verdict]
    return template.render(
        title=clean(title),
        css=Markup(home.joinpath("report.css").read_text("utf-8")),
        svg=Markup,
        sections=shown,
        # The further along the path a result is, the more it decides.
        lead=verdicts[-1] if verdicts else None,
        others=verdicts[:-1],
        warned=[section for section in shown if section.warnings],
        steps=[step for step in STEPS if any(s.step == step for s in shown)],
        date=datetime.now(UTC).date().isoformat(),
        version=isthmus.__version__,
    )


def _cleaned(value: Any) -> Any:
    # Names come from strangers' files: what they hold is shown, never obeyed.
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, tuple):
        return tuple(_cleaned(inner) for inner in value)
    if is_dataclass(value) and not isinstance(value, type):
        inner = {f.name: _cleaned(getattr(value, f.name)) for f in fields(value)}
        return type(value)(**inner)
    return value
