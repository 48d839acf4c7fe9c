"""Batches: all jobs or none, safe to send again, followed and stopped as a group."""

from __future__ import annotations

from typing import Any

import httpx

from netra.api.examples import BATCH_EXAMPLES
from netra.ids import new_id
from netra.store.batch import _KEEP
from tests.integration.api.conftest import Caller, Engine
from tests.integration.api.test_job import problem
from tests.integration.api.test_workload import EVENTS, create

NOOP = {"stages": [{"agent": "noop"}]}


def submit(http: httpx.Client, name: str, *jobs: dict[str, Any]) -> httpx.Response:
    return http.post("/api/v1/batches", json={"name": name, "jobs": list(jobs)})


def keyed(n: int) -> list[dict[str, Any]]:
    return [{**NOOP, "idempotency_key": f"k{i}", "labels": {"i": str(i)}} for i in range(n)]


def test_a_batch_is_submitted_once_and_can_be_added_to(http: httpx.Client) -> None:
    first = submit(http, "b", *keyed(3))
    assert first.status_code == 202, first.text
    assert [job["created"] for job in first.json()["jobs"]] == [True] * 3
    batch = first.json()["batch"]
    assert (batch["name"], batch["total"], batch["states"]) == ("b", 3, {"queued": 3})
    assert (batch["finished"], batch["progress"]) == (0, 0.0)
    again = submit(http, "b", *keyed(4)).json()
    assert [job["created"] for job in again["jobs"]] == [False, False, False, True]
    assert [job["id"] for job in again["jobs"][:3]] == [j["id"] for j in first.json()["jobs"]]
    assert again["batch"]["id"] == batch["id"]
    assert again["batch"]["total"] == 4


def test_the_same_key_twice_in_one_call_is_one_job(http: httpx.Client) -> None:
    job = keyed(1)[0]
    answer = submit(http, "b", job, job).json()
    assert answer["jobs"][0]["id"] == answer["jobs"][1]["id"]
    assert [j["created"] for j in answer["jobs"]] == [True, False]
    assert answer["batch"]["total"] == 1


def test_one_bad_job_and_none_is_taken(http: httpx.Client) -> None:
    told = problem(
        submit(http, "b", NOOP, {"stages": [{"agent": "nope"}]}, NOOP, {"goal": "make it nice"}),
        400,
    )
    wheres = [error["where"] for error in told["errors"]]
    assert wheres[0] == "jobs[1].stages[0].agent"
    assert wheres[1].startswith("jobs[3].goal")
    told = problem(submit(http, "b", NOOP, {**NOOP, "priority": 11}), 400)
    assert told["errors"][0]["where"].startswith("jobs[")
    told = problem(submit(http, "b", NOOP, {**NOOP, "workload_id": "nope"}), 404)
    assert told["errors"][0]["where"] == "jobs[1].workload_id"
    assert http.get("/api/v1/batches").json()["items"] == []
    assert http.get("/api/v1/jobs").json()["items"] == []


def test_a_key_that_was_used_for_another_job_refuses_the_batch(http: httpx.Client) -> None:
    submit(http, "a", *keyed(1))
    told = problem(submit(http, "b", NOOP, {**keyed(1)[0], "priority": 1}), 409)
    assert told["errors"][0]["where"] == "jobs[1].idempotency_key"
    assert [b["name"] for b in http.get("/api/v1/batches").json()["items"]] == ["a"]
    assert len(http.get("/api/v1/jobs").json()["items"]) == 1


def test_bad_batches_are_refused(http: httpx.Client) -> None:
    for body in ({"name": "b"}, {"name": "b", "jobs": []}, {"name": "", "jobs": [NOOP]}):
        problem(http.post("/api/v1/batches", json=body), 400)
    problem(http.post("/api/v1/batches", json={"jobs": [NOOP], "name": "b", "nope": 1}), 400)


def test_the_jobs_of_a_batch_read_a_workload(http: httpx.Client) -> None:
    workload = create(http, "chat", EVENTS).json()["workload"]["id"]
    jobs = [{"workload_id": ref, "stages": [{"agent": "profile"}]} for ref in ("chat", workload)]
    answer = submit(http, "b", *jobs)
    assert answer.status_code == 202
    listed = http.get(f"/api/v1/batches/{answer.json()['batch']['id']}/jobs").json()["items"]
    assert [job["workload_id"] for job in listed] == [workload] * 2


def test_a_batch_is_shown_as_it_goes_on_and_cancelled(caller: Caller, engine: Engine) -> None:
    answer = submit(caller.http, "b", *keyed(3)).json()
    url = f"/api/v1/batches/{answer['batch']['id']}"
    engine.size = 1
    engine.run(answer["jobs"][0]["id"])
    shown = caller.http.get(url).json()
    assert shown["finished"] == 1
    assert shown["progress"] == 1 / 3
    cancelled = caller.http.post(f"{url}/cancel")
    assert cancelled.status_code == 202
    assert cancelled.json()["states"] == {"succeeded": 1, "cancelled": 2}
    assert cancelled.json()["progress"] == 1.0
    assert caller.http.post(f"{url}/cancel").status_code == 202


