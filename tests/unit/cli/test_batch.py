from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from threading import Event

import httpx
import pytest

from netra.cli import output
from tests.shared_data import ROOT
from tests.unit.cli.conftest import Run
from tests.unit.client.memory_api import MemoryApi


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.jsonl"
    rows = [{"stages": [{"agent": "noop"}], "labels": {"n": str(i)}} for i in range(1200)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_manifest_becomes_jobs_once(run: Run, api: MemoryApi, manifest: Path) -> None:
    first = run(["batch", "submit", str(manifest), "--json"])
    assert first.exit_code == 0, first.output
    made = json.loads(first.stdout)
    assert (made["created"], made["existing"], made["batch"]["total"]) == (1200, 0, 1200)
    again = run(["batch", "submit", str(manifest)])
    assert "0 jobs created, 1,200 already there" in again.stdout
    assert len(api.jobs) == 1200


def test_a_bad_row_is_named_and_nothing_is_sent(run: Run, api: MemoryApi, manifest: Path) -> None:
    with manifest.open("a") as f:
        f.write('{"stages": [{"agent": "nope"}]}\n')
    result = run(["batch", "submit", str(manifest)])
    assert result.exit_code == 2
    assert "line 1201" in result.stdout
    assert "stages[0].agent: unknown agent" in result.stdout
    assert "1,200 not sent" in result.stdout
    assert api.jobs == {}


def test_a_rejected_row_says_what_it_has_and_what_would_do(
    run: Run, api: MemoryApi, tmp_path: Path
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"stages": [{"agent": "zzz"}], "priority": 77, "labels": {"a b": "c"}}\n')
    said = " ".join(run(["batch", "submit", str(path)]).stdout.split())
    assert "priority: not accepted (got 77) (expected a whole number <= 9)" in said
    assert "labels: not a name (got 'a b')" in said
    assert "stages[0].agent: unknown agent (got 'zzz')" in said


def test_a_batch_is_followed_to_its_end(run: Run, api: MemoryApi, manifest: Path) -> None:
    run(["batch", "submit", str(manifest)])
    for job in api.jobs.values():
        job["state"] = "succeeded"
    result = run(["batch", "follow", "batch-sweep"])
    assert result.exit_code == 0
    assert "1,200 of 1,200 jobs have ended (100%): 1,200 succeeded" in result.stdout
    api.jobs["job-7"]["state"] = "failed"
    failed = run(["batch", "follow", "batch-sweep", "--json"])
    assert failed.exit_code == 1
    assert json.loads(failed.stdout)["states"] == {"succeeded": 1199, "failed": 1}


def test_a_percentage_is_100_only_once_all_have_ended(
    run: Run, api: MemoryApi, manifest: Path
) -> None:
    run(["batch", "submit", str(manifest)])
    for job in api.jobs.values():
        job["state"] = "succeeded"
    api.jobs["job-7"]["state"] = "running"
    shown = run(["batch", "show", "batch-sweep"]).stdout
    assert "1,199 of 1,200 jobs have ended (99%): " in shown


def test_how_far_a_cancellation_is_is_shown(
    run: Run, api: MemoryApi, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(["batch", "submit", str(manifest)])
    stopping, looked = Event(), Event()
    answer = api.handle

    def slow(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/cancel"):
            for n in range(1, 601):
                api.jobs[f"job-{n}"]["state"] = "cancelled"
            stopping.set()
            assert looked.wait(10)
        elif stopping.is_set():
            looked.set()
        return answer(request)

    monkeypatch.setattr(api, "handle", slow)
    monkeypatch.setattr("netra.cli.batch._LOOK_S", 0.01)
    # Rich takes it for a terminal.
    monkeypatch.setenv("FORCE_COLOR", "1")
    output.stderr.cache_clear()
    result = run(["batch", "cancel", "batch-sweep", "--json"])
    assert result.exit_code == 0
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", result.stderr)
    assert "stopping sweep" in shown
    assert "600/1200 jobs ended" in shown
    assert json.loads(result.stdout)["states"] == {"cancelled": 1200}


def test_the_script_is_the_command() -> None:
    script = ROOT / "scripts" / "enqueue_bulk.py"
    done = subprocess.run(
        [sys.executable, str(script), "--help"], capture_output=True, text=True, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    assert "Submit the jobs in MANIFEST" in done.stdout
