"""Hosts on a network of their own: a namespace each, joined by a bridge (Linux, root).

The namespaces hang on this process's open files alone: whatever ends it, nothing is left behind.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

_CLONE_NEWNET = 0x4000_0000
_NET = "10.77.0"
#: Programs, and the Debian packages that bring them.
_PROGRAMS = {"ip": "iproute2", "nft": "nftables", "nsenter": "util-linux"}


def missing() -> str | None:
    """Why there can be no such network here; None if there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    absent = [package for program, package in _PROGRAMS.items() if not shutil.which(program)]
    if absent:
        return f"network namespaces need Debian's {' '.join(absent)}: apt-get install them"
    return None


@dataclass(frozen=True)
class Host:
    name: str
    address: str
    #: Its namespace, an open file of this process.
    file: int

    @property
    def within(self) -> tuple[str, ...]:
        """The command that runs the rest of a command line on this host."""
        program = shutil.which("nsenter")
        assert program is not None
        return (program, f"--net={self._path}", "--")

    @property
    def _path(self) -> str:
        return f"/proc/{os.getpid()}/fd/{self.file}"

    def cut(self) -> None:
        """Nothing gets in or out any more; nobody is told."""
        self._rules("drop")

    def lose(self, percent: int) -> None:
        """Loses so many of a hundred packets, each way."""
        self._rules(f"numgen random mod 100 < {percent} drop")

    def heal(self) -> None:
        _run("nft", "flush chain inet chaos in; flush chain inet chaos out", self.within)

    def _rules(self, rule: str) -> None:
        rules = f"add rule inet chaos in iifname eth0 {rule}; "
        _run("nft", rules + f"add rule inet chaos out oifname eth0 {rule}", self.within)

    def join(self, bridge: str) -> None:
        """Puts the host on the bridge, with its address."""
        _run("ip", f"link add {self.name} type veth peer name eth0 netns {self._path}")
        _run("ip", f"link set {self.name} master {bridge} up")
        _run("ip", f"addr add {self.address}/24 dev eth0", self.within)
        _run("ip", "link set eth0 up", self.within)
        _run("ip", "link set lo up", self.within)
        _run("nft", "add table inet chaos", self.within)
        for chain, hook in (("in", "input"), ("out", "output")):
            hooked = f"{{ type filter hook {hook} priority 0; }}"
            _run("nft", f"add chain inet chaos {chain} {hooked}", self.within)


def joined(names: Sequence[str]) -> dict[str, Host]:
    """Moves this process off the machine's network, onto a bridge with new hosts.

    Call it before any thread starts: those that run already stay where they are.
    """
    _unshare()
    _run("ip", "link set lo up")
    _run("ip", "link add bridge type bridge")
    _run("ip", f"addr add {_NET}.254/24 dev bridge")
    _run("ip", "link set bridge up")
    own = _own()
    hosts: dict[str, Host] = {}
    for number, name in enumerate(names, start=1):
        _unshare()
        host = Host(name, f"{_NET}.{number}", _own())
        _enter(own)
        host.join("bridge")
        hosts[name] = host
    os.close(own)
    return hosts


@contextmanager
def inside(host: Host) -> Iterator[None]:
    """This thread, and threads and processes that it starts, are on the host within the block."""
    own = _own()
    _enter(host.file)
    try:
        yield
    finally:
        _enter(own)
        os.close(own)


def _own() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _unshare() -> None:
    _called(ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET))


def _enter(file: int) -> None:
    _called(ctypes.CDLL(None, use_errno=True).setns(file, _CLONE_NEWNET))


def _called(answer: int) -> None:
    if answer != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _run(program: str, words: str, within: tuple[str, ...] = ()) -> None:
    # nft takes its commands as one argument, ip as words.
    arguments = [words] if program == "nft" else words.split()
    done = subprocess.run([*within, program, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"{program} {words}: {done.stderr.strip()}")
