"""Status: how a job stands, told from its folder alone; and which jobs there are."""

import os
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from isthmus.core.errors import IsthmusError
from isthmus.upgrade import job_folder, job_journal
from isthmus.upgrade.job_folder import JobFile
from isthmus.upgrade.ledger import Ledger
from isthmus.upgrade.lines import wrapped

#: Where jobs lie unless asked otherwise.
JOBS = Path("isthmus-jobs")
_FINISHED = {"cutover": "live", "rollback": "rolled back", "drop": "dropped"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How a job stands.

    ``state`` is ``"new"``, ``"running"``, ``"unfinished"`` (cut short: resume it), ``"paused"``,
    ``"ready"`` (proved, and the old vectors serve), ``"live"`` (the new ones do), ``"rolled
    back"``, ``"dropped"`` (the shadow is gone), ``"finished"`` (the old vectors are gone),
    ``"cutover"``, ``"rollback"`` or ``"drop"`` where that was cut short, or ``"damaged"`` with what
    is wrong in ``problem``. ``done`` of ``rows`` rows are done in pass ``passes``; ``rejected``
    were left out as not finite; ``verified`` is the newest proof: rows, vectors sampled, how many
    of them are the bridge's bit for bit. ``lost`` rows that served before a rollback have no old
    vectors.
    """

    path: str
    id: str = ""
    created: str = ""
    source: str = ""
    to: str | None = None
    method: str = ""
    state: str
    rows: int = 0
    done: int = 0
    passes: int = 0
    rejected: int = 0
    verified: dict[str, Any] | None = None
    lost: int = 0
    problem: str = ""

    @classmethod
    def of(cls, folder: Path, job: JobFile) -> Self:
        """How the job in ``folder`` stands; raises FormatError when its journal is damaged."""
        running = job_journal.busy(folder)
        steps = job_journal.read(folder)
        ledger = Ledger.of(steps)
        proof = ledger.verified
        return cls(
            path=str(folder), id=job.id, created=job.created, source=job.source, to=job.to,
            method=job.bridge["method"], state=_state(folder, ledger, running),
            rows=max(job.rows, ledger.rows), done=ledger.rows, passes=ledger.number,
            rejected=len(ledger.rejected),
            verified=None if proof is None else {k: v for k, v in proof.items() if k != "step"},
            lost=_lost(steps) if ledger.act == "rollback" else 0,
        )  # fmt: skip

    @classmethod
    def in_folder(cls, folder: Path) -> Self:
        """As ``of``, with what is wrong with the folder as a state."""
        try:
            return cls.of(folder, job_folder.read(folder))
        except IsthmusError as error:
            return cls(path=str(folder), state="damaged", problem=str(error))

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"kind": "upgrade job", **asdict(self), "next": self.next}

    @property
    def next(self) -> dict[str, str]:
        """What can be done now: the command by what it is for."""
        if self.to is not None and self.state == "ready":
            return {}
        name = shlex.quote(self.path)
        go_on = {"go on": f"isthmus jobs --resume {name}"}
        back = {"go back": f"isthmus upgrade --rollback {name}"}
        over = {"let the new vectors serve": f"isthmus upgrade --cutover {name}"}
        drop = {"remove the shadow": f"isthmus upgrade --drop {name}"}
        old = {"remove the old vectors, for good": f"isthmus upgrade --drop {name}"}
        if self.state in _FINISHED:  # cut short
            return {"end it": f"isthmus upgrade --{self.state} {name}"}
        return {
            "damaged": {},
            "finished": {},
            "running": {"pause it": f"isthmus jobs --pause {name}"},
            "ready": over | drop,
            "live": back | old,
            "rolled back": {"prove it anew": go_on["go on"]} | drop,
            "dropped": {"begin again": go_on["go on"]},
        }.get(self.state, go_on)

    def __str__(self) -> str:
        if self.state == "damaged":
            return "\n".join([f"{_line(self.path)}: damaged", *wrapped("  ", _line(self.problem))])
        lines = [f"{_line(self.path)}: {self.state}", f"  {self.source}"]
        if self.to is not None:
            lines.append(f"  -> {self.to}")
        if self.verified is not None:
            rows, sample, same = (self.verified[key] for key in ("rows", "sample", "identical"))
            lines.append(f"  {rows:,} vectors carried, under the same ids")
            lines.append(
                f"  of {sample:,} drawn at random {'all' if same == sample else format(same, ',')} "
                f"are the bridge's bit for bit{'' if same == sample else ', the rest to rounding'}"
            )
        elif self.passes and self.state not in (*_FINISHED.values(), "finished"):
            lines.append(f"  {self.done:,} of about {self.rows:,} rows, pass {self.passes}")
        if self.rejected:
            lines.append(f"  {self.rejected:,} rows left out: NaN or infinity (journal.jsonl)")
        if self.lost:
            lines.append(f"  {self.lost:,} rows written since the cutover have no old vector")
            lines.append("  They are with the shadow, and nowhere else once that is dropped.")
        if self.to is not None and self.state == "ready":
            lines.append("  Point your service at it, and ask it with the new encoder's queries.")
        if self.state == "ready" and self.to is None:
            lines.append(
                "  The old vectors serve. Ask the new ones with the new encoder's queries."
            )
        return "\n".join(
            [*lines, *(f"  {why}:\n    {command}" for why, command in self.next.items())]
        )


def _line(text: str) -> str:
    """``text`` as one line of a terminal, whatever is in a name."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _state(folder: Path, ledger: Ledger, running: bool) -> str:
    found = (
        ("running", running),
        (ledger.begun, bool(ledger.begun)),
        ("finished", ledger.final),
        (_FINISHED.get(ledger.act, ""), bool(ledger.act)),
        ("ready", ledger.verified is not None),
        ("paused", (folder / job_folder.PAUSE).exists()),
        ("new", not ledger.number),
    )
    return next((name for name, holds in found if holds), "unfinished")


def _lost(steps: list[dict[str, Any]]) -> int:
    """Rows that served before the newest rollback and not after it."""
    rows = [step["rows"] for step in steps if step["step"] == "rollback"][-2:]
    return max(rows[0] - rows[-1], 0) if len(rows) == 2 else 0


def jobs(folder: str | os.PathLike[str] = JOBS) -> list[Status]:
    """All jobs in ``folder``, the newest first; a damaged one says so in its status."""
    found = [
        Status.in_folder(path)
        for path in (Path(folder).iterdir() if Path(folder).is_dir() else ())
        if (path / job_folder.JOB).exists() or (path / job_journal.NAME).exists()
    ]
    return sorted(found, key=lambda status: (status.created, status.path), reverse=True)


def found(job: Path) -> Path:
    """The folder ``job``, or the one under ``JOBS`` of that name or id."""
    if job.exists() or not (JOBS.is_dir() and len(job.parts) == 1):
        return job
    if (JOBS / job).exists():
        return JOBS / job
    for status in jobs():
        if status.id == job.name:
            return Path(status.path)
    return job
