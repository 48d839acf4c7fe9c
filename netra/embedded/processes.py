"""The processes of the one-machine stack: the one list of what runs, in which order."""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from netra.embedded import given, postgres, valkey
from netra.embedded.account import Account
from netra.embedded.component import Component
from netra.embedded.home import Home
from netra.embedded.ports import LOOPBACK, is_open
from netra.embedded.secrets import Secrets
from netra.settings import Settings

#: Each group starts when the one before it is ready, and stops before it.
GROUPS: tuple[tuple[str, ...], ...] = (
    ("clickhouse", "valkey", "postgres"),
    ("migrate",),
    ("api", "worker-cpu", "worker-gpu", "scheduler", "flower"),
)
STORES = frozenset(GROUPS[0])
#: Those that serve metrics on a port of their own, and what that port is called.
MEASURED = {name: f"metrics-{name}" for name in ("api", "worker-cpu", "worker-gpu", "scheduler")}
ALL = tuple(name for group in GROUPS for name in group)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that the processes' command lines and environments are made of."""

    home: Home
    settings: Settings
    secrets: Secrets
    ports: Mapping[str, int]
    account: Account | None

    @property
    def database_url(self) -> str:
        own = postgres.url(self.ports["postgres"], self.secrets.postgres_password)
        return self.settings.database.url or own

    @property
    def redis_url(self) -> str:
        own = valkey.url(self.ports["valkey"], self.secrets.valkey_password)
        return self.settings.redis.url or own

    @property
    def clickhouse_url(self) -> str:
        own = (
            f"http://netra:{self.secrets.clickhouse_password}@{LOOPBACK}"
            f":{self.ports['clickhouse']}/netra"
        )
        return self.settings.clickhouse.url or own

    @property
    def api_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports['api']}"

    @property
    def flower_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports['flower']}"

    @property
    def given(self) -> frozenset[str]:
        """The stores that the settings name, and that are therefore not started."""
        return frozenset(given.named(self.settings))


def wanted_ports(settings: Settings) -> dict[str, int]:
    """The ports that the stack needs, and which it would like to have; 0 is any."""
    return {
        "postgres": 0,
        "valkey": 0,
        "clickhouse": 0,
        "api": settings.embedded.api_port,
        "flower": settings.embedded.flower_port,
        **dict.fromkeys(MEASURED.values(), 0),
    }


def store_environment() -> dict[str, str]:
    """What a store's process inherits: what Python and settings need, and no other's secret."""
    kept = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")
    named = {name: os.environ[name] for name in kept if name in os.environ}
    return named | {n: os.environ[n] for n in ("NETRA_ENV", "NETRA_CONFIG") if n in os.environ}


def application_environment(plan: Plan) -> dict[str, str]:
    """What Netra's own processes run with: where the stores are, and how to stay small."""
    return {
        **os.environ,
        "NETRA_EMBEDDED_HOME": str(plan.home.path),
        "DATABASE_URL": plan.database_url,
        "REDIS_URL": plan.redis_url,
        "CLICKHOUSE_URL": plan.clickhouse_url,
        "JWT_SECRET_KEY": plan.settings.api.jwt_secret_key or plan.secrets.jwt_secret_key,
        "NETRA_API_HOST": plan.settings.api.host,
        "NETRA_API_PORT": str(plan.ports["api"]),
        "NETRA_HEALTH_FOLDER": plan.settings.health.folder or str(plan.home.beats),
        "PYTHONUNBUFFERED": "1",
        # Worker processes are the parallelism; threads below them cost memory and fight.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        "NUMBA_CACHE_DIR": str(plan.home.cache / "numba"),
    }


def groups(plan: Plan, names: Collection[str]) -> list[list[Component]]:
    """The components of `names`, in groups in the order of their start; given stores left out."""
    making = _makers(plan)
    chosen = [[n for n in group if n in names and n not in plan.given] for group in GROUPS]
    return [[making[name]() for name in group] for group in chosen if group]


def _makers(plan: Plan) -> dict[str, Callable[[], Component]]:
    ports, secrets = plan.ports, plan.secrets
    return {
        "postgres": lambda: postgres.component(
            plan.home, ports["postgres"], secrets.postgres_password, plan.account
        ),
        "valkey": lambda: valkey.component(plan.home, ports["valkey"], secrets.valkey_password),
        "clickhouse": lambda: Component(
            name="clickhouse",
            command=_python(
                *("netra.embedded.clickhouse", "--path", str(plan.home.clickhouse)),
                *("--port", str(ports["clickhouse"])),
            ),
            env={"CLICKHOUSE_PASSWORD": secrets.clickhouse_password, "MALLOC_ARENA_MAX": "2"},
            port=ports["clickhouse"],
            ready=lambda: answers(ports["clickhouse"], "/ping"),
        ),
        "migrate": lambda: Component(
            name="migrate",
            command=_python("netra.store.migrate"),
            env={**application_environment(plan), "NETRA_BOOTSTRAP_API_KEY": secrets.api_key},
            one_shot=True,
        ),
        "api": lambda: Component(
            name="api",
            command=_python("netra.api.serve"),
            env=_measured_environment(plan, "api"),
            port=ports["api"],
            ready=lambda: answers(ports["api"], "/health"),
        ),
        "worker-cpu": lambda: _application(plan, "worker-cpu", "workers.cpu"),
        "worker-gpu": lambda: _application(plan, "worker-gpu", "workers.gpu"),
        "scheduler": lambda: _application(plan, "scheduler", "workers.scheduler"),
        "flower": lambda: Component(
            name="flower",
            command=_python("workers.flower"),
            env={
                **application_environment(plan),
                "NETRA_FLOWER_USER": secrets.flower_user,
                "NETRA_FLOWER_PASSWORD": secrets.flower_password,
                "NETRA_FLOWER_PORT": str(ports["flower"]),
            },
            port=ports["flower"],
            ready=lambda: is_open(ports["flower"]),
        ),
    }


def _application(plan: Plan, name: str, module: str) -> Component:
    return Component(name=name, command=_python(module), env=_measured_environment(plan, name))


def _measured_environment(plan: Plan, name: str) -> dict[str, str]:
    port = str(plan.ports.get(MEASURED[name], 0))
    return {**application_environment(plan), "NETRA_METRICS_PORT": port}


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


def answers(port: int, path: str, timeout_s: float = 1.0) -> bool:
    """Whether an HTTP server on the loopback answers `path` with 200."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def problems(names: Sequence[str]) -> list[str]:
    """Names that are none of the stack's processes."""
    return sorted(set(names) - set(ALL))
