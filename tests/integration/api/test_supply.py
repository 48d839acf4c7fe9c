"""The supply catalog and the dead letters over HTTP."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import httpx

from netra.api.examples import SUPPLY_EXAMPLES
from netra.ids import new_id
from tests.integration.api.conftest import Caller, Engine
from tests.integration.api.test_job import problem

PRICE = {"effective_from": "2026-01-01", "content": {"input": 2.5, "output": 10.0}}
URL = "/api/v1/supply/model/openai/gpt-5"


def test_a_row_is_set_over_itself_listed_and_removed(http: httpx.Client) -> None:
    row = http.put(URL, json=PRICE)
    assert row.status_code == 200, row.text
    assert (row.json()["kind"], row.json()["name"]) == ("model", "openai/gpt-5")
    http.put(URL, json={**PRICE, "content": {"input": 3.0, "output": 10.0}})
    http.put(URL, json={**PRICE, "effective_from": "2026-06-01"})
    listed = http.get("/api/v1/supply", params={"kind": "model"}).json()
    assert [(r["effective_from"], r["content"]["input"]) for r in listed["items"]] == [
        ("2026-01-01", 3.0),
        ("2026-06-01", 2.5),
    ]
    assert listed["price_list"] == {"source": "genai-prices", "version": version("genai-prices")}
    assert http.get("/api/v1/supply", params={"kind": "gpu"}).json()["items"] == []
    gone = http.delete(URL, params={"effective_from": "2026-01-01"})
    assert gone.status_code == 204
    assert len(http.get("/api/v1/supply").json()["items"]) == 1
    assert http.delete(URL).status_code == 204
    problem(http.delete(URL), 404)


def test_a_bad_row_is_refused(http: httpx.Client) -> None:
    for url, body in [
        ("/api/v1/supply/nope/x", PRICE),
        (URL, {"content": {}}),
        (URL, {**PRICE, "effective_from": "yesterday"}),
        (URL, {**PRICE, "content": {"input": -1, "output": 1}}),
        (URL, {**PRICE, "nope": 1}),
    ]:
        assert problem(http.put(url, json=body), 400)["errors"][0]["where"]
    problem(http.get("/api/v1/supply?kind=nope"), 400)
    assert http.get("/api/v1/supply").json()["items"] == []


def test_rows_are_a_tenants_own(call: Any) -> None:
    owner, stranger = call(), call()
    owner.http.put(URL, json=PRICE)
    assert stranger.http.get("/api/v1/supply").json()["items"] == []
    problem(stranger.http.delete(URL), 404)
    assert len(owner.http.get("/api/v1/supply").json()["items"]) == 1


def test_the_example_of_the_schema_is_taken(http: httpx.Client) -> None:
    for body in SUPPLY_EXAMPLES.values():
        assert http.put(URL, json=body).status_code == 200


def dead_letter(caller: Caller, engine: Engine) -> tuple[str, dict[str, Any]]:
    """A job that was given up, and its letter."""
    job = caller.submit()["id"]
    engine.fail(engine.started(), retry=False)
    (letter,) = caller.http.get("/api/v1/dead-letters").json()["items"]
    return job, letter


def test_a_dead_letter_is_shown_and_replayed_once(caller: Caller, engine: Engine) -> None:
    job, letter = dead_letter(caller, engine)
    assert letter["job_id"] == job
    assert letter["agent"] == "noop"
    assert letter["error"]["type"] == "Broken"
    assert letter["replayed_at"] is None
    replayed = caller.http.post(f"/api/v1/dead-letters/{letter['id']}/replay")
    assert replayed.status_code == 202
    assert (replayed.json()["id"], replayed.json()["epoch"]) == (job, 2)
    problem(caller.http.post(f"/api/v1/dead-letters/{letter['id']}/replay"), 409)
    engine.run(job)
    assert caller.http.get(f"/api/v1/jobs/{job}").json()["state"] == "succeeded"


def test_another_tenants_dead_letter_is_not_there(call: Any, engine: Engine) -> None:
    owner, stranger = call(), call()
    _, letter = dead_letter(owner, engine)
    assert stranger.http.get("/api/v1/dead-letters").json()["items"] == []
    problem(stranger.http.post(f"/api/v1/dead-letters/{letter['id']}/replay"), 404)
    problem(stranger.http.post(f"/api/v1/dead-letters/{new_id()}/replay"), 404)
