"""Priorities, replay of many dead letters, and what a batch leaves behind."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from netra.api.examples import REPLAY_EXAMPLES
from netra.ids import new_id
from netra.store import dead_letter
from tests.integration.api.conftest import Caller, Engine
from tests.integration.api.test_batch import NOOP, keyed, submit
from tests.integration.api.test_job import problem

REPLAY = "/api/v1/dead-letters/replay"


def failed(caller: Caller, engine: Engine, **body: Any) -> str:
    job = caller.submit(**body)["id"]
    engine.fail(engine.next(), retry=False)
    assert engine.job_state(job) == "failed"
    return job


def test_a_priority_is_changed(caller: Caller, engine: Engine) -> None:
    engine.size = 1
    jobs = [caller.submit()["id"] for _ in range(2)]
    url = f"/api/v1/jobs/{jobs[1]}/priority"
    assert caller.http.post(url, json={"priority": 9}).json()["priority"] == 9
    assert str(engine.next().job_id) == jobs[1]
    problem(caller.http.post(url, json={"priority": 10}), 400)
    caller.http.post(f"/api/v1/jobs/{jobs[0]}/cancel")
    problem(caller.http.post(f"/api/v1/jobs/{jobs[0]}/priority", json={"priority": 1}), 409)


def test_another_tenants_priority_is_not_there(call: Any, engine: Engine) -> None:
    owner, stranger = call(), call()
    url = f"/api/v1/jobs/{owner.submit()['id']}/priority"
    problem(stranger.http.post(url, json={"priority": 9}), 404)


def test_letters_are_replayed_by_filter(caller: Caller, engine: Engine) -> None:
    jobs = [failed(caller, engine) for _ in range(3)]
    assert caller.http.post(REPLAY, json={"agent": "noop-gpu"}).json()["jobs"] == []
    assert caller.http.post(REPLAY, json={"error_type": "Other"}).json()["jobs"] == []
    assert caller.http.post(REPLAY, json={"until": "2026-01-01T00:00:00Z"}).json()["jobs"] == []
    one = caller.http.post(REPLAY, json={"job_id": jobs[1]})
    assert one.status_code == 202
    assert one.json() == {"jobs": [jobs[1]], "refused": [], "more": False}
    rest = caller.http.post(REPLAY, json={"agent": "noop", "error_type": "Broken"})
    assert sorted(rest.json()["jobs"]) == sorted([jobs[0], jobs[2]])
    assert {engine.job_state(job) for job in jobs} == {"queued"}
    assert caller.http.post(REPLAY, json={}).json()["jobs"] == []


def test_letters_are_listed_and_shown_by_the_same_filters(caller: Caller, engine: Engine) -> None:
    url = "/api/v1/dead-letters"
    alone = failed(caller, engine)
    batch = submit(caller.http, "b", NOOP).json()
    engine.fail(engine.next(), retry=False)
    of_batch = batch["jobs"][0]["id"]

    def jobs(**wanted: str) -> list[str]:
        answer = caller.http.get(url, params=wanted)
        assert answer.status_code == 200, answer.text
        return [letter["job_id"] for letter in answer.json()["items"]]

    assert jobs() == jobs(agent="noop", error_type="Broken") == [of_batch, alone]
    assert jobs(agent="noop-gpu") == jobs(error_type="Other") == []
    assert jobs(job_id=alone) == [alone]
    assert jobs(batch_id=batch["batch"]["id"]) == [of_batch]
    assert jobs(since="2026-01-01T00:00:00Z", until="2999-01-01T00:00:00+02:00") == jobs()
    assert jobs(until="2020-01-01T00:00:00Z") == jobs(since="2999-01-01T00:00:00Z") == []
    first = caller.http.get(url, params={"agent": "noop", "limit": 1}).json()
    assert jobs(agent="noop", limit="1", cursor=first["next"]) == [alone]
    # A replay takes nothing from the list.
    caller.http.post(REPLAY, json={"job_id": alone})
    (letter,) = caller.http.get(url, params={"job_id": alone}).json()["items"]
    assert letter["replayed_at"]
    assert caller.http.get(f"{url}/{letter['id']}").json() == letter


def test_a_letter_that_is_not_there_and_bad_filters_of_a_list_are_named(
    call: Any, engine: Engine
) -> None:
    owner, stranger = call(), call()
    job = failed(owner, engine)
    url = "/api/v1/dead-letters"
    (letter,) = owner.http.get(url).json()["items"]
    for unknown in ("nope", str(new_id()), letter["id"]):
        problem(stranger.http.get(f"{url}/{unknown}"), 404)
    for wanted in ({"job_id": job}, {"job_id": ""}, {"batch_id": str(new_id())}):
        problem(stranger.http.get(url, params=wanted), 404)
    told = problem(owner.http.get(url, params={"agent": "nope"}), 400)
    assert told["errors"][0]["where"] == "agent"
    for moment in ("yesterday", "2026-01-01T00:00:00"):
        told = problem(owner.http.get(url, params={"since": moment}), 400)
        assert told["errors"][0]["where"] == "since"
    problem(owner.http.get(url, params={"errortype": "Broken"}), 400)


def test_many_letters_are_replayed_in_several_calls(caller: Caller, engine: Engine) -> None:
    jobs = [failed(caller, engine) for _ in range(3)]
    first = caller.http.post(REPLAY, json={"limit": 2}).json()
    assert (len(first["jobs"]), first["more"]) == (2, True)
    second = caller.http.post(REPLAY, json={"limit": 2}).json()
    assert (len(second["jobs"]), second["more"]) == (1, False)
    assert sorted(first["jobs"] + second["jobs"]) == sorted(jobs)


def test_a_batchs_letters_are_replayed(caller: Caller, engine: Engine) -> None:
    failed(caller, engine)
    answer = submit(caller.http, "b", NOOP).json()
    engine.fail(engine.next(), retry=False)
    replayed = caller.http.post(REPLAY, json={"batch_id": answer["batch"]["id"]}).json()
    assert replayed["jobs"] == [answer["jobs"][0]["id"]]


def test_another_tenants_letters_stay(call: Any, engine: Engine) -> None:
    owner, stranger = call(), call()
    job = failed(owner, engine)
    assert stranger.http.post(REPLAY, json={}).json()["jobs"] == []
    problem(stranger.http.post(REPLAY, json={"job_id": job}), 404)
    assert engine.job_state(job) == "failed"


def test_who_comes_second_is_told_that_somebody_else_ran_it_again(
    caller: Caller, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [failed(caller, engine) for _ in range(2)]
    real = dead_letter.waiting
    raced: list[str] = []

    async def slow(*args: Any) -> Any:
        """Finds the letters, and is then overtaken by somebody who retries one of their jobs."""
        found = await real(*args)
        if not raced:
            raced.append(jobs[0])
            await asyncio.to_thread(caller.http.post, f"/api/v1/jobs/{jobs[0]}/retry")
        return found

    monkeypatch.setattr(dead_letter, "waiting", slow)
    answer = caller.http.post(REPLAY, json={}).json()
    assert answer["jobs"] == [jobs[1]]
    (refused,) = answer["refused"]
    assert refused["job_id"] == jobs[0]
    said = f"somebody else has run job {jobs[0]} again meanwhile; it is queued"
    assert refused["detail"] == said


def test_one_of_many_who_retry_at_once_runs_the_job_and_no_other_contradicts_itself(
    caller: Caller, engine: Engine
) -> None:
    job = failed(caller, engine)
    url = f"/api/v1/jobs/{job}/retry"
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: caller.http.post(url), range(20)))
    assert sorted(a.status_code for a in answers) == [202, *[409] * 19]
    for detail in (a.json()["detail"] for a in answers if a.status_code == 409):
        assert "is queued" in detail
        assert "failed;" not in detail


def test_bad_filters_are_refused(http: httpx.Client) -> None:
    for body in ({"nope": 1}, {"limit": 0}, {"since": "yesterday"}):
        problem(http.post(REPLAY, json=body), 400)
    for unknown in ("nope", str(new_id())):
        problem(http.post(REPLAY, json={"job_id": unknown}), 404)
        problem(http.post(REPLAY, json={"batch_id": unknown}), 404)
    told = problem(http.post(REPLAY, json={"agent": "nope"}), 400)
    assert told["errors"][0]["where"] == "agent"
    for body in REPLAY_EXAMPLES.values():
        assert http.post(REPLAY, json=body).status_code == 202


def test_a_batch_is_exported_page_by_page(caller: Caller, engine: Engine) -> None:
    answer = submit(caller.http, "b", *keyed(3)).json()
    url = f"/api/v1/batches/{answer['batch']['id']}/results"
    engine.complete(engine.next(), {"answer": 1})
    engine.fail(engine.next(), retry=False)
    first = caller.http.get(url, params={"limit": 2}).json()
    rest = caller.http.get(url, params={"limit": 2, "cursor": first["next"]}).json()
    lines = {line["id"]: line for line in first["items"] + rest["items"]}
    shown = [lines[job["id"]] for job in answer["jobs"]]
    assert sorted(line["state"] for line in shown) == ["failed", "queued", "succeeded"]
    (done,) = [line for line in shown if line["state"] == "succeeded"]
    assert done["result"] == {"answer": 1}
    assert all(line["result"] is None for line in shown if line is not done)
    (broken,) = [line for line in shown if line["state"] == "failed"]
    assert broken["error"]["stage"] == "noop"
    assert broken["error"]["message"] == "it broke"
    assert "traceback" not in broken["error"]
    assert all(line["error"] is None for line in shown if line is not broken)
    assert [line["labels"] for line in shown] == [{"i": str(i)} for i in range(3)]
    # Newest first: the other way round than they were sent.
    assert list(lines) == [job["id"] for job in reversed(answer["jobs"])]


def test_another_tenants_results_are_not_there(call: Any) -> None:
    owner, stranger = call(), call()
    batch = submit(owner.http, "b", NOOP).json()["batch"]["id"]
    problem(stranger.http.get(f"/api/v1/batches/{batch}/results"), 404)
    problem(owner.http.get(f"/api/v1/batches/{new_id()}/results"), 404)
