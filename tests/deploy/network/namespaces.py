"""Network namespaces on one bridge: an address each, and processes in them. Needs root."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.deploy.network.policy import Endpoint

#: Pods, the public internet and the metadata service: all on the bridge, as if it routed.
_REACHABLE = ("10.77.0.0/24", "203.0.113.0/24", "169.254.169.0/24", "10.0.1.0/24")


class Network:
    """One namespace an endpoint, named after this process; removed at the end with all they run."""

    def __init__(self, endpoints: Sequence[Endpoint], hosts: Mapping[str, str], dns: str) -> None:
        """
        Args:
            hosts: the names that endpoints find each other by, with their addresses.
            dns: the address of the server that answers for them.
        """
        self.endpoints = {e.name: e for e in endpoints}
        self.hosts = hosts
        self._dns = dns
        self._prefix = f"netra-policy-{os.getpid()}"
        self._hub = f"{self._prefix}-hub"
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        try:
            _ip("netns", "add", self._hub)
            self._in(self._hub, "ip", "link", "add", "hub", "type", "bridge")
            self._in(self._hub, "ip", "link", "set", "hub", "up")
            for number, endpoint in enumerate(self.endpoints.values()):
                self._add(number, endpoint)
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._remove()

    def space(self, name: str) -> str:
        """The namespace of an endpoint."""
        return f"{self._prefix}-{name}"

    def command(self, name: str, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` in the namespace of an endpoint."""
        return ["ip", "netns", "exec", self.space(name), *command]

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        log: IO[bytes] | None = None,
        user: int | None = None,
    ) -> subprocess.Popen[bytes]:
        """Starts a process in the namespace of an endpoint; it ends with the network."""
        line = self.command(name, command)
        if user is not None:
            line[4:4] = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        process = subprocess.Popen(
            line,
            env=dict(env) if env is not None else None,
            stdin=subprocess.DEVNULL,
            stdout=log or subprocess.DEVNULL,
            stderr=subprocess.STDOUT if log else None,
            start_new_session=True,
        )
        self._running.append(process)
        return process

    def load(self, name: str, rules: str) -> None:
        """Loads nftables rules into the namespace of an endpoint."""
        subprocess.run(self.command(name, ["nft", "-f", "-"]), input=rules.encode(), check=True)

    def stop(self, process: subprocess.Popen[bytes], timeout_s: float = 15.0) -> None:
        """Ends a process and all that it started."""
        if process in self._running:
            self._running.remove(process)
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                pass
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                continue

    def _add(self, number: int, endpoint: Endpoint) -> None:
        space, port = self.space(endpoint.name), f"port{number}"
        _ip("netns", "add", space)
        folder = Path("/etc/netns") / space
        folder.mkdir(parents=True)
        (folder / "resolv.conf").write_text(
            f"nameserver {self._dns}\noptions timeout:1 attempts:1\n"
        )
        (folder / "hosts").write_text("127.0.0.1 localhost\n")
        link = ["type", "veth", "peer", "name", "eth0", "netns", space]
        self._in(self._hub, "ip", "link", "add", port, *link)
        self._in(self._hub, "ip", "link", "set", port, "master", "hub", "up")
        self._in(space, "ip", "link", "set", "lo", "up")
        self._in(space, "ip", "address", "add", f"{endpoint.ip}/32", "dev", "eth0")
        self._in(space, "ip", "link", "set", "eth0", "up")
        for block in _REACHABLE:
            self._in(space, "ip", "route", "add", block, "dev", "eth0", "src", endpoint.ip)

    def _in(self, space: str, *command: str) -> None:
        subprocess.run(["ip", "netns", "exec", space, *command], check=True)

    def _remove(self) -> None:
        for process in reversed(self._running.copy()):
            self.stop(process)
        for space in [*map(self.space, self.endpoints), self._hub]:
            subprocess.run(["ip", "netns", "delete", space], capture_output=True, check=False)
            shutil.rmtree(Path("/etc/netns") / space, ignore_errors=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
