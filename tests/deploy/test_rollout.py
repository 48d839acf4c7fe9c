"""A new version is rolled out, and rolled back, while jobs are submitted and followed.

The old version is this repository's last one before the queue's functions were replaced, revision
0008; the new one is what stands here. Both run as they do in a cluster: two APIs, a worker, a
scheduler, each replaced by one that starts before the old one is told to go (an API after, as two
of them serve).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from netra.client.api import Netra
from netra.embedded.info import StackInfo
from netra.embedded.ports import LOOPBACK
from netra.embedded.processes import STORES, answers
from netra.embedded.supervisor import running_stack
from netra.errors import NetraError
from netra.progress.channels import job_stream
from netra.settings import load
from netra.store import redis
from tests.conftest import settings_without_stores, temporary_home
from tests.deploy.backup import earlier
from tests.deploy.conftest import Proof

NEW = earlier.ROOT
#: The old version knows nothing of this revision, nor of those that followed.
_SINCE = "0008"
#: A started process is waited for so long: this machine may be busy, seconds.
_PATIENCE_S = 120.0
_MODULES = {"api": "netra.api.serve", "worker": "workers.cpu", "scheduler": "workers.scheduler"}


@dataclass
class Fleet:
    info: StackInfo
    logs: Path
    #: Free ports for the two APIs.
    ports: tuple[int, int]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, tree: Path) -> subprocess.Popen[bytes]:
        """`name` is `api-0`, `worker`, …; of the version in `tree`."""
        kind, _, number = name.partition("-")
        environ = self.environment(tree)
        if number:
            environ["NETRA_API_PORT"] = str(self.ports[int(number)])
        with (self.logs / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", _MODULES[kind]],
                cwd=tree,
                env=environ,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def environment(self, tree: Path) -> dict[str, str]:
        return {**os.environ, **self.info.environment, "PYTHONPATH": str(tree)}

    def migrate(self, tree: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "netra.store.migrate"],
            cwd=tree,
            env={**self.environment(tree), "NETRA_BOOTSTRAP_API_KEY": self.info.api_key},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def replace(self, name: str, tree: Path) -> None:
        """Rolls one process over to the version in `tree`."""
        old = self.running.get(name)
        if name.startswith("api"):
            _end(old)
            self.running[name] = self.start(name, tree)
            self._until_ready(self.ports[int(name[-1])])
        else:
            self.running[name] = self.start(name, tree)
            self._until_started(name)
            _end(old)

    def roll(self, tree: Path) -> None:
        for name in ("api-0", "api-1", "worker", "scheduler"):
            self.replace(name, tree)

    def _until_ready(self, port: int) -> None:
        ends = time.monotonic() + _PATIENCE_S
        while not answers(port, "/health/ready", timeout_s=5):
            assert time.monotonic() < ends, (self.logs / "api-0.log").read_text()[-3000:]
            time.sleep(0.1)

    def _until_started(self, name: str) -> None:
        """A worker once it has registered; a scheduler is not seen, and given its time."""
        process, ends = self.running[name], time.monotonic() + _PATIENCE_S
        while name == "worker":
            with psycopg.connect(self.info.database_url) as pg:
                query = "SELECT 1 FROM workers WHERE pid = %s"
                if pg.execute(query, [process.pid]).fetchone():
                    return
            assert time.monotonic() < ends
            assert process.poll() is None
            time.sleep(0.2)
        time.sleep(3)
        assert process.poll() is None, (self.logs / f"{name}.log").read_text()[-3000:]

    def stop(self) -> None:
        for process in self.running.values():
            _end(process)


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    # Its own children, should it have left any.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


class Clients(threading.Thread):
    """Submits jobs as behind a balancer: what fails is sent once more, to the other API."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(daemon=True)
        self.fleet = fleet
        self.over = threading.Event()
        self.accepted: list[str] = []
        self.retried = 0
        self.failed: list[str] = []

    def run(self) -> None:
        number = 0
        while not self.over.wait(0.05):
            number += 1
            body = {"stages": [{"name": "a", "agent": "noop"}, {"name": "b", "agent": "noop"}]}
            body["stages"][1]["after"] = ["a"]  # pyright: ignore[reportArgumentType]
            key = f"rollout-{number}"
            try:
                self.accepted.append(self._post(number % 2, key, body))
            except OSError:
                self.retried += 1
                try:
                    self.accepted.append(self._post((number + 1) % 2, key, body))
                except OSError as e:
                    self.failed.append(f"{key}: {e}")

    def _post(self, which: int, key: str, body: dict[str, Any]) -> str:
        request = urllib.request.Request(
            f"http://{LOOPBACK}:{self.fleet.ports[which]}/api/v1/jobs",
            data=json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.fleet.info.api_key}",
                "Content-Type": "application/json",
                "Idempotency-Key": key,
            },
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())["job"]["id"]


