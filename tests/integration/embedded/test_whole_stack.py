"""Everything that `netra up` starts, seen through `netra status` and `netra doctor`."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from netra.cli import main as cli
from netra.embedded import lock, status
from netra.embedded.home import Home
from netra.embedded.info import StackInfo
from netra.embedded.processes import ALL, STORES
from netra.embedded.supervisor import running_stack
from tests.conftest import settings_without_stores, temporary_home
from tests.integration.embedded.probes import processes_of
from tests.waiting import until

pytestmark = pytest.mark.stack

#: What the idle stack's processes may take in all, bytes; they take 0.6 GB.
IDLE_BYTES = 1.0 * (1 << 30)


def netra(*arguments: str) -> tuple[int, Any]:
    """A command in JSON: its exit code and what it printed."""
    result = CliRunner().invoke(cli.main, [*arguments, "--json"])
    return result.exit_code, json.loads(result.stdout)


def seen(stack: StackInfo) -> status.Status:
    return status.of(Home(stack.home), settings_without_stores())


def test_status_names_every_process(stack: StackInfo) -> None:
    code, shown = netra("status", "--home", str(stack.home))
    assert code == 0
    assert shown["running"] is True
    assert shown["home"] == str(stack.home)
    assert shown["api_url"] == stack.api_url
    assert shown["flower_url"] == stack.flower_url
    assert Path(shown["api_key_file"]).read_text().strip() == stack.api_key
    assert set(shown["processes"]) == set(ALL)
    for name, process in shown["processes"].items():
        assert set(process) >= {"pid", "state", "restarts", "port"}
        assert process["state"] == ("done" if name == "migrate" else "running"), name


def test_the_idle_stack_is_small() -> None:
    """One of its own: the tests' shared stack has worked, and keeps warm what it loaded."""
    with temporary_home() as home, running_stack(home, settings=settings_without_stores()) as idle:
        # The supervisor is pytest here, which holds what all tests have loaded.
        assert 0 < sum(p.memory_bytes or 0 for p in seen(idle).processes.values()) <= IDLE_BYTES


def test_everything_listens_on_the_loopback_alone(stack: StackInfo) -> None:
    pids = set(stack.pids.values())
    for pid in list(pids):
        pids |= {child.pid for child in psutil.Process(pid).children(recursive=True)}
    listening = [
        c.laddr for pid in pids for c in psutil.Process(pid).net_connections("inet")
        if c.status == psutil.CONN_LISTEN
    ]  # fmt: skip
    assert {address.port for address in listening} >= set(stack.ports.values())
    assert {address.ip for address in listening} == {"127.0.0.1"}


def test_no_command_line_shows_a_secret(stack: StackInfo) -> None:
    kept = json.loads((stack.home / "secrets.json").read_text())
    hidden = [value for name, value in kept.items() if name != "flower_user"]
    for pid in stack.pids.values():
        for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            # One that has ended meanwhile shows nothing.
            with contextlib.suppress(psutil.NoSuchProcess):
                said = " ".join(process.cmdline())
                assert [secret for secret in hidden if secret in said] == []


def test_doctor_finds_nothing_wrong(stack: StackInfo) -> None:
    def workers_have_reported() -> bool:
        _, checks = netra("doctor", "--home", str(stack.home))
        return all(c["state"] == "ok" for c in checks if c["name"].startswith("workers"))

    until(workers_have_reported)
    code, checks = netra("doctor", "--home", str(stack.home))
    assert [c for c in checks if c["state"] == "fail"] == []
    assert code == 0
    names = {c["name"] for c in checks}
    assert names >= {"python", "disk", "home", "ports", "gpu", "api", "flower", "processes"}
    assert names >= {f"{store} clock" for store in STORES} | set(STORES)
    assert names >= {"postgres migrations", "clickhouse migrations", "valkey eviction"}
    assert names >= {"workers cpu", "workers gpu"}


@pytest.mark.parametrize("name", ["api", "scheduler", "worker-gpu"])
def test_a_killed_process_is_started_again(stack: StackInfo, name: str) -> None:
    before = seen(stack).processes[name]
    old = stack.kill(name)
    until(lambda: seen(stack).processes[name].state == "running" and _new(stack, name, old))
    assert seen(stack).processes[name].restarts == before.restarts + 1


def _new(stack: StackInfo, name: str, old: int) -> bool:
    return stack.pids.get(name) not in (None, old)


def test_doctor_says_what_is_wrong_and_how_to_mend_it(stack: StackInfo) -> None:
    """The API held still: doctor's own deadline passes, and it goes on with the rest."""
    pid = stack.pids["api"]
    os.kill(pid, signal.SIGSTOP)
    try:
        code, checks = netra("doctor", "--home", str(stack.home))
    finally:
        os.kill(pid, signal.SIGCONT)
    assert code == 1
    failed = {c["name"]: c for c in checks if c["state"] == "fail"}
    assert set(failed) == {"api"}
    assert failed["api"]["mend"]
    assert checks[-1]["name"] == "flower", "the checks after it were made"


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthcheck"])
def test_flower_asks_for_credentials(stack: StackInfo, path: str) -> None:
    user, password = stack.flower_credentials
    right = base64.b64encode(f"{user}:{password}".encode()).decode()
    for headers, expected in (({}, 401), ({"Authorization": f"Basic {right}"}, 200)):
        connection = http.client.HTTPConnection("127.0.0.1", stack.ports["flower"], timeout=5)
        connection.request("GET", path, headers=headers)
        assert connection.getresponse().status == expected
        connection.close()


# -- at the terminal, with the stores only --------------------------------------------------------


def test_up_says_where_things_are_until_ctrl_c(home: Path) -> None:
    command = [sys.executable, "-m", "netra.cli.main", "up", "--home", str(home)]
    process = subprocess.Popen(
        [*command, *(f"--only={name}" for name in STORES)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    said = ""
    for line in process.stdout:
        said += line
        if "Ctrl-C" in line:
            break
    for name in STORES:
        assert re.search(rf"{name} +running +127\.0\.0\.1:\d+", said), said
    assert str(home / "logs") in said

    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0
    assert "already running" in again.stdout
    assert str(home) in again.stdout

    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    process.stdout.close()
    assert processes_of(home) == []
    assert lock.holder(home / "lock") is None


def test_without_a_stack(home: Path) -> None:
    code, shown = netra("status", "--home", str(home / "none"))
    assert (code, shown["running"], shown["processes"]) == (0, False, {})
    assert not (home / "none").exists(), "looking makes nothing"
    result = CliRunner().invoke(cli.main, ["down", "--home", str(home / "none")])
    assert result.exit_code == 0
    assert "nothing runs" in result.stdout
    code, checks = netra("doctor", "--home", str(home / "none"))
    states = {c["name"]: c["state"] for c in checks}
    assert (code, states["processes"]) == (3, "warn")
    assert {states[name] for name in ("postgres", "api", "flower")} == {"skip"}
    assert states["python"] == states["engines"] == "ok"
