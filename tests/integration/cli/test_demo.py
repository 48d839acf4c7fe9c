"""`netra demo`, on the running stack, and interrupted while it starts one of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from netra.embedded import runfile
from netra.embedded.home import Home
from netra.embedded.info import StackInfo
from tests.conftest import temporary_home
from tests.shared_data import shared_data
from tests.waiting import until

pytestmark = pytest.mark.stack

DEMO = [sys.executable, "-m", "netra.cli.main", "demo", "--home"]


def environment(**more: str) -> dict[str, str]:
    free = {"NETRA_EMBEDDED_API_PORT": "0", "NETRA_EMBEDDED_FLOWER_PORT": "0"}
    return {**os.environ, **free, **more}


def run(home: Path, *options: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DEMO, str(home), *options],
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=250,
    )


def test_real_sessions_become_a_plan(stack: StackInfo, tmp_path: Path) -> None:
    shared = shared_data("coding-agent-sessions.parquet").parent
    out = tmp_path / "plan.html"
    done = run(stack.home, "--out", str(out), NETRA_SHARED_DATA=str(shared))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "28,944 events of real coding-agent sessions" in done.stdout
    assert "Cost at list prices" in done.stdout
    assert f"report   {out}" in done.stdout
    assert out.read_text().lstrip().lower().startswith("<!doctype html>")
    assert runfile.is_running(Home(stack.home)), "a stack that ran before goes on"


def test_without_real_traffic_it_says_that_it_made_some(stack: StackInfo, tmp_path: Path) -> None:
    done = run(stack.home, "--json", NETRA_SHARED_DATA=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "30,000 events of GENERATED traffic" in done.stderr
    shown = json.loads(done.stdout)
    assert shown["workload"]["events"] == 30_000
    ok = [f for f in shown["headline"] if f["status"] == "ok"]
    assert ok
    assert all(f["value"] is not None and f["n"] > 0 for f in ok)
    assert Path(shown["report"]).is_file()


def test_an_interrupted_start_leaves_nothing_running_and_a_folder_that_starts() -> None:
    with temporary_home() as home:
        process = subprocess.Popen(
            [*DEMO, str(home)], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        _wait_for_processes(Home(home))
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert b"interrupted" in process.communicate()[1]
        assert not runfile.is_running(Home(home))
        listed = runfile.read(Home(home)).processes
        assert all(p.pid is None or not Path(f"/proc/{p.pid}").exists() for p in listed.values())


def _wait_for_processes(home: Home) -> None:
    until(lambda: any(p.pid for p in runfile.read(home).processes.values()), "a process")
