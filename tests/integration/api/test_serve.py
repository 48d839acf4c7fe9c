"""The API as a process: it goes when asked, ends its streams, and says what is wrong at start."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from netra.settings import Settings
from tests.integration.api.conftest import Caller


@contextmanager
def process(settings: Settings, **environ: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`python -m netra.api.serve` on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    given = {
        "DATABASE_URL": settings.database.url,
        "REDIS_URL": settings.redis.url,
        "CLICKHOUSE_URL": settings.clickhouse.url,
        "NETRA_API_PORT": str(port),
        **environ,
    }
    running = subprocess.Popen(
        [sys.executable, "-m", "netra.api.serve"],
        env={**os.environ, **given},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield running, f"127.0.0.1:{port}"
    finally:
        running.kill()
        running.communicate()


def until_it_serves(address: str) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            httpx.get(f"http://{address}/health")
        except httpx.ConnectError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the API did not start")


def test_it_goes_when_asked_and_ends_its_streams(api_settings: Settings, caller: Caller) -> None:
    job = caller.submit()["id"]
    with process(api_settings) as (running, address):
        until_it_serves(address)
        here = Caller(caller.tenant, caller.key, caller.http, f"ws://{address}/ws")
        url = f"http://{address}/api/v1/jobs/{job}/events"
        headers = {"X-API-Key": caller.key}
        with here.socket() as ws, httpx.stream("GET", url, headers=headers) as stream:
            lines = stream.iter_lines()
            while not next(lines).startswith("id: 1-1"):
                pass
            running.terminate()
            assert [line for line in lines if line.startswith("id:")] == []
            with pytest.raises(ConnectionClosed):
                ws.recv(timeout=30)
        # uvicorn goes by the signal that it was sent, once all is closed.
        assert running.wait(timeout=30) in (0, -signal.SIGTERM)


def test_it_serves_without_its_stores_and_says_so(api_settings: Settings) -> None:
    away = {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "CLICKHOUSE_URL": "http://127.0.0.1:1/none",
        "NETRA_DATABASE_CONNECT_TIMEOUT_S": "0.5",
    }
    with process(api_settings, **away) as (_, address):
        until_it_serves(address)
        ready = httpx.get(f"http://{address}/health/ready", timeout=30)
        assert ready.status_code == 503
        stores = ready.json()["stores"]
        assert {name: store["ok"] for name, store in stores.items()} == {
            "postgres": False,
            "redis": False,
            "clickhouse": False,
        }
        assert all(store["problem"] for store in stores.values())
        told = httpx.get(
            f"http://{address}/api/v1/jobs", headers={"X-API-Key": "netra_x"}, timeout=30
        )
        assert told.status_code == 503
        assert told.json()["type"].endswith("/store-unavailable")
        assert told.headers["retry-after"] == "1"


def test_without_a_database_url_it_says_what_to_set(api_settings: Settings) -> None:
    with process(api_settings, DATABASE_URL="") as (running, _):
        said, _ = running.communicate(timeout=60)
        assert running.returncode != 0
        assert "DATABASE_URL" in said
