"""The folder of a job: what it is about, its bridge, its journal, and a page for people."""

import hashlib
import json
import shlex
import zlib
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from isthmus.core.errors import FormatError, StorageError
from isthmus.core.json_text import loads, unique
from isthmus.spaces.durable import locked, storing
from isthmus.spaces.files import atomic_write
from isthmus.spaces.stores import Address, is_address
from isthmus.spaces.stores.address import refuse_address
from isthmus.spaces.stores.store import SHADOW
from isthmus.upgrade import job_journal

VERSION = 1
JOB, BRIDGE, README, PAUSE = "job.json", "bridge.isthmus", "README.txt", "pause"
_SIZE_LIMIT = 1 << 20
_AGAIN = (
    "Restore it from a copy. Without one, begin again in another folder (--job DIR) and remove "
    "the old shadow with the store's own means; README.txt says what it is called."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFile:
    """What a job is about; no secret is in it.

    ``id`` is what its shadow is named by; ``source`` and ``to`` are addresses without secrets, or
    absolute paths; ``bridge`` says which map: method, both ends and the checksum of its file;
    ``unit`` whether the new vectors are scaled to unit length.
    """

    id: str
    source: str
    to: str | None
    bridge: dict[str, Any]
    metric: str | None
    unit: bool
    batch: int
    rows: int
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    isthmus: str = ""
    version: int = VERSION

    @property
    def about(self) -> tuple[Any, ...]:
        """What must be equal for a command to be about this job."""
        return self.source, self.to, self.bridge["checksum"]


def plain(place: str) -> str:
    """An address or path as a job keeps it: whole, absolute where local, and without secrets.

    >>> plain("pgvector://me:sesame@db/shop/items")
    'pgvector://me@db/shop/items'
    """
    if not is_address(place):
        return str(Path(place).absolute())
    return absolute(Address.parse(place)).without_secrets().full()


def absolute(address: Address) -> Address:
    """The address with a local, relative place made absolute."""
    if address.host or address.place.startswith("/"):
        return address
    path = Path(address.local).absolute()
    return Address.parse(
        Address(
            scheme=address.scheme, place=str(path.parent), collection=path.name,
            user=address.user, password=address.password, options=address.options,
        ).full()
    )  # fmt: skip


def checksum(data: bytes) -> str:
    """What a bridge file is known by."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def write(folder: Path, job: JobFile, bridge: bytes, page: str) -> JobFile:
    """Make the folder of a new job, or find that it is there already.

    Raises StorageError when the folder holds another job, or other things, which stay untouched.
    """
    where = f"make the job {folder.name}"
    with storing(where):
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):  # two that begin at once: the second finds the first one's
            if (folder / JOB).exists():
                found = read(folder)
                if found.about != job.about:
                    raise StorageError(
                        where, "a folder that holds another job", "a new folder",
                        "Give another one: --job DIR.",
                    )  # fmt: skip
                return found
            names = {entry.name for entry in folder.iterdir() if not entry.name.endswith(".tmp")}
            if job_journal.NAME in names:
                raise _damaged(folder / JOB, "no file")
            if names - {BRIDGE, README}:
                raise StorageError(
                    where, "a folder with other things in it", "a new or empty one",
                    "Give another one: --job DIR. Nothing was touched.",
                )  # fmt: skip
            atomic_write(folder / BRIDGE, bridge, operation=where)
            atomic_write(folder / README, page.encode(), operation=where)
            data = asdict(job)
            text = json.dumps(data | {"checksum": _crc(data)}, indent=1)
            atomic_write(folder / JOB, f"{text}\n".encode(), operation=where)
    return job


def read(folder: Path) -> JobFile:
    """What the job in ``folder`` is about.

    Raises
    ------
    StorageError
        When there is no job in it.
    FormatError
        When its job.json is damaged or missing.
    """
    refuse_address(folder, operation="open the job")
    path = folder / JOB
    try:
        if path.stat().st_size > _SIZE_LIMIT:
            raise _damaged(path, f"{path.stat().st_size:,} bytes")
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        if (folder / job_journal.NAME).exists():
            raise _damaged(path, "no file") from None
        raise StorageError(
            f"open the job {folder}", "no job there", "a folder made by isthmus upgrade",
            "isthmus jobs lists those there are.",
        ) from None  # fmt: skip
    except OSError as error:
        raise StorageError(
            f"open the job {folder}", f"{error.strerror}", "a readable job"
        ) from error
    try:
        data = loads(text)
        if not isinstance(data, dict) or not unique(data, text):
            raise TypeError("no JSON object of different keys")
        if data.get("version") != VERSION:
            raise FormatError(
                f"read {folder.name}/{JOB}", f"version {data.get('version')!r:.40}",
                f"version {VERSION}", "Update isthmus.",
            )  # fmt: skip
        if data.pop("checksum", None) != _crc(data):
            raise ValueError("its checksum does not match")
        job = JobFile(**data)
        _check(job)
    except (ValueError, TypeError, KeyError) as error:
        if isinstance(error, FormatError):
            raise
        raise _damaged(path, f"a damaged file ({error!s:.120})") from None
    return job


def bridge_file(folder: Path, job: JobFile) -> Path:
    """The job's own copy of its bridge; FormatError when it is damaged or missing."""
    path = folder / BRIDGE
    try:
        found = checksum(path.read_bytes())
    except OSError as error:
        found = f"no readable file ({error.strerror})"
    if found != job.bridge["checksum"]:
        raise FormatError(
            f"read {folder.name}/{BRIDGE}", found, f"the bridge {job.bridge['checksum']}",
            f"Copy the bridge that the job was begun with to {path} again.",
        )  # fmt: skip
    return path


def _check(job: JobFile) -> None:
    bridge = job.bridge if isinstance(job.bridge, dict) else {}
    facts = (
        (_text(job.id) and job.id.isalnum() and len(job.id) <= 32, "id"),
        (_text(job.source), "source"),
        (job.to is None or _text(job.to), "to"),
        (all(_text(bridge.get(name)) for name in ("method", "checksum")), "bridge"),
        (all(isinstance(bridge.get(end), dict) for end in ("source", "target")), "bridge"),
        (job.metric is None or _text(job.metric), "metric"),
        (isinstance(job.unit, bool), "unit"),
        (_count(job.batch, 1) and _count(job.rows, 0), "numbers"),
        (_text(job.created) and isinstance(job.isthmus, str), "texts"),
    )
    for holds, what in facts:
        if not holds:
            raise ValueError(f"wrong {what}")


def _text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) < 10_000


