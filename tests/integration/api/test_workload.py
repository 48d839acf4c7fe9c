"""Workloads over HTTP: a file is ingested wholly or not at all, and a failed create leaves none."""

from __future__ import annotations

import contextlib
import io
import os
import re
import socket
import threading
from datetime import UTC, datetime
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg.types.json import Jsonb

from netra.ids import new_id
from netra.settings import Settings
from netra.store.ingest import leftovers
from netra.store.postgres import Connection
from tests.integration.api.conftest import Caller, Engine
from tests.integration.api.test_job import problem
from tests.waiting import until

ROWS = [
    f'{{"event_id": "e{i}", "ts": "2026-01-01T00:00:{i:02d}Z", "model": "m",'
    f' "input_tokens": {10 + i}, "output_tokens": 5}}'
    for i in range(20)
]
EVENTS = "\n".join(ROWS).encode()


def create(http: httpx.Client, name: str, content: bytes = b"", **query: str) -> httpx.Response:
    empty = {} if content else {"empty": "true"}
    return http.post("/api/v1/workloads", params={"name": name, **empty, **query}, content=content)


def test_a_workload_is_made_of_a_file(http: httpx.Client) -> None:
    answer = create(http, "chat", EVENTS, filename="chat.jsonl")
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body["ingest"]["rows"] == body["ingest"]["events"] == 20
    assert body["ingest"]["duplicates"] == 0
    workload = body["workload"]
    assert (workload["state"], workload["events"], workload["anchored"]) == ("ready", 20, True)
    assert workload["min_ts"] == "2026-01-01T00:00:00Z"
    assert workload["max_ts"] == "2026-01-01T00:00:19Z"
    (ingest,) = workload["ingests"]
    assert (ingest["state"], ingest["source_name"]) == ("visible", "chat.jsonl")
    for ref in (workload["id"], "chat"):
        assert http.get(f"/api/v1/workloads/{ref}").json() == workload


def test_the_same_file_twice_changes_nothing_and_more_is_appended(http: httpx.Client) -> None:
    create(http, "chat", EVENTS)
    again = http.post("/api/v1/workloads/chat/events", content=EVENTS)
    assert again.status_code == 200
    assert again.json()["ingest"]["repeated"]
    assert again.json()["workload"]["events"] == 20
    new = b'{"event_id": "new", "ts": "2026-01-02T00:00:00Z", "model": "m"}\n' + EVENTS
    more = http.post("/api/v1/workloads/chat/events", content=new)
    assert (more.json()["ingest"]["events"], more.json()["ingest"]["duplicates"]) == (1, 20)
    assert more.json()["workload"]["events"] == 21


def test_points_of_a_demand_series_are_not_counted_as_requests(http: httpx.Client) -> None:
    rows = "\n".join(f"{600 * i},web,{i + 1}" for i in range(20))
    body = f"t,client,rate\n{rows}\n".encode()
    sent = create(http, "demand", body, filename="demand.csv")
    assert sent.status_code == 201, sent.text
    for found in (sent.json()["workload"], http.get("/api/v1/workloads/demand").json()):
        assert (found["events"], found["points"], found["state"]) == (0, 20, "ready")


def test_an_empty_workload_is_filled_later(caller: Caller) -> None:
    made = create(caller.http, "later").json()
    assert made["ingest"] is None
    assert (made["workload"]["state"], made["workload"]["anchored"]) == ("empty", None)
    body = {"workload_id": "later", "stages": [{"agent": "profile"}]}
    assert (
        "no events"
        in problem(caller.http.post("/api/v1/jobs", json=body), 409)["errors"][0]["problem"]
    )
    caller.http.post("/api/v1/workloads/later/events", content=EVENTS)
    job = caller.submit({"agent": "profile"}, workload_id="later")
    assert job["workload_id"] == made["workload"]["id"]


def test_a_form_is_refused_as_such(http: httpx.Client) -> None:
    answer = http.post(
        "/api/v1/workloads?name=form", files={"file": ("chat.jsonl", EVENTS, "text/plain")}
    )
    (said,) = problem(answer, 400)["errors"]
    assert (said["where"], said["got"]) == ("Content-Type", "multipart/form-data")
    assert "the bytes of the file" in said["expected"]
    assert http.get("/api/v1/workloads/form").status_code == 404


