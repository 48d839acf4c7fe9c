"""Every route but health and schema asks for a key, whatever the method; what is around it all."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from netra.api.app import create_app
from netra.api.examples import JOB_EXAMPLES
from netra.settings import Settings
from netra.store.postgres import Connection
from tests.integration.api.conftest import Caller, Engine
from tests.integration.api.test_job import problem

OPEN = {"/health", "/health/ready", "/schema", "/schema/openapi.json", "/schema/x"}


def routes() -> list[tuple[str, str]]:
    """Every route of the app with its methods, parameters filled in."""
    found: list[tuple[str, str]] = []
    for route in create_app(Settings()).routes:
        path = re.sub(r"\{[^}]*\}", "x", route.path_format)
        methods = getattr(route, "methods", ())
        found += [(method, path) for method in methods if method not in ("OPTIONS", "HEAD")]
    return sorted(found)


def test_all_routes_are_known() -> None:
    assert ("POST", "/api/v1/jobs") in routes()
    assert len(routes()) > 30
    assert {path for _, path in routes()} >= OPEN


@pytest.mark.parametrize(("method", "path"), [r for r in routes() if r[1] not in OPEN])
def test_without_a_key_nothing_is_answered(
    address: str, caller: Caller, method: str, path: str
) -> None:
    for headers in ({}, {"Authorization": "Bearer netra_wrong"}, {"X-API-Key": "wrong"}):
        answer = httpx.request(method, f"http://{address}{path}", headers=headers)
        told = problem(answer, 401)
        assert told["type"].endswith("/unauthorized")
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_schema_opens_in_a_browser_without_a_key(address: str) -> None:
    for path in ("/schema", "/schema/openapi.json"):
        answer = httpx.get(f"http://{address}{path}")
        assert answer.status_code == 200
        assert "/api/v1/jobs" in answer.json()["paths"]
    assert httpx.get(f"http://{address}/schema/nothing").status_code == 404


def test_a_key_comes_in_either_header(address: str, caller: Caller) -> None:
    for headers in ({"Authorization": f"bearer {caller.key}"}, {"X-API-Key": caller.key}):
        answer = httpx.get(f"http://{address}/api/v1/whoami", headers=headers)
        assert answer.json() == {"tenant_id": caller.tenant, "key_name": "test"}


def test_a_revoked_key_is_refused(
    caller: Caller, pg: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netra.api.access._CACHE_S", 0.0)
    assert caller.http.get("/api/v1/whoami").status_code == 200
    pg.execute("UPDATE api_keys SET revoked_at = now() WHERE tenant_id = %s", [caller.tenant])
    problem(caller.http.get("/api/v1/whoami"), 401)


def test_health_is_open_and_says_which_store_answers(address: str) -> None:
    assert httpx.get(f"http://{address}/health").json() == {"status": "ok"}
    answer = httpx.get(f"http://{address}/health/ready")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert set(answer.json()["stores"]) == {"postgres", "redis", "clickhouse"}
    assert all(store["ok"] for store in answer.json()["stores"].values())


def test_what_is_not_there_is_a_problem_too(http: httpx.Client) -> None:
    problem(http.get("/nope"), 404)
    problem(http.get("/api/v1/nope"), 404)
    problem(http.put("/api/v1/whoami"), 405)


def test_a_request_is_named_in_its_answer(http: httpx.Client) -> None:
    given = http.get("/api/v1/whoami", headers={"X-Request-ID": "mine-1"})
    assert given.headers["x-request-id"] == "mine-1"
    own = http.get("/api/v1/whoami", headers={"X-Request-ID": "not ours!"})
    assert own.headers["x-request-id"] != "not ours!"


def test_pages_of_allowed_origins_may_call(http: httpx.Client) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Origin": "https://console.example"}
    allowed = http.options("/api/v1/jobs", headers=asked)
    assert allowed.headers["access-control-allow-origin"] == "https://console.example"
    denied = http.options("/api/v1/jobs", headers={**asked, "Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in denied.headers


def test_the_schema_describes_every_route_with_examples(http: httpx.Client) -> None:
    schema = http.get("/schema").json()
    assert schema["openapi"].startswith("3.")
    described = {
        (method.upper(), path) for path, ways in schema["paths"].items() for method in ways
    }
    wanted = {
        ("POST", "/api/v1/jobs"),
        ("GET", "/api/v1/jobs/{job_id}"),
        ("GET", "/api/v1/jobs/{job_id}/events"),
        ("POST", "/api/v1/workloads"),
        ("POST", "/api/v1/batches"),
        ("PUT", "/api/v1/supply/{kind}/{name}"),
        ("GET", "/health/ready"),
    }
    assert wanted <= described
    body = schema["paths"]["/api/v1/jobs"]["post"]["requestBody"]["content"]
    assert len(body["application/json"]["schema"]["examples"]) == len(JOB_EXAMPLES)
    told = schema["paths"]["/api/v1/jobs"]["post"]["responses"]["400"]["content"]
    example = next(iter(told["application/problem+json"]["examples"].values()))["value"]
    assert example["errors"][0]["where"] == "stages[0].agent"
    assert all(
        operation.get("summary") for ways in schema["paths"].values() for operation in ways.values()
    )


def metrics(http: httpx.Client) -> dict[str, float]:
    lines = http.get("/metrics").text.splitlines()
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in lines
        if not line.startswith("#")
    }


def test_requests_are_counted_by_template(caller: Caller) -> None:
    job = caller.submit()["id"]
    name = 'http_requests_total{endpoint="/api/v1/jobs/{job_id}",method="GET",status="200"}'
    before = metrics(caller.http).get(name, 0)
    caller.http.get(f"/api/v1/jobs/{job}")
    after = metrics(caller.http)
    assert after[name] == before + 1
    seconds = 'http_request_duration_seconds_count{endpoint="/api/v1/jobs/{job_id}",method="GET"}'
    assert after[seconds] >= 1
    assert not [line for line in after if job in line]


def test_paths_that_lead_nowhere_share_a_label(http: httpx.Client) -> None:
    name = 'http_requests_total{endpoint="unmatched",method="GET",status="404"}'
    before = metrics(http).get(name, 0)
    http.get("/nope/1")
    http.get("/nope/2")
    after = metrics(http)
    assert after[name] == before + 2
    assert not [line for line in after if "nope" in line]


def test_agents_and_pipelines_are_those_of_the_catalog(http: httpx.Client) -> None:
    agents: list[dict[str, Any]] = http.get("/api/v1/agents").json()["items"]
    names = [agent["name"] for agent in agents]
    assert names == sorted(names)
    assert "profile" in names
    assert "noop" not in names
    noop = http.get("/api/v1/agents/noop").json()
    assert "sleep_s" in str(noop["params"])
    problem(http.get("/api/v1/agents/nope"), 404)
    pipelines = http.get("/api/v1/pipelines").json()["items"]
    assert "optimize" in [p["name"] for p in pipelines]
    stages = http.get("/api/v1/pipelines/optimize").json()["stages"]
    assert stages[0] == {"name": "triage", "agent": "triage", "after": [], "optional": False}
    assert [s["agent"] for s in stages if s["optional"]] == [
        *("demand", "commitment", "serving-fit", "capacity"),
    ]
    problem(http.get("/api/v1/pipelines/nope"), 404)


def test_the_queue_is_measured(
    caller: Caller, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netra.api.queue_metrics.CACHE_S", 0.0)
    monkeypatch.setattr("netra.api.queue_metrics._SETTLED", timedelta())
    # What other tests left unsent has its own age.
    engine.queue.connection.execute("DELETE FROM outbox")
    metrics(caller.http)
    before = metrics(caller.http)
    done, lost = (caller.submit()["id"] for _ in range(2))
    engine.complete(engine.next())
    engine.expire(engine.next())
    engine.reap()
    engine.fail(engine.next(), retry=False)
    assert {engine.job_state(job) for job in (done, lost)} == {"succeeded", "failed"}
    caller.submit()
    engine.slots(4)
    after = metrics(caller.http)

    def grew(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    where = f'pool="cpu",state="ready",tenant="{caller.tenant}"'
    assert after[f"netra_queue_depth{{{where}}}"] == 1
    assert 0 < after[f'netra_queue_age_seconds{{pool="cpu",tenant="{caller.tenant}"}}'] < 300
    assert after['netra_pool_slots{pool="cpu"}'] == 4
    assert after[f'netra_dead_letters{{tenant="{caller.tenant}"}}'] == 1
    assert 0 <= after["netra_outbox_lag_seconds"] < 300
    assert after["netra_clickhouse_insert_lag_seconds"] >= 0
    assert grew('netra_stage_outcomes_total{agent_name="noop",outcome="succeeded"}') == 1
    assert grew('netra_stage_outcomes_total{agent_name="noop",outcome="failed"}') == 1
    assert grew('netra_stage_outcomes_total{agent_name="noop",outcome="retried"}') == 1
    assert grew('netra_lease_expiries_total{pool="cpu"}') == 1
    assert grew('agent_processing_seconds_count{agent_name="noop"}') == 1
    assert grew('agent_processing_seconds_bucket{agent_name="noop",le="+Inf"}') == 1
    assert grew('agent_processing_seconds_sum{agent_name="noop"}') > 0
    again = metrics(caller.http)
    assert (
        again['agent_processing_seconds_count{agent_name="noop"}']
        == after['agent_processing_seconds_count{agent_name="noop"}']
    )
