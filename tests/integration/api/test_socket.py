"""`/ws`: who may connect, what each tenant hears, and what it takes to come back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from netra.api import socket as socket_module
from netra.api.socket import origin_allowed
from netra.ids import new_id
from netra.store.postgres import Connection
from tests.integration.api.conftest import Caller, Engine
from tests.integration.publishing import publish
from tests.waiting import until


def say(socket: ClientConnection, **message: Any) -> None:
    socket.send(json.dumps(message))


def hear(socket: ClientConnection, within_s: float = 30.0) -> dict[str, Any]:
    return json.loads(socket.recv(timeout=within_s))


def silent(socket: ClientConnection, for_s: float = 0.3) -> bool:
    try:
        socket.recv(timeout=for_s)
    except TimeoutError:
        return True
    return False


def facts(socket: ClientConnection, n: int) -> list[tuple[int, int]]:
    """Epoch and seq of the next `n` facts; whatever else comes is left out."""
    found: list[tuple[int, int]] = []
    while len(found) < n:
        message = hear(socket)
        if message["type"] == "fact":
            found.append((message["epoch"], message["seq"]))
    return found


@contextmanager
def following(caller: Caller, job_id: str, **position: int) -> Iterator[ClientConnection]:
    with caller.socket() as socket:
        say(socket, type="subscribe", job_id=job_id, **position)
        yield socket


def test_a_ping_is_answered_before_and_after_saying_who_one_is(caller: Caller) -> None:
    with caller.anonymous_socket() as socket:
        say(socket, type="ping")
        assert hear(socket) == {"type": "pong"}
        say(socket, type="auth", api_key=caller.key)
        assert hear(socket) == {"type": "authenticated", "tenant_id": caller.tenant}
        say(socket, type="ping")
        assert hear(socket) == {"type": "pong"}


def test_a_job_is_followed_from_its_first_fact_to_its_last(caller: Caller, engine: Engine) -> None:
    job = caller.submit()["id"]
    with following(caller, job) as socket:
        first = hear(socket)
        assert (first["type"], first["kind"], first["seq"]) == ("fact", "job.queued", 1)
        assert set(first) == {"type", "job_id", "epoch", "seq", "ts", "kind", "stage", "payload"}
        engine.run(job)
        kinds = [hear(socket)["kind"] for _ in range(5)]
    assert kinds == [
        "stage.admitted",
        "job.started",
        "stage.started",
        "stage.succeeded",
        "job.succeeded",
    ]


def test_who_comes_back_gets_exactly_the_rest(caller: Caller, engine: Engine) -> None:
    job = caller.submit()["id"]
    with following(caller, job) as socket:
        assert facts(socket, 1) == [(1, 1)]
    engine.run(job)
    epoch, last = engine.last(job)
    with following(caller, job, epoch=epoch, after_seq=1) as socket:
        assert facts(socket, last - 1) == [(1, i) for i in range(2, last + 1)]
        assert silent(socket)
    with following(caller, job, epoch=epoch, after_seq=last) as socket:
        assert silent(socket)


def test_the_rest_comes_from_postgresql_when_redis_has_forgotten(
    caller: Caller, engine: Engine
) -> None:
    job = caller.submit()["id"]
    engine.run(job)
    engine.redis.flushall()
    _, last = engine.last(job)
    with following(caller, job) as socket:
        assert facts(socket, last) == [(1, i) for i in range(1, last + 1)]


def test_flushing_redis_while_following_loses_nothing(caller: Caller, engine: Engine) -> None:
    job = caller.submit()["id"]
    with following(caller, job) as socket:
        assert facts(socket, 1) == [(1, 1)]
        claim = engine.started()
        engine.redis.flushall()
        engine.complete(claim)
        _, last = engine.last(job)
        assert facts(socket, last - 1) == [(1, i) for i in range(2, last + 1)]


def test_a_retry_is_told_in_its_new_epoch(caller: Caller, engine: Engine) -> None:
    job = caller.submit()["id"]
    with following(caller, job) as socket:
        assert facts(socket, 1) == [(1, 1)]
        caller.http.post(f"/api/v1/jobs/{job}/cancel")
        assert facts(socket, 2) == [(1, 2), (1, 3)]
        caller.http.post(f"/api/v1/jobs/{job}/retry")
        assert facts(socket, 1) == [(2, 1)]
        engine.run(job)
        epoch, last = engine.last(job)
        assert facts(socket, last - 1) == [(epoch, i) for i in range(2, last + 1)]
    with following(caller, job, epoch=1, after_seq=2) as socket:
        assert facts(socket, last + 1) == [(1, 3), *((2, i) for i in range(1, last + 1))]


def test_a_position_ahead_of_the_job_is_told_and_the_epoch_sent_whole(
    caller: Caller, engine: Engine
) -> None:
    job = caller.submit()["id"]
    with following(caller, job, epoch=1, after_seq=99) as socket:
        told = hear(socket)
        fact = hear(socket)
    told, fact = sorted([told, fact], key=lambda m: m["type"])
    assert (told["type"], told["slug"], told["job_id"]) == ("error", "position-ahead", job)
    assert (fact["epoch"], fact["seq"]) == (1, 1)


def test_ticks_pass_beside_facts(caller: Caller, engine: Engine) -> None:
    from netra.progress.publish import tick

    job = caller.submit()["id"]
    with following(caller, job, epoch=1, after_seq=1) as socket:
        say(socket, type="ping")
        assert hear(socket) == {"type": "pong"}
        for command in tick(caller.tenant, job, None, "noop", 0.5, "half"):
            engine.redis.execute_command(*command)
        assert hear(socket) == {
            "type": "tick",
            "job_id": job,
            "stage": "noop",
            "fraction": 0.5,
            "message": "half",
        }


def test_a_job_is_left(caller: Caller, engine: Engine) -> None:
    job = caller.submit()["id"]
    with following(caller, job) as socket:
        assert facts(socket, 1) == [(1, 1)]
        say(socket, type="unsubscribe", job_id=job)
        say(socket, type="ping")
        assert hear(socket) == {"type": "pong"}
        engine.run(job)
        assert silent(socket)


def test_a_batch_is_followed_with_all_its_jobs(caller: Caller, engine: Engine) -> None:
    jobs = [{"stages": [{"agent": "noop"}]} for _ in range(3)]
    answer = caller.http.post("/api/v1/batches", json={"name": "b", "jobs": jobs}).json()
    batch, ids = answer["batch"]["id"], [job["id"] for job in answer["jobs"]]
    with caller.socket() as socket:
        say(socket, type="subscribe", batch_id=batch)
        snapshot = hear(socket)
        assert snapshot["type"] == "snapshot"
        assert (snapshot["total"], snapshot["states"]) == (3, {"queued": 3})
        assert {job["id"]: job["seq"] for job in snapshot["jobs"]} == dict.fromkeys(ids, 1)
        for job in ids:
            engine.run(job)
        more = caller.http.post("/api/v1/batches", json={"name": "b", "jobs": jobs[:1]}).json()
        new = more["jobs"][0]["id"]
        heard: dict[str, list[int]] = {}
        while sum(map(len, heard.values())) < 3 * 5 + 1:
            message = hear(socket)
            heard.setdefault(message["job_id"], []).append(message["seq"])
    assert heard == {**{job: [2, 3, 4, 5, 6] for job in ids}, new: [1]}


def test_a_batch_is_resumed_from_the_positions_that_are_given(
    caller: Caller, engine: Engine
) -> None:
    body = {"name": "b", "jobs": [{"stages": [{"agent": "noop"}]}] * 2}
    answer = caller.http.post("/api/v1/batches", json=body).json()
    a, b = (job["id"] for job in answer["jobs"])
    engine.run(a)
    engine.run(b)
    with caller.socket() as socket:
        positions = {a: {"epoch": 1, "seq": 4}}
        say(socket, type="subscribe", batch_id=answer["batch"]["id"], positions=positions)
        assert hear(socket)["finished"] == 2
        assert [(m["job_id"], m["seq"]) for m in (hear(socket), hear(socket))] == [
            (a, 5),
            (a, 6),
        ]
        assert silent(socket)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '"x"',
        '{"type": "nope"}',
        '{"job_id": "x"}',
        '{"type": "subscribe"}',
        '{"type": "subscribe", "job_id": "nope"}',
        '{"type": "subscribe", "job_id": "x", "after_seq": -1}',
        '{"type": "subscribe", "job_id": "x", "nope": 1}',
        '{"type": "subscribe", "batch_id": "nope"}',
        '{"type": "unsubscribe"}',
    ],
)
def test_what_is_not_understood_is_told_and_the_connection_stays(caller: Caller, text: str) -> None:
    with caller.socket() as socket:
        socket.send(text)
        told = hear(socket)
        assert told["type"] == "error"
        assert told["slug"] == "invalid-input"
        assert told["detail"]
        say(socket, type="ping")
        assert hear(socket) == {"type": "pong"}


def test_another_tenants_job_and_batch_are_not_there(call: Any, engine: Engine) -> None:
    owner, stranger = call(), call()
    body = {"name": "b", "jobs": [{"stages": [{"agent": "noop"}]}]}
    answer = owner.http.post("/api/v1/batches", json=body).json()
    job, batch = answer["jobs"][0]["id"], answer["batch"]["id"]
    with stranger.socket() as socket:
        for named in ({"job_id": job}, {"batch_id": batch}, {"job_id": str(new_id())}):
            say(socket, type="subscribe", **named)
            told = hear(socket)
            assert (told["type"], told["slug"]) == ("error", "not-found")
        engine.run(job)
        assert silent(socket)


@pytest.mark.parametrize("key", ["netra_wrong", ""])
def test_a_wrong_key_is_refused(caller: Caller, key: str) -> None:
    with caller.anonymous_socket(**{"X-API-Key": key}) as socket:
        assert hear(socket)["slug"] == "unauthorized"
        with pytest.raises(ConnectionClosed) as closed:
            hear(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401


def test_without_a_key_nothing_but_pings_is_answered(caller: Caller) -> None:
    job = caller.submit()["id"]
    with caller.anonymous_socket() as socket:
        for text in (f'{{"type": "subscribe", "job_id": "{job}"}}', "{"):
            socket.send(text)
            assert hear(socket)["type"] == "error"
        say(socket, type="auth", api_key="netra_wrong")
        assert hear(socket)["slug"] == "unauthorized"
        with pytest.raises(ConnectionClosed):
            hear(socket)


def test_who_does_not_say_who_it_is_is_sent_away(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_module, "AUTH_S", 0.2)
    with caller.anonymous_socket() as socket:
        say(socket, type="ping")
        assert hear(socket) == {"type": "pong"}
        assert hear(socket)["slug"] == "unauthorized"
        with pytest.raises(ConnectionClosed) as closed:
            hear(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401


def test_a_ticket_opens_one_connection(caller: Caller, address: str) -> None:
    answer = caller.http.post("/api/v1/tickets")
    assert answer.status_code == 201
    ticket = answer.json()["ticket"]
    job = caller.submit()["id"]
    with caller.anonymous_socket(f"?ticket={ticket}") as socket:
        say(socket, type="subscribe", job_id=job)
        assert facts(socket, 1) == [(1, 1)]
    with caller.anonymous_socket(f"?ticket={ticket}") as socket:
        assert "used already" in hear(socket)["detail"]


@pytest.mark.parametrize("ticket", ["", "x", "x.y", "a.b.c"])
def test_a_forged_ticket_is_refused(caller: Caller, ticket: str) -> None:
    with caller.anonymous_socket(f"?ticket={ticket}") as socket:
        assert hear(socket)["slug"] == "unauthorized"


def test_a_tampered_ticket_is_refused(call: Any) -> None:
    mine, yours = (call().http.post("/api/v1/tickets").json()["ticket"] for _ in range(2))
    mixed = mine.partition(".")[0] + "." + yours.partition(".")[2]
    with call().anonymous_socket(f"?ticket={mixed}") as socket:
        assert hear(socket)["slug"] == "unauthorized"


def test_a_key_that_was_revoked_follows_nothing_more(
    caller: Caller, pg: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netra.api.access._CACHE_S", 0.0)
    job = caller.submit()["id"]
    with caller.socket() as socket:
        say(socket, type="ping")
        assert hear(socket) == {"type": "pong"}
        pg.execute("UPDATE api_keys SET revoked_at = now() WHERE tenant_id = %s", [caller.tenant])
        say(socket, type="subscribe", job_id=job)
        assert hear(socket)["slug"] == "unauthorized"
        with pytest.raises(ConnectionClosed):
            hear(socket)


def test_a_key_that_was_revoked_loses_what_it_follows(
    caller: Caller, pg: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netra.api.access._CACHE_S", 0.0)
    monkeypatch.setattr("netra.api.socket.HOLD_S", 0.1)
    monkeypatch.setattr("netra.api.events.HEARTBEAT_S", 0.1)
    job = caller.submit()["id"]
    stream = events(caller, job)
    assert next(stream)[0] == "1-1"
    with following(caller, job) as socket:
        assert facts(socket, 1) == [(1, 1)]
        assert silent(socket)
        pg.execute("UPDATE api_keys SET revoked_at = now() WHERE tenant_id = %s", [caller.tenant])
        assert hear(socket)["slug"] == "unauthorized"
        with pytest.raises(ConnectionClosed):
            hear(socket)
    assert list(stream) == []


def test_origins_are_checked(caller: Caller, address: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        caller.socket(Origin="https://evil.example")
    assert refused.value.response.status_code == 403
    for origin in ("https://console.example", f"http://{address}"):
        with caller.socket(Origin=origin) as socket:
            say(socket, type="ping")
            assert hear(socket) == {"type": "pong"}


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "api.example", True),
        ("https://api.example", "api.example", True),
        ("https://app.example", "api.example", True),
        ("https://evil.example", "api.example", False),
        ("null", "api.example", False),
        ("https://api.example:444", "api.example", False),
        ("", None, False),
    ],
)
def test_which_origins_may_connect(origin: str | None, host: str | None, allowed: bool) -> None:
    assert origin_allowed(origin, host, ("https://app.example",)) is allowed


def test_a_client_that_does_not_read_holds_nobody_back(caller: Caller, engine: Engine) -> None:
    """It gets everything once it reads, and the process keeps little of it meanwhile."""

    job = caller.submit()["id"]
    n = 4000
    with following(caller, job) as slow, following(caller, job) as quick:
        assert facts(slow, 1) == facts(quick, 1) == [(1, 1)]
        rows = _many(engine, job, n)
        for i in range(0, n, 200):
            publish(engine.redis, rows[i : i + 200], engine.settings.progress)
        assert facts(quick, n) == [(1, i) for i in range(2, n + 2)]
        assert facts(slow, n) == [(1, i) for i in range(2, n + 2)]


def _many(engine: Engine, job: str, n: int) -> list[dict[str, Any]]:
    """Facts of half a kilobyte each, written and still to be published."""
    found = engine.queue.connection.execute(
        "WITH j AS (UPDATE jobs SET seq = seq + %(n)s WHERE id = %(job)s RETURNING *), f AS ("
        " INSERT INTO facts (job_id, epoch, seq, tenant_id, kind, payload)"
        " SELECT j.id, 1, j.seq - %(n)s + i, j.tenant_id, 'stage.retried',"
        " jsonb_build_object('reason', repeat('x', 500)) FROM j, generate_series(1, %(n)s) i"
        " RETURNING *) SELECT to_jsonb(f) - 'published' || '{\"type\": \"fact\"}' AS fact"
        " FROM f ORDER BY seq",
        {"n": n, "job": job},
    ).fetchall()
    return [row["fact"] for row in found]


def test_a_socket_counts_as_open_while_it_is(caller: Caller) -> None:
    def open_now() -> float:
        text = caller.http.get("/metrics").text
        (line,) = [x for x in text.splitlines() if x.startswith("websocket_connections ")]
        return float(line.split()[1])

    before = open_now()
    with caller.socket() as socket:
        say(socket, type="ping")
        hear(socket)
        assert open_now() == before + 1
    until(lambda: open_now() == before)


# --- Server-Sent Events: the same objects


def events(
    caller: Caller, job: str, last_id: str | None = None, **query: str
) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """The stream's `(id, data)`, until it ends."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    url = f"/api/v1/jobs/{job}/events"
    with caller.http.stream("GET", url, headers=headers, params=query, timeout=30) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        name: str | None = None
        for line in answer.iter_lines():
            if line.startswith("id: "):
                name = line.removeprefix("id: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))
                name = None


def test_a_stream_gives_every_fact_and_ends_with_the_job(caller: Caller, engine: Engine) -> None:
    job = caller.submit()["id"]
    stream = events(caller, job)
    name, first = next(stream)
    assert name == "1-1"
    assert first["kind"] == "job.queued"
    engine.run(job)
    rest = list(stream)
    assert [name for name, _ in rest] == [f"1-{i}" for i in range(2, 7)]
    assert rest[-1][1]["kind"] == "job.succeeded"


def test_a_stream_resumes_after_the_last_id(caller: Caller, engine: Engine) -> None:
    job = caller.submit()["id"]
    engine.run(job)
    assert [name for name, _ in events(caller, job, "1-4")] == ["1-5", "1-6"]
    assert [name for name, _ in events(caller, job, last_event_id="1-5")] == ["1-6"]


def test_a_stream_that_was_seen_to_its_end_is_over(caller: Caller, engine: Engine) -> None:
    job = caller.submit()["id"]
    engine.run(job)
    answer = caller.http.get(f"/api/v1/jobs/{job}/events", headers={"Last-Event-ID": "1-6"})
    assert answer.status_code == 204


def test_a_stream_of_a_retried_job_passes_the_old_epochs_end(
    caller: Caller, engine: Engine
) -> None:
    job = caller.submit()["id"]
    caller.http.post(f"/api/v1/jobs/{job}/cancel")
    caller.http.post(f"/api/v1/jobs/{job}/retry")
    engine.run(job)
    names = [name for name, _ in events(caller, job, "1-1")]
    assert names == ["1-2", "1-3", *(f"2-{i}" for i in range(1, engine.last(job)[1] + 1))]


def test_a_stream_cannot_be_resumed_at_nonsense(http: httpx.Client, caller: Caller) -> None:
    job = caller.submit()["id"]
    answer = http.get(f"/api/v1/jobs/{job}/events", headers={"Last-Event-ID": "x"})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["where"] == "Last-Event-ID"


def test_a_quiet_stream_says_that_it_is_there(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netra.api.events.HEARTBEAT_S", 0.1)
    job = caller.submit()["id"]
    with caller.http.stream("GET", f"/api/v1/jobs/{job}/events", timeout=30) as answer:
        lines = answer.iter_lines()
        while next(lines) != ": still here":
            pass
