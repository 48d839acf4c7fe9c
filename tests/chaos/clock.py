"""A wall clock that can be set while a process runs (Linux, with a C compiler)."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_name("clock.c")


class Clock:
    """How far the wall clock of the processes that live by it is off."""

    def __init__(self, folder: Path, library: Path) -> None:
        self._file = folder / "clock"
        self.set(0)
        #: What a process needs in its environment to live by it.
        self.environment = {"LD_PRELOAD": str(library), "CHAOS_CLOCK": str(self._file)}

    def set(self, seconds: int) -> None:
        """Takes effect at once; the file is written over, since it is mapped."""
        with self._file.open("r+b" if self._file.exists() else "wb", buffering=0) as file:
            file.write(struct.pack("q", seconds))


def made(folder: Path) -> Clock | None:
    """A clock that is right at first; None where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    library = folder / "clock.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(_SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return Clock(folder, library)


def environment(clock: Clock | None) -> dict[str, str]:
    """What a process needs in its environment to live by the clock, if there is one."""
    return clock.environment if clock else {}
