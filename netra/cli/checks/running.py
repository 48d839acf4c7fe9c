"""The processes of the stack: all there, the API ready, Flower for this machine alone."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator

import psutil

from netra.cli.checks.check import Check, Subject
from netra.embedded import status
from netra.embedded.ports import LOOPBACK

#: Processes that died more often than this are not well, even if they run now.
_RESTARTS = 3


def processes(on: Subject) -> Iterator[Check]:
    now = status.of(on.home, on.settings)
    if not now.running:
        if now.processes:
            names = ", ".join(now.processes)
            found = f"a crashed stack left these running: {names}"
            yield Check(name="processes", state="warn", found=found, mend="netra down")
        else:
            yield Check(name="processes", state="skip", found="no stack runs", mend="netra up")
        return
    for name, p in now.processes.items():
        if p.pid is None and p.state == "running":
            found, mend = "it died, and the supervisor has not started it again", "netra status"
            yield Check(name=name, state="fail", found=found, mend=mend)
        elif p.pid is not None and _is_held_still(p.pid):
            found = f"pid {p.pid} is held still (stopped by a signal)"
            yield Check(name=name, state="fail", found=found, mend=f"kill -CONT {p.pid}")
        elif p.state not in ("running", "done"):
            found, mend = f"{p.state}, {p.restarts} restarts", f"see logs/{name}.log"
            yield Check(name=name, state="fail", found=found, mend=mend)
        elif p.restarts > _RESTARTS:
            found, mend = f"running, but started {p.restarts} times again", f"see logs/{name}.log"
            yield Check(name=name, state="warn", found=found, mend=mend)
    found = f"{len(now.processes)} processes, {now.memory_bytes / 1e6:.0f} MB"
    yield Check(name="processes", state="ok", found=found)


def _is_held_still(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return False


def api(on: Subject) -> Iterator[Check]:
    if not (on.running and on.stack):
        yield Check(name="api", state="skip", found="no stack runs", mend="netra up")
        return
    code, text = _get(on.stack.ports["api"], "/health/ready")
    yield Check(
        name="api",
        state="ok" if code == 200 else "fail",
        found=_readiness(on.stack.api_url, code, text),
        mend="" if code == 200 else "mend the store that it names; see logs/api.log",
    )


def _readiness(url: str, code: int, text: str) -> str:
    if code == 200:
        return f"{url} is ready"
    return f"it says {code}: {text[:300]}" if code else text


def flower(on: Subject) -> Iterator[Check]:
    if not (on.running and on.stack):
        yield Check(name="flower", state="skip", found="no stack runs", mend="netra up")
        return
    port = on.stack.ports["flower"]
    answers = [_get(port, path) for path in ("/", "/metrics", "/healthcheck")]
    code, text = next((a for a in answers if a[0] != 401), answers[0])
    outside = [address for address in _addresses() if _reachable(address, port)]
    if outside:
        found = f"reachable from other machines at {', '.join(outside)}"
        if code not in (0, 401):
            found += ", without credentials"
        mend = "bind it to 127.0.0.1: it can revoke and restart work"
        yield Check(name="flower", state="fail", found=found, mend=mend)
    elif code == 0:
        yield Check(name="flower", state="fail", found=text, mend="see logs/flower.log")
    elif code != 401:
        found, mend = f"it answers {code} without credentials, not 401", "see logs/flower.log"
        yield Check(name="flower", state="fail", found=found, mend=mend)
    else:
        yield Check(name="flower", state="ok", found="on the loopback, asks for credentials")


def _get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=3)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as e:
        return 0, f"no answer: {e}"
    finally:
        connection.close()


def _addresses() -> list[str]:
    """This machine's addresses that others can reach."""
    every = [a for addresses in psutil.net_if_addrs().values() for a in addresses]
    found = {a.address for a in every if a.family is socket.AF_INET}
    return sorted(address for address in found if not address.startswith("127."))


def _reachable(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=0.5):
            return True
    except OSError:
        return False
