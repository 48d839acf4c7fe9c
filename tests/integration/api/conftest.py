"""The API as a server of its own, on real stores; each test has tenants that nobody else has."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
import pytest
import redis as redis_module
from websockets.sync.client import ClientConnection, connect

from netra.api import serve
from netra.engine.claim import Claim
from netra.ids import new_id
from netra.settings import Settings
from netra.store import postgres
from netra.store import redis as redis_store
from netra.store.postgres import Connection
from netra.store.queue import Queue
from tests.integration.bench import Bench
from tests.integration.publishing import publish


@dataclass(frozen=True)
class Caller:
    """A tenant's client of the running API."""

    tenant: str
    key: str
    http: httpx.Client
    ws_url: str

    def socket(self, **headers: str) -> ClientConnection:
        return self.anonymous_socket(**{"Authorization": f"Bearer {self.key}", **headers})

    def anonymous_socket(self, query: str = "", **headers: str) -> ClientConnection:
        return connect(self.ws_url + query, additional_headers=headers, compression=None)

    def submit(self, *stages: dict[str, Any], **body: Any) -> dict[str, Any]:
        """Submits a job of noop stages; the job as answered."""
        given = {"stages": list(stages) or [{"agent": "noop"}], **body}
        answer = self.http.post("/api/v1/jobs", json=given)
        assert answer.status_code == 202, answer.text
        return answer.json()["job"]


class Server:
    """`netra.api.serve` in a thread."""

    def __init__(self, settings: Settings) -> None:
        self.server = serve.server(settings, "127.0.0.1", 0)
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def start(self) -> str:
        """Its address, once it serves."""
        self.thread.start()
        until = time.monotonic() + 60
        while not self.server.started:
            assert self.thread.is_alive(), "the API did not start"
            assert time.monotonic() < until
            time.sleep(0.01)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        return f"127.0.0.1:{port}"

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=60)
        assert not self.thread.is_alive()


@pytest.fixture(scope="session")
def api_settings(store_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    api = msgspec.structs.replace(
        store_settings.api,
        jwt_secret_key="a secret of the tests",
        spool_dir=str(tmp_path_factory.mktemp("spool")),
        allowed_origins=("https://console.example",),
    )
    return msgspec.structs.replace(store_settings, api=api)


@pytest.fixture(scope="session")
def address(api_settings: Settings) -> Iterator[str]:
    server = Server(api_settings)
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def pg(api_settings: Settings) -> Iterator[Connection]:
    with postgres.connect(api_settings.database, "test") as connection:
        yield connection


@pytest.fixture
def call(address: str, pg: Connection) -> Iterator[Any]:
    """Makes callers, each a tenant of its own unless one is named."""
    made: list[Caller] = []

    def make(tenant: str | None = None) -> Caller:
        tenant = tenant or f"t-{new_id().hex[-12:]}"
        key = f"netra_{new_id().hex}"
        pg.execute("INSERT INTO tenants (id) VALUES (%s) ON CONFLICT DO NOTHING", [tenant])
        pg.execute(
            "INSERT INTO api_keys (key_hash, tenant_id, name) VALUES (%s, %s, 'test')",
            [hashlib.sha256(key.encode()).hexdigest(), tenant],
        )
        http = httpx.Client(
            base_url=f"http://{address}",
            headers={"Authorization": f"Bearer {key}"},
            timeout=20,
        )
        made.append(Caller(tenant, key, http, f"ws://{address}/ws"))
        return made[-1]

    yield make
    for caller in made:
        caller.http.close()


@pytest.fixture
def caller(call: Any) -> Caller:
    return call()


@pytest.fixture
def http(caller: Caller) -> httpx.Client:
    return caller.http


class Engine(Bench):
    """The engine's transitions, made and published as the scheduler and workers do."""

    redis: redis_module.Redis
    #: Slots of the worker that is there while stages are admitted.
    size = 4

    def keep(self, answer: dict[str, Any] | None) -> dict[str, Any] | None:
        if answer:
            self.facts.extend(answer["facts"])
            publish(self.redis, answer["facts"], self.settings.progress)
        return answer

    def run(self, job_id: str, content: Any = None) -> None:
        """Runs stages as they are admitted, until the job has ended."""
        while self.job_state(job_id) in ("queued", "running"):
            self.complete(self.next(), content)

    def next(self) -> Claim:
        """Admits what can be, and claims what was admitted first."""
        self.admit()
        (claim,) = self.claims()
        return claim

    def admit(self, pool: str = "cpu", ahead: float = 0.0) -> list[dict[str, Any]]:
        """The worker is there for as long as this takes: what is submitted later stays queued until
        the next call."""
        self.slots(self.size)
        try:
            return super().admit(pool, ahead)
        finally:
            self.queue.deregister(self.worker)

    def job_state(self, job_id: str) -> str:
        row = self.queue.connection.execute(
            "SELECT state FROM jobs WHERE id = %s", [job_id]
        ).fetchone()
        assert row is not None
        return row["state"]

    def last(self, job_id: str) -> tuple[int, int]:
        row = self.queue.connection.execute(
            "SELECT epoch, seq FROM jobs WHERE id = %s", [job_id]
        ).fetchone()
        assert row is not None
        return row["epoch"], row["seq"]


@pytest.fixture
def engine(api_settings: Settings) -> Iterator[Engine]:
    """The queue emptied; a worker is there while stages are admitted."""
    with postgres.connect(api_settings.database, "test-engine") as connection:
        connection.execute(
            "TRUNCATE facts, stage_results, dead_letters, stages, jobs, batches, workers, shares"
            " CASCADE"
        )
        engine = Engine(api_settings, Queue(connection))
        engine.redis = redis_store.connect(api_settings.redis)
        yield engine
        engine.redis.close()


def report_result(pg: Connection, job_id: str, content: Any) -> None:
    """Gives a job's stage a report, as if the agent `report` had run it."""
    from psycopg.types.json import Jsonb

    pg.execute("UPDATE stages SET agent = 'report' WHERE job_id = %s", [job_id])
    pg.execute(
        "UPDATE stage_results SET agent = 'report', content = %s WHERE job_id = %s",
        [Jsonb(content), job_id],
    )
