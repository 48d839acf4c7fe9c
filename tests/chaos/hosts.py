"""The stack on several hosts: API, scheduler, two of workers, and one that keeps the stores."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from netra.embedded.child import Child
from netra.embedded.component import Component
from netra.embedded.home import Home
from netra.embedded.info import StackInfo
from netra.embedded.ports import LOOPBACK
from netra.embedded.processes import STORES
from netra.embedded.supervisor import running_stack
from netra.settings import load
from netra.store import postgres
from tests.chaos import clock, network
from tests.chaos.faults import Fault, Hit, Scene
from tests.chaos.network import Host
from tests.chaos.stack import ENVIRONMENT, Harness, environment, process, small_disk
from tests.conftest import migrate, settings_without_stores, temporary_home

#: What PostgreSQL says of a write with a spent token (`netra_hold`).
_REFUSED = "is no longer held with token"

_NAMES = ("data", "api", "scheduler", "worker-a", "worker-b")


@dataclass
class Hosts(Harness):
    hosts: dict[str, Host] = field(default_factory=dict)
    #: Seconds that each way to the stores takes, by the client's address: the proxy reads it.
    delays: Path = Path()
    #: What a worker's host held when it was cut off: `(stage, fence, attempt)`.
    cut_off: list[tuple[str, int, int]] = field(default_factory=list)

    def delay(self, host: Host, seconds: float) -> None:
        known = json.loads(self.delays.read_text()) if self.delays.exists() else {}
        draft = self.delays.with_suffix(".draft")
        draft.write_text(json.dumps({**known, host.address: seconds}))
        draft.replace(self.delays)


@contextmanager
def hosts() -> Iterator[Hosts]:
    """Everything on hosts of its own, for the length of the block; this process is a client."""
    machines = network.joined(_NAMES)
    with (
        temporary_home() as folder,
        small_disk(Home(folder).clickhouse) as disk,
        environment(ENVIRONMENT),
    ):
        with network.inside(machines["data"]):
            stores = running_stack(folder, STORES, settings_without_stores())
            own = stores.__enter__()
            migrate(own)
        try:
            info = _seen_from_afar(own, machines)
            made = Hosts(
                info,
                load({**os.environ, **info.environment}),
                disk,
                clock.made(folder),
                hosts=machines,
                delays=folder / "delays.json",
            )
            made.delay(machines["data"], 0.0)
            made.beside = _processes(made, own)
            made.keep()
            try:
                yield made
            finally:
                for machine in machines.values():
                    machine.heal()
                made.close()
        finally:
            stores.__exit__(None, None, None)


def _seen_from_afar(own: StackInfo, machines: dict[str, Host]) -> StackInfo:
    """Where the others find the stores and the API: not on their own loopback."""
    address = machines["data"].address
    urls = {
        name: getattr(own, name).replace(f"@{LOOPBACK}:", f"@{address}:")
        for name in ("database_url", "redis_url", "clickhouse_url")
    }
    api = {"NETRA_API_HOST": machines["api"].address}
    given = {name.upper(): url for name, url in urls.items()}
    return replace(
        own,
        **urls,
        api_url=f"http://{machines['api'].address}:{own.ports['api']}",
        environment={**own.environment, **given, **api},
    )


def _processes(made: Hosts, own: StackInfo) -> dict[str, Child]:
    """What runs where, beside the stores."""
    clocked = clock.environment(made.clock)
    placed = {
        "api": ("api", "netra.api.serve", {}),
        "scheduler": ("scheduler", "workers.scheduler", {}),
        "scheduler-2": ("api", "workers.scheduler", {}),
        "worker-cpu": ("worker-a", "workers.cpu", {}),
        "worker-gpu": ("worker-a", "workers.gpu", {}),
        "worker-cpu-2": ("worker-b", "workers.cpu", clocked),
        "worker-gpu-2": ("worker-b", "workers.gpu", {}),
    }
    found = {
        name: process(made.info, name, module, more, made.hosts[host].within)
        for name, (host, module, more) in placed.items()
    }
    data = made.hosts["data"]
    ports = [str(own.ports[name]) for name in ("postgres", "valkey", "clickhouse")]
    plain = process(made.info, "proxy", "tests.chaos.proxy", {}, data.within)
    command = (*plain.component.command, data.address, str(made.delays), *ports)
    component = Component(name="proxy", command=command, env=plain.component.env)
    return {"proxy": Child(component, plain.log, {}), **found}


def _host(scene: Scene, name: str) -> tuple[Hosts, Host]:
    assert isinstance(scene.harness, Hosts)
    return scene.harness, scene.harness.hosts[name]


def _for_a_while(name: str, seconds: float, begin: Callable[[Hosts, Host], None]) -> Hit:
    def hit(scene: Scene) -> None:
        made, host = _host(scene, name)
        try:
            begin(made, host)
            time.sleep(seconds)
        finally:
            host.heal()
            made.delay(host, 0.0)

    return hit


def _cut(made: Hosts, host: Host) -> None:
    host.cut()


def _lose(made: Hosts, host: Host) -> None:
    host.lose(5)


def _slow(made: Hosts, host: Host) -> None:
    made.delay(host, 0.2)


def cut_worker(name: str, suffix: str, seconds: float) -> Hit:
    """Cuts a worker's host off while it runs a stage; what it reports afterwards comes too late."""

    def hit(scene: Scene) -> None:
        made, host = _host(scene, name)
        pids = [pid for kind in ("cpu", "gpu") if (pid := made.pid(f"worker-{kind}{suffix}"))]
        scene.load.submit_single("noop", sleep_s=3.0)
        try:
            with postgres.connect(made.settings.database, "chaos") as pg:
                held: list[tuple[str, int, int]] = []
                until = time.monotonic() + 30
                while not held and time.monotonic() < until:
                    held = _held(pg, pids)
                    time.sleep(0.05)
            host.cut()
            made.cut_off += held
            time.sleep(seconds)
        finally:
            host.heal()

    return hit


