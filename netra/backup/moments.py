"""When what a piece of the log holds was committed: how late a restore can get to with it."""

from __future__ import annotations

import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from netra.backup import programs, wal
from netra.backup.destination import Destination
from netra.backup.wal import Reach

_COMMIT = re.compile(
    r"desc: COMMIT(?:_PREPARED)? .*?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) UTC"
)


def last_commit(
    destination: Destination, known: Reach, folder: Path, pg_waldump: Path
) -> datetime | None:
    """The time of the last commit in the log of a reach; None if it holds none.

    Raises:
        BackupDamaged: a file is not the one that was written.
    """
    for kept in reversed(known.segments):
        segment = wal.unpack(destination, kept, folder)
        command = [str(pg_waldump), "--rmgr=Transaction", str(segment)]
        # Its end is no end of a record, so it always fails there, and has printed what was before.
        done = subprocess.run(
            programs.tied(command),
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        segment.unlink()
        if found := _COMMIT.findall(done.stdout):
            return max(datetime.fromisoformat(text).replace(tzinfo=UTC) for text in found)
    return None
