"""Whether the follower of this installation's stores runs, and what it sends gets through."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from netra import heartbeat
from netra.backup import standing
from netra.backup.standing import Standing
from netra.cli.checks.check import Check, Subject
from netra.heartbeat import Beat
from netra.settings import current

_NAME = "backup follower"
#: It beats after each ingest that it sends, which may take minutes, seconds.
_SENDING_S = 600.0
_READ = "docs/runbooks/troubleshooting.md"


def follower(on: Subject) -> Iterator[Check]:
    """The one that ran on this machine last; of others there are metrics and alerts."""
    for folder, name in _places(on):
        if beat := next((b for b in heartbeat.beats(folder, name) if b.path.name == name), None):
            yield _judged(beat, standing.read(folder, name))
            return
    if on.running:
        found = "no netra backup follow has run here: what is written since a backup is not kept"
        yield Check(name=_NAME, state="skip", found=found)


def _places(on: Subject) -> Iterator[tuple[Path, str]]:
    # As it was started: the subject's settings name the stores of the stack that runs here.
    yield standing.place(current(), on.home)
    if on.running:
        yield on.home.beats, standing.NAME


def _judged(beat: Beat, stands: Standing | None) -> Check:
    now = datetime.now(UTC)
    known = f"; {stands.words(now)}" if stands else ""
    if beat.ended:
        found = f"pid {beat.pid} has ended; its last beat was {beat.age_s:.0f} s ago{known}"
        mend = f"start netra backup follow again; if there shall be none, remove {beat.path}"
        return Check(name=_NAME, state="warn", found=found, mend=mend)
    if beat.age_s > _SENDING_S:
        found = f"pid {beat.pid} has not beaten for {beat.age_s:.0f} s: it hangs{known}"
        return Check(name=_NAME, state="fail", found=found, mend="look at its log, and restart it")
    if stands and stands.is_stuck(now):
        mend = f"mend what it names: until then the server holds its log, up to a limit; {_READ}"
        return Check(name=_NAME, state="fail", found=stands.words(now), mend=mend)
    return Check(name=_NAME, state="ok", found=f"pid {beat.pid} beats{known}")
