"""The processes of the stack: all there, the API ready, Flower for this machine alone."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil

from netra.cli.checks.check import Check, Subject
from netra.embedded import runfile, status
from netra.embedded.ports import LOOPBACK

#: Processes that died more often than this are not well, even if they run now.
_RESTARTS = 3
#: The addresses that a server listens on all interfaces with, which nobody can connect to.
_HERE = {"0.0.0.0": LOOPBACK, "::": "[::1]"}
NOTHING_RUNS = "nothing runs here"
_ELSEWHERE = "no stack runs here; the processes run wherever they were started"
_PATIENCE_S = 5.0


def processes(on: Subject) -> Iterator[Check]:
    now = status.of(on.home, on.settings)
    if not now.running:
        if now.processes:
            names = ", ".join(now.processes)
            found = f"a crashed stack left these running: {names}"
            yield Check(name="processes", state="warn", found=found, mend="netra down")
        elif on.elsewhere:
            yield Check(name="processes", state="skip", found=_ELSEWHERE)
        else:
            yield Check(name="processes", state="warn", found=_nothing(on), mend="netra up")
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


def _nothing(on: Subject) -> str:
    if runfile.read(on.home).state == "stopped":
        return NOTHING_RUNS
    return f"{NOTHING_RUNS}: the stack's supervisor died, and its processes with it"


def _is_held_still(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return False


def api(on: Subject) -> Iterator[Check]:
    """The API of the stack, the one that is named, else the one that listens in this host."""
    if on.running and on.stack:
        url, log = on.stack.api_url, "logs/api.log"
    elif on.elsewhere:
        at = on.settings.api
        url, log = on.api_url or f"http://{_HERE.get(at.host, at.host)}:{at.port}", "its log"
    else:
        yield Check(name="api", state="skip", found=NOTHING_RUNS)
        return
    code, text = _ask(f"{url}/health/ready")
    if not code and on.elsewhere and not on.api_url:
        found = f"none listens at {url}, and NETRA_API_URL names none"
        yield Check(name="api", state="skip", found=found)
        return
    mend = f"start it, or mend NETRA_API_URL; see {log}" if not code else ""
    yield Check(
        name="api",
        state="ok" if code == 200 else "fail",
        found=_readiness(url, code, text),
        mend="" if code == 200 else mend or f"mend the store that it names; see {log}",
    )


def _readiness(url: str, code: int, text: str) -> str:
    if code == 200:
        return f"{url} is ready"
    return f"it says {code}: {text[:300]}" if code else text


def flower(on: Subject) -> Iterator[Check]:
    if not (on.running and on.stack):
        found = "no stack runs here; Flower is looked at from its own machine"
        yield Check(name="flower", state="skip", found=found)
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


def _ask(url: str) -> tuple[int, str]:
    """The status, 0 if there is none, and what was said."""
    try:
        with urlopen(url, timeout=_PATIENCE_S) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except HTTPError as e:
        with e:
            return e.code, e.read().decode(errors="replace")
    except (OSError, ValueError, http.client.HTTPException) as e:
        return 0, f"no answer from {url}: {e}"


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
