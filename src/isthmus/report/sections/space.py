"""Spaces: what the collections are, what is wrong with them, their spectrum and their lengths."""

from typing import Any

import numpy as np

from isthmus.report import plots
from isthmus.report.page import Cell, Picture, Section, Table, clean, count, number, section

#: Rows looked at for the pictures; the defects are counted over all rows.
ROWS = 10_000


@section("Space", step="info")
def build(spaces: list[Any]) -> Section:
    """The section on one or more spaces, each read once."""
    names = _names(spaces)
    defects = [space.defects() for space in spaces]
    samples = {n: _sample(space) for n, space in zip(names, spaces, strict=True)}
    eigenvalues = {name: _eigenvalues(x) for name, x in samples.items() if len(x) > 1}
    lengths = {name: _norms(x) for name, x in samples.items() if len(x)}
    warnings = [
        f"{name}: {words}"
        for name, found in zip(names, defects, strict=True)
        for words in _complaints(found)
    ]
    return Section(
        title="The collections",
        lead="Each collection is a set of vectors, one per item, that an encoder made; "
        "here is what they are and whether anything about them is broken.",
        findings=tuple(_spread(name, values) for name, values in eigenvalues.items()),
        warnings=tuple(warnings),
        tables=(_facts(names, spaces, defects),),
        pictures=(*_spectrum(eigenvalues), *_lengths(lengths)),
    )


def _facts(names: list[str], spaces: list[Any], defects: list[Any]) -> Table:
    facts: dict[str, list[str]] = {
        "vectors": [count(len(space)) for space in spaces],
        "dimensions": [count(space.dim) for space in spaces],
        "number type": [str(np.dtype(space.dtype)) for space in spaces],
        "encoder": [space.encoder or "not stated" for space in spaces],
        "metric": [space.metric or "not stated" for space in spaces],
        "length, least": [number(d.norm_min) for d in defects],
        "length, median": [number(d.norm_median) for d in defects],
        "length, most": [number(d.norm_max) for d in defects],
        "largest mean, in standard deviations": [number(d.mean_over_sd, digits=2) for d in defects],
        "rows with NaN or infinity": [count(d.non_finite) for d in defects],
        "zero vectors": [count(d.zero_vectors) for d in defects],
        "repeated ids": [count(d.duplicate_ids) for d in defects],
        "constant dimensions": [count(d.constant_dims) for d in defects],
    }
    return Table(
        caption="What came in. Counts are over all rows.",
        columns=("", *names),
        rows=tuple((Cell(fact), *map(Cell, values)) for fact, values in facts.items()),
    )


def _complaints(found: Any) -> list[str]:
    said = [
        ("NaN or infinity", found.non_finite, found.non_finite_ids, "they cannot be used"),
        ("zero vectors", found.zero_vectors, found.zero_ids, "they have no direction"),
        ("repeated ids", found.duplicate_ids, found.duplicates, "their pairs are unsure"),
    ]
    words = [
        f"{what} in {count(n, 'row' if n == 1 else 'rows')}, "
        f"first {', '.join(map(str, ids))}: {so}."
        for what, n, ids, so in said
        if n
    ]
    if found.constant_dims:
        words.append(
            f"dimensions that never change and carry nothing: {count(found.constant_dims)}."
        )
    return words


def _sample(space: Any) -> np.ndarray:
    rows = np.unique(np.linspace(0, len(space) - 1, min(len(space), ROWS)).astype(np.int64))
    x = np.asarray(space.take(rows), dtype=np.float64)
    return x[np.isfinite(x).all(axis=1)]


def _norms(x: np.ndarray) -> np.ndarray:
    # Scaled first: squares of entries near 1e200 would overflow.
    scale = np.abs(x).max() or 1.0
    return np.asarray(np.linalg.norm(x / scale, axis=1) * scale)


def _eigenvalues(x: np.ndarray) -> np.ndarray:
    x = x / (np.abs(x).max() or 1.0)
    x = x - x.mean(axis=0)
    values = np.linalg.eigvalsh(x.T @ x if len(x) >= x.shape[1] else x @ x.T)[::-1]
    return np.clip(values, 0.0, None)


def _spread(name: str, values: np.ndarray) -> str:
    total = float(values.sum())
    if total <= 0:
        return f"{name}: all vectors are the same, so there is nothing to map."
    effective = total**2 / float((values**2).sum())
    ninety = int(np.searchsorted(np.cumsum(values) / total, 0.9)) + 1
    return (
        f"{name} spreads its variance as {number(effective, digits=1)} equal directions would "
        f"(participation ratio); {count(ninety)} of {count(len(values))} carry 90 % of it."
    )


def _spectrum(eigenvalues: dict[str, np.ndarray]) -> tuple[Picture, ...]:
    kept = {name: values for name, values in eigenvalues.items() if values.sum() > 0}
    if not kept:
        return ()
    return (
        Picture(
            svg=plots.spectrum(kept, key="space-spectrum"),
            caption="Spectrum: how much of the variance the strongest directions carry. A curve "
            "that rises early means few directions do most of the work.",
            alt="Cumulative variance by number of directions. "
            + " ".join(_spread(*k) for k in kept.items()),
            half=True,
        ),
    )


def _lengths(lengths: dict[str, np.ndarray]) -> tuple[Picture, ...]:
    kept = {name: values for name, values in lengths.items() if np.isfinite(values).all()}
    if not kept:
        return ()
    said = " ".join(
        f"{name}: from {number(v.min())} to {number(v.max())}, median {number(np.median(v))}."
        for name, v in kept.items()
    )
    return (
        Picture(
            svg=plots.norms(kept, key="space-lengths"),
            caption=f"Lengths of the vectors, over at most {count(ROWS)} rows spread evenly. One "
            "bar means that all were scaled to one length.",
            alt="Histogram of vector lengths. " + said,
            half=True,
        ),
    )


def _names(spaces: list[Any]) -> list[str]:
    names = [clean(space.name) for space in spaces]
    repeated = len(set(names)) < len(names)
    return [f"{name} ({i})" if repeated else name for i, name in enumerate(names, 1)]