def test_an_unknown_parameter_of_an_upload_is_refused(http: httpx.Client) -> None:
    for path in ("/api/v1/workloads?name=typo&formt=jsonl", "/api/v1/workloads/x/events?strat=1"):
        (said,) = problem(http.post(path, content=EVENTS), 400)["errors"]
        assert said["problem"] == "unknown parameter"
        assert "format" in said["expected"]
    (said,) = problem(http.post("/api/v1/workloads", content=EVENTS), 400)["errors"]
    assert (said["where"], said["problem"]) == ("name", "missing query parameter")


def parquet(truncated: bool) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"event_id": ["a", "b"], "ts": ["2026-01-01T00:00:00Z"] * 2}), buffer)
    content = buffer.getvalue()
    return content[: len(content) // 2] if truncated else content


@pytest.mark.parametrize(
    ("content", "query"),
    [
        (b"\n", {"format": "jsonl"}),
        (parquet(truncated=True), {"format": "parquet"}),
        (b"event_id,model\na,m\n", {"format": "csv"}),
        (b'{"event_id": "a", "ts": "2026-01-01T00:00:00Z", "input_tokens": -1}\n', {}),
        (b'{"event_id": "a", "ts": "yesterday"}\n', {}),
        (
            b'{"event_id": "a", "ts": "2026-01-01T00:00:00Z", "model": "'
            + b"x" * 10_000_000
            + b'"}\n',
            {},
        ),
        (b"what is this\n", {}),
        (EVENTS, {"format": "nope"}),
        (b'{"event_id": "a", "ts": "2026-01-01T00:00:00Z", "app": "a\\u0000b"}\n', {}),
    ],
    ids=[
        "empty",
        "truncated parquet",
        "missing column",
        "negative tokens",
        "no timestamp",
        "long line",
        "unknown format",
        "no such format",
        "NUL",
    ],
)
def test_a_bad_file_says_where_and_leaves_no_workload(
    http: httpx.Client, pg: Connection, caller: Caller, content: bytes, query: dict[str, str]
) -> None:
    answer = create(http, "bad", content, **query)
    told = problem(answer, answer.status_code)
    assert 400 <= answer.status_code < 500
    assert told["detail"]
    assert problem(http.get("/api/v1/workloads/bad"), 404)
    row = pg.execute(
        "SELECT count(*) AS n FROM ingests WHERE tenant_id = %s", [caller.tenant]
    ).fetchone()
    assert row == {"n": 0}
    assert create(http, "bad", EVENTS).status_code == 201


def test_a_bad_file_changes_nothing_of_a_workload(http: httpx.Client) -> None:
    before = create(http, "chat", EVENTS).json()["workload"]
    bad = EVENTS + b'\n{"event_id": "x", "ts": "2026-01-01T00:00:00Z", "output_tokens": -2}\n'
    told = problem(http.post("/api/v1/workloads/chat/events", content=bad), 422)
    assert "line 21" in told["errors"][0]["where"]
    after = http.get("/api/v1/workloads/chat").json()
    assert after["events"] == before["events"]
    assert [i["state"] for i in after["ingests"]] == ["failed", "visible"]
    assert after["state"] == "ready"
    problem(http.post("/api/v1/workloads/chat/events", content=b""), 422)


@pytest.mark.parametrize("name", ["", " ", "a/b", "x" * 201, "a\nb", str(new_id())])
def test_a_bad_name_is_refused(http: httpx.Client, name: str) -> None:
    assert problem(create(http, name), 400)["errors"][0]["where"] == "name"


def test_a_name_is_given(http: httpx.Client) -> None:
    assert problem(http.post("/api/v1/workloads", content=EVENTS), 400)["errors"]


def test_a_name_is_a_tenants_own_and_there_once(call: Any) -> None:
    a, b = call(), call()
    assert create(a.http, "chat").status_code == 201
    assert create(b.http, "chat").status_code == 201
    assert problem(create(a.http, "chat"), 409)["errors"][0]["where"] == "name"
    assert create(a.http, "chat", EVENTS).status_code == 201
    for content in (b"", EVENTS, EVENTS[:-5]):
        assert problem(create(a.http, "chat", content), 409)["errors"][0]["where"] == "name"
    assert b.http.get("/api/v1/workloads/chat").json()["events"] == 0


def test_a_create_whose_server_died_can_be_sent_again(caller: Caller, pg: Connection) -> None:
    workload = create(caller.http, "chat").json()["workload"]["id"]
    pg.execute(
        "INSERT INTO ingests (id, tenant_id, workload_id, source_name, heartbeat_at)"
        " VALUES (%s, %s, %s, 'x', now() - interval '10 min')",
        [new_id(), caller.tenant, workload],
    )
    query = "UPDATE ingests SET heartbeat_at = now() - %s * interval '1 s' WHERE workload_id = %s"
    pg.execute(query, [10, workload])
    assert "ends by itself" in problem(create(caller.http, "chat", EVENTS), 409)["detail"]
    pg.execute(query, [600, workload])
    problem(create(caller.http, "chat", b"what is this"), 422)
    again = create(caller.http, "chat", EVENTS)
    assert again.status_code == 201
    assert (again.json()["workload"]["id"], again.json()["workload"]["events"]) == (workload, 20)


def test_an_upload_that_breaks_off_leaves_nothing(
    caller: Caller, address: str, api_settings: Settings
) -> None:
    def spooling() -> bool:
        """Whether this process, which serves, has an upload open: the file has no name by then."""
        for descriptor in os.listdir("/proc/self/fd"):
            # One of them was open for the listing alone.
            with contextlib.suppress(FileNotFoundError):
                if "netra-upload-" in os.readlink(f"/proc/self/fd/{descriptor}"):
                    return True
        return False

    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port))) as raw:
        head = f"POST /api/v1/workloads?name=cut HTTP/1.1\r\nHost: x\r\nX-API-Key: {caller.key}\r\n"
        raw.sendall(f"{head}Content-Length: 1000000\r\n\r\n".encode() + EVENTS)
        until(spooling)
    until(lambda: not spooling())
    assert os.listdir(api_settings.api.spool_dir) == []
    problem(caller.http.get("/api/v1/workloads/cut"), 404)


