"""Where the parts of a stack are, for those who use it."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from netra.embedded import given, jsonfile, processes, runfile, secrets
from netra.embedded.home import Home
from netra.settings import Settings


@dataclass(frozen=True, kw_only=True)
class StackInfo:
    """A stack's addresses and keys. It holds secrets: nothing of them is shown in its `repr`."""

    home: Path
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    clickhouse_url: str = field(repr=False)
    api_url: str
    flower_url: str
    api_key: str = field(repr=False)
    #: User and password.
    flower_credentials: tuple[str, str] = field(repr=False)
    ports: Mapping[str, int]
    #: What a process needs in its environment, beyond this one's, to work with this stack.
    environment: Mapping[str, str] = field(repr=False)

    @property
    def pids(self) -> dict[str, int]:
        """The processes that run now, by name."""
        listed = runfile.read(Home(self.home)).processes
        return {name: p.pid for name, p in listed.items() if p.pid is not None}

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Kills one process (`kill -9`, unless told otherwise), and returns its pid."""
        pid = self.pids[name]
        os.kill(pid, number)
        return pid


def of_plan(plan: processes.Plan) -> StackInfo:
    environment = processes.application_environment(plan)
    return StackInfo(
        home=plan.home.path,
        database_url=plan.database_url,
        redis_url=plan.redis_url,
        clickhouse_url=plan.clickhouse_url,
        api_url=plan.api_url,
        flower_url=plan.flower_url,
        api_key=plan.secrets.api_key,
        flower_credentials=(plan.secrets.flower_user, plan.secrets.flower_password),
        ports=plan.ports,
        environment={k: v for k, v in environment.items() if os.environ.get(k) != v},
    )


def of_home(home: Home, settings: Settings) -> StackInfo | None:
    """The stack of a home, running or not; None when none has ever been started in it.

    Of a stack that runs, what it was started with counts: the stores that it was given are its own,
    and a URL in these settings that it was not given is not.
    """
    if runfile.is_running(home):
        settings = given.as_started(settings, runfile.read(home))
    ports = jsonfile.read(home.ports).get("ports", {})
    # A home of before metrics had ports is one too.
    needed = set(processes.wanted_ports(settings)) - set(processes.MEASURED.values())
    if not home.secrets.exists() or needed - set(ports):
        return None
    kept = secrets.ensure(home.secrets)
    return of_plan(
        processes.Plan(home=home, settings=settings, secrets=kept, ports=ports, account=None)
    )
