"""Settings, grouped by concern, with units in their names.

They come, the later over the earlier, from the defaults below, from
`config/<environment>.toml` (`NETRA_ENV`, default `development`), from the file that `NETRA_CONFIG`
names, and from the environment: `NETRA_QUEUE_LEASE_S=15` sets `queue.lease_s`. `DATABASE_URL`,
`REDIS_URL`, `CLICKHOUSE_URL`, `JWT_SECRET_KEY`, `ASYNC_POOL_SIZE`, `ASYNC_MAX_WORKERS` and
`OTEL_EXPORTER_OTLP_ENDPOINT` are understood as they stand. Secrets have no default.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from netra.errors import SettingsError

_PACKAGE = Path(__file__).parent
#: Where the settings files lie: inside the wheel, or beside the package in a checkout.
CONFIG_DIR = _PACKAGE / "_config" if (_PACKAGE / "_config").is_dir() else _PACKAGE.parent / "config"


class Group(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of settings."""


class Database(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: `postgresql://user:password@host:port/name`. No default: it holds a secret.
    url: str = ""
    #: Connections kept open by each process that serves requests.
    pool_size: int = 20
    #: Connections opened above `pool_size` under load, and closed again.
    pool_overflow: int = 40
    #: A connection older than this is replaced, seconds.
    pool_recycle_s: int = 3600
    #: How long to wait for a connection before giving up, seconds.
    connect_timeout_s: float = 5.0


class Redis(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: `redis://:password@host:port/0`. No default: it holds a secret.
    url: str = ""
    #: Connections at most, per process.
    pool_size: int = 50
    #: TCP keepalive: first probe after, then every, seconds; and how many.
    keepalive_idle_s: int = 1
    keepalive_interval_s: int = 3
    keepalive_count: int = 5


class ClickHouse(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: `http://user:password@host:port/database`. No default: it holds a secret.
    url: str = ""
    #: Rows per insert block.
    insert_rows: int = 50_000


class Api(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    host: str = "127.0.0.1"
    port: int = 8000
    #: Origins that a browser may open `/ws` from or call the API from.
    allowed_origins: tuple[str, ...] = ()
    #: Addresses or networks (`10.0.0.0/16`) of proxies that are believed when they say who calls
    #: (`X-Forwarded-For`, `X-Forwarded-Proto`). Whoever calls from elsewhere is who calls.
    trusted_proxies: tuple[str, ...] = ()
    #: Signs the short-lived WebSocket tickets. No default: it is a secret.
    jwt_secret_key: str = ""
    #: A WebSocket ticket lives this long, seconds.
    ticket_life_s: int = 30
    #: The longest line of an uploaded CSV or JSONL file, bytes.
    max_line_bytes: int = 8_000_000
    #: The largest JSON body, bytes (uploads of events are streamed, and not bound by this).
    max_body_bytes: int = 64_000_000
    #: Threads for blocking work (ingest) beside the event loop.
    async_max_workers: int = 50
    #: Blocking work waiting at most.
    async_pool_size: int = 100
    #: Where uploads are spooled; empty is the system's temporary folder.
    spool_dir: str = ""


class Queue(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: A claimed stage belongs to its worker for this long unless renewed, seconds.
    lease_s: float = 10.0
    #: Leases are renewed this often by the worker's parent process, seconds.
    heartbeat_s: float = 0.8
    #: Stages admitted beyond the free slots, as a share of a pool's slots, and at least.
    admit_ahead: float = 1.0
    admit_least: int = 48
    #: An admitted stage that nobody claimed while slots were free is admitted again after, seconds.
    readmit_s: float = 5.0
    #: Failures of a stage (an exception in the agent) before it goes to the dead letters.
    max_failures: int = 3
    #: Leases of a stage lost (its worker died or hung) before it goes to the dead letters.
    max_lost: int = 5
    #: Processes of living workers that died with a stage before it goes to the dead letters.
    max_killed: int = 2
    #: First delay before a failed stage runs again, seconds; doubles each time, with jitter.
    backoff_s: float = 0.5
    backoff_max_s: float = 60.0
    #: A worker goes on claiming stages within one Celery message for this long, seconds.
    loop_budget_s: float = 2.0
    #: Stages that the catalog calls short are claimed and completed so many at once.
    short_at_once: int = 8
    #: The scheduler, and idle workers that no wake-up reached, look at least this often, seconds.
    poll_s: float = 1.0
    #: A cancelled stage that does not stop by itself is killed after, seconds.
    cancel_grace_s: float = 1.0
    #: A worker whose heartbeat is older than this has no slots, seconds.
    worker_stale_s: float = 8.0
    #: A fact unsent for this long is sent by the scheduler, seconds.
    relay_after_s: float = 1.0


class Workers(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    cpu_concurrency: int = 2
    gpu_concurrency: int = 1
    #: A stage whose process holds more than this is stopped and goes to the dead letters, MB;
    #: 0: three quarters of the machine's memory.
    stage_memory_mb: int = 0
    #: Lets a gpu worker start without a GPU and run the same code on NumPy. Development only.
    allow_cpu_fallback: bool = False


class Health(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: Where workers and schedulers leave their heartbeat files; empty: a folder of this user's in
    #: the system's temporary one. Containers that cannot write to their root mount one here.
    folder: str = ""
    #: A process whose file is older than this is dead to its liveness probe, seconds. Far above a
    #: beat: a store that hangs may hold one up for some seconds.
    stale_s: float = 30.0


class Progress(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: Facts kept in a job's Redis stream; older ones are read from PostgreSQL.
    stream_length: int = 1000
    #: A job's Redis stream expires after its last fact, seconds. It spares PostgreSQL when many
    #: clients come back at once, which they do within seconds; kept longer, it would fill Redis.
    stream_life_s: int = 60
    #: Ticks of one stage are sent at most this often, seconds.
    tick_interval_s: float = 0.1
    #: A follower looks into PostgreSQL for facts that no message announced this often, seconds.
    reconcile_s: float = 1.0


class Embedded(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: The folder that holds everything the one-machine stack writes. Empty: chosen (see embedded/).
    home: str = ""
    #: The API's port when it is free; 0 always picks a free one.
    api_port: int = 8000
    flower_port: int = 5555


class Backup(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: Where backups are kept: a folder, or `s3://bucket/prefix` with the usual `AWS_…` variables.
    url: str = ""
    #: Backups that nothing younger needs are deleted after, days.
    keep_days: int = 30
    #: The WAL and new rows are sent there this often, seconds: with what sending takes, the RPO.
    follow_s: float = 10.0
    #: The folder that ClickHouse writes its own backups to before they are sent on, as it and this
    #: process both see it; empty: the one-machine stack's.
    clickhouse_folder: str = ""
    #: The folder of PostgreSQL's programs (`pg_basebackup`, …), of the server's major version;
    #: empty: those of the wheel.
    postgres_programs: str = ""
    #: Room for one backup while it is made or restored; empty: the system's temporary folder.
    scratch_dir: str = ""


class Logging(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    level: str = "INFO"
    #: `json` for machines, `text` for a terminal.
    format: str = "json"


class Metrics(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: API, workers and scheduler serve their metrics here, without a key; 0: they do not.
    port: int = 0
    #: Whom they serve it to: the machine itself, or (`0.0.0.0`) whoever the network lets through.
    host: str = "127.0.0.1"
    #: Tenants that have series of their own, those with the longest queues; the rest share one.
    tenants: int = 50


class Tracing(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    #: A collector's address (OTLP over HTTP), e.g. `http://localhost:4318`. Empty: no spans.
    endpoint: str = ""
    #: The share of traces begun here whose spans are exported; a caller's own decision is kept.
    sample: float = 1.0
    #: How long a collector may take to answer, seconds.
    timeout_s: float = 5.0


class Settings(Group, frozen=True, kw_only=True, forbid_unknown_fields=True):
    environment: str = "development"
    database: Database = Database()
    redis: Redis = Redis()
    clickhouse: ClickHouse = ClickHouse()
    api: Api = Api()
    queue: Queue = Queue()
    workers: Workers = Workers()
    health: Health = Health()
    progress: Progress = Progress()
    embedded: Embedded = Embedded()
    backup: Backup = Backup()
    logging: Logging = Logging()
    metrics: Metrics = Metrics()
    tracing: Tracing = Tracing()


#: Names that other tools set, and where they go.
ALIASES = {
    "DATABASE_URL": ("database", "url"),
    "REDIS_URL": ("redis", "url"),
    "CLICKHOUSE_URL": ("clickhouse", "url"),
    "JWT_SECRET_KEY": ("api", "jwt_secret_key"),
    "ASYNC_POOL_SIZE": ("api", "async_pool_size"),
    "ASYNC_MAX_WORKERS": ("api", "async_max_workers"),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("tracing", "endpoint"),
}

#: Where a client finds the API and how it shows who it is: not this process's settings.
CLIENT_VARIABLES = ("NETRA_API_URL", "NETRA_API_KEY")


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from files and `environ` (default: the process's environment).

    Raises:
        SettingsError: a file or variable is not understood; it names which.
    """
    environ = os.environ if environ is None else environ
    name = environ.get("NETRA_ENV", "development")
    merged: dict[str, Any] = {"environment": name}
    path = CONFIG_DIR / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in CONFIG_DIR.glob("*.toml")))
        raise SettingsError(f"NETRA_ENV={name!r} names no environment; there are: {known}")
    _merge(merged, _read(path))
    if extra := environ.get("NETRA_CONFIG"):
        _merge(merged, _read(Path(extra)))
    for variable, (group, key) in ALIASES.items():
        if variable in environ:
            merged.setdefault(group, {})[key] = environ[variable]
    for group in Settings.__struct_fields__:
        prefix = f"NETRA_{group.upper()}_"
        for variable, value in environ.items():
            if variable.startswith(prefix) and variable not in CLIENT_VARIABLES:
                key = variable.removeprefix(prefix).lower()
                merged.setdefault(group, {})[key] = _listed(group, key, value)
    try:
        return msgspec.convert(merged, Settings, strict=False)
    except msgspec.ValidationError as e:
        raise SettingsError(f"settings for {name!r}: {e}") from e


@cache
def current() -> Settings:
    """The process's settings, read once."""
    return load()


def _listed(group: str, key: str, value: str) -> Any:
    default = getattr(getattr(Settings(), group), key, None)
    if isinstance(default, tuple):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as e:
        raise SettingsError(f"{path}: {e}") from e


def _merge(into: dict[str, Any], new: dict[str, Any]) -> None:
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
