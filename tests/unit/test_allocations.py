"""The tracer names the line that holds memory: in the process, in what it forks, and at the end."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

HOLDS = """
import os, sys, time
held = [bytes(1 << 20) for _ in range(40)]
if os.fork() == 0:
    time.sleep(1.5)
    os._exit(0)
os.wait()
print("argv", sys.argv[1:])
"""


def test_it_names_the_line_that_holds_the_most(tmp_path: Path) -> None:
    (tmp_path / "holds.py").write_text(HOLDS)
    done = subprocess.run(
        [sys.executable, "-m", "netra.allocations", "0.5", "holds", "--x"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "argv ['--x']\n"
    said = re.findall(
        r"allocations of (\d+): ([\d.]+) MiB now.*\n\s*([\d.]+) MiB.* (\S+)\n", done.stderr
    )
    assert len({pid for pid, *_ in said}) == 2, "the forked process says it, too"
    for process in {pid for pid, *_ in said}:
        # On a slow machine the first word comes before there is anything to hold.
        now, first, where = max(
            (float(now), float(first), where) for pid, now, first, where in said if pid == process
        )
        assert now >= first > 39
        assert where == f"{tmp_path / 'holds.py'}:3"


def test_it_says_how_it_is_called() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "netra.allocations"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "SECONDS MODULE" in done.stderr