def test_counts_of_an_ended_batch_are_kept_until_something_of_it_begins(
    caller: Caller, engine: Engine
) -> None:
    answer = submit(caller.http, "b", *keyed(3)).json()
    batch, jobs = answer["batch"]["id"], [job["id"] for job in answer["jobs"]]
    url = f"/api/v1/batches/{batch}"

    def shown() -> dict[str, int]:
        found = caller.http.get(url).json()
        assert found["total"] == sum(found["states"].values())
        assert caller.http.get("/api/v1/batches").json()["items"][0] == found
        return found["states"]

    def kept() -> dict[str, int] | None:
        row = engine.queue.connection.execute(
            "SELECT states FROM batch_counts WHERE batch_id = %s", [batch]
        ).fetchone()
        assert row is not None
        return row["states"]

    assert shown() == {"queued": 3}
    assert kept() is None
    caller.http.post(f"{url}/cancel")
    assert shown() == kept() == {"cancelled": 3}
    assert shown() == {"cancelled": 3}

    assert caller.http.post(f"/api/v1/jobs/{jobs[0]}/retry").status_code == 202
    assert kept() is None
    assert shown() == {"queued": 1, "cancelled": 2}
    caller.http.post(f"{url}/cancel")
    assert shown() == kept() == {"cancelled": 3}

    submit(caller.http, "b", {"stages": [{"agent": "noop"}]})
    assert kept() is None
    assert shown() == {"queued": 1, "cancelled": 3}


def test_counts_from_before_a_job_was_begun_anew_are_not_kept(
    caller: Caller, engine: Engine
) -> None:
    """Whoever counted may be slower than the one who retries."""
    answer = submit(caller.http, "b", *keyed(1)).json()
    batch = answer["batch"]["id"]
    caller.http.post(f"/api/v1/batches/{batch}/cancel")
    pg = engine.queue.connection
    row = pg.execute(
        "UPDATE batch_counts SET states = NULL WHERE batch_id = %s RETURNING version", [batch]
    ).fetchone()
    assert row is not None
    caller.http.post(f"/api/v1/jobs/{answer['jobs'][0]['id']}/retry")
    pg.execute(_KEEP, [[batch], [row["version"]], ['{"cancelled": 1}']])
    assert caller.http.get(f"/api/v1/batches/{batch}").json()["states"] == {"queued": 1}


def test_batches_and_their_jobs_are_listed_page_by_page(http: httpx.Client) -> None:
    ids = [submit(http, f"b{i}", *([NOOP] * 3)).json()["batch"]["id"] for i in range(3)]
    first = http.get("/api/v1/batches", params={"limit": 2}).json()
    rest = http.get("/api/v1/batches", params={"cursor": first["next"]}).json()
    assert [b["id"] for b in first["items"] + rest["items"]] == ids[::-1]
    jobs = http.get(f"/api/v1/batches/{ids[0]}/jobs", params={"limit": 2}).json()
    more = http.get(f"/api/v1/batches/{ids[0]}/jobs", params={"cursor": jobs["next"]}).json()
    assert (len(jobs["items"]), len(more["items"])) == (2, 1)


def test_another_tenants_batch_is_not_there(call: Any) -> None:
    owner, stranger = call(), call()
    batch = submit(owner.http, "b", NOOP).json()["batch"]["id"]
    for method, path in [("GET", ""), ("GET", "/jobs"), ("POST", "/cancel")]:
        problem(stranger.http.request(method, f"/api/v1/batches/{batch}{path}"), 404)
    assert stranger.http.get("/api/v1/batches").json()["items"] == []
    # A name is a tenant's own.
    assert submit(stranger.http, "b", NOOP).json()["batch"]["id"] != batch
    assert owner.http.get(f"/api/v1/batches/{batch}").json()["states"] == {"queued": 1}


def test_a_batch_that_is_not_there_is_not_found(http: httpx.Client) -> None:
    for ref in (str(new_id()), "nope"):
        problem(http.get(f"/api/v1/batches/{ref}"), 404)


def test_thousands_of_jobs_are_taken_in_one_call(http: httpx.Client, engine: Engine) -> None:
    answer = submit(http, "many", *keyed(3000))
    assert answer.status_code == 202
    assert answer.json()["batch"]["total"] == 3000
    assert all(job["created"] for job in answer.json()["jobs"])


def test_the_example_of_the_schema_is_taken(http: httpx.Client) -> None:
    for body in BATCH_EXAMPLES.values():
        assert http.post("/api/v1/batches", json=body).status_code == 202
