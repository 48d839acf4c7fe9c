from __future__ import annotations

import json

import httpx

from tests.unit.cli.conftest import Run
from tests.unit.client.memory_api import EARLY, MemoryApi, letter_json


def page(jobs: list[str], refused: list[str], *, more: bool) -> httpx.Response:
    told = [{"job_id": job, "detail": f"{job} cannot"} for job in refused]
    return httpx.Response(202, json={"jobs": jobs, "refused": told, "more": more})


def test_what_every_call_refused_is_told(run: Run, api: MemoryApi) -> None:
    api.fail_next = [
        page(["a"], ["w", "x", "y"], more=True),
        # What was refused may be met again, and be taken.
        page(["y"], ["x", "z"], more=False),
    ]
    result = run(["dead-letter", "replay", "--all", "--json"])
    answer = json.loads(result.stdout)
    assert answer["jobs"] == ["a", "y"]
    assert [r["job_id"] for r in answer["refused"]] == ["w", "x", "z"]


def test_few_of_many_refusals_are_shown_and_all_are_counted(run: Run, api: MemoryApi) -> None:
    api.fail_next = [page(["a"], [f"job-{i}" for i in range(500)], more=False)]
    lines = run(["dead-letter", "replay", "--all"]).stdout.splitlines()
    assert lines[0] == "1 jobs run again by this call, 500 do not"
    assert lines[1] == "job job-0: job-0 cannot"
    assert lines[-1] == "… and 480 more (--json shows all)"
    assert len(lines) == 22


def test_a_letter_is_shown_whole_with_how_to_replay_it(run: Run, api: MemoryApi) -> None:
    trace = "Traceback (most recent call last):\n  [bold]line[/bold] 7\nValueError: no rows"
    error = {"type": "ValueError", "message": "no rows", "traceback": trace}
    api.letters["l-1"] = letter_json("l-1", error=error, params={"window_s": 60})
    shown = run(["dead-letter", "show", "l-1"]).stdout
    assert trace in shown
    assert '"window_s": 60' in shown
    assert "6 in all, earlier epochs included" in shown
    assert "job-1" in shown
    assert "netra dead-letter replay l-1" in shown
    assert json.loads(run(["dead-letter", "show", "l-1", "--json"]).stdout)["error"] == error
    assert run(["dead-letter", "show", "l-2"]).exit_code == 2


def test_a_letter_without_a_traceback_or_that_was_replayed_says_so(
    run: Run, api: MemoryApi
) -> None:
    killed = {"type": "WorkerKilled", "message": "was killed or died 2 times"}
    api.letters["l-1"] = letter_json("l-1", error=killed, replayed_at=EARLY)
    shown = run(["dead-letter", "show", "l-1"]).stdout
    assert "WorkerKilled: was killed or died 2 times" in shown
    assert "no traceback" in shown
    assert "dead-letter replay" not in shown
    assert "netra job show job-1" in shown
    api.letters["l-1"]["error"] = None
    assert run(["dead-letter", "show", "l-1"]).exit_code == 0


def test_a_list_takes_the_filters_of_a_replay(run: Run, api: MemoryApi) -> None:
    api.letters["l-1"] = letter_json("l-1")
    filters = ["--agent", "noop", "--error-type", "ValueError", "--job", "j", "--batch", "b"]
    times = ["--since", "2026-01-01", "--until", "2026-02-01T10:00:00"]
    listed = run(["dead-letter", "list", *filters, *times])
    assert listed.exit_code == 0, listed.output
    assert "attempts" in listed.stdout
    assert "failures" not in listed.stdout
    asked = dict(api.requests[-1].url.params)
    assert asked.pop("limit") == "50"
    given = {
        "agent": "noop",
        "error_type": "ValueError",
        "job_id": "j",
        "batch_id": "b",
        "since": "2026-01-01T00:00:00+00:00",
        "until": "2026-02-01T10:00:00+00:00",
    }
    assert asked == given
    api.fail_next = [page([], [], more=False)]
    assert run(["dead-letter", "replay", "--all", *filters, *times]).exit_code == 0
    sent = json.loads(api.requests[-1].content)
    assert {name: sent[name].replace("Z", "+00:00") for name in given} == given
