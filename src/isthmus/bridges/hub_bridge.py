"""A bridge file or a hub's: wherever a bridge is wanted, the one between two spaces of a hub."""

from pathlib import Path

import numpy as np

from isthmus.bridges import file
from isthmus.bridges.bridge import Bridge, load
from isthmus.bridges.universal_space import CARD, UniversalSpace
from isthmus.core.errors import InputError, SpaceMismatch
from isthmus.spaces.space import Space

#: Rows looked at to tell whose a collection is.
_PROBE = 2000


def is_hub(path: str | Path) -> bool:
    """Whether a file that begins like a bridge holds a hub; FormatError when it is damaged."""
    return file.read(Path(path), wanted=lambda _: False)[0].get("method") == CARD.name


def bridge_from(
    path: str | Path,
    source: Space | str | None = None,
    target: Space | str | None = None,
    *,
    options: tuple[str, str] = ("--from", "--to"),
) -> Bridge:
    """The bridge in ``path``; of a hub, the one from ``source`` to ``target``.

    Either is the name of a space of the hub, or a Space, which is recognised among those of the
    hub by its encoder's name or else its vectors. A target of None will do for a hub of two.
    ``options`` are what the two names are called where they are asked for.

    Raises
    ------
    SpaceMismatch
        When a Space belongs to none of the hub's.
    InputError
        On a name that the hub does not know, a Space that may be several of its spaces, no target,
        or names although the file holds one bridge.
    FormatError
        On a file that holds neither.
    """
    if not is_hub(path):
        if named := [end for end in (source, target) if isinstance(end, str)]:
            raise InputError("load bridge", f"names of spaces, {', '.join(named)}, for {path}",
                             "a hub's file: this one holds one bridge",
                             f"Leave {' and '.join(options)} out.")  # fmt: skip
        return load(path)
    hub = UniversalSpace.load(path)
    ends = [recognised(hub, end) if isinstance(end, Space) else end for end in (source, target)]
    others = [name for name in hub.names_ if name != ends[0]]
    if ends[1] is None and len(others) == 1:
        ends = [ends[0], others[0]]
    for end, option in zip(ends, options, strict=True):
        if end is None or end not in hub.names_:
            raise InputError(
                f"hub {path}", f"{option} {end}" if end else f"no {option}",
                f"one of its spaces: {', '.join(hub.names_)}",
            )  # fmt: skip
    if ends[0] == ends[1]:
        raise InputError(f"hub {path}", f"vectors of {ends[0]!r} to carry into {ends[0]!r}",
                         f"another target: {', '.join(others)}")  # fmt: skip
    return hub.bridge(str(ends[0]), str(ends[1]))


def recognised(hub: UniversalSpace, space: Space) -> str:
    """The name under which ``hub`` knows ``space``, by its encoder's name or else its vectors."""
    known = hub.fingerprints_
    declared = [n for n, f in known.items() if f.encoder and f.encoder == space.encoder]
    if len(declared) == 1:
        return declared[0]
    rows = np.unique(np.linspace(0, len(space) - 1, min(_PROBE, len(space))).astype(np.int64))
    sample = space.take(rows)
    sample = sample[np.isfinite(sample).all(axis=1)]
    if not len(sample):
        raise InputError(f"recognise {space.name!r}", f"{len(rows)} rows, none finite",
                         "finite vectors")  # fmt: skip
    matches = {name: known[name].matches(sample) for name in declared or known}
    fit = [name for name, match in matches.items() if match.ok]
    sure = [name for name in fit if matches[name].decided]
    if len(found := sure or fit) == 1:
        return found[0]
    if not fit:
        closest = max(matches.values(), key=lambda match: (match.false_alarm, match.statistic))
        raise SpaceMismatch(
            f"recognise {space.name!r}",
            f"{len(sample)} vectors of dim {space.dim}, of none of the hub's spaces; "
            f"{closest.reason}",
            "vectors of " + ", ".join(f"{n} (dim {f.dim})" for n, f in known.items()),
            "Let that space join the hub first: isthmus hub PATH --add HUB.",
        )  # fmt: skip
    raise InputError(
        f"recognise {space.name!r}", f"vectors that may be of {', '.join(found)}",
        "vectors that tell which", "Say which: --from NAME.",
    )  # fmt: skip
