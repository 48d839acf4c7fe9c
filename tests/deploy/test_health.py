"""Health check and smoke test, as they are called after a deployment, against a real stack."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from netra.embedded.info import StackInfo
from tests.deploy.conftest import Proof

ROOT = Path(__file__).parents[2]
PARTS = ("backend", "postgresql", "redis", "clickhouse", "websocket")


def script(name: str, stack: StackInfo, *arguments: str, **environ: str) -> tuple[int, str]:
    """Runs a script as an operator does who names everything by its URL."""
    given = {
        **os.environ,
        "NETRA": str(Path(sys.executable).with_name("netra")),
        "DATABASE_URL": stack.database_url,
        "REDIS_URL": stack.redis_url,
        "CLICKHOUSE_URL": stack.clickhouse_url,
        "NETRA_API_URL": stack.api_url,
        "NETRA_API_KEY": stack.api_key,
        "NETRA_HEALTH_FOLDER": str(stack.home / "beats"),
        **environ,
    }
    done = subprocess.run(
        [str(ROOT / "scripts" / name), *arguments], env=given, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


def states(said: str) -> dict[str, str]:
    return {line.split()[0]: line.split()[1] for line in said.splitlines()}


class Console(BaseHTTPRequestHandler):
    """Stands in for the console, which is not built yet: its health route alone."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def console() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Console)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_health_check_says_of_each_part_whether_it_is_well(
    stack: StackInfo, console: str, proof: Proof
) -> None:
    began = time.monotonic()
    code, said = script("health-check.sh", stack)
    took = time.monotonic() - began
    assert (code, states(said)) == (0, dict.fromkeys(PARTS, "ok") | {"frontend": "skipped"}), said

    code, said = script("health-check.sh", stack, FRONTEND_URL=console)
    assert code == 0, said
    assert states(said)["frontend"] == "ok"

    broken = {
        "frontend": {"FRONTEND_URL": f"{console}/elsewhere"},
        "postgresql": {"DATABASE_URL": stack.database_url.replace("/netra", "/nowhere")},
        "redis": {"REDIS_URL": stack.redis_url.replace("redis://:", "redis://:wrong")},
        "clickhouse": {"CLICKHOUSE_URL": stack.clickhouse_url.replace("netra:", "netra:wrong")},
    }
    for part, environ in broken.items():
        code, said = script("health-check.sh", stack, **environ)
        assert code == 1
        assert [p for p, state in states(said).items() if state == "FAILED"] == [part], said
        assert "Traceback" not in said
    # The API held still: it and its socket, and nothing else.
    os.kill(stack.pids["api"], signal.SIGSTOP)
    try:
        code, said = script("health-check.sh", stack)
    finally:
        os.kill(stack.pids["api"], signal.SIGCONT)
    assert code == 1
    failed = {p for p, state in states(said).items() if state == "FAILED"}
    assert failed == {"backend", "websocket"}, said
    proof(
        f"health check: {len(PARTS)} parts well in {took:.1f} s, /ws answered ping with pong;"
        f" each of {len(broken) + 1} broken parts named alone"
    )


def test_the_probes_see_a_worker_that_hangs(stack: StackInfo, proof: Proof) -> None:
    netra = [sys.executable, "-m", "netra.cli.main", "health"]
    environ = {**os.environ, **stack.environment, "NETRA_HEALTH_STALE_S": "4"}

    def probe(*arguments: str) -> int:
        return subprocess.run([*netra, *arguments], env=environ, capture_output=True).returncode

    assert [probe("worker"), probe("scheduler"), probe("api"), probe("api", "--ready")] == [0] * 4
    for name, arguments in (
        ("worker-cpu", ("worker", "--pool", "cpu")),
        ("scheduler", ("scheduler",)),
    ):
        os.kill(stack.pids[name], signal.SIGSTOP)
        try:
            time.sleep(5)
            assert probe(*arguments) == 1
            assert probe("worker", "--pool", "gpu") == 0
        finally:
            os.kill(stack.pids[name], signal.SIGCONT)
        time.sleep(1.5)
        assert probe(*arguments) == 0
    before = os.times()
    assert probe("worker") == 0
    after = os.times()
    cpu_s = sum(after[2:4]) - sum(before[2:4])
    proof(
        "liveness: stopped worker and scheduler seen by their own probes and no others;"
        f" {cpu_s:.2f} s of CPU a probe"
    )


def test_on_one_machine_the_running_stack_is_looked_at(stack: StackInfo, proof: Proof) -> None:
    """As an operator calls it: nothing but the stack's home is known, not even that by default."""
    other = ("DATABASE_URL", "REDIS_URL", "CLICKHOUSE_URL", "NETRA_HEALTH_FOLDER", "NETRA_API_URL")
    plain = {k: v for k, v in os.environ.items() if k not in (*other, "NETRA_API_PORT")}

    def ask(*arguments: str, **environ: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "netra.cli.main", "health", *arguments]
        done = subprocess.run(command, env=plain | environ, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    with tempfile.TemporaryDirectory() as temporary:
        # Where a process of no stack beats: an earlier run left its files there, hours ago.
        folder = Path(temporary) / f"netra-health-{os.getuid()}"
        folder.mkdir()
        for name in ("worker-cpu", "scheduler"):
            (folder / name).touch()
            os.utime(folder / name, (0, 0))
        for how in ({"NETRA_EMBEDDED_HOME": str(stack.home)}, {}):
            home = () if how else ("--home", str(stack.home))
            for arguments in (("worker",), ("worker", "--pool", "gpu"), ("scheduler",), ("api",)):
                code, said = ask(*arguments, *home, TMPDIR=temporary, **how)
                assert (code, said[:5]) == (0, "alive"), said
                assert (str(stack.home) in said) or "api" in arguments, said
        code, said = ask("scheduler", "--home", str(Path(temporary) / "no"), TMPDIR=temporary)
        assert (code, str(folder) in said) == (1, True), said
    proof("health on one machine: the running stack's beats, not what an earlier run left in /tmp")


def test_the_smoke_test_compares_the_report_with_the_truth(stack: StackInfo, proof: Proof) -> None:
    began = time.monotonic()
    code, said = script("smoke-test.sh", stack)
    took = time.monotonic() - began
    assert code == 0, said
    assert "job.succeeded" in said
    assert "Recorded cost 4.00" in said
    code, again = script("smoke-test.sh", stack)
    assert code == 0, again

    code, said = script("smoke-test.sh", stack, NETRA_API_KEY="netra_wrong")
    assert (code, "API key" in said) == (2, True)
    # Without a worker there is no last fact, and the test says so in the time it was given.
    os.kill(stack.pids["worker-cpu"], signal.SIGSTOP)
    try:
        code, said = script("smoke-test.sh", stack, "--within", "3")
    finally:
        os.kill(stack.pids["worker-cpu"], signal.SIGCONT)
    assert code == 1
    assert "has not ended within 3 s" in said
    proof(f"smoke test: upload to report with right figures in {took:.1f} s; fails as it should")
