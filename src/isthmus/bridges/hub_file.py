"""A hub as one file: safetensors and JSON by the rules of bridge files, checked when read."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.bridges import file
from isthmus.bridges.bridge import score_from
from isthmus.bridges.familiarity import Familiarity
from isthmus.core.errors import FormatError
from isthmus.core.json_text import loads
from isthmus.spaces.fingerprint import Fingerprint

if TYPE_CHECKING:
    from isthmus.bridges.universal_space import UniversalSpace

_METHOD = "universal_space"
#: The arrays of a space, each named so with the space's number behind it.
_PARTS = ("encoder", "encoder_offset", "decoder", "decoder_offset", "centre")
#: What a space looks like, where the hub was fitted on rows: a fingerprint and these arrays.
_KNOWN = ("rows", "distances")


def write_hub(hub: "UniversalSpace", path: Path) -> Path:
    """Write the fitted ``hub`` to ``path`` in one atomic step."""
    arrays: dict[str, np.ndarray] = {}
    for i, name in enumerate(hub.names_):
        parts = (*hub.encoders_[name], *hub.decoders_[name], hub.centres_[name])
        arrays |= {f"{part}.{i}": array for part, array in zip(_PARTS, parts, strict=True)}
        if name in hub.fingerprints_:
            arrays[f"fingerprint.{i}"] = _packed(hub.fingerprints_[name].as_dict())
        if name in hub.familiarities_:
            known = hub.familiarities_[name].arrays()
            arrays |= {f"{part}.{i}": known[part] for part in _KNOWN}
    if len(hub.items_):
        arrays |= {"items": hub.items_, "codes": hub.codes_}
    description = {
        "method": _METHOD, "params": hub.get_params(), "names": list(hub.names_),
        "dim": hub.dim_, "agreement": hub.agreement_, "sweeps": hub.sweeps_, "text": hub.text_,
        "spreads": hub.spreads_, "alphas": hub.alphas_, "counts": hub.counts_,
        "missing": hub.missing_,
        "scores": {name: score.as_dict() for name, score in hub.scores_.items()},
        "directions": [
            [*ends, {name: score.as_dict() for name, score in kept.items()}]
            for ends, kept in hub.direction_scores_.items()
        ],
    }  # fmt: skip
    file.write(path, description, arrays)
    return path


def read_hub(kind: "type[UniversalSpace]", path: Path) -> "UniversalSpace":
    """The hub in ``path``; raises FormatError on anything that ``write_hub`` did not write."""
    said, arrays = file.read(path)
    try:
        if said["method"] != _METHOD:
            raise ValueError(f"method {said['method']!r}")
        hub = kind(**said["params"])
        _restore(hub, said, arrays)
    except FormatError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise FormatError(
            "load hub", f"{path}: {type(error).__name__} {error}"[:300],
            "a description as UniversalSpace.save writes it", "Fit the hub anew.",
        ) from error  # fmt: skip
    return hub


def _restore(hub: "UniversalSpace", said: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    names, k = tuple(map(str, said["names"])), int(said["dim"])
    if len(set(names)) < max(len(names), 2) or hub.form not in ("orthogonal", "ridge"):
        raise ValueError(f"names {names}, form {hub.form!r}")
    if not 0 < hub.holdout < 1:
        raise ValueError(f"holdout {hub.holdout}")
    hub.names_, hub.dim_, hub.text_ = names, k, bool(said["text"])
    hub.agreement_, hub.sweeps_ = float(said["agreement"]), int(said["sweeps"])
    hub.encoders_, hub.decoders_, hub.centres_, hub.fingerprints_ = {}, {}, {}, {}
    hub.familiarities_ = {}
    for i, name in enumerate(names):
        parts = [arrays.pop(f"{part}.{i}") for part in _PARTS]
        d = len(parts[0])
        if {part.dtype.kind for part in parts} != {"f"}:
            raise ValueError(f"arrays of space {name!r} that are no real numbers")
        if [part.shape for part in parts] != [(d, k), (k,), (k, d), (d,), (d,)]:
            raise ValueError(f"arrays of space {name!r} of shapes {[p.shape for p in parts]}")
        hub.encoders_[name], hub.decoders_[name] = (parts[0], parts[1]), (parts[2], parts[3])
        hub.centres_[name] = parts[4]
        if f"fingerprint.{i}" in arrays:
            packed = arrays.pop(f"fingerprint.{i}").astype("<i8").tobytes()
            found = Fingerprint.from_dict(loads(packed))
            if found.dim != d:
                raise ValueError(f"a fingerprint of space {name!r} of another width")
            hub.fingerprints_[name] = found
        if f"rows.{i}" in arrays:
            known = {part: arrays.pop(f"{part}.{i}") for part in _KNOWN}
            hub.familiarities_[name] = Familiarity.from_arrays(known, d)
    hub.spreads_ = {name: float(said["spreads"][name]) for name in names}
    hub.alphas_ = {name: float(said["alphas"][name]) for name in names}
    hub.counts_ = {name: int(said["counts"][name]) for name in names}
    hub.missing_ = {str(name): int(count) for name, count in said.get("missing", {}).items()}
    hub.scores_ = {name: score_from(score) for name, score in said["scores"].items()}
    hub.direction_scores_ = {
        (a, b): {name: score_from(score) for name, score in kept.items()}
        for a, b, kept in said["directions"]
    }
    ends = {*hub.scores_, *hub.missing_, *(end for pair in hub.direction_scores_ for end in pair)}
    if not ends <= set(names) or not min(hub.spreads_.values()) > 0:
        raise ValueError(f"scores of {sorted(ends)}, spreads {hub.spreads_}")
    hub.items_ = arrays.pop("items", np.empty(0, np.int64))
    hub.codes_ = arrays.pop("codes", np.empty((0, k), np.float32))
    if (
        arrays
        or hub.items_.ndim != 1
        or hub.items_.dtype.kind != "i"
        or hub.codes_.shape != (len(hub.items_), k)
    ):
        raise ValueError(f"arrays {sorted(arrays)}, codes {hub.codes_.shape}")


def _packed(said: dict[str, Any]) -> np.ndarray:
    """JSON as integers: fingerprints of many wide spaces would overrun a file's header."""
    text = json.dumps(said).encode()
    return np.frombuffer(text + b" " * (-len(text) % 8), "<i8")
