"""What a hub is and how well it does: as plain data, and as a table 80 columns wide."""

from typing import TYPE_CHECKING, Any

from isthmus.bridges.hub_proof import worst_cycle

if TYPE_CHECKING:
    from isthmus.bridges.universal_space import UniversalSpace

#: Columns of a table beside the names of its rows, and the width of each.
_COLUMNS, _CELL, _NAME = 7, 7, 26


def facts(hub: "UniversalSpace") -> dict[str, Any]:
    """A fitted hub as plain data for JSON."""
    cycle = None
    if len(hub.names_) > 2:
        error, path = worst_cycle(hub.encoders_, hub.decoders_)
        cycle = {"error": error, "path": list(path)}
    return {
        "kind": "hub", "form": hub.form, "dim": hub.dim_, "items": len(hub.items_),
        "agreement": hub.agreement_,
        "spaces": [
            {
                "name": s, "dim": len(hub.encoders_[s][0]),
                "encoder": hub.fingerprints_[s].encoder if s in hub.fingerprints_ else None,
                "items": hub.counts_[s], "missing": hub.missing_.get(s),
                "mrr": hub.scores_[s].as_dict() if s in hub.scores_ else None,
            }
            for s in hub.names_
        ],
        "directions": [
            {"from": a, "to": b, "mrr": kept["mrr"].as_dict()}
            for (a, b), kept in hub.direction_scores_.items()
        ],
        "worst_cycle": cycle,
    }  # fmt: skip


def as_text(said: dict[str, Any]) -> str:
    """The table of what ``facts`` gave."""
    spaces = said["spaces"]
    names = [f"{i} {s['name']}" for i, s in enumerate(spaces, 1)]
    names = [name if len(name) < _NAME else f"{name[: _NAME - 2]}…" for name in names]
    lines = [
        f"hub of {len(spaces)} spaces, {said['form']}, {said['dim']} dimensions, "
        f"fitted on {said['items']:,} items",
        f"  {'':{_NAME}}{'dims':>6}{'items':>11}{'missing':>11}  {'MRR in the hub':>14}",
    ]
    for name, s in zip(names, spaces, strict=True):
        missing = "" if s["missing"] is None else f"{s['missing']:,}"
        score = "" if s["mrr"] is None else f"{s['mrr']['value']:.3f}"
        lines.append(f"  {name:{_NAME}}{s['dim']:>6}{s['items']:>11,}{missing:>11}  {score:>14}")
    lines += ["", *_directions(said, names)]
    if said["worst_cycle"] is not None:
        number = {s["name"]: i for i, s in enumerate(spaces, 1)}
        a, b, c = (number[name] for name in said["worst_cycle"]["path"])
        miss = said["worst_cycle"]["error"]
        lines += ["", f"worst cycle: {a} -> {b} -> {c} misses {a} -> {c} by {miss:.1e} of its size"]
    return "\n".join(lines)


def _directions(said: dict[str, Any], names: list[str]) -> list[str]:
    """Held-out MRR of every ordered pair, source by row and target by column."""
    found = {(d["from"], d["to"]): d["mrr"] for d in said["directions"]}
    if not found:
        return ["too few items to hold some out: nothing proves that it works"]
    half = max(s["ci"][1] - s["ci"][0] for s in found.values()) / 2
    chance = max(s["chance"] for s in found.values())
    pools = [s["n"] for s in found.values()]
    sizes = f"{min(pools):,}" if min(pools) == max(pools) else f"{min(pools):,} to {max(pools):,}"
    lines = [
        "held-out MRR from each space (row) to each (column); - where none is held out",
        f"  {sizes} items a direction; chance at most {chance:.3f}",
        f"  95 % intervals within ± {half:.3f}",
    ]
    keys = [s["name"] for s in said["spaces"]]
    for first in range(0, len(keys), _COLUMNS):
        part = range(first, min(first + _COLUMNS, len(keys)))
        lines.append(" " * (_NAME + 2) + "".join(f"{j + 1:>{_CELL}}" for j in part))
        for name, a in zip(names, keys, strict=True):
            cells = [
                "" if keys[j] == a else f"{found[a, keys[j]]['value']:.3f}"
                if (a, keys[j]) in found else "-"
                for j in part
            ]  # fmt: skip
            lines.append(f"  {name:{_NAME}}" + "".join(f"{cell:>{_CELL}}" for cell in cells))
    return [line.rstrip() for line in lines]
