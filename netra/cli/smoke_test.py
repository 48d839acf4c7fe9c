"""`netra smoke-test`: one small real job through everything, its figures beside the truth."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import msgspec

from netra.cli.connection import with_api
from netra.client import JobRequest, Netra
from netra.client.connection import socket_options, socket_url
from netra.client.follow import TERMINAL, read
from netra.errors import NetraError, NotFound
from netra.schemas.progress import Fact
from netra.schemas.report import Report
from netra.schemas.socket import Auth, Subscribe
from netra.schemas.workload import Workload

#: The workload that smoke tests share. Its events have ids: sent again, they change nothing.
NAME = "netra-smoke-test"
_EVENTS = 400
_COST_USD = 0.01
_START = datetime(2026, 1, 5, 9, tzinfo=UTC)
_INPUT_TOKENS = [1000 + i for i in range(_EVENTS)]
#: What the report must say of them, by the figures' labels.
TRUTH = {
    "Requests": float(_EVENTS),
    "Recorded cost": _EVENTS * _COST_USD,
    "Input tokens": float(sum(_INPUT_TOKENS)),
}


class SmokeTestFailed(NetraError):
    """Something on the way from a submitted job to its report does not work."""

    slug = "smoke-test-failed"


@click.command("smoke-test")
@click.option("--within", "within_s", type=float, default=120.0, show_default=True, help="Seconds.")
@with_api
def smoke_test(netra: Netra, within_s: float) -> None:
    """Run one small job through the whole installation and compare its report with the truth.

    Uploads 400 events that it makes (the same each time), submits a job on them, follows it over a
    WebSocket to its last fact, and reads the report. Exit code 0: every figure was right.
    """
    with _step("whoami") as said:
        said.append(f"tenant {netra.access.whoami().tenant_id} at {netra.url}")
    with _step("upload") as said:
        workload = _uploaded(netra)
        said.append(f"workload {workload.name} holds {workload.events} events")
    if workload.events != _EVENTS:
        raise SmokeTestFailed(f"{NAME} holds {workload.events} events, not {_EVENTS}: delete it")
    with _step("submit") as said:
        goal = JobRequest(
            workload_id=workload.id,
            goal="Cut cost by 20 %",
            pipeline="profile",
            labels={"made-by": NAME},
        )
        job = netra.jobs.submit(goal)
        said.append(f"job {job.id}")
    with _step("follow") as said:
        last = _last_fact(netra, job.id, within_s)
        said.append(f"{last.kind} after {last.seq} facts, over the WebSocket")
    if last.kind != "job.succeeded":
        raise SmokeTestFailed(f"job {job.id} ended with {last.kind}: netra job show {job.id}")
    with _step("report") as said:
        found = compared(netra.jobs.report(job.id))
        said.extend(f"{label} {value:,.2f}" for label, value in found.items())
    click.echo("smoke test passed")


def compared(report: Report) -> dict[str, float]:
    """The figures of the report that are known beforehand.

    Raises:
        SmokeTestFailed: one is missing or wrong.
    """
    figures = {figure.label: figure.value for figure in report.headline}
    for label, expected in TRUTH.items():
        value = figures.get(label)
        if value is None:
            raise SmokeTestFailed(f"the report has no {label!r}; it has {sorted(figures)}")
        if abs(value - expected) > 1e-6 * expected:
            raise SmokeTestFailed(f"the report says {label} = {value}, true is {expected}")
    return {label: figures[label] or 0.0 for label in TRUTH}


def events_csv() -> str:
    """The events, as a file to upload."""
    lines = [
        "event_id,ts,provider,model,input_tokens,output_tokens,latency_ms,status,cost_usd",
        *(
            f"smoke-{i},{(_START + timedelta(minutes=i)).isoformat()},openai,gpt-4o-mini,"
            f"{tokens},{100 + i % 7},{800 + i},ok,{_COST_USD}"
            for i, tokens in enumerate(_INPUT_TOKENS)
        ),
    ]
    return "\n".join(lines) + "\n"


def _uploaded(netra: Netra) -> Workload:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{NAME}.csv"
        path.write_text(events_csv())
        try:
            found = netra.workloads.get(NAME)
        except NotFound:
            return netra.workloads.create(path, name=NAME).workload
        return netra.workloads.append(found.id, path).workload


def _last_fact(netra: Netra, job_id: str, within_s: float) -> Fact:
    """The fact that ends the job, as it comes over a socket: no other way is tried."""
    from websockets.exceptions import WebSocketException
    from websockets.sync.client import connect

    end = time.monotonic() + within_s
    try:
        with connect(socket_url(netra.url), **socket_options({})) as socket:
            for message in (Auth(api_key=netra.api_key), Subscribe(job_id=job_id)):
                socket.send(msgspec.json.encode(message).decode())
            while True:
                event = read(socket.recv(timeout=max(end - time.monotonic(), 0)))
                if isinstance(event, Fact) and event.kind in TERMINAL:
                    return event
    except TimeoutError as e:
        raise SmokeTestFailed(f"job {job_id} has not ended within {within_s:g} s") from e
    except (WebSocketException, OSError) as e:
        raise SmokeTestFailed(f"the WebSocket {socket_url(netra.url)} failed: {e}") from e


@contextmanager
def _step(name: str) -> Iterator[list[str]]:
    began = time.monotonic()
    said: list[str] = []
    yield said
    click.echo(f"{name:<8} {', '.join(said)}  ({time.monotonic() - began:.2f} s)")
