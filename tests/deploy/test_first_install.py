"""The first hour of an installation: pods that come before the schema work once it is there."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from netra.embedded.supervisor import running_stack
from tests.conftest import STORES, settings_without_stores, temporary_home
from tests.deploy.chart import objects
from tests.deploy.chart.render import environments
from tests.deploy.conftest import Proof
from tests.waiting import until

#: How long the pods are there before the schema is, seconds: longer than any of them tries once.
ALONE_S = 10


def command(name: str) -> list[str]:
    return objects.only_container(environments()["staging"].manifests, name)["command"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextmanager
def pod(name: str, environ: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    words = [sys.executable, *command(name)[1:]]
    environ = {**environ, "NETRA_METRICS_PORT": str(free_port())}
    with log.open("wb") as said:
        process = subprocess.Popen(words, env=environ, stdout=said, stderr=said)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.timeout(300)
def test_pods_that_come_before_the_schema_work_once_it_is_there(
    tmp_path: Path, proof: Proof
) -> None:
    """Where the chart runs the stores its hook migrates after the pods are ready (post-install)."""
    with temporary_home() as home, ExitStack() as held:
        info = held.enter_context(running_stack(home, STORES, settings_without_stores()))
        port = free_port()
        environ = {
            **os.environ, **info.environment, "NETRA_API_PORT": str(port),
            "NETRA_API_URL": f"http://127.0.0.1:{port}", "NETRA_API_KEY": info.api_key,
        }  # fmt: skip
        pods = {
            name: held.enter_context(pod(name, environ, tmp_path / f"{name}.log"))
            for name in ("netra-backend", "netra-scheduler", "netra-worker-cpu")
        }

        def ready() -> bool:
            with urlopen(f"http://127.0.0.1:{port}/health/ready") as answer:
                return answer.status == 200

        until(ready, "the API")
        time.sleep(ALONE_S)
        assert {name: p.poll() for name, p in pods.items()} == dict.fromkeys(pods)
        migrated = subprocess.run(
            [sys.executable, *command("netra-migrate")[1:]],
            env={**environ, "NETRA_BOOTSTRAP_API_KEY": info.api_key},
            capture_output=True,
            text=True,
        )
        assert migrated.returncode == 0, migrated.stdout + migrated.stderr
        netra = Path(sys.executable).with_name("netra")
        smoke = subprocess.run(
            [str(netra), "smoke-test"], env=environ, capture_output=True, text=True
        )
        assert smoke.returncode == 0, smoke.stdout + smoke.stderr
        assert {name: p.poll() for name, p in pods.items()} == dict.fromkeys(pods)
    proof(
        f"first install: API, scheduler and worker {ALONE_S} s without a schema, then the hook's"
        " command and the first key: the smoke test passes, and no process had to start again"
    )
