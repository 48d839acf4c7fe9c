"""Each process with settings that it cannot run with: one line, one exit code, no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from netra.settings import WRONG_SETTINGS
from netra.settings_sources import READ_ELSEWHERE

PROCESSES = {
    "api": ("netra.api.serve",),
    "worker cpu": ("workers.cpu",),
    "worker gpu": ("workers.gpu",),
    "scheduler": ("workers.scheduler",),
    "flower": ("workers.flower",),
    "migrate": ("netra.store.migrate",),
    "supervisor": ("netra.embedded", "--home", "/nowhere"),
    "netra up": ("netra.cli.main", "up", "--home", "/nowhere"),
    "netra job list": ("netra.cli.main", "job", "list"),
    "netra health worker": ("netra.cli.main", "health", "worker"),
}


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_says_in_one_line_what_it_cannot_run_with(process: str, tmp_path: Path) -> None:
    clean = {k: v for k, v in os.environ.items() if k not in READ_ELSEWHERE}
    done = subprocess.run(
        [sys.executable, "-m", *PROCESSES[process]],
        env={**clean, "NETRA_WORKERS_CPU_CONCURRENCY": "0"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == WRONG_SETTINGS, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.endswith(
        "NETRA_WORKERS_CPU_CONCURRENCY='0' is not accepted: workers.cpu_concurrency must be a"
        " whole number, 1 or more"
    )


@pytest.mark.parametrize("process", ["worker cpu", "scheduler", "api"])
def test_without_a_store_s_url_nothing_starts(process: str, tmp_path: Path) -> None:
    urls = ("DATABASE_URL", "REDIS_URL", "CLICKHOUSE_URL")
    done = subprocess.run(
        [sys.executable, "-m", *PROCESSES[process]],
        env={k: v for k, v in os.environ.items() if k not in urls},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == WRONG_SETTINGS, done.stderr
    assert "DATABASE_URL is not set" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