class Follower(threading.Thread):
    """Follows a job that takes as long as the rollout, through one API; holes would be seen."""

    def __init__(self, fleet: Fleet, which: int) -> None:
        super().__init__(daemon=True)
        self.url = f"http://{LOOPBACK}:{fleet.ports[which]}"
        self.key = fleet.info.api_key
        self.seen: list[tuple[int, int, str]] = []
        self.problem = ""

    def run(self) -> None:
        from netra.schemas.job import JobRequest
        from netra.schemas.progress import Fact

        stages = [{"name": "s0", "agent": "noop", "params": {"sleep_s": 2.0}}]
        for n in range(1, 8):
            stage = {"name": f"s{n}", "agent": "noop", "params": {"sleep_s": 2.0}}
            stages.append({**stage, "after": [f"s{n - 1}"]})  # pyright: ignore[reportArgumentType]
        try:
            with Netra(self.url, self.key) as netra:
                job = netra.jobs.submit(JobRequest(stages=tuple(stages)))
                for event in netra.jobs.follow(job.id):
                    if isinstance(event, Fact):
                        self.seen.append((event.epoch, event.seq, event.kind))
        except NetraError as e:
            self.problem = str(e)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    import socket

    with contextlib.ExitStack() as held:
        ports = []
        for _ in range(2):
            s = held.enter_context(socket.socket())
            s.bind((LOOPBACK, 0))
            ports.append(s.getsockname()[1])
    with (
        temporary_home() as home,
        running_stack(home, STORES, settings_without_stores()) as info,
    ):
        made = Fleet(info=info, logs=tmp_path, ports=(ports[0], ports[1]))
        try:
            yield made
        finally:
            made.stop()


@pytest.mark.timeout(900)
def test_a_version_is_rolled_out_and_back_under_load(
    fleet: Fleet, tmp_path: Path, proof: Proof
) -> None:
    newest = earlier.revisions()[-1]
    (tmp_path / "old").mkdir()
    old = earlier.before(_SINCE, tmp_path / "old")
    before = max(earlier.constants(old))
    assert before < _SINCE <= newest
    fleet.migrate(old)
    fleet.roll(old)
    clients = Clients(fleet)
    clients.start()
    followers = [Follower(fleet, which) for which in (0, 1)]
    for follower in followers:
        follower.start()
    time.sleep(2)
    # Expand: the schema first, while the old version serves.
    fleet.migrate(NEW)
    time.sleep(2)
    fleet.roll(NEW)
    time.sleep(2)
    # And back: the old version on the new schema; the schema stays.
    fleet.roll(old)
    time.sleep(2)
    clients.over.set()
    clients.join(60)
    for follower in followers:
        follower.join(120)
    assert clients.failed == []
    assert len(clients.accepted) > 50
    _all_succeeded(fleet, clients)
    _old_version_sends_what_nobody_sent(fleet, clients.accepted[0])
    for follower in followers:
        assert follower.problem == ""
        assert follower.seen[-1][2] == "job.succeeded"
        numbers = [seq for _, seq, _ in follower.seen]
        assert numbers == list(range(1, len(numbers) + 1))
    proof(
        f"rollout: code of schema {before} → {newest} and back under load, every process replaced"
        f" twice: {len(clients.accepted)} jobs accepted and succeeded, {clients.retried} calls"
        " sent once more, 0 failed; two followers saw each fact once and in order; the old version"
        " sent what a process that died had left in the new outbox, and emptied it"
    )


def _all_succeeded(fleet: Fleet, clients: Clients) -> None:
    ends = time.monotonic() + _PATIENCE_S
    while True:
        with psycopg.connect(fleet.info.database_url) as pg:
            rows = pg.execute("SELECT id::text, state FROM jobs").fetchall()
        states = dict(rows)
        left = [job for job in clients.accepted if states.get(job) != "succeeded"]
        if not left:
            assert len(set(clients.accepted)) == len(clients.accepted)
            return
        assert time.monotonic() < ends, {job: states.get(job) for job in left[:10]}
        assert not {states.get(job) for job in left} & {None, "failed", "cancelled"}
        time.sleep(0.5)


def _old_version_sends_what_nobody_sent(fleet: Fleet, job: str) -> None:
    """A fact whose process died before it was sent, and all others, have left the outbox."""
    with psycopg.connect(fleet.info.database_url, autocommit=True) as pg:
        pg.execute("SELECT netra_fact(%s, 'job.noted', NULL, '{}')", [job])
        ends = time.monotonic() + _PATIENCE_S
        while left := pg.execute("SELECT facts FROM outbox").fetchall():
            assert time.monotonic() < ends, (len(left), left[:3])
            time.sleep(0.2)
    with redis.connect(load({**os.environ, **fleet.info.environment}).redis) as client:
        (newest,) = client.xrevrange(job_stream("default", job), count=1)
    assert json.loads(newest[1][b"fact"])["kind"] == "job.noted"
