"""Ends: what a job reads from and writes to, and the bridge between them."""

import os
import re
import tempfile
from pathlib import Path

from isthmus.bridges.bridge import Bridge, load
from isthmus.core.errors import InputError, IsthmusError, StorageError
from isthmus.spaces.stores import Address, connect, create, is_address
from isthmus.spaces.stores.store import Store
from isthmus.upgrade import job_folder
from isthmus.upgrade.carry import Readable
from isthmus.upgrade.file_source import FileSource

_FORM = "scheme://host:port/place/collection?option=value, the scheme in small letters"


class Ends:
    """The addresses of a call: whole for connecting, plain for keeping."""

    def __init__(self, full: dict[str, str]) -> None:
        self.full = full
        self.plain = {end: job_folder.plain(place) for end, place in full.items()}

    @classmethod
    def of(cls, source: str, to: str | None, batch: int) -> "Ends":
        """The ends of a job; raises InputError where it could not end in a collection."""
        if batch < 1:
            raise InputError("upgrade", f"a batch of {batch} rows", "at least 1")
        for place in (source, to or ""):
            if "://" in place and not is_address(place):  # it may hold a secret: not repeated
                raise InputError("upgrade", "a text with :// that is no address", _FORM)
        if to is not None and not is_address(to):
            raise InputError(
                "upgrade", f"the path {to} as --to", "the address of a collection in a store",
                "A folder of vectors is written by isthmus translate.",
            )  # fmt: skip
        if to is None and not is_address(source):
            raise InputError(
                "upgrade", f"the file {source} alone", "the address of a collection in a store",
                "Say where its vectors go with --to URI, or use isthmus translate.",
            )  # fmt: skip
        if to is None and "filter" in Address.parse(source).options:
            raise InputError(
                f"upgrade {Address.parse(source).redacted}", "a filter and no --to",
                "all rows, or another collection to write some of them to",
                "A cutover would leave the rows outside the filter without vectors.",
            )  # fmt: skip
        return cls({"source": source} | ({} if to is None else {"to": to}))

    @property
    def name(self) -> str:
        """What the source is called."""
        source = self.full["source"]
        return Address.parse(source).collection if is_address(source) else Path(source).stem

    def default_folder(self, jobs: Path, bridge: bytes) -> Path:
        """One name for one piece of work, so that the same command finds it again."""
        about = repr((sorted(self.plain.items()), job_folder.checksum(bridge)))
        name = re.sub(r"[^\w.-]+", "-", self.name)[:60]
        return jobs / f"{name}-{job_folder.checksum(about.encode())[:8]}"


def carries_payload(source: Readable, target: bool) -> bool:
    """Whether other columns go along: where both ends have them."""
    return target and isinstance(source, Store) and source.traits().payload


def opened(place: str) -> Readable:
    """The collection at an address, or the vectors of a file."""
    if not is_address(place):
        return FileSource(place)
    return connect(job_folder.absolute(Address.parse(place)))


def made(address: Address, dim: int, metric: str | None, kind: str, created: bool) -> Store:
    """The collection that a job makes, or made, or found empty."""
    if created:
        return connect(address)
    try:
        return create(address, dim=dim, metric=metric, id_kind=kind)
    except StorageError as refused:
        try:
            found = connect(address)
        except IsthmusError:
            raise refused from None
        facts = found.facts()
        if facts.rows or facts.dim != dim:
            found.close()
            raise StorageError(
                f"create {address.redacted}",
                f"a collection of that name with {facts.rows:,} rows of {facts.dim} dimensions",
                f"none, or an empty one of {dim}", "Choose another name for --to.",
            ) from None  # fmt: skip
        return found


def bridge_bytes(bridge: Bridge | str | os.PathLike[str]) -> tuple[Bridge, bytes]:
    """The bridge and the bytes of its file."""
    if not isinstance(bridge, Bridge):
        return load(Path(bridge)), Path(bridge).read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        return bridge, bridge.save(Path(folder) / job_folder.BRIDGE).read_bytes()
