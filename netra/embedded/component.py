"""What the supervisor knows of a process that it keeps running."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from netra.embedded.account import Account


def _nothing() -> None:
    return None


def _at_once() -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class Component:
    """One process of the stack: how it starts, when it is ready, how it stops."""

    name: str
    command: tuple[str, ...]
    #: Added to the environment that all children share.
    env: Mapping[str, str] = field(default_factory=dict)
    #: Where it listens on the loopback, if it does.
    port: int | None = None
    #: The account to run as instead of the supervisor's own.
    account: Account | None = None
    #: Runs before every start, in the supervisor.
    prepare: Callable[[], None] = _nothing
    #: Whether a started process does its work. Asked several times a second while it starts.
    ready: Callable[[], bool] = _at_once
    #: How long it may take to become ready, seconds.
    ready_within_s: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    #: How long it may take to stop before it is killed, seconds.
    stop_within_s: float = 15.0
    #: It does its work and ends, and what comes later waits for that.
    one_shot: bool = False
