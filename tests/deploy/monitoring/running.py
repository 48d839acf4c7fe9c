"""A whole stack at work, watched by everything that watches one: started once for all tests."""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from netra.embedded.info import StackInfo
from netra.embedded.supervisor import running_stack
from netra.ingest import generate
from tests.conftest import settings_without_stores, temporary_home
from tests.deploy.monitoring import pods, prometheus
from tests.deploy.monitoring.artefacts import path_of
from tests.deploy.monitoring.otlp import Collector
from tests.deploy.monitoring.prometheus import Prometheus

#: The running stack is scraped for this long at least, seconds.
SCRAPED_S = 60.0
_SERVED = ("api", "worker-cpu", "worker-gpu", "scheduler", "flower", "migrate", "clickhouse")


@dataclass
class Observed:
    stack: StackInfo
    collector: Collector
    prometheus: Prometheus
    #: The trace that the client began and its span, and what it was answered.
    trace_id: str
    parent_id: str
    request_id: str
    answered: httpx.Headers
    job_id: str
    report: dict[str, Any]
    #: How long it has been scraped, seconds.
    scraped_s: float
    #: The newest jobs by state.
    jobs: dict[str, int]

    def logs(self) -> dict[str, list[str]]:
        """The lines that each process has written so far."""
        folder = self.stack.home / "logs"
        return {name: (folder / f"{name}.log").read_text().splitlines() for name in _SERVED}


@contextmanager
def _environment(**more: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in more}
    os.environ.update(more)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def _follow(stack: StackInfo, over: threading.Event) -> None:
    """Holds a WebSocket open."""
    url = stack.api_url.replace("http", "ws") + "/ws"
    headers = {"Authorization": f"Bearer {stack.api_key}"}
    with connect(url, additional_headers=headers) as socket:
        while not over.wait(0.5):
            with suppress(TimeoutError):
                socket.recv(timeout=0.01)


def _work(stack: StackInfo, over: threading.Event) -> None:
    """Small jobs, now and then one that fails, requests that lead nowhere."""
    headers = {"Authorization": f"Bearer {stack.api_key}"}
    with httpx.Client(base_url=stack.api_url, headers=headers, timeout=20) as http:
        n = 0
        while not over.wait(1.0):
            params: dict[str, Any] = {"sleep_s": 0.3}
            if n % 20 == 0:
                params = {"fail_attempts": 9}
            stage = {"name": "a", "agent": "noop", "params": params}
            http.post("/api/v1/jobs", json={"goal": "Cut cost", "stages": [stage]})
            http.get("/api/v1/jobs", params={"limit": 5})
            http.get(f"/nowhere/{n}")
            n += 1


def _optimize(http: httpx.Client, traceparent: str, request_id: str) -> httpx.Response:
    """Uploads a generated workload, and submits the job whose trace is followed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generated.parquet"
        generate.write(path, 20_000, seed=7, days=21)
        created = http.post(
            "/api/v1/workloads", params={"name": "observed"}, content=path.read_bytes()
        )
    assert created.status_code in (200, 201), created.text
    body = {
        "workload_id": created.json()["workload"]["id"],
        "goal": "Cut cost at equal quality.",
        "priority": 9,
    }
    answer = http.post(
        "/api/v1/jobs",
        json=body,
        headers={"traceparent": traceparent, "X-Request-ID": request_id},
    )
    assert answer.status_code == 202, answer.text
    return answer


def _report(http: httpx.Client, job_id: str) -> dict[str, Any]:
    end = time.monotonic() + 180
    while time.monotonic() < end:
        answer = http.get(f"/api/v1/jobs/{job_id}/report")
        if answer.status_code == 200:
            return answer.json()
        assert answer.status_code == 409, answer.text
        time.sleep(0.5)
    raise AssertionError("there is no report")


@pytest.fixture(scope="session")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """The stack with spans exported, after it has worked and been scraped for a minute."""
    trace_id, parent_id = secrets.token_hex(16), secrets.token_hex(8)
    request_id = f"test-{secrets.token_hex(4)}"
    folder = tmp_path_factory.mktemp("prometheus")
    over = threading.Event()
    with (
        Collector() as collector,
        _environment(NETRA_TRACING_ENDPOINT=collector.url),
        temporary_home() as home,
        running_stack(home, settings=settings_without_stores()) as stack,
        httpx.Client(
            base_url=stack.api_url,
            headers={"Authorization": f"Bearer {stack.api_key}"},
            timeout=60,
        ) as http,
    ):
        configuration = prometheus.rendered(
            path_of("prometheus", "kubernetes.yml"), pods.targets(dict(stack.ports)), folder
        )
        with prometheus.running(configuration, _free_port(), folder) as server:
            begun = time.monotonic()
            busy = [
                threading.Thread(target=work, args=(stack, over), daemon=True)
                for work in (_work, _follow)
            ]
            for one in busy:
                one.start()
            try:
                answer = _optimize(http, f"00-{trace_id}-{parent_id}-01", request_id)
                job_id = answer.json()["job"]["id"]
                report = _report(http, job_id)
                # What a report found is read from PostgreSQL some seconds later.
                time.sleep(max(10.0, SCRAPED_S - (time.monotonic() - begun)))
                yield Observed(
                    stack=stack,
                    collector=collector,
                    prometheus=server,
                    trace_id=trace_id,
                    parent_id=parent_id,
                    request_id=request_id,
                    answered=answer.headers,
                    job_id=job_id,
                    report=report,
                    scraped_s=time.monotonic() - begun,
                    jobs=_states(http),
                )
            finally:
                over.set()
                for one in busy:
                    one.join(timeout=20)


def _states(http: httpx.Client) -> dict[str, int]:
    items = http.get("/api/v1/jobs", params={"limit": 200}).json()["items"]
    return dict(Counter(job["state"] for job in items))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
