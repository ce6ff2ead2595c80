"""``isthmus compare``: how do two spaces relate, or many, or all layers of two models?"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.console import Json, note, show


def compare(
    spaces: Annotated[
        list[str],
        typer.Argument(
            metavar="SPACE...",
            help="Two spaces that share ids; three or more for a map of them; or one or two models:"
            " folders with one file per layer, or (layers, n, d) .npy arrays.",
        ),
    ],
    layers: Annotated[
        bool, typer.Option("--layers", help="Take folders for models whose files are layers.")
    ] = False,
    blind_to: Annotated[
        str,
        typer.Option(
            metavar="CHANGES",
            help="Changes that must not matter: rotation, scale, shift, permutation, axis-scale, "
            "norms, linear, affine; like rotation,scale.",
        ),
    ] = "",
    measure: Annotated[
        str, typer.Option(help="The measure of a map (a metric) or of a grid of layers.")
    ] = "",
    groups: Annotated[
        Path | None,
        typer.Option(
            readable=False,
            help="Lines of id TAB group, where rows come in groups (chunks of a document): tests "
            "then exchange whole groups.",
        ),
    ] = None,
    rows: Annotated[int, typer.Option(help="Pairs the neighbour measures look at.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of that sample and of permutations.")] = 0,
    report: Annotated[
        Path | None, typer.Option(readable=False, help="Also write an HTML report.")
    ] = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Score how spaces relate, with intervals and chance levels, and say what it means.

    Two spaces give a table of measures. Three or more give their distances, a map and a tree. One
    or two models give a grid of layers against layers.
    """
    from isthmus.report.html import report as write_report
    from isthmus.spaces.files import check_folder
    from isthmus.spaces.stack import is_stack
    from isthmus.spaces.stores import is_address

    if report is not None:
        check_folder(report, operation="compare")
    stacked = [not is_address(path) and (layers or is_stack(Path(path))) for path in spaces]
    if len(spaces) <= 2 and all(stacked):
        results: tuple[Any, ...] = (_grid(spaces, measure, blind_to, groups, rows, seed),)
    elif len(spaces) == 2:
        results = _two(spaces, measure, blind_to, groups, rows, seed)
    else:
        results = (_map(spaces, measure, blind_to, groups, rows, seed),)
    if report is not None:
        write_report(report, *results)
        note(f"report: {report}")
    show(results[-1] if json else _unread(results[-1]), as_json=json)


def _doubt(text: str) -> None:
    from isthmus.measures.doubts import marked

    note("\n".join(marked([text])))


def _on_screen() -> bool:
    return sys.stdout.isatty() and sys.stderr.isatty()


def _unread(result: Any) -> Any:
    """The result without its doubts, where stderr has just put them on the same screen."""
    if not _on_screen():
        return result
    return replace(result, doubts=(), warnings=result.warnings[len(result.doubts) :])


def _two(
    spaces: list[str], measure: str, blind_to: str, groups: Path | None, rows: int, seed: int
) -> tuple[Any, ...]:
    import isthmus

    pairs = isthmus.pair(isthmus.open(spaces[0]), isthmus.open(spaces[1]))
    note(f"{len(pairs):,} pairs; left over: {pairs.left_over[0]:,} and {pairs.left_over[1]:,}")
    result = isthmus.compare(
        pairs, measures=[measure] if measure else None, blind_to=blind_to,
        groups=_groups(groups, pairs.ids), rows=rows, rng=seed, told=_doubt,
    )  # fmt: skip
    return pairs.source, pairs.target, result


def _grid(
    spaces: list[str], measure: str, blind_to: str, groups: Path | None, rows: int, seed: int
) -> Any:
    from isthmus.measures.grid import compare_layers
    from isthmus.spaces.stack import common, open_stack

    stacks = [open_stack(Path(path)) for path in spaces]
    every = [space for stack in stacks for space in stack.layers.values()]
    kept, ids = common(every)
    note(f"{len(ids):,} items in all of {len(every)} layers")
    some = _sample(len(ids), min(rows, 2000), seed, whole=groups is not None)
    taken = iter([space.take(r[some]) for space, r in zip(every, kept, strict=True)])
    sides = [[next(taken) for _ in stack.layers] for stack in stacks]
    names = [list(stack.layers) for stack in stacks]
    return compare_layers(
        sides[0], sides[1] if len(sides) > 1 else None,
        measure=_chosen(measure, blind_to, "debiased_cka", metric=False),
        groups=_groups(groups, ids[some]), names=(names[0], names[-1]), rng=seed,
        told=_doubt,
    )  # fmt: skip


def _map(
    spaces: list[str], measure: str, blind_to: str, groups: Path | None, rows: int, seed: int
) -> Any:
    import isthmus
    from isthmus.core.errors import InputError
    from isthmus.measures.many import compare_many
    from isthmus.spaces.stack import common
    from isthmus.spaces.stores import shown

    if groups is not None:
        raise InputError(
            "compare many",
            "--groups",
            "no groups: a map's test of each pair takes rows one by one",
            "Compare two spaces, or two models, with --groups.",
        )
    opened = [isthmus.open(path) for path in spaces]
    kept, ids = common(opened)
    note(f"{len(ids):,} items in all of {len(opened)} spaces")
    some = _sample(len(ids), rows, seed, whole=False)
    names = [Path(space.name).stem for space in opened]
    if len(set(names)) < len(names):
        names = [shown(path) for path in spaces]
    taken = {name: space.take(r[some]) for name, space, r in zip(names, opened, kept, strict=True)}
    chosen = _chosen(measure, blind_to, "procrustes_angular", metric=True)
    return compare_many(taken, measure=chosen, rows=rows, rng=seed, told=_doubt)


def _sample(n: int, rows: int, seed: int, *, whole: bool) -> Any:
    import numpy as np

    if whole or n <= rows:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, rows, replace=False))


def _chosen(measure: str, blind_to: str, default: str, *, metric: bool) -> str:
    """The measure named, else the default if blind to what is asked, else the first that is."""
    from isthmus.core.errors import InputError
    from isthmus.core.registry import method
    from isthmus.measures.choice import blind_to as blind_measures
    from isthmus.measures.choice import groups

    if measure and blind_to:
        raise InputError("compare", "both --measure and --blind-to", "one of the two")
    if measure or not blind_to:
        return measure or default
    card = method("measures", default).card
    if all(card.declares(group) for group in groups(blind_to)):
        return default
    found = [
        name
        for name in blind_measures(blind_to)
        if method("measures", name).card.metric or not metric
    ]
    if not found:
        raise InputError(
            "compare", f"--blind-to {blind_to}", "changes to which some metric is blind"
        )
    return found[0]


def _groups(path: Path | None, ids: Any) -> Any:
    """The group of every id from lines of id TAB group."""
    if path is None:
        return None
    import numpy as np

    from isthmus.core.errors import InputError
    from isthmus.upgrade.by_id import read_by_id

    known = read_by_id(path)
    missing = [str(one) for one in ids if str(one) not in known]
    if missing:
        raise InputError(
            "groups", f"no group for {len(missing)} of {len(ids)} ids (first: {missing[:3]})",
            "a line of id TAB group for every id",
        )  # fmt: skip
    return np.array([known[str(one)] for one in ids])
