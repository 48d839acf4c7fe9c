"""`netra health all`: whether everything that serves users does, one line a part."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

import click

from netra.client.connection import socket_options, socket_url
from netra.errors import NetraError
from netra.settings import Settings

#: A part that has not answered by then is not healthy, seconds.
PATIENCE_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Vital:
    """One part, and how to ask it."""

    name: str
    #: What it answered; raises if it is not healthy.
    ask: Callable[[], str]


def vitals(settings: Settings, api_url: str, frontend_url: str | None) -> list[Vital]:
    """What is asked, in this order. A frontend only where there is one."""
    asked = [
        Vital(name="backend", ask=lambda: _http(f"{api_url}/health")),
        *(
            [Vital(name="frontend", ask=lambda: _http(f"{frontend_url}/api/health"))]
            if frontend_url
            else []
        ),
        Vital(name="postgresql", ask=lambda: _postgres(settings)),
        Vital(name="redis", ask=lambda: _redis(settings)),
        Vital(name="clickhouse", ask=lambda: _clickhouse(settings)),
        Vital(name="websocket", ask=lambda: _websocket(api_url)),
    ]
    return asked


def report(asked: list[Vital]) -> bool:
    """Prints a line for each part; whether all are healthy."""
    well = True
    for vital in asked:
        began = time.monotonic()
        try:
            answer = vital.ask()
            state = "ok"
        except Exception as e:  # whatever is broken, the other parts are asked too
            said = e.detail if isinstance(e, NetraError) else str(e) or type(e).__name__
            answer, state, well = said.splitlines()[0], "FAILED", False
        ms = (time.monotonic() - began) * 1000
        click.echo(f"{vital.name:<11} {state:<7} {answer} ({ms:.0f} ms)")
    return well


def _http(url: str) -> str:
    with urlopen(url, timeout=PATIENCE_S) as answer:
        return f"{url} answered {answer.status}"


def _postgres(settings: Settings) -> str:
    from netra.store import postgres

    with postgres.connect(settings.database, "health") as connection:
        row: Any = connection.execute("SELECT current_setting('server_version') AS v").fetchone()
        return f"version {row['v']}"


def _redis(settings: Settings) -> str:
    from netra.store import redis

    with redis.connect(settings.redis) as client:
        client.ping()
        return "answered PING"


def _clickhouse(settings: Settings) -> str:
    """Asks over plain HTTP, with the password: the driver takes a second to load."""
    from netra.store.clickhouse import database_of

    database_of(settings.clickhouse)  # says what is wrong with a malformed URL
    parts = urlsplit(settings.clickhouse.url)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(
        parts.hostname or "", parts.port or (8443 if secure else 8123), timeout=PATIENCE_S
    )
    headers = {
        "X-ClickHouse-User": unquote(parts.username or "default"),
        "X-ClickHouse-Key": unquote(parts.password or ""),
    }
    try:
        connection.request("POST", "/", body="SELECT version()", headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace").strip()
    finally:
        connection.close()
    if answer.status != 200:
        raise NetraError(f"answered {answer.status}: {text[:200]}")
    return f"version {text}"


def _websocket(api_url: str) -> str:
    from websockets.sync.client import connect

    with connect(socket_url(api_url), **{**socket_options({}), "open_timeout": PATIENCE_S}) as ws:
        ws.send('{"type": "ping"}')
        answer = json.loads(ws.recv(timeout=PATIENCE_S))
    if answer != {"type": "pong"}:
        raise NetraError(f"a ping was answered by {answer}")
    return f"{socket_url(api_url)} answered pong"
