"""Job: an upgrade of a collection carried out, resumed, taken into service and taken back."""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.bridges.bridge import Bridge, load
from isthmus.core.errors import InputError, IsthmusError, StorageError
from isthmus.spaces.stores import Address, store_class
from isthmus.spaces.stores.store import BATCH, Store
from isthmus.upgrade import job_folder
from isthmus.upgrade.carry import CARRIED, Carrier, Readable
from isthmus.upgrade.examine import Estimate, check_source, examine, target_ids
from isthmus.upgrade.job_ends import Ends, bridge_bytes, carries_payload, made, opened
from isthmus.upgrade.job_folder import JobFile
from isthmus.upgrade.job_journal import Journal
from isthmus.upgrade.job_status import JOBS, Status, found
from isthmus.upgrade.ledger import Ledger

#: Whole addresses, secrets included, for a job that is taken up again.
_GIVEN = {"source": "ISTHMUS_SOURCE", "to": "ISTHMUS_TO"}


class Job:
    """An upgrade of one collection, in a folder that explains itself.

    ``Job.start`` makes one, or finds the one that the same call made; ``Job.open`` takes up one by
    its folder. Every method may be called again after being cut short anywhere.

    Attributes
    ----------
    path : the folder
    file : what the job is about
    estimate : what ``start`` found that it takes, None where the job had been begun before

    Examples
    --------
    >>> import tempfile, numpy as np, isthmus
    >>> from isthmus.spaces.stores import create, connect
    >>> from isthmus.spaces.stores.store import Rows
    >>> x = np.random.default_rng(0).normal(size=(200, 4)).astype("float32") * [4, 3, 2, 1]
    >>> folder = tempfile.mkdtemp()
    >>> place = f"faiss://{folder}/docs.faiss"
    >>> with create(place, dim=4, metric="euclidean", id_kind="int") as docs:
    ...     docs.upsert(Rows(np.arange(200), x))
    >>> bridge = isthmus.fit(x, x[:, ::-1], method="orthogonal")
    >>> job = Job.start(place, bridge, job=f"{folder}/job")
    >>> job.run().state, job.cutover().state
    ('ready', 'live')
    >>> moved = connect(place).fetch(np.arange(3)).vectors
    >>> bool(np.allclose(moved, x[:3, ::-1], atol=1e-5))
    True
    >>> job.rollback().state
    'rolled back'
    """

    def __init__(self, path: Path, file: JobFile, given: dict[str, str]) -> None:
        self.path, self.file = path, file
        self.estimate: Estimate | None = None
        self._ends = given

    @classmethod
    def start(
        cls,
        source: str | os.PathLike[str],
        bridge: Bridge | str | os.PathLike[str],
        *,
        to: str | None = None,
        job: str | os.PathLike[str] | None = None,
        batch: int = BATCH,
    ) -> "Job":
        """The job that carries ``source`` across ``bridge``; it writes nothing before ``run``.

        Parameters
        ----------
        source : address of a collection, or, with ``to``, the path of a file
        bridge : a Bridge, or the path of its file
        to : address of a collection to make and write to; by default a shadow beside the old
            vectors, which ``cutover`` puts in their place
        job : the job's folder; by default one under ``isthmus-jobs`` named by what it is about
        batch : rows read, mapped and written at once

        Raises
        ------
        SpaceMismatch, InputError
            When the vectors are not the bridge's, or the store cannot hold what it makes of them.
        StorageError
            When the store or the folder cannot be used, or the folder holds something else.

        """
        given = Ends.of(str(source), to, batch)
        loaded, data = bridge_bytes(bridge)
        path = Path(job) if job is not None else given.default_folder(JOBS, data)
        with contextlib.suppress(StorageError):  # begun before: nothing to look at again
            found = job_folder.read(path)
            wanted = (given.plain["source"], given.plain.get("to"), job_folder.checksum(data))
            if found.about == wanted:
                return cls(path, found, given.full)
        found_out = _examined(given, loaded, batch)
        ends = {
            end: {"encoder": one.encoder, "dim": one.dim, "metric": one.metric, "norms": one.norms}
            for end, one in (("source", loaded.source), ("target", loaded.target))
        }
        file = JobFile(
            id=secrets.token_hex(4), source=given.plain["source"], to=given.plain.get("to"),
            bridge={"method": loaded.name, "checksum": job_folder.checksum(data), **ends},
            metric=found_out.metric, unit=found_out.unit, batch=batch, rows=found_out.rows,
            isthmus=version("isthmus"),
        )  # fmt: skip
        page = job_folder.page(file, path.absolute())
        begun = cls(path, job_folder.write(path, file, data, page), given.full)
        begun.estimate = found_out
        return begun

    @classmethod
    def open(
        cls, job: str | os.PathLike[str], *, source: str | None = None, to: str | None = None
    ) -> "Job":
        """The job in the folder ``job``, or of that name or id under ``isthmus-jobs``.

        ``source`` and ``to`` give its addresses again where they hold a secret, which a job never
        keeps; else $ISTHMUS_SOURCE and $ISTHMUS_TO do, or what the database's client reads itself.

        Raises
        ------
        StorageError
            When there is no such job.
        FormatError
            When its folder is damaged.
        InputError
            When an address given is not the job's.

        """
        path = found(Path(job))
        file = job_folder.read(path)
        given = {}
        for end, value in (("source", source), ("to", to)):
            known: str | None = getattr(file, end)
            if known is None:
                continue
            again = value if value is not None else os.environ.get(_GIVEN[end])
            if again is None or (value is None and job_folder.plain(again) != known):
                given[end] = known
            elif job_folder.plain(again) != known:
                raise InputError(
                    f"open the job {path.name}", f"the {end} {job_folder.plain(again)}", known
                )
            else:
                given[end] = again
        return cls(path, file, given)

    def run(
        self,
        *,
        drop_invalid: bool = False,
        progress: Callable[[int], None] | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> Status:
        """Carry every vector across and prove it; goes on where an earlier run was cut short.

        Rows that were added, changed or removed since are found by a pass over the source and
        carried, rewritten or removed. A paused job stays paused.

        Parameters
        ----------
        drop_invalid : leave out rows with NaN or infinity and list them in the journal
        progress : called with the number of rows that the pass has done
        tell : called with what begins where no rows are counted, such as building the index

        Raises
        ------
        StorageError
            When another process works on the job, the store refuses, or never stays still.
        InputError
            On vectors with NaN or infinity, named by id.

        """
        if (self.path / job_folder.PAUSE).exists():
            return self.status()
        with Journal(self.path) as notes, self._source() as source:
            ledger = self._settled(notes, source)
            if ledger.begun and isinstance(source, Store):  # an act cut short: all that is wanted
                self._act(ledger.begun, notes, source, ledger)
            elif self._serves(source):
                if ledger.act != "cutover":  # the journal was lost
                    notes.add("cutover", done=True, live=True, rows=source.facts().rows)
            elif not ledger.final:
                bridge = load(job_folder.bridge_file(self.path, self.file))
                check_source(source, bridge, where=self.file.source)
                with self._target(source, bridge, notes, ledger) as (shadow, finish, payload):
                    Carrier(
                        source, shadow, bridge, notes, batch=self.file.batch, payload=payload,
                        drop_invalid=drop_invalid, unit=self.file.unit, finish=finish,
                        paused=(self.path / job_folder.PAUSE).exists,
                        progress=progress or (lambda done: None),
                        tell=tell or (lambda text: None),
                        carried=None if self.file.to is None else self.path / CARRIED,
                    ).run()  # fmt: skip
        return self.status()

    def pause(self) -> Status:
        """Ask whoever runs the job to stop after the batch at hand; the job stays paused."""
        (self.path / job_folder.PAUSE).touch()
        return self.status()

    def resume(self, **options: Any) -> Status:
        """Lift a pause, and ``run``, with the same options."""
        (self.path / job_folder.PAUSE).unlink(missing_ok=True)
        return self.run(**options)

    def cutover(self) -> Status:
        """Let the new vectors serve in place of the old ones, which stay as they are.

        Raises
        ------
        InputError
            When the job writes to another collection, where nothing is to be put in place.
        StorageError
            When the job is not proved, or the collection changed since it was.

        """
        return self._do("cutover")

    def rollback(self) -> Status:
        """Let the old vectors serve again, bit for bit; the new ones are a shadow again."""
        return self._do("rollback")

    def drop(self) -> Status:
        """Remove, for good, what does not serve: the shadow, or after a cutover the old vectors."""
        return self._do("drop")

    def status(self) -> Status:
        """What the job's folder says of it; asks no store."""
        return Status.of(self.path, self.file)

    def __repr__(self) -> str:
        return f"<Job {self.path.name}: {self.file.source}>"

    def _do(self, act: str) -> Status:
        if self.file.to is not None:
            raise InputError(
                f"{act} {self.path.name}", "a job that writes to another collection",
                "one with a shadow in its own store",
                f"Point your service at {self.file.to}; both collections are yours to remove.",
            )  # fmt: skip
        with Journal(self.path) as notes, self._source() as source:
            assert isinstance(source, Store)
            ledger = self._settled(notes, source, act)
            if ledger.begun and ledger.begun != act:
                self._act(ledger.begun, notes, source, ledger)
                ledger = Ledger.of(notes.steps)
            self._act(act, notes, source, ledger)
        return self.status()

    def _settled(self, notes: Journal, source: Readable, act: str = "") -> Ledger:
        """What the journal says, without a cutover that was cut short before anything was swapped.

        It is taken up again where that is asked for or the proof still holds; else what serves has
        changed since, or something else is wanted, and the shadow is a shadow.
        """
        ledger = Ledger.of(notes.steps)
        if (
            ledger.begun == "cutover"
            and isinstance(source, Store)
            and source.state(self.file.id) == "shadow"
            and (act or not _proved(source, ledger))
        ):
            notes.add("undone", act="cutover")
            return Ledger.of(notes.steps)
        return ledger

    def _act(self, act: str, notes: Journal, store: Store, ledger: Ledger) -> None:
        """Do it, or end it; noted before and after, so that a crash between shows.

        What the store refuses, with everything as it was, is noted as undone.
        """
        if ledger.final and act == "drop":
            return
        state = store.state(self.file.id)
        if ledger.begun != act:
            if act == "cutover" and state != "live":
                self._may_cut_over(store, state, ledger)
            if act == "rollback" and (ledger.final or state == "absent"):
                raise StorageError(
                    f"roll back {self.path.name}",
                    "old vectors that were dropped" if ledger.final else "no vectors of this job",
                    "a job that was cut over", "Nothing was changed.",
                )  # fmt: skip
            # A drop ends in what it was begun in: live drops the old, shadow the new.
            notes.add(act, done=False, live=state == "live", rows=store.facts().rows)
        live = next((s["live"] for s in reversed(notes.steps) if s["step"] == act), state == "live")
        try:
            getattr(store, act)(self.file.id)
        except IsthmusError:
            with contextlib.suppress(IsthmusError):  # a store that does not answer: begun it stays
                if store.state(self.file.id) == state:
                    notes.add("undone", act=act)
            raise
        more = {"since": self._since(store)} if act == "rollback" else {}
        notes.add(act, done=True, live=live, rows=store.facts().rows, **more)

    def _since(self, store: Store) -> list[Any]:
        """Ids written while the new vectors served, which after a rollback the shadow alone has."""
        if store.state(self.file.id) != "shadow":
            return []
        dim = self.file.bridge["target"]["dim"]
        shadow = store.shadow(self.file.id, dim=dim, metric=self.file.metric)
        return np.setdiff1d(shadow.ids(), store.ids()).tolist()

    def _may_cut_over(self, store: Store, state: str, ledger: Ledger) -> None:
        if state == "shadow" and _proved(store, ledger):
            return
        what = (
            "no shadow" if state != "shadow"
            else "a job not yet proved" if ledger.verified is None
            else "a collection that changed since the job was proved"
        )  # fmt: skip
        raise StorageError(
            f"cut over {self.path.name}", what, "a shadow proved equal to what serves now",
            f"Bring it up to date, which writes what changed: isthmus jobs --resume {self.path}",
        )  # fmt: skip

    def _serves(self, source: Readable) -> bool:
        return (
            isinstance(source, Store)
            and self.file.to is None
            and source.state(self.file.id) == "live"
        )

    @contextlib.contextmanager
    def _source(self) -> Iterator[Readable]:
        with contextlib.closing(opened(self._ends["source"])) as source:
            yield source

    @contextlib.contextmanager
    def _target(
        self, source: Readable, bridge: Bridge, notes: Journal, ledger: Ledger
    ) -> Iterator[tuple[Store, Callable[[], None] | None, bool]]:
        """Where the vectors go, how its index is built, and whether other columns go along."""
        facts, job = source.facts(), self.file
        if job.to is None:
            assert isinstance(source, Store)
            if source.state(job.id) == "absent" and (ledger.ranges or ledger.known):
                notes.add("lost")
            shadow = source.shadow(job.id, dim=bridge.target.dim, metric=job.metric)
            payload = source.traits().payload and source.traits().shadow != "column"
            yield shadow, lambda: source.finish(job.id), payload
            return
        address = job_folder.absolute(Address.parse(self._ends["to"]))
        kind = target_ids(facts.id_kind, store_class(address).traits())
        target = made(address, bridge.target.dim, job.metric, kind, ledger.created)
        if not ledger.created:
            notes.add("created")
        with contextlib.closing(target):
            yield target, None, carries_payload(source, store_class(address).traits().payload)


def estimate(
    source: str | os.PathLike[str],
    bridge: Bridge | str | os.PathLike[str],
    *,
    to: str | None = None,
    batch: int = BATCH,
) -> Estimate:
    """What ``Job.start`` with the same arguments would have to do; raises what it would raise."""
    return _examined(Ends.of(str(source), to, batch), bridge_bytes(bridge)[0], batch)


def _proved(store: Store, ledger: Ledger) -> bool:
    """Whether the shadow is proved equal to what serves now."""
    return ledger.verified is not None and ledger.verified["stamp"] == store.stamp()


def _examined(given: Ends, bridge: Bridge, batch: int) -> Estimate:
    to = given.full.get("to")
    with contextlib.closing(opened(given.full["source"])) as source:
        target = store_class(to or given.full["source"]).traits()
        return examine(
            source, bridge, where=given.plain["source"], target=target, batch=batch,
            copy=to is not None, payload=carries_payload(source, target.payload),
        )  # fmt: skip
