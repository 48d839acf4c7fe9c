"""The command against the real stack, as a user runs it: in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from netra.client import Netra
from netra.embedded.info import StackInfo
from netra.ingest import generate
from tests.shared_data import ROOT

pytestmark = pytest.mark.stack

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(stack: StackInfo, tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "NETRA_API_URL": stack.api_url,
        "NETRA_API_KEY": stack.api_key,
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }


@pytest.fixture
def netra(environment: dict[str, str]) -> Run:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "netra.cli.main", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    return run


def test_a_workload_from_import_to_deletion(netra: Run, tmp_path: Path) -> None:
    path = tmp_path / "traffic.parquet"
    generate.write(path, 500)
    made = netra("workload", "import", str(path), "--name", "cli-test", "--json")
    assert made.returncode == 0, made.stdout + made.stderr
    assert made.stderr == ""
    assert json.loads(made.stdout)["workload"]["events"] == 500
    again = netra("workload", "append", "cli-test", str(path), "--json")
    assert json.loads(again.stdout)["workload"]["events"] == 500
    assert "cli-test" in netra("workload", "list").stdout
    shown = json.loads(netra("workload", "show", "cli-test", "--json").stdout)
    assert shown["state"] == "ready"
    assert netra("workload", "delete", "cli-test", "--yes").returncode == 0
    gone = netra("workload", "show", "cli-test", "--json")
    assert gone.returncode == 2
    assert json.loads(gone.stdout)["status"] == 404


def test_a_bad_file_is_named_by_line_and_column(netra: Run, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:01:51.1,-7,3\n")
    result = netra("workload", "import", str(path))
    assert result.returncode == 2
    assert "line 2" in result.stderr
    assert "-7" in result.stderr
    assert "bad" not in netra("workload", "list").stdout


def test_a_job_is_followed_as_lines_of_json(netra: Run, tmp_path: Path) -> None:
    dag = tmp_path / "dag.json"
    dag.write_text('[{"agent": "noop", "params": {"sleep_s": 0.5, "ticks": 5}}]')
    done = netra("job", "submit", "--stages", str(dag), "--follow", "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0]["job"]["state"] == "queued"
    assert [m["seq"] for m in lines if m.get("type") == "fact"] == [1, 2, 3, 4, 5, 6]
    assert any(m.get("type") == "tick" for m in lines)


def test_a_failed_job_is_1_and_its_dead_letter_can_be_replayed(netra: Run, tmp_path: Path) -> None:
    dag = tmp_path / "dag.json"
    dag.write_text('[{"agent": "noop", "params": {"fail_attempts": 3}}]')
    failed = netra("job", "submit", "--stages", str(dag), "--follow")
    assert failed.returncode == 1
    assert "asked to fail on attempt 3" in failed.stdout
    job_id = failed.stdout.split()[2]
    letters = json.loads(netra("dead-letter", "list", "--json").stdout)["items"]
    (letter,) = [x for x in letters if x["job_id"] == job_id]
    assert netra("dead-letter", "replay", letter["id"]).returncode == 0
    assert netra("job", "follow", job_id).returncode == 0


def test_an_unknown_pipeline_is_2_and_says_which_there_are(netra: Run) -> None:
    result = netra("job", "submit", "--pipeline", "nope", "--goal", "Cut cost by 20 %")
    assert result.returncode == 2
    assert "optimize" in result.stderr


def test_a_killed_bulk_run_is_resumed_without_doubling_a_job(
    stack: StackInfo, environment: dict[str, str], tmp_path: Path
) -> None:
    manifest = tmp_path / "killed.jsonl"
    # None needs to run: they are cancelled at the end.
    stages = [{"agent": "noop", "params": {"sleep_s": 60}}]
    rows = [{"stages": stages, "labels": {"n": str(i)}} for i in range(400)]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    script = [sys.executable, str(ROOT / "scripts" / "enqueue_bulk.py"), str(manifest), "--json"]
    small = [*script, "--chunk", "10"]
    with (
        Netra(stack.api_url, stack.api_key) as netra,
        subprocess.Popen(small, env=environment, stdout=subprocess.PIPE) as process,
    ):
        sent = _wait_for_jobs(netra, "killed", 30)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert 30 <= sent < 400
        done = subprocess.run(small, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        outcome = json.loads(done.stdout)
        assert outcome["created"] + outcome["existing"] == 400
        assert outcome["existing"] >= sent
        assert outcome["batch"]["total"] == 400
        netra.batches.cancel(outcome["batch"]["id"])


def _wait_for_jobs(netra: Netra, name: str, least: int) -> int:
    """How many jobs the batch has once it has `least`."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for batch in netra.batches.list():
            if batch.name == name and batch.total >= least:
                return batch.total
        time.sleep(0.01)
    raise AssertionError(f"batch {name} never had {least} jobs")


def test_a_batch_is_exported_and_its_letters_replayed(netra: Run, tmp_path: Path) -> None:
    manifest = tmp_path / "mixed.jsonl"
    stages = [{"agent": "noop"}], [{"agent": "noop", "params": {"fail_attempts": 3}}]
    manifest.write_text("".join(json.dumps({"stages": s}) + "\n" for s in stages))
    sent = json.loads(netra("batch", "submit", str(manifest), "--json").stdout)
    batch = sent["batch"]["id"]
    assert netra("batch", "follow", batch, "--json").returncode == 1
    out = tmp_path / "out.jsonl"
    assert netra("batch", "export", batch, "--out", str(out)).returncode == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert sorted(line["state"] for line in lines) == ["failed", "succeeded"]
    (failed,) = [line["id"] for line in lines if line["state"] == "failed"]
    assert netra("dead-letter", "replay").returncode == 2
    replayed = netra("dead-letter", "replay", "--all", "--batch", batch, "--json")
    assert json.loads(replayed.stdout)["jobs"] == [failed]
    # It had counted its attempts, and goes on counting.
    assert netra("job", "follow", failed).returncode == 0
    assert netra("job", "priority", failed, "9").returncode == 1


def test_tenants_are_looked_after(netra: Run, stack: StackInfo) -> None:
    home = ("--home", str(stack.home))
    made = netra("tenant", "add", "acme", *home, "--json")
    assert json.loads(made.stdout)["api_key"].startswith("netra_")
    assert netra("tenant", "add", "acme", *home).returncode == 2
    unnamed = netra("tenant", "add", "", *home)
    assert unnamed.returncode == 2
    assert "1 to 100 printable characters" in unnamed.stderr
    changed = netra("tenant", "set", "acme", "--weight", "2", "--max-running", "3", *home, "--json")
    found = json.loads(changed.stdout)
    assert (found["weight"], found["max_running"]) == (2.0, 3)
    assert netra("tenant", "set", "acme", "--weight", "0", *home).returncode == 2
    assert netra("tenant", "set", "nobody", "--unlimited", *home).returncode == 2
    assert "acme" in netra("tenant", "list", *home).stdout