def _held(pg: postgres.Connection, parents: list[int]) -> list[tuple[str, int, int]]:
    rows = pg.execute(
        "SELECT s.id::text, s.fence, s.attempt FROM stages s JOIN workers w ON w.id = s.worker_id"
        " WHERE w.pid = ANY(%s) AND s.state = 'running'"
        " AND (s.params->>'sleep_s')::float8 >= 2"
        " AND s.started_at > clock_timestamp() - interval '1.5 s'",
        [parents],
    ).fetchall()
    return [(row["id"], row["fence"], row["attempt"]) for row in rows]


def _on(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(names)


_A = _on(("worker-cpu", "worker-gpu"))
_B = _on(("worker-cpu-2", "worker-gpu-2"))

HOST_FAULTS = (
    Fault(
        "cut off a worker host that holds leases, for 30 s",
        cut_worker("worker-a", "", 30),
        _A | {"postgres"},
    ),
    Fault(
        "cut off the other worker host that holds leases, for 30 s",
        cut_worker("worker-b", "-2", 30),
        _B | {"postgres"},
    ),
    Fault(
        "cut off a scheduler's host for 20 s",
        _for_a_while("scheduler", 20, _cut),
        _on(("scheduler",)),
    ),
    Fault(
        "cut off the API's host for 20 s",
        _for_a_while("api", 20, _cut),
        _on(("api", "scheduler-2")),
    ),
    Fault(
        "cut off the data host for 10 s",
        _for_a_while("data", 10, _cut),
        _on(("postgres", "valkey", "clickhouse")),
    ),
    Fault("a worker host loses 5 % for 30 s", _for_a_while("worker-a", 30, _lose), _A),
    Fault("the other worker host loses 5 % for 30 s", _for_a_while("worker-b", 30, _lose), _B),
    Fault(
        "200 ms more each way to a worker host, for 30 s", _for_a_while("worker-a", 30, _slow), _A
    ),
    Fault(
        "200 ms more each way to the other worker host, for 30 s",
        _for_a_while("worker-b", 30, _slow),
        _B,
    ),
)


def late_writes(made: Hosts) -> int:
    """How many results of hosts that had lost the lease can be seen; says what became of all."""
    wrong = taken = 0
    with postgres.connect(made.settings.database, "chaos") as pg:
        for stage, fence, attempt in made.cut_off:
            row = pg.execute(
                "SELECT s.fence, r.attempt FROM stages s"
                " LEFT JOIN stage_results r ON r.stage_id = s.id WHERE s.id = %s",
                [stage],
            ).fetchone()
            if row and row["fence"] > fence:
                taken += 1
                if row["attempt"] is not None and row["attempt"] <= attempt:
                    wrong += 1
                    print(f"doubled: stage {stage} has the result of attempt {attempt}, cut off")
    log = Home(made.info.home).log("postgres").read_text(errors="replace")
    print(
        f"hosts were cut off with {len(made.cut_off)} stages; {taken} were taken back and run"
        f" elsewhere; PostgreSQL refused {log.count(_REFUSED)} late writes in all"
    )
    return wrong
