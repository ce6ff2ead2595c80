"""TREC files: relevance judgements (qrels) and rankings (runs).

A qrels line is ``query 0 document grade``, a run line ``query Q0 document rank score tag``, fields
separated by blanks or tabs. Reading is strict: a line that does not fit is an error that names it,
because a half-read file of judgements gives metrics that look fine and are wrong.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from isthmus.core.errors import FormatError, InputError, StorageError


def read_qrels(path: str | Path) -> dict[str, dict[str, int]]:
    """Judgements per query as ``{query: {document: grade}}``, ids as text, in the file's order.

    Grades of zero and below are kept as they stand; the metrics count them as not relevant.

    Raises
    ------
    FormatError
        On a line without exactly four fields, a grade that is no integer, a document judged twice
        for one query, bytes that are not UTF-8, or no judgement at all; names the line.
    StorageError
        When the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "qrels.txt"
    >>> write_qrels(path, {"q1": {"d1": 2, "d2": 0}})
    >>> read_qrels(path)
    {'q1': {'d1': 2, 'd2': 0}}

    """
    found: dict[str, dict[str, int]] = {}
    for number, fields in _lines(path, 4, "query 0 document grade"):
        query, _, document, text = fields
        try:
            grade = int(text)
        except ValueError:
            raise _misfit(path, number, f"grade {text!r}", "an integer grade") from None
        grades = found.setdefault(query, {})
        if document in grades:
            raise _misfit(
                path, number, f"document {document!r} again for query {query!r}", "one grade each"
            )
        grades[document] = grade
    if not found:
        raise FormatError(f"read {path}", "no judgement", "lines 'query 0 document grade'")
    return found


def read_run(path: str | Path) -> dict[str, list[str]]:
    """Rankings per query as ``{query: [document, ...]}``, best first.

    As in trec_eval the score alone orders (largest first), the rank field is not looked at, and
    equal scores go by document id, the alphabetically later one first.

    Raises
    ------
    FormatError
        On a line without exactly six fields, a score that is no finite number, a document listed
        twice for one query, bytes that are not UTF-8, or no line at all; names the line.
    StorageError
        When the file cannot be read.

    """
    found: dict[str, dict[str, float]] = {}
    for number, fields in _lines(path, 6, "query Q0 document rank score tag"):
        query, _, document, _, text, _ = fields
        try:
            score = float(text)
        except ValueError:
            score = math.nan
        if not math.isfinite(score):
            raise _misfit(path, number, f"score {text!r}", "a finite number")
        scores = found.setdefault(query, {})
        if document in scores:
            raise _misfit(
                path, number, f"document {document!r} again for query {query!r}", "one line each"
            )
        scores[document] = score
    if not found:
        raise FormatError(f"read {path}", "no ranking", "lines 'query Q0 document rank score tag'")
    return {
        query: [d for d, _ in sorted(scores.items(), key=lambda e: (e[1], e[0]), reverse=True)]
        for query, scores in found.items()
    }


def write_qrels(path: str | Path, relevance: Mapping[Any, Mapping[Any, int]]) -> None:
    """Write ``{query: {document: grade}}`` as a TREC qrels file.

    Raises
    ------
    InputError
        On an id that is empty or holds white space, a grade that is no integer, or no judgement.
    StorageError
        When the file cannot be written.

    """
    _write(
        path,
        (
            f"{_word(query)} 0 {_word(document)} {_whole(grade)}\n"
            for query, grades in relevance.items()
            for document, grade in grades.items()
        ),
    )


def write_run(
    path: str | Path, ranked: Mapping[Any, Sequence[Any]], *, tag: str = "isthmus"
) -> None:
    """Write ``{query: [document, ...]}``, best first, as a TREC run file.

    The score written is the number of places left below, so any reader restores the order.

    Raises
    ------
    InputError
        On an id or tag that is empty or holds white space, or no ranking.
    StorageError
        When the file cannot be written.

    """
    _write(
        path,
        (
            f"{_word(query)} Q0 {_word(document)} {rank} {len(found) - rank} {_word(tag)}\n"
            for query, found in ranked.items()
            for rank, document in enumerate(found, start=1)
        ),
    )


def _lines(path: str | Path, width: int, layout: str) -> Iterator[tuple[int, list[str]]]:
    try:
        with Path(path).open("rb") as file:
            for number, raw in enumerate(file, start=1):
                try:
                    fields = raw.decode("utf-8").split()
                except UnicodeDecodeError:
                    raise _misfit(path, number, "bytes that are not UTF-8", "text") from None
                if not fields:
                    continue
                if len(fields) != width:
                    shown = " ".join(fields)[:60]
                    raise _misfit(
                        path, number, f"{len(fields)} fields ({shown!r})", f"{width}: {layout!r}"
                    )
                yield number, fields
    except OSError as error:
        raise StorageError(f"read {path}", str(error), "a readable text file") from error


def _misfit(path: str | Path, number: int, given: str, expected: str) -> FormatError:
    return FormatError(f"read {path}", f"{given} in line {number}", expected)


def _write(path: str | Path, lines: Iterable[str]) -> None:
    text = "".join(lines)
    if not text:
        raise InputError(f"write {path}", "nothing to write", "at least one line")
    target = Path(path)
    partial = target.with_name(target.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8", newline="\n")
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StorageError(f"write {path}", str(error), "a writable place") from error


def _word(value: Any) -> str:
    text = str(value)
    if text.split() != [text]:
        raise InputError("write a TREC file", f"the id {text!r}", "text without white space")
    return text


def _whole(grade: Any) -> int:
    if isinstance(grade, bool) or int(grade) != grade:
        raise InputError("write a TREC file", f"grade {grade!r}", "an integer")
    return int(grade)
