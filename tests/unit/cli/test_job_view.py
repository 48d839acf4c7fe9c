from __future__ import annotations

from typing import Any

import msgspec
from rich.console import Console

from netra.cli.job_view import JobView, failures
from netra.schemas.job import Job
from netra.schemas.progress import Fact, Tick
from tests.unit.client.memory_api import EARLY, job_json


def stage(name: str, state: str = "blocked", **fields: Any) -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "agent": name,
        "pool": "cpu",
        "state": state,
        "attempt": 1,
        **fields,
    }


def view(*stages: dict[str, Any]) -> JobView:
    job = msgspec.convert(job_json("j", stages=stages), Job)
    return JobView(job, now=lambda: 10.0)


def fact(kind: str, stage: str | None = None, **payload: Any) -> Fact:
    raw = {
        "type": "fact",
        "job_id": "j",
        "epoch": 1,
        "seq": 1,
        "ts": EARLY,
        "kind": kind,
        "stage": stage,
        "payload": payload,
    }
    return msgspec.convert(raw, Fact)


def text(shown: JobView) -> str:
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(shown)
    console.file.close()
    return console.export_text()


def test_rows_go_through_their_states() -> None:
    shown = view(stage("triage"), stage("plan"))
    shown.fold(fact("job.started"))
    shown.fold(fact("stage.started", "triage", attempt=1))
    shown.fold(Tick(job_id="j", stage="triage", fraction=0.4, message="reading columns"))
    assert shown.rows["triage"].running
    assert "reading columns" in text(shown)
    shown.fold(fact("stage.succeeded", "triage", attempt=1, seconds=0.52))
    lines = text(shown).splitlines()
    assert lines[0].startswith("✓  triage")
    assert "0.52 s" in lines[0]
    assert lines[1].startswith("·  plan")


def test_a_failure_says_what_failed_and_skips_the_rest() -> None:
    shown = view(stage("triage"), stage("plan"))
    shown.fold(fact("stage.retried", "triage", attempt=2, reason="worker lost", delay_s=0.5))
    assert "attempt 2  again in 0.5 s: worker lost" in text(shown)
    shown.fold(fact("stage.failed", "triage", error={"type": "E", "message": "no such column"}))
    shown.fold(fact("job.failed"))
    assert "no such column" in text(shown)
    assert shown.rows["plan"].state == "skipped"
    assert shown.state == "failed"


def test_the_parts_of_a_fan_out_are_counted_in_the_row_that_made_them() -> None:
    shown = view(stage("sweep", "succeeded"), stage("sweep.part-0", "succeeded"))
    shown.fold(fact("stage.started", "sweep.part-1"))
    shown.fold(Tick(job_id="j", stage="sweep.part-1", fraction=0.5))
    assert list(shown.rows) == ["sweep"]
    assert shown.rows["sweep"].running
    assert "1 of 2 parts" in text(shown)
    shown.fold(fact("stage.succeeded", "sweep.part-1"))
    assert not shown.rows["sweep"].running


def test_failed_stages_are_listed_with_their_errors() -> None:
    error = {"type": "ValueError", "message": "no rows", "traceback": "…"}
    job = msgspec.convert(
        job_json("j", stages=[stage("a"), stage("b", "failed", error=error)]), Job
    )
    assert list(failures(job)) == ["b: ValueError: no rows"]
