"""Command-line tools of the deployment tests, each in an environment of its own.

They pin libraries that Netra pins otherwise, so none of them may stand in `.venv`. A tool's
packages stand in `tools/NAME.in`, resolved with hashes in `tools/NAME.txt` (`make lock-tools`).
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILT = ROOT / "build" / "tools"


@cache
def environment(name: str) -> Path:
    """The folder of programs of the tool `name`, installed when its lock file is newer."""
    lock, folder = HERE / "tools" / f"{name}.txt", BUILT / name
    stamp = folder / ".installed"
    BUILT.mkdir(parents=True, exist_ok=True)
    with (BUILT / f"{name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != lock.read_text():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
            pip += ["--disable-pip-version-check", "--no-deps", "--require-hashes", "-r", str(lock)]
            subprocess.run(pip, check=True)
            stamp.write_text(lock.read_text())
    return folder / "bin"


def tool(name: str, program: str = "") -> str:
    """Path of `program` (default: the tool's own name) of the tool `name`."""
    return str(environment(name) / (program or name))
