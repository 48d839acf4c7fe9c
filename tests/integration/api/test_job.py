"""Jobs over HTTP: submitted once, listed, shown, cancelled, retried; bad bodies say what is bad."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from netra.api.examples import JOB_EXAMPLES
from netra.ids import new_id
from netra.store import tenant
from netra.store.postgres import Connection
from tests.integration.api.conftest import Caller, Engine, report_result

NOOP = {"stages": [{"agent": "noop"}]}
#: The id of no job.
NOBODYS = "01a20b7a-7798-742e-a1d3-000000000000"


def post(http: httpx.Client, body: Any, **headers: str) -> httpx.Response:
    return http.post("/api/v1/jobs", json=body, headers=headers)


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem details of an answer with this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    body = answer.json()
    assert body["status"] == status
    assert body["type"].startswith("https://netra.dev/problems/")
    assert body["detail"]
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


def test_a_job_is_accepted_with_where_to_look(http: httpx.Client) -> None:
    answer = post(http, {**NOOP, "priority": 7, "labels": {"team": "a"}})
    assert answer.status_code == 202
    job = answer.json()["job"]
    assert job["state"] == "queued"
    assert (job["epoch"], job["seq"]) == (1, 1)
    assert job["ws_url"].startswith("ws://")
    shown = http.get(job["url"]).json()
    assert shown["id"] == job["id"]
    assert shown["labels"] == {"team": "a"}
    assert shown["priority"] == 7
    assert shown["created_at"].endswith("Z")
    (stage,) = shown["stages"]
    assert (stage["name"], stage["agent"], stage["pool"]) == ("noop", "noop", "cpu")
    assert stage["state"] == "ready"
    assert stage["attempt"] == 1


def test_a_key_makes_a_submission_once(http: httpx.Client) -> None:
    first = post(http, NOOP, **{"Idempotency-Key": "once"})
    again = post(http, {**NOOP, "priority": 5}, **{"Idempotency-Key": "once"})
    assert again.status_code == 202
    assert again.json()["job"]["id"] == first.json()["job"]["id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    other = problem(post(http, {**NOOP, "priority": 6}, **{"Idempotency-Key": "once"}), 409)
    assert other["errors"][0]["where"] == "Idempotency-Key"
    assert len(http.get("/api/v1/jobs").json()["items"]) == 1


@pytest.mark.parametrize(
    ("headers", "body", "got"),
    [
        ([("Idempotency-Key", "")], None, ""),
        ([("Idempotency-Key", "x" * 201)], None, "x" * 200 + "…"),
        ([("Idempotency-Key", "a")], "b", "a, b"),
        ([("Idempotency-Key", "a"), ("Idempotency-Key", "b")], None, "a, b"),
    ],
    ids=["empty", "long", "another in the body", "twice"],
)
def test_a_key_that_would_be_passed_over_is_refused(
    http: httpx.Client, headers: list[tuple[str, str]], body: str | None, got: str
) -> None:
    answer = http.post("/api/v1/jobs", json={**NOOP, "idempotency_key": body}, headers=headers)
    (told,) = problem(answer, 400)["errors"]
    assert (told["where"], told["got"]) == ("Idempotency-Key", got)
    assert http.get("/api/v1/jobs").json()["items"] == []


def test_a_key_may_stand_in_header_and_body_alike(http: httpx.Client) -> None:
    one = post(http, {**NOOP, "idempotency_key": "k"}, **{"Idempotency-Key": "k"})
    assert one.status_code == 202
    assert post(http, {**NOOP, "idempotency_key": "k"}).json() == one.json() | {
        "job": http.get(one.json()["job"]["url"]).json()
    }


def test_a_key_is_its_tenants_own(call: Any) -> None:
    a, b = call(), call()
    one = post(a.http, NOOP, **{"Idempotency-Key": "k"}).json()["job"]["id"]
    two = post(b.http, NOOP, **{"Idempotency-Key": "k"}).json()["job"]["id"]
    assert one != two


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        ({"stages": [{"agent": "nope"}]}, 400, "stages[0].agent"),
        ({"stages": []}, 400, "stages"),
        (
            {
                "stages": [
                    {"name": "a", "agent": "noop", "after": ["b"]},
                    {"name": "b", "agent": "noop", "after": ["a"]},
                ]
            },
            400,
            "stages[0].after[0]",
        ),
        ({**NOOP, "pipeline": "optimize"}, 400, "stages"),
        ({"pipeline": "nope", "workload_id": "w"}, 400, "pipeline"),
        ({"stages": [{"agent": "noop", "params": {"sleep_s": -1}}]}, 400, "stages[0].params"),
        ({**NOOP, "params": {"noop": {"nope": 1}}}, 400, "params.noop"),
        ({**NOOP, "priority": 10}, 400, "priority"),
        ({**NOOP, "priority": "high"}, 400, "priority"),
        ({**NOOP, "priority": "5"}, 400, "priority"),
        ({**NOOP, "priority": 5.0}, 400, "priority"),
        ({**NOOP, "labels": {"a\n": "c"}}, 400, "labels"),
        ({**NOOP, "labels": {"team": "a\0"}}, 400, "labels.team"),
        ({**NOOP, "idempotency_key": "a\0"}, 400, "idempotency_key"),
        ({**NOOP, "deadline": "9999-12-31T23:59:59-12:00"}, 400, "deadline"),
        ({"stages": [{"agent": "noop", "params": {"ticks": 10**30}}]}, 400, "stages[0].params"),
        ({"stages": [{"agent": "noop", "params": {"ticks": 10**9}}]}, 400, "stages[0].params"),
        ({**NOOP, "labels": {"team": 1}}, 400, "labels.team"),
        ({**NOOP, "labels": {"a b": "c"}}, 400, "labels"),
        ({**NOOP, "deadline": "tomorrow"}, 400, "deadline"),
        ({**NOOP, "deadline": "2030-01-01T00:00:00"}, 400, "deadline"),
        ({**NOOP, "deadline": "2001-01-01T00:00:00Z"}, 400, "deadline"),
        ({**NOOP, "nope": 1}, 400, "nope"),
        ({"goal": "make it nice", "workload_id": "w"}, 422, "goal"),
        ({"objectives": [{"metric": "nope"}], "workload_id": "w"}, 400, "objectives[0].metric"),
        ({"goal": "Cut cost by 20 %"}, 400, "workload_id"),
        ({"workload_id": "no such workload", **NOOP}, 404, "workload_id"),
        ([], 400, "body"),
    ],
)
def test_a_bad_body_says_what_is_bad_and_leaves_nothing(
    http: httpx.Client, body: Any, status: int, where: str
) -> None:
    told = problem(post(http, body), status)
    assert told["errors"][0]["where"].startswith(where), told
    assert told["errors"][0]["problem"]
    assert http.get("/api/v1/jobs").json()["items"] == []


@pytest.mark.parametrize("raw", [b"{", b"", b"\xff", b'{"stages": [{"agent": "noop"}]', b"null"])
def test_a_body_that_is_no_json_object_is_refused(http: httpx.Client, raw: bytes) -> None:
    problem(http.post("/api/v1/jobs", content=raw), 400)


def test_a_body_nested_too_deeply_is_refused(http: httpx.Client) -> None:
    raw = b'{"params": {"noop": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}}"
    told = problem(http.post("/api/v1/jobs", content=raw), 400)
    assert "deep" in told["detail"]


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/jobs?pipeline=%00", "pipeline"),
        ("/jobs?label.a=%00", "label.a"),
        ("/jobs?workload_id=%00", "workload_id"),
        ("/workloads/%00", "path"),
        ("/supply?kind=%00", "kind"),
        (f"/jobs/{NOBODYS}/results/a%00", "path"),
        (f"/jobs/{NOBODYS}/facts?epoch=2147483648", "epoch"),
        (f"/jobs/{NOBODYS}/facts?after_seq=99999999999999999999", "after_seq"),
        (f"/jobs/{NOBODYS}/facts?after_seq={2**63}", "after_seq"),
        (f"/jobs/{NOBODYS}/facts?cursor=2147483648-1", "cursor"),
        (f"/jobs/{NOBODYS}/facts?cursor=1-{2**63}", "cursor"),
        (f"/jobs/{NOBODYS}/events?last_event_id=1-{2**63}", "Last-Event-ID"),
    ],
)
def test_what_no_store_can_hold_is_refused_by_name(
    http: httpx.Client, path: str, where: str
) -> None:
    told = problem(http.get(f"/api/v1{path}"), 400)
    assert told["errors"][0]["where"] == where
    assert told["errors"][0]["problem"]


def test_the_last_positions_that_there_can_be_are_understood(caller: Caller) -> None:
    url = f"/api/v1/jobs/{caller.submit()['id']}/facts"
    for query in (f"?epoch={2**31 - 1}&after_seq={2**63 - 1}", f"?cursor={2**31 - 1}-{2**63 - 1}"):
        assert caller.http.get(url + query).json()["items"] == []


def test_jobs_are_listed_newest_first_page_by_page(caller: Caller) -> None:
    ids = [caller.submit()["id"] for _ in range(7)]
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(4):
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = caller.http.get("/api/v1/jobs", params=query).json()
        seen += [job["id"] for job in page["items"]]
        assert "stages" not in page["items"][0]
        cursor = page["next"]
    assert seen == ids[::-1]
    assert cursor is None


def test_jobs_are_filtered(caller: Caller, engine: Engine) -> None:
    a = caller.submit(labels={"team": "a", "run": "1"})["id"]
    b = caller.submit(labels={"team": "b", "run": "1"})["id"]
    caller.http.post(f"/api/v1/jobs/{b}/cancel")

    def listed(**query: str) -> list[str]:
        answer = caller.http.get("/api/v1/jobs", params=query)
        assert answer.status_code == 200, answer.text
        return [job["id"] for job in answer.json()["items"]]

    assert listed(**{"label.team": "a"}) == [a]
    assert listed(**{"label.run": "1"}) == [b, a]
    assert listed(**{"label.run": "1", "label.team": "b"}) == [b]
    assert listed(state="queued") == [a]
    assert listed(state="cancelled") == [b]
    assert listed(pipeline="optimize") == []
    assert listed(batch_id=str(new_id())) == []
    both = caller.http.get("/api/v1/jobs?state=queued&state=cancelled").json()["items"]
    assert [job["id"] for job in both] == [b, a]
    assert listed(state="queued", **{"label.run": "1"}) == [a]
    c = caller.submit()["id"]
    pages = "/api/v1/jobs?state=queued&state=cancelled&state=queued&limit=2"
    first = caller.http.get(pages).json()
    assert [job["id"] for job in first["items"]] == [c, b]
    second = caller.http.get(f"{pages}&cursor={first['next']}").json()
    assert [job["id"] for job in second["items"]] == [a]


@pytest.mark.parametrize(
    ("query", "status", "where"),
    [
        ("state=nope", 400, "state"),
        ("nope=1", 400, "nope"),
        ("limit=0", 400, "limit"),
        ("limit=501", 400, "limit"),
        ("limit=x", 400, "limit"),
        ("cursor=x", 400, "cursor"),
    ],
)
def test_a_bad_filter_is_named(http: httpx.Client, query: str, status: int, where: str) -> None:
    told = problem(http.get(f"/api/v1/jobs?{query}"), status)
    assert told["errors"][0]["where"] == where


def test_a_workload_that_is_not_there_cannot_be_filtered_by(http: httpx.Client) -> None:
    problem(http.get("/api/v1/jobs?workload_id=nope"), 404)


def test_a_job_runs_and_its_facts_are_numbered(caller: Caller, engine: Engine) -> None:
    job = caller.submit(
        {"name": "a", "agent": "noop"}, {"name": "b", "agent": "noop", "after": ["a"]}
    )
    engine.run(job["id"], {"ok": True})
    shown = caller.http.get(job["url"]).json()
    assert shown["state"] == "succeeded"
    assert (shown["stages_ended"], shown["stages_total"]) == (2, 2)
    assert [s["state"] for s in shown["stages"]] == ["succeeded", "succeeded"]
    assert shown["finished_at"] >= shown["started_at"] >= shown["created_at"]
    facts = caller.http.get(f"{job['url']}/facts").json()["items"]
    assert [f["seq"] for f in facts] == list(range(1, shown["seq"] + 1))
    assert facts[0]["kind"] == "job.queued"
    assert facts[-1]["kind"] == "job.succeeded"
    assert set(facts[0]) == {"type", "job_id", "epoch", "seq", "ts", "kind", "stage", "payload"}
    after = caller.http.get(f"{job['url']}/facts?epoch=1&after_seq=3").json()["items"]
    assert after == facts[3:]
    page = caller.http.get(f"{job['url']}/facts?limit=3").json()
    assert page["items"] == facts[:3]
    rest = caller.http.get(f"{job['url']}/facts", params={"cursor": page["next"]}).json()
    assert rest == {"items": facts[3:], "next": None}


def test_results_are_there_once_a_stage_succeeded(caller: Caller, engine: Engine) -> None:
    job = caller.submit()
    path = f"/api/v1/jobs/{job['id']}/results"
    problem(caller.http.get(f"{path}/noop"), 409)
    engine.run(job["id"], {"answer": 42})
    assert caller.http.get(f"{path}/noop").json() == {"answer": 42}
    problem(caller.http.get(f"{path}/nope"), 404)


def test_a_job_is_cancelled_once_and_can_be_retried(caller: Caller, engine: Engine) -> None:
    job = caller.submit()
    answer = caller.http.post(f"/api/v1/jobs/{job['id']}/cancel")
    assert answer.status_code == 202
    assert answer.json()["state"] == "cancelled"
    assert answer.json()["stop_reason"] == "cancelled"
    problem(caller.http.post(f"/api/v1/jobs/{job['id']}/cancel"), 409)
    retried = caller.http.post(f"/api/v1/jobs/{job['id']}/retry")
    assert retried.status_code == 202
    assert (retried.json()["state"], retried.json()["epoch"]) == ("queued", 2)
    problem(caller.http.post(f"/api/v1/jobs/{job['id']}/retry"), 409)
    engine.run(job["id"])
    problem(caller.http.post(f"/api/v1/jobs/{job['id']}/retry"), 409)
    problem(caller.http.post(f"/api/v1/jobs/{job['id']}/cancel"), 409)


def test_a_job_says_that_its_tenants_limit_holds_it_back(caller: Caller, engine: Engine) -> None:
    pg = engine.queue.connection
    tenant.set_limit(pg, caller.tenant, 0)
    job = caller.submit()["id"]
    url = f"/api/v1/jobs/{job}"
    engine.admit()
    assert caller.http.get(url).json()["waits_for"] == "the tenant's limit of 0 running stages"
    # One that is due later waits for that, and so does one that has its turn.
    pg.execute("UPDATE stages SET run_at = now() + interval '1 hour' WHERE job_id = %s", [job])
    assert "waits_for" not in caller.http.get(url).json()
    pg.execute("UPDATE stages SET run_at = now() WHERE job_id = %s", [job])
    assert "waits_for" in caller.http.get(url).json()
    tenant.set_limit(pg, caller.tenant, 1)
    assert "waits_for" not in caller.http.get(url).json()


def test_a_deadline_is_kept_with_the_job(caller: Caller) -> None:
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    job = caller.submit(deadline=at.isoformat())
    shown = caller.http.get(job["url"]).json()
    assert datetime.fromisoformat(shown["deadline"]) == at


@pytest.mark.parametrize("at", ["10000-01-01T11:59:59Z", "infinity"])
def test_a_deadline_beyond_pythons_years_breaks_no_list(
    caller: Caller, pg: Connection, at: str
) -> None:
    """Such were accepted once, by their hour in another zone."""
    batch = caller.http.post("/api/v1/batches", json={"name": "b", "jobs": [NOOP, NOOP]}).json()
    job = batch["jobs"][0]["id"]
    pg.execute("UPDATE jobs SET deadline = %s WHERE id = %s", [at, job])
    for url in ("/api/v1/jobs", f"/api/v1/batches/{batch['batch']['id']}/jobs"):
        listed = caller.http.get(url)
        assert listed.status_code == 200, listed.text
        assert len(listed.json()["items"]) == 2
    assert caller.http.get(f"/api/v1/jobs/{job}").json()["deadline"] == "9999-12-31T00:00:00Z"


def test_a_retry_says_which_deadline_it_drops(
    caller: Caller, engine: Engine, pg: Connection
) -> None:
    at = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    job = caller.submit(deadline=at.isoformat())
    url = job["url"]
    caller.http.post(f"{url}/cancel")
    kept = caller.http.post(f"{url}/retry").json()
    assert datetime.fromisoformat(kept["deadline"]) == at, "one that lies ahead still holds"
    assert "dropped_deadline" not in kept
    passed = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=5)
    pg.execute("UPDATE jobs SET deadline = %s WHERE id = %s", [passed, job["id"]])
    caller.http.post(f"{url}/cancel")
    again = caller.http.post(f"{url}/retry").json()
    assert again["deadline"] is None
    assert datetime.fromisoformat(again["dropped_deadline"]) == passed
    assert "dropped_deadline" not in caller.http.get(url).json()


def test_the_trace_of_the_request_is_kept_or_one_is_begun(caller: Caller, pg: Connection) -> None:
    given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    def kept(**headers: str) -> str:
        job = post(caller.http, NOOP, **headers).json()["job"]
        row = pg.execute("SELECT traceparent FROM jobs WHERE id = %s", [job["id"]]).fetchone()
        assert row is not None
        return row["traceparent"]

    assert kept(traceparent=given) == given
    assert kept() != kept()
    assert kept(traceparent="nonsense").startswith("00-")


def test_another_tenants_job_is_not_there(call: Any, engine: Engine) -> None:
    owner, stranger = call(), call()
    job = owner.submit()["id"]
    http = stranger.http
    assert http.get("/api/v1/jobs").json()["items"] == []
    for method, path in [
        ("GET", ""),
        ("GET", "/facts"),
        ("GET", "/events"),
        ("GET", "/results/noop"),
        ("GET", "/report"),
        ("GET", "/recommendations"),
        ("POST", "/cancel"),
        ("POST", "/retry"),
    ]:
        problem(http.request(method, f"/api/v1/jobs/{job}{path}"), 404)
    assert owner.http.get(f"/api/v1/jobs/{job}").json()["state"] == "queued"


@pytest.mark.parametrize("job", [str(new_id()), "nope", "1"])
def test_a_job_that_is_not_there_is_not_found(http: httpx.Client, job: str) -> None:
    for method, path in [("GET", ""), ("GET", "/facts"), ("GET", "/events"), ("POST", "/cancel")]:
        problem(http.request(method, f"/api/v1/jobs/{job}{path}"), 404)


@pytest.mark.parametrize("name", JOB_EXAMPLES)
def test_the_examples_of_the_schema_are_understood(http: httpx.Client, name: str) -> None:
    answer = post(http, JOB_EXAMPLES[name])
    if "workload_id" in JOB_EXAMPLES[name]:
        assert problem(answer, 404)["errors"][0]["where"] == "workload_id"
    else:
        assert answer.status_code == 202


def test_a_report_comes_as_json_html_and_markdown(
    caller: Caller, engine: Engine, pg: Connection
) -> None:
    job = caller.submit()
    url = f"/api/v1/jobs/{job['id']}/report"
    assert "not ready" in problem(caller.http.get(url), 409)["detail"]
    engine.run(job["id"])
    problem(caller.http.get(url), 404)
    content = {
        "job_id": job["id"],
        "answer": "Cost falls by 12 %.",
        "headline": [],
        "recommendations": [],
        "profile": {},
        "data_quality": {},
        "method": {},
    }
    report_result(pg, job["id"], content)
    assert caller.http.get(url).json() == content
    page = caller.http.get(url, headers={"Accept": "text/html,*/*;q=0.1"})
    assert page.headers["content-type"].startswith("text/html")
    assert "Cost falls by 12 %." in page.text
    text = caller.http.get(url, params={"format": "markdown"})
    assert text.headers["content-type"].startswith("text/markdown")
    assert "Cost falls by 12 %." in text.text
    problem(caller.http.get(url, params={"format": "pdf"}), 400)


def test_recommendations_are_those_of_the_report(
    caller: Caller, engine: Engine, pg: Connection
) -> None:
    job = caller.submit()
    engine.run(job["id"])
    report_result(pg, job["id"], {"recommendations": [{"id": "r1", "title": "Cache prompts"}]})
    expected = [{"id": "r1", "title": "Cache prompts", "job_id": job["id"], "workload_id": None}]
    own = caller.http.get(f"/api/v1/jobs/{job['id']}/recommendations").json()
    assert own == {"items": expected, "next": None}
    assert caller.http.get("/api/v1/recommendations").json()["items"] == expected
    problem(caller.http.get("/api/v1/recommendations?workload_id=nope"), 404)


def test_bodies_larger_than_the_limit_are_refused(http: httpx.Client) -> None:
    body = json.dumps({"stages": [{"agent": "noop"}], "goal": "x" * 65_000_000})
    told = problem(http.post("/api/v1/jobs", content=body), 413)
    assert told["type"].endswith("too-large")
    assert "64,000,000 bytes" in told["detail"]
