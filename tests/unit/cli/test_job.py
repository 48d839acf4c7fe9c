from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from netra.catalog.agents import all_agents
from tests.unit.cli.conftest import Run
from tests.unit.client.memory_api import MemoryApi, job_json


def body(api: MemoryApi) -> dict[str, object]:
    return json.loads(api.requests[-1].content)


def test_options_become_a_job(run: Run, api: MemoryApi) -> None:
    result = run(
        [
            "job",
            "submit",
            "--workload",
            "traffic",
            "--goal",
            "Cut cost by 20 %",
            "--pipeline",
            "optimize",
            "--param",
            "caching.capacities=1000,10000",
            "--priority",
            "9",
            "--label",
            "team=search",
            "--deadline",
            "2030-01-01",
            "--key",
            "mine",
            "--json",
        ]
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["job"]["id"] == "job-1"
    sent = body(api)
    assert sent["workload_id"] == "traffic"
    assert sent["params"] == {"caching": {"capacities": [1000, 10000]}}
    assert (sent["priority"], sent["labels"]) == (9, {"team": "search"})
    assert sent["deadline"] == "2030-01-01T00:00:00Z"
    assert sent["idempotency_key"] == "mine"


def test_a_dag_and_a_body_come_from_files_and_options_go_over_them(
    run: Run, api: MemoryApi, tmp_path: Path
) -> None:
    (tmp_path / "dag.json").write_text('{"stages": [{"name": "a", "agent": "noop"}]}')
    (tmp_path / "body.json").write_text('{"priority": 1, "labels": {"a": "b"}}')
    files = ["--stages", str(tmp_path / "dag.json"), "--body", str(tmp_path / "body.json")]
    assert run(["job", "submit", *files, "--priority", "7"]).exit_code == 0
    sent = body(api)
    assert sent["stages"] == [{"name": "a", "agent": "noop"}]
    assert (sent["priority"], sent["labels"]) == (7, {"a": "b"})


def test_a_body_that_is_no_job_is_wrong_input(run: Run, api: MemoryApi, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text('{"gaol": 1}')
    result = run(["job", "submit", "--body", str(tmp_path / "body.json")])
    assert result.exit_code == 2
    assert "gaol" in result.stderr
    assert api.requests == []


def test_a_position_must_be_one(run: Run, api: MemoryApi) -> None:
    assert run(["job", "follow", "j", "--after", "7"]).exit_code == 2


def test_details_and_errors_are_shown(run: Run, api: MemoryApi) -> None:
    stage = {
        "id": "s",
        "name": "profile",
        "agent": "profile",
        "pool": "cpu",
        "state": "failed",
        "attempt": 3,
        "error": {"type": "ValueError", "message": "no rows"},
    }
    api.jobs["j"] = job_json("j", "failed", stages=[stage], goal={"text": "Cut cost by 20 %"})
    shown = run(["job", "show", "j"]).stdout
    assert "Cut cost by 20 %" in shown
    assert "profile: ValueError: no rows" in shown


def test_what_a_job_waits_for_is_shown(run: Run, api: MemoryApi) -> None:
    api.jobs["j"] = job_json("j", "queued", waits_for="the tenant's limit of 0 running stages")
    assert "the tenant's limit of 0 running stages" in run(["job", "show", "j"]).stdout
    api.jobs["k"] = job_json("k", "queued")
    assert "waits for" not in run(["job", "show", "k"]).stdout


def test_a_job_can_be_cancelled_and_run_again(run: Run, api: MemoryApi) -> None:
    api.jobs["j"] = job_json("j", "running")
    assert "it is cancelled" in run(["job", "cancel", "j"]).stdout
    assert json.loads(run(["job", "retry", "j", "--json"]).stdout)["state"] == "queued"


def test_a_deadline_that_a_retry_drops_is_said(run: Run, api: MemoryApi) -> None:
    api.jobs["j"] = job_json("j", "cancelled", dropped_deadline="2026-05-01T10:00:00Z")
    said = " ".join(run(["job", "retry", "j"]).stdout.split())
    assert "its deadline, 2026-05-01" in said
    assert "it runs without one" in said
    api.jobs["k"] = job_json("k", "failed")
    assert "deadline" not in run(["job", "retry", "k"]).stdout


def test_jobs_of_several_states_are_asked_for(run: Run, api: MemoryApi) -> None:
    assert run(["job", "list", "--state", "failed", "--state", "queued"]).exit_code == 0
    assert api.requests[-1].url.params.get_list("state") == ["failed", "queued"]
    assert run(["job", "list"]).exit_code == 0
    assert "state" not in api.requests[-1].url.params


@pytest.mark.parametrize("noun", ["job", "batch", "workload", "dead-letter"])
@pytest.mark.parametrize("limit", ["0", "-1"])
def test_a_list_of_less_than_one_is_no_list(
    run: Run, api: MemoryApi, noun: str, limit: str
) -> None:
    result = run([noun, "list", "--limit", limit])
    assert result.exit_code == 2
    assert "x>=1" in result.output
    assert api.requests == []


def test_a_report_is_saved_in_the_format_that_its_file_says(
    run: Run, api: MemoryApi, tmp_path: Path
) -> None:
    api.jobs["j"] = job_json("j", "succeeded")
    api.reports["j"] = "<!doctype html>"
    out = tmp_path / "plan.html"
    assert str(out) in run(["report", "j", "--out", str(out)]).stdout
    assert out.read_text() == "<!doctype html>"
    assert api.requests[-1].url.params["format"] == "html"
    assert run(["report", "j"]).stdout.strip() == "<!doctype html>"
    assert api.requests[-1].url.params["format"] == "markdown"


def test_the_help_of_the_list_of_agents_names_those_that_it_leaves_out(run: Run) -> None:
    said = " ".join(run(["agent", "list", "--help"]).stdout.split())
    left_out = {agent.name for agent in all_agents() if agent.internal}
    assert set(re.findall(r"noop[\w-]*", said)) == left_out
