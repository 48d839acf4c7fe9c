"""A job's body is understood from the catalog alone, or refused saying why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from netra.api import drafting
from netra.api.drafting import check_workload, plan, same_kind, within
from netra.errors import Conflict, InvalidGoal, InvalidInput, NotFound, Problem
from netra.ids import new_id
from netra.pipelines.understand import Understood
from netra.schemas.job import DEADLINE_WITHIN, JobRequest
from netra.store.workload import Readable

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOOP = ({"agent": "noop"},)


def test_a_goal_in_words_and_structured_are_read_together() -> None:
    planned = plan(
        JobRequest(workload_id="w", goal="Cut cost by 20 %", stages=({"agent": "profile"},)), NOW
    )
    (objective,) = planned.goal.objectives
    assert (objective.metric, objective.change) == ("cost", -0.2)
    assert planned.readers == ("profile",)


def test_a_job_that_reads_events_names_a_workload() -> None:
    with pytest.raises(InvalidInput) as refused:
        plan(JobRequest(stages=({"agent": "profile"},)), NOW)
    assert refused.value.errors[0].where == "workload_id"
    assert plan(JobRequest(stages=NOOP), NOW).readers == ()


def test_a_deadline_lies_ahead() -> None:
    plan(JobRequest(stages=NOOP, deadline=NOW + timedelta(seconds=1)), NOW)
    for late in (NOW, NOW - timedelta(days=1)):
        with pytest.raises(InvalidInput) as refused:
            plan(JobRequest(stages=NOOP, deadline=late), NOW)
        assert refused.value.errors[0].where == "deadline"


@pytest.mark.parametrize("year", [2037, 9999])
def test_a_deadline_lies_ten_years_ahead_at_most(year: int) -> None:
    far = datetime(year, 12, 31, 23, 59, 59, tzinfo=timezone(-timedelta(hours=12)))
    with pytest.raises(InvalidInput) as refused:
        plan(JobRequest(stages=NOOP, deadline=far), NOW)
    (problem,) = refused.value.errors
    assert (problem.where, problem.problem) == ("deadline", "it lies too far ahead")
    assert "2036-01-02T00:00:00+00:00 at the latest" in str(problem.expected)
    plan(JobRequest(stages=NOOP, deadline=NOW + DEADLINE_WITHIN), NOW)


def test_the_key_is_no_part_of_what_it_names() -> None:
    def hashed(**more: object) -> str:
        return plan(JobRequest(stages=NOOP, **more), NOW).body_hash  # type: ignore[arg-type]

    assert hashed(idempotency_key="a") == hashed(idempotency_key="b") == hashed()
    assert hashed() == hashed(priority=5, labels={})
    assert hashed() != hashed(priority=6)


def test_what_decides_alike_is_understood_once() -> None:
    def stages(**more: object) -> object:
        return plan(JobRequest(stages=NOOP, **more), NOW).stages  # type: ignore[arg-type]

    assert stages() is stages(priority=9, labels={"a": "b"}, idempotency_key="k")
    assert stages() is not stages(params={"noop": {"sleep_s": 1.0}})
    assert (
        plan(JobRequest(stages=NOOP, goal="Cut cost by 20 %"), NOW).goal
        != plan(JobRequest(stages=NOOP, goal="Cut cost by 30 %"), NOW).goal
    )


def test_what_was_understood_is_kept_for_few(monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict[bytes, Understood] = {}
    monkeypatch.setattr(drafting, "_understood", known)
    for i in range(600):
        plan(JobRequest(stages=({"agent": "noop", "name": f"s{i}"},)), NOW)
    assert 0 < len(known) <= 256
    known.clear()
    plan(JobRequest(stages=tuple({"agent": "noop", "name": f"s{i}"} for i in range(900))), NOW)
    assert not known, "a large body is understood each time"


def readable(*, events: int = 1, ingesting: bool = False) -> Readable:
    until = NOW + timedelta(seconds=40) if ingesting else None
    return Readable(id=new_id(), ingests=("i",), events=events, ingesting_until=until)


def test_a_workload_is_there_whole_and_not_empty() -> None:
    reads = plan(JobRequest(workload_id="w", stages=({"agent": "profile"},)), NOW)
    check_workload(reads, readable())
    for found, error in [
        (None, NotFound),
        (readable(ingesting=True), Conflict),
        (readable(events=0), Conflict),
    ]:
        with pytest.raises(error) as refused:
            check_workload(reads, found, where="jobs[3].workload_id")
        assert refused.value.errors[0].where == "jobs[3].workload_id"


def test_a_refusal_during_an_ingest_says_when_it_ends_by_itself() -> None:
    reads = plan(JobRequest(workload_id="w", stages=({"agent": "profile"},)), NOW)
    with pytest.raises(Conflict, match="ends by itself at 2026-01-01 00:00:40Z"):
        check_workload(reads, readable(ingesting=True))


def test_a_job_that_reads_nothing_takes_an_empty_workload() -> None:
    check_workload(plan(JobRequest(workload_id="w", stages=NOOP), NOW), readable(events=0))


def test_problems_of_a_part_say_which_part() -> None:
    many = InvalidInput("x", [Problem(where="a", problem="p"), Problem(where="b", problem="q")])
    assert [p.where for p in within(many, "jobs[2]")] == ["jobs[2].a", "jobs[2].b"]
    (only,) = within(InvalidInput("said so"), "jobs[2]")
    assert (only.where, only.problem) == ("jobs[2]", "said so")


def test_several_errors_are_of_their_own_kind_if_they_share_it() -> None:
    assert same_kind([InvalidGoal(), InvalidGoal()]) is InvalidGoal
    assert same_kind([InvalidGoal(), InvalidInput()]) is InvalidInput