def test_workloads_are_listed_newest_first_page_by_page(http: httpx.Client) -> None:
    ids = [create(http, f"w{i}").json()["workload"]["id"] for i in range(3)]
    first = http.get("/api/v1/workloads", params={"limit": 2}).json()
    rest = http.get("/api/v1/workloads", params={"cursor": first["next"]}).json()
    assert [w["id"] for w in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next"] is None


def test_another_tenants_workload_is_not_there(call: Any) -> None:
    owner, stranger = call(), call()
    workload = create(owner.http, "chat", EVENTS).json()["workload"]
    for ref in (workload["id"], "chat"):
        problem(stranger.http.get(f"/api/v1/workloads/{ref}"), 404)
        problem(stranger.http.delete(f"/api/v1/workloads/{ref}"), 404)
        problem(stranger.http.post(f"/api/v1/workloads/{ref}/events", content=EVENTS), 404)
    body = {"workload_id": workload["id"], "stages": [{"agent": "profile"}]}
    problem(stranger.http.post("/api/v1/jobs", json=body), 404)
    assert stranger.http.get("/api/v1/workloads").json()["items"] == []


def test_a_job_reads_what_was_visible_when_it_was_submitted(caller: Caller, pg: Connection) -> None:
    first = create(caller.http, "chat", EVENTS).json()["ingest"]["id"]
    job = caller.submit({"agent": "profile"}, workload_id="chat")
    more = b'{"event_id": "new", "ts": "2026-01-02T00:00:00Z"}\n'
    caller.http.post("/api/v1/workloads/chat/events", content=more)
    row = pg.execute("SELECT ingests FROM jobs WHERE id = %s", [job["id"]]).fetchone()
    assert row == {"ingests": [first]}


def test_a_workload_that_is_being_ingested_takes_no_job_and_no_file(
    caller: Caller, pg: Connection
) -> None:
    workload = create(caller.http, "chat", EVENTS).json()["workload"]
    running = new_id()
    pg.execute(
        "INSERT INTO ingests (id, tenant_id, workload_id, source_name) VALUES (%s, %s, %s, 'x')",
        [running, caller.tenant, workload["id"]],
    )
    assert caller.http.get("/api/v1/workloads/chat").json()["state"] == "ingesting"
    body = {"workload_id": "chat", "stages": [{"agent": "profile"}]}
    told = problem(caller.http.post("/api/v1/jobs", json=body), 409)
    assert told["errors"][0]["where"] == "workload_id"
    refused = (
        told,
        problem(caller.http.post("/api/v1/workloads/chat/events", content=EVENTS[:-5]), 409),
        problem(caller.http.delete("/api/v1/workloads/chat"), 409),
    )
    for one in refused:
        (until,) = re.findall(r"ends by itself at (\S+ \S+)Z", one["detail"])
        left = datetime.fromisoformat(until).replace(tzinfo=UTC) - datetime.now(UTC)
        assert 50 < left.total_seconds() <= 60
    # Whoever ran it is dead: it gave no sign of life for long.
    pg.execute(
        "UPDATE ingests SET heartbeat_at = now() - interval '10 min' WHERE id = %s", [running]
    )
    assert caller.http.get("/api/v1/workloads/chat").json()["state"] == "ready"
    assert caller.http.post("/api/v1/jobs", json=body).status_code == 202
    more = b'{"event_id": "new", "ts": "2026-01-02T00:00:00Z"}\n'
    taken = caller.http.post("/api/v1/workloads/chat/events", content=more)
    assert taken.json()["workload"]["events"] == 21


def test_a_workload_is_deleted_once_nothing_needs_it(caller: Caller, engine: Engine) -> None:
    create(caller.http, "chat", EVENTS)
    job = caller.submit({"agent": "profile"}, workload_id="chat")
    told = problem(caller.http.delete("/api/v1/workloads/chat"), 409)
    assert "under way" in told["detail"]
    engine.run(job["id"])
    assert caller.http.delete("/api/v1/workloads/chat").status_code == 204
    problem(caller.http.get("/api/v1/workloads/chat"), 404)
    problem(caller.http.delete("/api/v1/workloads/chat"), 404)
    assert caller.http.get(f"/api/v1/jobs/{job['id']}").json()["state"] == "succeeded"
    assert create(caller.http, "chat", EVENTS).status_code == 201


def test_an_empty_file_is_refused_unless_emptiness_is_asked_for(caller: Caller) -> None:
    url = "/api/v1/workloads"
    told = problem(caller.http.post(url, params={"name": "none"}, content=b""), 422)
    assert "empty=true" in told["detail"]
    problem(caller.http.post(url, params={"name": "none", "empty": "true"}, content=EVENTS), 422)
    problem(caller.http.get(f"{url}/none"), 404)
    asked = caller.http.post(url, params={"name": "none", "empty": "true"})
    assert (asked.status_code, asked.json()["workload"]["state"]) == (201, "empty")


def test_what_a_deleted_workload_held_is_swept_and_not_run_again(
    caller: Caller, pg: Connection
) -> None:
    workload = create(caller.http, "chat", EVENTS).json()["workload"]["id"]
    job = caller.submit({"agent": "profile"}, workload_id="chat")
    assert caller.http.post(f"/api/v1/jobs/{job['id']}/cancel").status_code == 202
    assert caller.http.delete("/api/v1/workloads/chat").status_code == 204
    assert "deleted" in problem(caller.http.post(f"/api/v1/jobs/{job['id']}/retry"), 409)["detail"]
    assert workload in {str(left.workload_id) for left in leftovers(pg)}


def test_submitting_and_deleting_at_once_leaves_no_job_without_a_workload(
    caller: Caller, pg: Connection
) -> None:
    """The job holds the workload, or finds it gone: whoever comes first."""
    for i in range(5):
        workload = create(caller.http, f"w{i}", EVENTS).json()["workload"]["id"]
        body = {"workload_id": workload, "stages": [{"agent": "profile"}]}
        answers: list[int] = []

        def submit(body: dict[str, Any] = body, answers: list[int] = answers) -> None:
            answers.append(caller.http.post("/api/v1/jobs", json=body).status_code)

        threads = [threading.Thread(target=submit) for _ in range(4)]
        for thread in threads:
            thread.start()
        deleted = caller.http.delete(f"/api/v1/workloads/{workload}").status_code
        for thread in threads:
            thread.join()
        accepted = answers.count(202)
        assert set(answers) <= {202, 404}
        assert deleted in (204, 409)
        assert accepted == 0 or deleted == 409, (answers, deleted)


def test_nothing_is_left_in_the_spool(api_settings: Settings, http: httpx.Client) -> None:
    spool = api_settings.api.spool_dir
    create(http, "chat", EVENTS)
    create(http, "bad", b"what is this")
    create(http, "empty")
    assert os.listdir(spool) == []


def test_the_error_of_a_failed_ingest_is_shown(caller: Caller, pg: Connection) -> None:
    workload = create(caller.http, "chat").json()["workload"]
    pg.execute(
        "INSERT INTO ingests (id, tenant_id, workload_id, source_name, state, error)"
        " VALUES (%s, %s, %s, 'x', 'failed', %s)",
        [new_id(), caller.tenant, workload["id"], Jsonb({"type": "abandoned"})],
    )
    (ingest,) = caller.http.get("/api/v1/workloads/chat").json()["ingests"]
    assert ingest["error"] == {"type": "abandoned"}