def _count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _crc(data: dict[str, Any]) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return f"{zlib.crc32(text.encode()):08x}"


def _damaged(path: Path, what: str) -> FormatError:
    return FormatError(f"read {path.parent.name}/{path.name}", what, "what isthmus wrote", _AGAIN)


def page(job: JobFile, folder: Path) -> str:
    """README.txt: what the folder is and what to do with it, for whoever finds it."""
    bridge = job.bridge
    old, new = (_end(bridge[end]) for end in ("source", "target"))
    where = (
        f"into {job.to}"
        if job.to
        else f"into a shadow beside the old ones, called ..._{SHADOW}_{job.id}"
    )
    then = _COPY if job.to else _SHADOW
    return f"""\
This folder is a job of isthmus: an upgrade of a collection of vectors from one
encoder to another.

  id          {job.id}
  begun       {job.created}, isthmus {job.isthmus}
  source      {job.source}
  translated  {where}
  bridge      {bridge["method"]}: {old} -> {new}

  job.json        these facts, with a checksum; no password is in it
  bridge.isthmus  the job's own copy of the bridge
  journal.jsonl   what was done, a line a step; remove it and the vectors are
                  carried once more, nothing else is lost
  pause           only while someone asked the job to pause

{then.format(job=shlex.quote(str(folder)))}
When the source's address needs a password, set ISTHMUS_SOURCE to the whole
address (ISTHMUS_TO for a target), or use the database's own variables.
"""


def _end(facts: dict[str, Any]) -> str:
    return f"{facts.get('encoder') or 'an encoder not stated'} ({facts.get('dim')} dimensions)"


_SHADOW = """\
Whatever interrupted it, go on with, as often as need be:

  isthmus jobs --resume {job}

It ends by saying that the job is ready. The old vectors serve until

  isthmus upgrade --cutover {job}

and serve again, bit for bit, after

  isthmus upgrade --rollback {job}

What no longer serves is removed by the following; after a cutover that is the
old vectors, and there is no way back:

  isthmus upgrade --drop {job}
"""
_COPY = """\
Whatever interrupted it, go on with, as often as need be:

  isthmus jobs --resume {job}

The source is only read. When the job is ready, point your service at the new
collection; both are yours to keep or remove.
"""
