"""The disaster drill: load, back up, write on, lose everything, restore, go on; timed.

    python -m tests.deploy.backup.drill [--events N] [--jobs N]

The last line is one JSON object. RTO: from the loss to a smoke test that passed. RPO: how long
before the loss the oldest job was accepted (202) that is gone, or 0. The exit code is 0 if both are
within the bars and nothing is lost that was kept.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from netra.backup import consistency, wal
from netra.backup import home as whole
from netra.backup.destination import Folder
from netra.client.api import Netra
from netra.embedded import info as information
from netra.embedded import runfile
from netra.embedded.home import Home
from netra.embedded.info import StackInfo
from netra.errors import NetraError
from netra.schemas.job import JobRequest
from netra.store import postgres
from tests.deploy.backup.place import Place, Work, place

RTO_S = 600.0
RPO_S = 60.0
_NOOP = {"name": "a", "agent": "noop"}


@dataclass
class Measured:
    events: int
    jobs: int
    backup_s: float = 0.0
    kept_mb: float = 0.0
    rto_s: float = 0.0
    rpo_s: float = 0.0
    #: Seconds of the parts of the RTO.
    parts_s: dict[str, float] = field(default_factory=dict)
    events_restored: int = 0
    jobs_restored: int = 0
    #: Of what was kept; all must be 0.
    jobs_lost: int = 0
    ingests_lost: int = 0
    results_lost: int = 0

    @property
    def passed(self) -> bool:
        lost = self.jobs_lost + self.ingests_lost + self.results_lost
        return self.rto_s <= RTO_S and self.rpo_s <= RPO_S and not lost


class Writer(threading.Thread):
    """Goes on submitting jobs until all is lost; notes when each was accepted."""

    def __init__(self, info: StackInfo) -> None:
        super().__init__(daemon=True)
        self.info = info
        self.over = threading.Event()
        self.accepted: list[tuple[str, datetime]] = []

    def run(self) -> None:
        with Netra(self.info.api_url, self.info.api_key) as netra, contextlib.suppress(NetraError):
            while not self.over.is_set():
                job = netra.jobs.submit(JobRequest(stages=(_NOOP,)))
                self.accepted.append((job.id, datetime.now(UTC)))
                self.over.wait(0.05)


def run(events: int, jobs: int) -> Measured:
    with place() as made:
        return _drill(made, Measured(events=events, jobs=jobs))


def _drill(made: Place, measured: Measured) -> Measured:
    info = _up(made)
    work = Work(made, info)
    began = time.monotonic()
    work.ingest(measured.events, 1)
    _say(f"{measured.events} events loaded in {time.monotonic() - began:.1f} s")
    _submit(info, measured.jobs)
    began = time.monotonic()
    with made.following() as follower:
        made.run("backup.sh", "all")
        measured.backup_s = round(time.monotonic() - began, 1)
        _say(f"backed up in {measured.backup_s} s; writing on")
        work.ingest(max(1000, measured.events // 100), 2)
        made.run("backup.sh", "all", "--incremental")
        work.ingest(max(1000, measured.events // 200), 3)
        ingested = work.now()
        writer = Writer(info)
        writer.start()
        kept = _until(work, made.kept, ingested)
        time.sleep(3)
        measured.kept_mb = round(_size(made.kept) / 1e6, 1)
        follower.kill()
        lost_at = _lose(made, writer)
    position = kept()
    _say(f"all is lost; what is kept reaches to {position.at.isoformat()}")
    _restore(made, measured, position, lost_at)
    _compare(made, measured, writer, position, lost_at)
    _say("restored; what was kept is compared")
    made.netra("down")
    return measured


def _up(made: Place) -> StackInfo:
    made.netra("up", "--detach")
    found = information.of_home(Home(made.home), made.settings)
    assert found is not None
    return found


def _submit(info: StackInfo, jobs: int) -> None:
    began = time.monotonic()
    # Less urgent than what the smoke test submits, which would else wait for them all.
    requests = (JobRequest(stages=(_NOOP,), priority=1) for _ in range(jobs))
    with Netra(info.api_url, info.api_key) as netra:
        netra.batches.submit_all("drill", requests)
    _say(f"{jobs} jobs submitted in {time.monotonic() - began:.1f} s")


def _until(work: Work, kept: Path, moment: str) -> Any:
    """Waits until what was done at `moment` is kept; a function that says what is kept."""
    system = work.sql("SELECT system_identifier::text AS s FROM pg_control_system()")[0]["s"]
    ends = time.monotonic() + 300
    while True:
        reached = wal.position(Folder(kept), system)
        if reached and reached.at > datetime.fromisoformat(moment):
            return lambda: wal.position(Folder(kept), system)
        assert time.monotonic() < ends, f"nothing was sent since {moment}"
        time.sleep(0.2)


def _lose(made: Place, writer: Writer) -> datetime:
    """Kills every process as a machine does that dies, and removes the data."""
    run_file = runfile.read(Home(made.home))
    pids = [run_file.supervisor, *(p.pid for p in run_file.processes.values() if p.pid)]
    lost_at = datetime.now(UTC)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    writer.over.set()
    writer.join(60)
    runfile.end_leftovers(Home(made.home))
    for _ in range(20):
        # A process that is still dying may write once more.
        with contextlib.suppress(OSError):
            made.destroy()
            break
        time.sleep(0.2)
    return lost_at


def _restore(made: Place, measured: Measured, position: wal.Position, lost_at: datetime) -> None:
    began = time.monotonic()
    made.run("restore.sh", "--until", position.at.isoformat())
    restored = time.monotonic()
    _up(made)
    up = time.monotonic()
    said = made.netra("smoke-test")
    assert "smoke test passed" in said, said
    measured.rto_s = round((datetime.now(UTC) - lost_at).total_seconds(), 1)
    measured.parts_s = {
        "restore": round(restored - began, 1),
        "start": round(up - restored, 1),
        "smoke test": round(time.monotonic() - up, 1),
    }


def _compare(
    made: Place,
    measured: Measured,
    writer: Writer,
    position: wal.Position,
    lost_at: datetime,
) -> None:
    found = information.of_home(Home(made.home), made.settings)
    assert found is not None
    settings = whole.settings_of(found, made.settings)
    agreed = consistency.check(settings)
    measured.ingests_lost = len(agreed.lost_ingests)
    measured.results_lost = len(agreed.lost_results)
    measured.events_restored = agreed.rows
    with postgres.connect(settings.database, "drill") as pg:
        rows = pg.execute("SELECT id::text AS id, batch_id IS NULL AS single FROM jobs").fetchall()
    there = {row["id"] for row in rows}
    in_batch = sum(not row["single"] for row in rows)
    measured.jobs_restored = len(there)
    gone = [at for job, at in writer.accepted if job not in there]
    # The 202 comes after the commit: a job accepted by then was committed by then.
    kept = sum(at <= position.at for at in gone)
    measured.jobs_lost = kept + measured.jobs - in_batch
    measured.rpo_s = round((lost_at - min(gone)).total_seconds(), 1) if gone else 0.0


def _size(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def _say(words: str) -> None:
    print(f"drill: {words}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.deploy.backup.drill")
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--jobs", type=int, default=100_000)
    given = parser.parse_args()
    measured = run(given.events, given.jobs)
    print(json.dumps({**measured.__dict__, "passed": measured.passed}))
    sys.exit(0 if measured.passed else 1)


if __name__ == "__main__":
    main()
